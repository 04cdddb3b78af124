//! The canonical text of an expression.

use std::fmt::{self, Display};

use super::lexer::{Quoted, is_identifier, is_metric_name};
use super::{BinaryOp, Expr, Grouping, Matcher, Matching, Number, Side, VectorSelector, Window, placeholder};
use crate::parse::duration;
use crate::parse::url_template::piece::{Piece, Placeholder};

/// The precedence of `^`, the only operator that binds tighter than a sign.
const POW: u8 = 6;

impl Expr {
    /// Prints the expression as an operand; it gets parentheses if its precedence is lower than `least`.
    fn write(&self, least: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A signed number binds like a product, but may follow any operator.
            Self::Number(Number(number)) if least > POW && number.is_sign_negative() && !number.is_nan() => {
                write!(f, "({self})")
            }
            Self::Negate(_) if least > POW => write!(f, "({self})"),
            Self::Binary(op, ..) if op.precedence() < least => write!(f, "({self})"),
            Self::Number(number) => number.fmt(f),
            Self::Selector(selector) => selector.fmt(f),
            Self::Aggregate(aggregation, grouping, arguments) => {
                if *grouping == Grouping::ALL {
                    write!(f, "{aggregation}")?;
                } else {
                    write!(f, "{aggregation} {grouping} ")?;
                }
                write_arguments(arguments, f)
            }
            Self::Call(function, arguments) => {
                write!(f, "{function}")?;
                write_arguments(arguments, f)
            }
            Self::Relabel(replace, of) => {
                let [target, replacement, source, regex] =
                    [&replace.target, &replace.replacement, replace.source.label(), replace.source.value()].map(Quoted);
                write!(f, "label_replace({of}, {target}, {replacement}, {source}, {regex})")
            }
            Self::Negate(inner) => {
                f.write_str("-")?;
                inner.write(POW, f)
            }
            Self::Binary(op, matching, operands) => {
                let [left, right] = &**operands;
                // All operators except `^` are left-associative.
                let to_the_right = u8::from(*op == BinaryOp::Pow);
                left.write(op.precedence() + to_the_right, f)?;
                write!(f, " {op} {matching}")?;
                right.write(op.precedence() + 1 - to_the_right, f)
            }
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(0, f)
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            number if number.is_nan() => f.write_str("NaN"),
            number if number.is_infinite() => f.write_str(if number > 0.0 { "Inf" } else { "-Inf" }),
            // Very large and very small numbers have an exponent.
            number => {
                let text = format!("{number:?}");
                f.write_str(text.strip_suffix(".0").unwrap_or(&text))
            }
        }
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(labels) => write!(f, "by {}", names(labels)),
            Self::Without(labels) => write!(f, "without {}", names(labels)),
        }
    }
}

/// Prints the matching with a trailing space, unless it is the default.
impl Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.bool { "bool " } else { "" })?;
        match &self.labels {
            Grouping::By(labels) => write!(f, "on {} ", names(labels))?,
            Grouping::Without(labels) if labels.is_empty() && self.group.is_none() => {}
            Grouping::Without(labels) => write!(f, "ignoring {} ", names(labels))?,
        }
        match &self.group {
            Some((Side::Left, labels)) => write!(f, "group_left {} ", names(labels)),
            Some((Side::Right, labels)) => write!(f, "group_right {} ", names(labels)),
            None => Ok(()),
        }
    }
}

fn write_arguments(arguments: &[Expr], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("(")?;
    for (index, argument) in arguments.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        argument.fmt(f)?;
    }
    f.write_str(")")
}

fn names(labels: &[String]) -> String {
    let labels: Vec<String> = labels.iter().map(|label| Name(label).to_string()).collect();
    format!("({})", labels.join(", "))
}

impl Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "{";
        match &self.name {
            Some(name) if is_metric_name(name) => f.write_str(name)?,
            Some(name) => {
                write!(f, "{{{}", Quoted(name))?;
                separator = ",";
            }
            None => {}
        }
        for matcher in &self.matchers {
            write!(f, "{separator}{matcher}")?;
            separator = ",";
        }
        f.write_str(if separator == "," { "}" } else { "" })?;
        match self.window() {
            Some(window) if self.range.is_none() => write!(f, " {window}"),
            Some(window) => window.fmt(f),
            None => Ok(()),
        }
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [range, offset] = [self.range, self.offset].map(duration::format);
        match (self.range.is_zero(), self.offset.is_zero()) {
            (_, true) => write!(f, "[{range}]"),
            (true, false) => write!(f, "offset {offset}"),
            (false, false) => write!(f, "[{range}] offset {offset}"),
        }
    }
}

impl Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}\"", Name(self.label()), self.op().as_str())?;
        let literal = |text: &str, f: &mut fmt::Formatter<'_>| {
            let mut quoted = Quoted(text).to_string();
            for placeholder in placeholder::KNOWN.map(Placeholder::as_str) {
                quoted = quoted.replace(placeholder, &placeholder.replace('{', "\\x7b"));
            }
            f.write_str(quoted.get(1..quoted.len() - 1).unwrap_or_default())
        };
        match self.pieces() {
            [] => literal(self.value(), f)?,
            pieces => pieces.iter().try_for_each(|piece| match piece {
                Piece::Literal(text) => literal(text, f),
                Piece::Value(placeholder) => f.write_str(placeholder.as_str()),
            })?,
        }
        f.write_str("\"")
    }
}

/// The name of a label, quoted if necessary.
pub(super) struct Name<'a>(pub(super) &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_identifier(self.0) { f.write_str(self.0) } else { Quoted(self.0).fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Aggregation, Function, Limits, MatchOp};
    use super::*;

    const LIMITS: Limits = Limits { bytes: 4096, depth: 8, nodes: 64, regex: 64 * 1024 };

    #[test]
    fn prints_canonical_text() {
        let matcher = Matcher::new("a", MatchOp::Regex, "b|c", LIMITS.regex).unwrap();
        let dotted = Matcher::new("a.b", MatchOp::Equal, "\"\\\n\u{7f}é", LIMITS.regex).unwrap();
        for (selector, text) in [
            (VectorSelector::named("up"), "up"),
            (VectorSelector::named("sum"), "sum"),
            (VectorSelector::named("on"), r#"{"on"}"#),
            (VectorSelector::named("NaN"), r#"{"NaN"}"#),
            (VectorSelector::named("http.requests"), r#"{"http.requests"}"#),
            (
                VectorSelector {
                    name: Some("up".to_owned()),
                    matchers: vec![matcher.clone()],
                    ..VectorSelector::default()
                },
                r#"up{a=~"b|c"}"#,
            ),
            (
                VectorSelector {
                    name: Some("a b".to_owned()),
                    matchers: vec![matcher, dotted.clone()],
                    ..VectorSelector::default()
                },
                "{\"a b\",a=~\"b|c\",\"a.b\"=\"\\\"\\\\\\n\\x7fé\"}",
            ),
            (
                VectorSelector { range: Some(Duration::from_millis(90_500)), ..VectorSelector::named("on") },
                r#"{"on"}[1m30s500ms]"#,
            ),
            (
                VectorSelector { name: None, matchers: vec![dotted], ..VectorSelector::default() },
                "{\"a.b\"=\"\\\"\\\\\\n\\x7fé\"}",
            ),
        ] {
            assert_eq!(selector.to_string(), text);
            let (function, ranged) = (Function::MaxOverTime, selector.range.is_some());
            let selector = Expr::Selector(selector);
            let expr = match ranged {
                true => Expr::Call(function, vec![selector]),
                false => Expr::Aggregate(Aggregation::Max, Grouping::ALL, vec![selector]),
            };
            let around = if ranged { function.as_str() } else { "max" };
            assert_eq!(expr.to_string(), format!("{around}({text})"));
            assert_eq!(Expr::parse(&expr.to_string(), &LIMITS), Ok(expr));
        }
    }

    #[test]
    fn prints_numbers() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (1e16, "1e16"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::INFINITY, "Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(Number(number).to_string(), text);
            let expr = Expr::parse(&format!("x + {text}"), &LIMITS).unwrap();
            let (x, number) = (Expr::Selector(VectorSelector::named("x")), Expr::Number(Number(number)));
            assert_eq!(expr, Expr::Binary(BinaryOp::Add, Matching::default(), Box::new([x, number])), "{text}");
        }
    }
}

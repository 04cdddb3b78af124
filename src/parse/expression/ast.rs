//! What an expression is once parsed, and its canonical text.

use std::borrow::Cow;
use std::fmt;

use super::Matcher;
use super::lexer::{Quoted, is_identifier, is_metric_name};

/// The label that stands for the metric's name.
const NAME_LABEL: &str = "__name__";

/// A parsed expression; it prints as canonical PromQL that parses to the same expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// The latest sample of each series that matches.
    Selector(VectorSelector),
    /// One number of all that the inner expression gives.
    Aggregate(Aggregation, Box<Expr>),
}

/// How several numbers become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// Their sum.
    Sum,
    /// Their arithmetic mean.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// How many there are.
    Count,
}

/// Which series: a metric's name, matchers on labels, or both.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The metric's name; `None` where only matchers tell.
    pub name: Option<String>,
    /// All must match. A matcher on `__name__` is compared with the metric's name.
    pub matchers: Vec<Matcher>,
}

impl Expr {
    /// The vector selectors inside, in the order they are written.
    pub fn selectors(&self) -> impl Iterator<Item = &VectorSelector> {
        let mut expr = self;
        let selector = loop {
            match expr {
                Self::Selector(selector) => break selector,
                Self::Aggregate(_, inner) => expr = inner,
            }
        };
        std::iter::once(selector)
    }
}

impl Aggregation {
    /// All of them, in the order that messages list them.
    pub const ALL: [Self; 5] = [Self::Sum, Self::Avg, Self::Min, Self::Max, Self::Count];

    /// As PromQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
        }
    }

    /// The one that a word names; in PromQL keywords may be in capitals.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aggregation| aggregation.as_str().eq_ignore_ascii_case(word))
    }
}

impl VectorSelector {
    /// The series of one metric, whatever their labels.
    pub fn named(name: &str) -> Self {
        Self { name: Some(name.to_owned()), matchers: Vec::new() }
    }

    /// Whether a series of this metric matches; `get` gives its labels by name.
    pub fn matches<'a>(&self, name: &str, get: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        self.name.as_deref().is_none_or(|wanted| wanted == name)
            && self.matchers.iter().all(|matcher| match matcher.label() {
                NAME_LABEL => matcher.matches(name),
                label => matcher.matches(get(label).as_deref().unwrap_or_default()),
            })
    }

    /// Whether the metric's name is given twice, by itself and in a matcher.
    pub(super) fn is_named_twice(&self) -> bool {
        self.name.is_some() && self.matchers.iter().any(|matcher| matcher.label() == NAME_LABEL)
    }

    /// Whether a series without a name and without labels would match, and hence about every series.
    pub(super) fn takes_all(&self) -> bool {
        self.name.is_none() && self.matchers.iter().all(|matcher| matcher.matches(""))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selector(selector) => selector.fmt(f),
            Self::Aggregate(aggregation, inner) => write!(f, "{aggregation}({inner})"),
        }
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        match &self.name {
            Some(name) if is_metric_name(name) && self.matchers.is_empty() => return f.write_str(name),
            Some(name) if is_metric_name(name) => write!(f, "{name}{{")?,
            Some(name) => {
                write!(f, "{{{}", Quoted(name))?;
                separator = ",";
            }
            None => f.write_str("{")?,
        }
        for matcher in &self.matchers {
            write!(f, "{separator}{matcher}")?;
            separator = ",";
        }
        f.write_str("}")
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_identifier(self.label()) {
            f.write_str(self.label())?;
        } else {
            Quoted(self.label()).fmt(f)?;
        }
        write!(f, "{}{}", self.op().as_str(), Quoted(self.value()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, MatchOp};
    use super::*;

    const LIMITS: Limits = Limits { bytes: 4096, depth: 8, regex: 64 * 1024 };

    fn selector(text: &str) -> VectorSelector {
        Expr::parse(text, &LIMITS).unwrap().selectors().next().unwrap().clone()
    }

    #[test]
    fn selects_series() {
        let get = |label: &str| match label {
            "code" => Some(Cow::Borrowed("200")),
            "path" => Some(Cow::Owned("/a\nb".to_owned())),
            _ => None,
        };
        for (text, expected) in [
            ("hits", true),
            ("misses", false),
            (r#"hits{code="200"}"#, true),
            (r#"hits{code!="200"}"#, false),
            (r#"hits{code=~"2.."}"#, true),
            (r#"hits{code=~"2"}"#, false),
            (r#"hits{code=~"2|200"}"#, true),
            (r#"hits{code!~"5.."}"#, true),
            (r#"hits{code!~"[12].+",path="x"}"#, false),
            (r#"hits{path=~"/a.b"}"#, true),
            (r#"hits{absent=""}"#, true),
            (r#"hits{absent=~".*"}"#, true),
            (r#"hits{absent=~".+"}"#, false),
            (r#"hits{absent!="x"}"#, true),
            (r#"{__name__="hits"}"#, true),
            (r#"{__name__=~"hit.?",code!=""}"#, true),
            (r#"{__name__=~"miss.*"}"#, false),
            (r#"{"hits",code="200"}"#, true),
        ] {
            assert_eq!(selector(text).matches("hits", get), expected, "{text}");
        }
    }

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
            (VectorSelector { name: Some("up".to_owned()), matchers: vec![matcher.clone()] }, r#"up{a=~"b|c"}"#),
            (
                VectorSelector { name: Some("a b".to_owned()), matchers: vec![matcher, dotted.clone()] },
                "{\"a b\",a=~\"b|c\",\"a.b\"=\"\\\"\\\\\\n\\x7fé\"}",
            ),
            (VectorSelector { name: None, matchers: vec![dotted] }, "{\"a.b\"=\"\\\"\\\\\\n\\x7fé\"}"),
        ] {
            assert_eq!(selector.to_string(), text);
            let expr = Expr::Aggregate(Aggregation::Max, Box::new(Expr::Selector(selector)));
            assert_eq!(expr.to_string(), format!("max({text})"));
            assert_eq!(Expr::parse(&expr.to_string(), &LIMITS), Ok(expr));
        }
    }
}

//! The scope of a query: matchers and a label that narrow a parsed expression to the requested objects.

use std::fmt;

use super::{Aggregation, Expr, Grouping, Matcher};

/// What a query is narrowed by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// For each selector.
    pub matchers: Vec<Matcher>,
    /// For each aggregation: the label that tells objects apart, unless there is but one object.
    pub by: Option<String>,
}

/// An aggregation that takes away the label which tells objects apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    aggregation: Aggregation,
    label: String,
}

impl Expr {
    /// The same expression, evaluated for many objects at once: with the matchers in every selector, and the label in
    /// the `by` of every aggregation.
    ///
    /// # Errors
    /// If an aggregation is `without` the label.
    pub fn inject(&self, scope: &Scope) -> Result<Self, Dropped> {
        let inner = |expr: &Self| expr.inject(scope).map(Box::new);
        Ok(match self {
            Self::Number(number) => Self::Number(*number),
            Self::Selector(selector) => {
                let mut selector = selector.clone();
                selector.matchers.extend(scope.matchers.iter().cloned());
                Self::Selector(selector)
            }
            Self::Aggregate(aggregation, grouping, of) => {
                Self::Aggregate(*aggregation, scope.group(*aggregation, grouping)?, inner(of)?)
            }
            Self::Call(function, arguments) => {
                let arguments: Result<_, _> = arguments.iter().map(|argument| argument.inject(scope)).collect();
                Self::Call(*function, arguments?)
            }
            Self::Negate(of) => Self::Negate(inner(of)?),
            Self::Binary(op, left, right) => Self::Binary(*op, inner(left)?, inner(right)?),
        })
    }
}

impl Scope {
    fn group(&self, aggregation: Aggregation, grouping: &Grouping) -> Result<Grouping, Dropped> {
        let Some(label) = &self.by else { return Ok(grouping.clone()) };
        match grouping {
            Grouping::By(labels) if labels.contains(label) => Ok(grouping.clone()),
            Grouping::By(labels) => Ok(Grouping::By(labels.iter().chain([label]).cloned().collect())),
            // All other labels stay, this one among them.
            Grouping::Without(labels) if !labels.contains(label) => Ok(grouping.clone()),
            Grouping::Without(_) => Err(Dropped { aggregation, label: label.clone() }),
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aggregation, label } = self;
        let grouping = Grouping::Without(vec![label.clone()]);
        write!(f, "{aggregation} {grouping} takes away the label that tells objects apart")
    }
}

impl std::error::Error for Dropped {}

#[cfg(test)]
mod tests {
    use super::super::{Limits, MatchOp};
    use super::*;

    const LIMITS: Limits = Limits { bytes: 4096, depth: 8, nodes: 64, regex: 64 * 1024 };

    fn scope(matchers: &[(&str, MatchOp, &str)], by: &str) -> Scope {
        let matcher = |(label, op, value): &(&str, _, &str)| Matcher::new(label, *op, value, LIMITS.regex).unwrap();
        let by = Some(by.to_owned()).filter(|by| !by.is_empty());
        Scope { matchers: matchers.iter().map(matcher).collect(), by }
    }

    #[test]
    fn narrows_every_selector_and_every_aggregation() {
        let shop = scope(&[("namespace", MatchOp::Equal, "shop")], "pod");
        for (text, expected) in [
            ("up", r#"up{namespace="shop"}"#),
            (r#"up{a="b"}"#, r#"up{a="b",namespace="shop"}"#),
            (r#"{__name__=~"a|b"}"#, r#"{__name__=~"a|b",namespace="shop"}"#),
            (r#"{"a.b"}"#, r#"{"a.b",namespace="shop"}"#),
            // Another namespace gives nothing.
            (r#"up{namespace="bank"}"#, r#"up{namespace="bank",namespace="shop"}"#),
            ("rate(a[1m])", r#"rate(a{namespace="shop"}[1m])"#),
            ("sum(a)", r#"sum by (pod) (a{namespace="shop"})"#),
            ("sum by (code) (a)", r#"sum by (code, pod) (a{namespace="shop"})"#),
            ("sum(a) by (pod, code)", r#"sum by (pod, code) (a{namespace="shop"})"#),
            ("max(sum by (code) (a))", r#"max by (pod) (sum by (code, pod) (a{namespace="shop"}))"#),
            ("sum without (instance) (a)", r#"sum without (instance) (a{namespace="shop"})"#),
            (
                r#"histogram_quantile(0.9, sum by (le) (rate(a_bucket{code!~"5.."}[5m])))"#,
                r#"histogram_quantile(0.9, sum by (le, pod) (rate(a_bucket{code!~"5..",namespace="shop"}[5m])))"#,
            ),
            (
                "-sum(a) / (count(b) + 1) > 2",
                r#"-sum by (pod) (a{namespace="shop"}) / (count by (pod) (b{namespace="shop"}) + 1) > 2"#,
            ),
            ("clamp_max(sum(a), 5)", r#"clamp_max(sum by (pod) (a{namespace="shop"}), 5)"#),
        ] {
            let narrowed = Expr::parse(text, &LIMITS).unwrap().inject(&shop).unwrap();
            assert_eq!(narrowed.to_string(), expected, "{text}");
            assert_eq!(Expr::parse(expected, &LIMITS), Ok(narrowed), "{text}");
        }
    }

    #[test]
    fn values_are_escaped() {
        let matchers = [("namespace", MatchOp::Equal, "a\"} or up{x=\"\\\n"), ("verb", MatchOp::Regex, "GET|P.*")];
        let narrowed = Expr::parse("sum(a)", &LIMITS).unwrap().inject(&scope(&matchers, "the pod")).unwrap();
        let expected = r#"sum by ("the pod") (a{namespace="a\"} or up{x=\"\\\n",verb=~"GET|P.*"})"#;
        assert_eq!(narrowed.to_string(), expected);
        assert_eq!(Expr::parse(expected, &LIMITS), Ok(narrowed));
    }

    #[test]
    fn one_object_takes_no_label() {
        let expr = Expr::parse("sum(a) / sum without (pod) (b)", &LIMITS).unwrap();
        assert_eq!(expr.inject(&scope(&[], "")), Ok(expr));
    }

    #[test]
    fn refuses_what_takes_the_label_away() {
        for text in ["sum without (pod) (a)", "max(sum without (x, pod) (a)) + 1", "1 - -abs(sum without (pod) (a))"] {
            let dropped = Expr::parse(text, &LIMITS).unwrap().inject(&scope(&[], "pod")).unwrap_err();
            assert_eq!(
                dropped.to_string(),
                "sum without (pod) takes away the label that tells objects apart",
                "{text}"
            );
        }
    }
}

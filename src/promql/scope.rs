//! The scope of a query: matchers and a label that restrict a parsed expression to the requested objects.

use std::fmt;

use super::{Expr, Function, Grouping, Matcher};

/// The restrictions of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Matchers to add to each selector.
    pub matchers: Vec<Matcher>,
    /// The label that identifies objects, to add to each aggregation; `None` if there is only one object.
    pub by: Option<String>,
}

/// Why one query cannot evaluate an expression separately for each of many objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotPerObject {
    what: String,
    why: &'static str,
}

impl Expr {
    /// The expression for many objects at once: with the matchers in every selector, and the label in the `by` of every
    /// aggregation and the `on` of every operator.
    ///
    /// # Errors
    /// If a part of the expression drops the label or mixes the series of all objects.
    pub fn inject(&self, scope: &Scope) -> Result<Self, NotPerObject> {
        let mut narrowed = self.clone();
        narrowed.narrow(scope)?;
        Ok(narrowed)
    }

    fn narrow(&mut self, scope: &Scope) -> Result<(), NotPerObject> {
        if let Some(label) = &scope.by {
            let refuse = |what: String, why| Err(NotPerObject { what, why });
            match self {
                Self::Aggregate(aggregation, grouping, _) => {
                    let kept = keep(grouping, label);
                    if !kept {
                        return refuse(format!("{aggregation} {grouping}"), DROPS_LABEL);
                    }
                }
                Self::Binary(_, matching, _) => {
                    if !keep(&mut matching.labels, label) {
                        return refuse(matching.to_string().trim_end().to_owned(), DROPS_LABEL);
                    }
                    // The label is now equal on both sides, and must not be in both lists.
                    if let (Grouping::By(_), Some((_, taken))) = (&matching.labels, &mut matching.group) {
                        taken.retain(|other| other != label);
                    }
                }
                Self::Relabel(replace, _) if replace.target == *label => {
                    return refuse("label_replace()".to_owned(), "changes the label");
                }
                // Without selectors, the number is the same for all objects.
                Self::Call(Function::Scalar, of) if of.iter().all(|of| of.selectors().next().is_none()) => {
                    return Ok(());
                }
                Self::Call(Function::Scalar, _) => {
                    return refuse("scalar()".to_owned(), DROPS_LABEL);
                }
                Self::Call(function @ (Function::Vector | Function::Absent), _) => {
                    return refuse(format!("{function}()"), "lacks the label");
                }
                _ => {}
            }
        }
        if let Self::Selector(selector) = self {
            selector.matchers.extend(scope.matchers.iter().cloned());
        }
        self.children_mut().iter_mut().try_for_each(|child| child.narrow(scope))
    }
}

const DROPS_LABEL: &str = "drops the label";

/// Adds a label to a grouping; `false` if the grouping drops it explicitly.
fn keep(grouping: &mut Grouping, label: &String) -> bool {
    match grouping {
        // The grouping keeps all other labels.
        Grouping::Without(labels) => return !labels.contains(label),
        Grouping::By(labels) if labels.contains(label) => {}
        Grouping::By(labels) => labels.push(label.clone()),
    }
    true
}

impl fmt::Display for NotPerObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} that identifies objects", self.what, self.why)
    }
}

impl std::error::Error for NotPerObject {}

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
    fn restricts_every_selector_and_aggregation() {
        let shop = scope(&[("namespace", MatchOp::Equal, "shop")], "pod");
        for (text, expected) in [
            ("up", r#"up{namespace="shop"}"#),
            (r#"up{a="b"}"#, r#"up{a="b",namespace="shop"}"#),
            (r#"{__name__=~"a|b"}"#, r#"{__name__=~"a|b",namespace="shop"}"#),
            (r#"{"a.b"}"#, r#"{"a.b",namespace="shop"}"#),
            // A selector of another namespace matches nothing.
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
            ("topk(1, a)", r#"topk by (pod) (1, a{namespace="shop"})"#),
            ("quantile(0.5, a) by (x)", r#"quantile by (x, pod) (0.5, a{namespace="shop"})"#),
            ("a and b or c", r#"a{namespace="shop"} and b{namespace="shop"} or c{namespace="shop"}"#),
            ("a unless on () b", r#"a{namespace="shop"} unless on (pod) b{namespace="shop"}"#),
            ("a or ignoring (x) b", r#"a{namespace="shop"} or ignoring (x) b{namespace="shop"}"#),
            ("a / on (x, pod) b", r#"a{namespace="shop"} / on (x, pod) b{namespace="shop"}"#),
            (
                "a * on (x) group_left (pod, y) b",
                r#"a{namespace="shop"} * on (x, pod) group_left (y) b{namespace="shop"}"#,
            ),
            (
                "a > bool ignoring (x) group_right (pod) b",
                r#"a{namespace="shop"} > bool ignoring (x) group_right (pod) b{namespace="shop"}"#,
            ),
            ("time() - max(a offset 5m)", r#"time() - max by (pod) (a{namespace="shop"} offset 5m)"#),
            (
                "clamp_max(a, scalar(sum(vector(2 + time()))))",
                r#"clamp_max(a{namespace="shop"}, scalar(sum(vector(2 + time()))))"#,
            ),
            (
                "label_replace(sum by (x) (a), 'y', '$1', 'pod', '(.*)')",
                r#"label_replace(sum by (x, pod) (a{namespace="shop"}), "y", "$1", "pod", "(.*)")"#,
            ),
        ] {
            let narrowed = Expr::parse(text, &LIMITS).unwrap().inject(&shop).unwrap();
            assert_eq!(narrowed.to_string(), expected, "{text}");
            assert_eq!(Expr::parse(expected, &LIMITS), Ok(narrowed), "{text}");
        }
    }

    #[test]
    fn escapes_values() {
        let matchers = [("namespace", MatchOp::Equal, "a\"} or up{x=\"\\\n"), ("verb", MatchOp::Regex, "GET|P.*")];
        let narrowed = Expr::parse("sum(a)", &LIMITS).unwrap().inject(&scope(&matchers, "the pod")).unwrap();
        let expected = r#"sum by ("the pod") (a{namespace="a\"} or up{x=\"\\\n",verb=~"GET|P.*"})"#;
        assert_eq!(narrowed.to_string(), expected);
        assert_eq!(Expr::parse(expected, &LIMITS), Ok(narrowed));
    }

    #[test]
    fn adds_no_label_for_one_object() {
        let expr = Expr::parse("sum(a) / sum without (pod) (b)", &LIMITS).unwrap();
        assert_eq!(expr.inject(&scope(&[], "")), Ok(expr));
    }

    #[test]
    fn rejects_expressions_that_drop_the_label() {
        for (text, what) in [
            ("sum without (pod) (a)", "sum without (pod) drops"),
            ("max(sum without (x, pod) (a)) + 1", "sum without (x, pod) drops"),
            ("1 - -abs(topk without (pod) (1, a))", "topk without (pod) drops"),
            ("a / ignoring (pod) b", "ignoring (pod) drops"),
            ("a and ignoring (x, pod) b", "ignoring (x, pod) drops"),
            ("a > bool ignoring (pod) group_left (x) b", "bool ignoring (pod) group_left (x) drops"),
            ("a / scalar(b)", "scalar() drops"),
            ("clamp_max(a, scalar(sum(b)))", "scalar() drops"),
            ("sum(a) or vector(0)", "vector() lacks"),
            ("vector(1)", "vector() lacks"),
            ("absent(a)", "absent() lacks"),
            ("label_replace(a, 'pod', '$1', 'x', '(.*)')", "label_replace() changes"),
        ] {
            let refused = Expr::parse(text, &LIMITS).unwrap().inject(&scope(&[], "pod")).unwrap_err();
            assert_eq!(refused.to_string(), format!("{what} the label that identifies objects"), "{text}");
        }
    }
}

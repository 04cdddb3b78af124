//! Finds selectors whose samples are used as levels, which is wrong for counters.

use super::{Aggregation, BinaryOp, Expr, Function, Matching, VectorSelector};

impl Expr {
    /// The selectors whose samples appear unchanged in the value: not counted, not compared over time or with each
    /// other, and not reduced to a quantile.
    pub fn levels(&self) -> Vec<&VectorSelector> {
        match self {
            Self::Aggregate(Aggregation::Count, ..)
            | Self::Call(Function::HistogramQuantile | Function::Absent, _)
            | Self::Binary(_, Matching { bool: true, .. }, _) => Vec::new(),
            Self::Selector(selector) => {
                if selector.range.is_none() {
                    vec![selector]
                } else {
                    Vec::new()
                }
            }
            Self::Binary(op, _, operands) => {
                let [mut left, right] = operands.each_ref().map(Self::levels);
                // The right operand only decides which series remain.
                if matches!(op, BinaryOp::And | BinaryOp::Unless) {
                    return left;
                }
                // The ratio of two counters is bounded, and items added minus items removed is the number of items
                // present.
                if matches!(op, BinaryOp::Div | BinaryOp::Sub) && !left.is_empty() && !right.is_empty() {
                    return Vec::new();
                }
                left.extend(right);
                left
            }
            _ => self.children().iter().flat_map(Self::levels).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::Limits;

    #[test]
    fn finds_levels() {
        let limits = Limits { bytes: 4096, depth: 8, nodes: 64, regex: 64 * 1024 };
        for (text, expected) in [
            ("a", &["a"][..]),
            ("-max by (x) (a{b=\"c\"})", &["a"]),
            ("sum(a) + b * 2", &["a", "b"]),
            ("clamp_min(a, 1)", &["a"]),
            ("a > 5", &["a"]),
            ("count(a)", &[]),
            ("sum(rate(a[1m]))", &[]),
            ("sum(a) / sum(b)", &[]),
            ("sum(a) - sum(b)", &[]),
            ("max(a) / 2", &["a"]),
            ("100 - a", &["a"]),
            ("a - rate(b[1m])", &["a"]),
            ("histogram_quantile(0.9, a)", &[]),
            ("a or b unless c and d", &["a", "b"]),
            ("a > bool 5", &[]),
            ("topk(1, a) * scalar(b)", &["a", "b"]),
            ("absent(a) or vector(1)", &[]),
            ("changes(a[5m]) + resets(b[5m])", &[]),
        ] {
            let expr = Expr::parse(text, &limits).unwrap();
            let names: Vec<_> = expr.levels().iter().filter_map(|selector| selector.name.as_deref()).collect();
            assert_eq!(names, expected, "{text}");
        }
    }
}

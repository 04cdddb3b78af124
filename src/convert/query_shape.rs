//! How an expression treats the label of objects, and a matcher that marks inserted matchers.

use crate::promql::ast::Side;
use crate::promql::{self, Aggregation, BinaryOp, Expr, Function, Grouping, Matching, Type};

/// The label of a matcher that marks the position of inserted matchers.
pub(super) const MARK: &str = "__label_matchers__";

/// Whether all selectors contain the mark.
pub(super) fn is_marked(expr: &Expr) -> bool {
    expr.selectors().all(|selector| selector.matchers.iter().any(|matcher| matcher.label() == MARK))
}

/// Whether any selector contains the mark.
pub(super) fn has_mark(expr: &Expr) -> bool {
    expr.selectors().any(|selector| selector.matchers.iter().any(|matcher| matcher.label() == MARK))
}

/// Whether the elements of the result have this label, if all series have it.
pub(super) fn keeps(expr: &Expr, label: &String) -> bool {
    match expr {
        Expr::Number(_) => false,
        Expr::Selector(_) => true,
        Expr::Aggregate(aggregation, grouping, arguments) => {
            let is_kept = match grouping {
                // They select elements, whose labels remain.
                _ if matches!(aggregation, Aggregation::Topk | Aggregation::Bottomk) => true,
                Grouping::By(labels) => labels.contains(label),
                Grouping::Without(labels) => !labels.contains(label),
            };
            is_kept && arguments.last().is_some_and(|of| keeps(of, label))
        }
        Expr::Call(function, arguments) => {
            !drops_labels(*function) && arguments.iter().any(|argument| keeps(argument, label))
        }
        Expr::Relabel(replace, of) => replace.target != *label && keeps(of, label),
        Expr::Negate(of) => keeps(of, label),
        Expr::Binary(op, matching, operands) => {
            let [left, right] = &**operands;
            let [on_left, on_right] = [left, right].map(|operand| keeps(operand, label));
            match (is_number(left), is_number(right)) {
                (true, _) => on_right,
                (_, true) => on_left,
                _ if op.is_set() => on_left && (*op != BinaryOp::Or || on_right),
                _ => of_pair(matching, label, on_left, on_right),
            }
        }
    }
}

/// Whether the result of a pair of elements has the label.
fn of_pair(matching: &Matching, label: &String, on_left: bool, on_right: bool) -> bool {
    match (&matching.group, &matching.labels) {
        (Some((Side::Left, taken)), _) => on_left || on_right && taken.contains(label),
        (Some((Side::Right, taken)), _) => on_right || on_left && taken.contains(label),
        (None, Grouping::By(labels)) => labels.contains(label) && on_left && on_right,
        (None, Grouping::Without(labels)) => !labels.contains(label) && on_left && on_right,
    }
}

/// Whether the result of a query certainly has at most one element.
pub(super) fn is_single(query: &str, limits: &promql::Limits) -> bool {
    // A number is one element, too.
    let parsed = Expr::parse(query, limits).or_else(|_| Expr::parse(&format!("vector({query})"), limits));
    parsed.is_ok_and(|expr| has_no_labels(&expr))
}

fn has_no_labels(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) => true,
        Expr::Selector(_) | Expr::Relabel(..) => false,
        Expr::Aggregate(aggregation, grouping, _) => {
            *grouping == Grouping::ALL && !matches!(aggregation, Aggregation::Topk | Aggregation::Bottomk)
        }
        Expr::Call(function, _) if drops_labels(*function) => true,
        // The buckets of a histogram become one element.
        Expr::Call(Function::HistogramQuantile, arguments) => {
            let of_bounds = |grouping: &Grouping| matches!(grouping, Grouping::By(labels) if *labels == ["le"]);
            arguments.iter().all(|argument| match argument {
                Expr::Aggregate(_, grouping, _) => of_bounds(grouping),
                other => has_no_labels(other),
            })
        }
        Expr::Call(_, arguments) => arguments.iter().all(has_no_labels),
        Expr::Negate(of) => has_no_labels(of),
        Expr::Binary(_, _, operands) => operands.iter().all(has_no_labels),
    }
}

fn drops_labels(function: Function) -> bool {
    matches!(function, Function::Scalar | Function::Vector | Function::Time | Function::Absent)
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) => true,
        Expr::Negate(of) => is_number(of),
        Expr::Binary(_, _, operands) => operands.iter().all(is_number),
        Expr::Call(function, _) => function.result_type() == Type::Scalar,
        _ => false,
    }
}

/// Whether an aggregation over marked selectors drops the label, and so combines series of different objects.
pub(super) fn mixes(expr: &Expr, label: &String) -> bool {
    let drops = match expr {
        Expr::Aggregate(_, Grouping::By(labels), _) => !labels.contains(label),
        Expr::Aggregate(_, Grouping::Without(labels), _) => labels.contains(label),
        Expr::Call(function, _) => drops_labels(*function),
        _ => false,
    };
    drops && has_mark(expr) || expr.children().iter().any(|child| mixes(child, label))
}

/// The expression without the mark, and without the label in groupings: Metriclet adds it.
pub(super) fn stripped(expr: &Expr, label: &String) -> Expr {
    let mut stripped = expr.clone();
    strip(&mut stripped, label);
    stripped
}

fn strip(expr: &mut Expr, label: &String) {
    match expr {
        Expr::Selector(selector) => selector.matchers.retain(|matcher| matcher.label() != MARK),
        Expr::Aggregate(_, Grouping::By(labels), _) => labels.retain(|other| other != label),
        Expr::Binary(_, matching, _) => {
            if let Grouping::By(labels) = &mut matching.labels {
                labels.retain(|other| other != label);
            }
        }
        _ => {}
    }
    expr.children_mut().iter_mut().for_each(|child| strip(child, label));
}

//! Operators between numbers, between a number and a vector, and between vectors.

use super::{Element, EvalError, LabelIndex, Times, Value, age, distinct, map};
use crate::promql::{BinaryOp, Grouping, Matching, NAME_LABEL, Side};

pub(super) fn apply(op: BinaryOp, matching: &Matching, left: Value, right: Value) -> Result<Value, EvalError> {
    let elements = match (left, right) {
        (Value::Scalar(left, a), Value::Scalar(right, b)) => {
            let value = compute(op, matching.bool, left, right).filter(|_| matching.bool || !op.is_comparison());
            return Ok(Value::Scalar(value.ok_or(EvalError::IllTyped)?, Times::both(a, b)));
        }
        (Value::Vector(left), Value::Scalar(right, times)) => with(left, op, matching, times, &|it| (it, right))?,
        (Value::Scalar(left, times), Value::Vector(right)) => with(right, op, matching, times, &|it| (left, it))?,
        (Value::Vector(left), Value::Vector(right)) if op.is_set() => combine(op, matching, left, right),
        (Value::Vector(left), Value::Vector(right)) => match_up(op, matching, left, right)?,
    };
    Ok(Value::Vector(elements))
}

/// Applies an operator to each element and a number; `sides` puts the element and the number on their sides. Elements
/// that pass a comparison remain unchanged, including their name.
fn with(
    mut elements: Vec<Element>,
    op: BinaryOp,
    matching: &Matching,
    times: Option<Times>,
    sides: &dyn Fn(f64) -> (f64, f64),
) -> Result<Vec<Element>, EvalError> {
    let result = |value: f64| {
        let (left, right) = sides(value);
        compute(op, matching.bool, left, right)
    };
    age(&mut elements, times);
    if op.is_comparison() && !matching.bool {
        elements.retain(|element| result(element.value).is_some());
        return Ok(elements);
    }
    map(elements, &|value| result(value).unwrap_or(f64::NAN))
}

/// Applies an operator to each pair of elements whose matching labels are equal.
fn match_up(
    op: BinaryOp,
    matching: &Matching,
    left: Vec<Element>,
    right: Vec<Element>,
) -> Result<Vec<Element>, EvalError> {
    if left.is_empty() || right.is_empty() {
        return Ok(Vec::new());
    }
    // For group_right, the lists are swapped, but the operands are not.
    let swapped = matches!(matching.group, Some((Side::Right, _)));
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let (many_side, one_side) = if swapped { (Side::Right, Side::Left) } else { (Side::Left, Side::Right) };
    let mut partners = LabelIndex::default();
    for element in &one {
        let (_, is_new) = partners.insert(element.labels.grouped(&matching.labels));
        if !is_new {
            return Err(EvalError::SeveralMatch(one_side));
        }
    }
    let is_metric = op.is_comparison();
    let mut matched = LabelIndex::default();
    let mut results = Vec::new();
    for Element { mut labels, value, times } in many {
        let key = labels.grouped(&matching.labels);
        let Some(partner) = partners.get(&key).and_then(|place| one.get(place)) else { continue };
        let (left, right) = if swapped { (partner.value, value) } else { (value, partner.value) };
        let Some(value) = compute(op, matching.bool, left, right) else { continue };
        if !is_metric {
            labels = labels.without(&[NAME_LABEL]);
        }
        match (&matching.group, &matching.labels) {
            (Some((_, taken)), _) => {
                for name in taken {
                    labels = labels.with(name, partner.labels.get(name).unwrap_or_default());
                }
            }
            _ if !matched.insert(key).1 => return Err(EvalError::SeveralMatch(many_side)),
            (None, Grouping::By(names)) => labels = labels.only(names),
            (None, Grouping::Without(names)) if names.is_empty() => {}
            (None, Grouping::Without(names)) => labels = labels.without(names),
        }
        if matching.bool {
            labels = labels.without(&[NAME_LABEL]);
        }
        results.push(Element { labels, value, times: times.and(partner.times) });
    }
    distinct(results).map_err(|_| EvalError::SameResult)
}

/// Evaluates `and`, `or` and `unless`: keeps or drops elements depending on whether the other side has an element with equal
/// matching labels.
fn combine(op: BinaryOp, matching: &Matching, mut left: Vec<Element>, mut right: Vec<Element>) -> Vec<Element> {
    let key = |element: &Element| element.labels.grouped(&matching.labels);
    let (mut there, mut times) = (LabelIndex::default(), Vec::<Times>::new());
    for element in if op == BinaryOp::Or { &left } else { &right } {
        let (place, _) = there.insert(key(element));
        match times.get_mut(place) {
            Some(all) => *all = all.and(element.times),
            None => times.push(element.times),
        }
    }
    if op == BinaryOp::Or {
        right.retain(|element| there.get(&key(element)).is_none());
        left.append(&mut right);
        return left;
    }
    left.retain_mut(|element| match there.get(&key(element)).and_then(|place| times.get(place)) {
        Some(times) => {
            element.times = element.times.and(*times);
            op == BinaryOp::And
        }
        None => op == BinaryOp::Unless,
    });
    left
}

/// Computes an operator; `None` if a comparison filters the element out.
#[allow(clippy::float_cmp, reason = "the operator compares exactly")]
fn compute(op: BinaryOp, bool: bool, left: f64, right: f64) -> Option<f64> {
    let holds = match op {
        BinaryOp::Add => return Some(left + right),
        BinaryOp::Sub => return Some(left - right),
        BinaryOp::Mul => return Some(left * right),
        BinaryOp::Div => return Some(left / right),
        BinaryOp::Rem => return Some(left % right),
        BinaryOp::Pow => return Some(left.powf(right)),
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::Less => left < right,
        BinaryOp::LessEqual => left <= right,
        BinaryOp::Greater => left > right,
        BinaryOp::GreaterEqual => left >= right,
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => false,
    };
    if bool { Some(f64::from(u8::from(holds))) } else { holds.then_some(left) }
}

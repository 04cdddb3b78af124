//! Operators between numbers, between a number and a vector, and between vectors.

use std::collections::{HashMap, HashSet};

use super::{Element, EvalError, Labels, Side, Value, distinct, map};
use crate::promql::{BinaryOp, NAME_LABEL};

pub(super) fn apply(op: BinaryOp, left: Value, right: Value) -> Result<Value, EvalError> {
    Ok(match (left, right) {
        (Value::Scalar(_), Value::Scalar(_)) if op.is_comparison() => return Err(EvalError::IllTyped),
        (Value::Scalar(left), Value::Scalar(right)) => Value::Scalar(compute(op, left, right)),
        (Value::Vector(left), Value::Scalar(right)) => Value::Vector(with(left, op, |it| (it, right))?),
        (Value::Scalar(left), Value::Vector(right)) => Value::Vector(with(right, op, |it| (left, it))?),
        (Value::Vector(left), Value::Vector(right)) => Value::Vector(match_up(op, left, &right)?),
    })
}

/// Each element with a number, which `sides` puts on its side. What a comparison leaves stays as it is, its name
/// included.
fn with(
    mut elements: Vec<Element>,
    op: BinaryOp,
    sides: impl Fn(f64) -> (f64, f64),
) -> Result<Vec<Element>, EvalError> {
    if op.is_comparison() {
        elements.retain(|element| {
            let (left, right) = sides(element.value);
            holds(op, left, right)
        });
        return Ok(elements);
    }
    map(elements, |value| {
        let (left, right) = sides(value);
        compute(op, left, right)
    })
}

/// Each element on the left with the one on the right that has the same labels but for the name.
fn match_up(op: BinaryOp, left: Vec<Element>, right: &[Element]) -> Result<Vec<Element>, EvalError> {
    if left.is_empty() || right.is_empty() {
        return Ok(Vec::new());
    }
    let mut partners: HashMap<Labels, &Element> = HashMap::with_capacity(right.len());
    for element in right {
        if partners.insert(element.labels.without(&[NAME_LABEL]), element).is_some() {
            return Err(EvalError::SeveralMatch(Side::Right));
        }
    }
    let mut matched = HashSet::new();
    let mut results = Vec::new();
    for mut element in left {
        let labels = element.labels.without(&[NAME_LABEL]);
        let Some(partner) = partners.get(&labels) else { continue };
        if op.is_comparison() {
            if !holds(op, element.value, partner.value) {
                continue;
            }
        } else {
            element.value = compute(op, element.value, partner.value);
            element.labels = labels.clone();
        }
        element.times = element.times.and(partner.times);
        if !matched.insert(labels) {
            return Err(EvalError::SeveralMatch(Side::Left));
        }
        results.push(element);
    }
    distinct(results)
}

fn compute(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        _ => f64::from(u8::from(holds(op, left, right))),
    }
}

#[allow(clippy::float_cmp, reason = "it is what the operator means")]
fn holds(op: BinaryOp, left: f64, right: f64) -> bool {
    match op {
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::Less => left < right,
        BinaryOp::LessEqual => left <= right,
        BinaryOp::Greater => left > right,
        BinaryOp::GreaterEqual => left >= right,
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div => true,
    }
}

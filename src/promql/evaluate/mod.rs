//! Evaluation: an expression and the samples of its selectors, to a vector.
//!
//! What an expression gives is what Prometheus 3 gives for it: ranges are open to the left, sums are compensated,
//! `rate` and its like extrapolate.

mod aggregate;
mod arithmetic;
mod binary;
mod functions;
mod histogram;
mod labels;
mod window;

use std::collections::HashSet;
use std::fmt;

use crate::promql::{Aggregation, Expr, NAME_LABEL};
pub use labels::Labels;

/// Where the samples of an expression come from.
pub trait Data {
    /// The latest sample of each series that the n-th selector of the expression picks, counted from 0.
    fn instant(&self, selector: usize) -> Vec<Element>;
    /// The samples of each such series, oldest first. Those outside of the selector's range do not count.
    fn range(&self, selector: usize) -> Vec<Series>;
}

/// One value of a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its name among them, as `__name__`.
    pub labels: Labels,
    /// Any number.
    pub value: f64,
    /// When what is in it was sampled.
    pub times: Times,
}

/// When the samples of a value were taken, in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Of the series that was sampled the longest ago, its latest sample.
    pub at: i64,
    /// Of all series, the latest sample.
    pub newest: i64,
    /// Where samples over time are in it: milliseconds from the first to the last of them, the longest of all series.
    pub span: Option<i64>,
}

/// A series over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name among them, as `__name__`.
    pub labels: Labels,
    /// Oldest first.
    pub samples: Vec<Sample>,
}

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Unix milliseconds.
    pub at: i64,
    /// Any number.
    pub value: f64,
}

/// Why an expression has no result for these samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvalError {
    /// Names are dropped, and then two elements have the same labels.
    SameLabels,
    /// Elements on one side of an operator have the same labels.
    SeveralMatch(Side),
    /// The expression is none that the parser gives.
    IllTyped,
}

/// Of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Before it.
    Left,
    /// After it.
    Right,
}

/// Evaluates an expression at the time `now`, in Unix milliseconds.
///
/// # Errors
/// Where Prometheus has no result for the samples either.
pub fn evaluate(expr: &Expr, data: &impl Data, now: i64) -> Result<Vec<Element>, EvalError> {
    // One copy of the code serves data of every kind.
    let data: &dyn Data = data;
    Evaluation { data: &data, now, next: 0 }.vector(expr)
}

impl Data for &dyn Data {
    fn instant(&self, selector: usize) -> Vec<Element> {
        (**self).instant(selector)
    }

    fn range(&self, selector: usize) -> Vec<Series> {
        (**self).range(selector)
    }
}

/// Aggregates all elements to at most one.
pub(crate) fn aggregate_all(aggregation: Aggregation, elements: &[Element]) -> Option<Element> {
    aggregate::all(aggregation, elements)
}

/// One expression being evaluated, from left to right.
struct Evaluation<'a, D> {
    data: &'a D,
    now: i64,
    /// The number of selectors to the left.
    next: usize,
}

/// What a part of the expression gives. Ranges stay with the functions that take them.
enum Value {
    Scalar(f64),
    Vector(Vec<Element>),
}

impl<D: Data> Evaluation<'_, D> {
    fn value(&mut self, expr: &Expr) -> Result<Value, EvalError> {
        Ok(Value::Vector(match expr {
            Expr::Number(number) => return Ok(Value::Scalar(number.0)),
            Expr::Selector(selector) if selector.range.is_none() => {
                let number = self.number();
                self.data.instant(number)
            }
            Expr::Selector(_) => return Err(EvalError::IllTyped),
            Expr::Aggregate(aggregation, grouping, inner) => {
                aggregate::grouped(*aggregation, grouping, &self.vector(inner)?)
            }
            Expr::Call(function, arguments) => self.call(*function, arguments)?,
            Expr::Negate(inner) => match self.value(inner)? {
                Value::Scalar(number) => return Ok(Value::Scalar(-number)),
                Value::Vector(elements) => map(elements, |value| -value)?,
            },
            Expr::Binary(op, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                return binary::apply(*op, left, right);
            }
        }))
    }

    fn vector(&mut self, expr: &Expr) -> Result<Vec<Element>, EvalError> {
        match self.value(expr)? {
            Value::Vector(elements) => Ok(elements),
            Value::Scalar(_) => Err(EvalError::IllTyped),
        }
    }

    fn scalar(&mut self, expr: &Expr) -> Result<f64, EvalError> {
        match self.value(expr)? {
            Value::Scalar(number) => Ok(number),
            Value::Vector(_) => Err(EvalError::IllTyped),
        }
    }

    /// The number of the selector that comes next.
    fn number(&mut self) -> usize {
        let number = self.next;
        self.next += 1;
        number
    }
}

impl Times {
    /// Of one sample.
    pub fn of(at: i64) -> Self {
        Self { at, newest: at, span: None }
    }

    /// A whole is no fresher than its parts.
    fn and(self, other: Self) -> Self {
        Self { at: self.at.min(other.at), newest: self.newest.max(other.newest), span: self.span.max(other.span) }
    }
}

/// Changes values; what is not the metric any more does not have its name.
fn map(elements: Vec<Element>, change: impl Fn(f64) -> f64) -> Result<Vec<Element>, EvalError> {
    let changed = |element: Element| Element {
        labels: element.labels.without(&[NAME_LABEL]),
        value: change(element.value),
        times: element.times,
    };
    distinct(elements.into_iter().map(changed).collect())
}

/// Checks that labels tell elements apart.
fn distinct(elements: Vec<Element>) -> Result<Vec<Element>, EvalError> {
    let mut seen = HashSet::with_capacity(elements.len());
    if elements.iter().all(|element| seen.insert(&element.labels)) { Ok(elements) } else { Err(EvalError::SameLabels) }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameLabels => f.write_str(
                "series of several metrics have the same labels, and the value drops their names; \
                 name one metric, or aggregate first",
            ),
            Self::SeveralMatch(side) => {
                let side = if *side == Side::Left { "left" } else { "right" };
                write!(
                    f,
                    "several series {side} of an operator have the same labels; name one metric, or aggregate first"
                )
            }
            Self::IllTyped => f.write_str("the value mixes numbers, series and ranges in a way that has no meaning"),
        }
    }
}

impl std::error::Error for EvalError {}

#[cfg(test)]
mod tests;

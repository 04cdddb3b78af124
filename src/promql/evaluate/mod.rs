//! Evaluation: an expression and the samples of its selectors, to a vector.
//!
//! What an expression gives is what Prometheus 3 gives for it: ranges are open to the left, sums are compensated,
//! `rate` and its like extrapolate.

mod aggregate;
mod arithmetic;
mod binary;
mod functions;
mod histogram;
mod index;
mod labels;
mod relabel;
mod window;

use std::fmt;

use crate::parse::duration::millis;
use crate::promql::{Aggregation, Expr, NAME_LABEL, Side, Type, Window};
use index::LabelIndex;
pub use labels::Labels;

/// Where the samples of an expression come from.
pub trait Data {
    /// The sample at the time `at` of each series that the n-th selector of the expression picks, counted from 0. It is
    /// earlier than the present where the selector has an offset.
    fn instant(&self, selector: usize, at: i64) -> Vec<Element>;
    /// The samples of each such series, oldest first. Those outside of the selector's range do not count.
    fn range(&self, selector: usize) -> Vec<Series>;
    /// A time in Unix milliseconds; not the same where samples are timed by another clock.
    fn unix(&self, at: i64) -> i64 {
        at
    }
    /// When it was seen last what is there and what is not.
    fn seen(&self, now: i64) -> i64 {
        now
    }
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
    /// Two results have the same labels, after labels were changed or taken from the other side.
    SameResult,
    /// Elements on one side of an operator match the same one.
    SeveralMatch(Side),
    /// As many of the largest or smallest as no number says.
    NotACount,
    /// The expression is none that the parser gives.
    IllTyped,
}

/// Evaluates an expression at the time `now`, in Unix milliseconds.
///
/// # Errors
/// Where Prometheus has no result for the samples either.
pub fn evaluate(expr: &Expr, data: &dyn Data, now: i64) -> Result<Vec<Element>, EvalError> {
    Evaluation { data, now, next: 0 }.vector(expr)
}

/// Whether an expression makes a value without any series.
pub(crate) fn makes_value_of_nothing(expr: &Expr) -> bool {
    struct Nothing;
    impl Data for Nothing {
        fn instant(&self, _: usize, _: i64) -> Vec<Element> {
            Vec::new()
        }

        fn range(&self, _: usize) -> Vec<Series> {
            Vec::new()
        }
    }
    evaluate(expr, &Nothing, 0).is_ok_and(|elements| !elements.is_empty())
}

/// Aggregates all elements to at most one.
pub(crate) fn aggregate_all(aggregation: Aggregation, elements: &[Element]) -> Option<Element> {
    aggregate::one(aggregation, 0.0, Labels::default(), elements)
}

/// One expression being evaluated, from left to right.
struct Evaluation<'a> {
    /// Of every kind, so that one copy of the code serves all.
    data: &'a dyn Data,
    now: i64,
    /// The number of selectors to the left.
    next: usize,
}

/// What a part of the expression gives. Ranges stay with the functions that take them.
enum Value {
    /// With the times of the samples that are in it, if any.
    Scalar(f64, Option<Times>),
    Vector(Vec<Element>),
}

impl Evaluation<'_> {
    /// Children are evaluated in the order they are written, as selectors have their numbers by it.
    fn value(&mut self, expr: &Expr) -> Result<Value, EvalError> {
        Ok(Value::Vector(match expr {
            Expr::Number(number) => return Ok(Value::Scalar(number.0, None)),
            Expr::Selector(selector) if selector.range.is_none() => {
                let (number, offset) = (self.number(), millis(selector.offset));
                let mut elements = self.data.instant(number, self.now.saturating_sub(offset));
                // As fresh as they were then.
                for Element { times: Times { at, newest, .. }, .. } in &mut elements {
                    *at = at.saturating_add(offset);
                    *newest = newest.saturating_add(offset);
                }
                elements
            }
            Expr::Selector(_) => return Err(EvalError::IllTyped),
            Expr::Aggregate(aggregation, grouping, arguments) => {
                let (mut parameter, mut elements) = ((0.0, None), Vec::new());
                for (argument, kind) in arguments.iter().zip(aggregation.parameters()) {
                    match kind {
                        Type::Scalar => parameter = self.scalar(argument)?,
                        Type::Vector | Type::Range => elements = self.vector(argument)?,
                    }
                }
                let mut elements = aggregate::grouped(*aggregation, parameter.0, grouping, elements)?;
                age(&mut elements, parameter.1);
                elements
            }
            Expr::Call(function, arguments) => return self.call(*function, arguments),
            Expr::Relabel(replace, inner) => relabel::replace(replace, self.vector(inner)?)?,
            Expr::Negate(inner) => match self.value(inner)? {
                Value::Scalar(number, times) => return Ok(Value::Scalar(-number, times)),
                Value::Vector(elements) => map(elements, &|value| -value)?,
            },
            Expr::Binary(op, matching, operands) => {
                let [left, right] = &**operands;
                let (left, right) = (self.value(left)?, self.value(right)?);
                return binary::apply(*op, matching, left, right);
            }
        }))
    }

    fn vector(&mut self, expr: &Expr) -> Result<Vec<Element>, EvalError> {
        match self.value(expr)? {
            Value::Vector(elements) => Ok(elements),
            Value::Scalar(..) => Err(EvalError::IllTyped),
        }
    }

    fn scalar(&mut self, expr: &Expr) -> Result<(f64, Option<Times>), EvalError> {
        match self.value(expr)? {
            Value::Scalar(number, times) => Ok((number, times)),
            Value::Vector(_) => Err(EvalError::IllTyped),
        }
    }

    fn range(&mut self, expr: &Expr) -> Result<(Vec<Series>, Window), EvalError> {
        match expr {
            Expr::Selector(selector) if selector.range.is_some() => {
                let number = self.number();
                Ok((self.data.range(number), selector.window().ok_or(EvalError::IllTyped)?))
            }
            _ => Err(EvalError::IllTyped),
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

    fn both(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        }
    }
}

/// Makes elements no fresher than a number that is in them.
fn age(elements: &mut [Element], times: Option<Times>) {
    for element in elements {
        element.times = times.map_or(element.times, |times| element.times.and(times));
    }
}

/// Changes values; what is not the metric any more does not have its name.
fn map(elements: Vec<Element>, change: &dyn Fn(f64) -> f64) -> Result<Vec<Element>, EvalError> {
    let changed = |element: Element| Element {
        labels: element.labels.without(&[NAME_LABEL]),
        value: change(element.value),
        times: element.times,
    };
    distinct(elements.into_iter().map(changed).collect())
}

/// Checks that labels tell elements apart.
fn distinct(elements: Vec<Element>) -> Result<Vec<Element>, EvalError> {
    let mut seen = LabelIndex::default();
    let is_distinct = elements.iter().all(|element| seen.insert(element.labels.clone()).1);
    if is_distinct { Ok(elements) } else { Err(EvalError::SameLabels) }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameLabels => f.write_str(
                "series of several metrics have the same labels, and the value drops their names; \
                 name one metric, or aggregate first",
            ),
            Self::SameResult => f.write_str(
                "several results of label_replace(), group_left or group_right have the same labels; aggregate first",
            ),
            Self::SeveralMatch(side) => {
                let side = if *side == Side::Left { "left" } else { "right" };
                write!(
                    f,
                    "several series {side} of an operator agree in the labels that match; name one metric, or aggregate first"
                )
            }
            Self::NotACount => f.write_str("the first argument of topk() or bottomk() is no count"),
            Self::IllTyped => f.write_str("the value mixes numbers, series and ranges in a way that has no meaning"),
        }
    }
}

impl std::error::Error for EvalError {}

#[cfg(test)]
mod tests;

//! Evaluates an expression over the samples of its selectors, to a vector.
//!
//! Results equal those of Prometheus 3: ranges are open on the left, sums are compensated, and `rate` and similar
//! functions extrapolate.

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
use crate::promql::{Aggregation, Expr, Grouping, NAME_LABEL, Side, Type, VectorSelector, Window};
use index::LabelIndex;
pub use labels::Labels;

/// Receives the labels of a series, including the name as `__name__`, and its samples.
pub type EachSeries<'e> = &'e mut dyn FnMut(&Labels, &[Sample]);

/// The samples of an expression.
pub trait Data {
    /// The sample at the time `at` of each series that matches the n-th selector of the expression, counted from 0.
    /// With an offset, `at` is before the evaluation time.
    fn instant(&self, selector: usize, at: i64) -> Vec<Element>;
    /// Calls `each` once for each matching series, with its labels, which are unique, and its samples, oldest first.
    /// Samples outside the selector's range are ignored.
    fn range(&self, selector: usize, each: EachSeries<'_>);
    /// The samples of [`Data::range`] as a block, if all of these series have samples at the same times.
    fn block(&self, _: usize) -> Option<Block<'_>> {
        None
    }
    /// Converts a time to Unix milliseconds, if samples are timed by another clock.
    fn unix(&self, at: i64) -> i64 {
        at
    }
    /// The time of the latest observation, for values that come from the absence of series.
    fn seen(&self, now: i64) -> i64 {
        now
    }
}

/// An element of a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// The labels, including the name as `__name__`.
    pub labels: Labels,
    pub value: f64,
    /// The times of its samples.
    pub times: Times,
}

/// The times of the samples of a value, in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The latest sample of the series whose latest sample is oldest.
    pub at: i64,
    /// The latest sample of all series.
    pub newest: i64,
    /// For ranges: the milliseconds from the first to the last sample of a series; the longest if there are several.
    pub span: Option<i64>,
}

/// A series with samples over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The labels, including the name as `__name__`.
    pub labels: Labels,
    /// The samples, oldest first.
    pub samples: Vec<Sample>,
}

/// A value with a timestamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Unix milliseconds.
    pub at: i64,
    pub value: f64,
}

/// The samples of series at the same times, for which a function is computed at once.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The times of the samples, oldest first.
    pub times: &'a [i64],
    /// For each time, the bits of the value of each series.
    pub rows: &'a [u64],
    /// The number of series.
    pub width: usize,
}

/// Why an expression has no result for these samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvalError {
    /// Two elements have the same labels after their names are dropped.
    SameLabels,
    /// Two results have the same labels after labels were changed or copied from the other side.
    SameResult,
    /// Several elements on this side of an operator match the same element.
    SeveralMatch(Side),
    /// The first argument of `topk` or `bottomk` is not a number of elements.
    NotACount,
    /// The parser would not return this expression.
    IllTyped,
}

/// Evaluates an expression at the time `now`, in Unix milliseconds.
///
/// # Errors
/// If Prometheus would also fail to evaluate the expression over these samples.
pub fn evaluate(expr: &Expr, data: &dyn Data, now: i64) -> Result<Vec<Element>, EvalError> {
    Evaluation { data, now, next: 0 }.vector(expr)
}

/// Whether an expression can have a value without any series.
pub(crate) fn has_value_without_series(expr: &Expr) -> bool {
    struct NoSeries;
    impl Data for NoSeries {
        fn instant(&self, _: usize, _: i64) -> Vec<Element> {
            Vec::new()
        }

        fn range(&self, _: usize, _: EachSeries<'_>) {}
    }
    evaluate(expr, &NoSeries, 0).is_ok_and(|elements| !elements.is_empty())
}

/// Aggregates all elements to at most one.
pub(crate) fn aggregate_all(aggregation: Aggregation, elements: &[Element]) -> Option<Element> {
    aggregate::one(aggregation, 0.0, Labels::default(), elements)
}

/// The evaluation of one expression, from left to right.
struct Evaluation<'a> {
    /// A trait object, so that the code is compiled once for all implementations.
    data: &'a dyn Data,
    now: i64,
    /// The number of selectors evaluated so far.
    next: usize,
}

/// The value of a subexpression. Ranges are handled by the functions that take them.
enum Value {
    /// A number, with the times of the samples it was computed from, if any.
    Scalar(f64, Option<Times>),
    Vector(Vec<Element>),
}

impl Evaluation<'_> {
    /// Children are evaluated in the order of the text, because that numbers the selectors.
    fn value(&mut self, expr: &Expr) -> Result<Value, EvalError> {
        Ok(Value::Vector(match expr {
            Expr::Number(number) => return Ok(Value::Scalar(number.0, None)),
            Expr::Selector(selector) if selector.range.is_none() => {
                let (number, offset) = (self.number(), millis(selector.offset));
                let mut elements = self.data.instant(number, self.now.saturating_sub(offset));
                // Shifts the times by the offset, because an offset does not make samples stale.
                for Element { times: Times { at, newest, .. }, .. } in &mut elements {
                    *at = at.saturating_add(offset);
                    *newest = newest.saturating_add(offset);
                }
                elements
            }
            Expr::Selector(_) => return Err(EvalError::IllTyped),
            Expr::Aggregate(aggregation, grouping, arguments) => {
                let (mut parameter, mut elements) = ((0.0, None), Vec::new());
                let is_one = *grouping == Grouping::ALL && !aggregation.picks();
                for (argument, kind) in arguments.iter().zip(aggregation.parameters()) {
                    match (kind, argument) {
                        (Type::Scalar, _) => parameter = self.scalar(argument)?,
                        (_, Expr::Call(function, of)) if is_one && functions::has_distinct_values(*function, of) => {
                            elements = self.folded(*aggregation, parameter.0, *function, of)?;
                        }
                        (_, _) => {
                            let of = self.vector(argument)?;
                            elements = aggregate::grouped(*aggregation, parameter.0, grouping, of)?;
                        }
                    }
                }
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

    /// The number of a range's selector, and the selector.
    fn range<'e>(&mut self, expr: &'e Expr) -> Result<(usize, &'e VectorSelector, Window), EvalError> {
        match expr {
            Expr::Selector(selector) if selector.range.is_some() => {
                Ok((self.number(), selector, selector.window().ok_or(EvalError::IllTyped)?))
            }
            _ => Err(EvalError::IllTyped),
        }
    }

    /// The number of the next selector.
    fn number(&mut self) -> usize {
        let number = self.next;
        self.next += 1;
        number
    }
}

impl Times {
    /// The times of a single sample.
    #[inline(always)]
    pub fn of(at: i64) -> Self {
        Self { at, newest: at, span: None }
    }

    /// Combines the times of two operands; the result is as old as the older one.
    #[inline(always)]
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

/// Makes elements at least as old as a number used to compute them.
fn age(elements: &mut [Element], times: Option<Times>) {
    for element in elements {
        element.times = times.map_or(element.times, |times| element.times.and(times));
    }
}

/// Changes values and drops the name, because the result is no longer the metric.
fn map(elements: Vec<Element>, change: &dyn Fn(f64) -> f64) -> Result<Vec<Element>, EvalError> {
    let changed = |element: Element| Element {
        labels: element.labels.without(&[NAME_LABEL]),
        value: change(element.value),
        times: element.times,
    };
    distinct(elements.into_iter().map(changed).collect())
}

/// Checks that all elements have different labels.
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
                    "several series {side} of an operator have the same matching labels; name one metric, or aggregate first"
                )
            }
            Self::NotACount => f.write_str("the first argument of topk() or bottomk() is not a valid number of series"),
            Self::IllTyped => f.write_str("the value combines numbers, series and ranges in an invalid way"),
        }
    }
}

impl std::error::Error for EvalError {}

#[cfg(test)]
mod tests;

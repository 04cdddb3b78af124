//! Sums, means, quantiles, minima and maxima as Prometheus computes them.

use std::cmp::Ordering;

use crate::parse::sort::sort_by;
use crate::promql::Aggregation;

/// A Neumaier sum: it accumulates rounding errors separately, so that the result does not depend on the order of the
/// summands.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    #[inline(always)]
    pub(super) fn add(&mut self, value: f64) {
        let next = self.sum + value;
        self.lost += if next.is_infinite() {
            0.0
        } else if self.sum.abs() >= value.abs() {
            (self.sum - next) + value
        } else {
            (value - next) + self.sum
        };
        self.sum = next;
    }

    pub(super) fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }
}

/// Applies an aggregation to numbers, which are either the values of several series or the samples of one.
pub(super) fn fold(aggregation: Aggregation, parameter: f64, values: &[f64]) -> f64 {
    match aggregation {
        Aggregation::Sum => sum(values, 1.0),
        Aggregation::Avg => mean(values),
        // NaN only if all values are NaN.
        Aggregation::Min => values.iter().fold(f64::NAN, |a, b| if *b < a || a.is_nan() { *b } else { a }),
        Aggregation::Max => values.iter().fold(f64::NAN, |a, b| if *b > a || a.is_nan() { *b } else { a }),
        Aggregation::Stddev => deviation(values),
        Aggregation::Quantile => quantile(parameter, values),
        Aggregation::Count | Aggregation::Topk | Aggregation::Bottomk => values.len() as f64,
    }
}

/// The sum of the values after each is divided by the divisor.
fn sum(values: &[f64], divisor: f64) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|value| sum.add(value / divisor));
    sum.total()
}

/// The arithmetic mean; NaN if there are no values.
fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    match sum(values, 1.0) / count {
        // The sum may exceed the range of doubles although the mean does not.
        mean if mean.is_infinite() => sum(values, count),
        mean => mean,
    }
}

/// The standard deviation, by Welford's method.
fn deviation(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, Sum::default(), Sum::default());
    for value in values {
        count += 1.0;
        let before = value - mean.total();
        mean.add(before / count);
        squares.add(before * (value - mean.total()));
    }
    (squares.total() / count).sqrt()
}

/// The quantile `share` of the values, by linear interpolation; NaN counts as the smallest value.
fn quantile(share: f64, values: &[f64]) -> f64 {
    if share < 0.0 {
        return f64::NEG_INFINITY;
    }
    if share > 1.0 {
        return f64::INFINITY;
    }
    let mut values = values.to_vec();
    sort_by(&mut values, |a, b| b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(Ordering::Equal)));
    let last = values.len().saturating_sub(1);
    let rank = share * last as f64;
    // If the rank is NaN, the index is 0, and the weight is NaN.
    let (lower, weight) = (rank.floor() as usize, rank - rank.floor());
    let at = |index: usize| values.get(index.min(last)).copied().unwrap_or(f64::NAN);
    at(lower) * (1.0 - weight) + at(lower + 1) * weight
}

/// The larger of two numbers. NaN if one is NaN, except that infinity is larger than NaN.
pub(super) fn max(a: f64, b: f64) -> f64 {
    match () {
        () if a == f64::INFINITY || b == f64::INFINITY => f64::INFINITY,
        () if a.is_nan() || b.is_nan() => f64::NAN,
        () => a.max(b),
    }
}

/// The smaller of two numbers, with the same rules for NaN and infinity.
pub(super) fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

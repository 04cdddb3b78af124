//! Sums, means, quantiles and extremes as Prometheus computes them.

use std::cmp::Ordering;

use crate::parse::sort::sort_by;

/// Neumaier's compensated sum: what the larger of two summands swallows of the smaller is kept aside, so that their
/// order does not show.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
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

pub(super) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut sum = Sum::default();
    values.for_each(|value| sum.add(value));
    sum.total()
}

/// The standard deviation, by Welford's method.
pub(super) fn deviation(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, Sum::default(), Sum::default());
    for value in values {
        count += 1.0;
        let before = value - mean.total();
        mean.add(before / count);
        squares.add(before * (value - mean.total()));
    }
    (squares.total() / count).sqrt()
}

/// The value that a share of all is at most, between two of them in proportion; NaN counts as the smallest.
pub(super) fn quantile(share: f64, values: impl Iterator<Item = f64>) -> f64 {
    if share < 0.0 {
        return f64::NEG_INFINITY;
    }
    if share > 1.0 {
        return f64::INFINITY;
    }
    let mut values: Vec<f64> = values.collect();
    sort_by(&mut values, |a, b| b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(Ordering::Equal)));
    let rank = share * values.len().saturating_sub(1) as f64;
    // NaN becomes 0 as an index, and stays NaN as a weight.
    let (lower, weight) = (rank.floor() as usize, rank - rank.floor());
    let at = |index: usize| values.get(index.min(values.len() - 1)).copied().unwrap_or(f64::NAN);
    at(lower) * (1.0 - weight) + at(lower + 1) * weight
}

/// The arithmetic mean; NaN of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    match sum(values.clone()) / count {
        // The sum of large numbers may leave the range of doubles though their mean does not.
        mean if mean.is_infinite() => sum(values.map(|value| value / count)),
        mean => mean,
    }
}

/// The smallest; NaN only of nothing else.
pub(super) fn smallest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NAN, |least, value| if value < least || least.is_nan() { value } else { least })
}

/// The largest; NaN only of nothing else.
pub(super) fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NAN, |most, value| if value > most || most.is_nan() { value } else { most })
}

/// The larger of two, NaN if one is NaN, but for infinity, which is larger than that.
pub(super) fn max(a: f64, b: f64) -> f64 {
    match () {
        () if a == f64::INFINITY || b == f64::INFINITY => f64::INFINITY,
        () if a.is_nan() || b.is_nan() => f64::NAN,
        () => a.max(b),
    }
}

/// The smaller of two, likewise.
pub(super) fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

//! Sums, means and extremes as Prometheus computes them.

/// Neumaier's compensated sum: what the larger of two summands swallows of the smaller is kept aside, so that their
/// order does not show.
pub(super) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        lost += if next.is_infinite() {
            0.0
        } else if sum.abs() >= value.abs() {
            (sum - next) + value
        } else {
            (value - next) + sum
        };
        sum = next;
    }
    if sum.is_infinite() { sum } else { sum + lost }
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

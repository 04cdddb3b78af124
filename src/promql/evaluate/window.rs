//! Functions of the samples in a range.

use super::Sample;
use super::arithmetic::{Sum, fold};
use crate::promql::{Aggregation, Function};

/// The times of the first and the last sample of a value, in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Span {
    fn of(samples: &[Sample]) -> Option<Self> {
        Some(Self { first: samples.first()?.at, last: samples.last()?.at })
    }

    /// The length in milliseconds.
    pub(super) fn length(self) -> i64 {
        self.last.saturating_sub(self.first)
    }
}

/// The value of a function at the time `now`, and the span of its samples, if there are enough samples.
pub(super) fn value(
    function: Function,
    parameter: f64,
    samples: &[Sample],
    range: i64,
    now: i64,
) -> Option<(f64, Span)> {
    let samples = within(samples, now.saturating_sub(range), now);
    let last_two = samples.get(samples.len().saturating_sub(2)..).unwrap_or_default();
    let span = Span::of(samples)?;
    let folded = |aggregation| {
        let values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        fold(aggregation, parameter, &values)
    };
    let value = match function {
        Function::Rate => extrapolated(samples, range, now, Growth::OfCounter)? / (range as f64 / 1000.0),
        Function::Increase => extrapolated(samples, range, now, Growth::OfCounter)?,
        Function::Delta => extrapolated(samples, range, now, Growth::OfGauge)?,
        Function::Irate => return Some((instant_rate(last_two)?, Span::of(last_two)?)),
        Function::AvgOverTime => folded(Aggregation::Avg),
        Function::MinOverTime => folded(Aggregation::Min),
        Function::MaxOverTime => folded(Aggregation::Max),
        Function::SumOverTime => folded(Aggregation::Sum),
        Function::CountOverTime => folded(Aggregation::Count),
        Function::LastOverTime => samples.last()?.value,
        Function::StddevOverTime => folded(Aggregation::Stddev),
        Function::QuantileOverTime => folded(Aggregation::Quantile),
        Function::Deriv => slope(samples)?,
        Function::Changes => pairs(samples, |before, after| before != after && !(before.is_nan() && after.is_nan())),
        Function::Resets => pairs(samples, |before, after| after < before),
        _ => return None,
    };
    Some((value, span))
}

/// The number of samples that satisfy the condition together with the previous sample.
fn pairs(samples: &[Sample], is_so: fn(f64, f64) -> bool) -> f64 {
    samples.windows(2).filter(|pair| matches!(pair, [before, after] if is_so(before.value, after.value))).count() as f64
}

/// The slope per second of a gauge, by least squares. Times are relative to the first sample, because sums of large
/// numbers would be less exact.
#[allow(clippy::float_cmp, reason = "equal values have slope 0, without rounding errors")]
fn slope(samples: &[Sample]) -> Option<f64> {
    let [first, _, ..] = samples else { return None };
    if samples.iter().all(|sample| sample.value == first.value) {
        return Some(if first.value.is_infinite() { f64::NAN } else { 0.0 });
    }
    let count = samples.len() as f64;
    let [mut x, mut y, mut xy, mut xx] = [Sum::default(); 4];
    for Sample { at, value } in samples {
        let seconds = at.saturating_sub(first.at) as f64 / 1000.0;
        x.add(seconds);
        y.add(*value);
        xy.add(seconds * value);
        xx.add(seconds * seconds);
    }
    let [x, y, xy, xx] = [x, y, xy, xx].map(Sum::total);
    Some((xy - x * y / count) / (xx - x * x / count))
}

/// The samples after `start`, up to and including `end`.
fn within(samples: &[Sample], start: i64, end: i64) -> &[Sample] {
    let from = samples.partition_point(|sample| sample.at <= start);
    let to = samples.partition_point(|sample| sample.at <= end);
    samples.get(from..to).unwrap_or_default()
}

/// The assumption about values between two samples.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// The value only increases, from zero; a lower value is a reset.
    OfCounter,
    OfGauge,
}

/// The change of the value over the whole range.
///
/// The samples may span only a part of the range. If the first or last sample is closer to the edge than about one
/// sample interval, the change is extrapolated to the edge; otherwise the series is assumed to start or end half an
/// interval away. A counter is not extrapolated below zero.
fn extrapolated(samples: &[Sample], range: i64, now: i64, growth: Growth) -> Option<f64> {
    let [first, .., last] = samples else { return None };
    let seconds = |from: i64, to: i64| to.saturating_sub(from) as f64 / 1000.0;
    let mut change = last.value - first.value;
    if growth == Growth::OfCounter {
        for (before, after) in samples.iter().zip(samples.iter().skip(1)) {
            if after.value < before.value {
                change += before.value;
            }
        }
    }
    let sampled = seconds(first.at, last.at);
    if sampled <= 0.0 {
        return None;
    }
    let gap = sampled / (samples.len() - 1) as f64;
    let reach = |distance: f64| if distance >= gap * 1.1 { gap / 2.0 } else { distance };
    let mut to_start = reach(seconds(now.saturating_sub(range), first.at));
    let to_end = reach(seconds(last.at, now));
    if growth == Growth::OfCounter && change > 0.0 && first.value >= 0.0 {
        let to_zero = sampled * (first.value / change);
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    Some(change * ((sampled + to_start + to_end) / sampled))
}

/// The increase per second of a counter between the last two samples.
fn instant_rate(samples: &[Sample]) -> Option<f64> {
    let [before, after] = samples else { return None };
    let seconds = after.at.saturating_sub(before.at) as f64 / 1000.0;
    if seconds == 0.0 {
        return None;
    }
    let change = if after.value < before.value { after.value } else { after.value - before.value };
    Some(change / seconds)
}

//! Functions of the samples in a range.

use super::arithmetic::{Sum, fold};
use super::{Block, Sample};
use crate::promql::{Aggregation, Function};

/// The times of the first and the last sample of a value, in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Span {
    #[inline(always)]
    fn of(samples: &[Sample]) -> Option<Self> {
        Some(Self { first: samples.first()?.at, last: samples.last()?.at })
    }

    /// The length in milliseconds.
    #[inline(always)]
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
        Function::Rate | Function::Increase | Function::Delta => extrapolated(function, samples, range, now)?,
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
///
/// Few are outside, as no more are stored than the longest range needs.
#[inline(always)]
fn within(mut samples: &[Sample], start: i64, end: i64) -> &[Sample] {
    while let [first, rest @ ..] = samples
        && first.at <= start
    {
        samples = rest;
    }
    while let [rest @ .., last] = samples
        && last.at > end
    {
        samples = rest;
    }
    samples
}

/// The assumption about values between two samples.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    /// The value only increases, from zero; a lower value is a reset.
    OfCounter,
    OfGauge,
}

impl Growth {
    /// The assumption of a function, if its value is the change over the whole range.
    pub(super) fn of(function: Function) -> Option<Self> {
        match function {
            Function::Rate | Function::Increase => Some(Self::OfCounter),
            Function::Delta => Some(Self::OfGauge),
            _ => None,
        }
    }
}

/// Extrapolates the change between the first and the last sample to the whole range.
///
/// The samples may span only a part of the range. If the first or last sample is closer to the edge than about one
/// sample interval, the change is extrapolated to the edge; otherwise the series is assumed to start or end half an
/// interval away. A counter is not extrapolated below zero.
#[derive(Clone, Copy)]
struct Extrapolation {
    growth: Growth,
    sampled: f64,
    to_start: f64,
    to_end: f64,
    /// The divisor of the change.
    seconds: f64,
}

impl Extrapolation {
    /// The extrapolation for `count` samples, the first and the last of which have these times.
    fn of(function: Function, (first, last): (i64, i64), count: usize, range: i64, now: i64) -> Option<Self> {
        let seconds = |from: i64, to: i64| to.saturating_sub(from) as f64 / 1000.0;
        let sampled = seconds(first, last);
        if sampled <= 0.0 {
            return None;
        }
        let gap = sampled / (count - 1) as f64;
        let reach = |distance: f64| if distance >= gap * 1.1 { gap / 2.0 } else { distance };
        Some(Self {
            growth: Growth::of(function)?,
            sampled,
            to_start: reach(seconds(now.saturating_sub(range), first)),
            to_end: reach(seconds(last, now)),
            seconds: if function == Function::Rate { range as f64 / 1000.0 } else { 1.0 },
        })
    }

    /// The change of a series between its first and its last value; `values` are all of them in order.
    #[inline(always)]
    fn change(&self, first: f64, last: f64, values: impl Iterator<Item = f64>) -> f64 {
        let (mut change, mut before) = (last - first, first);
        if self.growth == Growth::OfCounter {
            for value in values {
                if value < before {
                    change += before;
                }
                before = value;
            }
        }
        change
    }

    #[inline(always)]
    fn value(&self, first: f64, change: f64) -> f64 {
        let mut to_start = self.to_start;
        if self.growth == Growth::OfCounter && change > 0.0 && first >= 0.0 {
            let to_zero = self.sampled * (first / change);
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
        change * ((self.sampled + to_start + self.to_end) / self.sampled) / self.seconds
    }
}

/// The change of the value over the whole range, in total or per second.
fn extrapolated(function: Function, samples: &[Sample], range: i64, now: i64) -> Option<f64> {
    let [first, .., last] = samples else { return None };
    let extrapolation = Extrapolation::of(function, (first.at, last.at), samples.len(), range, now)?;
    let change = extrapolation.change(first.value, last.value, samples.iter().map(|sample| sample.value));
    Some(extrapolation.value(first.value, change))
}

/// Appends, for each series of a block, the value of a function of the change over the whole range. Returns the span of
/// the samples, if there are enough.
pub(super) fn of_block(
    function: Function,
    Block { times, rows, width }: Block<'_>,
    range: i64,
    now: i64,
    values: &mut Vec<f64>,
) -> Option<Span> {
    let start = now.saturating_sub(range);
    let from = times.iter().take_while(|at| **at <= start).count();
    let after = times.iter().rev().take_while(|at| **at > now).count();
    let times = times.get(from..times.len() - after)?;
    let [first, .., last] = *times else { return None };
    let extrapolation = Extrapolation::of(function, (first, last), times.len(), range, now)?;
    let rows = rows.get(from * width..(from + times.len()) * width)?;
    let (start, mut before) = (values.len(), rows.get(..width)?);
    let of_last = before.iter().zip(rows.get(rows.len() - width..)?);
    values.extend(of_last.map(|(first, last)| f64::from_bits(*last) - f64::from_bits(*first)));
    let changes = values.get_mut(start..)?;
    if extrapolation.growth == Growth::OfCounter {
        // Row by row, as they are in memory.
        for row in rows.chunks_exact(width.max(1)).skip(1) {
            for ((change, before), value) in changes.iter_mut().zip(before).zip(row) {
                let (before, value) = (f64::from_bits(*before), f64::from_bits(*value));
                if value < before {
                    *change += before;
                }
            }
            before = row;
        }
    }
    for (change, first) in changes.iter_mut().zip(rows) {
        *change = extrapolation.value(f64::from_bits(*first), *change);
    }
    Some(Span { first, last })
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

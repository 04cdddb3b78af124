//! Quantiles of classic histograms, whose buckets are series with a label `le`.

use super::{Element, EvalError, LabelIndex, Labels, Times, distinct};
use crate::parse::sort::sort_by;
use crate::promql::NAME_LABEL;
use metriclet_exposition as exposition;

/// The label with the upper bound of a bucket.
const BOUND: &str = "le";

/// Counts with a smaller relative difference are equal; they were summed in a different order.
const TOLERANCE: f64 = 1e-12;

/// A bucket: the number of observations up to its bound.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    bound: f64,
    count: f64,
}

/// Computes the quantile of each histogram. Elements that are not buckets are ignored.
pub(super) fn quantile(quantile: f64, elements: Vec<Element>) -> Result<Vec<Element>, EvalError> {
    let mut places = LabelIndex::default();
    let mut histograms: Vec<(Labels, Times, Vec<Bucket>)> = Vec::new();
    for Element { labels, value: count, times } in elements {
        let Some(bound) = labels.get(BOUND).and_then(exposition::value).filter(|bound| !bound.is_nan()) else {
            continue;
        };
        let bucket = Bucket { bound, count };
        let (place, _) = places.insert(labels.without(&[BOUND]));
        match histograms.get_mut(place) {
            Some((_, all, buckets)) => {
                *all = all.and(times);
                buckets.push(bucket);
            }
            None => histograms.push((labels.without(&[BOUND, NAME_LABEL]), times, vec![bucket])),
        }
    }
    let element = |(labels, times, buckets)| Element { labels, value: of_buckets(quantile, buckets), times };
    distinct(histograms.into_iter().map(element).collect())
}

/// Interpolates linearly in the bucket that contains the quantile, as if its observations were evenly distributed.
fn of_buckets(quantile: f64, mut buckets: Vec<Bucket>) -> f64 {
    match quantile {
        _ if quantile.is_nan() => return f64::NAN,
        _ if quantile < 0.0 => return f64::NEG_INFINITY,
        _ if quantile > 1.0 => return f64::INFINITY,
        _ => {}
    }
    sort_by(&mut buckets, |a, b| a.bound.total_cmp(&b.bound));
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    // Bounds may be the same number in different spellings.
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        kept.count += if same { next.count } else { 0.0 };
        same
    });
    ensure_monotonic(&mut buckets);
    let [finite @ .., all] = buckets.as_slice() else { return f64::NAN };
    let Some(highest) = finite.last() else { return f64::NAN };
    if all.count == 0.0 {
        return f64::NAN;
    }
    let rank = quantile * all.count;
    let place = search(finite, rank);
    let Some(found) = finite.get(place) else { return highest.bound };
    let below = place.checked_sub(1).and_then(|place| finite.get(place));
    match below {
        None if found.bound <= 0.0 => found.bound,
        None => found.bound * (rank / found.count),
        Some(below) => {
            let share = (rank - below.count) / (found.count - below.count);
            below.bound + (found.bound - below.bound) * share
        }
    }
}

/// Makes counts increase monotonically, as they do in a single scrape: raises counts that are too low, and removes
/// differences due to rounding.
fn ensure_monotonic(buckets: &mut [Bucket]) {
    let mut buckets = buckets.iter_mut();
    let Some(mut before) = buckets.next().map(|first| first.count) else { return };
    for Bucket { count, .. } in buckets {
        if *count < before || is_rounding(before, *count) {
            *count = before;
        } else {
            before = *count;
        }
    }
}

fn is_rounding(a: f64, b: f64) -> bool {
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

/// The first bucket whose count reaches the rank. This is the binary search of Prometheus, so that it finds the same
/// bucket if counts are NaN.
fn search(buckets: &[Bucket], rank: f64) -> usize {
    let (mut low, mut high) = (0, buckets.len());
    while low < high {
        let middle = low.midpoint(high);
        match buckets.get(middle) {
            Some(bucket) if bucket.count >= rank => high = middle,
            _ => low = middle + 1,
        }
    }
    low
}

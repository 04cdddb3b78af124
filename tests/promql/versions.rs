//! Differences between Prometheus 3 and earlier versions.

use std::time::Duration;

use metriclet::internals::promql::evaluate::{Element, Sample, Series, evaluate};
use metriclet::internals::promql::{Aggregation, Expr, Function, NAME_LABEL, VectorSelector};

use crate::Seen;

/// Whether the value of an expression depends on the version. One case is a series that starts in the range, and would
/// have been zero between half a gap and 1.1 gaps before its first sample: versions before 3 extrapolate to that zero,
/// later ones by half a gap. The other case is the deviation of a single number that is not finite: 0 before version 3,
/// NaN since then.
pub(crate) fn differ(expr: &Expr, series: &[Series], now: i64) -> bool {
    match expr {
        Expr::Call(Function::Rate | Function::Increase, arguments) => {
            arguments.iter().flat_map(Expr::selectors).any(|selector| {
                let end = now - selector.offset.as_millis() as i64;
                series
                    .iter()
                    .filter(|series| picks(selector, series))
                    .any(|series| begins_near_zero(&series.samples, selector.range.unwrap(), end))
            })
        }
        Expr::Aggregate(Aggregation::Stddev, _, arguments) => {
            let seen = Seen { expr: &arguments[0], series };
            let is_finite = |elements: Vec<Element>| elements.iter().all(|element| element.value.is_finite());
            !evaluate(&arguments[0], &seen, now).is_ok_and(is_finite) || differ(&arguments[0], series, now)
        }
        _ => expr.children().iter().any(|child| differ(child, series, now)),
    }
}

/// Whether a selector picks a series.
pub(crate) fn picks(selector: &VectorSelector, Series { labels, .. }: &Series) -> bool {
    selector.matches(labels.get(NAME_LABEL).unwrap(), |label| labels.get(label).map(Into::into))
}

fn begins_near_zero(samples: &[Sample], range: Duration, now: i64) -> bool {
    let start = now - range.as_millis() as i64;
    let inside: Vec<&Sample> = samples.iter().filter(|sample| sample.at > start && sample.at <= now).collect();
    let [first, .., last] = inside.as_slice() else { return false };
    let resets = inside.windows(2).filter(|pair| pair[1].value < pair[0].value).map(|pair| pair[0].value);
    let change = last.value - first.value + resets.sum::<f64>();
    let span = (last.at - first.at) as f64;
    let gap = span / (inside.len() - 1) as f64;
    let to_zero = span * (first.value / change);
    change > 0.0 && (first.at - start) as f64 >= 1.1 * gap && to_zero > 0.499 * gap && to_zero < 1.101 * gap
}

//! External metrics with ranges or offsets, from the samples that the scraper has taken of the source's page or of its
//! pods.

use super::{ExternalSubject, values};
use crate::config::model::Value;
use crate::kube::external_metrics::ExternalMetricValue;
use crate::metrics::failure::Failure;
use crate::metrics::history::{SnapshotQuery, StoredSeries};
use crate::metrics::outcome::Finding;
use crate::metrics::over_time::{self, OF_PAIRS, PageSamples, within};
use crate::metrics::reason::RefusalReason;
use crate::metrics::trace::Trace;
use crate::promql::evaluate::evaluate;

/// The values of the expression over the samples.
pub(super) fn answer(
    subject: &ExternalSubject<'_>,
    samples: PageSamples,
    trace: &mut Trace,
) -> Result<Vec<ExternalMetricValue>, Failure> {
    let (about, services) = (subject.about(), subject.services);
    let snapshot = &*samples.snapshot;
    let Value::Series(expr) = &subject.served.rule.value else {
        return Err(about.refused(&RefusalReason::Several));
    };
    let now = services.shared.clock().now();
    let steady = services.steady.at(now.monotonic);
    // Samples have the time of the monotonic clock, responses that of the wall clock.
    let shift = now.unix_millis - steady;
    let stored: Vec<StoredSeries<'_>> = StoredSeries::all(snapshot).collect();
    let (selected, reason) = match subject.select(&stored) {
        Ok(selected) => (selected, None),
        // The expression may have a value without series.
        Err(reason) => (Vec::new(), Some(reason)),
    };
    let chosen: Vec<u32> = selected.into_iter().map(|stored| stored.at).collect();
    let query = SnapshotQuery::new(expr, false);
    let data = query.over(snapshot, shift).of(Some(&chosen));
    // Each page of a pod belongs to one process.
    let is_shared = !subject.served.joins_pages();
    if is_shared && over_time::resets_often(expr, &data, steady) {
        return Err(about.refused(&RefusalReason::Resets));
    }
    let found = match evaluate(expr, &data, steady) {
        Ok(elements) if elements.is_empty() => {
            Err(reason.unwrap_or_else(|| data.nothing(&within(expr, OF_PAIRS), steady)))
        }
        Ok(elements) => {
            let at = if is_shared { None } else { data.at() };
            let dated = |(labels, finding): (_, Finding)| (labels, finding.dated(at).shifted(shift));
            Ok(values(elements).into_iter().map(dated).collect())
        }
        Err(error) => return Err(about.refused(&RefusalReason::Evaluation(error))),
    };
    match (subject.items(found, samples.scrape(), trace), samples.failure) {
        // The scrape error may be the reason that nothing was found.
        (Err(Failure::NotFound(_)), Some(failure)) => Err(failure),
        (answer, _) => answer,
    }
}

//! Answers a request by the kind of its source.

use super::failure::Failure;
use super::request::MetricValues;
use super::subject::Subject;
use super::trace::{Event, Trace};
use super::{fleet, pods, prometheus, url};
use crate::config::model::Target;
use crate::source::waiting::AllowedWaits;

/// The requested values.
pub(super) fn answer(subject: &Subject<'_>, waits: AllowedWaits, trace: &mut Trace) -> Result<MetricValues, Failure> {
    trace.record(|| Event::Rule {
        metric: subject.served.rule.name.clone(),
        resource: Some(subject.kind.resource.clone()),
        value: subject.about().value(),
    });
    subject.check_namespace()?;
    let selector = subject.metric_selector()?;
    let mut freshness = None;
    let items = match &subject.served.upstream.source().target {
        Target::Url(_) => url::answer(subject, waits, &mut freshness, trace)?,
        Target::Pods(pods) if subject.served.joins_pages() => fleet::answer(subject, pods, waits, trace)?,
        Target::Pods(pods) => pods::answer(subject, pods, waits, &mut freshness, trace)?,
        Target::Prometheus(_) => prometheus::answer(subject, waits, trace)?,
    };
    Ok(MetricValues { items, selector, freshness })
}

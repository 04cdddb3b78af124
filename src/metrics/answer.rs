//! Answers a request by the kind of its source.

use super::failure::Failure;
use super::request::MetricValues;
use super::subject::Subject;
use super::trace::{Event, Trace};
use super::{fleet, pods, prometheus, url};
use crate::config::model::Target;
use crate::source::waiting::Patience;

/// The requested values.
pub(super) fn answer(subject: &Subject<'_>, patience: Patience, trace: &mut Trace) -> Result<MetricValues, Failure> {
    trace.record(|| Event::Rule {
        metric: subject.served.rule.name.clone(),
        resource: Some(subject.kind.resource.clone()),
        value: subject.about().value(),
    });
    subject.check_namespace()?;
    let selector = subject.metric_selector()?;
    let mut lasting = None;
    let items = match &subject.served.upstream.source().target {
        Target::Url(_) => url::answer(subject, patience, &mut lasting, trace)?,
        Target::Pods(pods) if subject.served.joins_pages() => fleet::answer(subject, pods, patience, trace)?,
        Target::Pods(pods) => pods::answer(subject, pods, patience, &mut lasting, trace)?,
        Target::Prometheus(_) => prometheus::answer(subject, patience, trace)?,
    };
    Ok(MetricValues { items, selector, lasting })
}

//! `onUnavailable`: what is answered for a named object whose source failed.

use super::failure::Failure;
use super::judgement::Scrape;
use super::request::MetricValues;
use super::subject::Subject;
use super::trace::Trace;
use crate::parse::path::ObjectName;

/// The value that the rule has for this case, or the failure. It stands for one object: which others there are, only the
/// source knows.
pub(super) fn answer(subject: &Subject<'_>, failure: Failure, trace: &mut Trace) -> Result<MetricValues, Failure> {
    let (Failure::SourceFailed(_), ObjectName::One(name)) = (&failure, &subject.request.path.name) else {
        return Err(failure);
    };
    let now = subject.services.shared.clock().now().unix_millis;
    match subject.unavailable(name, Scrape::of_page(now), trace) {
        Some(value) => Ok(MetricValues {
            items: vec![subject.item(name, value)],
            selector: subject.metric_selector()?,
            lasting: None,
        }),
        None => Err(failure),
    }
}

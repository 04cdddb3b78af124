//! `onUnavailable`: the values while the source fails.

use super::failure::Failure;
use super::judgement::Scrape;
use super::request::MetricValues;
use super::subject::Subject;
use super::trace::Trace;
use super::wildcard;
use crate::config::model::{DescribedObject, ObjectMapping, OnMissing, SelectorMode};
use crate::parse::path::{MetricPath, ObjectName};
use crate::parse::sort::sort;
use crate::source::waiting::AllowedWaits;

/// The values that the rule has for this case, or the failure.
pub(super) fn answer(
    subject: &Subject<'_>,
    failure: Failure,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<MetricValues, Failure> {
    if subject.served.rule.on_unavailable == OnMissing::Error || !matches!(failure, Failure::SourceFailed(_)) {
        return Err(failure);
    }
    let names = match names(subject, waits) {
        Err(wait @ Failure::WouldWait(_)) => return Err(wait),
        names => names.unwrap_or_default(),
    };
    let now = subject.services.shared.clock().now().unix_millis;
    let value = |name: String| {
        let value = subject.unavailable(&name, Scrape::of_page(now), trace)?;
        Some(subject.item(&name, value))
    };
    match names.into_iter().filter_map(value).collect::<Vec<_>>() {
        items if items.is_empty() => Err(failure),
        items => Ok(MetricValues { items, selector: subject.metric_selector()?, freshness: None }),
    }
}

/// The requested objects, as far as they are known without the source: from the request, the rule or, for pods, which
/// an HPA requests all at once, the Kubernetes API.
fn names(subject: &Subject<'_>, waits: AllowedWaits) -> Result<Vec<String>, Failure> {
    let (MetricPath { namespace, name, .. }, rule) = (subject.request.path, &subject.served.rule);
    let source = subject.served.upstream.source();
    let is_narrowed = !subject.request.label_selector.is_everything();
    Ok(match (&rule.mapping, name) {
        (ObjectMapping::Described(DescribedObject { namespace: own, name: described }), name) => {
            let is_requested = match name {
                ObjectName::One(name) => name == described,
                ObjectName::All => !is_narrowed,
            };
            if is_requested && own == namespace { vec![described.clone()] } else { Vec::new() }
        }
        (_, ObjectName::One(name)) => vec![name.clone()],
        (_, ObjectName::All) if subject.kind.resource != "pods" || source.is_of_any_pods() => Vec::new(),
        (_, ObjectName::All) if is_narrowed && source.label_selector != SelectorMode::Kubernetes => Vec::new(),
        (_, ObjectName::All) => {
            let mut names: Vec<String> =
                wildcard::listed(subject, waits)?.set().into_iter().map(str::to_owned).collect();
            sort(&mut names);
            names
        }
    })
}

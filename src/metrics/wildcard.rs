//! The response for `*`: every object that `labelSelector` selects and the source describes.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::judgement::Scrape;
use super::member::Member;
use super::objects::ListedNames;
use super::outcome::{Finding, Verdict, nothing_left};
use super::reason::MissingReason;
use super::select;
use super::subject::Subject;
use super::trace::{Event, Trace};
use crate::config::model::SelectorMode;
use crate::kube::custom_metrics::MetricValue;
use crate::kube_api::objects::Selection;
use crate::parse::escape::Escaped;
use crate::parse::path::ObjectName;
use crate::parse::selector::Selector;
use crate::parse::sort::sort_by;
use crate::source::waiting::{AllowedWaits, Waiting};

/// The objects that `labelSelector` selects.
enum LabelSelection {
    All,
    /// The objects whose series match it.
    BySeries,
    /// The given objects, as the Kubernetes API lists them.
    Names(ListedNames),
}

/// The values of the requested objects: one by its name, or all that members describe.
pub(super) fn of_members<T: Member>(
    subject: &Subject<'_>,
    members: &[&T],
    scrape: Scrape<'_>,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    match &subject.request.path.name {
        ObjectName::One(name) => subject.named(name, members, scrape, trace),
        ObjectName::All => answer(subject, members, scrape, waits, trace),
    }
}

/// The values of all objects that members describe.
fn answer<T: Member>(
    subject: &Subject<'_>,
    members: &[&T],
    scrape: Scrape<'_>,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let selection = label_selection(subject, members, waits)?;
    let everything = Selector::everything();
    let by_series = matches!(selection, LabelSelection::BySeries);
    let label_selector = if by_series { subject.request.label_selector } else { &everything };
    let (mut objects, why_none) = match subject.select(members, label_selector) {
        Ok(objects) => (objects, subject.worded(MissingReason::OtherObjects, scrape)),
        Err(reason) => (BTreeMap::new(), subject.worded(reason, scrape)),
    };
    if let LabelSelection::Names(names) = &selection {
        let names = names.set();
        trace.record(|| Event::ObjectsSelected { count: names.len() });
        objects.retain(|name, _| names.contains(name.as_str()));
    }
    let mut findings: Vec<(String, Finding)> = subject
        .remembered()
        .into_iter()
        .filter(|name| !objects.contains_key(name))
        .map(|name| (name, Finding::Nothing(MissingReason::NoSeries)))
        .collect();
    findings.extend(objects.into_iter().map(|(name, members)| match members {
        Ok(members) => (name, T::evaluate(&members, subject.served, scrape.at)),
        Err(reason) => (name, Finding::Unusable(reason)),
    }));
    sort_by(&mut findings, |(a, _), (b, _)| a.cmp(b));
    let (mut items, mut left_out) = (Vec::with_capacity(findings.len()), Vec::new());
    let (subject, of) = (&subject.at_one_moment(), subject.objects());
    for (name, finding) in findings {
        match subject.judge(&name, finding, scrape, trace) {
            Verdict::Serve(value) => items.push(of.item(&name, value)),
            verdict => {
                subject.services.shared.counters().left_out(verdict.as_str());
                trace.leave_out(verdict.as_str());
                left_out.push(verdict);
            }
        }
    }
    if !items.is_empty() {
        return Ok(items);
    }
    match nothing_left(left_out) {
        Some(Verdict::Refuse(reason)) => Err(subject.about().refused(&reason)),
        Some(Verdict::Missing(reason)) => Err(subject.about().missing(&reason)),
        Some(Verdict::Serve(_)) | None => Err(subject.about().missing(&why_none)),
    }
}

fn label_selection<T: Member>(
    subject: &Subject<'_>,
    members: &[&T],
    waits: AllowedWaits,
) -> Result<LabelSelection, Failure> {
    let selector = subject.request.label_selector;
    if selector.is_everything() {
        return Ok(LabelSelection::All);
    }
    match subject.served.upstream.source().label_selector {
        SelectorMode::Url => Ok(LabelSelection::All),
        SelectorMode::Labels => match select::unknown_key(selector, members) {
            None => Ok(LabelSelection::BySeries),
            Some((key, seen)) => Err(subject.about().bad_request(&format!(
                "labelSelector: no series carries the label {}; they carry {}",
                Escaped::new(key),
                if seen.is_empty() { "none".to_owned() } else { seen.join(", ") }
            ))),
        },
        SelectorMode::Kubernetes => listed(subject, waits).map(LabelSelection::Names),
    }
}

/// The names that the Kubernetes API lists for `labelSelector`.
pub(super) fn listed(subject: &Subject<'_>, waits: AllowedWaits) -> Result<ListedNames, Failure> {
    let about = subject.about();
    let Some(objects) = subject.services.objects else {
        let source = &subject.served.upstream.source().name;
        return Err(about.bad_request(&format!(
            "labelSelector is not supported without the Kubernetes API, which knows the labels of objects; --kubeconfig \
             names one, labelSelector: labels on source {source} matches the labels of its series, and \
             {{labelSelector}} in its url passes it on"
        )));
    };
    let label_selector = subject.request.label_selector.to_string();
    let namespace = subject.request.path.namespace.as_deref();
    let selection = Selection { namespace, label_selector: &label_selector, name: None };
    let (wait, now) = (waits.wait_for(Waiting::KubernetesLists), subject.services.shared.clock().now().monotonic);
    objects.names(subject.kind, selection, wait, now).map_err(|unlisted| about.unlisted(&unlisted))
}

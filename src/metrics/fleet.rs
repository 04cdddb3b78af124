//! A rule on the joined pages of several pods: those that the requested object selects, or a fixed set. It is evaluated
//! once over the series of all these pods, and has a value if enough running pods responded.

use std::borrow::Cow;
use std::sync::Arc;

use super::active_rule::{ActiveRule, Sampling};
use super::failure::{About, Failure};
use super::joined::{JoinedMembers, JoinedPages};
use super::judgement::Scrape;
use super::over_time::{self, PageSamples};
use super::reason::RefusalReason;
use super::sample_limit::SampleLimit;
use super::sampler;
use super::scrape::SampledSelection;
use super::subject::{Services, Subject};
use super::trace::{Event, Trace};
use super::wildcard;
use crate::config::model::{PodSet, Pods};
use crate::kube::custom_metrics::MetricValue;
use crate::kube::kinds;
use crate::kube::pod::Pod;
use crate::kube::pod_list::PodList;
use crate::kube_api::objects::Selection;
use crate::parse::path::{MetricPath, ObjectName};
use crate::source::page::PageItem;
use crate::source::waiting::{AllowedWaits, Waiting};

/// The values of the objects that the pages describe.
pub(super) fn answer(
    subject: &Subject<'_>,
    of: &Pods,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let (served, about, services) = (subject.served, subject.about(), subject.services);
    let set = match &of.set {
        Some(set) => Cow::Borrowed(set),
        None => Cow::Owned(selected(subject, waits, trace)?),
    };
    if let Some(sampling) = &served.sampling {
        let samples = samples(served, &about, services, sampling, &set, trace)?;
        return match &subject.request.path.name {
            ObjectName::One(name) if of.set.is_none() => over_time::of_one(subject, name, sampling, &samples, trace),
            _ => over_time::of_samples(subject, sampling, samples, waits, trace),
        };
    }
    let joined = scrape(served, &about, services, of, &set, waits, trace)?;
    let members = members(&joined, served, &about, services, trace)?;
    let scrape = of_pages(&joined, served, services);
    match &members {
        JoinedMembers::Series(series) => {
            wildcard::of_members(subject, &series.iter().collect::<Vec<_>>(), scrape, waits, trace)
        }
        JoinedMembers::Items(items) => {
            let items: Vec<&PageItem> = items.iter().map(|item| -> &PageItem { item }).collect();
            wildcard::of_members(subject, &items, scrape, waits, trace)
        }
    }
}

/// The pods that the object of a request selects.
fn selected(subject: &Subject<'_>, waits: AllowedWaits, trace: &mut Trace) -> Result<PodSet, Failure> {
    let about = subject.about();
    let MetricPath { namespace: Some(namespace), name: ObjectName::One(name), .. } = subject.request.path else {
        let why = "each object has pods of its own, so * is not served; ask for one by name";
        return Err(about.bad_request(&why));
    };
    let (wait, now) = (waits.wait_for(Waiting::KubernetesLists), subject.services.shared.clock().now().monotonic);
    let objects = subject.services.cluster(&about)?;
    let selector = objects.selector(subject.kind, namespace, name, wait, now);
    let selector = selector.map_err(|unlisted| about.unlisted(&unlisted))?;
    // A kind that is not built in may lack the scale subresource.
    let is_sure = kinds::lookup(&subject.kind.resource).is_some();
    let selector = selector.ok_or_else(|| if is_sure { about.no_object() } else { about.no_scale() })?;
    if selector.is_empty() {
        return Err(about.page(&"the object has no selector of pods"));
    }
    trace.record(|| Event::PodSelector { selector: selector.clone() });
    Ok(PodSet { namespace: namespace.clone(), selector })
}

/// Scrapes the pods of a set.
pub(super) fn scrape(
    served: &ActiveRule,
    about: &About<'_>,
    services: Services<'_>,
    of: &Pods,
    set: &PodSet,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<JoinedPages, Failure> {
    let selection = Selection { namespace: Some(&set.namespace), label_selector: &set.selector, name: None };
    let listed = services.pods(selection, about, waits)?;
    let pods: Vec<&Pod> = listed.iter().flat_map(PodList::iter).collect();
    trace.record(|| Event::PodsSelected { count: pods.len(), origin: services.pods_origin(selection) });
    let waiting = Waiting::Source(served.upstream.index());
    let joined = JoinedPages::scrape(served, &pods, set, of, waits.wait_for(waiting), trace);
    let joined = joined.ok_or(Failure::WouldWait(waiting))?;
    sampler::count(services.shared, served, joined.coverage.count);
    joined.coverage.check(served.rule.min_coverage).map_err(|why| about.incomplete(&why))?;
    Ok(joined)
}

/// The series or values of joined pages for a rule, within limits.
pub(super) fn members<'p>(
    joined: &'p JoinedPages,
    served: &ActiveRule,
    about: &About<'_>,
    services: Services<'_>,
    trace: &mut Trace,
) -> Result<JoinedMembers<'p>, Failure> {
    let members = joined.members(served, trace);
    let (count, most) = (members.len(), services.shared.limits().sampling.series);
    if count > most {
        return Err(about.refused(&RefusalReason::OverBudget(SampleLimit::Series(most))));
    }
    Ok(members)
}

/// The scrape of joined pages; its time is that of the oldest one.
pub(super) fn of_pages<'p>(joined: &'p JoinedPages, served: &ActiveRule, services: Services<'_>) -> Scrape<'p> {
    let pages = || joined.pages.iter().map(|(page, _)| page);
    let oldest = pages().map(|page| page.at).min();
    let at = oldest.unwrap_or_else(|| services.shared.clock().now().unix_millis);
    let unmatched = pages().map(|page| page.unmatched(served.want.id)).find(|unmatched| !unmatched.is_empty());
    let has_no_pods = joined.coverage.count.has_no_pods();
    Scrape { unmatched: unmatched.unwrap_or_default(), has_no_pods, ..Scrape::of_page(at) }
}

/// The samples of the pods of a set, if their last round was complete.
pub(super) fn samples(
    served: &Arc<ActiveRule>,
    about: &About<'_>,
    services: Services<'_>,
    sampling: &Sampling,
    set: &PodSet,
    trace: &mut Trace,
) -> Result<PageSamples, Failure> {
    services.cluster(about)?;
    let selection =
        SampledSelection { namespace: Some(set.namespace.clone()), label_selector: set.selector.clone(), name: None };
    let group = sampler::group(&selection);
    let samples = over_time::samples(served, about, services, sampling, selection, &group, trace)?;
    if let Some(count) = samples.snapshot.pods {
        trace.record(|| Event::PodsJoined { count });
    }
    match samples.failure {
        Some(failure) => Err(failure),
        None => Ok(samples),
    }
}

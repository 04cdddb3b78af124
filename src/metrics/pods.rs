//! A rule on a source of pods: lists the pods, scrapes the page of each, and judges each by its own page.

use std::time::Instant;

use super::failure::Failure;
use super::freshness::Freshness;
use super::judgement::Scrape;
use super::outcome::Verdict;
use super::subject::Subject;
use super::tally::Tally;
use super::targets::{PodTarget, pages};
use super::trace::{Event, Trace};
use super::{over_time, page_members};
use crate::config::model::Pods;
use crate::kube::custom_metrics::MetricValue;
use crate::kube::pod::Pod;
use crate::kube::pod_list::PodList;
use crate::kube_api::objects::Selection;
use crate::parse::path::{MetricPath, ObjectName};
use crate::parse::sort::sort_by;
use crate::source::page::Found;
use crate::source::waiting::{AllowedWaits, Waiting};

/// The values of the requested pods; if every pod has a value, also how long they stay valid.
pub(super) fn answer(
    subject: &Subject<'_>,
    of: &Pods,
    waits: AllowedWaits,
    freshness: &mut Option<Freshness>,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let label_selector = subject.request.label_selector.to_string();
    let selection = selection(subject.request.path, &label_selector);
    let listed = subject.services.pods(selection, &subject.about(), waits)?;
    // A list by name is filtered again, whatever the API server sent.
    let is_requested = |pod: &&Pod| match &subject.request.path.name {
        ObjectName::All => true,
        ObjectName::One(name) => pod.name() == *name,
    };
    let pods = || listed.iter().flat_map(PodList::iter).filter(is_requested);
    trace.record(|| Event::PodsSelected { count: pods().count(), origin: subject.services.pods_origin(selection) });
    let (mut targets, skipped) = pages(pods(), of);
    for (pod, reason) in &skipped {
        trace.record(|| Event::PodSkipped { pod: pod.name().to_owned(), reason: *reason });
    }
    // Pods from a watch are already sorted.
    if !targets.is_sorted_by(|a, b| a.pod.name() <= b.pod.name()) {
        sort_by(&mut targets, |a, b| a.pod.name().cmp(b.pod.name()));
    }
    let skipped = skipped.into_iter().map(|(_, reason)| reason).collect();
    let mut tally = Tally { skipped, ..Tally::default() };
    match &subject.served.sampling {
        // A selection without pods is not sampled, so that a caller cannot use up the limit on selections.
        Some(_) if targets.is_empty() => {}
        Some(sampling) => over_time::of_pods(subject, sampling, &targets, &mut tally, trace),
        None => {
            let until = of_pages(subject, &targets, &mut tally, waits, trace)?;
            if let Some(until) = until.filter(|_| tally.is_whole())
                && let Some(list) = subject.services.pods_until(selection, &listed)
            {
                let times = tally.items.iter().map(|item| item.timestamp.millis());
                *freshness =
                    Freshness::of_values(subject.served, until.min(list), times, subject.services.shared.clock().now());
            }
        }
    }
    tally.finish(subject, trace)
}

/// Scrapes these pods and judges each by its page. Returns when the first of the pages is fetched again.
fn of_pages(
    subject: &Subject<'_>,
    targets: &[PodTarget<'_>],
    tally: &mut Tally,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Option<Instant>, Failure> {
    let urls: Vec<String> = targets.iter().map(PodTarget::url).collect();
    let upstream = &subject.served.upstream;
    let waiting = Waiting::Source(upstream.index());
    let mut until: Option<Instant> = None;
    let pages = upstream.pages(&urls, &subject.served.want, waits.wait_for(waiting));
    let pages = pages.ok_or(Failure::WouldWait(waiting))?;
    let subject = &subject.at_one_moment();
    let objects = subject.objects();
    let mut path = subject.request.path.clone();
    for (target, page) in targets.iter().zip(pages) {
        let (pod, name) = (target.pod, target.pod.name());
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                trace.record(|| Event::PodFetchFailed {
                    pod: name.to_owned(),
                    url: target.plain_url(),
                    error: error.clone(),
                });
                let scrape = Scrape { pod: Some(pod), ..Scrape::of_page(0) };
                match subject.unavailable(name, scrape, trace) {
                    Some(value) => tally.items.push(objects.item(name, value)),
                    None => tally.failed.push(error),
                }
                continue;
            }
        };
        // A page that was not fetched is not reused.
        let fresh = upstream.fresh_until(&page).unwrap_or(subject.services.now().monotonic);
        until = Some(until.map_or(fresh, |until| until.min(fresh)));
        trace.record(|| Event::PodPage { pod: name.to_owned(), url: target.plain_url(), summary: page.summary() });
        path.name = ObjectName::One(name.to_owned());
        let pod_subject = subject.of_path(&path);
        let served = pod_subject.bound()?;
        let pod_subject = Subject { served: &served, ..pod_subject };
        match page_members::verdict(&pod_subject, pod, &page, trace) {
            Ok(Verdict::Serve(value)) => tally.items.push(objects.item(name, value)),
            Ok(verdict) => tally.left_out.push(verdict),
            Err(failure) => tally.unusable.push(match page.found(subject.served.want.id) {
                // The message does not name the pod, which changes with every rollout.
                Some(Found::Refused(refusal)) => subject.about().page(refusal),
                _ => failure,
            }),
        }
    }
    Ok(until)
}

/// The pods of the request: by name, or by its label selector.
fn selection<'a>(path: &'a MetricPath, label_selector: &'a str) -> Selection<'a> {
    let (name, label_selector) = match &path.name {
        ObjectName::All => (None, label_selector),
        ObjectName::One(name) => (Some(name.as_str()), ""),
    };
    Selection { namespace: path.namespace.as_deref(), label_selector, name }
}

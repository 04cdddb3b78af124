//! Samples a page, or the pages of pods, in the background.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use super::active_rule::{ActiveRule, Sampling};
use super::coverage::PodCount;
use super::history::{RoundOutcome, ScrapeError};
use super::joined::JoinedPages;
use super::objects::{ListError, Objects};
use super::scrape::SampledSelection;
use super::targets::{self, PodTarget};
use super::trace::Trace;
use crate::cache::Wait;
use crate::config::limits::Limits;
use crate::config::model::{PodSet, Pods, Target, Value};
use crate::kube::pod::Pod;
use crate::kube::pod_list::PodList;
use crate::kube_api::error::CallError;
use crate::kube_api::objects::Selection;
use crate::parse::duration::millis;
use crate::parse::url_template::Values;
use crate::promql::evaluate::{Labels, Sample};
use crate::promql::{NAME_LABEL, VectorSelector};
use crate::source::error::SourceError;
use crate::source::page::{Found, Page, Series};
use crate::source::page_request::PageRequest;
use crate::source::shared::Shared;
use crate::telemetry::clock::SteadyClock;

/// The name of a source's only page in a sample store.
pub(super) const PAGE: &str = "page";

/// Samples the pods of one selection, or the one page.
pub(super) fn sample(
    served: &Arc<ActiveRule>,
    selected: &SampledSelection,
    objects: Option<&Objects>,
    shared: &Shared,
    steady: SteadyClock,
    now: Instant,
) {
    let Some(sampling) = &served.sampling else { return };
    let round = Round { served, sampling, limits: shared.limits(), steady, now };
    // No request waits, so a round of thousands of pods may take until the next one.
    let wait = Wait::Until(now + sampling.interval.max(shared.limits().answer.deadline));
    let of = match &served.upstream.source().target {
        Target::Pods(of) => of,
        Target::Url(_) => {
            if let Ok(request) = PageRequest::expand(served.upstream.source(), &Values::default()) {
                round.keep(PAGE, PAGE, served.upstream.page(&request, &served.want, wait));
            }
            return;
        }
        // The server keeps samples itself.
        Target::Prometheus(_) => return,
    };
    let Some(objects) = objects else { return };
    let selection = Selection {
        namespace: selected.namespace.as_deref(),
        label_selector: &selected.label_selector,
        name: selected.name.as_deref(),
    };
    let listing = Wait::Until(now + shared.limits().answer.deadline);
    let list = match objects.pods(selection, listing, now) {
        Ok(list) => list,
        Err(ListError::Failed(why)) if served.joins_pages() => return round.fail(&group(selected), why),
        Err(_) => return,
    };
    if served.joins_pages() {
        return round.join(&list, selected, of, wait, shared);
    }
    let (mut pods, _) = targets::pages(list.iter().flat_map(PodList::iter), of);
    let mut key = String::new();
    // Another selection may have sampled some of them just now.
    pods.retain(|target| {
        object(&mut key, selected.namespace.as_deref(), target.pod.name());
        !sampling.history.is_up_to_date(&key, |url| target.is_at(url), steady.at(now))
    });
    let urls: Vec<String> = pods.iter().map(PodTarget::url).collect();
    // Each page is stored as it arrives, so that a slow pod does not delay the others.
    served.upstream.each_page(&urls, &served.want, wait, &mut |at, page| {
        if let Some((target, url)) = pods.get(at).zip(urls.get(at)) {
            object(&mut key, selected.namespace.as_deref(), target.pod.name());
            // The incarnation is the whole URL: another URL is another process or another page.
            round.keep(&key, url, page);
        }
    });
}

/// One round of sampling.
struct Round<'a> {
    served: &'a ActiveRule,
    sampling: &'a Sampling,
    limits: &'a Limits,
    steady: SteadyClock,
    now: Instant,
}

impl Round<'_> {
    /// Stores the samples of several pods' pages together. As in Prometheus, a series continues as long as any page has
    /// a series with its labels.
    fn join(
        &self,
        list: &Result<PodList, CallError>,
        selected: &SampledSelection,
        of: &Pods,
        wait: Wait,
        shared: &Shared,
    ) {
        let Value::Series(expr) = &self.served.rule.value else { return };
        let group = group(selected);
        let pods: Vec<&Pod> = list.iter().flat_map(PodList::iter).collect();
        let namespace = selected.namespace.clone().unwrap_or_default();
        let set = PodSet { namespace, selector: selected.label_selector.clone() };
        let Some(joined) = JoinedPages::scrape(self.served, &pods, &set, of, wait, &mut Trace::off()) else { return };
        // One store is for the objects of all requests, so the values of placeholders are applied later.
        let selectors: Vec<VectorSelector> = expr.selectors().map(VectorSelector::without_placeholders).collect();
        let is_wanted = |(labels, _): &(Labels, Sample)| {
            let name = labels.get(NAME_LABEL).unwrap_or_default();
            selectors.iter().any(|selector| selector.matches(name, |label| labels.get(label).map(Cow::Borrowed)))
        };
        let samples = joined.pages.iter().flat_map(|(page, target)| {
            let taken = page.taken.map_or(i64::MIN, |taken| self.steady.at(taken));
            let labels = |series: &Series| target.join_named(series.name(), series.labels().iter());
            self.samples(page, taken).map(move |(series, sample)| (labels(series), sample))
        });
        let unmatched = joined.pages.iter().map(|(page, _)| page.unmatched(self.served.want.id));
        let unmatched = unmatched.into_iter().find(|unmatched| !unmatched.is_empty()).unwrap_or_default();
        let (at, coverage) = (self.steady.at(self.now), &joined.coverage);
        count(shared, self.served, coverage.count);
        let error = coverage.check(self.served.rule.min_coverage).err().map(ScrapeError::Incomplete);
        let outcome = RoundOutcome { pods: Some(coverage.count), error };
        self.sampling.history.observe(&group, &group, at, samples.filter(is_wanted), unmatched, outcome);
    }

    /// Records that a round of several pods is incomplete.
    fn fail(&self, group: &str, why: String) {
        self.sampling.history.fail(group, group, self.steady.at(self.now), ScrapeError::Incomplete(why));
    }

    /// The samples of a page for the rule.
    fn samples<'p>(&'p self, page: &'p Page, taken: i64) -> impl Iterator<Item = (&'p Series, Sample)> + 'p {
        let positions = match page.found(self.served.want.id) {
            Some(Found::Series(positions)) => positions.as_slice(),
            _ => &[],
        };
        let most = millis(self.limits.freshness.max_future);
        page.series(positions).filter_map(move |series| {
            // The sample's age relative to the page. A sample from the far future is dropped, because it would hide all
            // later ones.
            let age = series.timestamp().map_or(0, |at| page.at.saturating_sub(at));
            let sample = Sample { at: taken.saturating_sub(age), value: series.value() };
            (age >= -most).then_some((series, sample))
        })
    }

    /// Stores the samples of one page, or why there are none.
    fn keep(&self, object: &str, incarnation: &str, page: Result<Arc<Page>, SourceError>) {
        let fail =
            |scrape_error| self.sampling.history.fail(object, incarnation, self.steady.at(self.now), scrape_error);
        let page = match page {
            Ok(page) => page,
            Err(error) => return fail(ScrapeError::Failed(error)),
        };
        match page.found(self.served.want.id) {
            Some(Found::Series(_)) => {}
            Some(Found::Refused(refusal)) => return fail(ScrapeError::Refused(refusal.clone())),
            _ => return,
        }
        let Some(taken) = page.taken.map(|taken| self.steady.at(taken)) else { return };
        let (samples, unmatched) = (self.samples(&page, taken), page.unmatched(self.served.want.id));
        self.sampling.history.observe_page(object, incarnation, taken, samples, unmatched);
    }
}

/// The name in a sample store of a selection of pods whose pages are joined.
pub(super) fn group(selected: &SampledSelection) -> String {
    format!("{}?{}", selected.namespace.as_deref().unwrap_or_default(), selected.label_selector)
}

/// Counts the pods whose pages were requested to be joined.
pub(super) fn count(shared: &Shared, served: &ActiveRule, count: PodCount) {
    let counters = shared.counters().fetches(&served.upstream.source().name);
    counters.pods_answered.add(count.answered as u64);
    counters.pods_failed.add(count.failed as u64);
}

/// Makes `key` the name in a sample store of a pod.
pub(super) fn object(key: &mut String, namespace: Option<&str>, pod: &str) {
    key.clear();
    key.extend([namespace.unwrap_or_default(), "/", pod]);
}

#[cfg(test)]
mod tests;

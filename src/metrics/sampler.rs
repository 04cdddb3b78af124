//! Samples a page, or the pages of pods, in the background.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use super::active_rule::{ActiveRule, Sampling};
use super::history::ScrapeError;
use super::objects::Objects;
use super::scrape::SampledSelection;
use super::targets;
use crate::cache::Wait;
use crate::config::limits::Limits;
use crate::config::model::Target;
use crate::kube::pod::Pod;
use crate::kube_api::objects::Selection;
use crate::parse::duration::millis;
use crate::parse::url_template::Values;
use crate::promql::NAME_LABEL;
use crate::promql::evaluate::{Labels, Sample};
use crate::source::error::SourceError;
use crate::source::page::{Found, Page};
use crate::source::page_request::PageRequest;
use crate::source::shared::Shared;
use crate::telemetry::clock::Steady;

/// The name of a source's only page in a sample store.
pub(super) const PAGE: &str = "page";

/// Samples the pods of one selection, or the one page.
pub(super) fn sample(
    served: &Arc<ActiveRule>,
    selected: &SampledSelection,
    objects: Option<&Objects>,
    shared: &Shared,
    steady: Steady,
    now: Instant,
) {
    let Some(sampling) = &served.sampling else { return };
    let round = Round { served, sampling, limits: shared.limits(), steady, now };
    // No request waits: a round of thousands of pods has until the next one.
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
    let Ok(list) = objects.pods(selection, listing, now) else { return };
    let (pods, _) = targets::pages(list.iter().flatten(), of);
    let urls: Vec<String> = pods.iter().map(|(_, url)| url.clone()).collect();
    for ((pod, url), page) in pods.iter().zip(served.upstream.pages(&urls, &served.want, wait).unwrap_or_default()) {
        // Kept by the whole URL: a page at another URL is of another process, or another page.
        round.keep(&object(pod, selected.namespace.as_deref()), url, page);
    }
}

/// One round of sampling.
struct Round<'a> {
    served: &'a ActiveRule,
    sampling: &'a Sampling,
    limits: &'a Limits,
    steady: Steady,
    now: Instant,
}

impl Round<'_> {
    /// Stores the samples of one page, or why there are none.
    fn keep(&self, object: &str, incarnation: &str, page: Result<Arc<Page>, SourceError>) {
        let fail =
            |scrape_error| self.sampling.history.fail(object, incarnation, self.steady.at(self.now), scrape_error);
        let page = match page {
            Ok(page) => page,
            Err(error) => return fail(ScrapeError::Failed(error)),
        };
        let positions = match page.found(self.served.want.id) {
            Some(Found::Series(positions)) => positions,
            Some(Found::Refused(refusal)) => return fail(ScrapeError::Refused(refusal.clone())),
            _ => return,
        };
        let Some(taken) = page.taken.map(|taken| self.steady.at(taken)) else { return };
        let most = millis(self.limits.freshness.max_future);
        let samples = page.series(positions).filter_map(|series| {
            // How long before its page. A sample from the far future is dropped: it would hide all later ones.
            let age = series.timestamp().map_or(0, |at| page.at.saturating_sub(at));
            let sample = Sample { at: taken.saturating_sub(age), value: series.value() };
            let name = std::iter::once((Cow::Borrowed(NAME_LABEL), Cow::Borrowed(series.name())));
            (age >= -most).then(|| (Labels::new(name.chain(series.labels().iter())), sample))
        });
        self.sampling.history.observe(object, incarnation, taken, samples, page.unmatched(self.served.want.id));
    }
}

/// The name of a pod in a sample store.
pub(super) fn object(pod: &Pod, namespace: Option<&str>) -> String {
    format!("{}/{}", namespace.unwrap_or_default(), pod.metadata.name)
}

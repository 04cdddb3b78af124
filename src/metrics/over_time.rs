//! Values that look back: pods, and the pages of single processes, are sampled in the background, and a value is made of the samples that are there.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use super::evaluation;
use super::failure::Failure;
use super::history::{self, Lookup, ScrapeError, Snapshot, SnapshotData, StoredSeries};
use super::member::Member;
use super::objects::Objects;
use super::outcome::{Finding, MissingReason, Number, RefusalReason, Verdict};
use super::pods::{self, Outcome, plain};
use super::request::Request;
use super::rules::{ActiveRule, Sampling};
use super::scrape::Selected;
use super::select::{self, Describes};
use super::trace::Trace;
use crate::config::limits::Limits;
use crate::config::model::{Target, Value};
use crate::kube::custom_metrics::MetricValue;
use crate::kube::pod::Pod;
use crate::kube_api::objects::Selection;
use crate::parse::duration::{self, millis};
use crate::parse::path::ObjectName;
use crate::parse::url_template::Values;
use crate::promql::evaluate::{self, Labels, Sample, Series};
use crate::promql::{Expr, Function, NAME_LABEL, VectorSelector};
use crate::source::cache::Wait;
use crate::source::error::SourceError;
use crate::source::page::{Found, Page};
use crate::source::upstream::Shared;
use crate::source::waiting::Patience;
use crate::telemetry::clock::Steady;

/// The values of these pods, each with the address of its page.
pub(super) fn answer(
    request: &Request<'_>,
    sampling: &Sampling,
    pods: &[(&Pod, String)],
    outcome: &mut Outcome,
    trace: &mut Trace,
) {
    let (selector, name) = match &request.ask.path.name {
        ObjectName::All => (request.ask.label_selector.to_string(), None),
        ObjectName::One(name) => (String::new(), Some(name.clone())),
    };
    let namespace = request.ask.path.namespace.clone();
    let selected = Selected { namespace, label_selector: selector, name };
    let refused = request.scraper.ask(request.served, selected, sampling.interval).err();
    trace.note("range", || {
        format!(
            "looks back {}, sampled every {}",
            duration::format(sampling.range),
            duration::format(sampling.interval)
        )
    });
    for (pod, url) in pods {
        let (name, incarnation) = (&pod.metadata.name, format!("#{}", pod.incarnation()));
        let seen = sampling.history.seen(&object(pod, request.ask.path.namespace.as_deref()), url);
        trace.note("samples", || format!("{name}: {}, {}", plain(url), seen.describe()));
        let (mut scrape_error, mut sampled) = (None, None);
        let finding = match (refused, seen) {
            (Some(bound), _) => Finding::Unusable(RefusalReason::NotSampled(bound)),
            (None, Lookup::Full(bound)) => Finding::Unusable(RefusalReason::NoRoom(bound)),
            (None, Lookup::Nothing) => Finding::Unusable(RefusalReason::Gathering),
            (None, Lookup::Snapshot(mut snapshot)) => {
                scrape_error = snapshot.scrape_error.take();
                sampled = last_sampled(request, &snapshot);
                of_snapshot(request, sampling, snapshot)
            }
        };
        let one =
            Request { incarnation: &incarnation, healthy: scrape_error.is_none() && sampled.is_some(), ..*request };
        match (one.judge(name, finding, sampled.unwrap_or_default(), trace), scrape_error) {
            (Verdict::Serve(value), _) => outcome.items.push(request.item(name, value)),
            // What is too little, is so because of this.
            (_, Some(ScrapeError::Failed(error))) => outcome.failed.push(error),
            (_, Some(ScrapeError::Refused(refusal))) => outcome.unusable.push(request.about().page(&refusal)),
            (verdict, None) => outcome.left_out.push(verdict),
        }
    }
}

/// The values of what a page describes, from its samples.
pub(super) fn of_page(
    request: &Request<'_>,
    sampling: &Sampling,
    patience: Patience,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let about = request.about();
    let everything = Selected { namespace: None, label_selector: String::new(), name: None };
    request
        .scraper
        .ask(request.served, everything, sampling.interval)
        .map_err(|bound| about.refused(&RefusalReason::NotSampled(bound)))?;
    let seen = sampling.history.seen(PAGE, PAGE);
    trace.note("range", || {
        format!(
            "looks back {}, sampled every {}",
            duration::format(sampling.range),
            duration::format(sampling.interval)
        )
    });
    trace.note("samples", || seen.describe());
    let mut snapshot = match seen {
        Lookup::Full(bound) => return Err(about.refused(&RefusalReason::NoRoom(bound))),
        Lookup::Nothing => return Err(about.refused(&RefusalReason::Gathering)),
        Lookup::Snapshot(snapshot) => snapshot,
    };
    let now = request.shared.clock().now();
    let steady = request.steady.at(now.monotonic);
    let scrape_error = snapshot.scrape_error.take().map(|scrape_error| match scrape_error {
        ScrapeError::Failed(error) => about.source(&error),
        ScrapeError::Refused(refusal) => about.page(&refusal),
    });
    if !sampling.is_enough(&snapshot, steady) {
        return Err(scrape_error.unwrap_or_else(|| about.refused(&RefusalReason::Gathering)));
    }
    let (series, sampled) = (std::mem::take(&mut snapshot.series), last_sampled(request, &snapshot));
    let request = &Request { healthy: scrape_error.is_none() && sampled.is_some(), ..*request };
    let sampled = sampled.unwrap_or_default();
    let members: Vec<Sampled<'_>> =
        series.iter().map(|kept| Sampled { kept, snapshot: &snapshot, request, sampling }).collect();
    let members: Vec<&Sampled<'_>> = members.iter().collect();
    let answer = match &request.ask.path.name {
        ObjectName::One(name) => request.named(name, request.one(&members, sampled, trace)),
        ObjectName::All => request.all(&members, sampled, patience, trace),
    };
    match (answer, scrape_error) {
        // What is not there, may be so because of this.
        (Err(Failure::NotFound(_)), Some(scrape_error)) => Err(scrape_error),
        (answer, _) => answer,
    }
}

/// When an object was sampled last, Unix milliseconds; `None` if that is too long ago to say that something is not there.
fn last_sampled(request: &Request<'_>, snapshot: &Snapshot) -> Option<i64> {
    let now = request.shared.clock().now();
    let age = request.steady.at(now.monotonic).saturating_sub(*snapshot.times.last()?);
    let recent = u128::try_from(age).is_ok_and(|age| age <= request.served.rule.max_age.as_millis());
    recent.then_some(now.unix_millis - age)
}

/// What the one page of a source is called in a history.
const PAGE: &str = "page";

/// A series of a page, over time.
struct Sampled<'a> {
    kept: &'a StoredSeries,
    /// When the page was sampled; without its series.
    snapshot: &'a Snapshot,
    request: &'a Request<'a>,
    sampling: &'a Sampling,
}

impl Describes for Sampled<'_> {
    fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        self.kept.series.labels.get(key).map(Cow::Borrowed)
    }

    fn labels(&self) -> Vec<&str> {
        self.kept.series.labels.iter().map(|(name, _)| name).filter(|name| *name != NAME_LABEL).collect()
    }
}

impl Member for Sampled<'_> {
    fn evaluate(members: &[&Self], _: &ActiveRule, _: i64) -> Finding {
        let Some(Sampled { snapshot, request, sampling, .. }) = members.first() else {
            return Finding::Nothing(MissingReason::NoSeries);
        };
        let series: Vec<StoredSeries> = members.iter().map(|member| member.kept.clone()).collect();
        let now = request.steady.at(request.shared.clock().now().monotonic);
        let begun_anew = |series: &Series| {
            let start = now.saturating_sub(millis(sampling.range));
            let within: Vec<f64> = series.samples.iter().filter(|s| s.at > start).map(|s| s.value).collect();
            within.windows(2).filter(|pair| matches!(pair, [before, after] if after < before)).count()
        };
        let Value::Series(expr) = &request.served.rule.value else { return Finding::Unusable(RefusalReason::Several) };
        let counters = within(expr, OF_COUNTERS);
        let counted = |series: &&Series| counters.iter().any(|selector| history::picks(selector, series));
        if series.iter().map(|kept| &kept.series).filter(counted).any(|series| begun_anew(series) > 1) {
            return Finding::Unusable(RefusalReason::Resets);
        }
        of_snapshot(request, sampling, Snapshot { times: snapshot.times.clone(), scrape_error: None, series })
    }
}

/// What takes samples for those of counters.
const OF_COUNTERS: &[Function] = &[Function::Rate, Function::Increase, Function::Irate];

/// What takes two samples of a series at least.
const OF_PAIRS: &[Function] = &[Function::Rate, Function::Increase, Function::Irate, Function::Delta];

/// The selectors within calls of these functions.
fn within<'a>(expr: &'a Expr, functions: &[Function]) -> Vec<&'a VectorSelector> {
    match expr {
        Expr::Call(function, arguments) if functions.contains(function) => {
            arguments.iter().flat_map(Expr::selectors).collect()
        }
        Expr::Call(_, arguments) => arguments.iter().flat_map(|argument| within(argument, functions)).collect(),
        Expr::Aggregate(_, _, inner) | Expr::Negate(inner) => within(inner, functions),
        Expr::Binary(_, left, right) => [left, right].into_iter().flat_map(|side| within(side, functions)).collect(),
        Expr::Number(_) | Expr::Selector(_) => Vec::new(),
    }
}

/// The value of one pod, from its samples.
fn of_snapshot(request: &Request<'_>, sampling: &Sampling, mut snapshot: Snapshot) -> Finding {
    let Value::Series(expr) = &request.served.rule.value else { return Finding::Unusable(RefusalReason::Several) };
    let now = request.shared.clock().now();
    let steady = request.steady.at(now.monotonic);
    if !sampling.is_enough(&snapshot, steady) {
        return Finding::Unusable(RefusalReason::Gathering);
    }
    let nothing = |snapshot: &Snapshot| SnapshotData::new(expr, snapshot).nothing(&within(expr, OF_PAIRS), steady);
    let selector = request.ask.metric_selector;
    if !selector.is_everything() {
        let before = nothing(&snapshot);
        snapshot.series.retain(|kept| select::matches_labels(selector, |key| kept.series.labels.get(key)));
        if before != MissingReason::NoSeries && nothing(&snapshot) == MissingReason::NoSeries {
            return Finding::Nothing(MissingReason::MetricSelector);
        }
    }
    let elements = match evaluate::evaluate(expr, &SnapshotData::new(expr, &snapshot), steady) {
        Ok(elements) if elements.is_empty() => return Finding::Nothing(nothing(&snapshot)),
        Ok(elements) => elements,
        Err(error) => return Finding::Unusable(RefusalReason::Evaluation(error)),
    };
    // Samples are timed by a clock that is never set; what is served, by the other one.
    let shift = now.unix_millis - steady;
    match evaluation::one(&elements) {
        Finding::Number(number) => {
            Finding::Number(Number { at: number.at + shift, newest: number.newest + shift, ..number })
        }
        finding => finding,
    }
}

/// Samples the pods of one selection, or the one page.
pub(super) fn sample(
    served: &Arc<ActiveRule>,
    selected: &Selected,
    objects: Option<&Objects>,
    shared: &Shared,
    steady: Steady,
    now: Instant,
) {
    let Some(sampling) = &served.sampling else { return };
    let round = Round { served, sampling, limits: shared.limits(), steady, now };
    // Nobody waits: a round of thousands of pods has until the next one.
    let wait = Wait::Until(now + sampling.interval.max(shared.limits().answer.deadline));
    let of = match &served.upstream.source().target {
        Target::Pods(of) => of,
        Target::Url(template) => {
            let nothing = Values { namespace: None, resource: "", name: None, metric: "", label_selector: "" };
            if let Ok(url) = template.expand(&nothing) {
                round.keep(PAGE, PAGE, served.upstream.page(&url, &served.want, wait));
            }
            return;
        }
        // It keeps samples itself.
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
    let (pods, _) = pods::pages(list.iter().flatten(), of);
    let urls: Vec<String> = pods.iter().map(|(_, url)| url.clone()).collect();
    for ((pod, url), page) in pods.iter().zip(served.upstream.pages(&urls, &served.want, wait).unwrap_or_default()) {
        // By its whole address: what is scraped elsewhere is another process, or another page of it.
        round.keep(&object(pod, selected.namespace.as_deref()), url, page);
    }
}

/// One time that something is sampled.
struct Round<'a> {
    served: &'a ActiveRule,
    sampling: &'a Sampling,
    limits: &'a Limits,
    steady: Steady,
    now: Instant,
}

impl Round<'_> {
    /// Keeps what is on one page, or why there is none.
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
            // How long before its page; one from far in the future would stand in the way of all that come after it.
            let age = series.timestamp().map_or(0, |at| page.at.saturating_sub(at));
            let sample = Sample { at: taken.saturating_sub(age), value: series.value() };
            let name = std::iter::once((NAME_LABEL, Cow::Borrowed(series.name())));
            (age >= -most).then(|| (Labels::new(name.chain(series.labels().iter())), sample))
        });
        self.sampling.history.observe(object, incarnation, taken, samples);
    }
}

fn object(pod: &Pod, namespace: Option<&str>) -> String {
    format!("{}/{}", namespace.unwrap_or_default(), pod.metadata.name)
}

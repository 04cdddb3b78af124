//! Values of rules with ranges or offsets, from the samples that the scraper has taken of a page, or of the page of
//! each pod.

use std::borrow::Cow;
use std::sync::Arc;

use super::active_rule::{ActiveRule, Sampling};
use super::coverage::PodCount;
use super::evaluation;
use super::failure::{About, Failure};
use super::history::{self, Lookup, ScrapeError, Snapshot, SnapshotData, StoredSeries};
use super::judgement::Scrape;
use super::member::Member;
use super::outcome::{Finding, Verdict};
use super::reason::{MissingReason, RefusalReason};
use super::sampler::{PAGE, object};
use super::scrape::SampledSelection;
use super::select::{self, Describes};
use super::subject::{Services, Subject};
use super::tally::Tally;
use super::targets::plain;
use super::trace::{Event, Trace};
use super::wildcard;
use crate::config::model::Value;
use crate::kube::custom_metrics::MetricValue;
use crate::kube::pod::Pod;
use crate::parse::duration::millis;
use crate::parse::path::{MetricPath, ObjectName};
use crate::promql::evaluate::{self, Series};
use crate::promql::{Expr, Function, NAME_LABEL, VectorSelector, Window};
use crate::source::waiting::Patience;

/// Judges each of these pods, which come with the URLs of their pages.
pub(super) fn of_pods(
    subject: &Subject<'_>,
    sampling: &Sampling,
    targets: &[(&Pod, String)],
    tally: &mut Tally,
    trace: &mut Trace,
) {
    let namespace = subject.request.path.namespace.as_deref();
    let (label_selector, name) = match &subject.request.path.name {
        ObjectName::All => (subject.request.label_selector.to_string(), None),
        ObjectName::One(name) => (String::new(), Some(name.clone())),
    };
    let selection = SampledSelection { namespace: namespace.map(str::to_owned), label_selector, name };
    let refused = subject.services.scraper.ask(subject.served.configured(), selection, sampling.interval).err();
    trace.record(|| Event::Range { range: sampling.range, interval: sampling.interval });
    for (pod, url) in targets {
        let path = MetricPath { name: ObjectName::One(pod.name().to_owned()), ..subject.request.path.clone() };
        let served = match subject.of_path(&path).bound() {
            Ok(served) => served,
            Err(failure) => {
                tally.unusable.push(failure);
                continue;
            }
        };
        let subject = &Subject { served: &served, ..*subject };
        let (name, incarnation) = (pod.name(), format!("#{}", pod.incarnation()));
        let lookup = sampling.history.lookup(&object(pod, namespace), url);
        trace.record(|| {
            let (pod, url, summary) = (name.to_owned(), plain(url).to_owned(), lookup.summary());
            Event::PodSamples { pod, url, summary }
        });
        let (mut scrape_error, mut sampled, mut unmatched) = (None, None, Vec::new());
        let finding = match (refused, lookup) {
            (Some(bound), _) => Finding::Unusable(RefusalReason::SelectionLimit(bound)),
            (None, Lookup::Full(bound)) => Finding::Unusable(RefusalReason::OverBudget(bound)),
            (None, Lookup::Nothing) => Finding::Unusable(RefusalReason::Gathering),
            (None, Lookup::Snapshot(mut snapshot)) => {
                scrape_error = snapshot.scrape_error.take();
                unmatched = std::mem::take(&mut snapshot.unmatched);
                sampled = last_sampled(subject.served, subject.services, &snapshot);
                of_snapshot(subject, sampling, snapshot)
            }
        };
        let complete = scrape_error.is_none() && sampled.is_some();
        let (at, unmatched) = (sampled.unwrap_or_default(), unmatched.as_slice());
        let scrape = Scrape { incarnation: &incarnation, complete, unmatched, ..Scrape::of_page(at) };
        match (subject.judge(name, finding, scrape, trace), scrape_error) {
            (Verdict::Serve(value), _) => tally.items.push(subject.item(name, value)),
            // The scrape error is the reason for too few samples.
            (_, Some(ScrapeError::Failed(error))) => match subject.unavailable(name, scrape, trace) {
                Some(value) => tally.items.push(subject.item(name, value)),
                None => tally.failed.push(error),
            },
            (_, Some(ScrapeError::Refused(refusal))) => tally.unusable.push(subject.about().page(&refusal)),
            (_, Some(ScrapeError::NotWhole(why))) => tally.unusable.push(subject.about().page(&why)),
            (verdict, None) => tally.left_out.push(verdict),
        }
    }
}

/// The samples of a source's only page.
pub(super) struct PageSamples {
    pub(super) snapshot: Snapshot,
    /// Unix milliseconds; `None` if that is too long ago to know that a value is missing.
    pub(super) sampled: Option<i64>,
    /// Why the last attempt to sample the page failed.
    pub(super) failure: Option<Failure>,
}

impl PageSamples {
    /// When the page was last sampled.
    pub(super) fn scrape(&self) -> Scrape<'_> {
        let Self { snapshot, sampled, failure } = self;
        Scrape {
            complete: failure.is_none() && sampled.is_some(),
            unmatched: &snapshot.unmatched,
            is_of_none: snapshot.pods.is_some_and(PodCount::is_of_none),
            ..Scrape::of_page(sampled.unwrap_or_default())
        }
    }
}

/// The samples of a source's only page, if they span enough of the rule's ranges.
pub(super) fn page_samples(
    served: &Arc<ActiveRule>,
    about: &About<'_>,
    services: Services<'_>,
    sampling: &Sampling,
    trace: &mut Trace,
) -> Result<PageSamples, Failure> {
    let everything = SampledSelection { namespace: None, label_selector: String::new(), name: None };
    samples(served, about, services, sampling, everything, PAGE, trace)
}

/// The samples of a selection that are stored together under this name.
pub(super) fn samples(
    served: &Arc<ActiveRule>,
    about: &About<'_>,
    services: Services<'_>,
    sampling: &Sampling,
    selection: SampledSelection,
    name: &str,
    trace: &mut Trace,
) -> Result<PageSamples, Failure> {
    services
        .scraper
        .ask(served.configured(), selection, sampling.interval)
        .map_err(|bound| about.refused(&RefusalReason::SelectionLimit(bound)))?;
    let lookup = sampling.history.lookup(name, name);
    trace.record(|| Event::Range { range: sampling.range, interval: sampling.interval });
    trace.record(|| Event::Samples { summary: lookup.summary() });
    let mut snapshot = match lookup {
        Lookup::Full(bound) => return Err(about.refused(&RefusalReason::OverBudget(bound))),
        Lookup::Nothing => return Err(about.refused(&RefusalReason::Gathering)),
        Lookup::Snapshot(snapshot) => snapshot,
    };
    let failure = snapshot.scrape_error.take().map(|error| match error {
        ScrapeError::Failed(error) => about.source(&error),
        ScrapeError::Refused(refusal) => about.page(&refusal),
        ScrapeError::NotWhole(why) => about.incomplete(&why),
    });
    if !sampling.is_enough(&snapshot, services.steady_now()) {
        return Err(failure.unwrap_or_else(|| about.refused(&RefusalReason::Gathering)));
    }
    Ok(PageSamples { sampled: last_sampled(served, services, &snapshot), snapshot, failure })
}

/// The values of the objects that a page describes.
pub(super) fn of_page(
    subject: &Subject<'_>,
    sampling: &Sampling,
    patience: Patience,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let samples = page_samples(subject.served, &subject.about(), subject.services, sampling, trace)?;
    of_samples(subject, sampling, samples, patience, trace)
}

/// The value of the named object that all of these samples describe.
pub(super) fn of_one(
    subject: &Subject<'_>,
    name: &str,
    sampling: &Sampling,
    mut samples: PageSamples,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let series = std::mem::take(&mut samples.snapshot.series);
    let Snapshot { times, pods, .. } = &samples.snapshot;
    let snapshot = Snapshot { times: times.clone(), pods: *pods, series, ..Snapshot::default() };
    let finding = of_snapshot(subject, sampling, snapshot);
    subject.answer(name, subject.judge(name, finding, samples.scrape(), trace))
}

/// The values of the objects that these samples describe.
pub(super) fn of_samples(
    subject: &Subject<'_>,
    sampling: &Sampling,
    mut samples: PageSamples,
    patience: Patience,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let series = std::mem::take(&mut samples.snapshot.series);
    let (snapshot, scrape) = (&samples.snapshot, samples.scrape());
    let members: Vec<Sampled<'_>> =
        series.iter().map(|stored| Sampled { stored, snapshot, subject, sampling }).collect();
    let members: Vec<&Sampled<'_>> = members.iter().collect();
    let answer = match &subject.request.path.name {
        // The expression may have a value without series.
        ObjectName::One(name) if series.is_empty() && subject.is_given(name) => {
            let finding = of_snapshot(subject, sampling, snapshot.clone());
            subject.answer(name, subject.judge(name, finding, scrape, trace))
        }
        _ => wildcard::of_members(subject, &members, scrape, patience, trace),
    };
    match (answer, samples.failure) {
        // The scrape error may be the reason that the object was not found.
        (Err(Failure::NotFound(_)), Some(scrape_error)) => Err(scrape_error),
        (answer, _) => answer,
    }
}

/// When an object was last sampled, in Unix milliseconds; `None` if that is too long ago to know that a value is
/// missing.
fn last_sampled(served: &ActiveRule, services: Services<'_>, snapshot: &Snapshot) -> Option<i64> {
    let now = services.shared.clock().now();
    let age = services.steady.at(now.monotonic).saturating_sub(*snapshot.times.last()?);
    let recent = u128::try_from(age).is_ok_and(|age| age <= served.rule.max_age.as_millis());
    recent.then_some(now.unix_millis - age)
}

/// A series of a page, over time.
struct Sampled<'a> {
    stored: &'a StoredSeries,
    /// When the page was sampled; without its series.
    snapshot: &'a Snapshot,
    subject: &'a Subject<'a>,
    sampling: &'a Sampling,
}

impl Describes for Sampled<'_> {
    fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        self.stored.series.labels.get(key).map(Cow::Borrowed)
    }

    fn labels(&self) -> Vec<Cow<'_, str>> {
        let names = self.stored.series.labels.iter().map(|(name, _)| name);
        names.filter(|name| *name != NAME_LABEL).map(Cow::Borrowed).collect()
    }
}

impl Member for Sampled<'_> {
    fn evaluate(members: &[&Self], _: &ActiveRule, _: i64) -> Finding {
        let Some(Sampled { snapshot, subject, sampling, .. }) = members.first() else {
            return Finding::Nothing(MissingReason::NoSeries);
        };
        let series: Vec<StoredSeries> = members.iter().map(|member| member.stored.clone()).collect();
        let Value::Series(expr) = &subject.served.rule.value else { return Finding::Unusable(RefusalReason::Several) };
        // Each page of a pod belongs to one process.
        let is_shared = !subject.served.joins_pages();
        if is_shared && resets_often(expr, &series, subject.services.steady_now()) {
            return Finding::Unusable(RefusalReason::Resets);
        }
        of_snapshot(
            subject,
            sampling,
            Snapshot { times: snapshot.times.clone(), pods: snapshot.pods, series, ..Snapshot::default() },
        )
    }
}

/// Whether a counter resets more than once within a range: then several processes may take turns, and their counters
/// cannot be combined.
pub(super) fn resets_often(expr: &Expr, series: &[StoredSeries], now: i64) -> bool {
    let resets = |series: &Series, window: Window| {
        let end = now.saturating_sub(millis(window.offset));
        let start = end.saturating_sub(millis(window.range));
        let within = series.samples.iter().filter(|sample| sample.at > start && sample.at <= end);
        let within: Vec<f64> = within.map(|sample| sample.value).collect();
        within.windows(2).filter(|pair| matches!(pair, [before, after] if after < before)).count()
    };
    within(expr, OF_COUNTERS).into_iter().any(|selector| {
        let counters = series.iter().map(|stored| &stored.series).filter(|series| history::picks(selector, series));
        selector.window().is_some_and(|window| counters.clone().any(|series| resets(series, window) > 1))
    })
}

/// The functions that treat samples as those of counters.
const OF_COUNTERS: &[Function] = &[Function::Rate, Function::Increase, Function::Irate];

/// The functions that need at least two samples of a series.
pub(super) const OF_PAIRS: &[Function] =
    &[Function::Rate, Function::Increase, Function::Irate, Function::Delta, Function::Deriv];

/// The selectors within calls of these functions.
pub(super) fn within<'a>(expr: &'a Expr, functions: &[Function]) -> Vec<&'a VectorSelector> {
    match expr {
        Expr::Call(function, arguments) if functions.contains(function) => {
            arguments.iter().flat_map(Expr::selectors).collect()
        }
        _ => expr.children().iter().flat_map(|child| within(child, functions)).collect(),
    }
}

/// The value of one pod, from its samples.
fn of_snapshot(subject: &Subject<'_>, sampling: &Sampling, mut snapshot: Snapshot) -> Finding {
    let Value::Series(expr) = &subject.served.rule.value else { return Finding::Unusable(RefusalReason::Several) };
    let now = subject.services.shared.clock().now();
    let steady = subject.services.steady.at(now.monotonic);
    if !sampling.is_enough(&snapshot, steady) {
        return Finding::Unusable(RefusalReason::Gathering);
    }
    // Samples have the time of the monotonic clock, responses that of the wall clock.
    let shift = now.unix_millis - steady;
    let nothing =
        |snapshot: &Snapshot| SnapshotData::new(expr, snapshot, shift).nothing(&within(expr, OF_PAIRS), steady);
    let selector = subject.request.metric_selector;
    let mut selected_none = false;
    if !selector.is_everything() {
        let before = nothing(&snapshot);
        snapshot.series.retain(|stored| select::matches_labels(selector, |key| stored.series.labels.get(key)));
        selected_none = before != MissingReason::NoSeries && nothing(&snapshot) == MissingReason::NoSeries;
    }
    let elements = match evaluate::evaluate(expr, &SnapshotData::new(expr, &snapshot, shift), steady) {
        Ok(elements) if elements.is_empty() && selected_none => return Finding::Nothing(MissingReason::MetricSelector),
        Ok(elements) if elements.is_empty() => return Finding::Nothing(nothing(&snapshot)),
        Ok(elements) => elements,
        Err(error) => return Finding::Unusable(RefusalReason::Evaluation(error)),
    };
    let at = if subject.served.joins_pages() { snapshot.at() } else { None };
    evaluation::one(&elements).dated(at).shifted(shift)
}

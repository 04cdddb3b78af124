//! Values of rules with ranges or offsets, from the samples that the scraper has taken of a page, or of the page of
//! each pod.

use std::borrow::Cow;
use std::sync::Arc;

use super::active_rule::{ActiveRule, Sampling};
use super::coverage::PodCount;
use super::evaluation;
use super::failure::{About, Failure};
use super::history::{Lookup, ScrapeError, Snapshot, SnapshotData, SnapshotQuery, StoredSeries};
use super::judgement::Scrape;
use super::member::Member;
use super::outcome::{Finding, Verdict};
use super::reason::{MissingReason, RefusalReason};
use super::sampler::{PAGE, object};
use super::scrape::SampledSelection;
use super::select::{self, Describes};
use super::subject::{Services, Subject};
use super::tally::Tally;
use super::targets::PodTarget;
use super::trace::{Event, Trace};
use super::wildcard;
use crate::config::model::Value;
use crate::kube::custom_metrics::MetricValue;
use crate::parse::path::{MetricPath, ObjectName};
use crate::parse::selector::Selector;
use crate::promql::evaluate;
use crate::promql::{Expr, Function, VectorSelector};
use crate::source::waiting::AllowedWaits;

/// Judges each of these pods.
pub(super) fn of_pods(
    subject: &Subject<'_>,
    sampling: &Sampling,
    targets: &[PodTarget<'_>],
    tally: &mut Tally,
    trace: &mut Trace,
) {
    let namespace = subject.request.path.namespace.as_deref();
    let (label_selector, name) = match &subject.request.path.name {
        ObjectName::All => (subject.request.label_selector.to_string(), None),
        ObjectName::One(name) => (String::new(), Some(name.clone())),
    };
    let selection = SampledSelection { namespace: namespace.map(str::to_owned), label_selector, name };
    let refused =
        subject.services.scraper.keep_sampling(subject.served.configured(), selection, sampling.interval).err();
    trace.record(|| Event::Range { range: sampling.range, interval: sampling.interval });
    let lookups =
        sampling.history.lookup_all(targets, |target, key| object(key, namespace, target.pod.name()), PodTarget::is_at);
    // The moment is taken after the lookups, so that no sample is newer.
    let subject = &subject.at_one_moment();
    let closed = SampledRule::of(subject, sampling);
    let objects = subject.objects();
    tally.items.reserve(targets.len());
    for (target, lookup) in targets.iter().zip(&lookups) {
        let name = target.pod.name();
        let (served, open);
        let (subject, rule) = if subject.served.is_open {
            served = match bound(subject, name) {
                Ok(served) => served,
                Err(failure) => {
                    tally.unusable.push(failure);
                    continue;
                }
            };
            open = Subject { served: &served, ..*subject };
            (&open, &SampledRule::of(&open, sampling))
        } else {
            (subject, &closed)
        };
        trace.record(|| {
            let (pod, url, summary) = (name.to_owned(), target.plain_url(), lookup.summary());
            Event::PodSamples { pod, url, summary }
        });
        let snapshot = match lookup {
            Lookup::Snapshot(snapshot) if refused.is_none() => Some(&**snapshot),
            _ => None,
        };
        let finding = match (refused, lookup) {
            (Some(bound), _) => Finding::Unusable(RefusalReason::SelectionLimit(bound)),
            (None, Lookup::Full(bound)) => Finding::Unusable(RefusalReason::OverBudget(*bound)),
            (None, Lookup::Nothing) => Finding::Unusable(RefusalReason::CollectingSamples),
            (None, Lookup::Snapshot(snapshot)) => rule.finding(snapshot, None),
        };
        let scrape_error = snapshot.and_then(|snapshot| snapshot.scrape_error.as_ref());
        let sampled = snapshot.and_then(|snapshot| last_sampled(subject.served, subject.services, snapshot));
        let complete = scrape_error.is_none() && sampled.is_some();
        let unmatched = snapshot.map_or(&[][..], |snapshot| &snapshot.unmatched);
        let scrape =
            Scrape { pod: Some(target.pod), complete, unmatched, ..Scrape::of_page(sampled.unwrap_or_default()) };
        match (subject.judge(name, finding, scrape, trace), scrape_error) {
            (Verdict::Serve(value), _) => tally.items.push(objects.item(name, value)),
            // The scrape error is the reason for too few samples.
            (_, Some(ScrapeError::Failed(error))) => match subject.unavailable(name, scrape, trace) {
                Some(value) => tally.items.push(objects.item(name, value)),
                None => tally.failed.push(error.clone()),
            },
            (_, Some(ScrapeError::Refused(refusal))) => tally.unusable.push(subject.about().page(refusal)),
            (_, Some(ScrapeError::Incomplete(why))) => tally.unusable.push(subject.about().page(why)),
            (verdict, None) => tally.left_out.push(verdict),
        }
    }
}

/// The subject's rule with its placeholders expanded to this pod.
fn bound(subject: &Subject<'_>, name: &str) -> Result<Arc<ActiveRule>, Failure> {
    let path = MetricPath { name: ObjectName::One(name.to_owned()), ..subject.request.path.clone() };
    subject.of_path(&path).bound()
}

/// The samples of a source's only page.
pub(super) struct PageSamples {
    pub(super) snapshot: Arc<Snapshot>,
    /// When the page was last sampled, in Unix milliseconds; `None` if that is too long ago to know that a value is missing.
    pub(super) sampled: Option<i64>,
    /// Why the last attempt to sample the page failed.
    pub(super) failure: Option<Failure>,
}

impl PageSamples {
    /// The last scrape of the page.
    pub(super) fn scrape(&self) -> Scrape<'_> {
        let Self { snapshot, sampled, failure } = self;
        Scrape {
            complete: failure.is_none() && sampled.is_some(),
            unmatched: &snapshot.unmatched,
            has_no_pods: snapshot.pods.is_some_and(PodCount::has_no_pods),
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
        .keep_sampling(served.configured(), selection, sampling.interval)
        .map_err(|bound| about.refused(&RefusalReason::SelectionLimit(bound)))?;
    let lookup = sampling.history.lookup(name, name);
    trace.record(|| Event::Range { range: sampling.range, interval: sampling.interval });
    trace.record(|| Event::Samples { summary: lookup.summary() });
    let snapshot = match lookup {
        Lookup::Full(bound) => return Err(about.refused(&RefusalReason::OverBudget(bound))),
        Lookup::Nothing => return Err(about.refused(&RefusalReason::CollectingSamples)),
        Lookup::Snapshot(snapshot) => snapshot,
    };
    let failure = snapshot.scrape_error.as_ref().map(|error| match error {
        ScrapeError::Failed(error) => about.source(error),
        ScrapeError::Refused(refusal) => about.page(refusal),
        ScrapeError::Incomplete(why) => about.incomplete(why),
    });
    if !sampling.is_enough(&snapshot, services.steady_now()) {
        return Err(failure.unwrap_or_else(|| about.refused(&RefusalReason::CollectingSamples)));
    }
    Ok(PageSamples { sampled: last_sampled(served, services, &snapshot), snapshot, failure })
}

/// The values of the objects that a page describes.
pub(super) fn of_page(
    subject: &Subject<'_>,
    sampling: &Sampling,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let samples = page_samples(subject.served, &subject.about(), subject.services, sampling, trace)?;
    of_samples(subject, sampling, samples, waits, trace)
}

/// The value of the named object that all of these samples describe.
pub(super) fn of_one(
    subject: &Subject<'_>,
    name: &str,
    sampling: &Sampling,
    samples: &PageSamples,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let finding = SampledRule::of(subject, sampling).finding(&samples.snapshot, None);
    subject.answer(name, subject.judge(name, finding, samples.scrape(), trace))
}

/// The values of the objects that these samples describe.
pub(super) fn of_samples(
    subject: &Subject<'_>,
    sampling: &Sampling,
    samples: PageSamples,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let (snapshot, scrape) = (&*samples.snapshot, samples.scrape());
    let member = |stored| Sampled { stored, snapshot, subject, sampling };
    let members: Vec<Sampled<'_>> = StoredSeries::all(snapshot).map(member).collect();
    let members: Vec<&Sampled<'_>> = members.iter().collect();
    let answer = match &subject.request.path.name {
        // The expression may have a value without series.
        ObjectName::One(name) if members.is_empty() && subject.is_given(name) => {
            let finding = SampledRule::of(subject, sampling).finding(snapshot, None);
            subject.answer(name, subject.judge(name, finding, scrape, trace))
        }
        _ => wildcard::of_members(subject, &members, scrape, waits, trace),
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
    let now = services.now();
    let age = services.steady.at(now.monotonic).saturating_sub(*snapshot.times.last()?);
    let recent = u128::try_from(age).is_ok_and(|age| age <= served.rule.max_age.as_millis());
    recent.then_some(now.unix_millis - age)
}

/// A series of a page, over time.
struct Sampled<'a> {
    stored: StoredSeries<'a>,
    snapshot: &'a Snapshot,
    subject: &'a Subject<'a>,
    sampling: &'a Sampling,
}

impl Describes for Sampled<'_> {
    fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        self.stored.label(key)
    }

    fn labels(&self) -> Vec<Cow<'_, str>> {
        self.stored.labels()
    }
}

impl Member for Sampled<'_> {
    fn evaluate(members: &[&Self], _: &ActiveRule, _: i64) -> Finding {
        let Some(Sampled { snapshot, subject, sampling, .. }) = members.first() else {
            return Finding::Nothing(MissingReason::NoSeries);
        };
        let chosen: Vec<u32> = members.iter().map(|member| member.stored.at).collect();
        let Value::Series(expr) = &subject.served.rule.value else { return Finding::Unusable(RefusalReason::Several) };
        // Each page of a pod belongs to one process.
        let is_shared = !subject.served.joins_pages();
        let query = SnapshotQuery::new(expr, false);
        let data = query.over(snapshot, 0).of(Some(&chosen));
        if is_shared && resets_often(expr, &data, subject.services.steady_now()) {
            return Finding::Unusable(RefusalReason::Resets);
        }
        SampledRule::of(subject, sampling).finding(snapshot, Some(&chosen))
    }
}

/// Whether a counter resets more than once within a range.
pub(super) fn resets_often(expr: &Expr, data: &SnapshotData<'_>, now: i64) -> bool {
    data.resets_often(&within(expr, OF_COUNTERS), now)
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

/// A rule that is evaluated over samples, at one moment, for one object or for many.
struct SampledRule<'a> {
    sampling: &'a Sampling,
    /// `None` if its value is not a PromQL expression.
    query: Option<SnapshotQuery<'a>>,
    selector: &'a Selector,
    /// Whether samples are those of several pods, which come and go.
    joins_pages: bool,
    /// The moment of evaluation, by the clock of samples.
    steady: i64,
    /// The difference from that clock to Unix time: samples have monotonic times, responses have wall-clock times.
    shift: i64,
}

impl<'a> SampledRule<'a> {
    fn of(subject: &'a Subject<'_>, sampling: &'a Sampling) -> Self {
        let now = subject.services.now();
        let steady = subject.services.steady.at(now.monotonic);
        let query = match &subject.served.rule.value {
            Value::Series(expr) => Some(SnapshotQuery::new(expr, !subject.served.is_open)),
            _ => None,
        };
        Self {
            sampling,
            query,
            selector: subject.request.metric_selector,
            joins_pages: subject.served.joins_pages(),
            steady,
            shift: now.unix_millis - steady,
        }
    }

    /// The value of one object from its samples, or from those of the series at these positions.
    fn finding(&self, snapshot: &Snapshot, chosen: Option<&[u32]>) -> Finding {
        let (selector, steady) = (self.selector, self.steady);
        let Some(query) = &self.query else { return Finding::Unusable(RefusalReason::Several) };
        if !self.sampling.is_enough(snapshot, steady) {
            return Finding::Unusable(RefusalReason::CollectingSamples);
        }
        let data = |chosen| query.over(snapshot, self.shift).of(chosen);
        let nothing = |data: &SnapshotData<'_>| data.nothing(&within(query.expr(), OF_PAIRS), steady);
        let (mut of_all, mut selected) = (data(chosen), None);
        if !selector.is_everything() {
            let is_selected = |at: &u32| {
                let labels = snapshot.labels(*at as usize);
                labels.is_some_and(|labels| select::matches_labels(selector, |key| labels.get(key)))
            };
            let all = chosen.map_or_else(|| (0..snapshot.series() as u32).collect(), <[u32]>::to_vec);
            selected = Some(all.into_iter().filter(is_selected).collect::<Vec<u32>>());
        }
        let mut selected_none = false;
        if let Some(selected) = &selected {
            let before = nothing(&of_all);
            of_all = data(Some(selected));
            selected_none = before != MissingReason::NoSeries && nothing(&of_all) == MissingReason::NoSeries;
        }
        let data = of_all;
        let elements = match evaluate::evaluate(query.expr(), &data, steady) {
            Ok(elements) if elements.is_empty() && selected_none => {
                return Finding::Nothing(MissingReason::MetricSelector);
            }
            Ok(elements) if elements.is_empty() => return Finding::Nothing(nothing(&data)),
            Ok(elements) => elements,
            Err(error) => return Finding::Unusable(RefusalReason::Evaluation(error)),
        };
        let at = if self.joins_pages { data.at() } else { None };
        evaluation::one(&elements).dated(at).shifted(self.shift)
    }
}

//! Values that look back: pods, and the pages of single processes, are sampled in the background, and a value is made of the samples that are there.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use super::evaluation;
use super::failure::Failure;
use super::history::{self, Kept, OfPast, Seen, Trouble, View};
use super::member::Member;
use super::objects::Objects;
use super::outcome::{Absence, Fault, Finding, Number, Verdict};
use super::pods::{self, Outcome, plain};
use super::request::Request;
use super::rules::{Past, Served};
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
    past: &Past,
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
    let refused = request.scraper.ask(request.served, selected, past.interval).err();
    trace.note("range", || {
        format!("looks back {}, sampled every {}", duration::format(past.range), duration::format(past.interval))
    });
    for (pod, url) in pods {
        let (name, owner) = (&pod.metadata.name, format!("#{}", pod.owner()));
        let seen = past.history.seen(&object(pod, request.ask.path.namespace.as_deref()), url);
        trace.note("samples", || format!("{name}: {}, {}", plain(url), seen.describe()));
        let (mut trouble, mut sampled) = (None, None);
        let finding = match (refused, seen) {
            (Some(bound), _) => Finding::Unusable(Fault::NotSampled(bound)),
            (None, Seen::Full(bound)) => Finding::Unusable(Fault::NoRoom(bound)),
            (None, Seen::Nothing) => Finding::Unusable(Fault::Gathering),
            (None, Seen::View(mut view)) => {
                trouble = view.trouble.take();
                sampled = last_sampled(request, &view);
                of_view(request, past, view)
            }
        };
        let one = Request { owner: &owner, healthy: trouble.is_none() && sampled.is_some(), ..*request };
        match (one.judge(name, finding, sampled.unwrap_or_default(), trace), trouble) {
            (Verdict::Serve(value), _) => outcome.items.push(request.item(name, value)),
            // What is too little, is so because of this.
            (_, Some(Trouble::Failed(error))) => outcome.failed.push(error),
            (_, Some(Trouble::Refused(refusal))) => outcome.unusable.push(request.about().page(&refusal)),
            (verdict, None) => outcome.left_out.push(verdict),
        }
    }
}

/// The values of what a page describes, from its samples.
pub(super) fn of_page(
    request: &Request<'_>,
    past: &Past,
    patience: Patience,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let about = request.about();
    let everything = Selected { namespace: None, label_selector: String::new(), name: None };
    request
        .scraper
        .ask(request.served, everything, past.interval)
        .map_err(|bound| about.refused(&Fault::NotSampled(bound)))?;
    let seen = past.history.seen(PAGE, PAGE);
    trace.note("range", || {
        format!("looks back {}, sampled every {}", duration::format(past.range), duration::format(past.interval))
    });
    trace.note("samples", || seen.describe());
    let mut view = match seen {
        Seen::Full(bound) => return Err(about.refused(&Fault::NoRoom(bound))),
        Seen::Nothing => return Err(about.refused(&Fault::Gathering)),
        Seen::View(view) => view,
    };
    let now = request.shared.clock().now();
    let steady = request.steady.at(now.monotonic);
    let trouble = view.trouble.take().map(|trouble| match trouble {
        Trouble::Failed(error) => about.source(&error),
        Trouble::Refused(refusal) => about.page(&refusal),
    });
    if !past.is_enough(&view, steady) {
        return Err(trouble.unwrap_or_else(|| about.refused(&Fault::Gathering)));
    }
    let (series, sampled) = (std::mem::take(&mut view.series), last_sampled(request, &view));
    let request = &Request { healthy: trouble.is_none() && sampled.is_some(), ..*request };
    let sampled = sampled.unwrap_or_default();
    let members: Vec<Sampled<'_>> = series.iter().map(|kept| Sampled { kept, view: &view, request, past }).collect();
    let members: Vec<&Sampled<'_>> = members.iter().collect();
    let answer = match &request.ask.path.name {
        ObjectName::One(name) => request.named(name, request.one(&members, sampled, trace)),
        ObjectName::All => request.all(&members, sampled, patience, trace),
    };
    match (answer, trouble) {
        // What is not there, may be so because of this.
        (Err(Failure::NotFound(_)), Some(trouble)) => Err(trouble),
        (answer, _) => answer,
    }
}

/// When an object was sampled last, Unix milliseconds; `None` if that is too long ago to say that something is not there.
fn last_sampled(request: &Request<'_>, view: &View) -> Option<i64> {
    let now = request.shared.clock().now();
    let age = request.steady.at(now.monotonic).saturating_sub(*view.times.last()?);
    let recent = u128::try_from(age).is_ok_and(|age| age <= request.served.rule.max_age.as_millis());
    recent.then_some(now.unix_millis - age)
}

/// What the one page of a source is called in a history.
const PAGE: &str = "page";

/// A series of a page, over time.
struct Sampled<'a> {
    kept: &'a Kept,
    /// When the page was sampled; without its series.
    view: &'a View,
    request: &'a Request<'a>,
    past: &'a Past,
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
    fn evaluate(members: &[&Self], _: &Served, _: i64) -> Finding {
        let Some(Sampled { view, request, past, .. }) = members.first() else {
            return Finding::Nothing(Absence::NoSeries);
        };
        let series: Vec<Kept> = members.iter().map(|member| member.kept.clone()).collect();
        let now = request.steady.at(request.shared.clock().now().monotonic);
        let begun_anew = |series: &Series| {
            let start = now.saturating_sub(millis(past.range));
            let within: Vec<f64> = series.samples.iter().filter(|s| s.at > start).map(|s| s.value).collect();
            within.windows(2).filter(|pair| matches!(pair, [before, after] if after < before)).count()
        };
        let Value::Series(expr) = &request.served.rule.value else { return Finding::Unusable(Fault::Several) };
        let counters = within(expr, OF_COUNTERS);
        let counted = |series: &&Series| counters.iter().any(|selector| history::picks(selector, series));
        if series.iter().map(|kept| &kept.series).filter(counted).any(|series| begun_anew(series) > 1) {
            return Finding::Unusable(Fault::Resets);
        }
        of_view(request, past, View { times: view.times.clone(), trouble: None, series })
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
fn of_view(request: &Request<'_>, past: &Past, mut view: View) -> Finding {
    let Value::Series(expr) = &request.served.rule.value else { return Finding::Unusable(Fault::Several) };
    let now = request.shared.clock().now();
    let steady = request.steady.at(now.monotonic);
    if !past.is_enough(&view, steady) {
        return Finding::Unusable(Fault::Gathering);
    }
    let nothing = |view: &View| OfPast::new(expr, view).nothing(&within(expr, OF_PAIRS), steady);
    let selector = request.ask.metric_selector;
    if !selector.is_everything() {
        let before = nothing(&view);
        view.series.retain(|kept| select::matches_labels(selector, |key| kept.series.labels.get(key)));
        if before != Absence::NoSeries && nothing(&view) == Absence::NoSeries {
            return Finding::Nothing(Absence::MetricSelector);
        }
    }
    let elements = match evaluate::evaluate(expr, &OfPast::new(expr, &view), steady) {
        Ok(elements) if elements.is_empty() => return Finding::Nothing(nothing(&view)),
        Ok(elements) => elements,
        Err(error) => return Finding::Unusable(Fault::Evaluation(error)),
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
    served: &Arc<Served>,
    selected: &Selected,
    objects: Option<&Objects>,
    shared: &Shared,
    steady: Steady,
    now: Instant,
) {
    let Some(past) = &served.past else { return };
    let round = Round { served, past, limits: shared.limits(), steady, now };
    // Nobody waits: a round of thousands of pods has until the next one.
    let wait = Wait::Until(now + past.interval.max(shared.limits().answer.deadline));
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
    served: &'a Served,
    past: &'a Past,
    limits: &'a Limits,
    steady: Steady,
    now: Instant,
}

impl Round<'_> {
    /// Keeps what is on one page, or why there is none.
    fn keep(&self, object: &str, owner: &str, page: Result<Arc<Page>, SourceError>) {
        let fail = |trouble| self.past.history.fail(object, owner, self.steady.at(self.now), trouble);
        let page = match page {
            Ok(page) => page,
            Err(error) => return fail(Trouble::Failed(error)),
        };
        let positions = match page.found(self.served.want.id) {
            Some(Found::Series(positions)) => positions,
            Some(Found::Refused(refusal)) => return fail(Trouble::Refused(refusal.clone())),
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
        self.past.history.observe(object, owner, taken, samples);
    }
}

fn object(pod: &Pod, namespace: Option<&str>) -> String {
    format!("{}/{}", namespace.unwrap_or_default(), pod.metadata.name)
}

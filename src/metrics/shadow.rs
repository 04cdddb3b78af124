//! Rules with `shadow`: another adapter's values are served, and the rule's are computed beside and compared with them, by
//! threads of their own, so that no request waits for that. If the other adapter has no value, the rule's is served.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use once_cell::sync::OnceCell;

use super::answering::Answering;
use super::failure::Failure;
use super::forwarding;
use super::request::{ExternalRequest, ExternalValues, MetricRequest, MetricValues};
use super::rules::Rules;
use super::trace::{Event, Trace};
use crate::forward::adapter::Adapter;
use crate::forward::adapters::Adapters;
use crate::forward::difference::{self, Difference};
use crate::forward::shadow_log::ShadowOutcome;
use crate::source::waiting::Patience;
use crate::telemetry::bug;

/// A comparison that waits.
type Comparison = Box<dyn FnOnce() + Send>;

/// Compares.
#[derive(Debug)]
pub(super) struct Comparer {
    judge: Judge,
    queue: OnceCell<SyncSender<Comparison>>,
    /// The values of all comparisons that wait.
    values: Arc<AtomicUsize>,
}

/// So many values wait, until this is dropped.
struct Held {
    values: usize,
    of: Arc<AtomicUsize>,
}

/// What a comparison needs.
#[derive(Clone, Debug)]
struct Judge {
    answering: Answering,
    adapters: Arc<Adapters>,
}

/// The metric and the resource, which is empty for an external metric.
type ShadowKey<'a> = (&'a str, &'a str);

impl Comparer {
    pub(super) fn new(answering: Answering, adapters: Arc<Adapters>) -> Self {
        Self { judge: Judge { answering, adapters }, queue: OnceCell::new(), values: Arc::default() }
    }

    /// The values of objects.
    pub(super) fn objects(
        &self,
        adapter: &Adapter,
        rules: &Arc<Rules>,
        request: MetricRequest<'_>,
        patience: Patience,
        trace: &mut Trace,
    ) -> Result<MetricValues, Failure> {
        let theirs = forwarding::objects(adapter, request, true, patience, trace);
        let theirs = theirs.and_then(|theirs| with_values(adapter, theirs.items.is_empty()).map(|()| theirs));
        let key = (request.path.metric.as_str(), request.path.resource.as_str());
        let of_rules = |patience, trace: &mut Trace| {
            let entries = rules.find_all(request.path);
            self.judge.answering.objects(rules, entries, request, patience, trace)
        };
        match theirs {
            Ok(theirs) if trace.is_on() => {
                let ours = of_rules(patience, trace);
                self.judge.compare(key, &ours, |ours| difference::of_objects(&ours.items, &theirs.items), trace);
                Ok(theirs)
            }
            Ok(theirs) => {
                let (judge, rules, served) = (self.judge.clone(), rules.clone(), theirs.items.clone());
                let (path, label_selector, metric_selector) =
                    (request.path.clone(), request.label_selector.clone(), request.metric_selector.clone());
                self.later(key, theirs.items.len(), move || {
                    let (label_selector, metric_selector) = (&label_selector, &metric_selector);
                    let request = MetricRequest { path: &path, label_selector, metric_selector, is_forwarded: false };
                    let (entries, trace) = (rules.find_all(&path), &mut Trace::off());
                    let ours = judge.answering.objects(&rules, entries, request, judge.patience(), trace);
                    let compare = |ours: &MetricValues| difference::of_objects(&ours.items, &served);
                    judge.compare((&path.metric, &path.resource), &ours, compare, trace);
                });
                Ok(theirs)
            }
            Err(failure) => self.instead(key, failure, |trace| of_rules(patience, trace), trace),
        }
    }

    /// The values of an external metric.
    pub(super) fn external(
        &self,
        adapter: &Adapter,
        rules: &Arc<Rules>,
        request: ExternalRequest<'_>,
        patience: Patience,
        trace: &mut Trace,
    ) -> Result<ExternalValues, Failure> {
        let theirs = forwarding::external(adapter, request, true, patience, trace);
        let theirs = theirs.and_then(|theirs| with_values(adapter, theirs.items.is_empty()).map(|()| theirs));
        let key = (rules.external_name(&request.path.metric).to_owned(), "");
        let key = (key.0.as_str(), key.1);
        let of_rules = |patience, trace: &mut Trace| self.judge.answering.external(rules, request, patience, trace);
        match theirs {
            Ok(theirs) if trace.is_on() => {
                let ours = of_rules(patience, trace);
                self.judge.compare(key, &ours, |ours| difference::of_external(&ours.items, &theirs.items), trace);
                Ok(theirs)
            }
            Ok(theirs) => {
                let (judge, rules, served) = (self.judge.clone(), rules.clone(), theirs.items.clone());
                let (path, selector, name) = (request.path.clone(), request.selector.clone(), key.0.to_owned());
                self.later(key, theirs.items.len(), move || {
                    let request = ExternalRequest { path: &path, selector: &selector, is_forwarded: false };
                    let trace = &mut Trace::off();
                    let ours = judge.answering.external(&rules, request, judge.patience(), trace);
                    let compare = |ours: &ExternalValues| difference::of_external(&ours.items, &served);
                    judge.compare((&name, ""), &ours, compare, trace);
                });
                Ok(theirs)
            }
            Err(failure) => self.instead(key, failure, |trace| of_rules(patience, trace), trace),
        }
    }

    /// The values of rules in the place of those that another adapter does not have. If neither has any, its Status is
    /// served, or else the reason of the rules.
    fn instead<T>(
        &self,
        key: ShadowKey<'_>,
        failure: Failure,
        of_rules: impl FnOnce(&mut Trace) -> Result<T, Failure>,
        trace: &mut Trace,
    ) -> Result<T, Failure> {
        if matches!(failure, Failure::WouldWait(_)) {
            return Err(failure);
        }
        match of_rules(trace) {
            Err(Failure::WouldWait(waiting)) => Err(Failure::WouldWait(waiting)),
            Ok(values) => {
                self.judge.note(key, ShadowOutcome::TheirsFailed, None, None, trace);
                Ok(values)
            }
            Err(ours) => {
                self.judge.note(key, ShadowOutcome::BothFailed, None, Some(ours.to_string()), trace);
                Err(if matches!(failure, Failure::Answered(_)) { failure } else { ours })
            }
        }
    }

    /// Lets another thread compare, unless too many comparisons wait.
    fn later(&self, key: ShadowKey<'_>, values: usize, comparison: impl FnOnce() + Send + 'static) {
        let most = self.judge.answering.shared.limits().shadow.values;
        let held = Held::take(&self.values, values, most);
        let queue = self.queue.get_or_try_init(|| self.start());
        let queued = held.zip(queue.ok()).is_some_and(|(held, queue)| {
            let comparison = move || {
                comparison();
                drop(held);
            };
            queue.try_send(Box::new(comparison)).is_ok()
        });
        if !queued {
            self.judge.note(key, ShadowOutcome::Skipped, None, None, &mut Trace::off());
        }
    }

    /// Starts the threads, which end with the queue.
    fn start(&self) -> std::io::Result<SyncSender<Comparison>> {
        let limits = &self.judge.answering.shared.limits().shadow;
        let (queue, waiting) = sync_channel::<Comparison>(limits.queue);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..limits.threads {
            let (waiting, shared) = (waiting.clone(), self.judge.answering.shared.clone());
            thread::Builder::new().name(format!("shadow-{number}")).spawn(move || {
                while let Some(comparison) = next(&waiting) {
                    let _ = bug::caught(shared.counters(), "comparing with another adapter", comparison);
                }
            })?;
        }
        Ok(queue)
    }
}

/// One thread waits for the next comparison, the others wait for their turn.
fn next(waiting: &Mutex<Receiver<Comparison>>) -> Option<Comparison> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl Held {
    fn take(of: &Arc<AtomicUsize>, values: usize, most: usize) -> Option<Self> {
        let more = |held: usize| held.checked_add(values).filter(|held| *held <= most);
        of.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Self { values, of: of.clone() })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.fetch_sub(self.values, Relaxed);
    }
}

/// An answer without values is a failure, because an HPA cannot use it.
fn with_values(adapter: &Adapter, is_empty: bool) -> Result<(), Failure> {
    let address = &adapter.config().address;
    if is_empty { Err(Failure::Unavailable(format!("adapter {address} answered without values"))) } else { Ok(()) }
}

impl Judge {
    /// For all that rules may wait for.
    fn patience(&self) -> Patience {
        let shared = &self.answering.shared;
        Patience::until(shared.clock().now().monotonic + shared.limits().shadow.deadline)
    }

    /// Notes how the values of rules compare with those that are served.
    fn compare<T>(
        &self,
        key: ShadowKey<'_>,
        ours: &Result<T, Failure>,
        difference: impl FnOnce(&T) -> Difference,
        trace: &mut Trace,
    ) {
        match ours.as_ref().map(difference) {
            Ok(Difference { ratio, is_of_same_objects: true }) => {
                self.note(key, ShadowOutcome::Compared, ratio, None, trace);
            }
            Ok(Difference { ratio, .. }) => self.note(key, ShadowOutcome::ObjectsDiffer, ratio, None, trace),
            Err(failure) => self.note(key, ShadowOutcome::OursFailed, None, Some(failure.to_string()), trace),
        }
    }

    fn note(
        &self,
        key: ShadowKey<'_>,
        outcome: ShadowOutcome,
        ratio: Option<f64>,
        error: Option<String>,
        trace: &mut Trace,
    ) {
        trace.record(|| Event::Shadow { outcome, ratio, error: error.clone() });
        self.adapters.shadows.note(key, outcome, ratio, error, self.answering.shared.clock().now());
    }
}

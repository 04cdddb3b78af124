//! Rules with `shadow`: another adapter's values are served, and separate threads compute the rule's values and compare
//! them, so that no request waits for that. If the other adapter has no value, the rule's is served.

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
use crate::source::waiting::AllowedWaits;
use crate::telemetry::bug;

/// A queued comparison.
type Comparison = Box<dyn FnOnce() + Send>;

/// Compares values of rules with those of another adapter.
#[derive(Debug)]
pub(super) struct ShadowComparer {
    judge: ComparisonContext,
    queue: OnceCell<SyncSender<Comparison>>,
    /// The number of values of all queued comparisons.
    values: Arc<AtomicUsize>,
}

/// A number of queued values, which count until this is dropped.
struct WaitingValues {
    values: usize,
    of: Arc<AtomicUsize>,
}

/// The state that a comparison needs.
#[derive(Clone, Debug)]
struct ComparisonContext {
    answering: Answering,
    adapters: Arc<Adapters>,
}

/// Values that are compared.
trait Compared: Clone + Send + 'static {
    /// Their number.
    fn len(&self) -> usize;
    /// How the values of rules differ from those of another adapter.
    fn difference(&self, theirs: &Self) -> Difference;
}

/// The metric and the resource, which is empty for an external metric.
type ShadowKey<'a> = (&'a str, &'a str);

impl ShadowComparer {
    pub(super) fn new(answering: Answering, adapters: Arc<Adapters>) -> Self {
        Self { judge: ComparisonContext { answering, adapters }, queue: OnceCell::new(), values: Arc::default() }
    }

    /// The values of objects.
    pub(super) fn objects(
        &self,
        adapter: &Adapter,
        rules: &Arc<Rules>,
        request: MetricRequest<'_>,
        waits: AllowedWaits,
        trace: &mut Trace,
    ) -> Result<MetricValues, Failure> {
        let theirs = forwarding::objects(adapter, request, true, waits, trace);
        let MetricRequest { path, label_selector, metric_selector, .. } = request;
        self.shadowed(
            (&path.metric, &path.resource),
            theirs.and_then(|theirs| with_values(adapter, theirs)),
            |answering, waits, trace| answering.objects(rules, rules.find_all(path), request, waits, trace),
            || {
                let (rules, path) = (rules.clone(), path.clone());
                let (label_selector, metric_selector) = (label_selector.clone(), metric_selector.clone());
                move |answering: &Answering, waits, trace: &mut Trace| {
                    let (label_selector, metric_selector) = (&label_selector, &metric_selector);
                    let request = MetricRequest { path: &path, label_selector, metric_selector, is_forwarded: false };
                    answering.objects(&rules, rules.find_all(&path), request, waits, trace)
                }
            },
            waits,
            trace,
        )
    }

    /// The values of an external metric.
    pub(super) fn external(
        &self,
        adapter: &Adapter,
        rules: &Arc<Rules>,
        request: ExternalRequest<'_>,
        waits: AllowedWaits,
        trace: &mut Trace,
    ) -> Result<ExternalValues, Failure> {
        let theirs = forwarding::external(adapter, request, true, waits, trace);
        let ExternalRequest { path, selector, .. } = request;
        self.shadowed(
            (rules.external_name(&path.metric), ""),
            theirs.and_then(|theirs| with_values(adapter, theirs)),
            |answering, waits, trace| answering.external(rules, request, waits, trace),
            || {
                let (rules, path, selector) = (rules.clone(), path.clone(), selector.clone());
                move |answering: &Answering, waits, trace: &mut Trace| {
                    let request = ExternalRequest { path: &path, selector: &selector, is_forwarded: false };
                    answering.external(&rules, request, waits, trace)
                }
            },
            waits,
            trace,
        )
    }

    /// Returns the other adapter's values and has them compared with those of rules, which `of_rules` computes at once for a
    /// trace, and the result of `to_compute` later otherwise. If the adapter has no values, returns those of `of_rules`.
    fn shadowed<T: Compared, L>(
        &self,
        key: ShadowKey<'_>,
        theirs: Result<T, Failure>,
        of_rules: impl FnOnce(&Answering, AllowedWaits, &mut Trace) -> Result<T, Failure>,
        to_compute: impl FnOnce() -> L,
        waits: AllowedWaits,
        trace: &mut Trace,
    ) -> Result<T, Failure>
    where
        L: FnOnce(&Answering, AllowedWaits, &mut Trace) -> Result<T, Failure> + Send + 'static,
    {
        let judge = &self.judge;
        let theirs = match theirs {
            Ok(theirs) => theirs,
            Err(failure) => {
                return self.instead(key, failure, |trace| of_rules(&judge.answering, waits, trace), trace);
            }
        };
        match trace.is_on() {
            true => {
                let ours = of_rules(&judge.answering, waits, trace);
                judge.compare(key, &ours, &theirs, trace);
            }
            false => {
                let (judge, served, compute) = (judge.clone(), theirs.clone(), to_compute());
                let (metric, resource) = (key.0.to_owned(), key.1.to_owned());
                self.later(key, theirs.len(), move || {
                    let trace = &mut Trace::off();
                    let ours = compute(&judge.answering, judge.waits(), trace);
                    judge.compare((&metric, &resource), &ours, &served, trace);
                });
            }
        }
        Ok(theirs)
    }

    /// The values of rules, because the other adapter has none. If the rules have none either, the adapter's Status is
    /// served, or else the failure of the rules.
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

    /// Queues a comparison for another thread, unless too many are queued.
    fn later(&self, key: ShadowKey<'_>, values: usize, comparison: impl FnOnce() + Send + 'static) {
        let most = self.judge.answering.shared.limits().shadow.values;
        let held = WaitingValues::take(&self.values, values, most);
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

impl WaitingValues {
    fn take(of: &Arc<AtomicUsize>, values: usize, most: usize) -> Option<Self> {
        let more = |held: usize| held.checked_add(values).filter(|held| *held <= most);
        of.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Self { values, of: of.clone() })
    }
}

impl Drop for WaitingValues {
    fn drop(&mut self) {
        self.of.fetch_sub(self.values, Relaxed);
    }
}

/// Turns a response without values into a failure, because an HPA cannot use it.
fn with_values<T: Compared>(adapter: &Adapter, values: T) -> Result<T, Failure> {
    let address = &adapter.config().address;
    match values.len() {
        0 => Err(Failure::Unavailable(format!("adapter {address} answered without values"))),
        _ => Ok(values),
    }
}

impl Compared for MetricValues {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn difference(&self, theirs: &Self) -> Difference {
        difference::of_objects(&self.items, &theirs.items)
    }
}

impl Compared for ExternalValues {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn difference(&self, theirs: &Self) -> Difference {
        difference::of_external(&self.items, &theirs.items)
    }
}

impl ComparisonContext {
    /// Allows every wait, until the deadline of a comparison.
    fn waits(&self) -> AllowedWaits {
        let shared = &self.answering.shared;
        AllowedWaits::until(shared.clock().now().monotonic + shared.limits().shadow.deadline)
    }

    /// Records how the values of rules differ from those that are served.
    fn compare<T: Compared>(&self, key: ShadowKey<'_>, ours: &Result<T, Failure>, theirs: &T, trace: &mut Trace) {
        match ours.as_ref().map(|ours| ours.difference(theirs)) {
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

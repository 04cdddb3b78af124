//! Sampling in the background, for rules with ranges or offsets: as often as the range needs, until a few minutes after
//! the last request, on a fixed number of threads.

mod peers;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, error};

use super::active_rule::{ActiveRule, Sampling};
use super::sample_limit::SampleLimit;
use crate::source::shared::Shared;
use crate::telemetry::bug;
use crate::telemetry::clock::SteadyClock;

/// Samples a rule for one selection; called on a thread of the scraper.
pub(super) type Sampler = Arc<dyn Fn(&Arc<ActiveRule>, &SampledSelection, Instant) + Send + Sync>;

/// A selection of a rule's objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SampledSelection {
    pub(super) namespace: Option<String>,
    /// The canonical text.
    pub(super) label_selector: String,
    pub(super) name: Option<String>,
}

/// The times of a selection's samples, relative to one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// The time since its last request.
    pub(super) requested: Duration,
    /// The time since its first sample.
    pub(super) since: Duration,
    /// The time until its next sample.
    pub(super) due: Duration,
}

/// Samples the selections that requests need.
pub(super) struct Scraper {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether a new selection has been sampled since the last call.
    news: (Mutex<bool>, Condvar),
    shared: Arc<Shared>,
    steady: SteadyClock,
    sampler: Sampler,
}

#[derive(Default)]
struct State {
    /// Keyed by the address of the rule, which does not change while the rule is served.
    tasks: HashMap<(usize, SampledSelection), Task>,
    /// Rules that are no longer requested, and when their samples are no longer needed.
    expiring: HashMap<usize, (Weak<ActiveRule>, Instant)>,
    started: bool,
}

struct Task {
    served: Weak<ActiveRule>,
    interval: Duration,
    due: Instant,
    last_requested: Instant,
    /// The time of its first sample, here or at a peer.
    since: Instant,
    /// Whether a thread is sampling it.
    busy: bool,
    /// Whether it lists and scrapes pods.
    of_pods: bool,
    /// Whether its last round was slow.
    slow: bool,
}

impl Scraper {
    pub(super) fn new(shared: Arc<Shared>, steady: SteadyClock, sampler: Sampler) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            news: Default::default(),
            shared,
            steady,
            sampler,
        })
    }

    /// Starts or continues sampling, because there was a request.
    ///
    /// # Errors
    /// If the limit on selections is reached. One namespace may use a quarter of it.
    pub(super) fn keep_sampling(
        self: &Arc<Self>,
        served: &Arc<ActiveRule>,
        selected: SampledSelection,
        interval: Duration,
    ) -> Result<(), SampleLimit> {
        let now = self.now();
        let mut state = self.lock();
        let key = (Arc::as_ptr(served) as usize, selected);
        if let Some(task) = state.tasks.get_mut(&key) {
            task.last_requested = now;
        } else {
            self.check_room(&state, &key.1)?;
            let (served, of_pods) = (Arc::downgrade(served), served.upstream.source().is_of_pods());
            state.tasks.insert(
                key,
                Task { served, interval, due: now, last_requested: now, since: now, busy: false, of_pods, slow: false },
            );
            self.changed.notify_one();
            self.announce_selection();
        }
        self.start_once(state);
        Ok(())
    }

    /// Whether another selection may be sampled.
    fn check_room(&self, state: &State, selected: &SampledSelection) -> Result<(), SampleLimit> {
        let most = self.shared.limits().sampling.selections;
        if state.tasks.len() >= most {
            return Err(SampleLimit::Selections(most));
        }
        let of_namespace = state.tasks.keys().filter(|(_, other)| other.namespace == selected.namespace).count();
        match selected.namespace.is_some() && of_namespace >= most.div_ceil(4) {
            true => Err(SampleLimit::OfNamespace(most.div_ceil(4))),
            false => Ok(()),
        }
    }

    /// Continues sampling after a reload for rules that keep their samples, without waiting for a request.
    pub(super) fn move_tasks(&self, successor: impl Fn(&ActiveRule) -> Option<Arc<ActiveRule>>) {
        let mut state = self.lock();
        let successors: Vec<_> = state
            .tasks
            .iter()
            .filter_map(|((_, selected), task)| {
                let successor = successor(&*task.served.upgrade()?)?;
                let key = (Arc::as_ptr(&successor) as usize, selected.clone());
                // The round in progress for the previous rule is completed.
                let due = if task.busy { task.due + task.interval } else { task.due };
                Some((key, Task { served: Arc::downgrade(&successor), due, busy: false, ..*task }))
            })
            .collect();
        for (key, task) in successors {
            state.tasks.entry(key).or_insert(task);
        }
    }

    fn start_once(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if std::mem::replace(&mut state.started, true) {
            return;
        }
        drop(state);
        for number in 0..self.shared.limits().sampling.threads {
            // The threads end when the scraper is dropped.
            let scraper = Arc::downgrade(self);
            let work = move || {
                while let Some(scraper) = scraper.upgrade() {
                    scraper.step();
                }
            };
            if let Err(failure) = thread::Builder::new().name(format!("sample-{number}")).spawn(work) {
                error!("cannot start a thread that samples: {failure}");
            }
        }
    }

    /// Runs a round that is due, or waits for one.
    fn step(&self) {
        const MOMENT: Duration = Duration::from_millis(500);
        let (now, linger) = (self.now(), self.shared.limits().sampling.linger);
        let mut state = self.lock();
        let State { tasks, expiring, .. } = &mut *state;
        tasks.retain(|(rule, _), task| {
            let stays = task.busy
                || (task.served.strong_count() > 0 && now.saturating_duration_since(task.last_requested) < linger);
            if !stays
                && let Some(kept) =
                    task.served.upgrade().and_then(|served| served.sampling.as_ref().map(Sampling::retention))
            {
                expiring.insert(*rule, (task.served.clone(), now + kept));
            }
            stays
        });
        expiring.retain(|_, (served, until)| {
            let stays = now <= *until;
            if !stays && let Some(served) = served.upgrade() {
                self.prune(&served);
            }
            stays
        });
        let mut soon = MOMENT;
        // One thread is reserved for pages of URLs, in case the API server is slow, and one more for pods that are not
        // slow.
        let samplers = self.shared.limits().sampling.threads;
        let busy = |which: fn(&Task) -> bool| tasks.values().filter(|task| task.busy && which(task)).count();
        let full_of_pods = busy(|task| task.of_pods) + 1 >= samplers.max(2);
        let full_of_slow = busy(|task| task.slow) + 2 >= samplers.max(3);
        let may = |task: &Task| !(task.busy || task.of_pods && full_of_pods || task.slow && full_of_slow);
        let due = tasks.iter_mut().filter(|(_, task)| may(task)).min_by_key(|(_, task)| task.due);
        let due = due.filter(|(_, task)| {
            soon = soon.min(task.due.saturating_duration_since(now));
            task.due <= now
        });
        let Some((key, task)) = due else {
            let waited = self.changed.wait_timeout(state, soon);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            return;
        };
        task.busy = true;
        let (key, served) = (key.clone(), task.served.upgrade());
        drop(state);
        if let Some(served) = served {
            bug::caught(self.shared.counters(), "sampling", || (self.sampler)(&served, &key.1, now));
            self.prune(&served);
        }
        let took = self.now().saturating_duration_since(now);
        if let Some(task) = self.lock().tasks.get_mut(&key) {
            task.busy = false;
            task.slow = took > task.interval / 4;
            // Relative to the time when it was due, so that samples have a constant distance; missed rounds are not
            // repeated.
            let late = self.now().saturating_duration_since(task.due);
            if late > task.interval {
                debug!("sampling {} is late", key.1.label_selector);
                task.due = self.now();
            }
            task.due += task.interval;
        }
        self.changed.notify_one();
    }

    /// Drops objects that are no longer sampled.
    fn prune(&self, served: &ActiveRule) {
        if let Some(sampling) = &served.sampling {
            sampling.history.prune(self.steady.at(self.now()));
        }
    }

    fn now(&self) -> Instant {
        self.shared.clock().now().monotonic
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Scraper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scraper")
    }
}

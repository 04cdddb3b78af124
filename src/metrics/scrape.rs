//! Sampling in the background, for rules whose value looks back: as often as the window needs, for as long as somebody
//! has asked within the last minutes, by a few threads however many pods there are.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, error};

use super::rules::Served;
use crate::telemetry::clock::Clock;

/// What samples a rule for one selection; it is called on a thread of the scraper.
pub(super) type Sampler = Arc<dyn Fn(&Arc<Served>, &Selected, Instant) + Send + Sync>;

/// Which objects of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Selected {
    pub(super) namespace: Option<String>,
    /// Canonical text.
    pub(super) label_selector: String,
    /// The one of this name.
    pub(super) name: Option<String>,
}

/// Samples whatever is asked for.
pub(super) struct Scraper {
    state: Mutex<State>,
    changed: Condvar,
    clock: Clock,
    sampler: Sampler,
    /// How long after the last question sampling goes on.
    linger: Duration,
    threads: usize,
    most: usize,
}

#[derive(Default)]
struct State {
    /// By the rule's address, which it keeps for as long as it is served.
    tasks: HashMap<(usize, Selected), Task>,
    started: bool,
}

struct Task {
    served: Weak<Served>,
    interval: Duration,
    due: Instant,
    asked: Instant,
    /// A thread is at it.
    busy: bool,
}

impl Scraper {
    pub(super) fn new(clock: Clock, sampler: Sampler, linger: Duration, threads: usize, most: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changed: Condvar::new(), clock, sampler, linger, threads, most })
    }

    /// Somebody asks for this: it is sampled from now on. False if there is no room for it.
    pub(super) fn ask(self: &Arc<Self>, served: &Arc<Served>, selected: Selected, interval: Duration) -> bool {
        let now = self.clock.now().monotonic;
        let mut state = self.lock();
        let key = (Arc::as_ptr(served) as usize, selected);
        let room = state.tasks.len() < self.most;
        match state.tasks.get_mut(&key) {
            Some(task) => task.asked = now,
            None if !room => return false,
            None => {
                let served = Arc::downgrade(served);
                state.tasks.insert(key, Task { served, interval, due: now, asked: now, busy: false });
                self.changed.notify_one();
            }
        }
        if !std::mem::replace(&mut state.started, true) {
            drop(state);
            self.start();
        }
        true
    }

    fn start(self: &Arc<Self>) {
        for number in 0..self.threads {
            // They end with the last of those who ask.
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

    /// Does what is due, or waits a moment for something to be.
    fn step(&self) {
        const MOMENT: Duration = Duration::from_millis(500);
        let now = self.clock.now().monotonic;
        let mut state = self.lock();
        state.tasks.retain(|_, task| {
            task.busy || (task.served.strong_count() > 0 && now.saturating_duration_since(task.asked) < self.linger)
        });
        let due = state.tasks.iter_mut().filter(|(_, task)| !task.busy).min_by_key(|(_, task)| task.due);
        let Some((key, task)) = due.filter(|(_, task)| task.due <= now) else {
            let waited = self.changed.wait_timeout(state, MOMENT);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            return;
        };
        task.busy = true;
        let (key, served) = (key.clone(), task.served.upgrade());
        drop(state);
        if let Some(served) = served {
            (self.sampler)(&served, &key.1, now);
        }
        if let Some(task) = self.lock().tasks.get_mut(&key) {
            task.busy = false;
            // From when it was due, so that samples keep their distance; but none is made up for.
            let late = self.clock.now().monotonic.saturating_duration_since(task.due);
            if late > task.interval {
                debug!("sampling {} is late", key.1.label_selector);
                task.due = self.clock.now().monotonic;
            }
            task.due += task.interval;
        }
        self.changed.notify_one();
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

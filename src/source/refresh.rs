//! Fetches requested pages in the background, so that sources may take longer than a request: until a few minutes after
//! the last request, on a fixed number of threads.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use log::error;

use super::page_request::PageRequest;
use super::prometheus::InstantQuery;
use crate::config::limits::RefreshLimits;
use crate::telemetry::bug;
use crate::telemetry::clock::Clock;
use crate::telemetry::counters::Counters;

/// The page or query to fetch.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum RefreshTarget {
    Page(PageRequest),
    Query(InstantQuery),
}

/// A source that is fetched in the background.
pub(super) trait RefreshSource: Send + Sync {
    /// Fetches the target and stores the result. Returns whether it succeeded.
    fn refresh(&self, target: &RefreshTarget) -> bool;
}

/// Refreshes the pages that requests need.
pub(super) struct Refresher {
    state: Mutex<RefreshState>,
    changed: Condvar,
    /// Wakes callers that wait for the end of a fetch.
    landed: Condvar,
    limits: RefreshLimits,
    clock: Clock,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct RefreshState {
    /// Keyed by the address of the source, which does not change while the source exists.
    tasks: HashMap<(usize, RefreshTarget), RefreshTask>,
    started: bool,
}

struct RefreshTask {
    of: Weak<dyn RefreshSource>,
    interval: Duration,
    due: Instant,
    last_requested: Instant,
    busy: bool,
    /// The number of completed fetches.
    rounds: u64,
}

/// A recorded request.
pub(super) struct RefreshTicket {
    key: (usize, RefreshTarget),
    rounds: u64,
}

impl Refresher {
    pub(super) fn new(limits: RefreshLimits, clock: Clock, counters: Arc<Counters>) -> Arc<Self> {
        let (changed, landed) = (Condvar::new(), Condvar::new());
        Arc::new(Self { state: Mutex::default(), changed, landed, limits, clock, counters })
    }

    /// Starts or continues refreshing; `None` if the limit is reached. One source may use a quarter of the limit.
    pub(super) fn register(
        self: &Arc<Self>,
        of: &Arc<dyn RefreshSource>,
        target: RefreshTarget,
        interval: Duration,
    ) -> Option<RefreshTicket> {
        let now = self.now();
        let key = (Arc::as_ptr(of).cast::<()>() as usize, target);
        let mut state = self.lock();
        if let Some(task) = state.tasks.get_mut(&key) {
            task.last_requested = now;
            return Some(RefreshTicket { key, rounds: task.rounds });
        }
        let most = self.limits.targets;
        let mine = |(of, _): &(usize, RefreshTarget)| *of == key.0;
        let of_source = state.tasks.keys().filter(|other| mine(other)).count();
        let is_full = of_source >= most.div_ceil(4);
        if is_full || state.tasks.len() >= most {
            // Evicts fetches that no HPA requests any more: an HPA that requested many names must not exclude others.
            let idle = |task: &RefreshTask| {
                !task.busy && now.saturating_duration_since(task.last_requested) >= self.limits.idle
            };
            let idle = state.tasks.iter().filter(|(other, task)| idle(task) && (mine(other) || !is_full));
            let idlest = idle.min_by_key(|(_, task)| task.last_requested).map(|(other, _)| other.clone())?;
            state.tasks.remove(&idlest);
        }
        let of = Arc::downgrade(of);
        let task = RefreshTask { of, interval, due: now, last_requested: now, busy: false, rounds: 0 };
        state.tasks.insert(key.clone(), task);
        self.changed.notify_one();
        if !std::mem::replace(&mut state.started, true) {
            drop(state);
            self.start();
        }
        Some(RefreshTicket { key, rounds: 0 })
    }

    /// Waits until the target has been fetched after the request was recorded, or until this time has passed.
    pub(super) fn wait(&self, registered: &RefreshTicket, longest: Duration) {
        let mut state = self.lock();
        if let Some(task) = state.tasks.get_mut(&registered.key)
            && !task.busy
            && task.rounds == registered.rounds
        {
            // There is no page to serve until then.
            task.due = self.now();
            self.changed.notify_one();
        }
        let is_pending = |state: &mut RefreshState| {
            state.tasks.get(&registered.key).is_some_and(|task| task.rounds == registered.rounds)
        };
        drop(self.landed.wait_timeout_while(state, longest, is_pending).unwrap_or_else(PoisonError::into_inner));
    }

    fn start(self: &Arc<Self>) {
        for number in 0..self.limits.threads {
            // The threads end when the refresher is dropped.
            let refresher = Arc::downgrade(self);
            let work = move || {
                while let Some(refresher) = refresher.upgrade() {
                    refresher.step();
                }
            };
            if let Err(failure) = thread::Builder::new().name(format!("refresh-{number}")).spawn(work) {
                error!("cannot start a thread that refreshes sources: {failure}");
            }
        }
    }

    /// Fetches a page that is due, or waits for one.
    fn step(&self) {
        const IDLE: Duration = Duration::from_secs(60);
        let now = self.now();
        let mut state = self.lock();
        state.tasks.retain(|_, task| {
            let is_asked = now.saturating_duration_since(task.last_requested) < self.limits.linger;
            task.busy || is_asked && task.of.strong_count() > 0
        });
        let busy: Vec<usize> = state.tasks.iter().filter(|(_, task)| task.busy).map(|((of, _), _)| *of).collect();
        let has_turn = |of: usize| busy.iter().filter(|other| **other == of).count() < self.limits.threads.div_ceil(2);
        let ready = state.tasks.iter_mut().filter(|((of, _), task)| !task.busy && has_turn(*of));
        let first = ready.min_by_key(|(_, task)| task.due);
        let Some((key, task)) = first else {
            drop(self.changed.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner));
            return;
        };
        let left = task.due.saturating_duration_since(now);
        if !left.is_zero() {
            drop(self.changed.wait_timeout(state, left.min(IDLE)).unwrap_or_else(PoisonError::into_inner));
            return;
        }
        task.busy = true;
        let (key, of) = (key.clone(), task.of.upgrade());
        drop(state);
        let refresh = || of.is_some_and(|of| of.refresh(&key.1));
        let succeeded = bug::caught(&self.counters, "refreshing a source", refresh).unwrap_or(false);
        let after = self.now();
        if let Some(task) = self.lock().tasks.get_mut(&key) {
            task.busy = false;
            task.rounds += 1;
            task.due = match succeeded {
                true => (now + task.interval).max(after),
                false => after + task.interval.min(self.limits.retry),
            };
        }
        self.landed.notify_all();
        self.changed.notify_one();
    }

    fn now(&self) -> Instant {
        self.clock.now().monotonic
    }

    fn lock(&self) -> MutexGuard<'_, RefreshState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refresher")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::{self, Receiver, Sender};

    use super::*;
    use crate::telemetry::clock::Now;

    const LONG: Duration = Duration::from_secs(60);

    /// Reports each fetch, and ends it with the outcome that the test sends.
    struct Scripted(Sender<()>, Mutex<Receiver<bool>>);

    impl RefreshSource for Scripted {
        fn refresh(&self, _: &RefreshTarget) -> bool {
            self.0.send(()).is_ok() && self.1.lock().unwrap().recv().unwrap_or(false)
        }
    }

    fn target(url: &str) -> RefreshTarget {
        RefreshTarget::Page(PageRequest::get(url))
    }

    /// The system's clock, and the milliseconds by which it is ahead.
    fn clock_ahead() -> (Clock, Arc<AtomicU64>) {
        let ahead = Arc::new(AtomicU64::new(0));
        let told = ahead.clone();
        let clock = Clock::from_fn(move || Now {
            monotonic: Instant::now() + Duration::from_millis(told.load(Ordering::SeqCst)),
            unix_millis: 0,
        });
        (clock, ahead)
    }

    fn refresher(limits: RefreshLimits) -> Arc<Refresher> {
        Refresher::new(limits, Clock::system(), Arc::default())
    }

    #[test]
    fn fetches_repeatedly_until_requests_end() {
        let limits = RefreshLimits { linger: LONG, retry: Duration::from_millis(1), ..RefreshLimits::default() };
        let (clock, ahead) = clock_ahead();
        let refresher = Refresher::new(limits, clock, Arc::default());
        let ((began, begun), (end, ends)) = (mpsc::channel(), mpsc::channel());
        let of: Arc<dyn RefreshSource> = Arc::new(Scripted(began, Mutex::new(ends)));
        let registered = refresher.register(&of, target("a"), Duration::from_millis(1)).unwrap();
        for succeeds in [true, false, true] {
            begun.recv_timeout(LONG).unwrap();
            end.send(succeeds).unwrap();
        }
        refresher.wait(&registered, LONG);
        assert!(refresher.register(&of, target("a"), LONG).unwrap().rounds > registered.rounds);
        // There are no more requests.
        ahead.store(u64::try_from(LONG.as_millis()).unwrap(), Ordering::SeqCst);
        drop(end);
        let until = Instant::now() + LONG;
        while !refresher.lock().tasks.is_empty() {
            assert!(Instant::now() < until);
            let _ = begun.recv_timeout(Duration::from_millis(10));
        }
    }

    /// A failed or evicted page is fetched as soon as a request waits for it.
    #[test]
    fn a_waiting_caller_gets_the_next_fetch() {
        let refresher = refresher(RefreshLimits::default());
        let ((began, begun), (end, ends)) = (mpsc::channel(), mpsc::channel());
        let of: Arc<dyn RefreshSource> = Arc::new(Scripted(began, Mutex::new(ends)));
        for _ in 0..2 {
            end.send(true).unwrap();
            let registered = refresher.register(&of, target("a"), LONG).unwrap();
            refresher.wait(&registered, LONG);
            begun.recv_timeout(LONG).unwrap();
        }
        let registered = refresher.register(&of, target("a"), LONG).unwrap();
        refresher.wait(&registered, Duration::ZERO);
        assert_eq!(refresher.register(&of, target("a"), LONG).unwrap().rounds, 2);
    }

    #[test]
    fn is_bounded() {
        let refresher = refresher(RefreshLimits { targets: 8, threads: 0, ..RefreshLimits::default() });
        let source = || -> Arc<dyn RefreshSource> {
            let (began, ends) = (mpsc::channel().0, mpsc::channel().1);
            Arc::new(Scripted(began, Mutex::new(ends)))
        };
        let sources: Vec<_> = std::iter::repeat_with(source).take(5).collect();
        let taken = |of: &Arc<dyn RefreshSource>, url| refresher.register(of, target(url), LONG).is_some();
        for of in &sources[..4] {
            assert_eq!(["a", "b", "c", "a"].map(|url| taken(of, url)), [true, true, false, true]);
        }
        assert!(!taken(&sources[4], "a"));
    }

    #[test]
    fn evicts_unrequested_fetches() {
        let (begin, seconds) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let told = seconds.clone();
        let clock = Clock::from_fn(move || Now {
            monotonic: begin + Duration::from_secs(told.load(Ordering::SeqCst)),
            unix_millis: 0,
        });
        let limits =
            RefreshLimits { targets: 8, threads: 0, idle: Duration::from_secs(45), ..RefreshLimits::default() };
        let refresher = Refresher::new(limits, clock, Arc::default());
        let source =
            || -> Arc<dyn RefreshSource> { Arc::new(Scripted(mpsc::channel().0, Mutex::new(mpsc::channel().1))) };
        let (one, other) = (source(), source());
        let asked = |of: &Arc<dyn RefreshSource>, urls: &[&str]| -> Vec<bool> {
            urls.iter().map(|url| refresher.register(of, target(url), LONG).is_some()).collect()
        };
        let after = |passed| seconds.store(passed, Ordering::SeqCst);
        assert_eq!(asked(&one, &["a", "b", "c"]), [true, true, false]);
        assert_eq!(asked(&other, &["a", "b"]), [true, true]);
        after(44);
        assert_eq!(asked(&one, &["b", "c"]), [true, false]);
        after(45);
        // Only the idle task of the same source is removed.
        assert_eq!(asked(&one, &["c", "a", "b"]), [true, false, true]);
        assert_eq!(asked(&other, &["a", "b"]), [true, true]);
    }
}

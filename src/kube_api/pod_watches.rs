//! The watches of pods, one per namespace in use.
//!
//! A watch starts when a request first lists pods in its namespace; its thread then lists all pods there. Until the
//! watch is current, and whenever it is not, each request lists its pods itself. A request never sees an earlier state
//! than a previous one: the newest version of these lists is kept, a watch is not used before it reaches that version,
//! and a list after a watch must not be older than the watch.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use log::warn;

use super::client::Client;
use super::objects::Selection;
use super::pod_selections::SelectedPods;
use super::pod_watch::PodWatch;
use super::pod_watcher::PodWatcher;
use super::watch_budget::WatchBudget;
use crate::config::limits::Limits;
use crate::kube::resource_version::ResourceVersion;
use crate::parse::selector::{Selector, SelectorLimits};
use crate::telemetry::clock::Clock;
use crate::telemetry::counters::Counters;

/// The stack of a watch's thread, on which events are parsed.
const STACK: usize = 512 * 1024;

/// The watches. Dropping this ends their threads.
pub(crate) struct PodWatches(Arc<Inner>);

struct Inner {
    client: Arc<Client>,
    clock: Clock,
    limits: Limits,
    counters: Arc<Counters>,
    budget: Arc<WatchBudget>,
    watches: Mutex<BTreeMap<String, Arc<PodWatch>>>,
    /// Whether it has been logged that there are too many watches.
    is_full: AtomicBool,
}

impl PodWatches {
    /// No watches.
    pub(crate) fn new(client: Arc<Client>, clock: Clock, limits: &Limits, counters: Arc<Counters>) -> Self {
        let (limits, budget) = (limits.clone(), WatchBudget::new(&limits.watch));
        let (watches, is_full) = (Mutex::default(), AtomicBool::new(false));
        Self(Arc::new(Inner { client, clock, limits, counters, budget, watches, is_full }))
    }

    /// The pods of a selection, if a watch has them.
    pub(crate) fn pods(&self, of: Selection<'_>, now: Instant) -> Option<SelectedPods> {
        let limits = &self.0.limits.request;
        let limits = SelectorLimits { bytes: limits.selector, requirements: limits.selector_requirements };
        // A selector that cannot be parsed here is left to kube-apiserver.
        self.of(of)?.pods(of, || Selector::parse(of.label_selector, &limits).ok(), now)
    }

    /// The time since the watch of a namespace received an event, if its pods are current.
    pub(crate) fn age(&self, of: Selection<'_>, now: Instant) -> Option<Duration> {
        self.of(of)?.age(now)
    }

    /// The version that a list must not be older than.
    pub(crate) fn since(&self, of: Selection<'_>) -> Option<ResourceVersion> {
        self.of(of)?.last_served()
    }

    /// Records that a request needed a list, of this version or too large; its namespace is in use.
    pub(crate) fn listed(&self, of: Selection<'_>, version: Option<ResourceVersion>) {
        let Some(namespace) = of.namespace else { return };
        let inner = &self.0;
        let mut watches = inner.lock();
        if let Some(watch) = watches.get(namespace) {
            return version.into_iter().for_each(|version| watch.see(version));
        }
        if watches.len() >= inner.limits.watch.namespaces {
            return inner.warn_full();
        }
        let gauges = inner.counters.pod_watches.begin(namespace);
        let now = inner.clock.now().monotonic;
        let watch = Arc::new(PodWatch::new(namespace, gauges, &inner.limits.watch, now));
        version.into_iter().for_each(|version| watch.see(version));
        match inner.start(&watch) {
            Ok(()) => drop(watches.insert(namespace.to_owned(), watch)),
            Err(failure) => {
                inner.counters.pod_watches.end(namespace);
                warn!("cannot start a thread that watches pods: {failure}; they are listed for each request instead");
            }
        }
    }

    /// Makes the watch check whether the API server has lost a version that requests have seen: either its cache lags, or a
    /// backup was restored.
    pub(crate) fn request_check(&self, of: Selection<'_>) {
        self.of(of).iter().for_each(|watch| watch.request_check());
    }

    fn of(&self, of: Selection<'_>) -> Option<Arc<PodWatch>> {
        self.0.lock().get(of.namespace?).cloned()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<PodWatch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>, watch: &Arc<PodWatch>) -> io::Result<()> {
        let (weak, watch) = (Arc::downgrade(self), watch.clone());
        let limits = self.limits.watch.clone();
        let share = self.budget.share();
        let mut watcher = PodWatcher::new(watch.clone(), self.client.clone(), self.clock.clone(), limits, share);
        let name = "watch".to_owned();
        let clock = self.clock.clone();
        let spawned = thread::Builder::new().name(name).stack_size(STACK).spawn(move || {
            loop {
                watcher.run();
                let Some(inner) = weak.upgrade() else { return };
                let mut watches = inner.lock();
                // A request may have used the watch meanwhile.
                if watch.is_over(clock.now().monotonic) {
                    watches.remove(&watch.namespace);
                    inner.counters.pod_watches.end(&watch.namespace);
                    return;
                }
            }
        });
        spawned.map(drop)
    }

    fn warn_full(&self) {
        if !self.is_full.swap(true, Ordering::Relaxed) {
            let most = self.limits.watch.namespaces;
            warn!("pods of more than {most} namespaces are in use; those of further ones are listed for each request");
        }
    }
}

impl Drop for PodWatches {
    fn drop(&mut self) {
        self.0.lock().values().for_each(|watch| watch.close());
    }
}

impl std::fmt::Debug for PodWatches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PodWatches")
    }
}

//! The state of a namespace's watch, and how long its pods may be served.

use std::sync::Arc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::objects::Selection;
use super::pod_selections::{PodSelections, SelectedPods};
use crate::config::limits::WatchLimits;
use crate::kube::pod::Pod;
use crate::kube::pod_store::PodStore;
use crate::kube::resource_version::ResourceVersion;
use crate::parse::selector::Selector;
use crate::telemetry::pod_watches::{PodWatchGauges, WatchState};

/// A watch. Its thread writes the state; requests read it.
#[derive(Debug)]
pub(super) struct PodWatch {
    pub(super) namespace: String,
    pub(super) gauges: Arc<PodWatchGauges>,
    limits: WatchLimits,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    /// `None` until the first list, and after the pods were dropped.
    store: Option<PodStore>,
    /// The time of the last list, event or bookmark. The head of a response says nothing about the pods.
    last_event: Instant,
    link: Link,
    /// The time of the last request for the API server's newest version. All changes before that time are at or below
    /// `seen`.
    last_check: Instant,
    /// Whether the API server may have lost known versions; the thread must check.
    is_doubted: bool,
    /// The newest version that a request has seen in a list, or that the API server had after a gap. An HPA must not
    /// see an earlier one afterwards.
    seen: Option<ResourceVersion>,
    /// The newest version that was served from the watch.
    last_served: Option<ResourceVersion>,
    /// The time of the last request for pods.
    last_used: Instant,
    selections: PodSelections,
    is_closed: bool,
}

/// The state of the connection that delivers changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Not connected yet.
    New,
    Open,
    /// Lost at this time.
    Lost(Instant),
}

impl PodWatch {
    pub(super) fn new(namespace: &str, gauges: Arc<PodWatchGauges>, limits: &WatchLimits, now: Instant) -> Self {
        let state = State {
            store: None,
            last_event: now,
            link: Link::New,
            last_check: now,
            is_doubted: false,
            seen: None,
            last_served: None,
            last_used: now,
            selections: PodSelections::default(),
            is_closed: false,
        };
        let (namespace, limits) = (namespace.to_owned(), limits.clone());
        Self { namespace, gauges, limits, state: Mutex::new(state), wake: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pods of a selection, if they are known and current.
    pub(super) fn pods(
        &self,
        of: Selection<'_>,
        parse: impl FnOnce() -> Option<Selector>,
        now: Instant,
    ) -> Option<SelectedPods> {
        let mut state = self.lock();
        state.last_used = state.last_used.max(now);
        let is_current = state.is_current(&self.limits, now);
        // The thread may be blocked on a response, so the gauge is updated here.
        if !is_current && self.gauges.watch_state() == WatchState::Current {
            self.gauges.set_state(state.watch_state(&self.limits, now));
        }
        let State { store, selections, last_served, .. } = &mut *state;
        let store = store.as_ref().filter(|_| is_current)?;
        let pods = selections.pods(store, of, parse, &self.limits, now)?;
        *last_served = Some(store.version());
        Some(pods)
    }

    /// The time since the last list, event or bookmark, if the pods are current.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        let state = self.lock();
        state.is_current(&self.limits, now).then(|| now.saturating_duration_since(state.last_event))
    }

    /// Whether changes may have been missed for so long that the newest version must be read before the watch serves
    /// again.
    pub(super) fn has_gap(&self, now: Instant) -> bool {
        self.lock().has_gap(&self.limits, now)
    }

    /// Makes the thread check whether the API server has lost known versions.
    pub(super) fn request_check(&self) {
        self.lock().is_doubted = true;
        self.wake.notify_all();
    }

    /// Whether [`Self::request_check`] was called since the last call.
    pub(super) fn take_check_request(&self) -> bool {
        std::mem::take(&mut self.lock().is_doubted)
    }

    /// Records the newest version of the API server at `now`, which has lost none: the watch serves again once it
    /// reaches it.
    pub(super) fn check(&self, newest: ResourceVersion, now: Instant) {
        let mut state = self.lock();
        state.seen = state.seen.max(Some(newest));
        state.last_check = now;
    }

    /// Records that a request has seen a list of this version.
    pub(super) fn see(&self, version: ResourceVersion) {
        let mut state = self.lock();
        state.seen = state.seen.max(Some(version));
    }

    /// The newest version that requests may have seen.
    pub(super) fn newest(&self) -> Option<ResourceVersion> {
        let state = self.lock();
        state.seen.max(state.last_served).max(state.store.as_ref().map(PodStore::version))
    }

    /// The newest version that was served from the watch; `None` if only lists were served.
    pub(super) fn last_served(&self) -> Option<ResourceVersion> {
        self.lock().last_served
    }

    /// Forgets all state because the API server has lost known versions, as after a restored backup.
    pub(super) fn forget(&self) {
        let mut state = self.lock();
        (state.store, state.seen, state.last_served, state.link) = (None, None, None, Link::New);
        state.selections = PodSelections::default();
    }

    /// The version to resume from, and whether requests have seen a later one.
    pub(super) fn resume(&self) -> Option<(ResourceVersion, bool)> {
        let state = self.lock();
        let version = state.store.as_ref()?.version();
        Some((version, state.seen > Some(version)))
    }

    /// Replaces the pods by a list of the whole namespace.
    pub(super) fn fill(&self, pods: Vec<Pod>, version: ResourceVersion, now: Instant) {
        let mut state = self.lock();
        match &mut state.store {
            Some(store) => store.replace(pods, version),
            none => {
                *none = Some(PodStore::new(pods, version));
                // Cached selections belong to the previous store, whose change counter is unrelated.
                state.selections = PodSelections::default();
            }
        }
        state.last_event = now;
    }

    /// Records that the connection is open; returns `false` if it came too late to know what was missed.
    pub(super) fn connect(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let is_in_time = !state.has_gap(&self.limits, now);
        if is_in_time {
            state.link = Link::Open;
        }
        is_in_time
    }

    /// Records that the connection was lost.
    pub(super) fn disconnect(&self, now: Instant) {
        let mut state = self.lock();
        if state.link == Link::Open {
            state.link = Link::Lost(now);
        }
    }

    /// Records an event and applies it to the store, if there is one; returns the result of `change`.
    pub(super) fn change<T>(&self, now: Instant, change: impl FnOnce(&mut PodStore) -> T) -> Option<T> {
        let mut state = self.lock();
        state.last_event = now;
        let State { store: Some(store), selections, .. } = &mut *state else { return None };
        let changed = change(store);
        if store.left() > self.limits.left {
            selections.forget_outdated(store.changes());
            store.forget_left();
        }
        Some(changed)
    }

    /// The number of pods, and their size in bytes, including pods that have left but that selections still refer to.
    pub(super) fn size(&self) -> (usize, usize) {
        self.lock().size()
    }

    /// Removes unused selections.
    pub(super) fn remove_unused(&self, now: Instant) {
        let mut state = self.lock();
        let State { store: Some(store), selections, .. } = &mut *state else { return };
        selections.remove_unused(store.changes(), &self.limits, now);
    }

    /// Removes selections that refer to pods that have left, and returns the size after that.
    pub(super) fn forget_left(&self) -> (usize, usize) {
        let mut state = self.lock();
        if let State { store: Some(store), selections, .. } = &mut *state {
            selections.forget_outdated(store.changes());
            store.forget_left();
        }
        state.size()
    }

    /// Drops the pods, so that requests are answered by lists.
    pub(super) fn drop_store(&self) {
        let mut state = self.lock();
        (state.store, state.link) = (None, Link::New);
        state.selections = PodSelections::default();
    }

    /// Updates the gauge.
    pub(super) fn publish(&self, now: Instant) {
        self.gauges.set_state(self.lock().watch_state(&self.limits, now));
    }

    /// Whether the watch was closed, or unused for long enough to end.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let state = self.lock();
        state.is_closed || now.saturating_duration_since(state.last_used) >= self.limits.linger
    }

    /// Closes the watch.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.wake.notify_all();
    }

    /// Waits for this time, or until the watch is closed or doubted.
    pub(super) fn pause(&self, pause: Duration) {
        let state = self.lock();
        let waited = self.wake.wait_timeout_while(state, pause, |state| !state.is_closed && !state.is_doubted);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn size(&self) -> (usize, usize) {
        self.store.as_ref().map_or((0, 0), |store| (store.len(), store.cost() + store.left()))
    }

    /// The state of the watch for the gauge.
    fn watch_state(&self, limits: &WatchLimits, now: Instant) -> WatchState {
        match (&self.store, self.link) {
            (Some(_), _) if self.is_current(limits, now) => WatchState::Current,
            (None, _) | (Some(_), Link::New) => WatchState::Starting,
            // The store has not reached a version that requests have seen.
            (Some(store), Link::Open) if self.seen > Some(store.version()) => WatchState::Starting,
            (Some(_), Link::Open | Link::Lost(_)) => WatchState::Broken,
        }
    }

    /// Whether changes may have been missed: more time has passed since the last event, or since the newest version was
    /// read, than pods may be served for.
    fn has_gap(&self, limits: &WatchLimits, now: Instant) -> bool {
        let known = self.last_event.max(self.last_check);
        let until = known + limits.silence();
        match self.link {
            Link::New | Link::Open => now >= until,
            Link::Lost(lost) => now >= until.min(lost.max(known) + limits.broken),
        }
    }

    /// Whether requests may be answered from the store.
    fn is_current(&self, limits: &WatchLimits, now: Instant) -> bool {
        let until = self.last_event + limits.silence();
        let is_fresh = match self.link {
            Link::New => false,
            Link::Open => now < until,
            Link::Lost(lost) => now < until.min(lost + limits.broken),
        };
        // The store may not yet have changes that a request has seen in a list.
        let has_caught_up = self.store.as_ref().is_some_and(|store| self.seen <= Some(store.version()));
        has_caught_up && is_fresh
    }
}

#[cfg(test)]
mod tests;

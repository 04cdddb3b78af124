//! What the watch of a namespace knows of its pods, and for how long that may be served.

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
use crate::telemetry::pod_watches::{PodWatchGauges, WatchStanding};

/// A watch. Its own thread writes; those that answer requests read.
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
    /// `None` until the first list, and after what makes it worthless.
    store: Option<PodStore>,
    /// When a list, an event or a bookmark was last received. The head of an answer says nothing of the pods.
    heard: Instant,
    link: Link,
    /// When the newest state of the API server was last asked for. What was missed before is below `seen`.
    checked: Instant,
    /// Whether the API server may have lost the versions that are known, as the thread does not know yet.
    is_doubted: bool,
    /// The newest state that a request has seen in a list, or that the API server had after a gap. An HPA must not see an
    /// earlier one afterwards.
    seen: Option<ResourceVersion>,
    /// The newest state that a request was answered from by the watch.
    shown: Option<ResourceVersion>,
    /// When pods were last asked for.
    asked: Instant,
    selections: PodSelections,
    is_closed: bool,
}

/// The connection for the store's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// There was none yet.
    New,
    Open,
    /// It has gone, at this moment.
    Lost(Instant),
}

impl PodWatch {
    pub(super) fn new(namespace: &str, gauges: Arc<PodWatchGauges>, limits: &WatchLimits, now: Instant) -> Self {
        let state = State {
            store: None,
            heard: now,
            link: Link::New,
            checked: now,
            is_doubted: false,
            seen: None,
            shown: None,
            asked: now,
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
        state.asked = state.asked.max(now);
        let is_current = state.is_current(&self.limits, now);
        // The thread may be waiting for an answer.
        if !is_current && self.gauges.standing() == WatchStanding::Current {
            self.gauges.set_standing(state.standing(&self.limits, now));
        }
        let State { store, selections, shown, .. } = &mut *state;
        let store = store.as_ref().filter(|_| is_current)?;
        let pods = selections.pods(store, of, parse, &self.limits, now)?;
        *shown = Some(store.version());
        Some(pods)
    }

    /// How long ago something was last heard of the pods, if its pods are current.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        let state = self.lock();
        state.is_current(&self.limits, now).then(|| now.saturating_duration_since(state.heard))
    }

    /// Whether so much time has passed that what was missed meanwhile must be known before it answers again.
    pub(super) fn has_gap(&self, now: Instant) -> bool {
        self.lock().has_gap(&self.limits, now)
    }

    /// Has the thread check that the API server has not lost the versions that are known.
    pub(super) fn doubt(&self) {
        self.lock().is_doubted = true;
        self.wake.notify_all();
    }

    /// Whether it was doubted since the last call.
    pub(super) fn was_doubted(&self) -> bool {
        std::mem::take(&mut self.lock().is_doubted)
    }

    /// The API server had this state after `now`, and has lost nothing: the watch answers when it has reached it.
    pub(super) fn check(&self, newest: ResourceVersion, now: Instant) {
        let mut state = self.lock();
        state.seen = state.seen.max(Some(newest));
        state.checked = now;
    }

    /// A request has seen a list of this version.
    pub(super) fn see(&self, version: ResourceVersion) {
        let mut state = self.lock();
        state.seen = state.seen.max(Some(version));
    }

    /// The newest state that requests may have seen.
    pub(super) fn newest(&self) -> Option<ResourceVersion> {
        let state = self.lock();
        state.seen.max(state.shown).max(state.store.as_ref().map(PodStore::version))
    }

    /// The newest state that a request was answered from by the watch. Without one, lists are as they are without a watch.
    pub(super) fn shown(&self) -> Option<ResourceVersion> {
        self.lock().shown
    }

    /// Forgets everything: the API server has lost the versions that were known, as after a restored backup.
    pub(super) fn forget(&self) {
        let mut state = self.lock();
        (state.store, state.seen, state.shown, state.link) = (None, None, None, Link::New);
        state.selections = PodSelections::default();
    }

    /// The version to go on from, and whether requests have seen a later one.
    pub(super) fn resume(&self) -> Option<(ResourceVersion, bool)> {
        let state = self.lock();
        let version = state.store.as_ref()?.version();
        Some((version, state.seen > Some(version)))
    }

    /// The whole namespace was listed.
    pub(super) fn fill(&self, pods: Vec<Pod>, version: ResourceVersion, now: Instant) {
        let mut state = self.lock();
        match &mut state.store {
            Some(store) => store.replace(pods, version),
            none => {
                *none = Some(PodStore::new(pods, version));
                // They are of another store, which has counted its changes by itself.
                state.selections = PodSelections::default();
            }
        }
        state.heard = now;
    }

    /// The connection is there, unless it came so late that what was missed is not known. Whether it is.
    pub(super) fn connect(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let is_in_time = !state.has_gap(&self.limits, now);
        if is_in_time {
            state.link = Link::Open;
        }
        is_in_time
    }

    /// The connection has gone.
    pub(super) fn disconnect(&self, now: Instant) {
        let mut state = self.lock();
        if state.link == Link::Open {
            state.link = Link::Lost(now);
        }
    }

    /// An event was received: changes the store, if there is one. What `change` returns.
    pub(super) fn change<T>(&self, now: Instant, change: impl FnOnce(&mut PodStore) -> T) -> Option<T> {
        let mut state = self.lock();
        state.heard = now;
        let State { store: Some(store), selections, .. } = &mut *state else { return None };
        let changed = change(store);
        if store.left() > self.limits.left {
            selections.forget_outdated(store.changes());
            store.forget_left();
        }
        Some(changed)
    }

    /// The number of pods, and their size in bytes, with those that have left, but that selections still have.
    pub(super) fn size(&self) -> (usize, usize) {
        self.lock().size()
    }

    /// Forgets the selections that are not asked for any more.
    pub(super) fn forget_unused(&self, now: Instant) {
        let mut state = self.lock();
        let State { store: Some(store), selections, .. } = &mut *state else { return };
        selections.forget_unused(store.changes(), &self.limits, now);
    }

    /// Forgets the pods that have left, with the selections that have them. Then its size.
    pub(super) fn forget_left(&self) -> (usize, usize) {
        let mut state = self.lock();
        if let State { store: Some(store), selections, .. } = &mut *state {
            selections.forget_outdated(store.changes());
            store.forget_left();
        }
        state.size()
    }

    /// Drops the pods; lists answer.
    pub(super) fn drop_store(&self) {
        let mut state = self.lock();
        (state.store, state.link) = (None, Link::New);
        state.selections = PodSelections::default();
    }

    /// Tells what becomes of questions now.
    pub(super) fn tell(&self, now: Instant) {
        self.gauges.set_standing(self.lock().standing(&self.limits, now));
    }

    /// Whether it has ended, or has not been asked for long enough to end.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let state = self.lock();
        state.is_closed || now.saturating_duration_since(state.asked) >= self.limits.linger
    }

    /// Ends it.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.wake.notify_all();
    }

    /// Waits for so long, or until it is ended or doubted.
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

    /// What becomes of questions at this moment.
    fn standing(&self, limits: &WatchLimits, now: Instant) -> WatchStanding {
        match (&self.store, self.link) {
            (Some(_), _) if self.is_current(limits, now) => WatchStanding::Current,
            (None, _) | (Some(_), Link::New) => WatchStanding::Starting,
            // It has something to catch up with.
            (Some(store), Link::Open) if self.seen > Some(store.version()) => WatchStanding::Starting,
            (Some(_), Link::Open | Link::Lost(_)) => WatchStanding::Broken,
        }
    }

    /// Whether what was missed is unknown: since the last news, or since the newest state was asked for, more time has passed
    /// than pods are answered for.
    fn has_gap(&self, limits: &WatchLimits, now: Instant) -> bool {
        let known = self.heard.max(self.checked);
        let until = known + limits.silence();
        match self.link {
            Link::New | Link::Open => now >= until,
            Link::Lost(lost) => now >= until.min(lost.max(known) + limits.broken),
        }
    }

    /// Whether requests may be answered from the store.
    fn is_current(&self, limits: &WatchLimits, now: Instant) -> bool {
        let until = self.heard + limits.silence();
        let is_fresh = match self.link {
            Link::New => false,
            Link::Open => now < until,
            Link::Lost(lost) => now < until.min(lost + limits.broken),
        };
        // Of what a request has seen in a list, the store may still lack something.
        let has_caught_up = self.store.as_ref().is_some_and(|store| self.seen <= Some(store.version()));
        has_caught_up && is_fresh
    }
}

#[cfg(test)]
mod tests;

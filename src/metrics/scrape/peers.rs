//! Samples the selections that other replicas serve, at the same times as they do.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{SampledSelection, Schedule, Scraper, State, Task};
use crate::metrics::active_rule::{ActiveRule, Sampling};

impl Scraper {
    /// The times of all sampled selections.
    pub(in crate::metrics) fn scheduled(&self) -> Vec<(Arc<ActiveRule>, SampledSelection, Schedule)> {
        let now = self.now();
        let state = self.lock();
        let scheduled = state.tasks.iter().filter_map(|((_, selected), task)| {
            let schedule = Schedule {
                requested: now.saturating_duration_since(task.last_requested),
                since: now.saturating_duration_since(task.since),
                due: task.due.saturating_duration_since(now),
            };
            Some((task.served.upgrade()?, selected.clone(), schedule))
        });
        scheduled.collect()
    }

    /// Continues sampling a selection of a peer's message at this moment, while it is requested there. Returns whether
    /// the peer has earlier samples of it.
    pub(in crate::metrics) fn follow(
        &self,
        served: &Arc<ActiveRule>,
        selected: &SampledSelection,
        peers: Schedule,
        at: Instant,
    ) -> bool {
        let limits = self.shared.limits();
        let mut state = self.lock();
        let Some(task) = state.tasks.get_mut(&(Arc::as_ptr(served) as usize, selected.clone())) else {
            return peers.requested < limits.sampling.linger && self.check_room(&state, selected).is_ok();
        };
        task.last_requested = task.last_requested.max(ago(at, peers.requested));
        // Neither replica needs samples that are older than this.
        let kept = served.sampling.as_ref().map_or(Duration::ZERO, Sampling::retention);
        let slack = limits.peers.slack.min(task.interval / 4);
        peers.since.min(kept) > at.saturating_duration_since(task.since).min(kept) + slack
    }

    /// Samples a selection of a peer whose samples were imported, while it is requested there, and at the same times,
    /// so that both have the same samples.
    pub(in crate::metrics) fn join(
        self: &Arc<Self>,
        served: &Arc<ActiveRule>,
        selected: &SampledSelection,
        peers: Schedule,
        at: Instant,
    ) {
        let Some(interval) = served.sampling.as_ref().map(|sampling| sampling.interval) else { return };
        let mut state = self.lock();
        let key = (Arc::as_ptr(served) as usize, selected.clone());
        if !state.tasks.contains_key(&key) && self.check_room(&state, selected).is_err() {
            return;
        }
        let State { tasks, .. } = &mut *state;
        let (since, due) = (ago(at, peers.since), at + peers.due.min(interval));
        let task = tasks.entry(key).or_insert_with(|| Task {
            served: Arc::downgrade(served),
            interval,
            due,
            last_requested: ago(at, peers.requested),
            since,
            busy: false,
            of_pods: served.upstream.source().is_of_pods(),
            slow: false,
        });
        task.since = task.since.min(since);
        // The round in progress adds an interval at its end.
        task.due = if task.busy { ago(due, interval) } else { due };
        self.changed.notify_one();
        self.start_once(state);
    }

    /// Waits, for at most this time, until a new selection is sampled.
    pub(in crate::metrics) fn wait_for_selection(&self, longest: Duration) {
        let (news, changed) = &self.news;
        let waiting = news.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(waiting, longest, |news| !*news);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// Ends [`Self::wait_for_selection`].
    pub(in crate::metrics) fn announce_selection(&self) {
        let (news, changed) = &self.news;
        *news.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_one();
    }
}

/// The moment this long before another, or the other itself if the machine started later than that.
fn ago(moment: Instant, long: Duration) -> Instant {
    moment.checked_sub(long).unwrap_or(moment)
}

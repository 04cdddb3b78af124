//! Sampling what is requested of other replicas, in step with them.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{SampledSelection, Schedule, Scraper, State, Task};
use crate::metrics::active_rule::{ActiveRule, Sampling};

impl Scraper {
    /// Everything that is sampled.
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

    /// Goes on with what a peer told of at this moment, as long as requests come there. Whether the peer has earlier samples
    /// of it.
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
        // Earlier samples than those are of no use to either.
        let kept = served.sampling.as_ref().map_or(Duration::ZERO, Sampling::retention);
        let slack = limits.peers.slack.min(task.interval / 4);
        peers.since.min(kept) > at.saturating_duration_since(task.since).min(kept) + slack
    }

    /// Samples what a peer samples, whose samples have been taken over: as long as requests come there, and when it does, so
    /// that both have the same.
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
        // The round under way adds an interval at its end.
        task.due = if task.busy { ago(due, interval) } else { due };
        self.changed.notify_one();
        self.start_once(state);
    }

    /// Waits until something is sampled that was not before; for so long at most.
    pub(in crate::metrics) fn wait_for_news(&self, longest: Duration) {
        let (news, changed) = &self.news;
        let waiting = news.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(waiting, longest, |news| !*news);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// Ends that waiting.
    pub(in crate::metrics) fn tell_news(&self) {
        let (news, changed) = &self.news;
        *news.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_one();
    }
}

/// So long before; a machine that started later has no such moment.
fn ago(moment: Instant, long: Duration) -> Instant {
    moment.checked_sub(long).unwrap_or(moment)
}

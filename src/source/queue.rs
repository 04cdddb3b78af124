//! A queue of jobs for a pool of workers: bounded, in order, and fair among the resources that jobs wait for. Resources
//! that fail together may share a limit.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Jobs `J` by the resource `K` that they wait for.
#[derive(Debug)]
pub(crate) struct FairQueue<K, J>
where
    K: Copy + Eq + Hash,
{
    capacity: usize,
    active_per_key: usize,
    queued_per_key: usize,
    shared_limit: Option<SharedLimit<K>>,
    /// The share of a key in `active_per_key` and `queued_per_key`.
    share: QueueShare<K>,
    state: Mutex<QueueState<K, J>>,
    changed: Condvar,
}

/// The share of a key in the usual limits; at least one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueShare<K> {
    pub queued: fn(K, usize) -> usize,
    pub active: fn(K, usize) -> usize,
}

/// A shared limit for the jobs of several keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedLimit<K> {
    /// Whether the limit applies to jobs with this key.
    pub includes: fn(K) -> bool,
    pub queued: usize,
    pub active: usize,
}

#[derive(Debug)]
struct QueueState<K, J> {
    /// Queued jobs by key, oldest first, each with its sequence number; every key has jobs.
    queued: HashMap<K, VecDeque<(u64, Instant, J)>>,
    /// The number of queued jobs.
    length: usize,
    /// The sequence number of the next job.
    next: u64,
    active: HashMap<K, usize>,
    /// Workers that wait for a job.
    idle: usize,
    closed: bool,
}

/// Permission to run one job; dropping it lets another job with the same key run, which the worker takes next.
#[derive(Debug)]
pub(crate) struct Permit<'a, K, J>
where
    K: Copy + Eq + Hash,
{
    queue: &'a FairQueue<K, J>,
    key: K,
}

impl<K: Copy + Eq + Hash, J> FairQueue<K, J> {
    /// A queue of at most `capacity` jobs, `queued_per_key` with the same key; at most `active_per_key` of them run at
    /// a time.
    pub(crate) fn new(capacity: usize, queued_per_key: usize, active_per_key: usize) -> Self {
        let state =
            QueueState { queued: HashMap::new(), length: 0, next: 0, active: HashMap::new(), idle: 0, closed: false };
        Self {
            capacity,
            active_per_key: active_per_key.max(1),
            queued_per_key: queued_per_key.max(1),
            shared_limit: None,
            share: QueueShare { queued: |_, most| most, active: |_, most| most },
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Adds a shared limit for some keys.
    #[must_use]
    pub(crate) fn with_joint(self, shared_limit: SharedLimit<K>) -> Self {
        Self { shared_limit: Some(shared_limit), ..self }
    }

    /// Sets lower limits for some keys.
    #[must_use]
    pub(crate) fn with_share(self, share: QueueShare<K>) -> Self {
        Self { share, ..self }
    }

    /// Adds a job, or returns it if the queue is closed, or full for its key, for its shared limit, or as a whole.
    ///
    /// # Errors
    /// The job, if it was not added.
    pub(crate) fn push(&self, key: K, since: Instant, job: J) -> Result<(), J> {
        let mut state = self.lock();
        if state.closed || state.length >= self.capacity {
            return Err(job);
        }
        if state.queued.get(&key).map_or(0, VecDeque::len) >= (self.share.queued)(key, self.queued_per_key).max(1) {
            return Err(job);
        }
        if let Some(SharedLimit { includes, queued: most, .. }) = self.shared_limit
            && includes(key)
            && state.queued.iter().filter(|(key, _)| includes(**key)).map(|(_, jobs)| jobs.len()).sum::<usize>() >= most
        {
            return Err(job);
        }
        let number = state.next;
        state.next += 1;
        state.length += 1;
        state.queued.entry(key).or_default().push_back((number, since, job));
        // Waking a worker is a system call. A job that may not run yet is taken by a worker that ends another job.
        let may_run = self.may_run(&state.active, self.is_full(&state.active), &key);
        if state.idle > 0 && may_run {
            drop(state);
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Takes the oldest job that may run; waits for one. `None` once the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<(J, Permit<'_, K, J>)> {
        let mut state = self.lock();
        loop {
            let QueueState { queued, length, active, closed, .. } = &mut *state;
            let taken = self.is_full(active);
            let may_run = |key: &K| self.may_run(active, taken, key);
            let first =
                queued.iter().filter(|(key, _)| may_run(key)).min_by_key(|(_, jobs)| jobs.front().map(|job| job.0));
            if let Some(key) = first.map(|(key, _)| *key)
                && let Entry::Occupied(mut jobs) = queued.entry(key)
            {
                let job = jobs.get_mut().pop_front();
                if jobs.get().is_empty() {
                    jobs.remove();
                }
                if let Some((_, _, job)) = job {
                    *length -= 1;
                    *active.entry(key).or_default() += 1;
                    return Some((job, Permit { queue: self, key }));
                }
            }
            if *closed && *length == 0 {
                return None;
            }
            state.idle += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// The shared limit, if it is reached.
    fn is_full(&self, active: &HashMap<K, usize>) -> Option<SharedLimit<K>> {
        self.shared_limit.filter(|shared_limit| shared_limit.active <= shared_limit.of(active))
    }

    /// Whether another job with this key may run.
    fn may_run(&self, active: &HashMap<K, usize>, taken: Option<SharedLimit<K>>, key: &K) -> bool {
        active.get(key).is_none_or(|count| *count < (self.share.active)(*key, self.active_per_key).max(1))
            && taken.is_none_or(|shared_limit| !(shared_limit.includes)(*key))
    }

    /// Accepts no more jobs; queued jobs are still returned.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The number of queued jobs.
    pub(crate) fn len(&self) -> usize {
        self.lock().length
    }

    /// The time for which the oldest job has been queued.
    pub(crate) fn oldest(&self, now: Instant) -> Duration {
        let state = self.lock();
        let first = state.queued.values().filter_map(VecDeque::front).min_by_key(|job| job.0);
        first.map_or(Duration::ZERO, |(_, since, _)| now.saturating_duration_since(*since))
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<K, J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy> SharedLimit<K> {
    /// The number of active jobs to which the limit applies.
    fn of(&self, active: &HashMap<K, usize>) -> usize {
        active.iter().filter(|(key, _)| (self.includes)(**key)).map(|(_, count)| count).sum()
    }
}

impl<K: Copy + Eq + Hash, J> Drop for Permit<'_, K, J> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        if let Some(count) = state.active.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                state.active.remove(&self.key);
            }
        }
        if state.closed {
            self.queue.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn returns_jobs_in_order_with_a_limit_per_key() {
        let queue = FairQueue::new(8, 8, 1);
        let now = Instant::now();
        for (source, job) in [(0, "a"), (0, "b"), (1, "c")] {
            queue.push(source, now, job).unwrap();
        }
        let (first, permit) = queue.take().unwrap();
        assert_eq!(first, "a");
        let (second, _other) = queue.take().unwrap();
        assert_eq!(second, "c", "b waits for a, and c does not wait for b");
        drop(permit);
        assert_eq!(queue.take().unwrap().0, "b");
    }

    #[test]
    fn returns_jobs_if_full_or_closed() {
        let shared = FairQueue::new(8, 1, 1);
        let now = Instant::now();
        shared.push(0, now, 1).unwrap();
        assert_eq!(
            (shared.push(0, now, 2), shared.push(1, now, 3)),
            (Err(2), Ok(())),
            "one key leaves room for others"
        );
        let queue = FairQueue::new(1, 1, 1);
        let now = Instant::now();
        queue.push(0, now, 1).unwrap();
        assert_eq!(queue.push(0, now, 2), Err(2));
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.oldest(now + Duration::from_secs(3)), Duration::from_secs(3));
        queue.close();
        assert_eq!(queue.push(0, now, 3), Err(3));
        assert_eq!(queue.take().map(|(job, ..)| job), Some(1));
        assert!(queue.take().is_none());
        assert_eq!(queue.oldest(now), Duration::ZERO);
    }

    #[test]
    fn supports_lower_limits_for_some_keys() {
        let half = |key: char, most| if key == 'a' { most / 2 } else { most };
        let queue = FairQueue::new(16, 4, 2).with_share(QueueShare { queued: half, active: half });
        let push = |key| queue.push(key, Instant::now(), key).is_ok();
        assert_eq!(['a', 'a', 'a', 'b', 'b', 'b'].map(push), [true, true, false, true, true, true]);
        let running: Vec<_> = (0..3).map(|_| queue.take().unwrap()).collect();
        assert_eq!(running.iter().map(|(job, _)| *job).collect::<String>(), "abb", "one of a, two of b");
        let none = FairQueue::new(4, 1, 1).with_share(QueueShare { queued: |_, _| 0, active: |_, _| 0 });
        none.push('a', Instant::now(), 'a').unwrap();
        assert_eq!(none.take().unwrap().0, 'a', "at least one");
    }

    #[test]
    fn a_joint_limit_leaves_room_for_other_keys() {
        let shared_limit = SharedLimit { includes: |key: char| key.is_lowercase(), queued: 5, active: 3 };
        let queue = FairQueue::new(8, 4, 2).with_joint(shared_limit);
        let push = |key| queue.push(key, Instant::now(), key);
        // One key gets as many as without the limit, all keys together fewer.
        let pushed = ['a', 'a', 'a', 'b', 'b', 'c', 'X', 'X'].map(|key| push(key).is_ok());
        assert_eq!(pushed, [true, true, true, true, true, false, true, true]);
        let mut running: Vec<_> = (0..4).map(|_| queue.take().unwrap()).collect();
        assert_eq!(running.iter().map(|(job, _)| *job).collect::<String>(), "aabX", "2 of a, 3 of a and b");
        assert_eq!(push('c'), Ok(()), "there is room in the queue again");
        running.push(queue.take().unwrap());
        assert_eq!(running.last().unwrap().0, 'X');
        running.remove(2);
        assert_eq!(queue.take().unwrap().0, 'b', "2 of a are active");
        running.remove(0);
        assert_eq!(queue.take().unwrap().0, 'a');
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn wakes_workers_for_jobs_permits_and_the_end() {
        let queue = FairQueue::new(8, 8, 1);
        let (done, jobs) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..3 {
                let (queue, done) = (&queue, done.clone());
                scope.spawn(move || {
                    while let Some((job, ..)) = queue.take() {
                        done.send(job).unwrap();
                    }
                });
            }
            for job in 0..50 {
                while queue.push(job % 2, Instant::now(), job).is_err() {
                    thread::yield_now();
                }
            }
            let mut seen: Vec<usize> = jobs.iter().take(50).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..50).collect::<Vec<_>>());
            queue.close();
        });
    }
}

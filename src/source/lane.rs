//! The queue before the workers that may wait: bounded, in order, and fair among sources.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Jobs by the number of the source they will wait for.
#[derive(Debug)]
pub struct Lane<J> {
    capacity: usize,
    per_source: usize,
    waiting_per_source: usize,
    state: Mutex<State<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<J> {
    queue: VecDeque<(usize, Instant, J)>,
    active: HashMap<usize, usize>,
    closed: bool,
}

/// A job taken from the lane; its place is given back when this is dropped, whatever became of the job.
#[derive(Debug)]
pub struct Place<'a, J> {
    lane: &'a Lane<J>,
    source: usize,
}

impl<J> Lane<J> {
    /// Room for `capacity` waiting jobs, `waiting_per_source` of one source; `per_source` of one may be taken at a time.
    pub fn new(capacity: usize, waiting_per_source: usize, per_source: usize) -> Self {
        let state = State { queue: VecDeque::new(), active: HashMap::new(), closed: false };
        Self {
            capacity,
            per_source: per_source.max(1),
            waiting_per_source: waiting_per_source.max(1),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Adds a job, or gives it back if the lane is full, of this source's jobs or of all, or closed.
    ///
    /// # Errors
    /// The job itself.
    pub fn push(&self, source: usize, since: Instant, job: J) -> Result<(), J> {
        let mut state = self.lock();
        if state.closed || state.queue.len() >= self.capacity {
            return Err(job);
        }
        let waiting = state.queue.iter().filter(|(waiting, ..)| *waiting == source).count();
        if waiting >= self.waiting_per_source {
            return Err(job);
        }
        state.queue.push_back((source, since, job));
        self.changed.notify_one();
        Ok(())
    }

    /// Takes the oldest job whose source has a place free, waiting for one; `None` once the lane is closed and empty.
    pub fn take(&self) -> Option<(J, Instant, Place<'_, J>)> {
        let mut state = self.lock();
        loop {
            let State { queue, active, closed } = &mut *state;
            let free =
                queue.iter().position(|(source, ..)| active.get(source).is_none_or(|count| *count < self.per_source));
            if let Some((source, since, job)) = free.and_then(|at| queue.remove(at)) {
                *active.entry(source).or_default() += 1;
                return Some((job, since, Place { lane: self, source }));
            }
            if *closed && queue.is_empty() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no more jobs; those within are still handed out.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.lock().queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long the oldest one has been waiting.
    pub fn oldest(&self, now: Instant) -> Duration {
        self.lock().queue.front().map_or(Duration::ZERO, |(_, since, _)| now.saturating_duration_since(*since))
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> Place<'_, J> {
    /// What its job waits for.
    pub fn source(&self) -> usize {
        self.source
    }
}

impl<J> Drop for Place<'_, J> {
    fn drop(&mut self) {
        let mut state = self.lane.lock();
        if let Some(count) = state.active.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                state.active.remove(&self.source);
            }
        }
        // A waiting worker may have passed over jobs of this source.
        self.lane.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn hands_out_in_order_with_a_bound_per_source() {
        let lane = Lane::new(8, 8, 1);
        let now = Instant::now();
        for (source, job) in [(0, "a"), (0, "b"), (1, "c")] {
            lane.push(source, now, job).unwrap();
        }
        let (first, _, place) = lane.take().unwrap();
        assert_eq!(first, "a");
        let (second, _, _other) = lane.take().unwrap();
        assert_eq!(second, "c", "b waits for a's place, and c does not wait for b");
        drop(place);
        assert_eq!(lane.take().unwrap().0, "b");
    }

    #[test]
    fn gives_jobs_back_when_full_or_closed() {
        let shared = Lane::new(8, 1, 1);
        let now = Instant::now();
        shared.push(0, now, 1).unwrap();
        assert_eq!(
            (shared.push(0, now, 2), shared.push(1, now, 3)),
            (Err(2), Ok(())),
            "one source leaves room for others"
        );
        let lane = Lane::new(1, 1, 1);
        let now = Instant::now();
        lane.push(0, now, 1).unwrap();
        assert_eq!(lane.push(0, now, 2), Err(2));
        assert_eq!((lane.len(), lane.is_empty()), (1, false));
        assert_eq!(lane.oldest(now + Duration::from_secs(3)), Duration::from_secs(3));
        lane.close();
        assert_eq!(lane.push(0, now, 3), Err(3));
        assert_eq!(lane.take().map(|(job, ..)| job), Some(1));
        assert!(lane.take().is_none());
        assert_eq!(lane.oldest(now), Duration::ZERO);
    }

    #[test]
    fn wakes_workers_for_jobs_places_and_the_end() {
        let lane = Lane::new(8, 8, 1);
        let (done, jobs) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..3 {
                let (lane, done) = (&lane, done.clone());
                scope.spawn(move || {
                    while let Some((job, ..)) = lane.take() {
                        done.send(job).unwrap();
                    }
                });
            }
            for job in 0..50 {
                while lane.push(job % 2, Instant::now(), job).is_err() {
                    thread::yield_now();
                }
            }
            let mut seen: Vec<usize> = jobs.iter().take(50).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..50).collect::<Vec<_>>());
            lane.close();
        });
    }
}

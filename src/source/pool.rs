//! The threads that fetch the pages of pods, for all sources: a fixed number, for any number of pods.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::queue::FairQueue;
use crate::config::limits::Limits;

/// A job for a thread of the pool.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// The share of the pool that a fetch belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Share {
    /// One source's, by its index.
    Source(usize),
    /// The share of all targets whose last fetch failed, from any source.
    Failing,
}

/// The pool; its threads end with the process.
pub(super) struct Pool {
    queue: FairQueue<Share, Job>,
}

/// Results by position, as they arrive.
pub(super) struct Gathered<T> {
    results: Mutex<(Vec<Option<T>>, usize)>,
    more: Condvar,
}

impl Pool {
    /// Starts the threads.
    pub(super) fn start(limits: &Limits) -> io::Result<Arc<Self>> {
        let pool = Arc::new(Self {
            queue: FairQueue::new(limits.fetchers.queue, limits.fetchers.queue, limits.fetchers.threads / 2),
        });
        for number in 0..limits.fetchers.threads {
            let pool = pool.clone();
            thread::Builder::new().name(format!("fetch-{number}")).spawn(move || {
                while let Some((job, _permit)) = pool.queue.take() {
                    job();
                }
            })?;
        }
        Ok(pool)
    }

    /// Queues a job; false if the queue is full.
    pub(super) fn submit(&self, share: Share, job: Job) -> bool {
        self.queue.push(share, Instant::now(), job).is_ok()
    }
}

impl<T> Gathered<T> {
    /// Creates room for this many results.
    pub(super) fn new(count: usize) -> Arc<Self> {
        let results = std::iter::repeat_with(|| None).take(count).collect();
        Arc::new(Self { results: Mutex::new((results, count)), more: Condvar::new() })
    }

    /// Takes the result at this position.
    pub(super) fn put(&self, at: usize, result: T) {
        let mut guard = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let (results, missing) = &mut *guard;
        if let Some(place @ None) = results.get_mut(at) {
            *place = Some(result);
            *missing -= 1;
            if *missing == 0 {
                self.more.notify_all();
            }
        }
    }

    /// Takes all results, or those that have arrived after this time.
    pub(super) fn wait(&self, longest: Duration) -> Vec<Option<T>> {
        let guard = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.more.wait_timeout_while(guard, longest, |(_, missing)| *missing > 0);
        let (mut guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut guard.0)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits::FetcherLimits;

    #[test]
    fn gathers_what_comes_in_time() {
        let limits = Limits { fetchers: FetcherLimits { threads: 2, queue: 3 }, ..Limits::default() };
        let pool = Pool::start(&limits).unwrap();
        let gathered = Gathered::new(3);
        for at in 0..3 {
            let gathered = gathered.clone();
            assert!(pool.submit(Share::Source(at), Box::new(move || gathered.put(at, at * 10))));
        }
        assert_eq!(gathered.wait(Duration::from_secs(60)), [Some(0), Some(10), Some(20)]);
        let late = Gathered::new(2);
        late.put(1, "there");
        late.put(1, "twice");
        assert_eq!(late.wait(Duration::ZERO), [None, Some("there")]);
        late.put(0, "too late");
        assert!(late.wait(Duration::ZERO).is_empty());
    }
}

//! The threads that fetch the pages of pods, for all sources: a fixed number, for any number of pods.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::queue::FairQueue;
use crate::config::limits::Limits;

/// A job for a thread of the pool.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// The share of the pool that a fetch belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Share {
    /// The share of one source, by its index.
    Source(usize),
    /// The share of all targets of any source whose last fetch failed.
    Failing,
}

/// The pool; its threads end with the process.
pub(super) struct Pool {
    queue: FairQueue<Share, Job>,
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

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use super::*;
    use crate::config::limits::FetcherLimits;

    #[test]
    fn runs_jobs_within_the_limits() {
        let limits = Limits { fetchers: FetcherLimits { threads: 2, queue: 3 }, ..Limits::default() };
        let pool = Pool::start(&limits).unwrap();
        let (sender, results) = mpsc::channel();
        // Both threads are kept until the end.
        let (release, gate) = mpsc::sync_channel::<()>(0);
        let gate = Arc::new(Mutex::new(gate));
        let submit = |number: usize| {
            let (sender, gate) = (sender.clone(), gate.clone());
            let job = move || {
                let _ = gate.lock().unwrap().recv();
                let _ = sender.send(number);
            };
            pool.submit(Share::Source(number), Box::new(job))
        };
        let mut waiting = 0;
        // Two run, and three wait.
        while waiting < 5 {
            waiting += usize::from(submit(waiting));
        }
        assert!(!submit(5));
        drop(release);
        let mut ran: Vec<usize> = (0..5).map(|_| results.recv().unwrap()).collect();
        ran.sort_unstable();
        assert_eq!(ran, [0, 1, 2, 3, 4]);
    }
}

//! The workers that may wait for a source, one pool for all listeners; and what every worker does: ask the API, and
//! turn a bug there into one 500.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use log::error;

use crate::api::message::{Reply, Request};
use crate::api::{Answer, Api};
use crate::config::limits::Limits;
use crate::metrics::trace::Trace;
use crate::source::cache::Wait;
use crate::source::lane::Lane;
use crate::telemetry::clock::{Clock, Now};

/// A request that has to wait for a source: called with what answers it, it sees to the answer's way back.
pub type Job = Box<dyn FnOnce(&dyn Fn(&Request<'_>) -> Reply) + Send>;

/// Asks the API, at once or by a worker that may wait.
pub struct Workers {
    api: Arc<Api>,
    lane: Lane<(Now, Job)>,
    limits: Limits,
    clock: Clock,
}

/// The threads that wait.
pub struct Threads {
    workers: Arc<Workers>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn start(api: Arc<Api>, limits: &Limits, clock: Clock) -> io::Result<Threads> {
        let lane = Lane::new(limits.workers.queue, limits.workers.queue / 2, limits.workers.blocking / 2);
        let workers = Arc::new(Self { api, lane, limits: limits.clone(), clock });
        let mut threads = Vec::new();
        for number in 0..limits.workers.blocking {
            let workers = workers.clone();
            threads.push(spawn(&format!("metric-{number}"), move || workers.work())?);
        }
        Ok(Threads { workers, threads })
    }

    /// The API.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Every cap and timeout.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What time it is.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Answers from memory, or says which source would have to be waited for.
    pub fn answer(&self, request: &Request<'_>, since: Now) -> Answer {
        self.ask(request, Wait::No, since)
    }

    /// Has a worker answer that may wait for this source; at once and with 503 if there is none to be had.
    pub fn wait(&self, source: usize, since: Now, job: Job) {
        if let Err((_, job)) = self.lane.push(source, since.monotonic, (since, job)) {
            job(&|_| self.api.overloaded(source));
        }
    }

    /// Whether those who wait for a worker get one. Counts them, too.
    pub fn is_alive(&self) -> bool {
        self.api.queued(self.lane.len());
        self.lane.oldest(self.now().monotonic) <= 2 * self.limits.answer.deadline
    }

    fn work(&self) {
        while let Some(((since, job), _, place)) = self.lane.take() {
            let deadline = since.monotonic + self.limits.answer.deadline;
            job(&|request| {
                if self.now().monotonic >= deadline {
                    return self.api.overloaded(place.source());
                }
                match self.ask(request, Wait::Until(deadline), since) {
                    Answer::Reply(reply) => reply,
                    Answer::WouldWait(source) => self.api.overloaded(source),
                }
            });
        }
    }

    fn ask(&self, request: &Request<'_>, wait: Wait, since: Now) -> Answer {
        let answer = || self.api.answer(request, wait, since, &mut Trace::off());
        catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| {
            error!("a bug: panicked while answering a request; the line above says where");
            Answer::Reply(self.api.bug())
        })
    }
}

impl Threads {
    /// The workers, for listeners.
    pub fn workers(&self) -> Arc<Workers> {
        self.workers.clone()
    }

    /// Takes no more jobs and finishes those within, until the deadline. Whether all were finished.
    pub fn stop(&self, deadline: Instant) -> bool {
        self.workers.lane.close();
        join(&self.threads, deadline)
    }
}

/// A thread with a name.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Threads cannot be joined by a deadline; they are watched instead, at shutdown only. Whether all have ended.
pub(super) fn join(threads: &[JoinHandle<()>], deadline: Instant) -> bool {
    while !threads.iter().all(JoinHandle::is_finished) {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

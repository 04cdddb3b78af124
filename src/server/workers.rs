//! The blocking workers, one pool for all listeners. Every worker calls the API, and turns a panic into a single 500.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use log::error;

use crate::api::message::{Reply, Request};
use crate::api::{Answer, Api};
use crate::config::limits::{Limits, WorkerLimits};
use crate::metrics::trace::Trace;
use crate::source::queue::{FairQueue, QueueShare, SharedLimit};
use crate::source::waiting::{AllowedWaits, Waiting};
use crate::telemetry::clock::{Clock, Now};

/// A waiting request that a listener holds.
pub(crate) trait Pending: Send {
    /// Calls `answer` with the request; called several times if the request has to wait again.
    fn with_request(&self, answer: &dyn Fn(&Request<'_>) -> Answer) -> Answer;

    /// Sends the reply.
    fn reply(self: Box<Self>, reply: Reply);
}

/// A queued request.
struct Job {
    since: Now,
    /// The resources that the request may wait for, in addition to `waiting`.
    waits: AllowedWaits,
    waiting: Waiting,
    pending: Box<dyn Pending>,
}

/// Answers requests from memory, or by a worker that waits.
pub(crate) struct Workers {
    api: Arc<Api>,
    queue: FairQueue<Waiting, Job>,
    limits: Limits,
    clock: Clock,
}

/// The blocking workers' threads.
pub(crate) struct Threads {
    workers: Arc<Workers>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub(crate) fn start(api: Arc<Api>, limits: &Limits, clock: Clock) -> io::Result<Threads> {
        let WorkerLimits { blocking, queue, .. } = limits.workers;
        let shared_limit = SharedLimit {
            includes: Waiting::is_for_kubernetes,
            queued: limits.workers.kubernetes_queue,
            active: limits.workers.kubernetes,
        };
        let share = QueueShare { queued: Waiting::queued, active: Waiting::active };
        let queue = FairQueue::new(queue, queue / 2, blocking / 2).with_joint(shared_limit).with_share(share);
        let workers = Arc::new(Self { api, queue, limits: limits.clone(), clock });
        let mut threads = Vec::new();
        for number in 0..blocking {
            let workers = workers.clone();
            threads.push(spawn(&format!("metric-{number}"), move || workers.work())?);
        }
        Ok(Threads { workers, threads })
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// All limits and timeouts.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The clock.
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Answers from memory, or returns what the request has to wait for.
    pub(crate) fn answer(&self, request: &Request<'_>, since: Now) -> Answer {
        self.with_request(request, AllowedWaits::NONE, since)
    }

    /// Queues the job for a blocking worker. If the queue is full, the reply is an immediate 503.
    pub(crate) fn wait(&self, waiting: Waiting, since: Now, pending: Box<dyn Pending>) {
        let waits = AllowedWaits::by(since.monotonic + self.limits.answer.deadline);
        self.enqueue(Job { since, waits, waiting, pending });
    }

    /// Whether queued requests are being taken; also exports their number.
    pub(crate) fn is_alive(&self) -> bool {
        self.api.queued(self.queue.len());
        self.queue.oldest(self.now().monotonic) <= 2 * self.limits.answer.deadline
    }

    fn enqueue(&self, job: Job) {
        let since = job.since.monotonic;
        if let Err(job) = self.queue.push(job.waiting, since, job) {
            self.overloaded(job);
        }
    }

    fn work(&self) {
        while let Some((job, _permit)) = self.queue.take() {
            self.step(job);
        }
    }

    /// Waits for the resource that the job is queued for, and answers, or queues the job for the next one.
    fn step(&self, job: Job) {
        let Job { since, waits, waiting, .. } = job;
        if self.now().monotonic >= since.monotonic + self.limits.answer.deadline {
            return self.overloaded(job);
        }
        let waits = waits.with(waiting);
        match job.pending.with_request(&|request| self.with_request(request, waits, since)) {
            Answer::Reply(reply) => job.pending.reply(reply),
            Answer::WouldWait(waiting) => self.enqueue(Job { waits, waiting, ..job }),
        }
    }

    fn overloaded(&self, job: Job) {
        let overloaded = |request: &Request<'_>| Answer::Reply(self.api.overloaded(request, job.waiting, job.since));
        if let Answer::Reply(reply) = job.pending.with_request(&overloaded) {
            job.pending.reply(reply);
        }
    }

    fn with_request(&self, request: &Request<'_>, waits: AllowedWaits, since: Now) -> Answer {
        let answer = || self.api.answer(request, waits, since, &mut Trace::off());
        catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| {
            error!("a bug: panicked while answering a request; see the line above");
            Answer::Reply(self.api.bug(request, since))
        })
    }
}

impl Threads {
    /// The workers, for listeners.
    pub(crate) fn workers(&self) -> Arc<Workers> {
        self.workers.clone()
    }

    /// Accepts no more jobs and finishes the queued ones until the deadline; returns whether all were finished.
    pub(crate) fn stop(&self, deadline: Instant) -> bool {
        self.workers.queue.close();
        join(&self.threads, deadline)
    }
}

/// Starts a thread with a name.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Threads cannot be joined with a deadline, so they are polled, only at shutdown. Returns whether all have ended.
pub(super) fn join(threads: &[JoinHandle<()>], deadline: Instant) -> bool {
    while !threads.iter().all(JoinHandle::is_finished) {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

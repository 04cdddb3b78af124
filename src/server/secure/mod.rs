//! The secure listener: HTTPS by rustls, for the kube-apiserver, kubelet and Prometheus, and open to every pod in the cluster.
//!
//! Every socket is non-blocking. Each worker waits on an epoll of its own: `acceptor` makes handshakes, `connection_loop` reads
//! requests and answers from memory. Neither ever waits for a peer or a source, so that a slow one costs a few kilobytes until
//! its deadline. Requests that have to wait go to the [`Workers`] of all listeners.

mod acceptor;
pub mod certificates;
mod connection;
mod connection_loop;
mod h1;
#[cfg(any(test, fuzzing))]
pub mod harness;
mod poll;
mod slots;
mod tls;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Instant;

use log::error;
use rustix::process::{Resource, getrlimit};
use rustls::ServerConfig;

use self::acceptor::{Acceptor, AcceptorHandle};
use self::certificates::Certificate;
use self::connection_loop::{ConnectionLoop, Inbox};
use self::slots::Slots;
use super::workers::{Workers, join, spawn};
use crate::config::cli::TlsVersion;
use crate::telemetry::counters::Counters;

/// A running secure listener.
pub struct Secure {
    shared: Arc<Shared>,
    address: SocketAddr,
    from: TlsVersion,
    acceptors: Vec<Arc<AcceptorHandle>>,
    halls: Vec<Arc<Inbox>>,
    threads: Vec<JoinHandle<()>>,
}

/// What all workers of the listener share.
struct Shared {
    workers: Arc<Workers>,
    slots: Arc<Slots>,
    counters: Arc<Counters>,
    tls: RwLock<Arc<ServerConfig>>,
    stage: AtomicU8,
    /// Acceptors that have not ended.
    acceptors: AtomicUsize,
    paused: AtomicBool,
    started: Instant,
    /// When each worker last gave a sign of life, in milliseconds since the start.
    beats: Vec<AtomicU64>,
}

/// Serving, leaving (every answer is a connection's last), draining (nothing new is accepted).
const LEAVING: u8 = 1;
const DRAINING: u8 = 2;

impl Secure {
    /// Binds and starts serving with this certificate. `on_failure` is told when a worker has stopped for good on its own.
    ///
    /// # Errors
    /// If the address cannot be bound, or the system has no more files or threads.
    pub fn start(
        addresses: &[SocketAddr],
        certificate: &Certificate,
        from: TlsVersion,
        workers: Arc<Workers>,
        counters: Arc<Counters>,
        on_failure: impl Fn(String) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let limits = workers.limits().clone();
        let listener = TcpListener::bind(addresses)?;
        // Accepted sockets inherit it.
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        // std's own backlog is small; listening again changes it.
        rustix::net::listen(&listener, limits.connection.backlog)?;
        listener.set_nonblocking(true)?;
        let (address, listener) = (listener.local_addr()?, Arc::new(listener));
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let shared = Arc::new(Shared {
            slots: Arc::new(Slots::new(&limits, files, counters.clone())),
            counters,
            tls: RwLock::new(tls::config(certificate.key(), from).map_err(io::Error::other)?),
            stage: AtomicU8::new(0),
            acceptors: AtomicUsize::new(limits.workers.fast),
            paused: AtomicBool::new(false),
            started: workers.now().monotonic,
            beats: (0..2 * limits.workers.fast).map(|_| AtomicU64::new(0)).collect(),
            workers,
        });
        shared.certificate_installed(certificate);
        let mut secure = Self { shared, address, from, acceptors: Vec::new(), halls: Vec::new(), threads: Vec::new() };
        for number in 0..limits.workers.fast {
            let hall = ConnectionLoop::new(secure.shared.clone())?;
            secure.halls.push(hall.inbox());
            secure.spawn(&format!("fast-{number}"), number, &on_failure, move |beat| hall.run(beat))?;
        }
        let mut acceptors = Vec::new();
        for _ in 0..limits.workers.fast {
            let door = Acceptor::new(secure.shared.clone(), listener.clone(), secure.halls.clone())?;
            secure.acceptors.push(door.handle());
            acceptors.push(door);
        }
        for (number, mut door) in acceptors.into_iter().enumerate() {
            door.meet(secure.acceptors.clone());
            let shared = secure.shared.clone();
            secure.spawn(&format!("handshake-{number}"), limits.workers.fast + number, &on_failure, move |beat| {
                let ended = door.run(beat);
                shared.acceptors.fetch_sub(1, Ordering::SeqCst);
                ended
            })?;
        }
        Ok(secure)
    }

    fn spawn(
        &mut self,
        name: &str,
        number: usize,
        on_failure: &(impl Fn(String) + Clone + Send + 'static),
        work: impl FnOnce(&dyn Fn(Instant)) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let (shared, on_failure) = (self.shared.clone(), on_failure.clone());
        let name_of = name.to_owned();
        self.threads.push(spawn(name, move || {
            // However it ends, by a bug as well: a worker that is missing must not go unnoticed.
            let told = ExitGuard { name: name_of, shared: shared.clone(), on_failure };
            if let Err(failure) = work(&|now| shared.beat(number, now)) {
                error!("{} stopped: {failure}", told.name);
            }
        })?);
        Ok(())
    }

    /// Where it listens; the port is the one that was given where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Uses another certificate for handshakes to come.
    ///
    /// # Errors
    /// If rustls does not take it.
    pub fn install(&self, certificate: &Certificate) -> Result<(), rustls::Error> {
        let config = tls::config(certificate.key(), self.from)?;
        *self.shared.tls.write().unwrap_or_else(PoisonError::into_inner) = config;
        self.shared.certificate_installed(certificate);
        Ok(())
    }

    /// Whether every worker gave a sign of life lately.
    pub fn is_alive(&self) -> bool {
        let limit = self.shared.workers.limits().workers.stall;
        let age = self.shared.workers.now().monotonic.saturating_duration_since(self.shared.started);
        let recent = |beat: &AtomicU64| u128::from(beat.load(Ordering::Relaxed)) + limit.as_millis() >= age.as_millis();
        self.shared.beats.iter().all(recent)
    }

    /// From now on every answer is its connection's last, so that clients go elsewhere.
    pub fn leave(&self) {
        self.shared.stage.store(LEAVING, Ordering::SeqCst);
    }

    /// Accepts no more, ends idle connections and finishes requests under way, until the deadline. Whether all were
    /// finished.
    pub fn stop(&self, deadline: Instant) -> bool {
        self.shared.stage.store(DRAINING, Ordering::SeqCst);
        self.acceptors.iter().for_each(|handle| handle.wake());
        self.halls.iter().for_each(|inbox| inbox.wake());
        join(&self.threads, deadline)
    }
}

impl Shared {
    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn tls(&self) -> Arc<ServerConfig> {
        self.tls.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn certificate_installed(&self, certificate: &Certificate) {
        self.counters.connections.certificate_expires.set(certificate.not_after());
    }

    fn is_leaving(&self) -> bool {
        self.stage.load(Ordering::Relaxed) >= LEAVING
    }

    fn is_draining(&self) -> bool {
        self.stage.load(Ordering::Relaxed) >= DRAINING
    }

    /// Whether no connection can come any more.
    fn acceptors_stopped(&self) -> bool {
        self.acceptors.load(Ordering::SeqCst) == 0
    }

    /// The first pause is told, and that it is over; not each one.
    fn accepting_paused(&self, tell: impl FnOnce()) {
        if !self.paused.swap(true, Ordering::Relaxed) {
            tell();
        }
    }

    /// Whether there was a pause since all who waited were accepted.
    fn is_short(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    fn accepting_again(&self, tell: impl FnOnce()) {
        if self.paused.swap(false, Ordering::Relaxed) {
            tell();
        }
    }

    fn beat(&self, number: usize, now: Instant) {
        let age = now.saturating_duration_since(self.started).as_millis();
        let age = u64::try_from(age).unwrap_or(u64::MAX);
        self.beats.get(number).into_iter().for_each(|beat| beat.store(age, Ordering::Relaxed));
    }
}

/// Tells when a worker ends that should not.
struct ExitGuard<F: Fn(String)> {
    name: String,
    shared: Arc<Shared>,
    on_failure: F,
}

impl<F: Fn(String)> Drop for ExitGuard<F> {
    fn drop(&mut self) {
        if !self.shared.is_draining() {
            (self.on_failure)(format!("{} has ended", self.name));
        }
    }
}

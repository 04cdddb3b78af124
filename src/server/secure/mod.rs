//! The secure listener: HTTPS by rustls, for the kube-apiserver, kubelet and Prometheus, and open to every pod in the
//! cluster.
//!
//! Every socket is non-blocking. Each thread waits on its own epoll: `acceptor` makes handshakes, `connection_loop`
//! reads requests and answers from memory. Neither ever waits for a peer or a source, so that a slow one costs only a
//! few kilobytes until its deadline. Requests that have to wait go to the [`Workers`] of all listeners.

mod acceptor;
pub(crate) mod certificates;
mod connection;
mod connection_loop;
mod h1;
#[cfg(any(test, fuzzing))]
pub(crate) mod harness;
mod poll;
mod reply_head;
mod shared;
mod slots;
mod tls;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use log::error;
use rustix::process::{Resource, getrlimit};

use self::acceptor::{Acceptor, AcceptorHandle};
use self::certificates::Certificate;
use self::connection_loop::{ConnectionLoop, Inbox};
use self::shared::Shared;
use self::slots::Slots;
use super::workers::{Workers, join, spawn};
use crate::config::cli::TlsVersion;
use crate::telemetry::counters::Counters;

/// A running secure listener.
pub(crate) struct Secure {
    shared: Arc<Shared>,
    address: SocketAddr,
    from: TlsVersion,
    acceptors: Vec<Arc<AcceptorHandle>>,
    inboxes: Vec<Arc<Inbox>>,
    threads: Vec<JoinHandle<()>>,
}

impl Secure {
    /// Binds and starts serving with this certificate. `on_failure` is called when a thread has stopped for good on its
    /// own.
    ///
    /// # Errors
    /// If the address cannot be bound, or the system has no more files or threads.
    pub(crate) fn start(
        addresses: &[SocketAddr],
        certificate: &Certificate,
        from: TlsVersion,
        workers: Arc<Workers>,
        counters: Arc<Counters>,
        on_failure: impl Fn(String) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let limits = workers.limits().clone();
        let listener = TcpListener::bind(addresses)?;
        // Accepted sockets inherit this option.
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        // std's own backlog is small; listening again changes it.
        rustix::net::listen(&listener, limits.connection.backlog)?;
        listener.set_nonblocking(true)?;
        let (address, listener) = (listener.local_addr()?, Arc::new(listener));
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let slots = Arc::new(Slots::new(&limits, files, counters.clone()));
        let tls = tls::config(certificate.key(), from).map_err(io::Error::other)?;
        let shared = Arc::new(Shared::new(workers, slots, counters, tls, limits.workers.fast));
        shared.certificate_installed(certificate);
        let mut secure =
            Self { shared, address, from, acceptors: Vec::new(), inboxes: Vec::new(), threads: Vec::new() };
        for number in 0..limits.workers.fast {
            let connection_loop = ConnectionLoop::new(secure.shared.clone())?;
            secure.inboxes.push(connection_loop.inbox());
            secure.spawn(&format!("fast-{number}"), number, &on_failure, move |beat| connection_loop.run(beat))?;
        }
        let mut acceptors = Vec::new();
        for _ in 0..limits.workers.fast {
            let acceptor = Acceptor::new(secure.shared.clone(), listener.clone(), secure.inboxes.clone())?;
            secure.acceptors.push(acceptor.handle());
            acceptors.push(acceptor);
        }
        for (number, mut acceptor) in acceptors.into_iter().enumerate() {
            acceptor.set_peers(secure.acceptors.clone());
            let shared = secure.shared.clone();
            secure.spawn(&format!("handshake-{number}"), limits.workers.fast + number, &on_failure, move |beat| {
                let ended = acceptor.run(beat);
                shared.acceptor_ended();
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
            // Also after a panic: a missing worker must be noticed.
            let guard = ExitGuard { name: name_of, shared: shared.clone(), on_failure };
            if let Err(failure) = work(&|now| shared.beat(number, now)) {
                error!("{} stopped: {failure}", guard.name);
            }
        })?);
        Ok(())
    }

    /// The address, with the port that the system chose for 0.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Uses another certificate for new handshakes.
    ///
    /// # Errors
    /// If rustls rejects it.
    pub(crate) fn install(&self, certificate: &Certificate) -> Result<(), rustls::Error> {
        let config = tls::config(certificate.key(), self.from)?;
        self.shared.install(config, certificate);
        Ok(())
    }

    /// Whether every worker has recorded a heartbeat recently.
    pub(crate) fn is_alive(&self) -> bool {
        self.shared.is_alive()
    }

    /// Closes each connection after its next response, so that clients connect elsewhere.
    pub(crate) fn leave(&self) {
        self.shared.leave();
    }

    /// Stops accepting, closes idle connections and finishes requests in progress, until the deadline. Returns whether
    /// all were finished.
    pub(crate) fn stop(&self, deadline: Instant) -> bool {
        self.shared.drain();
        self.acceptors.iter().for_each(|handle| handle.wake());
        self.inboxes.iter().for_each(|inbox| inbox.wake());
        join(&self.threads, deadline)
    }
}

/// Reports a worker that ends unexpectedly.
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

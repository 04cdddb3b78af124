//! The acceptor: accepts connections, makes TLS handshakes as bytes arrive, and hands finished connections to
//! connection workers. It never blocks on a peer, so thousands of half-open connections cost memory, not threads.

use std::collections::BTreeMap;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use log::{debug, error, info, warn};
use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags, accept_with, shutdown};
use rustls::ServerConnection;

use super::connection::handshake::Handshake;
use super::connection::{Connection, IDLE, SWEEP};
use super::connection_loop::Inbox;
use super::poll::{Interest, Poller, Ready, Waker};
use super::shared::Shared;
use crate::telemetry::connections::HandshakeFailure;

/// The token of the listening socket's events.
const LISTENER: u64 = u64::MAX - 1;

/// The number of connections accepted before handshakes get a turn.
const BATCH: usize = 64;

/// One acceptor thread.
pub(super) struct Acceptor {
    shared: Arc<Shared>,
    poller: Poller,
    listener: Listener,
    /// Handshakes by number, in order of acceptance.
    handshakes: BTreeMap<u64, ParkedHandshake>,
    next: u64,
    own: Arc<AcceptorHandle>,
    /// All acceptors, including this one.
    acceptors: Vec<Arc<AcceptorHandle>>,
    /// Connection workers.
    inboxes: Vec<Arc<Inbox>>,
}

/// A handshake, and the readiness that it waits for.
struct ParkedHandshake {
    connection: Box<Connection<TcpStream>>,
    interest: Interest,
}

/// The state that acceptors share.
#[derive(Debug)]
pub(super) struct AcceptorHandle {
    handshakes: AtomicUsize,
    /// Handshakes to evict for new connections of other acceptors.
    evictions: AtomicUsize,
    waker: Waker,
}

/// The state of the listening socket for this worker.
struct Listener {
    socket: Arc<TcpListener>,
    state: Accepting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepting {
    Yes,
    /// Paused until this time, because descriptors or memory ran out.
    Paused(Instant),
    /// Closed permanently.
    No,
}

impl Acceptor {
    pub(super) fn new(shared: Arc<Shared>, socket: Arc<TcpListener>, inboxes: Vec<Arc<Inbox>>) -> io::Result<Self> {
        let poller = Poller::new()?;
        poller.add_shared(&socket, LISTENER)?;
        let listener = Listener { socket, state: Accepting::Yes };
        let handle =
            AcceptorHandle { handshakes: AtomicUsize::new(0), evictions: AtomicUsize::new(0), waker: poller.waker() };
        let (own, acceptors) = (Arc::new(handle), Vec::new());
        Ok(Self { shared, poller, listener, handshakes: BTreeMap::new(), next: 0, own, acceptors, inboxes })
    }

    pub(super) fn handle(&self) -> Arc<AcceptorHandle> {
        self.own.clone()
    }

    /// Sets the handles of all acceptors, including this one.
    pub(super) fn set_peers(&mut self, acceptors: Vec<Arc<AcceptorHandle>>) {
        self.acceptors = acceptors;
    }

    /// Runs until the server drains and every handshake has ended. `beat` records a heartbeat.
    pub(super) fn run(mut self, beat: impl Fn(Instant)) -> io::Result<()> {
        let mut ready: Vec<Ready> = Vec::new();
        let mut swept = self.shared.workers.now().monotonic;
        loop {
            let longest = if self.handshakes.is_empty() && !self.shared.is_out_of_resources() { IDLE } else { SWEEP };
            self.poller.wait(longest, &mut ready)?;
            let now = self.shared.workers.now().monotonic;
            beat(now);
            for Ready { token, .. } in &ready {
                match *token {
                    LISTENER => _ = self.accept(now)?,
                    id => self.continue_handshake(id, now),
                }
            }
            for _ in 0..self.own.evictions.swap(0, Ordering::Relaxed) {
                self.evict();
            }
            if now.saturating_duration_since(swept) >= SWEEP {
                swept = now;
                self.sweep(now)?;
            }
            if self.shared.is_draining() {
                self.close(now)?;
                if self.handshakes.is_empty() {
                    return Ok(());
                }
            }
        }
    }

    /// Accepts a batch of waiting connections; false if there are none, or none can be accepted.
    fn accept(&mut self, now: Instant) -> io::Result<bool> {
        for _ in 0..BATCH {
            match accept_with(&self.listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => self.admit(TcpStream::from(socket), now),
                Err(Errno::AGAIN) => {
                    // Logged only once no connection is waiting, so that it is not repeated while descriptors come and go.
                    self.shared.accepting_again(|| info!("accepting connections again"));
                    return Ok(false);
                }
                // Another worker has stopped listening.
                Err(Errno::INVAL) if self.shared.is_draining() => return Ok(false),
                // The client has gone, a signal arrived, or the network reported an error: accept(2) lists these.
                Err(
                    Errno::CONNABORTED
                    | Errno::INTR
                    | Errno::PROTO
                    | Errno::PERM
                    | Errno::NETDOWN
                    | Errno::NOPROTOOPT
                    | Errno::HOSTDOWN
                    | Errno::NONET
                    | Errno::HOSTUNREACH
                    | Errno::OPNOTSUPP
                    | Errno::NETUNREACH,
                ) => {}
                Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    self.pause(errno, now)?;
                    return Ok(false);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(true)
    }

    fn admit(&mut self, socket: TcpStream, now: Instant) {
        let counters = &self.shared.counters().connections;
        counters.accepted.increment();
        let slot = match self.shared.slots.enter() {
            Ok(slot) => slot,
            Err(why) => return counters.refuse(why),
        };
        let tls = match ServerConnection::new(self.shared.tls()) {
            Ok(tls) => tls,
            Err(failure) => return error!("a bug: no TLS for a connection: {failure}"),
        };
        let id = self.next;
        self.next += 1;
        if let Err(failure) = self.poller.add(&socket, id, Interest::Read) {
            return warn!("cannot watch a connection: {failure}");
        }
        let connection = Box::new(Connection::new(socket, tls, slot, now));
        self.handshakes.insert(id, ParkedHandshake { connection, interest: Interest::Read });
        if self.shared.slots.must_evict() {
            self.make_room();
        }
    }

    /// Evicts the oldest unverified connection of the acceptor or connection worker that has most of them.
    fn make_room(&mut self) {
        self.own.handshakes.store(self.handshakes.len(), Ordering::Relaxed);
        let served = self.inboxes.iter().max_by_key(|inbox| inbox.unverified());
        let handle = self.acceptors.iter().max_by_key(|handle| handle.handshakes.load(Ordering::Relaxed));
        let handshakes = handle.map_or(0, |handle| handle.handshakes.load(Ordering::Relaxed));
        match (served, handle) {
            (Some(inbox), _) if inbox.unverified() > handshakes => inbox.evict(),
            (_, Some(handle)) if handshakes > self.handshakes.len() => {
                handle.evictions.fetch_add(1, Ordering::Relaxed);
                handle.waker.wake();
            }
            _ => self.evict(),
        }
    }

    /// Ends the oldest handshake.
    fn evict(&mut self) {
        if let Some(id) = self.handshakes.keys().next().copied() {
            self.end(id, HandshakeFailure::Evicted);
        }
        self.own.handshakes.store(self.handshakes.len(), Ordering::Relaxed);
    }

    fn continue_handshake(&mut self, id: u64, now: Instant) {
        let Some(ParkedHandshake { connection, interest: parked }) = self.handshakes.get_mut(&id) else { return };
        match connection.handshake(now) {
            Handshake::Park(interest) if interest == *parked => {}
            Handshake::Park(interest) => {
                *parked = interest;
                if let Err(failure) = self.poller.change(connection.socket(), id, interest) {
                    debug!("cannot watch a connection: {failure}");
                    self.end(id, HandshakeFailure::Closed);
                }
            }
            Handshake::Failed(why) => self.end(id, why),
            Handshake::Done => self.dispatch(id),
        }
    }

    /// Classifies the client, and passes the connection to the worker with the fewest connections.
    fn dispatch(&mut self, id: u64) {
        let Some(ParkedHandshake { mut connection, .. }) = self.handshakes.remove(&id) else { return };
        let counters = &self.shared.counters().connections;
        if connection.is_unproven() {
            counters.unproven_certificates.increment();
        }
        let peer = connection.peer().cloned();
        let client_class = self.shared.workers.api().client_class(peer.as_deref());
        if let Err(why) = connection.slot().set_client_class(client_class) {
            return counters.refuse(why);
        }
        if self.poller.forget(connection.socket()).is_ok()
            && let Some(inbox) = self.inboxes.iter().min_by_key(|inbox| inbox.connections())
        {
            inbox.adopt(connection);
        }
    }

    fn end(&mut self, id: u64, why: HandshakeFailure) {
        self.handshakes.remove(&id);
        self.shared.counters().connections.handshake_failed(why);
    }

    /// Ends overdue handshakes, and resumes accepting after the pause.
    fn sweep(&mut self, now: Instant) -> io::Result<()> {
        let limits = self.shared.workers.limits();
        let overdue = self.handshakes.iter().filter(|(_, parked)| parked.connection.overdue(limits, now).is_some());
        for id in overdue.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id, HandshakeFailure::Timeout);
        }
        match self.listener.state {
            Accepting::Paused(until) if now >= until => {
                self.listener.state = Accepting::Yes;
                self.poller.add_shared(&self.listener.socket, LISTENER)?;
            }
            _ => {}
        }
        // accept(2) may run out of files while no connection waits, and a batch may end with the last connection; no
        // event would end the pause then.
        if self.listener.state == Accepting::Yes && self.shared.is_out_of_resources() {
            self.accept(now)?;
        }
        Ok(())
    }

    /// Pauses accepting, because the socket would be reported as ready again and again.
    fn pause(&mut self, errno: Errno, now: Instant) -> io::Result<()> {
        let pause = self.shared.workers.limits().connection.accept_pause;
        self.poller.forget(&self.listener.socket)?;
        self.listener.state = Accepting::Paused(now + pause);
        self.shared.counters().connections.accept_pauses.increment();
        self.shared.accepting_paused(|| {
            warn!(
                "cannot accept connections: {}; new connections wait until descriptors are free",
                io::Error::from(errno)
            );
        });
        Ok(())
    }

    /// Accepts waiting connections, then stops listening, so that later ones are refused immediately, and clients
    /// connect elsewhere.
    fn close(&mut self, now: Instant) -> io::Result<()> {
        if self.listener.state == Accepting::Yes {
            while self.accept(now)? {}
            if self.listener.state == Accepting::Yes {
                self.poller.forget(&self.listener.socket)?;
            }
            // Another worker may have stopped listening already.
            let _ = shutdown(&self.listener.socket, Shutdown::Read);
        }
        self.listener.state = Accepting::No;
        Ok(())
    }
}

impl AcceptorHandle {
    pub(super) fn wake(&self) {
        self.waker.wake();
    }
}

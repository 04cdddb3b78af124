//! tiny_http's accept loop, with timeouts, and restarted when it ends.
//!
//! tiny_http 0.12 has no timeouts, and its accept loop ends at the first error, such as no free descriptors or threads.
//! Accepted sockets inherit the timeouts of the listening socket, which limit every read and write of a connection. The
//! timeouts also apply to accept(2), so an idle listener is woken by a connection to itself. If the loop ends
//! nevertheless, another server takes over the socket, and the previous one finishes its connections.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use log::{info, warn};
use rustix::net::sockopt::{self, Timeout};
use tiny_http::{Request, Server};

use crate::config::limits::Limits;
use crate::server::workers::{join, spawn};

/// Handles a request.
type Handler = Arc<dyn Fn(Request) + Send + Sync>;

/// Descriptors that must be free before another server accepts; each of its connections takes two.
const SPARE: usize = 24;

/// Receive timeouts without a request after which a replaced server has no connections left.
const IDLE: u32 = 12;

/// Accepts connections until it is stopped.
pub(super) struct LoopbackListener {
    shared: Arc<Inner>,
    address: SocketAddr,
    supervisor: JoinHandle<()>,
}

struct Inner {
    listener: TcpListener,
    handler: Handler,
    receivers_per_server: usize,
    receive: Duration,
    pause: Duration,
    stopping: AtomicBool,
    /// Servers with their receivers; the last one accepts.
    generations: Mutex<Vec<Generation>>,
    events: Sender<Event>,
}

struct Generation {
    server: Arc<Server>,
    receivers: Vec<JoinHandle<()>>,
}

enum Event {
    /// The reason why the accept loop ended.
    Ended(String),
    Stop,
}

impl LoopbackListener {
    /// Binds and starts accepting.
    ///
    /// # Errors
    /// If the address cannot be bound, or a thread cannot be started.
    pub(super) fn start(
        address: SocketAddr,
        limits: &Limits,
        handler: impl Fn(Request) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        // Without it, a response in several writes waits for the peer's delayed ACK: 40 ms.
        sockopt::set_tcp_nodelay(&listener, true)?;
        sockopt::set_socket_timeout(&listener, Timeout::Recv, Some(limits.plain.receive))?;
        sockopt::set_socket_timeout(&listener, Timeout::Send, Some(limits.plain.send))?;
        let address = listener.local_addr()?;
        let (events, inbox) = mpsc::channel();
        let shared = Arc::new(Inner {
            listener,
            handler: Arc::new(handler),
            receivers_per_server: limits.workers.fast,
            receive: limits.plain.receive,
            pause: limits.plain.accept_pause,
            stopping: AtomicBool::new(false),
            generations: Mutex::default(),
            events: events.clone(),
        });
        on_accept_panic(events);
        shared.open()?;
        let supervised = shared.clone();
        let supervisor = spawn("plain-accept", move || supervised.supervise(address, &inbox))?;
        Ok(Self { shared, address, supervisor })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more requests; returns whether all accepted ones were handled by the deadline.
    pub(super) fn stop(&self, deadline: Instant) -> bool {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = self.shared.events.send(Event::Stop);
        // The supervisor ends first, so that it adds no further server.
        let mut stopped = join(std::slice::from_ref(&self.supervisor), deadline);
        // Receivers take the lock.
        let generations = std::mem::take(&mut *self.shared.lock());
        for Generation { server, receivers } in &generations {
            receivers.iter().for_each(|_| server.unblock());
        }
        for Generation { receivers, .. } in &generations {
            stopped &= join(receivers, deadline);
        }
        stopped
    }
}

impl Inner {
    /// Starts a server on the socket.
    fn open(self: &Arc<Self>) -> io::Result<()> {
        let listener = self.listener.try_clone()?;
        let server = Arc::new(Server::from_listener(listener, None).map_err(io::Error::other)?);
        let receivers = (0..self.receivers_per_server).map(|number| {
            let (shared, server) = (self.clone(), server.clone());
            spawn(&format!("plain-{number}"), move || shared.receive(&server, number == 0))
        });
        let receivers = receivers.collect::<io::Result<Vec<_>>>()?;
        let mut generations = self.lock();
        generations.retain(|generation| !generation.receivers.iter().all(JoinHandle::is_finished));
        generations.push(Generation { server, receivers });
        Ok(())
    }

    /// Handles requests until the server ends; if the server was replaced, until its connections have timed out. The
    /// `last` receiver ensures that, because a request that is never received keeps its connection.
    fn receive(&self, server: &Arc<Server>, last: bool) {
        let mut idle = 0;
        while !self.stopping.load(Ordering::SeqCst) {
            match server.recv_timeout(self.receive) {
                Ok(Some(request)) => {
                    idle = 0;
                    (self.handler)(request);
                }
                Ok(None) if self.is_replaced(server) => {
                    idle += 1;
                    if !last || idle > IDLE {
                        return;
                    }
                }
                Ok(None) => {}
                Err(failure) => drop(self.events.send(Event::Ended(failure.to_string()))),
            }
        }
        while let Ok(Some(request)) = server.try_recv() {
            (self.handler)(request);
        }
        // The previous check of the queue may have consumed another receiver's wake-up.
        server.unblock();
    }

    fn is_replaced(&self, server: &Arc<Server>) -> bool {
        self.lock().last().is_some_and(|last| !Arc::ptr_eq(&last.server, server))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Generation>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the accept loop awake, and replaces one that has ended.
    fn supervise(self: &Arc<Self>, address: SocketAddr, inbox: &Receiver<Event>) {
        loop {
            match inbox.recv_timeout(self.receive / 3) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Event::Ended(why)) => {
                    if !self.replace(&why, inbox) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => drop(TcpStream::connect_timeout(&address, self.pause)),
            }
        }
    }

    /// Retries until another server accepts; false if it is stopped meanwhile.
    fn replace(self: &Arc<Self>, why: &str, inbox: &Receiver<Event>) -> bool {
        warn!("plain listener: cannot accept connections: {why}; new connections wait");
        loop {
            match inbox.recv_timeout(self.pause) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                // Another report of the same failure.
                Ok(Event::Ended(_)) => continue,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let spare = (0..SPARE).map(|_| self.listener.try_clone()).collect::<io::Result<Vec<_>>>();
            if spare.is_ok_and(|spare| {
                drop(spare);
                self.open().is_ok()
            }) {
                info!("plain listener: accepting connections again");
                return true;
            }
        }
    }
}

/// tiny_http's accept loop duplicates each socket and starts threads, and panics if the system has no more of either.
fn on_accept_panic(events: Sender<Event>) {
    let before = panic::take_hook();
    let events = Mutex::new(events);
    panic::set_hook(Box::new(move |panic| {
        let said = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        let why = if panic.location().is_some_and(|place| place.file().ends_with("refined_tcp_stream.rs")) {
            "Too many open files"
        } else if said.contains("failed to spawn thread") {
            "Too many threads"
        } else {
            return before(panic);
        };
        let events = events.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = events.send(Event::Ended(why.to_owned()));
    }));
}

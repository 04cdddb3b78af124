//! Connections that are kept for further requests to the same process, limited in number and time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::socket::Socket;
use crate::config::limits::KeptLimits;
use crate::telemetry::clock::Clock;

/// The process at the other end of a client's connections: a hash of the client and the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer(u64);

/// The idle connections of all clients.
pub(crate) struct KeptConnections {
    idle: Mutex<HashMap<(Peer, SocketAddr), Idle>>,
    most: usize,
    longest: Duration,
    clock: Clock,
    key: RandomState,
    clients: AtomicU64,
}

struct Idle {
    socket: Socket,
    since: Instant,
}

impl KeptConnections {
    /// Keeps as many connections as the limits and `files`, the maximum number of open files, allow.
    pub(crate) fn new(limits: &KeptLimits, files: usize, clock: Clock) -> Self {
        Self {
            idle: Mutex::default(),
            most: limits.most(files),
            longest: limits.idle,
            clock,
            key: RandomState::new(),
            clients: AtomicU64::new(0),
        }
    }

    /// Assigns a number to a client. Clients do not share connections, because their credentials may differ.
    pub(super) fn client(&self) -> u64 {
        self.clients.fetch_add(1, Ordering::Relaxed)
    }

    /// The key of a process, from the client's number and the name that the client gives it.
    pub(super) fn peer(&self, client: u64, process: &str) -> Peer {
        Peer(self.key.hash_one((client, process)))
    }

    /// Takes an open connection to this process at this address, if there is one.
    pub(super) fn take(&self, peer: Peer, address: SocketAddr) -> Option<Socket> {
        let idle = self.lock().remove(&(peer, address))?;
        // Unrequested bytes would be parsed as the response.
        (!self.is_old(&idle, self.now()) && idle.socket.is_quiet()).then_some(idle.socket)
    }

    /// Keeps a connection whose exchange has ended properly, unless the limit is reached.
    pub(super) fn put(&self, peer: Peer, address: SocketAddr, socket: Socket) {
        let new = Idle { socket, since: self.now() };
        let mut idle = self.lock();
        let is_full = idle.len() >= self.most;
        let closed = match idle.entry((peer, address)) {
            Entry::Occupied(mut known) => Some(known.insert(new)),
            // No older connection is closed instead: pods are scraped in turn, so an older one is needed sooner.
            Entry::Vacant(_) if is_full => Some(new),
            Entry::Vacant(place) => {
                place.insert(new);
                None
            }
        };
        drop(idle);
        drop(closed);
    }

    /// Closes connections that have been idle for too long.
    pub(crate) fn close_old(&self) {
        let now = self.now();
        let old: Vec<_> = self.lock().extract_if(|_, idle| self.is_old(idle, now)).collect();
        drop(old);
    }

    /// Whether a connection has been idle for too long.
    fn is_old(&self, idle: &Idle, now: Instant) -> bool {
        now.saturating_duration_since(idle.since) >= self.longest
    }

    fn now(&self) -> Instant {
        self.clock.now().monotonic
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Peer, SocketAddr), Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeptConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptConnections").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

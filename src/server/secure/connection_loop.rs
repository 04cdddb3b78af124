//! The connection loop: reads requests, answers from memory, writes answers. A request that has to wait goes to
//! [`Workers`](crate::server::workers::Workers), and its reply comes back through the inbox.

use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Connection, Context, IDLE, NextStep, SWEEP};
use super::h1;
use super::poll::{Interest, Poller, Ready, Waker};
use super::shared::Shared;
use crate::api::Answer;
use crate::api::message::{Reply, Request};
use crate::api::peer::Peer;
use crate::parse::sort::sort;
use crate::server::workers::Pending;
use crate::source::waiting::Waiting;
use crate::telemetry::clock::Now;
use crate::telemetry::connections::Ended;

/// Messages from other threads to one connection worker.
#[derive(Debug)]
pub(super) struct Inbox {
    messages: Mutex<Vec<Message>>,
    waker: Waker,
    /// The number of connections including those in the inbox, and how many of them are unverified.
    connections: AtomicUsize,
    unverified: AtomicUsize,
}

#[derive(Debug)]
enum Message {
    Adopt(Box<Connection<TcpStream>>),
    /// The reply to this connection's waiting request.
    Reply(u64, Reply),
    /// Evict the oldest unverified connection.
    Evict,
}

/// A request that a blocking worker answers, and where its reply goes.
struct PendingRequest {
    id: u64,
    head: Vec<u8>,
    peer: Option<Arc<Peer>>,
    inbox: Arc<Inbox>,
}

/// One connection worker.
pub(super) struct ConnectionLoop {
    shared: Arc<Shared>,
    poller: Poller,
    inbox: Arc<Inbox>,
    connections: HashMap<u64, Parked>,
    next: u64,
    /// Connections that need another turn although their sockets are not ready.
    again: Vec<u64>,
}

struct Parked {
    connection: Box<Connection<TcpStream>>,
    interest: Interest,
    /// Whether it is in `again`.
    is_queued: bool,
}

impl Pending for PendingRequest {
    fn with_request(&self, answer: &dyn Fn(&Request<'_>) -> Answer) -> Answer {
        // The head was parsed before, so this does not happen.
        let unread = || Answer::Reply(Reply::text(500, "Internal error occurred"));
        h1::with_request(&self.head, self.peer.as_deref(), answer).unwrap_or_else(unread)
    }

    fn reply(self: Box<Self>, reply: Reply) {
        self.inbox.put(Message::Reply(self.id, reply));
    }
}

impl Inbox {
    pub(super) fn adopt(&self, connection: Box<Connection<TcpStream>>) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        self.unverified.fetch_add(usize::from(connection.is_unverified()), Ordering::Relaxed);
        self.put(Message::Adopt(connection));
    }

    pub(super) fn evict(&self) {
        self.put(Message::Evict);
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn unverified(&self) -> usize {
        self.unverified.load(Ordering::Relaxed)
    }

    fn left(&self, connection: &Connection<TcpStream>) {
        self.connections.fetch_sub(1, Ordering::SeqCst);
        self.unverified.fetch_sub(usize::from(connection.is_unverified()), Ordering::Relaxed);
    }

    fn put(&self, message: Message) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = messages.is_empty();
        messages.push(message);
        drop(messages);
        // The sender of the first message wakes the worker for all of them.
        if is_first {
            self.waker.wake();
        }
    }

    fn take(&self) -> Vec<Message> {
        std::mem::take(&mut self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ConnectionLoop {
    pub(super) fn new(shared: Arc<Shared>) -> io::Result<Self> {
        let poller = Poller::new()?;
        let inbox = Inbox {
            messages: Mutex::default(),
            waker: poller.waker(),
            connections: AtomicUsize::new(0),
            unverified: AtomicUsize::new(0),
        };
        let inbox = Arc::new(inbox);
        Ok(Self { shared, poller, inbox, connections: HashMap::new(), next: 0, again: Vec::new() })
    }

    pub(super) fn inbox(&self) -> Arc<Inbox> {
        self.inbox.clone()
    }

    /// Runs until the server drains and no request is in progress. `beat` records a heartbeat.
    pub(super) fn run(mut self, beat: impl Fn(Instant)) -> io::Result<()> {
        let mut ready: Vec<Ready> = Vec::new();
        let mut swept = self.shared.workers.now().monotonic;
        loop {
            let longest = match (self.again.is_empty(), self.connections.is_empty()) {
                (false, _) => Duration::ZERO,
                (true, false) => SWEEP,
                (true, true) => IDLE,
            };
            self.poller.wait(longest, &mut ready)?;
            let now = self.shared.workers.now();
            beat(now.monotonic);
            let mut evictions = 0;
            for message in self.inbox.take() {
                match message {
                    Message::Adopt(connection) => self.adopt(connection, now),
                    Message::Reply(id, reply) => {
                        self.with(id, now, |connection, context| connection.reply(&reply, context));
                    }
                    Message::Evict => evictions += 1,
                }
            }
            self.evict(evictions);
            for id in std::mem::take(&mut self.again) {
                self.resume(id, now);
            }
            for Ready { token, broken } in &ready {
                self.ready(*token, *broken, now);
            }
            if now.monotonic.saturating_duration_since(swept) >= SWEEP {
                swept = now.monotonic;
                self.sweep(now.monotonic);
            }
            if self.shared.is_draining() && self.drained(now.monotonic) {
                return Ok(());
            }
        }
    }

    fn adopt(&mut self, connection: Box<Connection<TcpStream>>, now: Now) {
        let id = self.next;
        self.next += 1;
        let watched = self.poller.add(connection.socket(), id, Interest::Read);
        self.connections.insert(id, Parked { connection, interest: Interest::Read, is_queued: false });
        match watched {
            // Its first request may have arrived together with the end of the handshake.
            Ok(()) => self.turn(id, now),
            Err(_) => self.end(id, Ended::Broken),
        }
    }

    /// Evicts the unverified connections whose phase began first.
    fn evict(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let since = |(id, parked): (&u64, &Parked)| parked.connection.evictable_since().map(|since| (since, *id));
        let mut unverified: Vec<_> = self.connections.iter().filter_map(since).collect();
        sort(&mut unverified);
        for (_, id) in unverified.into_iter().take(count) {
            self.end(id, Ended::Evicted);
        }
    }

    fn ready(&mut self, id: u64, broken: bool, now: Now) {
        let Some(parked) = self.connections.get(&id) else { return };
        // The socket is not read while the request waits, so a connection that breaks then is ended here.
        if broken && parked.interest == Interest::Nothing {
            self.end(id, Ended::Broken);
        } else if !parked.is_queued {
            self.turn(id, now);
        }
    }

    /// Gives the next turn to a connection whose last turn ended early to let others proceed.
    fn resume(&mut self, id: u64, now: Now) {
        if let Some(parked) = self.connections.get_mut(&id) {
            parked.is_queued = false;
            self.turn(id, now);
        }
    }

    fn turn(&mut self, id: u64, now: Now) {
        self.with(id, now, Connection::turn);
    }

    /// Gives a connection its turn and performs the next step.
    fn with(&mut self, id: u64, now: Now, turn: impl FnOnce(&mut Connection<TcpStream>, &Context<'_>) -> NextStep) {
        // The connection may have ended before its reply came.
        let Some(parked) = self.connections.get_mut(&id) else { return };
        let workers = &self.shared.workers;
        let context = Context {
            limits: workers.limits(),
            now,
            leaving: self.shared.is_leaving(),
            answer: &|request| workers.answer(request, now),
            refuse: &|error| workers.api().refused_head(error),
        };
        match turn(&mut parked.connection, &context) {
            NextStep::Park(interest) if interest == parked.interest => {}
            NextStep::Park(interest) => self.park(id, interest),
            NextStep::Again => {
                // Each connection is queued once per pass, even if its reply has already given it a turn.
                if !std::mem::replace(&mut parked.is_queued, true) {
                    self.again.push(id);
                }
            }
            NextStep::Wait(waiting) => {
                self.hand_over(id, waiting, now);
                self.park(id, Interest::Nothing);
            }
            NextStep::End(why) => self.end(id, why),
        }
    }

    fn park(&mut self, id: u64, interest: Interest) {
        let Some(parked) = self.connections.get_mut(&id) else { return };
        if parked.interest != interest {
            parked.interest = interest;
            if self.poller.change(parked.connection.socket(), id, interest).is_err() {
                self.end(id, Ended::Broken);
            }
        }
    }

    /// Passes the request to a blocking worker.
    fn hand_over(&self, id: u64, waiting: Waiting, since: Now) {
        let Some(parked) = self.connections.get(&id) else { return };
        let (head, peer) = parked.connection.request();
        let pending = PendingRequest { id, head, peer, inbox: self.inbox.clone() };
        self.shared.workers.wait(waiting, since, Box::new(pending));
    }

    fn sweep(&mut self, now: Instant) {
        let limits = self.shared.workers.limits();
        let overdue: Vec<_> = self
            .connections
            .iter()
            .filter_map(|(id, parked)| parked.connection.overdue(limits, now).map(|why| (*id, why)))
            .collect();
        for (id, why) in overdue {
            self.end(id, why);
        }
    }

    fn end(&mut self, id: u64, why: Ended) {
        if let Some(parked) = self.connections.remove(&id) {
            self.inbox.left(&parked.connection);
            self.shared.counters().connections.end(why);
        }
    }

    /// Closes idle connections; true once no connection is left or about to arrive.
    fn drained(&mut self, now: Instant) -> bool {
        let idle = self.connections.iter().filter(|(_, parked)| parked.connection.is_quiet(now));
        let idle: Vec<u64> = idle.map(|(id, _)| *id).collect();
        for id in idle {
            if let Some(parked) = self.connections.get_mut(&id) {
                parked.connection.send_close_notify();
            }
            self.end(id, Ended::Stopping);
        }
        self.shared.acceptors_stopped() && self.inbox.connections() == 0
    }
}

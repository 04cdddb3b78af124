//! One connection over TLS: its phases, deadlines and actions. It never blocks: the connection loop calls it when its
//! socket is ready.

mod deadlines;
pub(super) mod handshake;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConnection;

use super::h1::{H1Connection, Next};
use super::poll::Interest;
use super::slots::Slot;
use crate::api::Answer;
use crate::api::message::{Reply, Request};
use crate::api::peer::Peer;
use crate::config::limits::Limits;
use crate::parse::head::{self, HeadError};
use crate::source::waiting::Waiting;
use crate::telemetry::clock::Now;
use crate::telemetry::connections::{ClientClass, Ended};

/// Bytes of one read of a socket; rustls reads no more.
const READ: usize = 4_096;

/// A socket that does not block.
pub(super) trait Socket: Read + Write {
    /// Shuts down the sending side.
    fn finish(&self);
}

impl Socket for TcpStream {
    fn finish(&self) {
        // The peer may have gone already.
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// One connection, from its first byte to its last.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) socket: S,
    tls: ServerConnection,
    slot: Slot,
    h1: H1Connection,
    /// The client's certificates, once it has proved to have the key.
    peer: Option<Arc<Peer>>,
    /// Whether the client has proved possession of its certificate's key.
    proved: bool,
    /// The first byte received, which distinguishes TLS from HTTP.
    first: Option<u8>,
    phase: Phase,
    /// When this phase began.
    since: Instant,
    /// Whether the connection ends because a request was rejected.
    refused: bool,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Handshake,
    /// No byte of the next request has arrived.
    Idle,
    /// A part of a head has arrived.
    Head,
    /// A worker is waiting for a source.
    Waiting,
    Writing,
    /// Everything is sent; up to this many bytes are still read and discarded until the client closes.
    Lingering(u64),
}

/// The next step for a connection after its turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Another turn when its socket is ready.
    Park(Interest),
    /// Another turn, after the other connections have had theirs.
    Again,
    /// The request in progress has to wait for this.
    Wait(Waiting),
    End(Ended),
}

/// Why reading or writing stops.
enum Stop {
    Blocked,
    End(Ended),
}

/// The environment of a connection during its turn.
pub(super) struct Context<'a> {
    pub(super) limits: &'a Limits,
    pub(super) now: Now,
    /// Whether every response closes its connection, because the server is shutting down.
    pub(super) leaving: bool,
    pub(super) answer: &'a dyn Fn(&Request<'_>) -> Answer,
    pub(super) refuse: &'a dyn Fn(&HeadError) -> Reply,
}

impl<S: Socket> Connection<S> {
    pub(super) fn new(socket: S, tls: ServerConnection, slot: Slot, now: Instant) -> Self {
        Self {
            socket,
            tls,
            slot,
            h1: H1Connection::default(),
            peer: None,
            proved: false,
            first: None,
            phase: Phase::Handshake,
            since: now,
            refused: false,
        }
    }

    pub(super) fn socket(&self) -> &S {
        &self.socket
    }

    pub(super) fn peer(&self) -> Option<&Arc<Peer>> {
        self.peer.as_ref()
    }

    pub(super) fn slot(&mut self) -> &mut Slot {
        &mut self.slot
    }

    /// Whether the client presented a certificate without proving that it has the key.
    pub(super) fn is_unproven(&self) -> bool {
        !self.proved && self.tls.peer_certificates().is_some()
    }

    /// Since when the connection can be evicted for a new one; `None` unless its client is unverified and no request is in
    /// progress.
    pub(super) fn evictable_since(&self) -> Option<Instant> {
        (self.is_unverified() && self.phase != Phase::Waiting).then_some(self.since)
    }

    /// Whether the client has no verified certificate.
    pub(super) fn is_unverified(&self) -> bool {
        self.slot.client_class() == ClientClass::Unverified
    }

    /// The request that has to wait: its head, and the client's certificates.
    pub(super) fn request(&self) -> (Vec<u8>, Option<Arc<Peer>>) {
        (self.h1.request_head(), self.peer.clone())
    }

    /// Reads, answers and writes until it blocks. Does nothing while a request waits for its reply: an event of the socket may
    /// be older than the wait, and parsing the head again would answer it twice.
    pub(super) fn turn(&mut self, context: &Context<'_>) -> NextStep {
        if self.phase == Phase::Waiting {
            return NextStep::Park(Interest::Nothing);
        }
        self.step(context).unwrap_or_else(|ended| {
            // If the client goes away after its request was rejected, the connection still counts as refused.
            NextStep::End(if self.refused { Ended::Refused } else { ended })
        })
    }

    /// The reply to the request that waited, then whatever comes next.
    pub(super) fn reply(&mut self, reply: &Reply, context: &Context<'_>) -> NextStep {
        self.answer(reply, context.leaving, context.now);
        self.turn(context)
    }

    fn step(&mut self, context: &Context<'_>) -> Result<NextStep, Ended> {
        let now = context.now.monotonic;
        let mut drained = false;
        let mut budget = if self.is_unverified() {
            context.limits.connection.unverified_pipelined
        } else {
            context.limits.connection.pipelined
        };
        loop {
            if let Phase::Lingering(_) = self.phase {
                return self.linger();
            }
            match self.send() {
                Ok(()) => {}
                Err(Stop::End(ended)) => return Err(ended),
                Err(Stop::Blocked) => {
                    self.enter(Phase::Writing, now);
                    let fits = self.slot.holds(self.h1.unsent().len());
                    return if fits { Ok(NextStep::Park(Interest::Write)) } else { Err(Ended::Unread) };
                }
            }
            self.slot.holds(0);
            if self.h1.is_last() {
                self.finish(context);
                continue;
            }
            if budget == 0 {
                if self.tls.reader().fill_buf().unwrap_or_default().is_empty() {
                    self.rest(now);
                } else {
                    self.enter(Phase::Head, now);
                }
                return Ok(NextStep::Again);
            }
            budget -= 1;
            match self.next(context) {
                Next::Handled(Answer::Reply(reply)) => {
                    self.answer(&reply, context.leaving, context.now);
                    continue;
                }
                Next::Handled(Answer::WouldWait(waiting)) => {
                    self.enter(Phase::Waiting, now);
                    return Ok(NextStep::Wait(waiting));
                }
                Next::Refused(error) => {
                    self.refused = true;
                    self.answer(&(context.refuse)(&error), true, context.now);
                    continue;
                }
                Next::Input => {}
            }
            match self.fill(&mut drained) {
                Ok(()) => {}
                Err(Stop::End(ended)) => return Err(ended),
                Err(Stop::Blocked) => {
                    self.rest(now);
                    return Ok(NextStep::Park(Interest::Read));
                }
            }
        }
    }

    /// The next request, in what was received and decrypted.
    fn next(&mut self, context: &Context<'_>) -> Next<Answer> {
        let (limits, peer) = (self.head_limits(context.limits), self.peer.as_deref());
        if self.h1.has_input() {
            return self.h1.next(limits, peer, context.answer);
        }
        let mut reader = self.tls.reader();
        // An error means that there is nothing to read, now or ever; the next read reports that again.
        let bytes = reader.fill_buf().unwrap_or_default();
        if bytes.is_empty() {
            return self.h1.next(limits, peer, context.answer);
        }
        let (next, used) = self.h1.next_in(bytes, limits, peer, context.answer);
        if let Next::Handled(Answer::WouldWait(_)) = next {
            self.h1.keep(bytes.get(..used).unwrap_or_default());
        }
        reader.consume(used);
        next
    }

    fn head_limits(&self, limits: &Limits) -> head::HeadLimits {
        match self.slot.client_class() {
            ClientClass::Unverified => limits.connection.head,
            ClientClass::Verified | ClientClass::FrontProxy => limits.connection.verified_head,
        }
    }

    /// Begins a phase; if the connection is in this phase already, its start time is kept.
    fn enter(&mut self, phase: Phase, now: Instant) {
        if self.phase != phase {
            (self.phase, self.since) = (phase, now);
        }
    }

    /// Waits for the next request, or for the rest of it.
    fn rest(&mut self, now: Instant) {
        self.enter(if self.h1.is_idle() { Phase::Idle } else { Phase::Head }, now);
    }

    /// Answers the request in progress; the time limit of the next one starts now.
    fn answer(&mut self, reply: &Reply, close: bool, now: Now) {
        self.h1.reply(reply, close, now.unix_millis);
        (self.phase, self.since) = (Phase::Idle, now.monotonic);
    }

    /// Makes more bytes available to [`Self::next`]: those that were decrypted with others, otherwise those of one read of
    /// the socket, unless it is known to be empty. A read may yield nothing: a record can be empty, and a peer can send
    /// thousands of them per head.
    fn fill(&mut self, drained: &mut bool) -> Result<(), Stop> {
        match self.tls.reader().into_first_chunk() {
            // All received bytes are decrypted and read, so the client has closed.
            Ok([]) => return Err(self.closed()),
            Ok(bytes) => {
                let count = bytes.len();
                self.h1.receive(bytes);
                self.tls.reader().consume(count);
                return Ok(());
            }
            Err(_) if *drained => return Err(Stop::Blocked),
            Err(_) => {}
        }
        match self.tls.read_tls(&mut self.socket) {
            Ok(0) => return Err(Stop::End(Ended::Closed)),
            Ok(count) => *drained = count < READ,
            Err(error) => return Err(stop(&error)),
        }
        let state = self.tls.process_new_packets().map_err(|_| self.broken())?;
        match state.plaintext_bytes_to_read() {
            0 if state.peer_has_closed() => Err(self.closed()),
            0 if *drained => Err(Stop::Blocked),
            _ => Ok(()),
        }
    }

    /// Closes as the client did.
    fn closed(&mut self) -> Stop {
        self.send_close_notify();
        Stop::End(Ended::Closed)
    }

    /// Sends a TLS alert to a peer that breaks TLS, if one write takes it.
    fn broken(&mut self) -> Stop {
        let _ = self.tls.write_tls(&mut self.socket);
        Stop::End(Ended::Broken)
    }

    /// Sends buffered bytes.
    fn send(&mut self) -> Result<(), Stop> {
        loop {
            let unsent = self.h1.unsent();
            if !unsent.is_empty() {
                // rustls takes as much as its buffer has room for.
                let taken = self.tls.writer().write(unsent).map_err(|_| Stop::End(Ended::Broken))?;
                self.h1.sent(taken);
            }
            if !self.tls.wants_write() {
                return Ok(());
            }
            self.write_tls()?;
        }
    }

    fn write_tls(&mut self) -> Result<(), Stop> {
        match self.tls.write_tls(&mut self.socket) {
            Ok(0) => Err(Stop::End(Ended::Closed)),
            Ok(_) => Ok(()),
            Err(error) => Err(stop(&error)),
        }
    }

    /// Shuts down the sending side and lingers, because closing with unread bytes could destroy the response.
    fn finish(&mut self, context: &Context<'_>) {
        self.tls.send_close_notify();
        let _ = self.tls.write_tls(&mut self.socket);
        self.socket.finish();
        self.enter(Phase::Lingering(context.limits.connection.discarded_body), context.now.monotonic);
    }

    /// Discards received bytes until the client closes, too.
    fn linger(&mut self) -> Result<NextStep, Ended> {
        let mut unread = [0; READ];
        loop {
            let Phase::Lingering(left) = self.phase else { return Err(Ended::Closed) };
            match self.socket.read(&mut unread) {
                Ok(0) => return Err(Ended::Closed),
                Ok(count) => match left.checked_sub(count as u64) {
                    Some(left) => self.phase = Phase::Lingering(left),
                    None => return Err(Ended::Closed),
                },
                Err(error) => match stop(&error) {
                    Stop::Blocked => return Ok(NextStep::Park(Interest::Read)),
                    Stop::End(_) => return Err(Ended::Closed),
                },
            }
        }
    }

    /// Ends an idle connection with close_notify.
    pub(super) fn send_close_notify(&mut self) {
        self.tls.send_close_notify();
        let _ = self.tls.write_tls(&mut self.socket);
    }
}

/// How often connections are checked whether they are [overdue](Connection::overdue).
pub(super) const SWEEP: Duration = Duration::from_millis(250);

/// How often a worker without connections records a heartbeat.
pub(super) const IDLE: Duration = Duration::from_secs(1);

fn stop(error: &io::Error) -> Stop {
    match error.kind() {
        ErrorKind::WouldBlock => Stop::Blocked,
        // The socket is ready again at once.
        ErrorKind::Interrupted => Stop::Blocked,
        _ => Stop::End(Ended::Broken),
    }
}

//! A connection without a network, for tests and fuzzing: a rustls client, and a pipe that passes a given number of
//! bytes at a time.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "it serves tests, and fails them")]
#![allow(unreachable_pub, reason = "the fuzz target reaches it, and is compiled under another cfg")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, ServerConnection};

use super::connection::handshake::Handshake;
use super::connection::{Connection, Context, NextStep, Socket};
use super::h1;
use super::poll::Interest;
use super::slots::Slots;
use super::tls;
use crate::api::Answer;
use crate::api::message::{Reply, Request};
use crate::config::cli::TlsVersion;
use crate::config::limits::Limits;
use crate::source::waiting::Waiting;
use crate::telemetry::clock::Now;
use crate::telemetry::connections::ClientClass;

/// The server's socket. The pattern gives the number of bytes that each read and write passes, 0 to block; unlimited
/// once it is used up.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    incoming: VecDeque<u8>,
    /// Whether the client has closed its side.
    closed: bool,
    outgoing: Vec<u8>,
    cuts: VecDeque<usize>,
    blocked: bool,
    /// Whether the server has closed its side.
    finished: Cell<bool>,
}

/// The shared setup of connections.
pub struct Setup {
    pub key: Arc<CertifiedKey>,
    pub client: Arc<ClientConfig>,
    pub limits: Limits,
    pub now: Now,
}

/// A connection with its client.
pub struct Conversation<'a> {
    setup: &'a Setup,
    pub(super) connection: Connection<Pipe>,
    pub(super) client: ClientConnection,
    /// The records that the client still has to send.
    to_send: VecDeque<Vec<u8>>,
    /// Whether the client closes after sending them.
    closes: bool,
    pub(super) now: Now,
    pub(super) leaving: bool,
    stage: Stage,
    pub received: Vec<u8>,
    /// Requests that were answered, and heads that were rejected.
    pub requests: usize,
    pub refusals: usize,
    pub turns: usize,
    /// Whether the server closed the connection in order.
    pub goodbye: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Handshake(Interest),
    Open(Interest),
    Over(String),
}

impl Pipe {
    /// The number of bytes that may pass now.
    fn pass(&mut self, most: usize) -> io::Result<usize> {
        match self.cuts.pop_front() {
            Some(0) => Err(ErrorKind::WouldBlock.into()),
            Some(cut) => Ok(cut.min(most)),
            None => Ok(most),
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return if self.closed { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let count = self.pass(buffer.len().min(self.incoming.len()))?;
        self.incoming.read(buffer.get_mut(..count).unwrap())
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.finished.get(), "nothing is sent after the end");
        if self.blocked {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = self.pass(bytes.len())?;
        self.outgoing.extend_from_slice(bytes.get(..count).unwrap());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Pipe {
    fn finish(&self) {
        self.finished.set(true);
    }
}

impl<'a> Conversation<'a> {
    /// A client that sends these records, with this pattern for the server's reads and writes.
    pub fn new(setup: &'a Setup, records: &[&[u8]], cuts: &[usize]) -> Self {
        let slots = Arc::new(Slots::new(&setup.limits, 10_000, Arc::default()));
        let server = ServerConnection::new(tls::config(setup.key.clone(), TlsVersion::Tls12).unwrap()).unwrap();
        let pipe = Pipe { cuts: cuts.iter().copied().collect(), ..Pipe::default() };
        Self {
            setup,
            connection: Connection::new(pipe, server, slots.enter().unwrap(), setup.now.monotonic),
            client: ClientConnection::new(setup.client.clone(), "localhost".try_into().unwrap()).unwrap(),
            to_send: records.iter().map(|record| record.to_vec()).collect(),
            closes: false,
            now: setup.now,
            leaving: false,
            stage: Stage::Handshake(Interest::Read),
            received: Vec::new(),
            requests: 0,
            refusals: 0,
            turns: 0,
            goodbye: false,
        }
    }

    /// The client sends one more record.
    pub fn send(&mut self, record: &[u8]) {
        self.to_send.push_back(record.to_vec());
    }

    /// The client closes when it has sent everything.
    pub fn close(&mut self) {
        self.closes = true;
    }

    /// The network delivers these bytes.
    pub fn inject(&mut self, bytes: &[u8]) {
        self.connection.socket.incoming.extend(bytes);
    }

    /// The client's encrypted records, which are then not sent automatically.
    pub fn encrypted(&mut self, plaintext: &[u8]) -> Vec<u8> {
        self.client.writer().write_all(plaintext).unwrap();
        let mut bytes = Vec::new();
        self.client.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// The network accepts no more bytes from the server.
    pub fn block(&mut self) {
        self.connection.socket.blocked = true;
    }

    /// Runs the server as far as possible while the client does nothing.
    pub fn serve(&mut self) {
        while self.server() {}
    }

    /// How the connection ended, if it has.
    pub fn end(&self) -> Option<&str> {
        match &self.stage {
            Stage::Over(why) => Some(why),
            _ => None,
        }
    }

    /// Whether the handshake is complete.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    pub fn set_client_class(&mut self, client_class: ClientClass) {
        self.connection.slot().set_client_class(client_class).unwrap();
    }

    /// Runs client and server until both block. The client reads only if `reading`.
    pub fn run(&mut self, reading: bool) {
        while self.client_sends() | self.server() | (reading && self.client_reads()) {}
    }

    fn client_sends(&mut self) -> bool {
        let mut sent = false;
        if !self.client.is_handshaking() {
            if let Some(record) = self.to_send.pop_front() {
                self.client.writer().write_all(&record).unwrap();
                sent = true;
            } else if self.closes || self.connection.socket.finished.get() {
                sent = !std::mem::replace(&mut self.connection.socket.closed, true);
                self.client.send_close_notify();
            }
        }
        while self.client.wants_write() {
            self.client.write_tls(&mut self.connection.socket.incoming).unwrap();
            sent = true;
        }
        sent
    }

    fn client_reads(&mut self) -> bool {
        let bytes = std::mem::take(&mut self.connection.socket.outgoing);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            // A client that breaks TLS gets a fatal alert instead of close_notify.
            self.goodbye |= self.client.process_new_packets().is_ok_and(|state| state.peer_has_closed());
            let _ = self.client.reader().read_to_end(&mut self.received);
        }
        !bytes.is_empty()
    }

    /// Runs the server if its socket is ready.
    fn server(&mut self) -> bool {
        let pipe = &self.connection.socket;
        let ready = |interest| match interest {
            Interest::Read => pipe.closed || !pipe.incoming.is_empty(),
            Interest::Write => !pipe.blocked && pipe.outgoing.len() < ROOM,
            Interest::Nothing => panic!("the connection waits for nothing"),
        };
        let stage = match self.stage {
            Stage::Handshake(interest) if ready(interest) => match self.connection.handshake(self.now.monotonic) {
                Handshake::Park(interest) => Stage::Handshake(interest),
                // Its first request may have arrived together with the end of the handshake.
                Handshake::Done => self.turn(None),
                Handshake::Failed(why) => Stage::Over(format!("{why:?}")),
            },
            Stage::Open(interest) if ready(interest) => self.turn(None),
            _ => return false,
        };
        self.stage = stage;
        true
    }

    /// Runs one turn, and the turns that it requests.
    fn turn(&mut self, reply: Option<Reply>) -> Stage {
        self.turns += 1;
        let (requests, refusals) = (Cell::new(0), Cell::new(0));
        let context = Context {
            limits: &self.setup.limits,
            now: self.now,
            leaving: self.leaving,
            answer: &|request| {
                requests.set(requests.get() + 1);
                match request.target.strip_prefix("/wait") {
                    Some(_) => Answer::WouldWait(Waiting::Source(7)),
                    None => Answer::Reply(echo(request)),
                }
            },
            refuse: &|error| {
                refusals.set(refusals.get() + 1);
                Reply::text(if error.too_large() { 413 } else { 400 }, error.to_string())
            },
        };
        let turn = match reply {
            Some(reply) => self.connection.reply(&reply, &context),
            None => self.connection.turn(&context),
        };
        self.requests += requests.get();
        self.refusals += refusals.get();
        match turn {
            NextStep::Park(interest) => Stage::Open(interest),
            NextStep::Again => self.turn(None),
            NextStep::Wait(waiting) => {
                assert_eq!(waiting, Waiting::Source(7));
                // An event from before the wait changes nothing.
                assert!(matches!(self.connection.turn(&context), NextStep::Park(Interest::Nothing)));
                let (head, peer) = self.connection.request();
                let reply = h1::with_request(&head, peer.as_deref(), echo).unwrap();
                self.turn(Some(reply))
            }
            NextStep::End(why) => Stage::Over(format!("{why:?}")),
        }
    }
}

/// The bytes that the server sends before the client has to read.
const ROOM: usize = 64 * 1_024;

/// Answers with the target, repeated to the length in it.
fn echo(request: &Request<'_>) -> Reply {
    let (target, length) = request.target.split_once("?length=").unwrap_or((request.target, ""));
    let length = length.parse::<usize>().unwrap_or_default().min(1_000_000);
    Reply::text(200, format!("{} {target} {}", request.method, "x".repeat(length)))
}

/// The start time of every conversation.
pub fn beginning() -> Now {
    Now { monotonic: Instant::now(), unix_millis: 1_787_020_504_000 }
}

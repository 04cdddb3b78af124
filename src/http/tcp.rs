//! TCP connections for ureq: a kept connection to the process of the exchange, or a new one.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use super::buffers::IoBuffers;
use super::kept::{KeptConnections, Peer};
use super::progress;
use super::socket::Socket;

/// Makes connections.
#[derive(Debug)]
pub(super) struct Tcp {
    /// The pool, for exchanges with a known process.
    pub(super) kept: Option<Arc<KeptConnections>>,
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct TcpTransport {
    /// `None` after the connection was returned to the pool or dropped.
    socket: Option<Socket>,
    buffers: IoBuffers,
    keep: Option<Keep>,
}

/// The place of a connection in the pool, after its exchange.
#[derive(Debug)]
struct Keep {
    kept: Arc<KeptConnections>,
    peer: Peer,
    address: SocketAddr,
    /// Whether the exchange has ended properly.
    is_over: bool,
}

impl Connector for Tcp {
    type Out = TcpTransport;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<TcpTransport>, Error> {
        let (input, output) = (details.config.input_buffer_size(), details.config.output_buffer_size());
        let time = *details.timeout.after;
        let Some((kept, peer)) = self.kept.as_ref().zip(progress::peer()) else {
            let (socket, _) = Socket::connect(&details.addrs, time)?;
            return Ok(Some(TcpTransport { socket: Some(socket), buffers: IoBuffers::new(input, output), keep: None }));
        };
        let known = || details.addrs.iter().find_map(|at| kept.take(peer, *at).map(|socket| (socket, *at)));
        let (socket, address) = match progress::may_use_kept().then(known).flatten() {
            Some(known) => {
                progress::uses_kept();
                known
            }
            None => Socket::connect(&details.addrs, time)?,
        };
        let keep = Keep { kept: kept.clone(), peer, address, is_over: false };
        Ok(Some(TcpTransport { socket: Some(socket), buffers: IoBuffers::borrow(input, output), keep: Some(keep) }))
    }
}

/// The time left for one transfer; `None` if it is unlimited.
///
/// # Errors
/// If no time is left. TLS and tunnels transfer several times within one call of ureq, which checks only the first.
fn time_left(timeout: NextTimeout) -> Result<Option<Duration>, Error> {
    if timeout.after.is_zero() {
        return Err(Error::Timeout(timeout.reason));
    }
    Ok(timeout.not_zero().map(|time| *time))
}

/// ureq's error for a transfer that exceeded this time.
fn failed(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let socket = self.socket.as_mut().ok_or(Error::ConnectionFailed)?;
        let time = time_left(timeout)?;
        socket.send(self.buffers.sent(amount), time).map_err(|error| failed(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let socket = self.socket.as_mut().ok_or(Error::ConnectionFailed)?;
        let time = time_left(timeout)?;
        let received = socket.receive(self.buffers.input_append_buf(), time);
        let amount = received.map_err(|error| failed(error, timeout))?;
        self.buffers.input_appended(amount);
        if amount > 0 {
            progress::is_answered();
        }
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        match &mut self.keep {
            // ureq calls this when the exchange has ended so that another one may follow, and drops the connection if this
            // returns false.
            Some(keep) => {
                keep.is_over = true;
                false
            }
            None => self.socket.as_ref().is_some_and(Socket::is_quiet),
        }
    }
}

impl Drop for TcpTransport {
    fn drop(&mut self) {
        let (Some(socket), Some(keep)) = (self.socket.take(), self.keep.take()) else { return };
        if keep.is_over && self.buffers.input().is_empty() {
            keep.kept.put(keep.peer, keep.address, socket);
        }
        std::mem::take(&mut self.buffers).release();
    }
}

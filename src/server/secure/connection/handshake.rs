//! The handshake of one connection, and the response to clients that do not speak TLS.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::time::Instant;

use super::{Connection, Phase, READ, Socket, Stop};
use crate::api::peer::Peer;
use crate::server::secure::poll::Interest;
use crate::server::secure::tls;
use crate::telemetry::connections::HandshakeFailure;

/// The response to HTTP on an HTTPS port, in plain HTTP.
const PLAIN_HTTP: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n\
    This port speaks HTTPS: write https:// instead of http://.\n";

/// The state of a handshake.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server::secure) enum Handshake {
    Park(Interest),
    Done,
    Failed(HandshakeFailure),
}

impl<S: Socket> Connection<S> {
    /// Continues the handshake until it blocks.
    pub(in crate::server::secure) fn handshake(&mut self, now: Instant) -> Handshake {
        let mut drained = false;
        loop {
            if self.tls.wants_write() {
                match self.write_tls() {
                    Ok(()) => continue,
                    Err(Stop::Blocked) => return Handshake::Park(Interest::Write),
                    Err(Stop::End(_)) => return Handshake::Failed(HandshakeFailure::Closed),
                }
            }
            if !self.tls.is_handshaking() {
                break;
            }
            // The next read would only report that nothing has arrived yet.
            if drained {
                return Handshake::Park(Interest::Read);
            }
            let read = self.tls.read_tls(&mut FirstBytes { socket: &mut self.socket, first: &mut self.first });
            match read {
                Ok(0) => return Handshake::Failed(HandshakeFailure::Closed),
                Ok(count) => drained = count < READ,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Handshake::Park(Interest::Read),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Handshake::Failed(HandshakeFailure::Closed),
            }
            let (processed, proved) = tls::proves(|| self.tls.process_new_packets().map(drop));
            self.proved |= proved;
            if processed.is_err() {
                return Handshake::Failed(self.no_tls());
            }
        }
        if let Some(chain) = self.tls.peer_certificates().filter(|_| self.proved) {
            self.peer = Some(Arc::new(Peer::new(chain.iter().map(|certificate| certificate.to_vec()).collect())));
        }
        self.enter(Phase::Idle, now);
        Handshake::Done
    }

    /// Responds to bytes that are not TLS, or to invalid TLS, with a single write.
    fn no_tls(&mut self) -> HandshakeFailure {
        let plain = self.first.is_some_and(|byte| byte.is_ascii_uppercase());
        if plain {
            let _ = self.socket.write(PLAIN_HTTP);
        } else {
            let _ = self.tls.write_tls(&mut self.socket);
        }
        self.socket.finish();
        if plain { HandshakeFailure::PlainHttp } else { HandshakeFailure::Tls }
    }
}

/// Records the first byte that is read.
struct FirstBytes<'a, S> {
    socket: &'a mut S,
    first: &'a mut Option<u8>,
}

impl<S: Read> Read for FirstBytes<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        if self.first.is_none() {
            *self.first = buffer.first().copied().filter(|_| count > 0);
        }
        Ok(count)
    }
}

//! A TCP connection that blocks for a limited time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

/// A connection, and the timeouts that are set for it.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

/// Timeouts are rounded up to a multiple of this, so that they rarely change: each change is a system call. 50 ms is a
/// twentieth of the default timeout for a pod's page.
const STEP: Duration = Duration::from_millis(50);

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, read_timeout: None, write_timeout: None }
    }

    /// Connects to the first of these addresses that accepts a connection. Each attempt but the last may take half of the
    /// remaining time, so that an address that does not respond leaves time for the others.
    pub(super) fn connect(addresses: &[SocketAddr], time: Duration) -> io::Result<(Self, SocketAddr)> {
        let deadline = Instant::now().checked_add(time).ok_or(ErrorKind::InvalidInput)?;
        let mut failure = ErrorKind::NotConnected.into();
        for (number, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let time = if number + 1 < addresses.len() { left / 2 } else { left };
            if time.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            match TcpStream::connect_timeout(address, time) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok((Self::new(stream), *address));
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Whether the other end has neither closed the connection nor sent bytes that were not read.
    pub(super) fn is_quiet(&self) -> bool {
        let waiting = recv(&self.stream, &mut [0; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        waiting.is_err_and(|error| error == rustix::io::Errno::AGAIN)
    }

    /// Sends all bytes.
    pub(super) fn send(&mut self, bytes: &[u8], time: Option<Duration>) -> io::Result<()> {
        let time = time.map(rounded);
        if time != self.write_timeout {
            self.stream.set_write_timeout(time)?;
            self.write_timeout = time;
        }
        self.stream.write_all(bytes).map_err(timed_out)
    }

    /// Receives some bytes; none if the other end has closed the connection.
    pub(super) fn receive(&mut self, buffer: &mut [u8], time: Option<Duration>) -> io::Result<usize> {
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        loop {
            let time = deadline.map(|deadline| rounded(deadline.saturating_duration_since(Instant::now())));
            if time != self.read_timeout {
                self.stream.set_read_timeout(time)?;
                self.read_timeout = time;
            }
            match self.stream.read(buffer) {
                // A signal interrupted the call.
                Err(error)
                    if error.kind() == ErrorKind::Interrupted && deadline.is_none_or(|at| at > Instant::now()) => {}
                received => return received.map_err(timed_out),
            }
        }
    }
}

/// The time rounded up; never 0, which the kernel treats as no limit.
fn rounded(time: Duration) -> Duration {
    let steps = time.as_nanos().div_ceil(STEP.as_nanos()).max(1);
    STEP * u32::try_from(steps).unwrap_or(u32::MAX)
}

/// Converts the error of an expired socket timeout, which differs between systems.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => ErrorKind::TimedOut.into(),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn rounds_times_up() {
        for (millis, expected) in [(0, 50), (1, 50), (50, 50), (51, 100), (999, 1_000), (1_000, 1_000)] {
            assert_eq!(rounded(Duration::from_millis(millis)), Duration::from_millis(expected), "{millis}");
        }
        assert_eq!(rounded(Duration::MAX), STEP * u32::MAX);
    }

    #[test]
    fn tries_all_addresses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let long = Duration::from_secs(60);
        assert_eq!(Socket::connect(&[closed, there], long).unwrap().1, there);
        assert_eq!(Socket::connect(&[closed], long).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(Socket::connect(&[], long).unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(Socket::connect(&[there], Duration::ZERO).unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn waits_for_bytes_for_a_limited_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut socket, _) = Socket::connect(&[listener.local_addr().unwrap()], Duration::from_secs(60)).unwrap();
        let (mut end, _) = listener.accept().unwrap();
        let mut buffer = [0; 4];
        let timed_out = socket.receive(&mut buffer, Some(Duration::from_millis(1))).unwrap_err();
        assert_eq!(timed_out.kind(), ErrorKind::TimedOut);
        end.write_all(b"ab").unwrap();
        assert_eq!(socket.receive(&mut buffer, None).unwrap(), 2);
        drop(end);
        assert_eq!(socket.receive(&mut buffer, Some(Duration::from_secs(60))).unwrap(), 0);
    }
}

//! Connections through a proxy: a tunnel (RFC 9110 §9.3.6), whatever the URL's scheme, so that the proxy sees no request.

use std::io::{Read, Write};

use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Transport, TransportAdapter};

use super::error::FetchError;
use super::progress::refuse;
use super::tls::left;

/// The maximum size of the head of a proxy's response.
const HEAD: usize = 16 * 1024;

/// Requests a tunnel to the URL's host from the proxy at the other end of the TCP connection.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// Whether there is a proxy.
    pub(super) is_used: bool,
}

impl<In: Transport> Connector<In> for Tunnel {
    type Out = In;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<In>, Error> {
        let transport = match chained {
            Some(transport) if self.is_used => transport,
            as_it_is => return Ok(as_it_is),
        };
        let default = if details.needs_tls() { 443 } else { 80 };
        let host = details.uri.host().unwrap_or_default();
        let authority = format!("{host}:{}", details.uri.port_u16().unwrap_or(default));
        let mut proxy = TransportAdapter::new(transport, details.current_time.clone());
        proxy.set_timeout(left(details));
        proxy.write_all(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes())?;
        proxy.flush()?;
        match status(&read_head(&mut proxy)?) {
            Some(200..=299) => Ok(Some(proxy.into_inner())),
            Some(status) => Err(refuse(FetchError::Proxy(status))),
            None => Err(refuse(FetchError::not_http(&"no status line"))),
        }
    }
}

/// Reads the head of a response up to its empty line.
fn read_head(proxy: &mut impl Read) -> Result<Vec<u8>, Error> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        proxy.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(head)
}

/// The status code in a head (RFC 9112 §4).
fn status(head: &[u8]) -> Option<u16> {
    let (version, rest) = head.split_at_checked(b"HTTP/1.1 ".len())?;
    let (status, rest) = rest.split_at_checked(3)?;
    let is_status = version.starts_with(b"HTTP/1.") && rest.first().is_some_and(|byte| matches!(byte, b' ' | b'\r'));
    let digits = str::from_utf8(status).ok().filter(|_| is_status && head.ends_with(b"\r\n\r\n"))?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_lines() {
        for (head, expected) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200)),
            ("HTTP/1.0 407\r\nProxy-Authenticate: Basic\r\n\r\n", Some(407)),
            ("HTTP/1.1 2000 x\r\n\r\n", None),
            ("HTTP/2.0 200 x\r\n\r\n", None),
            ("HTTP/1.1 200 cut", None),
            ("HTTP/1.1", None),
            ("", None),
        ] {
            assert_eq!(status(head.as_bytes()), expected, "{head}");
        }
    }
}

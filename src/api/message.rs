//! A request as it reaches the API, and the reply: plain values, whatever listener they came over.

use serde::Serialize;

use super::peer::Peer;
use crate::parse::head::Header;

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET`.
    pub method: &'a str,
    /// Path and query as they stood in the request line.
    pub target: &'a str,
    /// Header lines in the order they were sent.
    pub headers: &'a [Header<'a>],
    /// Where it comes from.
    pub origin: Origin<'a>,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// The loopback listener, which authenticates no client.
    Loopback,
    /// The network; with the client's certificates, if it presented some and proved to have the key.
    Network(Option<&'a Peer>),
}

impl<'a> Request<'a> {
    /// A GET without headers from this machine.
    pub fn get(target: &'a str) -> Self {
        Self { method: "GET", target, headers: &[], origin: Origin::Loopback }
    }

    /// The first header line of this name, if its value is UTF-8.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let line = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        line.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }
}

/// A reply, complete in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status code.
    pub code: u16,
    /// Bare media type, or with parameters for text.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// `application/json`, without charset, as Kubernetes sends it.
pub const JSON: &str = "application/json";

/// Plain text of health checks.
pub const TEXT: &str = "text/plain; charset=utf-8";

impl Reply {
    /// JSON with one newline at its end; indented by two spaces if `pretty`.
    pub fn json(code: u16, value: &impl Serialize, pretty: bool) -> Self {
        // Room for the answer about one object, so that it is written in one go.
        let mut body = Vec::with_capacity(1024);
        let printed = match pretty {
            true => serde_json::to_writer_pretty(&mut body, value),
            false => serde_json::to_writer(&mut body, value),
        };
        // Values of our own always print; were it otherwise, an empty body would be the honest answer.
        if printed.is_err() {
            body.clear();
        }
        body.push(b'\n');
        Self { code, content_type: JSON, body }
    }

    /// Plain text.
    pub fn text(code: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { code, content_type: TEXT, body: body.into() }
    }
}

//! HTTP/1 on one connection, without I/O: bytes in, requests out; replies in, bytes out, in the order of the requests.
//! After a request has been rejected, no further byte is read.

use std::cell::Cell;

use super::reply_head::{self, HEAD};
use crate::api::message::{Origin, Reply, Request};
use crate::api::peer::Peer;
use crate::parse::head::{self, Head, HeadError};

/// One connection's requests and answers.
#[derive(Debug, Default)]
pub(super) struct H1Connection {
    input: Vec<u8>,
    /// The length of the input that is known to contain no complete head.
    seen: usize,
    /// The request that is being answered.
    in_progress: Option<InProgress>,
    output: Vec<u8>,
    sent: usize,
    /// Whether the connection ends when the output is sent.
    last: bool,
}

/// The properties of a request that its reply depends on.
#[derive(Clone, Copy, Debug)]
struct InProgress {
    /// Bytes of its head.
    length: usize,
    /// Whether the connection stays open.
    keep_alive: bool,
    /// Whether `Connection: keep-alive` must be sent, as to HTTP/1.0 clients.
    is_explicit: bool,
    /// Whether the reply goes without its body, as to HEAD.
    bodiless: bool,
}

/// The next request, if any.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// More bytes are needed: the input is empty, or the beginning of a head.
    Input,
    /// A request was complete; the result of `handle`.
    Handled(T),
    /// The request is refused; its reply is the last one.
    Refused(HeadError),
}

impl H1Connection {
    /// Adds bytes from the client.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Whether no byte of the next request has arrived.
    pub(super) fn is_idle(&self) -> bool {
        self.input.is_empty() && self.in_progress.is_none() && self.unsent().is_empty()
    }

    /// Whether a part of a head is kept, to which the next bytes belong.
    pub(super) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Looks for the next request in bytes that have just arrived, while there is no other input, and passes it to `handle`.
    /// Returns how many bytes were used. Most requests arrive whole and are not copied; an incomplete head is kept.
    pub(super) fn next_in<T>(
        &mut self,
        bytes: &[u8],
        limits: head::HeadLimits,
        peer: Option<&Peer>,
        handle: impl FnOnce(&Request<'_>) -> T,
    ) -> (Next<T>, usize) {
        match head::parse(bytes, 0, limits) {
            Ok(Some(head)) => {
                self.in_progress = Some(InProgress { length: 0, ..InProgress::new(&head) });
                (Next::Handled(handle(&request(&head, peer))), head.length)
            }
            _ => {
                self.receive(bytes);
                (self.next(limits, peer, handle), bytes.len())
            }
        }
    }

    /// Keeps the head of the request in progress, which [`Self::next_in`] has found.
    pub(super) fn keep(&mut self, head: &[u8]) {
        self.input = head.to_vec();
        self.in_progress.iter_mut().for_each(|in_progress| in_progress.length = head.len());
    }

    /// Looks for the next request, if the previous one is answered, and passes it to `handle`.
    pub(super) fn next<T>(
        &mut self,
        limits: head::HeadLimits,
        peer: Option<&Peer>,
        handle: impl FnOnce(&Request<'_>) -> T,
    ) -> Next<T> {
        if self.input.is_empty() {
            // An idle connection holds no memory for input.
            self.input = Vec::new();
            return Next::Input;
        }
        match head::parse(&self.input, self.seen, limits) {
            Ok(None) => {
                self.seen = self.input.len();
                Next::Input
            }
            Ok(Some(head)) => {
                self.in_progress = Some(InProgress::new(&head));
                Next::Handled(handle(&request(&head, peer)))
            }
            Err(error) => {
                self.in_progress =
                    Some(InProgress { length: 0, keep_alive: false, is_explicit: false, bodiless: false });
                Next::Refused(error)
            }
        }
    }

    /// The head of the request in progress, to be answered on another thread; see [`with_request`].
    pub(super) fn request_head(&self) -> Vec<u8> {
        self.in_progress.and_then(|in_progress| self.input.get(..in_progress.length)).unwrap_or_default().to_vec()
    }

    /// Answers the request in progress; the connection then ends if `close`.
    pub(super) fn reply(&mut self, reply: &Reply, close: bool, unix_millis: i64) {
        let Some(InProgress { length, keep_alive, is_explicit, bodiless }) = self.in_progress.take() else { return };
        self.last = close || !keep_alive;
        if self.last {
            // Bytes after the last request are ignored.
            self.input = Vec::new();
        } else {
            self.input.drain(..length);
        }
        self.seen = 0;
        let connection = match (self.last, is_explicit) {
            (true, _) => "Connection: close\r\n",
            (false, true) => "Connection: keep-alive\r\n",
            (false, false) => "",
        };
        if self.output.capacity() == 0 {
            self.output = SPARE.take();
        }
        self.output.reserve(HEAD + reply.body.len());
        reply_head::write(&mut self.output, reply, connection, unix_millis);
        if !bodiless && reply.code != 304 {
            self.output.extend_from_slice(&reply.body);
        }
    }

    /// The bytes that are still to be sent.
    pub(super) fn unsent(&self) -> &[u8] {
        self.output.get(self.sent..).unwrap_or_default()
    }

    /// Removes this many bytes, which have been sent.
    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.output.len() {
            // An idle connection holds no memory for output.
            spare(std::mem::take(&mut self.output));
            self.sent = 0;
        }
    }

    /// Whether the connection ends when everything is sent.
    pub(super) fn is_last(&self) -> bool {
        self.last
    }
}

impl InProgress {
    fn new(head: &Head<'_>) -> Self {
        Self {
            length: head.length,
            keep_alive: head.keep_alive,
            is_explicit: head.minor == 0,
            bodiless: head.method == "HEAD",
        }
    }
}

/// Passes the request with this head to `handle`; `None` if the head is incomplete.
pub(super) fn with_request<T>(head: &[u8], peer: Option<&Peer>, handle: impl FnOnce(&Request<'_>) -> T) -> Option<T> {
    let any = head::HeadLimits { bytes: head.len(), headers: head.len() };
    let head = head::parse(head, 0, any).ok()??;
    Some(handle(&request(&head, peer)))
}

fn request<'a>(head: &'a Head<'_>, peer: Option<&'a Peer>) -> Request<'a> {
    Request { method: head.method, target: head.target, headers: &head.headers, origin: Origin::Network(peer) }
}

thread_local! {
    /// The buffer of the last output, for reuse by the next connection.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Larger buffers are not kept for reuse. 16 KiB, which most replies fit into.
const LARGEST_SPARE: usize = 16 * 1024;

fn spare(mut memory: Vec<u8>) {
    if memory.capacity() <= LARGEST_SPARE {
        memory.clear();
        SPARE.set(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: head::HeadLimits = head::HeadLimits { bytes: 1_024, headers: 8 };
    const NOW: i64 = 1_787_020_504_000;

    /// What a client receives that sends `input` in pieces of `piece` bytes to a server that answers with the target.
    fn conversation(input: &str, piece: usize) -> String {
        let mut h1 = H1Connection::default();
        let mut received = Vec::new();
        for bytes in input.as_bytes().chunks(piece) {
            if h1.is_last() {
                break;
            }
            h1.receive(bytes);
            while !h1.is_last() {
                let echo = |request: &Request<'_>| Reply::text(200, format!("{} {}", request.method, request.target));
                let reply = match h1.next(LIMITS, None, echo) {
                    Next::Input => break,
                    Next::Handled(reply) => reply,
                    Next::Refused(error) => Reply::text(400, error.to_string()),
                };
                h1.reply(&reply, false, NOW);
            }
            received.extend_from_slice(h1.unsent());
            h1.sent(h1.unsent().len());
        }
        String::from_utf8(received).unwrap()
    }

    fn answer(code: &str, connection: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 {code}\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-cache, private\r\n\
             X-Content-Type-Options: nosniff\r\nDate: Tue, 18 Aug 2026 02:35:04 GMT\r\nContent-Length: {length}\r\n\
             {connection}\r\n{body}"
        )
    }

    #[test]
    fn answers_in_order_for_any_chunks() {
        let input = "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n";
        let expected = answer("200 OK", "", "GET /a") + &answer("200 OK", "Connection: close\r\n", "GET /b");
        for piece in 1..=input.len() {
            assert_eq!(conversation(input, piece), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn keeps_http_1_0_open_only_if_asked() {
        for (lines, connection) in
            [("", "Connection: close\r\n"), ("Connection: keep-alive\r\n", "Connection: keep-alive\r\n")]
        {
            let expected = answer("200 OK", connection, "GET /a");
            assert_eq!(conversation(&format!("GET /a HTTP/1.0\r\n{lines}\r\n"), 7), expected);
        }
    }

    #[test]
    fn answers_head_without_a_body() {
        let answer = conversation("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n", 100);
        assert!(answer.contains("Content-Length: 7\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[test]
    fn sends_304_without_content_length() {
        let mut h1 = H1Connection::default();
        h1.receive(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(h1.next(LIMITS, None, |_| ()), Next::Handled(()));
        h1.reply(&Reply::text(200, "known").cached("public").tagged("\"a\"").not_modified(), false, NOW);
        assert_eq!(
            String::from_utf8_lossy(h1.unsent()),
            "HTTP/1.1 304 Not Modified\r\nCache-Control: public\r\nX-Content-Type-Options: nosniff\r\n\
             ETag: \"a\"\r\nVary: Accept\r\nDate: Tue, 18 Aug 2026 02:35:04 GMT\r\n\r\n"
        );
    }

    #[test]
    fn reads_nothing_after_a_rejection() {
        let second = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        for first in [
            format!("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", second.len()),
            "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\nHost: h\n\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n".to_owned(),
        ] {
            for piece in [1, 7, 1_000] {
                let received = conversation(&format!("{first}{second}"), piece);
                assert_eq!(received.matches("HTTP/1.1 ").count(), 1, "{received}");
                assert!(received.contains("400 Bad Request") && received.contains("Connection: close"), "{received}");
                assert!(!received.contains("smuggled"), "{received}");
            }
        }
    }

    #[test]
    fn holds_no_memory_when_idle() {
        let mut h1 = H1Connection::default();
        h1.receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(h1.next(LIMITS, None, |_| ()), Next::Handled(()));
        assert_eq!(h1.request_head().len(), 28 - 1);
        h1.reply(&Reply::text(200, "ok"), false, NOW);
        h1.sent(h1.unsent().len());
        assert_eq!(h1.next(LIMITS, None, |_| ()), Next::Input);
        assert!(h1.is_idle() && h1.input.capacity() == 0 && h1.output.capacity() == 0);
    }
}

//! The plain listener: HTTP on loopback by tiny_http, for a laptop, a TLS-terminating sidecar, or `curl`.
//!
//! It does not authenticate, so it binds only to loopback, and accepts only requests with a loopback Host: a web page
//! could otherwise reach it under its own name (DNS rebinding). X-Remote-* and Authorization are ignored.

mod listener;

use std::io::{self, Cursor, Read};
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use log::{debug, warn};
use tiny_http::{Header, Response, StatusCode};

use self::listener::LoopbackListener;
use super::workers::{Pending, Workers, spawn};
use crate::api::Answer;
use crate::api::message::{Origin, Reply, Request};
use crate::config::limits::PlainLimits;
use crate::parse::escape::Escaped;
use crate::source::queue::FairQueue;

/// Requests whose body must be read and discarded, with their replies.
type Discards = FairQueue<(), (tiny_http::Request, Reply)>;

/// A running plain listener.
pub(crate) struct Plain {
    listener: LoopbackListener,
}

impl Plain {
    /// Binds and starts serving.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub(crate) fn start(address: SocketAddr, workers: Arc<Workers>) -> io::Result<Self> {
        let limits = workers.limits().clone();
        let discards = start_discards(&limits.plain)?;
        let handler = move |request| handle(request, &workers, &discards);
        Ok(Self { listener: LoopbackListener::start(address, &limits, handler)? })
    }

    /// The address; the port is the chosen one if 0 was requested.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Stops accepting requests. Returns whether all were answered, or handed to [`Workers`], by the deadline.
    pub(crate) fn stop(&self, deadline: Instant) -> bool {
        self.listener.stop(deadline)
    }
}

/// Answers from memory, or passes the request to a blocking worker.
fn handle(request: tiny_http::Request, workers: &Arc<Workers>, discards: &Discards) {
    let since = workers.now();
    if let Err(why) = check(&request) {
        let reply = with_request(&request, |request| workers.api().refused(request, &why, since));
        return match has_body(&request) {
            true => discard(request, reply, discards),
            false => respond(request, reply),
        };
    }
    match with_request(&request, |request| workers.answer(request, since)) {
        Answer::Reply(reply) => respond(request, reply),
        Answer::WouldWait(waiting) => workers.wait(waiting, since, Box::new(request)),
    }
}

impl Pending for tiny_http::Request {
    fn with_request(&self, answer: &dyn Fn(&Request<'_>) -> Answer) -> Answer {
        with_request(self, answer)
    }

    fn reply(self: Box<Self>, reply: Reply) {
        respond(*self, reply);
    }
}

/// Replies to a request with a body. The rest of the body must be read, because the next request follows it; that can
/// take long, so other threads do it.
fn discard(request: tiny_http::Request, reply: Reply, discards: &Discards) {
    let promised = request.body_length().unwrap_or_default();
    if Vec::<u8>::new().try_reserve_exact(promised).is_err() {
        // tiny_http would allocate the whole unread body, which would abort the process.
        warn!("ignored a request that promises a body larger than this machine's memory");
        return mem::forget(request);
    }
    if let Err((request, _)) = discards.push((), Instant::now(), (request, reply)) {
        debug!("dropped a request with a body: too many are being read");
        drop(request);
    }
}

/// Starts the threads that read bodies. They end with the process.
fn start_discards(limits: &PlainLimits) -> io::Result<Arc<Discards>> {
    let discards = Arc::new(Discards::new(limits.discard_queue, limits.discard_queue, limits.discarders));
    for number in 0..limits.discarders {
        let (discards, most) = (discards.clone(), limits.discarded_body);
        spawn(&format!("plain-body-{number}"), move || {
            while let Some(((mut request, reply), _permit)) = discards.take() {
                // tiny_http reads the rest of a body with a length.
                if request.body_length().is_none() {
                    let _ = io::copy(&mut request.as_reader().take(most), &mut io::sink());
                }
                respond(request, reply);
            }
        })?;
    }
    Ok(discards)
}

/// The request as the API reads it.
fn with_request<T>(request: &tiny_http::Request, with_request: impl FnOnce(&Request<'_>) -> T) -> T {
    let lines = request.headers().iter();
    let headers: Vec<_> = lines.map(|line| (line.field.as_str().as_str(), line.value.as_str().as_bytes())).collect();
    with_request(&Request {
        method: request.method().as_str(),
        target: request.url(),
        headers: &headers,
        origin: Origin::Loopback,
    })
}

/// Rejects requests that a web page of another site could send, and requests with a body, which no route accepts.
fn check(request: &tiny_http::Request) -> Result<(), String> {
    let host = find(request, "Host");
    // HTTP/1.0 has no Host header; if there is one, it is checked.
    if !host.map_or(*request.http_version() == tiny_http::HTTPVersion(1, 0), is_loopback) {
        let found = host.map_or_else(|| "none".to_owned(), |host| Escaped::new(host).to_string());
        return Err(format!("Host: expected a loopback name, as this listener serves loopback only; found {found}"));
    }
    if let Some(origin) = find(request, "Origin").filter(|origin| !is_loopback_origin(origin)) {
        return Err(format!("Origin: expected a loopback origin or none, found {}", Escaped::new(origin)));
    }
    // Rejects background requests from other web sites, but not a link that a user follows.
    let cross_site = find(request, "Sec-Fetch-Site").is_some_and(|site| site != "same-origin" && site != "none");
    if cross_site && find(request, "Sec-Fetch-Mode") != Some("navigate") {
        return Err("expected a request from this machine, found one by a page of another site".to_owned());
    }
    if has_body(request) {
        return Err("expected a request without a body, found one with a body".to_owned());
    }
    Ok(())
}

fn has_body(request: &tiny_http::Request) -> bool {
    request.body_length().is_some_and(|length| length > 0) || find(request, "Transfer-Encoding").is_some()
}

/// Whether a Host header (RFC 9110 §7.2) names a loopback address.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether an Origin header (RFC 6454 §7) belongs to a page served from loopback.
fn is_loopback_origin(origin: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, host)| is_loopback(host))
}

fn find<'a>(request: &'a tiny_http::Request, name: &'static str) -> Option<&'a str> {
    request.headers().iter().find(|header| header.field.equiv(name)).map(|header| header.value.as_str())
}

fn header(name: &str, value: &str) -> Option<Header> {
    Header::from_bytes(name, value).ok()
}

fn respond(request: tiny_http::Request, reply: Reply) {
    let headers = reply.headers().filter_map(|(name, value)| header(name, value)).collect();
    let length = reply.body.len();
    let response = Response::new(StatusCode(reply.code), headers, Cursor::new(reply.body), Some(length), None);
    if let Err(error) = request.respond(response) {
        // A client that disconnects is not an error.
        debug!("an answer did not reach its client: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_hosts() {
        use tiny_http::{HTTPVersion, TestRequest};
        for (version, host, accepted) in [
            ((1, 1), Some("localhost:8080"), true),
            ((1, 1), Some("example.com"), false),
            ((1, 1), None, false),
            ((1, 0), Some("127.0.0.1"), true),
            ((1, 0), Some("example.com"), false),
            ((1, 0), None, true),
        ] {
            let request = TestRequest::new().with_http_version(HTTPVersion(version.0, version.1));
            let request = match host.and_then(|host| header("Host", host)) {
                Some(host) => request.with_header(host),
                None => request,
            };
            let checked = check(&request.into());
            assert_eq!(checked.is_ok(), accepted, "{version:?} {host:?}: {checked:?}");
        }
    }

    #[test]
    fn recognizes_loopback_hosts() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "10.0.0.1:8080",
            "[::2]:1",
            "[fe80::1]",
            "127.0.0.1.nip.io",
            "::1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}

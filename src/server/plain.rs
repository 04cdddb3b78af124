//! The plain listener: HTTP on loopback by tiny_http, for a laptop, a TLS-terminating sidecar, or `curl`.
//!
//! It asks nobody who they are, so it serves loopback only, and only requests whose Host is loopback too: a page in a
//! browser could otherwise reach it under a name of its own (DNS rebinding). X-Remote-* and Authorization mean nothing
//! here.

use std::io::{self, Cursor};
use std::mem;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use log::{debug, warn};
use once_cell::sync::Lazy;
use tiny_http::{Header, Response, StatusCode};

use super::workers::{Workers, join, spawn};
use crate::api::Answer;
use crate::api::message::{Origin, Reply, Request};
use crate::parse::escape::Escaped;

/// A running plain listener.
pub struct Plain {
    shared: Arc<Shared>,
    address: SocketAddr,
    receivers: Vec<JoinHandle<()>>,
}

struct Shared {
    server: tiny_http::Server,
    workers: Arc<Workers>,
    stopping: AtomicBool,
}

/// Kubernetes' servers forbid caching everywhere, and guessing of types where the body is text.
static CACHE_CONTROL: Lazy<Option<Header>> = Lazy::new(|| header("Cache-Control", "no-cache, private"));
static NO_SNIFF: Lazy<Option<Header>> = Lazy::new(|| header("X-Content-Type-Options", "nosniff"));

impl Plain {
    /// Binds and starts serving. `on_failure` is told when the listener has stopped for good on its own.
    ///
    /// # Errors
    /// If the address cannot be bound; the text names it.
    pub fn start(
        address: SocketAddr,
        workers: Arc<Workers>,
        on_failure: impl Fn(String) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        // Accepted sockets inherit it. Without it an answer in several writes waits for the peer's delayed ACK: 40 ms.
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        let address = listener.local_addr()?;
        let server = tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)?;
        let shared = Arc::new(Shared { server, workers, stopping: AtomicBool::new(false) });
        let on_failure = Arc::new(on_failure);
        let failed = on_failure.clone();
        on_accept_panic(move |why| failed(why));
        let mut receivers = Vec::new();
        for number in 0..shared.workers.limits().workers.fast {
            let (shared, on_failure) = (shared.clone(), on_failure.clone());
            receivers.push(spawn(&format!("plain-{number}"), move || shared.receive(&*on_failure))?);
        }
        Ok(Self { shared, address, receivers })
    }

    /// Where it listens; the port is the one that was given where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, until the deadline. Whether every one was answered, or is in the hands of [`Workers`].
    pub fn stop(&self, deadline: Instant) -> bool {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for _ in &self.receivers {
            self.shared.server.unblock();
        }
        join(&self.receivers, deadline)
    }
}

/// tiny_http's accept loop clones each socket and panics where that fails, as it does when files run out; `recv` would
/// then wait for ever. Nothing else in that file panics.
fn on_accept_panic(on_failure: impl Fn(String) + Send + Sync + 'static) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        if info.location().is_some_and(|place| place.file().ends_with("refined_tcp_stream.rs")) {
            let why = info.payload().downcast_ref::<String>().map_or("no reason given", String::as_str);
            on_failure(format!("cannot accept connections: {why}"));
        }
    }));
}

impl Shared {
    /// One fast worker: answers from memory, hands on what has to wait.
    fn receive(&self, on_failure: &dyn Fn(String)) {
        loop {
            let request = match self.server.recv() {
                Ok(request) => request,
                Err(_) if self.stopping.load(Ordering::SeqCst) => break,
                Err(failure) => return on_failure(failure.to_string()),
            };
            self.first(request);
        }
        while let Ok(Some(request)) = self.server.try_recv() {
            self.first(request);
        }
        // The last look at the queue may have taken the wake-up of another worker off it.
        self.server.unblock();
    }

    fn first(&self, request: tiny_http::Request) {
        let since = self.workers.now();
        if let Err(why) = check(&request) {
            return self.refuse(request, &why);
        }
        match asking(&request, |asked| self.workers.answer(asked, since)) {
            Answer::Reply(reply) => respond(request, reply),
            Answer::WouldWait(source) => self.workers.wait(
                source,
                since,
                Box::new(move |answer| {
                    let reply = asking(&request, answer);
                    respond(request, reply);
                }),
            ),
        }
    }

    /// Refuses a request. Its body has to be read away first, as what follows it is the next request; its sender may take
    /// for ever, so that a thread of its own does it.
    fn refuse(&self, mut request: tiny_http::Request, why: &str) {
        let reply = self.workers.api().refused(why);
        if !has_body(&request) {
            return respond(request, reply);
        }
        if request.body_length().is_some_and(|length| length > self.workers.limits().plain.refused_body) {
            // When tiny_http drops it, it allocates what is still to come, however much that is said to be; the process
            // would end for want of memory.
            warn!("a request says that it has a body of more than 16 MiB; it gets no answer");
            return mem::forget(request);
        }
        let read_away = move || {
            let _ = io::copy(request.as_reader(), &mut io::sink());
            respond(request, reply);
        };
        if let Err(failure) = spawn("plain-body", read_away) {
            debug!("a request with a body was dropped: {failure}");
        }
    }
}

/// The request as the API sees it.
fn asking<T>(request: &tiny_http::Request, ask: impl FnOnce(&Request<'_>) -> T) -> T {
    let lines = request.headers().iter();
    let headers: Vec<_> = lines.map(|line| (line.field.as_str().as_str(), line.value.as_str().as_bytes())).collect();
    ask(&Request {
        method: request.method().as_str(),
        target: request.url(),
        headers: &headers,
        origin: Origin::Loopback,
    })
}

/// Refuses what must not be answered on loopback.
fn check(request: &tiny_http::Request) -> Result<(), String> {
    let host = find(request, "Host");
    // HTTP/1.0 knows no Host; where one is sent it counts.
    if !host.map_or(*request.http_version() == tiny_http::HTTPVersion(1, 0), is_loopback) {
        let found = host.map_or_else(|| "none".to_owned(), |host| Escaped::new(host).to_string());
        return Err(format!("Host: expected a loopback name, as this listener serves loopback only; found {found}"));
    }
    if has_body(request) {
        return Err("expected a request without a body, found one with a body".to_owned());
    }
    Ok(())
}

fn has_body(request: &tiny_http::Request) -> bool {
    request.body_length().is_some_and(|length| length > 0) || find(request, "Transfer-Encoding").is_some()
}

/// Whether a Host header (RFC 9110 §7.2) names this machine's loopback.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn find<'a>(request: &'a tiny_http::Request, name: &'static str) -> Option<&'a str> {
    request.headers().iter().find(|header| header.field.equiv(name)).map(|header| header.value.as_str())
}

fn header(name: &str, value: &str) -> Option<Header> {
    Header::from_bytes(name, value).ok()
}

fn respond(request: tiny_http::Request, reply: Reply) {
    let Reply { code, content_type, body } = reply;
    let text = content_type.starts_with("text/");
    let headers = [header("Content-Type", content_type), CACHE_CONTROL.clone(), NO_SNIFF.clone().filter(|_| text)];
    let headers = headers.into_iter().flatten().collect();
    let length = body.len();
    let response = Response::new(StatusCode(code), headers, Cursor::new(body), Some(length), None);
    if let Err(error) = request.respond(response) {
        // A caller that hangs up is nothing unusual.
        debug!("an answer did not reach its caller: {error}");
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
    fn tells_loopback_hosts() {
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

//! HTTP servers for a single test, valid or not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// A server on a free port. Its thread ends with the test process.
pub struct Upstream {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

/// A gate at which a handler can wait.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until the gate opens.
    pub fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }
}

impl Upstream {
    /// Passes each connection to `handle` after reading the request's head; the connection ends when it returns.
    pub fn start(handle: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", handle)
    }

    /// Starts the server at an address.
    pub fn at(address: &str, handle: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind(address).unwrap(), handle)
    }

    /// Starts the server on an existing listener.
    pub fn on(listener: TcpListener, handle: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let (requests, heads) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, kept, handle) = (requests.clone(), heads.clone(), Arc::new(handle));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, handle) = (stream.unwrap(), handle.clone());
                let (count, kept) = (count.clone(), kept.clone());
                thread::spawn(move || {
                    let Some(head) = read_head(&mut stream) else { return };
                    count.fetch_add(1, Ordering::SeqCst);
                    kept.lock().unwrap().push(head.clone());
                    handle(&head, &mut stream);
                });
            }
        });
        Self { address, requests, heads }
    }

    /// Always sends these bytes, including the head.
    pub fn raw(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, stream| drop(stream.write_all(&answer)))
    }

    /// Always responds 200 with this page.
    pub fn page(content_type: &str, body: &str) -> Self {
        Self::raw(page(content_type, body))
    }

    /// Always responds with this Prometheus text.
    pub fn text(body: &str) -> Self {
        Self::page("text/plain; version=0.0.4", body)
    }

    /// Prometheus text that the test can change.
    pub fn changing(body: &str) -> (Self, Arc<Mutex<String>>) {
        let body = Arc::new(Mutex::new(body.to_owned()));
        let current = body.clone();
        let upstream = Self::start(move |_, stream| {
            let answer = page("text/plain; version=0.0.4", &current.lock().unwrap());
            let _ = stream.write_all(&answer);
        });
        (upstream, body)
    }

    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// A complete response.
pub fn page(content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Reads the body after a head with its length.
pub fn read_body(head: &str, stream: &mut impl Read) -> String {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

pub fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

//! Pods that serve metrics pages over keep-alive connections: one listener for all of 127.0.0.0/8. bench/hyper includes this
//! file as a module, too.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufReader};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use crate::http::{self, Request};

/// The number of threads that serve pages.
const SERVERS: usize = 4;

/// Running pods, until this process ends.
pub struct Pages {
    /// The port of every pod.
    pub port: u16,
    served: Arc<Served>,
}

/// The content of the pages, and the record of fetches.
struct Served {
    start: Instant,
    wanted: usize,
    labels: fn(usize) -> String,
    rest: String,
    /// The times at which Metriclet fetched pages.
    fetched: Mutex<Vec<Instant>>,
    bytes: AtomicU64,
    pages: AtomicU64,
}

impl Pages {
    /// Starts pods with this number of series each, of which the rule uses the first `wanted`. These grow by 0, 1, 2 and so
    /// on per second. `labels` returns additional labels for the pod with that number, each followed by a comma.
    pub fn serve(wanted: usize, series: usize, labels: fn(usize) -> String) -> io::Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let mut rest = String::new();
        for number in wanted..series {
            // Writing to a String cannot fail.
            let _ = writeln!(rest, "process_things{{kind=\"thing-{number}\",place=\"somewhere\"}} {number}.5");
        }
        let served = Arc::new(Served {
            start: Instant::now(),
            wanted,
            labels,
            rest,
            fetched: Mutex::default(),
            bytes: AtomicU64::new(0),
            pages: AtomicU64::new(0),
        });
        for _ in 0..SERVERS {
            let (listener, served) = (listener.try_clone()?, served.clone());
            thread::spawn(move || {
                if let Err(error) = each_request(&listener, |stream| served.answer(stream)) {
                    eprintln!("pods do not serve any more: {error}");
                }
            });
        }
        Ok(Self { port, served })
    }

    /// The times of Metriclet's fetches since `since`, in order.
    pub fn fetched(&self, since: Instant) -> Vec<Instant> {
        let fetched = self.served.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fetched: Vec<Instant> = fetched.iter().copied().filter(|at| *at >= since).collect();
        fetched.sort_unstable();
        fetched
    }

    /// The numbers of bytes and of pages sent.
    pub fn sent(&self) -> (u64, u64) {
        (self.served.bytes.load(Ordering::Relaxed), self.served.pages.load(Ordering::Relaxed))
    }
}

impl Served {
    /// Answers a request; returns false if there was none.
    fn answer(&self, mut stream: &TcpStream) -> io::Result<bool> {
        // The listener is only for programs on this machine.
        if !stream.peer_addr()?.ip().is_loopback() {
            return Ok(false);
        }
        let Some(request) = Request::read(&mut BufReader::new(stream))? else { return Ok(false) };
        if request.has_line("user-agent: metriclet/") {
            self.fetched.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
        let IpAddr::V4(address) = stream.local_addr()?.ip() else { return Ok(false) };
        let [_, _, high, low] = address.octets();
        let labels = (self.labels)(usize::from(u16::from_be_bytes([high, low])));
        let mut counters = String::new();
        for number in 0..self.wanted {
            // Far from 0, so that extrapolation to zero has no effect.
            let value = (1e4 + self.start.elapsed().as_secs_f64()) * number as f64;
            let _ = writeln!(
                counters,
                "http_requests_total{{{labels}code=\"200\",method=\"GET\",handler=\"/items/{number}\"}} {value}"
            );
        }
        let bytes = http::page(&mut stream, &[&counters, &self.rest])?;
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.pages.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }
}

/// Calls `answer` for each request on a connection. If it returns false or fails, the connection is closed.
fn each_request(listener: &TcpListener, answer: impl Fn(&TcpStream) -> io::Result<bool>) -> io::Result<()> {
    // No connection's descriptor has this number.
    const LISTENER: u64 = u64::MAX;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN | EventFlags::EXCLUSIVE)?;
    let mut connections = HashMap::new();
    let mut events: Vec<Event> = Vec::with_capacity(64);
    loop {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let number = event.data.u64();
            if number == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(false)?;
                    let number = u64::try_from(stream.as_raw_fd()).map_err(io::Error::other)?;
                    epoll::add(&epoll, &stream, EventData::new_u64(number), EventFlags::IN)?;
                    connections.insert(number, stream);
                }
            } else if let Some(stream) = connections.get(&number)
                && !answer(stream).unwrap_or(false)
            {
                connections.remove(&number);
            }
        }
    }
}

/// The duration in seconds of each round of scrapes; rounds are separated by pauses.
pub fn rounds(fetched: &[Instant]) -> Vec<f64> {
    const PAUSE: Duration = Duration::from_secs(1);
    let rounds = fetched.chunk_by(|before, after| after.saturating_duration_since(*before) < PAUSE);
    let took = |round: &[Instant]| Some(round.last()?.saturating_duration_since(*round.first()?).as_secs_f64());
    rounds.filter_map(took).collect()
}

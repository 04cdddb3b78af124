//! Pods that serve pages, on connections that clients may keep: one listener for all of 127.0.0.0/8.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use metriclet_bench::Result;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// The number of series on a page that the rule uses.
pub const WANTED: usize = 20;
/// Their total growth per second: 0 + 1 + … + 19.
pub const RATE: f64 = 190.0;
/// The number of threads that serve pages.
const SERVERS: usize = 4;

/// Running pods, until this process ends.
pub struct Pages {
    pub port: u16,
    /// The times at which Metriclet fetched pages.
    fetched: Arc<Mutex<Vec<Instant>>>,
}

/// The address of the pod with this number.
pub fn address(number: usize) -> Ipv4Addr {
    let [.., high, low] = u32::try_from(number).unwrap_or_default().to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

impl Pages {
    /// Starts pods with this number of series each.
    pub fn serve(series: usize) -> Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let fetched = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now();
        let mut rest = String::new();
        for number in WANTED..series {
            writeln!(rest, "process_things{{kind=\"thing-{number}\",place=\"somewhere\"}} {number}.5")?;
        }
        let rest = Arc::new(rest);
        for _ in 0..SERVERS {
            let (listener, rest, fetched) = (listener.try_clone()?, rest.clone(), fetched.clone());
            thread::spawn(move || {
                let answer = |stream: &TcpStream| answer(stream, start, &rest, &fetched);
                if let Err(error) = each_request(&listener, answer) {
                    eprintln!("pods do not serve any more: {error}");
                }
            });
        }
        Ok(Self { port, fetched })
    }

    /// The times of Metriclet's fetches since `since`, in order.
    pub fn fetched(&self, since: Instant) -> Vec<Instant> {
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fetched: Vec<Instant> = fetched.iter().copied().filter(|at| *at >= since).collect();
        fetched.sort_unstable();
        fetched
    }
}

/// The duration of each round in seconds; rounds are separated by pauses.
pub fn rounds(fetched: &[Instant]) -> Vec<f64> {
    const PAUSE: Duration = Duration::from_secs(1);
    let rounds = fetched.chunk_by(|before, after| after.saturating_duration_since(*before) < PAUSE);
    let took = |round: &[Instant]| Some(round.last()?.saturating_duration_since(*round.first()?).as_secs_f64());
    rounds.filter_map(took).collect()
}

/// Calls `answer` when there is a request on one of the connections, which are closed once it returns false.
fn each_request(listener: &TcpListener, answer: impl Fn(&TcpStream) -> Result<bool>) -> Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    // No descriptor of a connection.
    let of_listener = u64::MAX;
    epoll::add(&epoll, listener, EventData::new_u64(of_listener), EventFlags::IN | EventFlags::EXCLUSIVE)?;
    let mut connections = HashMap::new();
    let mut events: Vec<Event> = Vec::with_capacity(64);
    loop {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let of = event.data.u64();
            if of == of_listener {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(false)?;
                    let of = u64::try_from(stream.as_raw_fd())?;
                    epoll::add(&epoll, &stream, EventData::new_u64(of), EventFlags::IN)?;
                    connections.insert(of, stream);
                }
            } else if let Some(stream) = connections.get(&of)
                && !answer(stream).unwrap_or(false)
            {
                connections.remove(&of);
            }
        }
    }
}

/// Whether there was a request.
fn answer(mut stream: &TcpStream, start: Instant, rest: &str, fetched: &Mutex<Vec<Instant>>) -> Result<bool> {
    // The listener is only for programs on this machine.
    if !stream.peer_addr()?.ip().is_loopback() {
        return Ok(false);
    }
    let mut request = BufReader::new(stream);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        if line.to_ascii_lowercase().starts_with("user-agent: metriclet/") {
            fetched.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
        line.clear();
    }
    if line.is_empty() {
        return Ok(false);
    }
    let mut counters = String::new();
    for number in 0..WANTED {
        // Far from 0, so that extrapolation to zero has no effect.
        let value = (1e4 + start.elapsed().as_secs_f64()) * number as f64;
        writeln!(counters, "http_requests_total{{code=\"200\",method=\"GET\",handler=\"/items/{number}\"}} {value}")?;
    }
    let length = counters.len() + rest.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all([head.as_str(), &counters, rest].concat().as_bytes())?;
    Ok(true)
}

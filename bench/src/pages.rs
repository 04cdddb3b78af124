//! Pods that serve pages: one listener for all of 127.0.0.0/8, so that thousands of pods need no descriptors. bench/hyper
//! includes this file as a module, too.

use std::fmt::Write as _;
use std::io::{self, BufReader};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::{self, Request};

/// The number of threads that serve pages.
const SERVERS: usize = 4;

/// Running pods, until this process ends.
pub struct Pages {
    /// Of every pod.
    pub port: u16,
    served: Arc<Served>,
}

/// What is on the pages, and who fetched them.
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
    /// Starts pods with this number of series each, of which the rule uses the first `wanted`. Those grow by 0, 1, 2 and so
    /// on a second. `labels` are additional ones of the pod with that number, each followed by a comma.
    pub fn serve(wanted: usize, series: usize, labels: fn(usize) -> String) -> io::Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0")?;
        let port = listener.local_addr()?.port();
        let mut rest = String::new();
        for number in wanted..series {
            // A String takes every write.
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
                for stream in listener.incoming().flatten() {
                    // A client that hangs up is done.
                    drop(served.answer(stream));
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

    /// Bytes and pages sent.
    pub fn sent(&self) -> (u64, u64) {
        (self.served.bytes.load(Ordering::Relaxed), self.served.pages.load(Ordering::Relaxed))
    }
}

impl Served {
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        // The listener is only for programs on this machine.
        if !stream.peer_addr()?.ip().is_loopback() {
            return Ok(());
        }
        let Some(request) = Request::read(&mut BufReader::new(&stream))? else { return Ok(()) };
        if request.has_line("user-agent: metriclet/") {
            self.fetched.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
        let IpAddr::V4(address) = stream.local_addr()?.ip() else { return Ok(()) };
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
        Ok(())
    }
}

/// The duration of each round in seconds; rounds are separated by pauses.
pub fn rounds(fetched: &[Instant]) -> Vec<f64> {
    const PAUSE: Duration = Duration::from_secs(1);
    let rounds = fetched.chunk_by(|before, after| after.saturating_duration_since(*before) < PAUSE);
    let took = |round: &[Instant]| Some(round.last()?.saturating_duration_since(*round.first()?).as_secs_f64());
    rounds.filter_map(took).collect()
}

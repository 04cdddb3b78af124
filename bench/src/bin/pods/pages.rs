//! Pods that serve pages: one listener for all of 127.0.0.0/8, so that thousands of pods need no descriptors.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use metriclet_bench::Result;

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
                for stream in listener.incoming().flatten() {
                    if let Err(error) = answer(stream, start, &rest, &fetched) {
                        eprintln!("a pod could not answer: {error}");
                    }
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

fn answer(mut stream: TcpStream, start: Instant, rest: &str, fetched: &Mutex<Vec<Instant>>) -> Result<()> {
    // The listener is only for programs on this machine.
    if !stream.peer_addr()?.ip().is_loopback() {
        return Ok(());
    }
    let mut request = BufReader::new(&stream);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        if line.starts_with("user-agent: metriclet/") {
            fetched.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
        line.clear();
    }
    let mut counters = String::new();
    for number in 0..WANTED {
        // Far from 0, so that extrapolation to zero has no effect.
        let value = (1e4 + start.elapsed().as_secs_f64()) * number as f64;
        writeln!(counters, "http_requests_total{{code=\"200\",method=\"GET\",handler=\"/items/{number}\"}} {value}")?;
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
    let length = counters.len() + rest.len();
    stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{counters}").as_bytes())?;
    stream.write_all(rest.as_bytes())?;
    Ok(())
}

//! Pods that serve pages: one listener for all of 127.0.0.0/8, so that thousands of them cost no files.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use metriclet_bench::Result;

/// Series that the rule takes, of those on a page.
pub const WANTED: usize = 20;
/// What all of them grow by in a second, together: 0 + 1 + … + 19.
pub const RATE: f64 = 190.0;
/// Threads that serve pages.
const SERVERS: usize = 4;

/// Pods at work, until this process ends.
pub struct Pages {
    pub port: u16,
    /// When Metriclet fetched a page.
    fetched: Arc<Mutex<Vec<Instant>>>,
}

/// Where the pod of this number is.
pub fn address(number: usize) -> Ipv4Addr {
    let [.., high, low] = u32::try_from(number).unwrap_or_default().to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

impl Pages {
    /// Pods with so many series each.
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

    /// When Metriclet fetched a page since some time, one after the other.
    pub fn fetched(&self, since: Instant) -> Vec<Instant> {
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fetched: Vec<Instant> = fetched.iter().copied().filter(|at| *at >= since).collect();
        fetched.sort_unstable();
        fetched
    }
}

/// How long each round took in seconds, where a pause comes between rounds.
pub fn rounds(fetched: &[Instant]) -> Vec<f64> {
    const PAUSE: Duration = Duration::from_secs(1);
    let rounds = fetched.chunk_by(|before, after| after.saturating_duration_since(*before) < PAUSE);
    let took = |round: &[Instant]| Some(round.last()?.saturating_duration_since(*round.first()?).as_secs_f64());
    rounds.filter_map(took).collect()
}

fn answer(mut stream: TcpStream, start: Instant, rest: &str, fetched: &Mutex<Vec<Instant>>) -> Result<()> {
    // The listener is for programs on this machine.
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
        // Long since 0, so that nothing near it matters.
        let value = (1e4 + start.elapsed().as_secs_f64()) * number as f64;
        writeln!(counters, "http_requests_total{{code=\"200\",method=\"GET\",handler=\"/items/{number}\"}} {value}")?;
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
    let length = counters.len() + rest.len();
    stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{counters}").as_bytes())?;
    stream.write_all(rest.as_bytes())?;
    Ok(())
}

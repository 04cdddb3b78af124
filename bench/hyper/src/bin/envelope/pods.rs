//! Pods that serve pages: one listener for all of 127.0.0.0/8, so that thousands of them cost no files.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use metriclet_bench_hyper::Result;

/// Series on a page, of which the rule takes two: a small one, as this process shares the machine with what is measured.
const SERIES: usize = 20;
/// Threads that serve pages.
const SERVERS: usize = 4;

/// Pods at work, until this process ends.
pub struct Pods {
    pub port: u16,
    sent: Arc<[AtomicU64; 2]>,
}

/// Where the pod of this number is.
pub fn address(number: usize) -> Ipv4Addr {
    let [.., high, low] = u32::try_from(number).unwrap_or_default().to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

impl Pods {
    pub fn serve() -> Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0")?;
        let port = listener.local_addr()?.port();
        let sent: Arc<[AtomicU64; 2]> = Arc::default();
        let start = Instant::now();
        let mut rest = String::new();
        for number in 2..SERIES {
            writeln!(rest, "process_things{{kind=\"thing-{number}\",place=\"somewhere\"}} {number}.5")?;
        }
        let rest = Arc::new(rest);
        for _ in 0..SERVERS {
            let (listener, rest, sent) = (listener.try_clone()?, rest.clone(), sent.clone());
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    // A client that hangs up is done.
                    drop(answer(stream, start, &rest, &sent));
                }
            });
        }
        Ok(Self { port, sent })
    }

    /// Bytes and pages sent.
    pub fn sent(&self) -> (u64, u64) {
        let [bytes, pages] = self.sent.each_ref().map(|count| count.load(Ordering::Relaxed));
        (bytes, pages)
    }
}

fn answer(mut stream: TcpStream, start: Instant, rest: &str, sent: &[AtomicU64; 2]) -> Result<()> {
    // The listener is for programs on this machine.
    if !stream.peer_addr()?.ip().is_loopback() {
        return Ok(());
    }
    let mut request = BufReader::new(&stream);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut page = String::new();
    for number in 0..2 {
        let value = (1e4 + start.elapsed().as_secs_f64()) * f64::from(number + 1);
        writeln!(page, "http_requests_total{{code=\"200\",method=\"GET\",handler=\"/items/{number}\"}} {value}")?;
    }
    page += rest;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
    let answer = format!("{head}Content-Length: {}\r\n\r\n{page}", page.len());
    stream.write_all(answer.as_bytes())?;
    let [bytes, pages] = sent;
    bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
    pages.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

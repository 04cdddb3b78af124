//! Measures cached responses per second: `load BINARY`. wrk requests them over 32 open connections, alternating between
//! Metriclet and tiny_http with a constant copy of the response and as many threads.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use metriclet::internals::config::limits::Limits;
use metriclet_bench::http::upstream;
use metriclet_bench::{Metriclet, PATH, Result, cpu_time, get, page, show};
use tiny_http::{Header, Response, Server};

const ROUNDS: usize = 9;
const SECONDS: &str = "3s";

fn main() -> Result<()> {
    let binary = std::env::args().nth(1).ok_or("usage: load BINARY")?;
    let metriclet = Metriclet::start(&binary, upstream(page(64 * 1024))?, "5s")?;
    let (code, body) = get(metriclet.address, PATH)?;
    if code != 200 {
        return Err(format!("expected 200, found {code}: {body}").into());
    }
    let bytes = body.len();
    let constant = constant(body)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(wrk(metriclet.address, metriclet.pid())?);
        theirs.push(wrk(constant, std::process::id())?);
    }
    let runs = |runs: &[Run]| {
        let all = |of: fn(&Run) -> f64| runs.iter().map(of).collect::<Vec<_>>();
        let (rates, tails, costs) = (all(|run| run.rate), all(|run| run.p99), all(|run| run.cost));
        format!("{} requests/s, p99 {} ms, {} µs of CPU each", show(&rates, 0), show(&tails, 2), show(&costs, 1))
    };
    println!("cached answer, {bytes} bytes   {}", runs(&ours));
    println!("tiny_http, a constant         {}", runs(&theirs));
    let ratio =
        |of: fn(&Run) -> f64| show(&ours.iter().zip(&theirs).map(|(a, b)| of(a) / of(b)).collect::<Vec<_>>(), 2);
    println!("ratio                         {} requests/s, {} CPU", ratio(|run| run.rate), ratio(|run| run.cost));
    Ok(())
}

struct Run {
    rate: f64,
    /// Milliseconds.
    p99: f64,
    /// The server's CPU time for one response, in microseconds.
    cost: f64,
}

fn wrk(address: SocketAddr, server: u32) -> Result<Run> {
    let url = format!("http://{address}{PATH}");
    let arguments = ["--threads", "2", "--connections", "32", "--duration", SECONDS, "--latency", &url];
    let before = cpu_time(server)?;
    let output = Command::new("wrk").args(arguments).output().map_err(|error| format!("starting wrk: {error}"))?;
    let spent = cpu_time(server)? - before;
    let text = String::from_utf8(output.stdout)?;
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("not every answer was good: {text}").into());
    }
    let after = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    let rate = after("Requests/sec:").ok_or_else(|| format!("no rate in: {text}"))?.parse()?;
    let p99 = milliseconds(after("99%").ok_or_else(|| format!("no p99 in: {text}"))?)?;
    let served =
        text.lines().find_map(|line| line.split_once(" requests in ")).ok_or_else(|| format!("no count in: {text}"))?;
    let served: f64 = served.0.trim().parse()?;
    Ok(Run { rate, p99, cost: spent / served * 1e6 })
}

fn milliseconds(text: &str) -> Result<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * factor);
        }
    }
    Err(format!("expected a time, found {text}").into())
}

/// Starts tiny_http with Metriclet's settings and this constant response.
fn constant(body: String) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
    let address = listener.local_addr()?;
    let server = Arc::new(Server::from_listener(listener, None).map_err(|error| error.to_string())?);
    let header = |name: &str, value: &str| Header::from_bytes(name, value).map_err(|()| "not a header");
    let headers = [header("Content-Type", "application/json")?, header("Cache-Control", "no-cache, private")?];
    for _ in 0..Limits::default().workers.fast {
        let (server, headers, body) = (server.clone(), headers.clone(), body.clone());
        thread::spawn(move || {
            while let Ok(request) = server.recv() {
                let response =
                    headers.iter().cloned().fold(Response::from_data(body.as_bytes()), Response::with_header);
                if let Err(error) = request.respond(response) {
                    eprintln!("the constant did not reach its caller: {error}");
                }
            }
        });
    }
    Ok(address)
}

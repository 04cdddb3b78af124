//! Load by wrk.

use std::process::Command;

use crate::Result;
use crate::server::Server;

/// The result of one run of wrk.
#[derive(Clone, Copy)]
pub struct Run {
    /// Responses per second.
    pub rate: f64,
    /// The 99th percentile of response times, in milliseconds.
    pub p99: f64,
    /// The server's CPU time for one response, in microseconds.
    pub cost: f64,
}

/// Requests a path over this number of connections; if `close`, each request takes a new connection.
pub fn run(server: &Server, path: &str, connections: usize, seconds: u32, close: bool) -> Result<Run> {
    let mut command = Command::new("wrk");
    command.args(["--latency", "--threads", &connections.min(2).to_string()]);
    command.args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s")]);
    if close {
        command.args(["--header", "Connection: close"]);
    }
    command.arg(format!("https://{}{path}", server.address));
    let before = server.cpu_time()?;
    let output = command.output().map_err(|error| format!("starting wrk: {error}"))?;
    let spent = server.cpu_time()? - before;
    let text = String::from_utf8(output.stdout)?;
    if text.contains("Non-2xx") || text.contains("Socket errors") || !output.status.success() {
        return Err(format!("not every answer was good: {text}").into());
    }
    let after = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    let rate = after("Requests/sec:").ok_or_else(|| format!("no rate in: {text}"))?.parse()?;
    let p99 = milliseconds(after("99%").ok_or_else(|| format!("no p99 in: {text}"))?)?;
    let count = text.lines().find_map(|line| line.split_once(" requests in ")).ok_or("no count")?;
    let count: f64 = count.0.trim().parse()?;
    Ok(Run { rate, p99, cost: spent / count * 1e6 })
}

fn milliseconds(text: &str) -> Result<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * factor);
        }
    }
    Err(format!("expected a time, found {text}").into())
}

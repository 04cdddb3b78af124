//! Measures the startup time: `startup BINARY`. Prints the time from spawn to the end of the first response, over many runs.

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use metriclet_bench::{Result, get, show};

const RUNS: usize = 51;
const PATH: &str = "/apis/custom.metrics.k8s.io/v1beta2";

fn main() -> Result<()> {
    let binary = std::env::args().nth(1).ok_or("usage: startup BINARY")?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        // A port that was free just before; no other program is likely to use it meanwhile.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(&binary);
        command
            .args(["--listen", &address.to_string(), "--upstream", "http://127.0.0.1:9/metrics"])
            .stderr(Stdio::null());
        let start = Instant::now();
        let mut child = command.spawn()?;
        let first = loop {
            if TcpStream::connect(address).is_ok() {
                break get(address, PATH);
            }
            if start.elapsed() > Duration::from_secs(10) || child.try_wait()?.is_some() {
                break Err(std::io::Error::other("it does not listen"));
            }
            thread::sleep(Duration::from_micros(100));
        };
        let took = start.elapsed();
        child.kill()?;
        child.wait()?;
        match first? {
            (200, _) => times.push(took.as_secs_f64() * 1e3),
            (code, body) => return Err(format!("expected 200, found {code}: {body}").into()),
        }
    }
    println!("start to first answer   {} ms, {RUNS} runs", show(&times, 1));
    Ok(())
}

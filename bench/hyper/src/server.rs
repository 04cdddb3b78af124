//! A server to measure, as a child process.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::Result;

/// A running server; killed when this is dropped.
pub struct Server {
    child: Child,
    /// Its address.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server, and waits until it prints its address on stderr.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_owned();
        let child = command.stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("starting {}: {error}", name.display()))?;
        let mut log = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        let (mut line, mut said) = (String::new(), String::new());
        let address = loop {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                return Err(format!("{} ended before it listened; it said: {said}", name.display()).into());
            }
            said.push_str(&line);
            // The messages of Metriclet, of servers that use the Kubernetes API server library, and of Prometheus.
            let said = ["listening on https://", "Serving securely on ", "msg=\"Listening on\" address="].iter();
            if let Some((_, address)) = said.filter_map(|words| line.trim_end().split_once(words)).next() {
                break address.parse()?;
            }
        };
        // Reads the rest, so that the pipe does not fill up.
        thread::spawn(move || io::copy(&mut log, &mut io::stderr()));
        Ok(Self { child, address })
    }

    /// Resident memory in MB.
    pub fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in status")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    /// CPU time so far, in seconds.
    pub fn cpu_time(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name may contain any characters, and ends at the last parenthesis: fields 14 and 15 are user and system ticks.
        let (_, fields) = stat.rsplit_once(')').ok_or("no name in stat")?;
        let mut ticks = 0;
        for field in fields.split_ascii_whitespace().skip(11).take(2) {
            ticks += field.parse::<u64>()?;
        }
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

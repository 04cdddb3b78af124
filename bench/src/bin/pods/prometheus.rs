//! A Prometheus that scrapes the same pods, if it is installed.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use metriclet_bench::kubernetes::address;
use metriclet_bench::{Result, get};

use super::INTERVAL;

/// A running Prometheus; killed when this is dropped.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    pub fn start(directory: &Path, port: u16, count: usize) -> Result<Option<Self>> {
        // A port that was free just before.
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let targets: Vec<String> = (0..count).map(|number| format!("'{}:{port}'", address(number))).collect();
        let config = directory.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: {}s}}\nscrape_configs:\n  - {{job_name: app, static_configs: [{{targets: [{}]}}]}}\n",
            INTERVAL.as_secs(),
            targets.join(", ")
        );
        fs::write(&config, text)?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("prometheus").display()))
            .arg(format!("--web.listen-address={listen}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Ok(Some(Self { child, address: listen })),
            Err(error) => {
                println!("  no prometheus beside it: {error}");
                Ok(None)
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Queries the same rates as the rule.
    pub fn query(&self) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        let query = "sum%20by%20(instance)(rate(http_requests_total%5B1m%5D))";
        write!(stream, "GET /api/v1/query?query={query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    }

    /// The number of scrapes so far, from Prometheus's own metrics.
    pub fn scraped(&self) -> Result<usize> {
        let (_, page) = get(self.address, "/metrics")?;
        let name = "prometheus_target_interval_length_seconds_count";
        let line = page.lines().find(|line| line.starts_with(name)).ok_or("no count of scrapes")?;
        Ok(line.rsplit(' ').next().ok_or("no number")?.parse()?)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

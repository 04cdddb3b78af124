//! A real exporter's page: every value is the one that Prometheus' own Python parser reads from the same bytes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use common::upstream::Upstream;
use common::{PATIENCE, Server};
use serde::Deserialize;

const EXPORTER: &str = "prometheus-node-exporter";

/// A series as read by the reference.
#[derive(Debug, Deserialize)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    histogram: bool,
    value: String,
}

/// A running exporter; dropping this ends it.
struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn python() -> Command {
    Command::new(std::env::var_os("METRICLET_PYTHON").unwrap_or_else(|| "python3".into()))
}

/// The missing programs.
fn lacking() -> Option<&'static str> {
    let works = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !works(Command::new(EXPORTER).arg("--version")) {
        Some("prometheus-node-exporter (a package of Debian)")
    } else if !works(python().args(["-c", "import prometheus_client"])) {
        Some("prometheus-client (a package of PyPI) for the Python that METRICLET_PYTHON names")
    } else {
        None
    }
}

/// The page of an exporter that runs for this long.
fn live_page() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = Command::new(EXPORTER);
    command.arg(format!("--web.listen-address={address}")).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut exporter = Exporter(command.spawn().unwrap());
    let mut log = BufReader::new(exporter.0.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains(&format!("address={address}")) {
        assert!(log.read_line(&mut told).unwrap() > 0, "the exporter ended: {told}");
    }
    fetch(address)
}

/// HTTP/1.0 has no chunks.
fn fetch(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\nAccept: text/plain; version=0.0.4\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 ") && head.contains("text/plain; version=0.0.4"), "{head}");
    body.to_owned()
}

fn reference(page: &str) -> Vec<Series> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node_exporter.py");
    let mut child = python().arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // The script reads its whole input before it prints.
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A selector for only this series: labels that only other series of its name have must be empty.
fn selector(series: &Series, labels: &BTreeSet<&str>) -> String {
    let matcher = |label: &&str| {
        let value = series.labels.get(*label).map_or("", String::as_str);
        format!("{label}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
    };
    format!("{}{{{}}}", series.name, labels.iter().map(matcher).collect::<Vec<_>>().join(","))
}

/// A Quantity in canonical form, in thousandths.
fn thousandths(quantity: &str) -> String {
    let digits = quantity.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let power = match &quantity[digits.len()..] {
        "m" => 0,
        "" => 3,
        "k" => 6,
        "M" => 9,
        "G" => 12,
        "T" => 15,
        "P" => 18,
        "E" => 21,
        suffix => panic!("{suffix} of {quantity}"),
    };
    (digits.parse::<i128>().unwrap() * 10_i128.pow(power)).to_string()
}

#[test]
fn every_value_is_that_of_prometheus() {
    if let Some(lacking) = lacking() {
        assert!(std::env::var_os("CI").is_none(), "this machine lacks {lacking}");
        println!("skipped: this machine lacks {lacking}");
        return;
    }
    let page = live_page();
    let all = reference(&page);
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for series in &all {
        labels.entry(&series.name).or_default().extend(series.labels.keys().map(String::as_str));
    }
    let compared: Vec<&Series> = all.iter().filter(|series| !series.histogram).collect();

    let upstream = Upstream::text(&page);
    let mut config = format!("sources:\n  node: {{url: '{}', namespaces: [shop]}}\nmetrics:\n", upstream.url());
    for (number, series) in compared.iter().enumerate() {
        let value = selector(series, &labels[series.name.as_str()]).replace('\'', "''");
        let about = "object: services, source: node, describes: {namespace: shop, name: web}, allowNegative: true";
        writeln!(config, "  - {{name: m{number}, {about}, value: '{value}'}}").unwrap();
    }
    let server = Server::with_config(&config);
    let mut served = 0;
    for (number, series) in compared.iter().enumerate() {
        let answer = server.metric(&format!("namespaces/shop/services/web/m{number}")).values();
        let refusal = match series.value.as_str() {
            "NaN" => "the value is NaN",
            "+Inf" => "the value is +Inf",
            "-Inf" => "the value is -Inf",
            "out of range" => "the value is out of range",
            expected => {
                let found = answer.strip_prefix("web ").unwrap_or_else(|| panic!("{series:?}: {answer}"));
                assert_eq!(thousandths(found), expected, "{series:?}: {answer}");
                served += 1;
                continue;
            }
        };
        assert!(answer.starts_with("503 ") && answer.contains(refusal), "{series:?}: {answer}");
    }
    assert!(served > 300, "expected more than {served} values from an exporter");
    println!("{served} values are the same, {} are refused as they must be", compared.len() - served);
}

#[test]
fn reads_quantities_exactly() {
    for (quantity, expected) in [("0", "0"), ("1m", "1"), ("-1500m", "-1500"), ("3", "3000"), ("10k", "10000000")] {
        assert_eq!(thousandths(quantity), expected);
    }
}

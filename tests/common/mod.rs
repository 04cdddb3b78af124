//! The built binary under test, and upstreams, valid or not.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its part of this module")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

pub mod documents;
pub mod kubernetes;
pub mod machine;
pub mod objects;
pub mod pod_history;
pub mod pods;
pub mod protobuf;
pub mod recipes;
pub mod secure;
pub mod tls;
pub mod upstream;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use metriclet::internals::config::limits::{FetchLimits, Limits, ObjectLimits};
use serde_json::Value;

/// Much longer than any operation takes: only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// These limits with a minute in place of defaults of about a second for a fetch, so that tests of other properties
/// pass on a busy machine.
pub fn patient(limits: Limits) -> Limits {
    let minute = Duration::from_secs(60);
    let defaults = Limits::default();
    let patient = |own, default| if own == default { minute } else { own };
    let (fetch, objects) = (limits.fetch, limits.objects);
    let fetch = FetchLimits {
        timeout: patient(fetch.timeout, defaults.fetch.timeout),
        pod_timeout: patient(fetch.pod_timeout, defaults.fetch.pod_timeout),
        connect: patient(fetch.connect, defaults.fetch.connect),
        connect_tls: patient(fetch.connect_tls, defaults.fetch.connect_tls),
        ..fetch
    };
    let objects = ObjectLimits { timeout: patient(objects.timeout, defaults.objects.timeout), ..objects };
    Limits { fetch, objects, ..limits }
}

/// A command that runs the program with these arguments.
pub fn metriclet(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metriclet"));
    command.args(args).env_remove("RUST_LOG").env_remove("KUBERNETES_SERVICE_HOST").stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn run(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = metriclet(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Whether this program is installed; it may be missing, except where everything must be tested.
pub fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing");
        println!("skipped: {program} is missing");
    }
    found
}

/// Creates a new file for each call.
pub fn file(name: &str, content: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Replaces a file atomically, as a mounted Secret or ConfigMap changes.
pub fn replace(path: &Path, content: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, content).unwrap();
    std::fs::rename(&next, path).unwrap();
}

/// A server under test; it is stopped when this value is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// The server's stdout.
    pub printed: BufReader<ChildStdout>,
    log: Receiver<String>,
    pub seen: Vec<String>,
}

/// The response of a server.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: Vec<(String, String)>,
    /// Empty if the body is binary.
    pub body: String,
    /// The body as bytes.
    pub bytes: Vec<u8>,
}

impl Server {
    /// Starts the server on a free port with these additional arguments.
    pub fn start(args: &[&str]) -> Self {
        Self::spawn(metriclet(&[&["--listen", "127.0.0.1:0"], args].concat()))
    }

    /// Starts the server with a configuration file.
    pub fn with_config(config: &str) -> Self {
        Self::start(&["--config", file("metrics.yaml", config).to_str().unwrap()])
    }

    /// Runs a command that starts the server, and waits until the server listens.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (to, log) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
        let printed = BufReader::new(child.stdout.take().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, address, printed, log, seen: Vec::new() };
        let line = server.wait_for("listening on http");
        server.address = line.rsplit("://").next().unwrap().parse().unwrap();
        server
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.count("task")
    }

    /// The number of open file descriptors.
    pub fn descriptors(&self) -> usize {
        self.count("fd")
    }

    fn count(&self, directory: &str) -> usize {
        std::fs::read_dir(format!("/proc/{}/{directory}", self.pid())).unwrap().count()
    }

    /// Waits for the next log line that contains `text`.
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Ok(line) = self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
                panic!("no line with {text:?} among {:#?}", self.seen)
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for a log line that contains `text`; returns the first one since the start.
    pub fn said(&mut self, text: &str) -> String {
        let said = self.seen.iter().find(|line| line.contains(text)).cloned();
        said.unwrap_or_else(|| self.wait_for(text))
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the end of the server and of its output.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.seen.extend(self.log.iter());
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a GET request.
    pub fn get(&self, target: &str) -> Answer {
        self.request("GET", target, "")
    }

    /// Sends a request with additional header lines, each ended by CRLF, on a new connection.
    pub fn request(&self, method: &str, target: &str, headers: &str) -> Answer {
        self.raw(&format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", self.address))
    }

    /// Sends arbitrary bytes; reads to the end of the connection.
    pub fn raw(&self, request: &str) -> Answer {
        Answer::read(self.send(request))
    }

    /// Sends arbitrary bytes without waiting for the response.
    pub fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Requests a metric without waiting for the response.
    pub fn ask(&self, path: &str) -> TcpStream {
        let path = format!("/apis/custom.metrics.k8s.io/v1beta2/{path}");
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address))
    }

    /// Requests a metric by the path after the version.
    pub fn metric(&self, path: &str) -> Answer {
        self.get(&format!("/apis/custom.metrics.k8s.io/v1beta2/{path}"))
    }

    /// A value from the server's own `/metrics`.
    pub fn own(&self, series: &str) -> f64 {
        self.own_if_any(series).unwrap_or_else(|| panic!("no {series} in {}", self.get("/metrics").body))
    }

    /// Like [`Self::own`]; `None` if the series is absent.
    pub fn own_if_any(&self, series: &str) -> Option<f64> {
        let page = self.get("/metrics").body;
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(line.parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that a test has started.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Decodes a body with chunked transfer coding.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        let (chunk, rest) = bytes[end + 2..].split_at(length);
        whole.extend_from_slice(chunk);
        bytes = rest.strip_prefix(b"\r\n").unwrap();
    }
}

impl Answer {
    /// Reads a response to the end of the connection.
    pub fn read(mut stream: impl Read) -> Self {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Self::parse(&answer)
    }

    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head in {:?}", bytes.escape_ascii().to_string()));
        let (head, body) = (std::str::from_utf8(&bytes[..end]).unwrap(), &bytes[end + 4..]);
        let mut lines = head.lines();
        let code = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers: Vec<(String, String)> =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let bytes = if chunked { unchunked(body) } else { body.to_vec() };
        let mut answer = Self { code, headers, body: String::new(), bytes };
        if !answer.is_protobuf() && answer.header("content-type") != Some("application/octet-stream") {
            answer.body = String::from_utf8(answer.bytes.clone()).unwrap();
        }
        answer
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn is_protobuf(&self) -> bool {
        self.header("content-type") == Some("application/vnd.kubernetes.protobuf")
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// Prints a Status as `503 ServiceUnavailable: message`, after checking all its other fields.
    pub fn status(&self) -> String {
        if self.is_protobuf() {
            return protobuf::status(&self.bytes);
        }
        let status = self.json();
        let (reason, message) = (status["reason"].as_str().unwrap(), status["message"].as_str().unwrap());
        let mut whole = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": self.code,
        });
        // Kubernetes' own message for an unknown route comes with empty details.
        if message == "the server could not find the requested resource" {
            whole["details"] = serde_json::json!({});
        }
        assert_eq!(status, whole);
        assert!(message.len() <= 512 && self.header("retry-after").is_none());
        format!("{} {reason}: {message}", self.code)
    }

    /// Prints a list of values as `name value, …`, or the Status.
    pub fn values(&self) -> String {
        if self.code != 200 {
            return self.status();
        }
        if self.is_protobuf() {
            return protobuf::values(&self.bytes);
        }
        let list = self.json();
        assert_eq!(list["kind"], "MetricValueList");
        let items = list["items"].as_array().unwrap().iter();
        let text = |item: &Value| {
            format!("{} {}", item["describedObject"]["name"].as_str().unwrap(), item["value"].as_str().unwrap())
        };
        items.map(text).collect::<Vec<_>>().join(", ")
    }
}

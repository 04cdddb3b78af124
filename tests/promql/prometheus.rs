//! A Prometheus server over blocks that promtool created from the test's series.

use std::ffi::OsString;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use metriclet::internals::promql::NAME_LABEL;
use metriclet::internals::promql::evaluate::{Labels, Series};
use serde_json::Value;

/// Much longer than it takes to start; only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Labels and values, or the error.
pub(crate) type Answer = Result<Vec<(Labels, f64)>, String>;

/// A running server; dropping this ends it.
pub(crate) struct Prometheus {
    /// The major version.
    pub(crate) major: u32,
    process: Child,
    address: String,
    agent: ureq::Agent,
    directory: PathBuf,
}

fn program() -> OsString {
    std::env::var_os("METRICLET_PROMETHEUS").unwrap_or_else(|| "prometheus".into())
}

/// The missing programs.
pub(crate) fn lacking() -> Option<&'static str> {
    let there = |program: OsString| {
        let silent = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        silent.is_ok_and(|status| status.success())
    };
    match () {
        () if !there(program()) => Some("prometheus (Debian: apt-get install prometheus)"),
        () if !there("promtool".into()) => Some("promtool, which comes with prometheus"),
        () => None,
    }
}

fn directory() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("prometheus-{}-{number}", std::process::id()));
    std::fs::create_dir_all(directory.join("data")).unwrap();
    directory
}

/// The first number of its version.
fn major() -> u32 {
    let version = Command::new(program()).arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&version.stdout);
    let number = text.split_once("version ").and_then(|(_, rest)| rest.split('.').next()).unwrap_or_default();
    number.parse().unwrap_or_else(|_| panic!("no version of Prometheus in {text:?}"))
}

impl Prometheus {
    /// Starts a server with these series.
    pub(crate) fn start(series: &[Series]) -> Self {
        let directory = directory();
        let (page, data) = (directory.join("page"), directory.join("data"));
        std::fs::write(&page, open_metrics(series)).unwrap();
        let arguments = ["tsdb", "create-blocks-from", "openmetrics"].map(OsString::from);
        let made = Command::new("promtool").args(arguments).args([&page, &data]).output().unwrap();
        assert!(made.status.success(), "promtool: {}", String::from_utf8_lossy(&made.stderr));
        Self::over(directory, "global: {}\n")
    }

    /// Starts a server with this scrape configuration.
    pub(crate) fn scraping(config: &str) -> Self {
        Self::over(directory(), config)
    }

    fn over(directory: PathBuf, configuration: &str) -> Self {
        let (data, config) = (directory.join("data"), directory.join("prometheus.yml"));
        std::fs::write(&config, configuration).unwrap();
        let flag = |name: &str, value: &Path| format!("--{name}={}", value.display());
        let mut process = Command::new(program())
            .args([flag("config.file", &config), flag("storage.tsdb.path", &data)])
            .args(["--storage.tsdb.retention.time=100y", "--web.listen-address=127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let (send, receive) = mpsc::channel();
        // Reads to the end, so that the pipe does not fill up.
        std::thread::spawn(move || {
            // The two lines may come in either order.
            let (mut address, mut ready) = (None, false);
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("Listening on") {
                    let digits = rest.split_once("127.0.0.1:").map_or("", |(_, rest)| rest);
                    let port: String = digits.chars().take_while(char::is_ascii_digit).collect();
                    address = Some(format!("127.0.0.1:{port}"));
                }
                ready |= line.contains("ready to receive web requests");
                if let Some(address) = address.take_if(|_| ready) {
                    let _ = send.send(address);
                }
            }
        });
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent = ureq::Agent::new_with_config(config.build());
        let mut started = Self { major: major(), process, address: String::new(), agent, directory };
        started.address = receive.recv_timeout(PATIENCE).unwrap();
        started
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The result of an expression at a time in Unix milliseconds.
    pub(crate) fn ask(&self, query: &str, now: i64) -> Answer {
        let url = format!("{}/api/v1/query", self.url());
        let time = format!("{}.{:03}", now / 1000, now % 1000);
        let mut response = self.agent.post(&url).send_form([("query", query), ("time", &time)]).unwrap();
        let body: Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
        if body["status"] != "success" {
            // A parse error is a mistake in the test.
            assert_ne!(body["errorType"], "bad_data", "{query}: {body}");
            return Err(body["error"].to_string());
        }
        assert_eq!(body["data"]["resultType"], "vector", "{query}");
        let element = |element: &Value| {
            let labels = element["metric"].as_object().unwrap().iter();
            let labels = Labels::new(labels.map(|(name, value)| (name.as_str(), value.as_str().unwrap())));
            (labels, element["value"][1].as_str().unwrap().parse().unwrap())
        };
        Ok(body["data"]["result"].as_array().unwrap().iter().map(element).collect())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn open_metrics(series: &[Series]) -> String {
    let mut page = String::new();
    for Series { labels, samples } in series {
        let name = labels.get(NAME_LABEL).unwrap();
        let others = labels.iter().filter(|(name, _)| *name != NAME_LABEL);
        let others = others.map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(",");
        for sample in samples {
            let value = match sample.value {
                value if value.is_infinite() => if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
                value => format!("{value:?}"),
            };
            writeln!(page, "{name}{{{others}}} {value} {:.3}", sample.at as f64 / 1000.0).unwrap();
        }
    }
    page + "# EOF\n"
}

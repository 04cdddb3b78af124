//! Helpers for the benchmarks: a Metriclet to measure, an upstream for it, and statistics.

use std::borrow::Cow;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use http::Request;
use kubernetes::{Cluster, Kubernetes, list, pod};

pub mod http;
pub mod kubernetes;
pub mod pages;

pub use http::get;

/// Any error.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The number of series on each pod's page that the rules use.
pub const WANTED: usize = 20;
/// The total growth of these series per second: 0 + 1 + … + 19.
pub const RATE: f64 = 190.0;

/// The metric that the benchmarks without pods request.
pub const PATH: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/queue_depth";

/// Runs a benchmark of pods, `NAME BINARY [PODSxSERIES...]`: calls `measure` for each case with a temporary directory.
pub fn of_pods(name: &str, cases: &[&str], measure: impl Fn(&str, &Path, usize, usize) -> Result<()>) -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().ok_or_else(|| format!("usage: {name} BINARY [PODSxSERIES...]"))?;
    let named: Vec<String> = arguments.collect();
    let cases = if named.is_empty() { cases.iter().map(|case| (*case).to_owned()).collect() } else { named };
    for case in cases {
        let (count, series) = case.split_once('x').ok_or_else(|| format!("expected PODSxSERIES, found {case}"))?;
        let directory = std::env::temp_dir().join(format!("metriclet-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let measured = measure(&binary, &directory, count.parse()?, series.parse()?);
        fs::remove_dir_all(&directory)?;
        measured?;
    }
    Ok(())
}

/// Pods that never change, and a Service of all of them.
pub struct Pods(String);

impl Pods {
    /// This number of pods with `app=web` in the namespace `shop`.
    pub fn new(count: usize) -> Self {
        let pod = |number| pod("shop", &format!("web-{number:04}"), r#""app":"web""#, number, 7);
        Self(list(7, &(0..count).map(pod).collect::<Vec<_>>()))
    }
}

impl Cluster for Pods {
    fn answer(&self, request: &Request) -> Cow<'_, str> {
        match request.path() {
            path if path.ends_with("/pods") => self.0.as_str().into(),
            path if path.ends_with("/services/web") => SERVICE.into(),
            _ => kubernetes::other(request).into(),
        }
    }
}

/// The Service `web`, which selects all pods.
pub const SERVICE: &str =
    r#"{"kind":"Service","apiVersion":"v1","metadata":{"name":"web"},"spec":{"selector":{"app":"web"}}}"#;

/// Starts a Kubernetes API for this cluster, with certificates issued by `binary`; returns the path of a kubeconfig for it.
pub fn kubeconfig(binary: &str, directory: &Path, cluster: impl Cluster) -> Result<PathBuf> {
    let certs = directory.join("certs");
    let made = Command::new(binary).args(["certs", "--out"]).arg(&certs).stdout(Stdio::null()).status()?;
    if !made.success() {
        return Err("no certificates could be made".into());
    }
    let port = Kubernetes::start(&certs.join("tls.crt"), &certs.join("tls.key"), cluster)?.port;
    let kubeconfig = directory.join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
         clusters: [{{name: k, cluster: {{server: 'https://localhost:{port}', insecure-skip-tls-verify: true}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\n"
    );
    fs::write(&kubeconfig, text)?;
    Ok(kubeconfig)
}

/// A running Metriclet; killed when this is dropped.
pub struct Metriclet {
    child: Child,
    /// Its address.
    pub address: SocketAddr,
    config: PathBuf,
}

impl Metriclet {
    /// Starts `binary` on a free port with one rule for a page of `upstream`, cached for `cache`.
    pub fn start(binary: &str, upstream: SocketAddr, cache: &str) -> Result<Self> {
        let text = format!(
            "sources:\n  page: {{url: 'http://{upstream}/metrics', namespaces: [shop], cache: {cache}}}\n\
             metrics:\n  - {{name: queue_depth, object: services, source: page, value: 'queue_depth'}}\n"
        );
        Self::with(binary, &text, &[])
    }

    /// Starts `binary` on a free port with this configuration and additional arguments.
    pub fn with(binary: &str, text: &str, args: &[&OsStr]) -> Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let config = std::env::temp_dir().join(format!("metriclet-bench-{}-{number}.yaml", std::process::id()));
        fs::write(&config, text)?;
        let mut child = Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("starting {binary}: {error}"))?;
        let mut log = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        let (mut line, mut said) = (String::new(), String::new());
        let address = loop {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                return Err(format!("{binary} ended before it listened; it said: {said}").into());
            }
            said.push_str(&line);
            if let Some((_, address)) = line.trim_end().split_once("listening on http://") {
                break address.parse()?;
            }
        };
        // Reads the rest of the log, so that the pipe does not fill up.
        thread::spawn(move || io::copy(&mut log, &mut io::stderr()));
        Ok(Self { child, address, config })
    }

    /// Its PID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The current and peak RSS, in bytes.
    pub fn memory(&self) -> Result<(u64, u64)> {
        memory(self.pid())
    }
}

/// The current and peak RSS of a process, in bytes.
pub fn memory(pid: u32) -> Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("a field is missing in status")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

impl Drop for Metriclet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.config);
    }
}

/// The CPU time of a process so far, in seconds.
pub fn cpu_time(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may contain any characters, and ends at the last parenthesis: fields 14 and 15 are user and system ticks.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in stat")?;
    let ticks =
        fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<std::result::Result<u64, _>>()?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// A page of almost `size` bytes, with the rule's series first.
pub fn page(size: usize) -> String {
    let mut page = String::from("# TYPE queue_depth gauge\nqueue_depth{namespace=\"shop\",service=\"web\"} 12.5\n");
    for number in 0u64.. {
        let line =
            format!("http_requests_total{{code=\"200\",method=\"GET\",path=\"/items/{number}\"}} {}\n", number * 37);
        if page.len() + line.len() > size {
            break;
        }
        page.push_str(&line);
    }
    page
}

/// The minimum, the median and the maximum.
pub fn spread(mut numbers: Vec<f64>) -> [f64; 3] {
    numbers.sort_by(f64::total_cmp);
    [0, numbers.len() / 2, numbers.len() - 1].map(|at| numbers[at])
}

/// Formats `median (minimum–maximum)` with this number of decimals.
pub fn show(numbers: &[f64], decimals: usize) -> String {
    let [low, middle, high] = spread(numbers.to_vec());
    format!("{middle:.decimals$} ({low:.decimals$}–{high:.decimals$})")
}

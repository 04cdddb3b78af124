//! Measures memory while pods come and go: `churn BINARY...`, all binaries at the same time. This process serves 500 pods on
//! addresses of 127.0.0.0/8, each with a page of 100 series. About 33 times a second, a new pod replaces the oldest one, so
//! that none is older than 15 s; its name, address, pod template and series labels are never reused. One rule computes a rate
//! over 20 s for each pod, another one for all pods together, which takes a sample of each pod every 5 s.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use metriclet_bench::http::Request;
use metriclet_bench::kubernetes::{Changes, Cluster, list, other, pod};
use metriclet_bench::pages::Pages;
use metriclet_bench::{Metriclet, Result, SERVICE, WANTED, get, kubeconfig, show, spread};

const PODS: usize = 500;
const SERIES: usize = 100;
/// The lifetime of a pod.
const AGE: Duration = Duration::from_secs(15);
/// The interval of requests for each rule, and of samples.
const INTERVAL: Duration = Duration::from_secs(5);
/// Metriclet keeps the state of a pod's URL for five minutes after its last fetch, so memory grows for at least that long.
const WARM: Duration = Duration::from_secs(330);
const MEASURED: Duration = Duration::from_secs(270);
const MB: f64 = 1e6;
const METRICS: [&str; 2] = ["pods/*/each?labelSelector=app%3Dweb", "services/web/all"];

fn main() -> Result<()> {
    let binaries: Vec<String> = std::env::args().skip(1).collect();
    let directory = std::env::temp_dir().join(format!("metriclet-bench-churn-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let measured = measure(&binaries, &directory);
    std::fs::remove_dir_all(&directory)?;
    measured
}

fn measure(binaries: &[String], directory: &Path) -> Result<()> {
    let pages = Pages::serve(WANTED, SERIES, |number| format!("build=\"{}\",", number / PODS))?;
    let rollout = Arc::new(Rollout::new());
    let first = binaries.first().ok_or("usage: churn BINARY...")?;
    let kubeconfig = kubeconfig(first, directory, Pods(rollout.clone()))?;
    let config = format!(
        "sources:\n  app: {{pods: {{port: {}}}, dangerAllowLoopback: true}}\nmetrics:\n  \
         - {{name: each, object: pods, source: app, value: 'sum(rate(http_requests_total[20s]))'}}\n  \
         - {{name: all, object: services, source: app, value: 'sum(rate(http_requests_total[20s]))'}}\n",
        pages.port
    );
    let start = |binary| Metriclet::with(binary, &config, &["--kubeconfig".as_ref(), kubeconfig.as_os_str()]);
    let mut runs = Vec::new();
    for binary in binaries {
        runs.push(Run { metriclet: start(binary)?, memory: Vec::new(), values: [0; 2], without: [0; 2] });
    }
    let start = Instant::now();
    let mut last_turn = None;
    while start.elapsed() < WARM + MEASURED {
        rollout.go_on(start.elapsed());
        let turn = start.elapsed().as_secs() / INTERVAL.as_secs();
        if last_turn != Some(turn) {
            last_turn = Some(turn);
            for run in &mut runs {
                run.request(start.elapsed() > WARM)?;
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    let replaced = rollout.lock().newest + 1 - PODS;
    println!("{PODS} pods, {SERIES} series each, {replaced} pods replaced in {} s", start.elapsed().as_secs());
    println!("| Binary | RSS in the first third | in the last | ratio | flat | peak | values of each pod | of all |");
    println!("| -- | -- | -- | -- | -- | -- | -- | -- |");
    for (binary, run) in binaries.iter().zip(&runs) {
        run.print(binary)?;
    }
    Ok(())
}

struct Run {
    metriclet: Metriclet,
    /// RSS in MB, once per interval.
    memory: Vec<f64>,
    /// For each metric: the number of values served, and of responses without a value.
    values: [usize; 2],
    without: [usize; 2],
}

impl Run {
    fn request(&mut self, is_warm: bool) -> Result<()> {
        for (at, metric) in METRICS.iter().enumerate() {
            let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/{metric}");
            let (code, body) = get(self.metriclet.address, &path)?;
            match code {
                _ if !is_warm => {}
                200 => self.values[at] += body.matches("\"value\":").count(),
                // On a busy machine, pods end before they have two samples.
                404 | 503 => self.without[at] += 1,
                _ => return Err(format!("{metric}: {code} {body:.300}").into()),
            }
        }
        if is_warm {
            self.memory.push(self.metriclet.memory()?.0 as f64 / MB);
        }
        Ok(())
    }

    fn print(&self, binary: &str) -> Result<()> {
        let third = self.memory.len() / 3;
        let (first, last) = (&self.memory[..third], &self.memory[self.memory.len() - third..]);
        let ([_, before, most], [_, after, _]) = (spread(first.to_vec()), spread(last.to_vec()));
        println!(
            "| {binary} | {} MB | {} MB | {:.3} | {} | {:.1} MB | {}, {} times none | {}, {} times none |",
            show(first, 2),
            show(last, 2),
            after / before,
            // Flat: the last third's median is at most the first third's maximum.
            if after <= most { "yes" } else { "no" },
            self.metriclet.memory()?.1 as f64 / MB,
            self.values[0],
            self.without[0],
            self.values[1],
            self.without[1],
        );
        Ok(())
    }
}

/// A rollout that never ends.
struct Rollout {
    state: Mutex<State>,
    changes: Changes,
}

struct State {
    /// The number and JSON of each pod, oldest first.
    pods: VecDeque<(usize, String)>,
    newest: usize,
}

/// The cluster whose pods the rollout replaces.
struct Pods(Arc<Rollout>);

impl Rollout {
    fn new() -> Self {
        let pods = (0..PODS).map(|number| (number, of_number(number, 1))).collect();
        Self { state: Mutex::new(State { pods, newest: PODS - 1 }), changes: Changes::new(1) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the pods that have reached their lifetime at this time.
    fn go_on(&self, elapsed: Duration) {
        let due = PODS + (elapsed.as_secs_f64() / AGE.as_secs_f64() * PODS as f64) as usize;
        let mut state = self.lock();
        while state.newest + 1 < due {
            let number = state.newest + 1;
            let mut written = String::new();
            self.changes.add("ADDED", |version| {
                written = of_number(number, version);
                written.clone()
            });
            state.newest = number;
            state.pods.push_back((number, written));
            if let Some((oldest, _)) = state.pods.pop_front() {
                self.changes.add("MODIFIED", |version| ending(&of_number(oldest, version)));
                self.changes.add("DELETED", |version| ending(&of_number(oldest, version)));
            }
        }
    }
}

impl Cluster for Pods {
    fn answer(&self, request: &Request) -> Cow<'_, str> {
        match request.path() {
            path if path.ends_with("/pods") => {
                let state = self.0.lock();
                let pods: Vec<&String> = state.pods.iter().map(|(_, pod)| pod).collect();
                list(self.0.changes.version(), &pods).into()
            }
            path if path.ends_with("/services/web") => SERVICE.into(),
            _ => other(request).into(),
        }
    }

    fn changes(&self) -> Option<&Changes> {
        Some(&self.0.changes)
    }
}

/// The pod with this number; the pod template changes every `PODS` pods.
fn of_number(number: usize, version: u64) -> String {
    let hash = format!("{:010x}", number / PODS);
    let labels = format!("\"app\":\"web\",\"pod-template-hash\":\"{hash}\"");
    pod("shop", &format!("web-{hash}-{number:05}"), &labels, number, version)
}

/// The pod while it terminates.
fn ending(pod: &str) -> String {
    pod.replacen("\"metadata\":{", "\"metadata\":{\"deletionTimestamp\":\"2026-08-18T03:35:04Z\",", 1)
}

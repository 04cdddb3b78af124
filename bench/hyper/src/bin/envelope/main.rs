//! What so many HPAs cost: `envelope BINARY [HPAS...]`. 20,000 pods are addresses of 127.0.0.0/8 in this process, in up to twenty
//! namespaces, and each HPA selects its part of them. A rule takes a rate over a minute of two series of each pod; for
//! more HPAs than selections are sampled, it takes their sum at the moment. The HPA controller is a part of this program: it asks over TLS as a front proxy, for each HPA every 15 s, with five workers as
//! Kubernetes' own has, and then with 256. If BINARY is the test adapter of the Go library (`scripts/test-cluster` builds it), it
//! is asked for a value that it has in memory, as it neither lists pods nor fetches pages.

mod controller;
mod kubernetes;
mod pods;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use controller::{Controller, Question};
use kubernetes::{Kubernetes, app, namespace};
use metriclet_bench_hyper::Result;
use metriclet_bench_hyper::server::Server;
use metriclet_bench_hyper::tls::Certificates;
use pods::Pods;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const PODS: usize = 20_000;
const HPAS: [usize; 4] = [10, 100, 1_000, 5_000];
/// Workers of the HPA controller by default (`--concurrent-horizontal-pod-autoscaler-syncs`), and more than it can have at work.
const WORKERS: [usize; 2] = [5, 256];
/// Selections that are sampled over time; the rules of further ones fail.
const SAMPLED: usize = 1_024;
/// Until samples span half of the range, from when on there are values.
const WARM: Duration = Duration::from_secs(45);
/// One sync of each HPA, which is left out: the first ones come all at once.
const RAMP: Duration = Duration::from_secs(15);
/// Two syncs of each HPA.
const MEASURED: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().ok_or("usage: envelope BINARY [HPAS...]")?;
    let mut counts = arguments.map(|count| count.parse()).collect::<std::result::Result<Vec<usize>, _>>()?;
    if counts.is_empty() {
        counts = HPAS.to_vec();
    }
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
    let pods = Pods::serve()?;
    println!(
        "| HPAs | at once | answers/s | p50 | p99 | errors | CPU | RSS | from kube-apiserver | from pods | fetches/s |"
    );
    println!("| -- | -- | -- | -- | -- | -- | -- | -- | -- | -- | -- |");
    for count in counts {
        measure(&binary, count, &pods)?;
    }
    Ok(())
}

fn measure(binary: &str, count: usize, pods: &Pods) -> Result<()> {
    let certificates = Certificates::new()?;
    let kubernetes = Kubernetes::start(&certificates, count, PODS)?;
    let (server, question): (Server, Question) = if binary.contains("test-adapter") {
        (test_adapter(binary, &certificates, &kubernetes)?, of_test_adapter)
    } else {
        let question = if count > SAMPLED { of_pods_now } else { of_pods };
        (metriclet(binary, &certificates, &kubernetes, pods)?, question)
    };
    let target = (server.address, question);
    let config = certificates.client(true)?;
    let warming = Controller::start(target, &config, count, WORKERS[0])?;
    thread::sleep(WARM);
    warming.stop()?;
    for workers in WORKERS {
        let controller = Controller::start(target, &config, count, workers)?;
        thread::sleep(RAMP);
        controller.forget();
        let (asked, fetched, cpu, start) = (kubernetes.sent(), pods.sent(), server.cpu_time()?, Instant::now());
        thread::sleep(MEASURED);
        let seconds = start.elapsed().as_secs_f64();
        let cpu = (server.cpu_time()? - cpu) / seconds;
        let per_second = |now: u64, before: u64| (now - before) as f64 / seconds;
        let (lists, (bytes, pages)) = (kubernetes.sent(), pods.sent());
        let answers = controller.stop()?;
        println!(
            "| {count} | {workers} | {:.0} | {} ms | {} ms | {} | {:.1} % | {:.0} MB | {:.1} kB/s | {:.0} kB/s | {:.0} |",
            answers.times.len() as f64 / seconds,
            answers.quantile(0.5),
            answers.quantile(0.99),
            answers.errors,
            100.0 * cpu,
            server.memory()?,
            per_second(lists, asked) / 1e3,
            per_second(bytes, fetched.0) / 1e3,
            per_second(pages, fetched.1),
        );
        if answers.errors > 0 {
            eprintln!("the last error: {:.500}", answers.error);
        }
    }
    Ok(())
}

/// A rate of each of the HPA's pods.
fn of_pods(hpa: usize) -> String {
    path(hpa, "rate")
}

/// The sum at the moment of each of the HPA's pods.
fn of_pods_now(hpa: usize) -> String {
    path(hpa, "now")
}

fn path(hpa: usize, metric: &str) -> String {
    let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces";
    format!("{path}/{}/pods/*/{metric}?labelSelector=app%3D{}", namespace(hpa), app(hpa))
}

fn of_test_adapter(hpa: usize) -> String {
    format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{}/my-external-metric", namespace(hpa))
}

fn metriclet(binary: &str, certificates: &Certificates, kubernetes: &Kubernetes, pods: &Pods) -> Result<Server> {
    let config = certificates.path("metrics.yaml");
    let source = format!("{{pods: {{port: {}}}, dangerAllowLoopback: true, cache: 15s}}", pods.port);
    let rate = "{name: rate, object: pods, source: app, value: 'sum(rate(http_requests_total[1m]))'}";
    let now = "{name: now, object: pods, source: app, value: sum(http_requests_total)}";
    fs::write(&config, format!("sources:\n  app: {source}\nmetrics:\n  - {rate}\n  - {now}\n"))?;
    let mut command = Command::new(binary);
    command.args(["--listen", "off", "--bind-address", "127.0.0.1", "--secure-port", "0"]);
    let files: [(&str, &Path); 5] = [
        ("--tls-cert-file", &certificates.path("server.crt")),
        ("--tls-private-key-file", &certificates.path("server.key")),
        ("--requestheader-client-ca-file", &certificates.path("ca.crt")),
        ("--kubeconfig", &kubernetes.kubeconfig),
        ("--config", &config),
    ];
    for (flag, path) in files {
        command.arg(flag).arg(path);
    }
    Server::start(&mut command)
}

fn test_adapter(binary: &str, certificates: &Certificates, kubernetes: &Kubernetes) -> Result<Server> {
    // It takes port 0 for none.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new(binary);
    command.args(["--bind-address=127.0.0.1", "--authentication-skip-lookup=true", &format!("--secure-port={port}")]);
    command.args(["--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group"]);
    for (flag, file) in [
        ("--tls-cert-file", &certificates.path("server.crt")),
        ("--tls-private-key-file", &certificates.path("server.key")),
        ("--requestheader-client-ca-file", &certificates.path("ca.crt")),
        ("--client-ca-file", &certificates.path("ca.crt")),
        ("--lister-kubeconfig", &kubernetes.kubeconfig),
        ("--authentication-kubeconfig", &kubernetes.kubeconfig),
        ("--authorization-kubeconfig", &kubernetes.kubeconfig),
    ] {
        command.arg(flag).arg(file);
    }
    Server::start(&mut command)
}

//! Measures the cost of many HPAs: `envelope BINARY [HPAS[xPODS]...]`. This process serves 20,000 pods on addresses of
//! 127.0.0.0/8, in up to twenty namespaces; each HPA selects an equal share of them. A rule computes a rate over one minute of
//! two series per pod, or their current sum if there are more HPAs than Metriclet samples selections. This program simulates
//! the HPA controller: it sends requests over TLS as a front proxy, for each HPA every 15 s, first with five workers as in
//! kube-controller-manager, then with 256.
//!
//! If BINARY is prometheus-adapter, it gets the same rules and a Prometheus that scrapes the pods. If it is the test adapter of
//! the Go library, which neither lists pods nor fetches pages, it serves a value from memory.

mod cluster;
mod controller;
mod subject;

use std::thread;
use std::time::{Duration, Instant};

use cluster::Cluster;
use controller::{Controller, Target};
use metriclet_bench_hyper::Result;
use metriclet_bench_hyper::kubernetes::Kubernetes;
use metriclet_bench_hyper::pages::Pages;
use metriclet_bench_hyper::server::Server;
use metriclet_bench_hyper::tls::Certificates;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use subject::{Subject, Surroundings};

const PODS: usize = 20_000;
/// The number of series per page. Pages are small, because this process shares the machine with the measured one.
const SERIES: usize = 20;
const WANTED: usize = 2;
const HPAS: [usize; 4] = [10, 100, 1_000, 5_000];
/// The HPA controller's default number of workers (`--concurrent-horizontal-pod-autoscaler-syncs`), and far more than that.
const WORKERS: [usize; 2] = [5, 256];
/// The time until samples span half of the range, when the first values appear.
const WARM: Duration = Duration::from_secs(45);
/// One sync of each HPA, which is not measured: at first, all HPAs are due at once.
const RAMP: Duration = Duration::from_secs(15);
/// Two syncs of each HPA.
const MEASURED: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().ok_or("usage: envelope BINARY [HPAS[xPODS]...]")?;
    let of = |case: String| -> Result<(usize, usize)> {
        let (hpas, pods) = case.split_once('x').map_or((case.as_str(), None), |(hpas, pods)| (hpas, Some(pods)));
        Ok((hpas.parse()?, pods.map_or(Ok(PODS), str::parse)?))
    };
    let mut cases = arguments.map(of).collect::<Result<Vec<_>>>()?;
    if cases.is_empty() {
        cases = HPAS.map(|hpas| (hpas, PODS)).to_vec();
    }
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
    let pods = Pages::serve(WANTED, SERIES, |_| String::new())?;
    println!(
        "| HPAs | at once | answers/s | p50 | p99 | errors | incomplete | CPU | RSS | from kube-apiserver | from pods | fetches/s |"
    );
    println!("| -- | -- | -- | -- | -- | -- | -- | -- | -- | -- | -- | -- |");
    for (hpas, count) in cases {
        measure(&binary, hpas, count, &pods)?;
    }
    Ok(())
}

fn measure(binary: &str, hpas: usize, count: usize, pods: &Pages) -> Result<()> {
    let certificates = Certificates::new()?;
    let cluster = Cluster::new(hpas, count);
    let kubernetes = Kubernetes::start(&certificates.path("server.crt"), &certificates.path("server.key"), cluster)?;
    let kubeconfig = certificates.kubeconfig(kubernetes.port)?;
    let subject = Subject::start(
        binary,
        Surroundings { certificates: &certificates, kubeconfig: &kubeconfig, pods_port: pods.port, hpas, pods: count },
    )?;
    let answering = subject.servers.first().ok_or("no server")?;
    let target = Target { address: answering.address, request_for: subject.request_for, hpas, pods: count / hpas };
    let config = certificates.client(true)?;
    let warming = Controller::start(target, &config, WORKERS[0])?;
    thread::sleep(WARM);
    warming.stop()?;
    for workers in WORKERS {
        let controller = Controller::start(target, &config, workers)?;
        thread::sleep(RAMP);
        controller.forget();
        let (listed, fetched) = (kubernetes.sent(), pods.sent());
        let (cpu, start) = (each(&subject, Server::cpu_time)?, Instant::now());
        thread::sleep(MEASURED);
        let seconds = start.elapsed().as_secs_f64();
        let now = each(&subject, Server::cpu_time)?;
        let spent: Vec<f64> = now.iter().zip(&cpu).map(|(now, before)| (now - before) / seconds * 1e2).collect();
        let per_second = |now: u64, before: u64| (now - before) as f64 / seconds;
        let (lists, (bytes, pages)) = (kubernetes.sent(), pods.sent());
        let answers = controller.stop()?;
        println!(
            "| {hpas} | {workers} | {:.0} | {} ms | {} ms | {} | {} | {} % | {} MB | {:.1} kB/s | {:.0} kB/s | {:.0} |",
            answers.times.len() as f64 / seconds,
            answers.quantile(0.5),
            answers.quantile(0.99),
            answers.errors,
            answers.incomplete,
            sum(&spent, 1),
            sum(&each(&subject, Server::memory)?, 0),
            per_second(lists, listed) / 1e3,
            per_second(bytes, fetched.0) / 1e3,
            per_second(pages, fetched.1),
        );
        if answers.errors > 0 {
            eprintln!("the last error: {:.500}", answers.error);
        }
    }
    Ok(())
}

/// A measurement of each process.
fn each(subject: &Subject, of: fn(&Server) -> Result<f64>) -> Result<Vec<f64>> {
    subject.servers.iter().map(of).collect()
}

/// Formats the sum, followed by its parts (adapter and Prometheus) if there are several.
fn sum(parts: &[f64], decimals: usize) -> String {
    let total = format!("{:.decimals$}", parts.iter().sum::<f64>());
    if parts.len() == 1 {
        return total;
    }
    let parts: Vec<String> = parts.iter().map(|part| format!("{part:.decimals$}")).collect();
    format!("{total} = {}", parts.join(" + "))
}

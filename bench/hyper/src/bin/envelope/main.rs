//! The cost of many HPAs: `envelope BINARY [HPAS[xPODS]...]`. 20,000 pods are addresses of 127.0.0.0/8 in this process, in up to
//! twenty namespaces, and each HPA selects its part of them. A rule takes a rate over a minute of two series of each pod; for
//! more HPAs than Metriclet samples selections, it takes their current sum. The HPA controller is a part of this program: it
//! asks over TLS as a front proxy, for each HPA every 15 s, with five workers as Kubernetes' own has, and then with 256.
//!
//! If BINARY is prometheus-adapter, it has the same rules, and a Prometheus that scrapes the pods. If it is the test adapter of
//! the Go library, it is asked for a value from memory, as it neither lists pods nor fetches pages.

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
/// Series on a page, of which the rule takes two: a small page, because this process shares the machine with what is measured.
const SERIES: usize = 20;
const WANTED: usize = 2;
const HPAS: [usize; 4] = [10, 100, 1_000, 5_000];
/// Workers of the HPA controller by default (`--concurrent-horizontal-pod-autoscaler-syncs`), and more than it can have at work.
const WORKERS: [usize; 2] = [5, 256];
/// Until samples span half of the range, from when on there are values.
const WARM: Duration = Duration::from_secs(45);
/// One sync of each HPA, which is left out: the first ones come all at once.
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
    let answering = subject.servers.first().ok_or("nothing to ask")?;
    let target = Target { address: answering.address, question: subject.question, hpas, pods: count / hpas };
    let config = certificates.client(true)?;
    let warming = Controller::start(target, &config, WORKERS[0])?;
    thread::sleep(WARM);
    warming.stop()?;
    for workers in WORKERS {
        let controller = Controller::start(target, &config, workers)?;
        thread::sleep(RAMP);
        controller.forget();
        let (asked, fetched) = (kubernetes.sent(), pods.sent());
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

/// A number of each process.
fn each(subject: &Subject, of: fn(&Server) -> Result<f64>) -> Result<Vec<f64>> {
    subject.servers.iter().map(of).collect()
}

/// The sum, with its parts if there are several: those of the adapter, and of Prometheus.
fn sum(parts: &[f64], decimals: usize) -> String {
    let total = format!("{:.decimals$}", parts.iter().sum::<f64>());
    if parts.len() == 1 {
        return total;
    }
    let parts: Vec<String> = parts.iter().map(|part| format!("{part:.decimals$}")).collect();
    format!("{total} = {}", parts.join(" + "))
}

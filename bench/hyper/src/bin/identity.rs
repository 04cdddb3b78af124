//! Measures the cost of authentication and authorization: `identity METRICLET [MEASUREMENT...]`. The client is a front proxy
//! that names a user; the Kubernetes API allows every access.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use metriclet_bench_hyper::http::upstream;
use metriclet_bench_hyper::kubernetes::Kubernetes;
use metriclet_bench_hyper::server::Server;
use metriclet_bench_hyper::tls::{Certificates, Client};
use metriclet_bench_hyper::{Result, median, show};

const METRIC: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/queue_depth";

const PAGE: &str = "# TYPE queue_depth gauge\nqueue_depth{namespace=\"shop\",service=\"web\"} 12.5\n";

/// The headers of the HPA controller's request, as kube-apiserver's aggregator forwards it.
const HEADERS: &str = "Accept: application/vnd.kubernetes.protobuf, */*\r\n\
    X-Remote-Extra-Authentication.kubernetes.io%2fcredential-Id: JTI=b200b8ec-8114-484b-a8c6-fdd4b69d0598\r\n\
    X-Remote-Group: system:serviceaccounts\r\nX-Remote-Group: system:serviceaccounts:kube-system\r\n\
    X-Remote-Group: system:authenticated\r\nX-Remote-Uid: f1d0eb8f-7325-4b98-a8b4-eff2a9272bb8\r\n\
    X-Remote-User: system:serviceaccount:kube-system:horizontal-pod-autoscaler\r\n";

const ROUNDS: usize = 7;
const SECONDS: u64 = 3;
const CONNECTIONS: usize = 32;
/// The requests per second of 5,000 HPAs that sync every 15 s.
const RATE: u32 = 333;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().ok_or("usage: identity METRICLET [MEASUREMENT...]")?;
    let mut wanted: Vec<String> = arguments.collect();
    if wanted.is_empty() {
        wanted = ["throughput", "steady"].map(str::to_owned).to_vec();
    }
    let certificates = Certificates::new()?;
    let kubernetes = Kubernetes::start(&certificates.path("server.crt"), &certificates.path("server.key"), ())?;
    let upstream = upstream(PAGE.to_owned())?;
    let guarded = metriclet(&binary, &certificates, upstream, &kubernetes, &[])?;
    let open = metriclet(&binary, &certificates, upstream, &kubernetes, &["--authorization-always-allow-paths=/*"])?;
    for measurement in &wanted {
        match measurement.as_str() {
            "throughput" => throughput(&certificates, &guarded, &open)?,
            "steady" => steady(&certificates, &guarded)?,
            other => return Err(format!("expected throughput or steady, found {other}").into()),
        }
    }
    println!("SubjectAccessReviews in total: {}", kubernetes.reviews());
    Ok(())
}

/// Compares rates and CPU time with and without authentication and authorization, in alternating rounds.
fn throughput(certificates: &Certificates, guarded: &Server, open: &Server) -> Result<()> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with.push(load(certificates, guarded)?);
        without.push(load(certificates, open)?);
    }
    let of = |runs: &[(f64, f64)], which: fn(&(f64, f64)) -> f64| runs.iter().map(which).collect::<Vec<_>>();
    for (name, runs) in [("known and allowed", &with), ("open to all", &without)] {
        let (rates, costs) = (of(runs, |run| run.0), of(runs, |run| run.1));
        println!("{name:<18} {} answers/s, {} µs of CPU each", show(&rates, 0), show(&costs, 1));
    }
    let ratio = |which: fn(&(f64, f64)) -> f64| {
        show(&with.iter().zip(&without).map(|(a, b)| which(a) / which(b)).collect::<Vec<_>>(), 2)
    };
    println!("ratio              {} rate, {} CPU", ratio(|run| run.0), ratio(|run| run.1));
    Ok(())
}

/// Responses per second over open connections, and the CPU time of each in µs.
fn load(certificates: &Certificates, server: &Server) -> Result<(f64, f64)> {
    let config = certificates.client(true)?;
    let before = server.cpu_time()?;
    let began = Instant::now();
    let until = began + Duration::from_secs(SECONDS);
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (config, address) = (config.clone(), server.address);
            thread::spawn(move || -> Result<u64> {
                let mut client = Client::connect(address, &config)?;
                let mut count = 0;
                while Instant::now() < until {
                    client.get_with(METRIC, HEADERS)?;
                    count += 1;
                }
                Ok(count)
            })
        })
        .collect();
    let mut count = 0;
    for thread in threads {
        count += thread.join().map_err(|_| "a client panicked")??;
    }
    let took = began.elapsed().as_secs_f64();
    Ok((count as f64 / took, (server.cpu_time()? - before) / count as f64 * 1e6))
}

/// Measures response times at the rate of a large cluster, over a few connections like the aggregator's.
fn steady(certificates: &Certificates, server: &Server) -> Result<()> {
    const CLIENTS: u32 = 4;
    let config = certificates.client(true)?;
    let interval = Duration::from_secs(1) / RATE;
    let began = Instant::now() + Duration::from_millis(100);
    let threads: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (config, address) = (config.clone(), server.address);
            thread::spawn(move || -> Result<Vec<f64>> {
                let mut client = Client::connect(address, &config)?;
                let mut times = Vec::new();
                for turn in 0..RATE * 15 / CLIENTS {
                    let due = began + interval * (turn * CLIENTS + number);
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    // Timed from here, so that a late client does not count as a slow server.
                    let sent = Instant::now();
                    client.get_with(METRIC, HEADERS)?;
                    times.push(sent.elapsed().as_secs_f64() * 1e3);
                }
                Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for thread in threads {
        times.extend(thread.join().map_err(|_| "a client panicked")??);
    }
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default();
    println!(
        "{RATE} a second for 15 s   median {:.3} ms, p99 {:.3} ms, worst {:.3} ms",
        median(&times),
        at(0.99),
        at(1.0 - 1.0 / times.len() as f64)
    );
    Ok(())
}

fn metriclet(
    binary: &str,
    certificates: &Certificates,
    upstream: SocketAddr,
    kubernetes: &Kubernetes,
    flags: &[&str],
) -> Result<Server> {
    let config = certificates.path(&format!("metrics-{}.yaml", flags.len()));
    std::fs::write(
        &config,
        format!(
            "sources:\n  page: {{url: 'http://{upstream}/metrics', namespaces: [shop], cache: 10m}}\n\
             metrics:\n  - {{name: queue_depth, object: services, source: page, value: 'queue_depth', maxAge: 10m}}\n"
        ),
    )?;
    let kubeconfig = certificates.kubeconfig(kubernetes.port)?;
    let mut command = Command::new(binary);
    command.args(["--listen", "off", "--bind-address", "127.0.0.1", "--secure-port", "0"]).args(flags);
    let files: [(&str, &Path); 5] = [
        ("--tls-cert-file", &certificates.path("server.crt")),
        ("--tls-private-key-file", &certificates.path("server.key")),
        ("--requestheader-client-ca-file", &certificates.path("ca.crt")),
        ("--kubeconfig", &kubeconfig),
        ("--config", &config),
    ];
    for (flag, path) in files {
        command.arg(flag).arg(path);
    }
    // Newer kube-apiservers send the user's uid.
    command.arg("--requestheader-uid-headers=X-Remote-Uid");
    let server = Server::start(&mut command)?;
    Client::connect(server.address, &certificates.client(true)?)?.get_with(METRIC, HEADERS)?;
    Ok(server)
}

//! The measured adapter: Metriclet, prometheus-adapter with a Prometheus, or the test adapter of the Go library.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use metriclet_bench_hyper::Result;
use metriclet_bench_hyper::http::get;
use metriclet_bench_hyper::kubernetes::address;
use metriclet_bench_hyper::server::Server;
use metriclet_bench_hyper::tls::Certificates;

use super::cluster::{name, namespace, pods};
use super::controller::{RequestFor, of_pods, of_pods_now, of_test_adapter};

/// The maximum number of selections that Metriclet samples over time; requests for further ones fail.
const SAMPLED: usize = 1_024;
/// The time limit for Prometheus to scrape all pods.
const PATIENCE: Duration = Duration::from_secs(240);

/// The processes of the measured adapter.
pub struct Subject {
    /// The first one serves the requests.
    pub servers: Vec<Server>,
    pub request_for: RequestFor,
}

/// The pods and the Kubernetes API that the adapter uses.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub certificates: &'a Certificates,
    pub kubeconfig: &'a Path,
    pub pods_port: u16,
    pub hpas: usize,
    pub pods: usize,
}

impl Subject {
    /// Starts the adapter that the file name of `binary` indicates.
    pub fn start(binary: &str, around: Surroundings<'_>) -> Result<Self> {
        let request_for = if around.hpas > SAMPLED { of_pods_now } else { of_pods };
        if binary.contains("prometheus-adapter") {
            let prometheus = prometheus(around)?;
            let adapter = prometheus_adapter(binary, around, &prometheus)?;
            return Ok(Self { servers: vec![adapter, prometheus], request_for });
        }
        if binary.contains("test-adapter") {
            let adapter = Server::start(&mut of_the_library(binary, around)?)?;
            return Ok(Self { servers: vec![adapter], request_for: of_test_adapter });
        }
        Ok(Self { servers: vec![metriclet(binary, around)?], request_for })
    }
}

fn metriclet(binary: &str, around: Surroundings<'_>) -> Result<Server> {
    let config = around.certificates.path("metrics.yaml");
    let source = format!("{{pods: {{port: {}}}, dangerAllowLoopback: true, cache: 15s}}", around.pods_port);
    let rate = "{name: rate, object: pods, source: app, value: 'sum(rate(http_requests_total[1m]))'}";
    let now = "{name: now, object: pods, source: app, value: sum(http_requests_total)}";
    fs::write(&config, format!("sources:\n  app: {source}\nmetrics:\n  - {rate}\n  - {now}\n"))?;
    let mut command = Command::new(binary);
    command.args(["--listen", "off", "--bind-address", "127.0.0.1", "--secure-port", "0"]);
    let files: [(&str, &Path); 5] = [
        ("--tls-cert-file", &around.certificates.path("server.crt")),
        ("--tls-private-key-file", &around.certificates.path("server.key")),
        ("--requestheader-client-ca-file", &around.certificates.path("ca.crt")),
        ("--kubeconfig", around.kubeconfig),
        ("--config", &config),
    ];
    for (flag, path) in files {
        command.arg(flag).arg(path);
    }
    Server::start(&mut command)
}

/// Starts the Prometheus in METRICLET_PROMETHEUS or PATH, which stores all series of each page, as by default. Its targets are
/// static, because Debian's build has no Kubernetes service discovery; so its memory does not include that. Returns once it has
/// scraped all pods, or after PATIENCE.
fn prometheus(around: Surroundings<'_>) -> Result<Server> {
    let (config, data) = (around.certificates.path("prometheus.yml"), around.certificates.path("prometheus"));
    let port = around.pods_port;
    let mut text =
        "global: {scrape_interval: 15s}\nscrape_configs:\n  - job_name: pods\n    static_configs:\n".to_owned();
    for (number, hpa) in pods(around.hpas, around.pods) {
        let (address, namespace, pod) = (address(number), namespace(hpa), name(hpa, number));
        text += &format!("      - {{targets: ['{address}:{port}'], labels: {{namespace: {namespace}, pod: {pod}}}}}\n");
    }
    fs::write(&config, text)?;
    let program = std::env::var_os("METRICLET_PROMETHEUS").unwrap_or_else(|| "prometheus".into());
    let mut command = Command::new(program);
    command.arg("--web.listen-address=127.0.0.1:0");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", data.display()));
    let server = Server::start(&mut command)?;
    let start = Instant::now();
    let mut up = 0;
    while up < around.pods && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_secs(5));
        up = scraped(&server)?;
    }
    eprintln!("Prometheus has scraped {up} of {} pods after {:.0} s", around.pods, start.elapsed().as_secs_f64());
    Ok(server)
}

/// The number of pods whose last scrape succeeded.
fn scraped(prometheus: &Server) -> Result<usize> {
    let (code, body) = get(prometheus.address, "/api/v1/query?query=count(up==1)")?;
    if code != 200 {
        return Err(format!("Prometheus: {code} {body}").into());
    }
    // …"value":[1700000000.000,"20000"]…, or no value before the first scrape.
    let Some((_, value)) = body.split_once("\"value\":[") else { return Ok(0) };
    Ok(value.split('"').nth(1).ok_or("a value without a number")?.parse()?)
}

/// Starts prometheus-adapter with the same two rules. It relists metrics once a minute, as its Helm chart sets.
fn prometheus_adapter(binary: &str, around: Surroundings<'_>, prometheus: &Server) -> Result<Server> {
    let config = around.certificates.path("adapter.yaml");
    let rule = |name: &str, value: &str| {
        format!(
            "  - seriesQuery: 'http_requests_total{{namespace!=\"\",pod!=\"\"}}'\n    \
             resources: {{overrides: {{namespace: {{resource: namespace}}, pod: {{resource: pod}}}}}}\n    \
             name: {{as: {name}}}\n    metricsQuery: '{value}'\n"
        )
    };
    let rate = rule("rate", "sum by (<<.GroupBy>>) (rate(<<.Series>>{<<.LabelMatchers>>}[1m]))");
    let now = rule("now", "sum by (<<.GroupBy>>) (<<.Series>>{<<.LabelMatchers>>})");
    fs::write(&config, format!("rules:\n{rate}{now}"))?;
    let mut command = of_the_library(binary, around)?;
    command.arg("--config").arg(&config).arg(format!("--prometheus-url=http://{}", prometheus.address));
    // By default it lists pods at most five times a second, which would limit it to five responses a second.
    command.args(["--metrics-relist-interval=1m", "--client-qps=1000", "--client-burst=1000"]);
    Server::start(&mut command)
}

/// The command of an adapter that is built with the Go library.
fn of_the_library(binary: &str, around: Surroundings<'_>) -> Result<Command> {
    // Port 0 would disable the listener, so a free port is chosen here.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new(binary);
    command.args(["--bind-address=127.0.0.1", "--authentication-skip-lookup=true", &format!("--secure-port={port}")]);
    command.args(["--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group"]);
    for (flag, file) in [
        ("--tls-cert-file", around.certificates.path("server.crt").as_path()),
        ("--tls-private-key-file", &around.certificates.path("server.key")),
        ("--requestheader-client-ca-file", &around.certificates.path("ca.crt")),
        ("--client-ca-file", &around.certificates.path("ca.crt")),
        ("--lister-kubeconfig", around.kubeconfig),
        ("--authentication-kubeconfig", around.kubeconfig),
        ("--authorization-kubeconfig", around.kubeconfig),
    ] {
        command.arg(flag).arg(file);
    }
    Ok(command)
}

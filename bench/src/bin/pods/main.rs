//! What pods as sources cost: `pods BINARY`. Pods are addresses of 127.0.0.0/8 in this process, each with a page of 1,000
//! series; one rule takes the rate of twenty of them. Where `prometheus` is installed, it scrapes the same pods for the same
//! rule at the same time.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use metriclet_bench::{Metriclet, Result, cpu_time, get, memory, show};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const ADDRESSES: u8 = 240;
const SERIES: usize = 1_000;
const WANTED: usize = 20;
/// Answers that are timed, times pods.
const ASKS: usize = 7_650;
const MB: f64 = 1e6;
/// How often a rule over one minute is sampled.
const INTERVAL: Duration = Duration::from_secs(15);
/// For so long processor time is measured.
const MEASURED: Duration = Duration::from_secs(60);
const VALUE: &str = "sum(rate(http_requests_total[1m]))";
const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/";

fn main() -> Result<()> {
    let binary = std::env::args().nth(1).ok_or("usage: pods BINARY")?;
    let directory = std::env::temp_dir().join(format!("metriclet-bench-pods-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let measured = measure(&binary, &directory);
    fs::remove_dir_all(&directory)?;
    measured
}

fn measure(binary: &str, directory: &Path) -> Result<()> {
    let fetched = Arc::new(AtomicUsize::new(0));
    let port = pods(&fetched)?;
    for count in [150, 2_000] {
        let kubeconfig = kubernetes(binary, directory, count)?;
        let config = format!(
            "sources:\n  app: {{pods: {{port: {port}}}, dangerAllowLoopback: true}}\n  \
             cold: {{pods: {{port: {port}}}, dangerAllowLoopback: true, cache: 0s}}\nmetrics:\n  \
             - {{name: rate, object: pods, source: app, value: '{VALUE}'}}\n  \
             - {{name: now, object: pods, source: cold, value: sum(http_requests_total)}}\n"
        );
        let metriclet = Metriclet::with(binary, &config, &["--kubeconfig".as_ref(), kubeconfig.as_os_str()])?;
        println!("{count} pods, {SERIES} series each, {WANTED} of them in the rule");
        println!("  RSS idle   {:.1} MB", metriclet.memory()?.0 as f64 / MB);
        let prometheus = if count == 150 { Prometheus::start(directory, port, count)? } else { None };
        let asked = || ask(&metriclet, "rate", count).map(|_| ());
        // Until there is a value; the HPA controller asks as often.
        let gathering = Instant::now();
        while asked().is_err() {
            if gathering.elapsed() > Duration::from_secs(120) {
                asked()?;
            }
            thread::sleep(Duration::from_millis(500));
        }
        println!("  first rate after   {:.1} s", gathering.elapsed().as_secs_f64());
        let (cpu, scraped, start) = (cpu_time(metriclet.pid())?, fetched.load(Ordering::SeqCst), Instant::now());
        let theirs = prometheus.as_ref().map(|prometheus| cpu_time(prometheus.child.id())).transpose()?;
        let queried = prometheus.as_ref().map(Prometheus::scraped).transpose()?;
        let mut threads = 0;
        while start.elapsed() < MEASURED {
            asked()?;
            if let Some(prometheus) = &prometheus {
                prometheus.query()?;
            }
            threads = threads.max(fs::read_dir(format!("/proc/{}/task", metriclet.pid()))?.count());
            thread::sleep(INTERVAL / 5);
        }
        let seconds = start.elapsed().as_secs_f64();
        let used = cpu_time(metriclet.pid())? - cpu;
        let by_others = match (&prometheus, queried) {
            (Some(prometheus), Some(before)) => prometheus.scraped()?.saturating_sub(before),
            _ => 0,
        };
        let scrapes = (fetched.load(Ordering::SeqCst) - scraped).saturating_sub(by_others);
        let (rss, peak) = metriclet.memory()?;
        let (rss, peak) = (rss as f64 / MB, peak as f64 / MB);
        println!(
            "  {scrapes} scrapes in {seconds:.0} s, {:.2} % of a CPU, {:.0} µs each",
            100.0 * used / seconds,
            1e6 * used / scrapes as f64
        );
        println!("  RSS {rss:.1} MB, peak {peak:.1} MB, {threads} threads");
        if let (Some(prometheus), Some(before)) = (&prometheus, theirs) {
            let used = cpu_time(prometheus.child.id())? - before;
            let (rss, peak) = memory(prometheus.child.id())?;
            println!(
                "  Prometheus: {by_others} scrapes, {:.2} % of a CPU, {:.0} µs each, RSS {:.1} MB, peak {:.1} MB",
                100.0 * used / seconds,
                1e6 * used / by_others as f64,
                rss as f64 / MB,
                peak as f64 / MB
            );
        }
        println!("  from history   {} ms", show(&times(&metriclet, "rate", count)?, 2));
        println!("  cold           {} ms", show(&times(&metriclet, "now", count)?, 1));
        println!(
            "  RSS then {:.1} MB, peak {:.1} MB",
            metriclet.memory()?.0 as f64 / MB,
            metriclet.memory()?.1 as f64 / MB
        );
    }
    Ok(())
}

/// How long answers take, in milliseconds.
fn times(metriclet: &Metriclet, metric: &str, count: usize) -> Result<Vec<f64>> {
    (0..(ASKS / count).max(5))
        .map(|_| {
            let start = Instant::now();
            ask(metriclet, metric, count)?;
            Ok(start.elapsed().as_secs_f64() * 1e3)
        })
        .collect()
}

/// All pods' values, or why some are missing.
fn ask(metriclet: &Metriclet, metric: &str, count: usize) -> Result<String> {
    let (code, body) = get(metriclet.address, &format!("{PODS}{metric}?labelSelector=app%3Dweb"))?;
    let items = body.matches("describedObject").count();
    if code == 200 && items == count {
        Ok(body)
    } else {
        Err(format!("{code}, {items} items of {count}: {:.300}", body).into())
    }
}

fn address(number: usize) -> Ipv4Addr {
    let place = u8::try_from(number % usize::from(ADDRESSES)).unwrap_or_default();
    Ipv4Addr::new(127, 0, 0, place + 2)
}

/// Pods on all addresses, on one port; counts pages.
fn pods(fetched: &Arc<AtomicUsize>) -> Result<u16> {
    let first = TcpListener::bind((address(0), 0))?;
    let port = first.local_addr()?.port();
    let others = (1..usize::from(ADDRESSES)).map(|number| TcpListener::bind((address(number), port)));
    let start = Instant::now();
    let mut rest = String::new();
    for number in WANTED..SERIES {
        writeln!(rest, "process_things{{kind=\"thing-{number}\",place=\"somewhere\"}} {number}.5")?;
    }
    let rest = Arc::new(rest);
    for listener in std::iter::once(Ok(first)).chain(others) {
        let (listener, rest, fetched) = (listener?, rest.clone(), fetched.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                fetched.fetch_add(1, Ordering::SeqCst);
                if let Err(error) = serve(stream, start, &rest) {
                    eprintln!("a pod could not answer: {error}");
                }
            }
        });
    }
    Ok(port)
}

fn serve(mut stream: TcpStream, start: Instant, rest: &str) -> Result<()> {
    let mut request = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut page = String::with_capacity(rest.len() + 4_096);
    for number in 0..WANTED {
        let value = start.elapsed().as_secs_f64() * number as f64;
        writeln!(page, "http_requests_total{{code=\"200\",method=\"GET\",handler=\"/items/{number}\"}} {value}")?;
    }
    page.push_str(rest);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len())?;
    Ok(())
}

/// A Kubernetes API that lists so many pods; the path of a kubeconfig for it.
fn kubernetes(binary: &str, directory: &Path, count: usize) -> Result<PathBuf> {
    let certs = directory.join(format!("certs-{count}"));
    let made = Command::new(binary).args(["certs", "--out"]).arg(&certs).stdout(Stdio::null()).status()?;
    if !made.success() {
        return Err("no certificates could be made".into());
    }
    let chain = CertificateDer::pem_file_iter(certs.join("tls.crt"))?.collect::<std::result::Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(certs.join("tls.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = Arc::new(tls.with_no_client_auth().with_single_cert(chain, key)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let items: Vec<String> = (0..count)
        .map(|number| {
            format!(
                "{{\"metadata\":{{\"name\":\"web-{number:04}\",\"uid\":\"3f0c-{number}\",\"labels\":{{\"app\":\"web\"}}}},\
                 \"spec\":{{\"containers\":[{{\"name\":\"app\"}}]}},\"status\":{{\"phase\":\"Running\",\"podIP\":\"{}\",\
                 \"startTime\":\"2026-08-18T02:35:04Z\",\"containerStatuses\":[{{\"restartCount\":0}}]}}}}",
                address(number)
            )
        })
        .collect();
    let list = Arc::new(format!("{{\"kind\":\"PodList\",\"metadata\":{{}},\"items\":[{}]}}", items.join(",")));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (tls, list) = (tls.clone(), list.clone());
            // A client that hangs up is done.
            thread::spawn(move || drop(answer(tls, stream, &list)));
        }
    });
    let kubeconfig = directory.join(format!("kubeconfig-{count}"));
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
         clusters: [{{name: k, cluster: {{server: 'https://localhost:{port}', insecure-skip-tls-verify: true}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\n"
    );
    fs::write(&kubeconfig, text)?;
    Ok(kubeconfig)
}

/// The same list to every request of a connection.
fn answer(tls: Arc<ServerConfig>, stream: TcpStream, list: &str) -> Result<()> {
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(tls)?, stream));
    loop {
        let mut line = String::new();
        while stream.read_line(&mut line)? > 2 {
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
        write!(stream.get_mut(), "{head}{}\r\n\r\n{list}", list.len())?;
        stream.get_mut().flush()?;
    }
}

/// A Prometheus at work; killed when this is dropped.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    fn start(directory: &Path, port: u16, count: usize) -> Result<Option<Self>> {
        // Free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let targets: Vec<String> = (0..count).map(|number| format!("'{}:{port}'", self::address(number))).collect();
        let config = directory.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: {}s}}\nscrape_configs:\n  - {{job_name: app, static_configs: [{{targets: [{}]}}]}}\n",
            INTERVAL.as_secs(),
            targets.join(", ")
        );
        fs::write(&config, text)?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Ok(Some(Self { child, address })),
            Err(error) => {
                println!("  no prometheus beside it: {error}");
                Ok(None)
            }
        }
    }

    /// Asks for what the rule asks.
    fn query(&self) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        let query = "sum%20by%20(instance)(rate(http_requests_total%5B1m%5D))";
        write!(stream, "GET /api/v1/query?query={query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    }

    /// How many pages it has read so far, by its own count.
    fn scraped(&self) -> Result<usize> {
        let (_, page) = get(self.address, "/metrics")?;
        let name = "prometheus_target_interval_length_seconds_count";
        let line = page.lines().find(|line| line.starts_with(name)).ok_or("no count of scrapes")?;
        Ok(line.rsplit(' ').next().ok_or("no number")?.parse()?)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

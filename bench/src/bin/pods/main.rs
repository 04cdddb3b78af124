//! Measures the cost of pods as sources: `pods BINARY [PODSxSERIES...]`. This process serves the pods on addresses of
//! 127.0.0.0/8, each with a page of SERIES series; one rule computes the rate of twenty of them for each pod. If `prometheus`
//! is installed and there are few enough series, it scrapes the same pods for the same query at the same time.

mod prometheus;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use metriclet_bench::pages::{Pages, rounds};
use metriclet_bench::{
    Metriclet, Pods, RATE, Result, WANTED, cpu_time, get, kubeconfig, memory, of_pods, show, spread,
};
use prometheus::Prometheus;

/// The default cases: an average Deployment, a huge one, and a huge one with large pages.
const CASES: [&str; 3] = ["150x1000", "2000x100", "2000x1000"];
/// The maximum number of series of all pods for a run with Prometheus, which stores all of them.
const BESIDE: usize = 200_000;
/// The number of timed values: responses times pods.
const ASKS: usize = 7_650;
const MB: f64 = 1e6;
/// The interval of samples of a rule over one minute, which is also an HPA's sync period.
const INTERVAL: Duration = Duration::from_secs(15);
/// The duration of the measurement of CPU time.
const MEASURED: Duration = Duration::from_secs(60);
/// The time until samples fill the range, and rates are no longer too low.
const FILLED: Duration = Duration::from_secs(75);
/// The time until every pod has a rate.
const PATIENCE: Duration = Duration::from_secs(120);
const VALUE: &str = "sum(rate(http_requests_total[1m]))";
const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/";

fn main() -> Result<()> {
    of_pods("pods", &CASES, measure)
}

fn measure(binary: &str, directory: &Path, count: usize, series: usize) -> Result<()> {
    let pages = Pages::serve(WANTED, series, |_| String::new())?;
    let kubeconfig = kubeconfig(binary, directory, Pods::new(count))?;
    let port = pages.port;
    let config = format!(
        "sources:\n  app: {{pods: {{port: {port}}}, dangerAllowLoopback: true}}\n  \
         cold: {{pods: {{port: {port}}}, dangerAllowLoopback: true, cache: 0s}}\nmetrics:\n  \
         - {{name: rate, object: pods, source: app, value: '{VALUE}'}}\n  \
         - {{name: now, object: pods, source: cold, value: sum(http_requests_total)}}\n"
    );
    let metriclet = Metriclet::with(binary, &config, &["--kubeconfig".as_ref(), kubeconfig.as_os_str()])?;
    println!("{count} pods, {series} series each, {WANTED} of them in the rule");
    println!("  RSS idle       {:.1} MB", metriclet.memory()?.0 as f64 / MB);
    let prometheus = if count * series <= BESIDE { Prometheus::start(directory, port, count)? } else { None };
    let gathering = Instant::now();
    let mut before = 0;
    while before < count && gathering.elapsed() < PATIENCE {
        let rates = values(&metriclet, "rate")?.len();
        if rates > before {
            println!("  {rates:<15}rates after {:.1} s", gathering.elapsed().as_secs_f64());
            before = rates;
        }
        thread::sleep(Duration::from_millis(500));
    }
    // Starts between two rounds of samples.
    thread::sleep((FILLED + INTERVAL / 2).saturating_sub(gathering.elapsed()));
    steady(&metriclet, &pages, prometheus.as_ref(), count)?;
    gaps(&metriclet, count)?;
    println!("  from history   {} ms", show(&times(&metriclet, "rate", count)?, 2));
    println!("  cold           {} ms", show(&times(&metriclet, "now", count)?, 1));
    let (rss, peak) = metriclet.memory()?;
    println!("  RSS then       {:.1} MB, peak {:.1} MB", rss as f64 / MB, peak as f64 / MB);
    Ok(())
}

/// The cost of continuous operation: a round of samples and a request every 15 s.
fn steady(metriclet: &Metriclet, pages: &Pages, prometheus: Option<&Prometheus>, count: usize) -> Result<()> {
    let (cpu, start) = (cpu_time(metriclet.pid())?, Instant::now());
    let theirs = prometheus.map(|prometheus| cpu_time(prometheus.pid())).transpose()?;
    let before = prometheus.map(Prometheus::scraped).transpose()?;
    let (mut threads, mut times, mut fewest, mut rates) = (0, Vec::new(), count, Vec::new());
    while start.elapsed() < MEASURED {
        let requested = Instant::now();
        let found = values(metriclet, "rate")?;
        times.push(requested.elapsed().as_secs_f64() * 1e3);
        fewest = fewest.min(found.len());
        rates.extend(found);
        if let Some(prometheus) = prometheus {
            prometheus.query()?;
        }
        threads = threads.max(fs::read_dir(format!("/proc/{}/task", metriclet.pid()))?.count());
        thread::sleep(INTERVAL);
    }
    let seconds = start.elapsed().as_secs_f64();
    let used = cpu_time(metriclet.pid())? - cpu;
    let fetched = pages.fetched(start);
    let (rss, peak) = metriclet.memory()?;
    println!(
        "  {} scrapes in {seconds:.0} s, {:.2} % of a CPU, {:.0} µs each",
        fetched.len(),
        100.0 * used / seconds,
        1e6 * used / fetched.len() as f64
    );
    println!("  a round        {} s", show(&rounds(&fetched), 2));
    println!("  every 15 s     {} ms, values of at least {fewest} pods", show(&times, 1));
    if !rates.is_empty() {
        let [least, middle, greatest] = spread(rates);
        println!("  values         {middle:.2} ({least:.2}–{greatest:.2}), and {RATE} is right");
    }
    println!("  RSS {:.1} MB, peak {:.1} MB, {threads} threads", rss as f64 / MB, peak as f64 / MB);
    if let (Some(prometheus), Some(theirs), Some(before)) = (prometheus, theirs, before) {
        let used = cpu_time(prometheus.pid())? - theirs;
        let scrapes = prometheus.scraped()?.saturating_sub(before);
        let (rss, peak) = memory(prometheus.pid())?;
        println!(
            "  Prometheus: {scrapes} scrapes, {:.2} % of a CPU, {:.0} µs each, RSS {:.1} MB, peak {:.1} MB",
            100.0 * used / seconds,
            1e6 * used / scrapes as f64,
            rss as f64 / MB,
            peak as f64 / MB
        );
    }
    Ok(())
}

/// Checks whether every pod always has a value, even during a round of samples, because an HPA may request at any time.
fn gaps(metriclet: &Metriclet, count: usize) -> Result<()> {
    let start = Instant::now();
    let (mut times, mut whole, mut fewest) = (0, 0, count);
    while start.elapsed() < INTERVAL {
        let found = values(metriclet, "rate")?.len();
        times += 1;
        whole += usize::from(found == count);
        fewest = fewest.min(found);
        thread::sleep(INTERVAL / 150);
    }
    println!("  over 15 s      {whole} of {times} answers are whole, the least one of {fewest} pods");
    Ok(())
}

/// Response times in milliseconds; a response without a value for every pod is an error.
fn times(metriclet: &Metriclet, metric: &str, count: usize) -> Result<Vec<f64>> {
    (0..(ASKS / count).max(5))
        .map(|_| {
            let start = Instant::now();
            let found = values(metriclet, metric)?.len();
            let took = start.elapsed().as_secs_f64() * 1e3;
            if found == count { Ok(took) } else { Err(format!("{metric}: {found} values of {count}").into()) }
        })
        .collect()
}

/// The values in a response, one for each pod that has a value.
fn values(metriclet: &Metriclet, metric: &str) -> Result<Vec<f64>> {
    let (code, body) = get(metriclet.address, &format!("{PODS}{metric}?labelSelector=app%3Dweb"))?;
    match code {
        200 => body.split("\"value\":\"").skip(1).map(number).collect(),
        503 => Ok(Vec::new()),
        _ => Err(format!("{metric}: {code} {body:.300}").into()),
    }
}

/// The number before the next quotation mark, a whole number or one with the suffix m.
fn number(text: &str) -> Result<f64> {
    let text = text.split('"').next().unwrap_or_default();
    Ok(match text.strip_suffix('m') {
        Some(milli) => milli.parse::<f64>().map_err(|_| format!("not a number: {text}"))? / 1e3,
        None => text.parse().map_err(|_| format!("not a number: {text}"))?,
    })
}

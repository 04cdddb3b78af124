//! Measures the cost of one value over many pods: `fleet BINARY [PODSxSERIES...]`. The pods are those of the benchmark `pods`;
//! one rule on a Service sums the rates of twenty series of each pod, another one their current values.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use metriclet_bench::pages::{Pages, rounds};
use metriclet_bench::{Metriclet, Pods, RATE, Result, WANTED, cpu_time, get, kubeconfig, of_pods, show};

/// An average Deployment, and a huge one.
const CASES: [&str; 2] = ["150x1000", "2000x100"];
const MB: f64 = 1e6;
/// The interval of samples of a rule over one minute, which is also an HPA's sync period.
const INTERVAL: Duration = Duration::from_secs(15);
/// The duration of the measurement of CPU time.
const MEASURED: Duration = Duration::from_secs(60);
/// The time until samples fill the range.
const FILLED: Duration = Duration::from_secs(75);
/// The number of timed responses.
const ASKS: usize = 50;
const SERVICE: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/";

fn main() -> Result<()> {
    of_pods("fleet", &CASES, measure)
}

fn measure(binary: &str, directory: &Path, count: usize, series: usize) -> Result<()> {
    let pages = Pages::serve(WANTED, series, |_| String::new())?;
    let kubeconfig = kubeconfig(binary, directory, Pods::new(count))?;
    let source = format!("{{pods: {{port: {}}}, dangerAllowLoopback: true", pages.port);
    let config = format!(
        "sources:\n  app: {source}}}\n  cold: {source}, cache: 0s, timeout: 4s}}\nmetrics:\n  \
         - {{name: rate, object: services, source: app, value: 'sum(rate(http_requests_total[1m]))'}}\n  \
         - {{name: now, object: services, source: cold, value: sum(http_requests_total)}}\n"
    );
    let metriclet = Metriclet::with(binary, &config, &["--kubeconfig".as_ref(), kubeconfig.as_os_str()])?;
    println!("{count} pods, {series} series each, {WANTED} of them in the rule");
    println!("  RSS idle       {:.1} MB", metriclet.memory()?.0 as f64 / MB);
    let start = Instant::now();
    while value(&metriclet, "rate")?.is_none() && start.elapsed() < FILLED {
        thread::sleep(Duration::from_millis(500));
    }
    println!("  a value after  {:.1} s", start.elapsed().as_secs_f64());
    // Starts between two rounds of samples.
    thread::sleep((FILLED + INTERVAL / 2).saturating_sub(start.elapsed()));
    let (cpu, start) = (cpu_time(metriclet.pid())?, Instant::now());
    while start.elapsed() < MEASURED {
        value(&metriclet, "rate")?;
        thread::sleep(INTERVAL);
    }
    let seconds = start.elapsed().as_secs_f64();
    let (used, fetched) = (cpu_time(metriclet.pid())? - cpu, pages.fetched(start));
    println!(
        "  {} scrapes in {seconds:.0} s, {:.2} % of a CPU, {:.0} µs each",
        fetched.len(),
        100.0 * used / seconds,
        1e6 * used / fetched.len() as f64
    );
    println!("  a round        {} s", show(&rounds(&fetched), 2));
    let (rss, peak) = metriclet.memory()?;
    println!("  RSS {:.1} MB, peak {:.1} MB", rss as f64 / MB, peak as f64 / MB);
    let expected = RATE * count as f64;
    println!("  value          {:.1}, and {expected} is right", value(&metriclet, "rate")?.unwrap_or(f64::NAN));
    println!("  from history   {} ms", show(&times(&metriclet, "rate")?, 2));
    println!("  cold           {} ms", show(&times(&metriclet, "now")?, 1));
    let (rss, peak) = metriclet.memory()?;
    println!("  RSS then       {:.1} MB, peak {:.1} MB", rss as f64 / MB, peak as f64 / MB);
    Ok(())
}

/// Response times in milliseconds. On a busy machine, a late pod leaves the response without a value.
fn times(metriclet: &Metriclet, metric: &str) -> Result<Vec<f64>> {
    let (mut times, mut late) = (Vec::new(), 0);
    while times.len() < ASKS {
        let start = Instant::now();
        match value(metriclet, metric)? {
            Some(_) => times.push(start.elapsed().as_secs_f64() * 1e3),
            None if late < ASKS => late += 1,
            None => return Err(format!("{metric}: no value").into()),
        }
    }
    if late > 0 {
        println!("  {metric}: {late} answers were none, as some pod was late");
    }
    Ok(times)
}

/// The value for the Service; `None` if there is none.
fn value(metriclet: &Metriclet, metric: &str) -> Result<Option<f64>> {
    let (code, body) = get(metriclet.address, &format!("{SERVICE}{metric}"))?;
    if code == 503 {
        return Ok(None);
    }
    let text = body.split("\"value\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let text = text.filter(|_| code == 200).ok_or_else(|| format!("{metric}: {code} {body:.300}"))?;
    let (number, unit) = match text.strip_suffix('m') {
        Some(milli) => (milli, 1e3),
        None => (text.strip_suffix('k').unwrap_or(text), if text.ends_with('k') { 1e-3 } else { 1.0 }),
    };
    Ok(Some(number.parse::<f64>().map_err(|_| format!("not a number: {text}"))? / unit))
}

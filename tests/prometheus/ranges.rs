//! The same rules over time through Metriclet's samples of pods, and through a real Prometheus that scrapes the same pods. The
//! two scrape at different times, so the values do not depend on the times, or are compared with a tolerance.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use metriclet::internals::parse::quantity;
use serde_json::json;

use crate::common::kubernetes::Kubernetes;
use crate::common::pods::{PODS, address, bind, pod, server, text, with};
use crate::common::secure::eventually;
use crate::common::upstream::Upstream;
use crate::common::{PATIENCE, Server};
use crate::live::lacks;
use crate::server::Prometheus;

/// The expected value of a pod, by its number from 1 on.
enum Is {
    /// Always this value, if there is one.
    Always(fn(f64) -> f64),
    /// Always within these bounds, if there is a value.
    Between(fn(f64) -> [f64; 2]),
    /// This value within 5 %, once the samples fill the range and the machine has served and scraped in time for that long.
    InTime(fn(f64) -> f64),
}

const RULES: &[(&str, Is)] = &[
    // Constant values.
    ("max_over_time(depth{queue=\"a\"}[8s])", Is::Always(|pod| pod)),
    ("sum(min_over_time(depth[8s]))", Is::Always(|pod| 2.0 * pod + 0.5)),
    ("max by (queue) (avg_over_time(depth{queue=~\"b|x\"}[8s])) * 2", Is::Always(|pod| 2.0 * pod + 1.0)),
    ("sum(last_over_time(depth[8s])) / count(last_over_time(depth[8s]))", Is::Always(|pod| pod + 0.25)),
    ("sum(delta(depth[8s]))", Is::Always(|_| 0.0)),
    ("sum(rate(still_total[8s]))", Is::Always(|_| 0.0)),
    ("sum(deriv(depth[8s])) + sum(changes(depth[8s])) + sum(resets(still_total[8s]))", Is::Always(|_| 0.0)),
    ("quantile_over_time(0.5, depth{queue=\"a\"}[8s]) + on () sum(stddev_over_time(depth[8s]))", Is::Always(|pod| pod)),
    ("sum(depth) - sum(depth offset 4s)", Is::Always(|_| 0.0)),
    ("max_over_time(depth{queue=\"a\"}[8s] offset 2s) or nothing", Is::Always(|pod| pod)),
    ("sum(requests_total) - sum(requests_total offset 8s)", Is::InTime(|_| 64_000.0)),
    ("sum(increase(still_total[8s])) + max(still_total)", Is::Always(|pod| 40.0 * pod)),
    // Counters of one page that grow in proportion are sampled and extrapolated in the same way.
    ("sum(rate(requests_total{code=~\"5..\"}[8s])) / sum(rate(requests_total[8s]))", Is::Always(|pod| pod / 8.0)),
    (
        "histogram_quantile(0.6, sum by (le) (rate(latency_bucket[8s])))",
        Is::Always(|pod| 0.1 + 0.9 * (0.6 * 9.0 - pod) / (7.0 - pod)),
    ),
    // From each page to the next the counter grows by 1,000; every third time it starts from 0.
    ("sum(irate(reborn_total[8s])) / sum(irate(pages_total[8s]))", Is::Always(|_| 1_000.0)),
    ("max_over_time(reborn_total[8s]) - min_over_time(reborn_total[8s])", Is::InTime(|_| 2_000.0)),
    // If it starts with 1,000 it is extrapolated back by one gap, because it was 0 before that; the other end by at most
    // 1.1.
    ("sum(rate(reborn_total[8s])) / sum(rate(pages_total[8s]))", Is::Between(|_| [950.0, 1_000.0])),
    ("sum(rate(requests_total[8s]))", Is::InTime(|_| 8_000.0)),
    ("sum(increase(requests_total{code=\"500\"}[8s]))", Is::InTime(|pod| 8_000.0 * pod)),
];

/// Pods 1 to 3.
const COUNT: u8 = 3;

/// A pod by its number from 1 on, until the test's process ends.
fn serving(listener: TcpListener, pod: u32) {
    let (start, scrapes) = (Instant::now(), Mutex::new(HashMap::<String, u32>::new()));
    Upstream::on(listener, move |head, stream| {
        // Each scraper and each rule sees separate steps.
        let of = |line: &&str| line.starts_with("GET ") || line.to_ascii_lowercase().starts_with("user-agent: ");
        let who: String = head.lines().filter(of).collect();
        let mut scrapes = scrapes.lock().unwrap();
        let scrape = scrapes.entry(who).and_modify(|scrape| *scrape += 1).or_insert(1);
        // Far from 0, so that extrapolation to zero has no effect.
        let millis = 1_000_000 + start.elapsed().as_millis();
        text(stream, &page(pod.into(), *scrape, millis));
    });
}

fn page(pod: u128, scrape: u32, millis: u128) -> String {
    let (failed, good) = (pod * millis, (8 - pod) * millis);
    let (quick, slow, all) = (pod * millis, 7 * millis, 9 * millis);
    format!(
        "depth{{queue=\"a\"}} {pod}\ndepth{{queue=\"b\"}} {pod}.5\nstill_total {}\n\
         requests_total{{code=\"200\"}} {good}\nrequests_total{{code=\"500\"}} {failed}\n\
         pages_total {}\nreborn_total {}\n\
         # TYPE latency histogram\nlatency_bucket{{le=\"0.1\"}} {quick}\nlatency_bucket{{le=\"1\"}} {slow}\n\
         latency_bucket{{le=\"+Inf\"}} {all}\nlatency_count {all}\nlatency_sum {all}\n",
        40 * pod,
        1_000 + scrape,
        1_000 * (1 + scrape % 3),
    )
}

/// Both rules for each value: through pods, each with a separate source, and through the server.
fn config(port: u16, prometheus: &Prometheus) -> String {
    let mut sources =
        format!("sources:\n  prom: {{prometheus: '{}', namespaces: [shop], cache: 0s}}\n", prometheus.url());
    let mut rules = "metrics:\n".to_owned();
    for (at, (value, _)) in RULES.iter().enumerate() {
        let pods = format!("pods: {{port: {port}, path: /{at}}}, timeout: 4s, dangerAllowLoopback: true");
        writeln!(sources, "  app-{at}: {{{pods}}}").unwrap();
        for (name, source) in [(format!("app-{at}"), format!("app-{at}")), (format!("prom-{at}"), "prom".to_owned())] {
            writeln!(rules, "  - {{name: {name}, object: pods, source: {source}, value: '{value}'}}").unwrap();
        }
    }
    sources + &rules
}

/// The values by pod, or the error.
fn ask(server: &Server, rule: &str) -> Result<BTreeMap<String, f64>, String> {
    let answer = server.metric(&format!("namespaces/shop/pods/*/{rule}"));
    let shown = answer.values();
    if answer.code != 200 {
        assert!(matches!(answer.code, 404 | 503), "{shown}");
        return Err(shown);
    }
    let one = |item: &str| {
        let (name, value) = item.split_once(' ').unwrap();
        (name.to_owned(), quantity::parse(value).unwrap())
    };
    Ok(shown.split(", ").map(one).collect())
}

/// Waits until every pod has its value through a rule; any other value fails the test.
fn has(server: &Server, rule: &str, value: &str, is: &Is) {
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        let found = ask(server, rule);
        let mut right = 0;
        for (name, found) in found.iter().flatten() {
            let number = f64::from(1 + name.strip_prefix("web-").unwrap().parse::<u8>().unwrap());
            let (near, strict) = match is {
                // Values are rounded to the nearest milli.
                Is::Always(expected) => ((found - expected(number)).abs() < 0.0005, true),
                Is::Between(bounds) => (*found >= bounds(number)[0] && *found <= bounds(number)[1], true),
                Is::InTime(expected) => ((found / expected(number) - 1.0).abs() < 0.05, false),
            };
            assert!(near || !strict, "{rule}, {value}: {name} has {found}");
            right += u8::from(near);
        }
        if right == COUNT {
            return;
        }
        assert!(Instant::now() < deadline, "{rule}, {value}: {found:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_same_value_over_time_through_pods_and_through_prometheus() {
    if lacks() {
        return;
    }
    let (port, listeners) = bind(COUNT);
    for (listener, number) in listeners.into_iter().zip(1..) {
        serving(listener, number);
    }
    let mut scrapes = "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n- job_name: app\n  \
                       static_configs:\n"
        .to_owned();
    for number in 0..COUNT {
        let target = format!("targets: ['{}:{port}']", address(number));
        writeln!(scrapes, "  - {{{target}, labels: {{namespace: shop, pod: web-{number}}}}}").unwrap();
    }
    let prometheus = Prometheus::scraping(&scrapes);
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, (0..COUNT).map(pod).collect());
    let server = server(&kubernetes, &config(port, &prometheus));
    let name = |source: &str, at: usize| format!("{source}-{at}");
    // Sampling begins with the first request.
    for at in 0..RULES.len() {
        let begun = ask(&server, &name("app", at));
        assert!(begun.as_ref().is_err_and(|why| why.contains("gathering")), "{begun:?}");
    }
    for (at, (value, is)) in RULES.iter().enumerate() {
        has(&server, &name("prom", at), value, is);
        has(&server, &name("app", at), value, is);
    }

    // A new process starts without samples in Metriclet; in Prometheus its counter continues the series.
    let at = RULES.iter().position(|(value, _)| value.contains("irate")).unwrap();
    let (value, is) = &RULES[at];
    let again = with(pod(1), "/status/containerStatuses", json!([{"restartCount": 1}]));
    kubernetes.set(PODS, vec![pod(0), again, pod(2)]);
    eventually(|| match ask(&server, &name("app", at)) {
        Ok(found) if found.len() == 2 && !found.contains_key("web-1") => Ok(()),
        found => Err(format!("{found:?}")),
    });
    has(&server, &name("prom", at), value, is);
    has(&server, &name("app", at), value, is);
}

//! Rates over several pods, one of which restarts, one is deleted and one is added, compared with those of a Prometheus that
//! has the same samples at the same times.

use std::collections::BTreeMap;

use metriclet::internals::parse::quantity;
use metriclet::internals::promql::evaluate::{Labels, Sample, Series};

use super::*;
use crate::prometheus::{Prometheus, lacking};

const VALUES: &[&str] = &[
    "sum(rate(requests_total[1m]))",
    "sum(rate(requests_total{code=~\"5..\"}[1m])) / sum(rate(requests_total[1m]))",
    "sum(increase(requests_total{code=\"200\"}[2m]))",
    "histogram_quantile(0.95, sum by (le) (rate(latency_bucket[1m])))",
    "histogram_quantile(0.5, sum by (le) (rate(latency_bucket[2m])))",
    "max(sum by (pod) (rate(requests_total[1m])))",
    "min(sum without (code, instance) (increase(requests_total{pod!=\"web-1\"}[1m])))",
    "sum(irate(requests_total{node=\"n1\"}[1m]))",
    "count(rate(requests_total[1m]))",
    "avg(max_over_time(depth[1m])) + sum(count_over_time(depth{exported_pod=\"of the page\"}[2m]))",
    "max(avg_over_time(depth[2m])) - min(min_over_time(depth[1m]))",
];

/// Seconds between two samples, and how long after the last one values are compared, so that no sample lies on the edge of
/// a range.
const TICK: u64 = 15;
const AFTER: u64 = 1;

const TICKS: usize = 14;

/// The series of a pod's page in a tick of the pod.
fn page(pod: u64, tick: u64) -> Vec<(&'static str, &'static str, &'static str, f64)> {
    let (pod, tick) = (pod as f64, tick as f64);
    let wave = 1_000.0 * tick * (3.0 + pod) + 37.0 * (tick * (1.0 + pod)).sin().abs();
    vec![
        ("requests_total", "code", "200", wave),
        ("requests_total", "code", "503", wave / (4.0 + pod)),
        ("latency_bucket", "le", "0.1", wave / 3.0),
        ("latency_bucket", "le", "0.5", wave / 1.5),
        ("latency_bucket", "le", "+Inf", wave),
        ("depth", "pod", "of the page", 10.0 + 5.0 * (tick + pod).cos()),
    ]
}

/// Pods 0 and 1 exist from the start. Pod 0 restarts at tick 4, pod 1 is deleted at tick 6, pod 2 is added at tick 8.
fn own_tick(pod: u64, tick: u64) -> Option<u64> {
    match pod {
        0 => Some(if tick < 4 { 7 + tick } else { tick - 4 }),
        1 => (tick < 6).then_some(20 + tick),
        _ => tick.checked_sub(8),
    }
}

#[test]
fn rates_over_pods_equal_those_of_prometheus() {
    if let Some(lacking) = lacking() {
        assert!(std::env::var_os("CI").is_none(), "this machine lacks {lacking}");
        println!("skipped: this machine lacks {lacking}");
        return;
    }
    let world = World::new(Limits::default(), RATE);
    world.kubernetes.put("/api/v1/namespaces/shop/services/web", json!({"spec": {"selector": {"app": "web"}}}));
    let port = world.pods[0].address.port();
    let third = Arc::new(Mutex::new(String::new()));
    let body = third.clone();
    let listener = TcpListener::bind((address(2), port)).unwrap();
    let _third = Upstream::on(listener, move |_, stream| text(stream, &body.lock().unwrap()));
    let mut rules = format!("sources:\n  app: {{{}, dangerAllowLoopback: true}}\nmetrics:\n", world.source);
    for (number, value) in VALUES.iter().enumerate() {
        rules += &format!("  - {{name: m{number}, object: services, source: app, value: '{value}'}}\n");
    }
    world.install(&rules);
    let metric = |number: usize| format!("services/web/m{number}");
    let pages = [&world.pages[0], &world.pages[1], &third];
    let mut series: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    let mut answers = Vec::new();
    for tick in 0..TICKS as u64 {
        let now = BEGIN + i64::try_from(world.millis.load(Ordering::SeqCst)).unwrap();
        let mut there = Vec::new();
        for number in 0..3_u8 {
            let Some(own) = own_tick(number.into(), tick) else { continue };
            let (name, node, instance) =
                (format!("web-{number}"), format!("n{number}"), format!("{}:{port}", address(number)));
            let mut text = String::new();
            for (metric, label, value, sample) in page(number.into(), own) {
                text += &format!("{metric}{{{label}=\"{value}\"}} {sample}\n");
                let label = if label == "pod" { "exported_pod" } else { label };
                let labels = [
                    ("__name__", metric),
                    (label, value),
                    ("namespace", "shop"),
                    ("pod", &name),
                    ("node", &node),
                    ("instance", &instance),
                ];
                series.entry(Labels::new(labels)).or_default().push(Sample { at: now, value: sample });
            }
            *pages[usize::from(number)].lock().unwrap() = text;
            let restarts = if number == 0 && tick >= 4 { 1 } else { 0 };
            let spec = json!({"nodeName": node, "containers": [{"name": "app"}]});
            let running = with(
                with(pod(number), "/spec", spec),
                "/status/containerStatuses",
                json!([{"restartCount": restarts}]),
            );
            there.push(running);
        }
        let count = there.len();
        world.kubernetes.set(PODS, there);
        for number in 0..VALUES.len() {
            world.shown(&metric(number));
        }
        let ended = format!("{count} of {count} running pods answered");
        let at = time(i64::try_from(tick * TICK).unwrap());
        for (number, value) in VALUES.iter().enumerate() {
            // Samples are kept for the range and two more intervals.
            let most = if value.contains("[2m]") { 11 } else { 7 };
            let sampled = format!("samples  sampled {} times over", (tick + 1).min(most));
            eventually(|| {
                let (items, steps) = world.ask(&metric(number));
                let is_sampled = steps.iter().any(|step| step.starts_with(&sampled) && step.contains(&ended));
                let is_of_now = tick < most || items.iter().flatten().all(|item| item["timestamp"] == at.as_str());
                if is_sampled && is_of_now { Ok(()) } else { Err(format!("{tick} {value}: {items:?} {steps:?}")) }
            });
        }
        world.advance(AFTER);
        let asked = BEGIN + i64::try_from(world.millis.load(Ordering::SeqCst)).unwrap();
        for number in (0..VALUES.len()).filter(|_| tick >= 5) {
            answers.push((number, asked, world.ask(&metric(number)).0));
        }
        world.advance(TICK - AFTER);
    }
    let series: Vec<Series> = series.into_iter().map(|(labels, samples)| Series { labels, samples }).collect();
    let prometheus = Prometheus::start(&series);
    for (number, asked, ours) in answers {
        let theirs = prometheus.ask(VALUES[number], asked).unwrap();
        let (value, at) = (VALUES[number], (asked - BEGIN) / 1_000);
        match (ours, theirs.as_slice()) {
            (Ok(items), [(_, theirs)]) => {
                let text = items[0]["value"].as_str().unwrap().to_owned();
                let ours = quantity::parse(&text).unwrap();
                // Values are rounded to the nearest milli.
                assert!((ours - theirs).abs() <= 0.000_51, "{value} at {at}: {ours}, not {theirs}");
            }
            (Err(_), []) => {}
            (ours, theirs) => panic!("{value} at {at}: {ours:?}, not {theirs:?}"),
        }
    }
}

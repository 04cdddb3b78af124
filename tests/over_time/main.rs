//! Values of pods over time, with a clock that the test sets: they equal those of Prometheus for the same samples.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod beside_prometheus;
#[path = "../common/mod.rs"]
mod common;
mod failures;
mod fleets;
#[allow(dead_code, reason = "another test uses the rest")]
#[path = "../promql/prometheus.rs"]
mod prometheus;

use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::kubernetes::Kubernetes;
use common::patient;
use common::pods::{PODS, address, bind, config, named, pod, serving, text, with};
use common::secure::eventually;
use common::upstream::{Gate, Upstream};
use metriclet::internals::api::message::Request;
use metriclet::internals::api::{Answer, Api};
use metriclet::internals::config::file;
use metriclet::internals::config::limits::{AnswerLimits, FetchLimits, FetcherLimits, Limits, SamplingLimits};
use metriclet::internals::kube_api::client::Client;
use metriclet::internals::kube_api::kubeconfig;
use metriclet::internals::metrics::objects::Objects;
use metriclet::internals::metrics::trace::Trace;
use metriclet::internals::source::waiting::AllowedWaits;
use metriclet::internals::telemetry::clock::{Clock, Now};
use serde_json::{Value, json};

const RATE: &str = "sum(rate(requests_total[1m]))";
/// Unix milliseconds at the start of the test.
const BEGIN: i64 = 1_790_000_000_000;
const PATH: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/";

/// Two pods, web-0 and web-1, and the API that scrapes them.
struct World {
    api: Api,
    kubernetes: Kubernetes,
    pages: [Arc<Mutex<String>>; 2],
    pods: [Upstream; 2],
    millis: Arc<AtomicU64>,
    clock: Clock,
    limits: Limits,
    source: String,
}

impl World {
    fn new(limits: Limits, value: &str) -> Self {
        let limits = patient(limits);
        let (port, listeners) = bind(2);
        let pages = [(); 2].map(|()| Arc::new(Mutex::new("requests_total 0\n".to_owned())));
        let mut bodies = pages.clone().into_iter();
        let pods: Vec<Upstream> = listeners
            .into_iter()
            .map(|listener| {
                let body = bodies.next().unwrap();
                Upstream::on(listener, move |_, stream| text(stream, &body.lock().unwrap()))
            })
            .collect();
        let kubernetes = Kubernetes::start();
        kubernetes.set(PODS, vec![pod(0), pod(1)]);
        let millis = Arc::new(AtomicU64::new(0));
        // An hour ahead, so that no call to the Kubernetes API exceeds its deadline, however long the test takes.
        let (base, told) = (Instant::now() + Duration::from_secs(3600), millis.clone());
        let clock = Clock::from_fn(move || {
            let millis = told.load(Ordering::SeqCst);
            let unix_millis = BEGIN + i64::try_from(millis).unwrap();
            Now { monotonic: base + Duration::from_millis(millis), unix_millis }
        });
        let api = Api::unconfigured(&limits, &clock);
        let path = kubernetes.kubeconfig("{token: t}");
        let target = std::fs::read_to_string(&path).unwrap();
        let target = kubeconfig::parse(&target, path.parent().unwrap_or(Path::new("")), &limits).unwrap();
        let client = Client::new(target, &limits, api.shared_counters());
        api.metrics().set_objects(Objects::new(Arc::new(client), &limits));
        let source = format!("pods: {{port: {port}}}");
        let pods: [Upstream; 2] = pods.try_into().unwrap_or_else(|_| panic!());
        let world = Self { api, kubernetes, pages, pods, millis, clock, limits, source };
        world.install(&config(&world.source, value));
        world
    }

    fn install(&self, text: &str) {
        let loaded = file::load(text.as_bytes(), &self.limits);
        let errors: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
        assert_eq!(loaded.config.broken.len(), 0, "{errors:?}");
        self.api.metrics().install(loaded.config, None);
    }

    /// The items or the message, and the events.
    fn ask(&self, metric: &str) -> (Result<Vec<Value>, String>, Vec<String>) {
        let (now, mut trace) = (self.clock.now(), Trace::on());
        // All pods by default.
        let target = if metric.contains('/') { format!("{PATH}{metric}") } else { format!("{PATH}pods/*/{metric}") };
        let wait = AllowedWaits::until(now.monotonic + self.limits.answer.deadline);
        let Answer::Reply(reply) = self.api.answer(&Request::get(&target), wait, now, &mut trace) else { panic!() };
        let mut body: Value = serde_json::from_slice(&reply.body).unwrap();
        let steps = trace.events().iter().map(ToString::to_string).collect();
        match body["items"].take() {
            Value::Array(items) => (Ok(items), steps),
            _ => (Err(body["message"].as_str().unwrap().to_owned()), steps),
        }
    }

    /// `name value window second` of each item, or the message.
    fn shown(&self, metric: &str) -> String {
        let items = match self.ask(metric).0 {
            Ok(items) => items,
            Err(message) => return message,
        };
        let one = |item: &Value| {
            let text = |pointer: &str| item.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            format!(
                "{} {} {} {}",
                text("/describedObject/name"),
                text("/value"),
                item["windowSeconds"],
                text("/timestamp")
            )
        };
        items.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn serve(&self, values: [f64; 2]) {
        for (page, value) in self.pages.iter().zip(values) {
            *page.lock().unwrap() = format!("requests_total {value}\n");
        }
    }

    fn advance(&self, seconds: u64) {
        self.millis.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    /// Waits until both pods have this many samples, as far as samples are kept.
    fn sampled(&self, metric: &str, times: [usize; 2]) {
        eventually(|| {
            let (_, steps) = self.ask(metric);
            let there = times.iter().enumerate().all(|(number, times)| {
                let (pod, sampled) = (format!("samples  web-{number}: "), format!(", sampled {times} times over"));
                steps.iter().any(|step| step.starts_with(&pod) && step.contains(&sampled))
            });
            if there { Ok(()) } else { Err(format!("not {times:?}: {steps:?}")) }
        });
    }
}

fn gathering(metric: &str) -> String {
    format!(
        "{metric} of all pods in namespace shop: gathering: its samples do not span half of the range, or reach back to the offset, so far; the rule \
         takes {RATE} from source app"
    )
}

/// Prometheus' documented result of `rate` over a minute that ends with the last of samples every 15 s, in milli.
fn rate(samples: &[f64]) -> i64 {
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let resets: f64 = samples.windows(2).filter(|pair| pair[1] < pair[0]).map(|pair| pair[0]).sum();
    let increase = last - first + resets;
    let sampled = 15.0 * (samples.len() - 1) as f64;
    // Extrapolated to the edge if it is closer than 1.1 of the usual distance; otherwise by half of that distance.
    let to_start = 60.0 - sampled;
    let to_start = if to_start < 15.0 * 1.1 { to_start } else { 7.5 };
    let to_zero = if increase > 0.0 && first >= 0.0 { sampled * (first / increase) } else { f64::INFINITY };
    let value = increase * ((sampled + to_start.min(to_zero)) / sampled) / 60.0;
    (value * 1_000.0).round() as i64
}

fn quantity(milli: i64) -> String {
    if milli % 1_000 == 0 { (milli / 1_000).to_string() } else { format!("{milli}m") }
}

fn time(second: i64) -> String {
    let unix = BEGIN / 1_000 + second;
    let day = unix.rem_euclid(86_400);
    // The test covers minutes of one day.
    format!("2026-09-21T{:02}:{:02}:{:02}Z", day / 3_600, day / 60 % 60, day % 60)
}

#[test]
fn rates_equal_those_of_prometheus() {
    let world = World::new(Limits::default(), RATE);
    let metric = "queue_depth";
    // The first grows steadily, and its counter resets; the second grows unevenly.
    let first = [100.0, 130.0, 160.0, 190.0, 220.0, 10.0, 40.0];
    let second = [3.0, 3.0, 50.0, 51.0, 51.0, 51.5, 900.25];
    for tick in 0..first.len() {
        world.serve([first[tick], second[tick]]);
        if tick > 0 {
            world.advance(15);
        }
        // Pods are sampled while there are requests.
        world.shown(metric);
        world.sampled(metric, [tick + 1; 2]);
        let shown = world.shown(metric);
        if tick < 2 {
            assert_eq!(shown, gathering(metric), "at {tick}");
            continue;
        }
        // The range is left-open: a sample that is exactly a minute old does not count.
        let from = (tick + 1).saturating_sub(4);
        let (window, at) = (15 * (tick - from), time(15 * tick as i64));
        let expected =
            |name: &str, samples: &[f64]| format!("{name} {} {window} {at}", quantity(rate(&samples[from..=tick])));
        assert_eq!(shown, format!("{}, {}", expected("web-0", &first), expected("web-1", &second)), "at {tick}");
    }
    assert!(world.pods.iter().all(|pod| pod.requests() == first.len()), "one fetch a tick");
}

#[test]
fn a_restart_is_a_gap_and_a_pod_starts_without_samples() {
    let world = World::new(Limits::default(), RATE);
    let metric = "queue_depth";
    for tick in 0..3_u32 {
        world.serve([f64::from(1_000 + tick * 30); 2]);
        world.advance(if tick > 0 { 15 } else { 0 });
        world.shown(metric);
        world.sampled(metric, [tick as usize + 1; 2]);
    }
    let name = |shown: &str| shown.split(", ").filter_map(|item| item.split(' ').next()).collect::<Vec<_>>().join(" ");
    assert_eq!(name(&world.shown(metric)), "web-0 web-1");
    // web-0 is a new process, whose counter is already a million.
    world.kubernetes.set(PODS, vec![with(pod(0), "/status/containerStatuses", json!([{"restartCount": 1}])), pod(1)]);
    for tick in 1..3_usize {
        world.serve([1e6 + tick as f64, 1_060.0 + 30.0 * tick as f64]);
        world.advance(15);
        world.shown(metric);
        world.sampled(metric, [tick, 3 + tick]);
        assert_eq!(name(&world.shown(metric)), "web-1", "at {tick}");
    }
    world.serve([1e6 + 3.0, 1_150.0]);
    world.advance(15);
    world.shown(metric);
    world.sampled(metric, [3, 6]);
    let expected = quantity(rate(&[1e6 + 1.0, 1e6 + 2.0, 1e6 + 3.0]));
    assert!(world.shown(metric).starts_with(&format!("web-0 {expected} 30 ")), "{}", world.shown(metric));
    // Long after the last request, earlier samples are not used, and no rate spans the gap.
    world.advance(900);
    assert_eq!(world.shown(metric), gathering(metric));
}

#[test]
fn rules_share_pages_and_keep_samples_across_a_reload() {
    let world = World::new(Limits::default(), RATE);
    let two = config(&world.source, RATE)
        + "  - {name: other, object: pods, source: app, value: 'sum(increase(requests_total[1m]))'}\n";
    world.install(&two);
    for tick in 0..3_u32 {
        world.serve([f64::from(tick * 60); 2]);
        world.advance(if tick > 0 { 15 } else { 0 });
        for metric in ["queue_depth", "other"] {
            world.shown(metric);
        }
        for metric in ["queue_depth", "other"] {
            world.sampled(metric, [tick as usize + 1; 2]);
        }
    }
    assert!(world.pods.iter().all(|pod| pod.requests() == 3), "both rules read the same pages");
    let before = world.shown("queue_depth");
    assert!(before.starts_with("web-0 "), "{before}");
    // Only the other rule changes.
    world.install(&two.replace("increase", "delta"));
    assert_eq!(world.shown("queue_depth"), before);
    let other = world.shown("other");
    assert!(other.contains("gathering"), "{other}");
}

/// The next request may come later than a short range allows.
#[test]
fn sampling_continues_across_a_reload() {
    let world = World::new(Limits::default(), RATE);
    world.serve([1.0; 2]);
    world.shown("queue_depth");
    world.sampled("queue_depth", [1; 2]);
    let two = config(&world.source, RATE)
        + "  - {name: other, object: pods, source: app, value: 'sum(increase(requests_total[1m]))'}\n";
    world.install(&two);
    world.advance(15);
    eventually(|| match world.pods.iter().map(Upstream::requests).collect::<Vec<_>>().as_slice() {
        [2, 2] => Ok(()),
        requests => Err(format!("{requests:?}")),
    });
}

#[test]
fn a_single_process_behind_a_url_is_sampled_too() {
    let world = World::new(Limits::default(), RATE);
    let source = format!("url: 'http://{}/metrics', namespaces: [shop], single: true", world.pods[0].address);
    world.install(
        &config(&source, RATE).replace("object: pods", "object: services").replace(", dangerAllowLoopback: true", ""),
    );
    let all = "services/*/queue_depth";
    let tick = |number: usize, web: f64, db: f64| {
        *world.pages[0].lock().unwrap() =
            format!("requests_total{{service=\"web\"}} {web}\nrequests_total{{service=\"db\"}} {db}\n");
        world.advance(if number > 0 { 15 } else { 0 });
        world.shown(all);
        let sampled = format!("samples  sampled {} times over", number + 1);
        eventually(|| match world.ask(all).1 {
            steps if steps.iter().any(|step| step.starts_with(&sampled)) => Ok(()),
            steps => Err(format!("{steps:?}")),
        });
    };
    for number in 0..2 {
        tick(number, 10.0 + number as f64, 1e3);
        assert!(world.shown(all).contains("gathering: its samples"), "{}", world.shown(all));
    }
    tick(2, 100.0, 1_030.0);
    let web = format!("web {} 30 {}", quantity(rate(&[10.0, 11.0, 100.0])), time(30));
    let db = format!("db {} 30 {}", quantity(rate(&[1e3, 1e3, 1_030.0])), time(30));
    assert_eq!(world.shown(all), format!("{db}, {web}"));
    assert_eq!(world.shown("services/web/queue_depth"), web);
    assert!(world.shown("services/mute/queue_depth").contains("describe other objects"));
    // One restart counts as one reset; two alternating processes look like many.
    tick(3, 5.0, 1_060.0);
    let web = format!("web {} 45 {}", quantity(rate(&[10.0, 11.0, 100.0, 5.0])), time(45));
    assert_eq!(world.shown("services/web/queue_depth"), web);
    tick(4, 130.0, 1_090.0);
    tick(5, 6.0, 1_120.0);
    assert_eq!(
        world.shown("services/web/queue_depth"),
        format!(
            "queue_depth of services/web in namespace shop: a counter reset more than once within the range, as when several processes take turns behind one URL; the rule takes {RATE} from source app"
        )
    );
    assert!(world.shown(all).starts_with("db 2 45 "), "{}", world.shown(all));
}

/// A page that is no longer updated differs only in its timestamps.
#[test]
fn samples_have_the_timestamps_of_their_page() {
    let world = World::new(Limits::default(), RATE);
    for tick in 0..4_i64 {
        let now = BEGIN + 15_000 * tick;
        for (page, at) in world.pages.iter().zip([now - 20_000, BEGIN - 3_600_000]) {
            *page.lock().unwrap() = format!("requests_total {} {at}\n", 30 * tick);
        }
        if tick > 0 {
            world.advance(15);
        }
        let times = format!(", sampled {} times over", tick + 1);
        eventually(|| {
            let (_, steps) = world.ask("queue_depth");
            let there = steps.iter().any(|step| step.starts_with("samples  web-0: ") && step.contains(&times));
            if there { Ok(()) } else { Err(format!("not{times}: {steps:?}")) }
        });
    }
    // The first sample is more than a minute old, and web-1 has none at these times. 2 per second for the rest of the
    // minute: from half a gap before the first of the other samples to half a gap after the last.
    let value = quantity((60.0 * (30.0 + 10.0 + 7.5) / 30.0 / 60.0 * 1_000.0_f64).round() as i64);
    assert_eq!(world.shown("queue_depth"), format!("web-0 {value} 30 {}", time(25)));
}

/// If an address is reused or annotations change, the samples are those of another process.
#[test]
fn a_new_address_starts_without_samples() {
    let world = World::new(Limits::default(), RATE);
    let metric = "queue_depth";
    for tick in 0..3_u32 {
        world.serve([f64::from(tick * 30), 1e6 + f64::from(tick * 60)]);
        world.advance(if tick > 0 { 15 } else { 0 });
        world.shown(metric);
        world.sampled(metric, [tick as usize + 1; 2]);
    }
    assert!(world.shown(metric).starts_with("web-0 "));
    let at = |number, address: IpAddr| with(pod(number), "/status/podIP", json!(address.to_string()));
    world.kubernetes.set(PODS, vec![at(0, address(1)), at(1, address(0))]);
    for tick in 1..3_usize {
        world.serve([90.0 + tick as f64, 1e6 + 200.0 + tick as f64]);
        world.advance(15);
        world.shown(metric);
        world.sampled(metric, [tick; 2]);
        assert_eq!(world.shown(metric), gathering(metric), "at {tick}");
    }
}

#[test]
fn an_offset_needs_samples_of_that_time() {
    let world = World::new(Limits::default(), "sum(requests_total) - sum(requests_total offset 1m)");
    let rule = |name: &str, value: &str| format!("  - {{name: {name}, object: pods, source: app, value: '{value}'}}\n");
    let two = config(&world.source, "sum(requests_total) - sum(requests_total offset 1m)")
        + &rule("age", "time() - max(last_over_time(requests_total[1m]))")
        + &rule("none", "sum(rate(nothing_total[1m])) or vector(7)");
    world.install(&two);
    let gathering = "gathering: its samples do not span half of the range, or reach back to the offset, so far";
    for tick in 0..7_i64 {
        world.serve([(tick * tick) as f64, 5.0]);
        world.advance(if tick > 0 { 15 } else { 0 });
        for metric in ["queue_depth", "age", "none"] {
            world.shown(metric);
        }
        // Samples are kept for a minute and two intervals.
        for metric in ["queue_depth", "age", "none"] {
            world.sampled(metric, [tick as usize + 1; 2]);
        }
        let (shown, at) = (world.shown("queue_depth"), time(15 * tick));
        if tick < 4 {
            assert!(shown.contains(gathering), "at {tick}: {shown}");
        } else {
            let change = tick * tick - (tick - 4) * (tick - 4);
            assert_eq!(shown, format!("web-0 {change} null {at}, web-1 0 null {at}"), "at {tick}");
        }
    }
    let now = BEGIN / 1_000 + 15 * 6;
    let shown = world.shown("age");
    assert!(shown.starts_with(&format!("web-0 {} ", now - 36)), "{shown}");
    assert!(shown.contains(&format!("web-1 {} ", now - 5)), "{shown}");
    let at = time(15 * 6);
    assert_eq!(world.shown("none"), format!("web-0 7 null {at}, web-1 7 null {at}"));
}

/// After a gap there are enough samples for the long range, and too few for the short one.
#[test]
fn samples_must_span_half_of_each_range() {
    let value = "sum(rate(requests_total[1m])) / sum(rate(requests_total[2m]))";
    let world = World::new(Limits::default(), value);
    let metric = "queue_depth";
    let tick = |number: u32, seconds: u64, times: usize| {
        world.serve([f64::from(number * 30 + 1_000); 2]);
        world.advance(seconds);
        world.shown(metric);
        world.sampled(metric, [times; 2]);
        world.shown(metric)
    };
    for number in 0..4 {
        assert!(tick(number, if number > 0 { 15 } else { 0 }, number as usize + 1).contains("gathering"));
    }
    assert!(tick(4, 15, 5).starts_with("web-0 "));
    assert!(tick(8, 60, 6).contains("gathering"), "one sample within the minute");
    assert!(tick(9, 15, 7).contains("gathering"), "15 s of the minute");
    assert!(tick(10, 15, 8).starts_with("web-0 "), "{}", world.shown(metric));
}

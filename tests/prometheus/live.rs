//! The same rules through Metriclet's own scrapes of pods, and through a real Prometheus that scrapes the same pods.

use std::fmt::Write;

use metriclet::internals::promql::evaluate::{Labels, Sample, Series};
use serde_json::json;

use crate::common::kubernetes::{Kubernetes, Reply};
use crate::common::secure::eventually;
use crate::common::upstream::Upstream;
use crate::common::{Server, file};
use crate::scripted::now;
use crate::server::{Prometheus, lacking};

/// Values whose parts are all on a single pod's page.
const BOTH: &[&str] = &[
    "queue_depth{queue=\"a\"}",
    "sum(queue_depth)",
    "max by (queue) (queue_depth{queue=~\"a|x\"})",
    "sum without (queue) (queue_depth) * 2",
    "sum(queue_depth) / sum(capacity) > 0.1",
    "count(queue_depth >= 2)",
    "clamp_max(avg(queue_depth), 2.5)",
    "histogram_quantile(0.9, sum by (le) (latency_bucket))",
    "abs(-min(queue_depth)) + 1 / 3",
    "sum(queue_depth{queue!~\"a.*\"}) - sum(queue_depth{queue=\"a\"})",
    "min without (queue) (queue_depth) + max without (queue) (queue_depth)",
    "-ceil(avg(queue_depth) / 2) + 10",
    "round(sum(queue_depth) / 3, 0.5)",
    "clamp(sum(queue_depth), 5, 7)",
    "histogram_quantile(0.5, latency_bucket) / 7",
    "topk(1, queue_depth)",
    "bottomk without (queue) (1, queue_depth) * 2",
    "quantile(0.25, queue_depth)",
    "stddev(queue_depth)",
    "sum(queue_depth) / on () capacity",
    "sum(queue_depth * on () group_left () capacity)",
    "max(capacity - on () group_right () queue_depth)",
    "max(queue_depth unless on (queue) queue_depth{queue=\"a\"})",
    "queue_depth{queue=\"a\"} and on () capacity",
    "sum(nothing or queue_depth > 2 or on (queue) queue_depth)",
    "sum(queue_depth == bool 2) + 2 ^ 3 % 5",
    "sum(max by (q) (label_replace(queue_depth, \"q\", \"x$1\", \"queue\", \"(.*)\")))",
    "clamp_max(sum(queue_depth), scalar(vector(5)))",
    "time() * 0 + sum(queue_depth)",
    "sum(nothing)",
];

/// Values that only the server can evaluate, and equivalent ones.
const WRITTEN: &[(&str, &str)] = &[
    ("topk by ($by) (1, queue_depth{$matchers})", "max(queue_depth)"),
    ("quantile by ($by) (0.5, queue_depth{$matchers})", "avg(queue_depth)"),
    (
        "sum(queue_depth{queue!=\"a\",$matchers}) by ($by) or sum by ($by) (capacity{$matchers})",
        "max(queue_depth{queue=\"b\"})",
    ),
    ("increase(hits_total{$matchers}[1m]) == bool 0", "count(capacity)"),
];

/// The page of a pod, which names other pods too.
fn page(pod: u32) -> String {
    let liar = "pod=\"web-9\",namespace=\"bank\"";
    format!(
        "queue_depth{{queue=\"a\",{liar}}} {pod}\nqueue_depth{{queue=\"b\",{liar}}} {}\ncapacity 8\nhits_total 5\n\
         # TYPE latency histogram\nlatency_bucket{{le=\"0.1\"}} {pod}\nlatency_bucket{{le=\"1\"}} 7\n\
         latency_bucket{{le=\"+Inf\"}} 9\nlatency_count 9\nlatency_sum 3\n",
        pod + 2
    )
}

fn rules(source: &str, values: impl Iterator<Item = String>) -> String {
    let mut rules = String::new();
    for (at, value) in values.enumerate() {
        writeln!(rules, "  - {{name: {source}-{at}, object: pods, source: {source}, value: '{value}'}}").unwrap();
    }
    rules
}

#[test]
fn the_same_value_through_pods_and_through_prometheus() {
    if lacks() {
        return;
    }
    let pods: Vec<_> = (1..=3).map(|pod| (format!("web-{pod}"), Upstream::text(&page(pod)))).collect();
    let mut scrapes = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: app\n  \
                       static_configs:\n"
        .to_owned();
    for (name, upstream) in &pods {
        let address = upstream.address;
        writeln!(scrapes, "  - {{targets: ['{address}'], labels: {{namespace: shop, pod: {name}}}}}").unwrap();
        // A pod with the same name in another namespace.
        writeln!(scrapes, "  - {{targets: ['{address}'], labels: {{namespace: bank, pod: {name}}}}}").unwrap();
    }
    let prometheus = Prometheus::scraping(&scrapes);
    let items: Vec<_> = pods.iter().map(|(name, upstream)| pod(name, upstream.address.port())).collect();
    let list = json!({"kind": "PodList", "metadata": {}, "items": items}).to_string();
    let kubernetes = Kubernetes::start();
    kubernetes.script(move |call| match call.path.starts_with("/api/v1/namespaces/shop/pods?") {
        true => Reply::Say(200, list.clone()),
        false => Reply::Good,
    });
    let (left, right): (Vec<_>, Vec<_>) = WRITTEN.iter().map(|(left, right)| ((*left), (*right))).unzip();
    let through = |written: Vec<&'static str>| BOTH.iter().copied().chain(written).map(str::to_owned);
    let config = format!(
        "sources:\n  prom: {{prometheus: '{}', namespaces: [shop], cache: 0s}}\n  \
         app: {{pods: {{port: annotations}}, dangerAllowLoopback: true}}\nmetrics:\n{}{}",
        prometheus.url(),
        rules("prom", through(left)),
        rules("app", through(right)),
    );
    let (config, kubeconfig) = (file("metrics.yaml", &config), kubernetes.kubeconfig("{token: t}"));
    let server = Server::start(&["--config", config.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let ask = |rule: &str, pod: &str| server.metric(&format!("namespaces/shop/pods/{pod}/{rule}"));
    let all = BOTH.len() + WRITTEN.len();
    // The last one needs two scrapes of every pod.
    let last = format!("prom-{}", all - 1);
    eventually(|| match ask(&last, "*").values() {
        values if values.matches("web-").count() == pods.len() => Ok(()),
        values => Err(values),
    });
    for at in 0..all {
        let (prom, app) = (format!("prom-{at}"), format!("app-{at}"));
        for pod in ["*", "web-2", "web-9"] {
            let (theirs, ours) = (ask(&prom, pod), ask(&app, pod));
            assert_eq!(theirs.code, ours.code, "{pod}: {} {}", theirs.values(), ours.values());
            if ours.code == 200 {
                assert_eq!(theirs.values(), ours.values(), "{prom} {app}");
            }
        }
        let expected = if BOTH.get(at) == Some(&"sum(nothing)") { 404 } else { 200 };
        assert_eq!(ask(&prom, "*").code, expected, "{prom}");
    }
}

#[test]
fn samples_older_than_max_age_are_missing() {
    if lacks() {
        return;
    }
    let labels = [("__name__", "depth"), ("namespace", "shop"), ("pod", "web-1")];
    let sample = |seconds: i64| Sample { at: now() - seconds * 1000, value: 7.0 };
    let prometheus =
        Prometheus::start(&[Series { labels: Labels::new(labels), samples: vec![sample(100), sample(90)] }]);
    let config = format!(
        "sources:\n  prom: {{prometheus: '{}', namespaces: [shop]}}\nmetrics:\n  \
         - {{name: young, object: pods, source: prom, value: sum(depth), maxAge: 1m}}\n  \
         - {{name: old, object: pods, source: prom, value: sum(depth), maxAge: 1h}}\n  \
         - {{name: refused, object: pods, source: prom, value: 'nonsense(sum by ($by) (depth{{$matchers}}))'}}\n",
        prometheus.url()
    );
    let server = Server::with_config(&config);
    let ask = |rule: &str| server.metric(&format!("namespaces/shop/pods/web-1/{rule}")).values();
    assert_eq!(ask("old"), "web-1 7");
    // Versions before 3 ignore the lookback parameter.
    let young = if prometheus.major < 3 {
        "web-1 7"
    } else {
        "404 NotFound: young of pods/web-1 in namespace shop: the query returned no result for it with namespace=\"shop\"; the rule takes \
         sum(depth) from source prom"
    };
    assert_eq!(ask("young"), young);
    assert_eq!(
        ask("refused"),
        "503 ServiceUnavailable: refused of pods/web-1 in namespace shop: source prom refused the query as malformed"
    );
}

/// Prints why the test is skipped, if it is.
pub(crate) fn lacks() -> bool {
    let lacking = lacking();
    if let Some(lacking) = lacking {
        assert!(std::env::var_os("CI").is_none(), "this machine lacks {lacking}");
        println!("skipped: this machine lacks {lacking}");
    }
    lacking.is_some()
}

fn pod(name: &str, port: u16) -> serde_json::Value {
    json!({
        "metadata": {"name": name, "uid": name, "annotations": {"prometheus.io/port": port.to_string()}},
        "spec": {"containers": [{"name": "c"}]},
        "status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]},
    })
}

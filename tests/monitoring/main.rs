//! The alerts and the dashboard of manifests/components/monitoring: promtool tests the rules, and a Prometheus that scrapes
//! the built binary evaluates each alert and each panel's query.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "a test uses what it needs of it")]
#[path = "../promql/prometheus.rs"]
mod prometheus;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::Server;
use common::secure::eventually;
use common::upstream::Upstream;
use prometheus::{Prometheus, lacking};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn component(name: &str) -> String {
    fs::read_to_string(root().join("manifests/components/monitoring").join(name)).unwrap()
}

/// The `spec` of the PrometheusRule, which is a file of rules.
fn rules() -> String {
    let object = component("prometheus-rule.yaml");
    let (_, spec) = object.split_once("\nspec:\n").unwrap();
    spec.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line))).collect()
}

fn lacks() -> bool {
    let lacking = lacking();
    if let Some(lacking) = lacking {
        assert!(std::env::var_os("CI").is_none(), "this machine lacks {lacking}");
        println!("skipped: this machine lacks {lacking}");
    }
    lacking.is_some()
}

#[test]
fn alerts_fire() {
    if lacks() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("monitoring-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("rules.yaml"), rules()).unwrap();
    fs::copy(root().join("tests/monitoring/alerts.yaml"), folder.join("alerts.yaml")).unwrap();
    let promtool = |arguments: &[&str]| {
        let output = Command::new("promtool").args(arguments).current_dir(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    };
    promtool(&["check", "rules", "rules.yaml"]);
    promtool(&["test", "rules", "alerts.yaml"]);
    fs::remove_dir_all(&folder).unwrap();
    let alerts = rules();
    let tests = fs::read_to_string(root().join("tests/monitoring/alerts.yaml")).unwrap();
    for alert in alerts.lines().filter_map(|line| line.trim_start().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} is not tested");
    }
}

/// Metrics that other programs serve.
const OF_OTHERS: [&str; 2] = ["aggregator_unavailable_apiservice", "up"];

/// Series that exist from the first event on.
const LATER: [&str; 5] = [
    "metriclet_objects_left_out_total",
    "metriclet_joined_pods_total",
    "metriclet_stand_in_values_total",
    "metriclet_rule_failing",
    "metriclet_serving_certificate_expiration_timestamp_seconds",
];

/// The names of metrics in a query.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = query.split(move |c| !is_part(c));
    words.filter(|word| {
        ["metriclet_", "apiserver_", "process_", "aggregator_"].iter().any(|start| word.starts_with(start))
    })
}

#[test]
fn each_query_of_the_dashboard_has_a_result() {
    if lacks() {
        return;
    }
    let source = Upstream::text("depth{service=\"web\",namespace=\"shop\"} 1\n");
    let server = Server::with_config(&format!(
        "sources:\n  page: {{url: '{}', namespaces: [shop]}}\nmetrics:\n  - {{name: depth, object: services, source: page}}\n",
        source.url()
    ));
    assert_eq!(server.metric("namespaces/shop/services/web/depth").code, 200);
    let page = server.get("/metrics").body;
    let dashboard: Value = serde_json::from_str(&component("metriclet.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let panels = panels.map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "1m"));
    let queries: Vec<String> = panels.collect();
    assert!(queries.len() > 15, "{queries:?}");
    for query in queries.iter().cloned().chain([rules()]) {
        for name in names(&query).filter(|name| !OF_OTHERS.contains(name)) {
            let family = name.trim_end_matches("_bucket");
            assert!(page.contains(&format!("# TYPE {family} ")), "{name} is not on /metrics");
        }
    }
    let prometheus = Prometheus::scraping(&format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: custom-metrics-apiserver\n  \
         static_configs: [{{targets: ['{}'], labels: {{pod: metriclet-0}}}}]\n",
        server.address
    ));
    for query in &queries {
        let may_be_empty = names(query).any(|name| LATER.contains(&name));
        eventually(|| match prometheus.ask(query, now()) {
            Ok(values) if !values.is_empty() || may_be_empty => Ok(()),
            other => Err(format!("{query}: {other:?}")),
        });
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

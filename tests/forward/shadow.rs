//! Rules with `shadow`: the other adapter's value is served, and compared with the rule's.

use crate::common::Server;
use crate::common::secure::eventually;
use crate::common::upstream::{Gate, Upstream};
use crate::common::{file, run};
use crate::other::{Other, external, failure};

const DEPTH: &str = "namespaces/shop/services/web/depth";
const ALL: &str = "namespaces/shop/services/*/depth";

fn source(web: &str) -> Upstream {
    Upstream::text(&format!(
        "depth{{service=\"web\",namespace=\"shop\"}} {web}\ndepth{{service=\"api\",namespace=\"shop\"}} 8\n\
         lag{{queue=\"a\"}} 5\nlag{{queue=\"b\"}} 10\n"
    ))
}

/// One rule of each group; `more` is added to the first rule.
fn config(other: &Other, source: &Upstream, more: &str) -> String {
    let adapter = other.adapter();
    format!(
        "sources:\n  page: {{url: '{}', namespaces: [shop], cache: 0s, single: true}}\nmetrics:\n  \
         - {{name: depth, object: services, source: page, value: sum(depth){more}}}\n  \
         - {{name: Lag, external: true, source: page, value: lag}}\n\
         forward: {{to: {adapter}, external: {adapter}}}\n",
        source.url()
    )
}

fn count(server: &Server, metric: &str, outcome: &str) -> f64 {
    let series = format!("metriclet_shadow_requests_total{{{metric},outcome=\"{outcome}\"}}");
    let page = server.get("/metrics").body;
    page.lines().find_map(|line| line.strip_prefix(&series)?.trim().parse().ok()).unwrap_or_default()
}

fn counted(server: &Server, metric: &str, outcome: &str) {
    eventually(|| match count(server, metric, outcome) {
        0.0 => Err(server.get("/metrics").body),
        _ => Ok(()),
    });
}

fn difference(server: &Server, metric: &str) -> f64 {
    server.own(&format!("metriclet_shadow_difference_ratio{{{metric}}}"))
}

const OF_DEPTH: &str = "metric=\"depth\",resource=\"services\"";
const OF_LAG: &str = "metric=\"Lag\",resource=\"external\"";

#[test]
fn serves_the_adapters_value_and_exports_the_difference() {
    let other = Other::start();
    other.has("web/depth", "depth", &[("web", "50")]);
    let source = source("40");
    let server = other.with_config(&config(&other, &source, ", shadow: true"));
    assert_eq!(server.metric(DEPTH).values(), "web 50");
    counted(&server, OF_DEPTH, "compared");
    assert_eq!(difference(&server, OF_DEPTH), 0.2);
    let report = server.get("/status.json").json();
    assert_eq!(report["rules"][0]["shadow"]["difference"], 0.2, "{report}");
    let html = server.get("/status").body;
    assert!(html.contains("shadowed: 1 compared, largest difference 20.00%"), "{html}");
}

#[test]
fn compares_each_object_of_a_list() {
    let other = Other::start();
    other.has("*/depth", "depth", &[("web", "42"), ("api", "10")]);
    let source = source("42");
    let server = other.with_config(&config(&other, &source, ", shadow: true"));
    assert_eq!(server.metric(ALL).values(), "web 42, api 10", "in the order of the list");
    counted(&server, OF_DEPTH, "compared");
    assert_eq!(difference(&server, OF_DEPTH), 0.2);
    other.has("*/depth?labelSelector=app%3Dx", "depth", &[("web", "42"), ("gone", "10")]);
    let config =
        config(&other, &source, ", shadow: true").replace("single: true", "labelSelector: labels, single: true");
    let server = other.with_config(&config);
    server.metric(&format!("{ALL}?labelSelector=app%3Dx"));
    counted(&server, OF_DEPTH, "ours_failed");
    let report = server.get("/status.json").json();
    let error = &report["rules"][0]["shadow"]["error"];
    assert!(error.as_str().unwrap().contains("no series carries the label \"app\""), "{report}");
    other.has("*/depth", "depth", &[("web", "42"), ("gone", "10")]);
    let server = other.with_config(&config);
    server.metric(ALL);
    counted(&server, OF_DEPTH, "objects_differ");
    assert_eq!(difference(&server, OF_DEPTH), 0.0);
}

/// The top-level `shadow` applies to all rules of a group with an adapter; a rule may override it.
#[test]
fn external_values_are_compared_by_their_sum() {
    let other = Other::start();
    let path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/lag";
    other.says(path, 200, &external(r#"[{"metricName":"lag","metricLabels":{},"timestamp":null,"value":"20"}]"#));
    let source = source("1");
    let server = other.with_config(&(config(&other, &source, ", shadow: false") + "shadow: true\n"));
    let list = server.get(path).json();
    assert_eq!((list["items"].as_array().unwrap().len(), &list["items"][0]["value"]), (1, &"20".into()));
    counted(&server, OF_LAG, "compared");
    assert_eq!(difference(&server, OF_LAG), 0.25);
    assert_eq!(server.metric(DEPTH).values(), "web 1");
    assert!(other.asked("depth").is_empty());
}

#[test]
fn serves_the_rules_value_if_the_adapter_fails() {
    let other = Other::start();
    let source = source("40");
    let config = config(&other, &source, ", shadow: true");
    let server = other.with_config(&config);
    assert_eq!(server.metric(DEPTH).values(), "web 40");
    assert_eq!(count(&server, OF_DEPTH, "theirs_failed"), 1.0);
    other.hangs_up();
    let server = other.with_config(&config);
    for _ in 0..3 {
        assert_eq!(server.metric(DEPTH).values(), "web 40");
    }
    assert_eq!(count(&server, OF_DEPTH, "theirs_failed"), 3.0);
    let gate = Gate::default();
    other.hangs(&gate);
    let server = other.with_config(&config);
    assert_eq!(server.metric(DEPTH).values(), "web 40");
    gate.open();
}

/// An HPA cannot use an empty list.
#[test]
fn an_empty_answer_counts_as_missing() {
    let other = Other::start();
    let source = source("40");
    let server = other.with_config(&(config(&other, &source, ", shadow: true") + "shadow: true\n"));
    other.has("web/depth", "depth", &[]);
    assert_eq!(server.metric(DEPTH).values(), "web 40");
    assert_eq!(count(&server, OF_DEPTH, "theirs_failed"), 1.0);
    let path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/lag";
    other.says(path, 200, &external("[]"));
    assert_eq!(server.get(path).json()["items"].as_array().unwrap().len(), 2);
    assert_eq!(count(&server, OF_LAG, "theirs_failed"), 1.0);
}

/// An error for one metric does not affect the adapter's other metrics.
#[test]
fn a_rejected_metric_is_not_an_outage() {
    let other = Other::start();
    other.has("web/depth", "depth", &[("web", "50")]);
    let refused = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/api/depth";
    other.says(refused, 403, &failure(403, "Forbidden", "no"));
    let source = source("40");
    let server = other.with_config(&config(&other, &source, ", shadow: true"));
    for target in ["api", "db", "api"] {
        server.metric(&format!("namespaces/shop/services/{target}/depth"));
    }
    assert_eq!(count(&server, OF_DEPTH, "theirs_failed") + count(&server, OF_DEPTH, "both_failed"), 3.0);
    assert_eq!(server.metric(DEPTH).values(), "web 50");
}

/// If `shadow` cannot be read, the affected rules are not served, and the others are.
#[test]
fn a_rule_that_may_be_shadowed_is_not_served_by_mistake() {
    let other = Other::start();
    other.has("web/depth", "depth", &[("web", "50")]);
    let source = source("40");
    for (more, wrong, of_depth) in
        [("", "shadow: yes\n", "expected true or false"), (", shadow: true", "", "unknown key \"metric\"")]
    {
        let config = config(&other, &source, more) + wrong;
        let config =
            if wrong.is_empty() { config.replace("forward: {to", "forward: {metric: [only], to") } else { config };
        let server = other.with_config(&config);
        let answer = server.metric(DEPTH).values();
        assert!(answer.starts_with("503 ") && answer.contains(of_depth), "{answer}");
        let missing = server.metric("namespaces/shop/pods/web-0/busy").values();
        assert!(missing.contains("the configuration is invalid"), "{missing}");
        assert!(other.asked("busy").is_empty());
    }
    let config = config(&other, &source, ", shadow: false").replace("forward: {to", "forward: {metric: [only], to");
    assert_eq!(other.with_config(&config).metric(DEPTH).values(), "web 40");
}

#[test]
fn serves_the_adapters_value_or_status_if_the_rule_fails() {
    let other = Other::start();
    other.has("none/depth", "depth", &[("none", "7")]);
    let source = source("40");
    let server = other.with_config(&config(&other, &source, ", shadow: true"));
    assert_eq!(server.metric("namespaces/shop/services/none/depth").values(), "none 7");
    counted(&server, OF_DEPTH, "ours_failed");
    let both = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/both/depth";
    other.says(both, 404, &failure(404, "NotFound", "theirs"));
    assert_eq!(server.get(both).values(), "404 NotFound: theirs");
    assert_eq!(count(&server, OF_DEPTH, "both_failed"), 1.0);
    other.hangs_up();
    let status = server.metric("namespaces/shop/services/neither/depth").values();
    assert!(
        status.starts_with("404 NotFound: depth of services/neither in namespace shop: the matching series"),
        "{status}"
    );
}

#[test]
fn a_rule_without_shadow_is_no_longer_compared() {
    let other = Other::start();
    other.has("web/depth", "depth", &[("web", "50")]);
    let source = source("40");
    let path = file("metrics.yaml", &config(&other, &source, ", shadow: true"));
    let kubeconfig = other.kubeconfig();
    let mut server = Server::start(&["--config", path.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()]);
    assert_eq!(server.metric(DEPTH).values(), "web 50");
    counted(&server, OF_DEPTH, "compared");
    crate::common::replace(&path, &config(&other, &source, ""));
    server.said("loaded 2 rules");
    server.wait_for("loaded 2 rules");
    assert_eq!(server.metric(DEPTH).values(), "web 40");
    assert!(!server.get("/metrics").body.contains("metriclet_shadow"));
}

#[test]
fn get_shows_the_comparison() {
    let other = Other::start();
    let path = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/services/web/depth";
    let items = r#"[{"describedObject":{"kind":"Service","namespace":"shop","name":"web","apiVersion":"/v1"},"metricName":"depth","timestamp":"2026-08-18T02:35:04Z","value":"50","selector":null}]"#;
    other.says(path, 200, &crate::other::custom("v1beta1", items));
    let source = source("40");
    let (config, kubeconfig) = (file("metrics.yaml", &config(&other, &source, ", shadow: true")), other.kubeconfig());
    let (config, kubeconfig) = (config.to_str().unwrap(), kubeconfig.to_str().unwrap());
    let (code, printed, events) = run(&["get", "-v", "--config", config, "--kubeconfig", kubeconfig, DEPTH]);
    assert!(code == 0 && printed.contains("Service/web   depth    50"), "{printed} {events}");
    assert!(events.contains("\nshadow   compared, difference 0.2000\n"), "{events}");
    let (_, printed, _) = run(&["check", config]);
    assert!(printed.contains("2 rules on 1 source, 1 shadowed; forwards other metrics to"), "{printed}");
}

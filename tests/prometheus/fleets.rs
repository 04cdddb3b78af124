//! Pages of several pods, joined by Metriclet, and scraped by a real Prometheus with the labels of service discovery.

use std::fmt::Write;

use serde_json::json;

use crate::common::kubernetes::Kubernetes;
use crate::common::pods::{PODS, address, bind, pod, server, serving, with};
use crate::common::secure::eventually;
use crate::live::lacks;
use crate::scripted::now;
use crate::server::Prometheus;

const VALUES: &[&str] = &[
    "sum(depth)",
    "max(sum by (pod) (depth))",
    "sum(depth{pod=\"web-1\"})",
    "sum(depth{exported_pod=\"web-1\"})",
    "count(sum by (exported_pod, exported_exported_pod) (depth))",
    "sum(depth{exported_exported_pod=\"mine\"})",
    "sum(depth{exported_exported_pod=\"\", exported_pod=\"\"})",
    "sum(depth{namespace=\"shop\", exported_namespace=~\"bank.*\"})",
    "sum(depth{namespace=\"bank\"})",
    "sum(depth{node=\"n2\"})",
    "sum(depth{container=\"app\", exported_container=\"\"})",
    "sum(depth{exported_container=\"c\"})",
    "max(sum by (instance, node, container) (depth))",
    "sum(depth{instance=~\".*4:.*\"})",
    "count(sum without (pod, instance, node, exported_pod, exported_exported_pod, queue) (depth))",
    "sum(depth) / sum(capacity{node!=\"n0\"})",
    "histogram_quantile(0.9, sum by (le) (latency_bucket))",
    "max(histogram_quantile(0.5, sum by (le, pod) (latency_bucket)))",
    "min(capacity - capacity * 0.5)",
    "sum(depth * depth)",
];

/// The page of a pod, with labels that a scrape target has, too.
fn page(pod: u8) -> String {
    format!(
        "depth{{queue=\"a\",pod=\"web-1\"}} {pod}\ndepth{{queue=\"b\",pod=\"x\",exported_pod=\"mine\"}} 10\n\
         depth{{queue=\"c\",pod=\"\",exported_pod=\"\"}} 2.5\ndepth{{queue=\"d\",namespace=\"bank{pod}\"}} 3\n\
         depth{{queue=\"e\",container=\"c\",node=\"\",instance=\"i\"}} 7\ncapacity {pod}8\n\
         # TYPE latency histogram\nlatency_bucket{{le=\"0.1\"}} {pod}\nlatency_bucket{{le=\"0.5\"}} 7\n\
         latency_bucket{{le=\"+Inf\"}} 9\nlatency_count 9\nlatency_sum 3\n"
    )
}

#[test]
fn joined_pages_are_as_prometheus_scrapes_them() {
    if lacks() {
        return;
    }
    let (port, listeners) = bind(3);
    let pages: Vec<_> = (0..).zip(listeners).map(|(n, listener)| serving(listener, &page(n))).collect();
    let mut scrapes = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: app\n  \
                       static_configs:\n"
        .to_owned();
    let containers = json!([{"name": "other"}, {"name": "app", "ports": [{"name": "metrics", "containerPort": port}]}]);
    let mut pods = Vec::new();
    for number in 0..3 {
        let labels = format!("namespace: shop, pod: web-{number}, node: n{number}, container: app");
        writeln!(scrapes, "  - {{targets: ['{}:{port}'], labels: {{{labels}}}}}", address(number)).unwrap();
        pods.push(with(pod(number), "/spec", json!({"nodeName": format!("n{number}"), "containers": containers})));
    }
    let prometheus = Prometheus::scraping(&scrapes);
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, pods);
    kubernetes.put("/api/v1/namespaces/shop/services/web", json!({"spec": {"selector": {"app": "web"}}}));
    let mut config = "sources:\n  app: {pods: {port: metrics}, dangerAllowLoopback: true}\nmetrics:\n".to_owned();
    for (number, value) in VALUES.iter().enumerate() {
        writeln!(config, "  - {{name: m{number}, object: services, source: app, value: '{value}'}}").unwrap();
    }
    let server = server(&kubernetes, &config);
    eventually(|| match prometheus.ask("count(capacity)", now()) {
        Ok(found) if found.first().is_some_and(|(_, count)| *count == 3.0) => Ok(()),
        found => Err(format!("{found:?}")),
    });
    for (number, value) in VALUES.iter().enumerate() {
        let theirs = prometheus.ask(value, now()).unwrap();
        let answer = server.metric(&format!("namespaces/shop/services/web/m{number}"));
        match theirs.as_slice() {
            [] => assert_eq!(answer.code, 404, "{value}: {}", answer.values()),
            [(_, theirs)] => {
                let ours = answer.values();
                let ours =
                    ours.strip_prefix("web ").and_then(|ours| metriclet::internals::parse::quantity::parse(ours).ok());
                let is_near = ours.is_some_and(|ours| (ours - theirs).abs() <= 0.000_51);
                assert!(is_near, "{value}: {}, not {theirs}", answer.values());
            }
            several => panic!("{value}: {several:?}"),
        }
    }
    assert!(pages.iter().all(|page| page.requests() > 1));
}

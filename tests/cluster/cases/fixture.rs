//! A page and rules with a metric for each route.

use crate::common::upstream::Upstream;

/// A request for each route below the version, and its response.
pub const ROUTES: [(&str, &str); 7] = [
    ("namespaces/shop/services/web/queue_depth", "web 42"),
    ("namespaces/shop/pods/*/busy?labelSelector=app%3Dweb", "web-0 3, web-1 5"),
    ("namespaces/shop/pods/web-1/busy", "web-1 5"),
    ("namespaces/shop/metrics/backlog", "shop 7"),
    ("nodes/worker-1/load", "worker-1 1500m"),
    ("nodes/*/load", "worker-1 1500m"),
    ("namespaces/shop/services/*/queue_depth", "web 42"),
];

/// The content of the page.
pub const PAGE: &str = r#"queue_depth{service="web",namespace="shop"} 42
busy{pod="web-0",namespace="shop",app="web"} 3
busy{pod="web-1",namespace="shop",app="web"} 5
busy{pod="mail-0",namespace="shop",app="mail"} 9
backlog{namespace="shop"} 7
load{node="worker-1"} 1.5
"#;

/// The source of the numbers.
pub fn source() -> Upstream {
    Upstream::text(PAGE)
}

/// The rules.
pub fn config(source: &Upstream) -> String {
    format!(
        "sources:
  page: {{url: '{}', namespaces: [shop], labelSelector: labels, cache: 0s}}
metrics:
  - {{name: queue_depth, object: services, source: page}}
  - {{name: busy, object: pods, source: page}}
  - {{name: backlog, object: namespaces, source: page}}
  - {{name: load, object: nodes, source: page}}
",
        source.url()
    )
}

/// The path of a metric.
pub fn path(version: &str, route: &str) -> String {
    format!("/apis/custom.metrics.k8s.io/{version}/{route}")
}

//! The watch of a namespace's pods: its requests to the Kubernetes API, and Metriclet's responses while pods change,
//! connections or versions are lost, and requests are rejected.

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod refusals;

use common::Server;
use common::kubernetes::{Kubernetes, Reply};
use common::pods::{PODS, all, bind, config, named, one, pod, server, serving, with};
use common::secure::eventually;
use common::upstream::{Gate, Upstream};
use serde_json::json;

/// Pods on free addresses, each of which serves its number; also returns their port.
fn numbers(count: u8) -> (u16, Vec<Upstream>) {
    let (port, listeners) = bind(count);
    let pods = (0..).zip(listeners).map(|(n, listener)| serving(listener, &format!("queue_depth {n}\n"))).collect();
    (port, pods)
}

/// Two rules on pods at this port: for each pod, and for the pods of a Service. Pages are fetched for each request.
fn rules(port: u16) -> String {
    config(&format!("cache: 0s, pods: {{port: {port}}}"), "queue_depth")
        + "  - {name: queue_total, object: services, source: app, value: 'sum(queue_depth)'}\n"
}

/// A value of `/metrics`; 0 without one.
fn counted(server: &Server, series: &str) -> f64 {
    server.own_if_any(series).unwrap_or_default()
}

/// Waits until requests are answered from the watch of `shop`.
fn watched(server: &Server) {
    let current = "metriclet_pod_watch_state{namespace=\"shop\",state=\"current\"}";
    eventually(|| match counted(server, current) == 1.0 {
        true => Ok(()),
        false => Err(format!("not current: {}", server.get("/metrics").body)),
    });
}

/// Waits until all pods have these values.
fn becomes(server: &Server, selector: &str, expected: &str) {
    eventually(|| match all(server, selector) {
        found if found == expected => Ok(()),
        found => Err(format!("expected {expected}, found {found}")),
    });
}

#[test]
fn one_watch_answers_all_selections() {
    let (port, _pods) = numbers(4);
    let kubernetes = Kubernetes::start();
    kubernetes.history().grant(true);
    let of = |number, app: &str| with(pod(number), "/metadata/labels/app", json!(app));
    kubernetes.set(PODS, vec![of(0, "web"), of(1, "web"), of(2, "db")]);
    let service = json!({"spec": {"type": "ClusterIP", "selector": {"app": "web"}}});
    kubernetes.put("/api/v1/namespaces/shop/services/web", service);
    let server = server(&kubernetes, &rules(port));
    assert_eq!(all(&server, "app%3Dweb"), "web-0 0, web-1 1");
    watched(&server);
    let lists = kubernetes.lists(PODS);
    assert_eq!(lists.len(), 2, "one for the request, and one for the watch: {lists:#?}");
    let queries: Vec<&str> = lists.iter().map(|call| call.path.split_once('?').unwrap().1).collect();
    let version = kubernetes.history().version();
    let begin = format!("resourceVersion={version}&resourceVersionMatch=NotOlderThan&limit=500");
    assert_eq!(queries, ["resourceVersion=0&limit=500&labelSelector=app%3Dweb", &begin]);
    for (selector, expected) in [
        ("", "web-0 0, web-1 1, web-2 2"),
        ("app%3Ddb", "web-2 2"),
        ("app!%3Dweb", "web-2 2"),
        ("app%20in%20(db,web)", "web-0 0, web-1 1, web-2 2"),
        ("app%20notin%20(db)", "web-0 0, web-1 1"),
        ("app", "web-0 0, web-1 1, web-2 2"),
        ("!app", "404 NotFound: queue_depth of all pods in namespace shop: labelSelector matches no object"),
    ] {
        assert_eq!(all(&server, selector), expected, "{selector}");
    }
    assert_eq!(one(&server, "web-2"), "web-2 2");
    assert!(one(&server, "web-9").starts_with("404 "));
    let total = || server.metric("namespaces/shop/services/web/queue_total").values();
    assert_eq!(total(), "web 1");
    // Changes are seen without a list.
    kubernetes.set(PODS, vec![of(0, "web"), of(1, "web"), of(2, "web"), of(3, "web")]);
    becomes(&server, "app%3Dweb", "web-0 0, web-1 1, web-2 2, web-3 3");
    assert_eq!(total(), "web 6");
    let leaving = with(of(1, "web"), "/metadata/deletionTimestamp", json!("2026-08-18T02:35:04Z"));
    kubernetes.set(PODS, vec![of(0, "web"), leaving, of(3, "web")]);
    becomes(&server, "app%3Dweb", "web-0 0, web-3 3");
    kubernetes.set(PODS, vec![with(of(0, "web"), "/status/phase", json!("Pending")), of(3, "web")]);
    becomes(&server, "app%3Dweb", "web-3 3");
    assert_eq!(total(), "web 3");
    assert_eq!(kubernetes.lists(PODS).len(), 2, "the watch serves all requests");
    assert_eq!(counted(&server, "metriclet_pod_selections_total{from=\"list\"}"), 1.0);
    assert!(counted(&server, "metriclet_pod_selections_total{from=\"watch\"}") > 10.0);
    eventually(|| match counted(&server, "metriclet_pod_watch_pods{namespace=\"shop\"}") {
        2.0 => Ok(()),
        pods => Err(format!("{pods} pods")),
    });
    assert!(counted(&server, "metriclet_pod_watch_last_contact_timestamp_seconds{namespace=\"shop\"}") > 1e9);
    let status = server.get("/status.json").json();
    let watch = &status["process"]["podWatches"][0];
    assert_eq!((&watch["namespace"], &watch["state"], &watch["pods"]), (&json!("shop"), &json!("current"), &json!(2)));
    assert!(server.get("/status").body.contains("<dt>Watches of pods<dd>shop: current, 2 pods, last contact 20"));
}

/// For more pods than the limit, the error is the same from a list and from a watch. Narrower selections are served.
#[test]
fn a_too_large_selection_starts_a_watch() {
    let (port, _pods) = numbers(1);
    let kubernetes = Kubernetes::start();
    kubernetes.history().grant(true);
    // Small ones, because a busy machine must parse the list within a second.
    let idle = |number: usize| {
        let name = format!("idle-{number}");
        json!({"metadata": {"name": name, "namespace": "shop", "uid": number.to_string(), "labels": {"app": "idle", "n": "0"}}})
    };
    kubernetes.set(PODS, (0..5_001).map(idle).chain([pod(0)]).collect());
    let server = server(&kubernetes, &rules(port));
    // On a busy machine, a list of so many pods may take longer than its timeout.
    let refusal = eventually(|| match all(&server, "app%3Didle") {
        refusal if refusal.contains("more than 5000 pods; narrow the selector") => Ok(refusal),
        other => Err(other),
    });
    watched(&server);
    let lists = kubernetes.lists(PODS).len();
    assert_eq!(all(&server, "n%3D0"), refusal, "by the watch");
    assert_eq!(all(&server, "app%3Dweb"), "web-0 0");
    assert_eq!(kubernetes.lists(PODS).len(), lists);
}

#[test]
fn names_for_url_sources_come_from_the_watch() {
    let page =
        Upstream::text("queue_depth{pod=\"web-0\"} 1\nqueue_depth{pod=\"web-1\"} 2\nqueue_depth{pod=\"db-0\"} 3\n");
    let text = format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop]}}\nmetrics:\n  - {{name: queue_depth, object: pods, source: app}}\n",
        page.url()
    );
    let kubernetes = Kubernetes::start();
    kubernetes.history().grant(true);
    kubernetes.set(PODS, vec![pod(0), pod(1), with(named("db-0", "127.0.0.9"), "/metadata/labels/app", json!("db"))]);
    let server = server(&kubernetes, &text);
    assert_eq!(all(&server, "app%3Dweb"), "web-0 1, web-1 2");
    watched(&server);
    let lists = kubernetes.lists(PODS).len();
    kubernetes.set(PODS, vec![pod(0)]);
    becomes(&server, "app%3Dweb", "web-0 1");
    assert_eq!(all(&server, "app%3Dnone").split(':').next(), Some("404 NotFound"));
    assert_eq!(kubernetes.lists(PODS).len(), lists);
}

#[test]
fn one_shot_commands_start_no_watch() {
    let (port, _pods) = numbers(1);
    let kubernetes = Kubernetes::start();
    kubernetes.history().grant(true);
    kubernetes.set(PODS, vec![pod(0)]);
    let path = ["get", "namespaces/shop/pods/*/queue_depth"];
    let mut command = common::pods::command(&kubernetes, &rules(port), &path);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((kubernetes.lists(PODS).len(), kubernetes.watches(PODS).len()), (1, 0));
}

//! The HPAs on the status page, from a list of the Kubernetes API.

use std::time::Instant;

use serde_json::{Value, json};

use super::common::kubernetes::{Kubernetes, Reply};
use super::common::secure::eventually;
use super::common::upstream::{Gate, Upstream};
use super::common::{Server, file};
use super::{PAGE, config};

const LIST: &str = "/apis/autoscaling/v2/horizontalpodautoscalers";

/// An HPA with these metrics for the Deployment with its name.
pub(super) fn hpa(namespace: &str, name: &str, metrics: &Value, status: &Value) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "managedFields": [{"manager": "kubectl"}]},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1, "maxReplicas": 10, "metrics": metrics,
        },
        "status": status,
    })
}

pub(super) fn object(metric: &str, target: &str) -> Value {
    json!({"type": "Object", "object": {
        "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "web"},
        "metric": {"name": metric}, "target": {"type": "Value", "value": target},
    }})
}

pub(super) fn external(metric: &str) -> Value {
    json!({"type": "External", "external": {
        "metric": {"name": metric, "selector": {"matchLabels": {"queue": "a"}}},
        "target": {"type": "AverageValue", "averageValue": "1500m"},
    }})
}

pub(super) fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message})
}

/// A server with the page's rules, and the right to list these HPAs.
pub(super) fn server(kubernetes: &Kubernetes, source: &Upstream, hpas: Vec<Value>) -> Server {
    kubernetes.set(LIST, hpas);
    let config = file("metrics.yaml", &config(&source.url()));
    let kubeconfig = kubernetes.kubeconfig("{token: own-token}");
    Server::start(&["--config", config.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()])
}

/// The HPAs of the report, once they are listed.
pub(super) fn listed(server: &Server) -> Value {
    eventually(|| {
        let hpas = server.get("/status.json").json()["hpas"].take();
        if hpas["problem"].is_null() { Ok(hpas) } else { Err(hpas.to_string()) }
    })
}

#[test]
fn each_metric_links_to_its_rule() {
    let (kubernetes, source) = (Kubernetes::start(), Upstream::text(PAGE));
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}});
    let pods = json!({"type": "Pods", "pods": {"metric": {"name": "jbos"}, "target": {"type": "AverageValue", "averageValue": "3"}}});
    let status = json!({
        "currentReplicas": 3, "desiredReplicas": 4,
        "currentMetrics": [{"type": ""}, {"type": "Object", "object": {"metric": {"name": "depth"}, "current": {"value": "42"}}}],
        "conditions": [condition("ScalingActive", "True", "ValidMetricFound", "the HPA was able to <compute> it")],
    });
    let inactive = json!({"conditions": [condition("ScalingActive", "False", "FailedGetPodsMetric", "unable to get metric jbos")]});
    let hpas = vec![
        hpa("bank", "elsewhere", &json!([object("gone", "1")]), &json!({})),
        hpa("shop", "alone", &json!([cpu]), &json!({})),
        hpa("shop", "good", &json!([cpu, object("depth", "10"), external("MAILS")]), &status),
        hpa("shop", "invalid", &json!([object("broken", "10")]), &json!({})),
        hpa("shop", "misspelled", &json!([pods]), &inactive),
    ];
    let server = server(&kubernetes, &source, hpas);
    let began = Instant::now();
    server.metric("namespaces/shop/services/web/depth");
    assert!(kubernetes.lists(LIST).is_empty(), "HPAs are listed only while the page is open");

    let hpas = listed(&server);
    let rules = |hpa: &Value| {
        let metrics = hpa["metrics"].as_array().unwrap().iter();
        metrics
            .map(|metric| (metric["name"].clone(), metric["rule"].clone(), metric["problem"].clone()))
            .collect::<Vec<_>>()
    };
    let found: Vec<_> =
        hpas["items"].as_array().unwrap().iter().map(|hpa| (hpa["name"].as_str().unwrap(), rules(hpa))).collect();
    let row = |name: &str, rule: Value, problem: Value| (json!(name), rule, problem);
    let elsewhere = json!("namespace \"bank\" is not among the namespaces of its rule or source");
    let none = json!("there is no rule for object: pods");
    assert_eq!(
        found,
        [
            ("elsewhere", vec![row("gone", Value::Null, elsewhere)]),
            ("invalid", vec![row("broken", json!("broken"), json!("its rule is broken"))]),
            ("misspelled", vec![row("jbos", Value::Null, none)]),
            ("good", vec![row("depth", json!("depth"), Value::Null), row("MAILS", json!("mails"), Value::Null)]),
        ]
    );
    assert_eq!((&hpas["wrong"], &hpas["leftOut"], &hpas["problem"]), (&json!(3), &json!(0), &Value::Null));
    let good = &hpas["items"][3];
    assert_eq!(
        (&good["target"]["name"], &good["currentReplicas"], &good["desiredReplicas"], &good["maxReplicas"]),
        (&json!("good"), &json!(3), &json!(4), &json!(10))
    );
    let [depth, mails] = [&good["metrics"][0], &good["metrics"][1]];
    assert_eq!(
        (&depth["target"], &depth["current"], &depth["object"]["kind"]),
        (&json!(10.0), &json!(42.0), &json!("Service"))
    );
    assert_eq!(
        (&mails["target"], &mails["current"], &mails["isAverage"], &mails["selector"]),
        (&json!(1.5), &Value::Null, &json!(true), &json!("queue=a"))
    );

    let page = |query: &str| server.get(&format!("/status{query}")).body;
    for (query, shown, others) in [
        ("", &["elsewhere", "invalid", "misspelled", "good"][..], &["alone"][..]),
        ("?wrong=true", &["elsewhere", "invalid", "misspelled"], &["good"]),
        ("?namespace=bank", &["elsewhere"], &["invalid", "misspelled", "good"]),
        ("?namespace=shop&wrong=true", &["invalid", "misspelled"], &["elsewhere", "good"]),
    ] {
        let page = page(query);
        let has =
            |name: &&str| ["shop", "bank"].iter().any(|of| page.contains(&format!("<article id=\"h-{of}/{name}\">")));
        assert!(shown.iter().all(has) && !others.iter().any(has), "{query}: {page}");
    }
    let all = page("");
    for part in [
        "<a href=\"/status#r-depth\">depth</a>",
        "<b>42</b> <small>target 10</small>",
        "<small>no value, target 1.5 per pod</small>",
        "no rule serves it: there is no rule for object: pods",
        "<bdi>Deployment/good</bdi>: 3 replicas, 4 desired, 1 to 10 allowed",
        "<p class=e>ScalingActive False: FailedGetPodsMetric: unable to get metric jbos",
        "<p>ScalingActive True: ValidMetricFound: the HPA was able to &lt;compute&gt; it",
    ] {
        assert!(all.contains(part), "{part} is not in {all}");
    }
    let lists = kubernetes.lists(LIST).len() as u64;
    assert!(lists <= 1 + began.elapsed().as_secs() / 15, "{lists} lists, regardless of the number of requests");
}

#[test]
fn without_the_right_the_page_names_the_component() {
    let (kubernetes, source) = (Kubernetes::start(), Upstream::text(PAGE));
    let server = server(&kubernetes, &source, Vec::new());
    kubernetes.script(|call| match call.path.starts_with(LIST) {
        true => Reply::Say(403, json!({"kind": "Status", "code": 403}).to_string()),
        false => Reply::Good,
    });
    assert_eq!(server.metric("namespaces/shop/services/web/depth").code, 200);
    let problem = eventually(|| match server.get("/status.json").json()["hpas"]["problem"].take() {
        Value::String(problem) if problem.starts_with("RBAC does not grant") => Ok(problem),
        other => Err(other.to_string()),
    });
    assert!(problem.contains("manifests/components/hpa-reader") && problem.contains("rbac.hpaReader"), "{problem}");
    let page = server.get("/status").body;
    assert!(
        page.contains(&problem) && page.contains("<title>Metriclet: 2 problems</title>"),
        "only the broken rule and its file: {page}"
    );
}

#[test]
fn a_kubernetes_api_that_hangs_delays_no_metric() {
    let (kubernetes, source) = (Kubernetes::start(), Upstream::text(PAGE));
    let server = server(&kubernetes, &source, vec![hpa("shop", "web", &json!([object("depth", "1")]), &json!({}))]);
    let gate = Gate::default();
    let late = gate.clone();
    kubernetes.script(move |call| match call.path.starts_with(LIST) {
        true => Reply::Late(late.clone()),
        false => Reply::Good,
    });
    let hpas = server.get("/status.json").json()["hpas"].take();
    assert_eq!(hpas["items"], json!([]));
    assert!(hpas["problem"].is_string(), "{hpas}");
    assert_eq!(server.metric("namespaces/shop/services/web/depth").code, 200);
    gate.open();
    assert_eq!(listed(&server)["items"][0]["name"], "web");
}

#[test]
fn the_page_stays_small_with_a_thousand_hpas() {
    let (kubernetes, source) = (Kubernetes::start(), Upstream::text(PAGE));
    let metric = |n: u32| json!([object(if n % 400 == 399 { "none" } else { "depth" }, "10")]);
    let hpas = (0..1_200).map(|n| hpa("shop", &format!("web-{n:04}"), &metric(n), &json!({"currentReplicas": 2})));
    let server = server(&kubernetes, &source, hpas.collect());
    let hpas = listed(&server);
    let items = hpas["items"].as_array().unwrap();
    assert_eq!((items.len(), &hpas["wrong"], &hpas["leftOut"]), (1_000, &json!(3), &json!(200)));
    let names = items.iter().take(4).map(|hpa| hpa["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["web-0399", "web-0799", "web-1199", "web-0000"]);
    let page = server.get("/status").body;
    assert_eq!(page.matches("<article id=\"h-").count(), 50);
    assert!(page.contains("<p>950 more: use the filters") && page.contains("<p>200 more are left out."));
    assert!(page.len() < 40 * 1024, "{} bytes", page.len());
}

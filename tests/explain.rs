//! `metriclet explain`: HPAs from files and from a cluster, and common mistakes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use common::upstream::Upstream;
use common::{file, run};
use serde_json::{Value, json};

const PAGE: &str = "\
# TYPE queue_depth gauge
queue_depth{service=\"web\",namespace=\"shop\",queue=\"mail\"} 42
queue_depth{service=\"web\",namespace=\"shop\",queue=\"sms\"} 8
# TYPE jobs gauge
jobs{pod=\"web-1\",namespace=\"shop\",app=\"web\"} 30
jobs{pod=\"web-2\",namespace=\"shop\",app=\"web\"} 10
jobs{pod=\"web-3\",namespace=\"shop\",app=\"web\"} NaN
jobs{pod=\"x-1\",namespace=\"shop\",app=\"x\"} 1e6
";

fn config(source: &Upstream) -> String {
    let text = format!(
        "sources:
  page: {{url: '{}', namespaces: [shop], labelSelector: labels}}
metrics:
  - {{name: queue_depth, object: services, source: page, value: sum(queue_depth)}}
  - {{name: jobs, object: pods, source: page}}
  - {{name: Queue_Lag, external: true, source: page, value: sum by (queue) (queue_depth)}}
  - {{name: load, object: nodes, source: page}}
",
        source.url()
    );
    file("metrics.yaml", &text).to_str().unwrap().to_owned()
}

fn hpa(min: u32, metrics: &Value) -> Value {
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": min,
            "maxReplicas": 20,
            "metrics": metrics,
        },
    })
}

fn object(kind: &str, name: &str, metric: &str, target: (&str, &str)) -> Value {
    let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
    let key = if target.0 == "Value" { "value" } else { "averageValue" };
    json!({"type": "Object", "object": {
        "describedObject": {"apiVersion": api_version, "kind": kind, "name": name},
        "metric": {"name": metric, "selector": {"matchLabels": {"queue": "mail"}}},
        "target": {"type": target.0, key: target.1},
    }})
}

fn pods() -> Value {
    json!({"type": "Pods", "pods": {"metric": {"name": "jobs"}, "target": {"type": "AverageValue", "averageValue": "10"}}})
}

fn external() -> Value {
    json!({"type": "External", "external": {
        "metric": {"name": "Queue_Lag", "selector": {"matchExpressions": [
            {"key": "queue", "operator": "In", "values": ["sms", "mail"]},
            {"key": "zone", "operator": "DoesNotExist"},
        ]}},
        "target": {"type": "AverageValue", "averageValue": "10"},
    }})
}

/// Exit code and document of a run on a file.
fn explained(config: &str, hpa: &Value, more: &[&str]) -> (i32, Value) {
    let path = file("hpa.yaml", &hpa.to_string());
    let arguments = ["explain", "--hpa", path.to_str().unwrap(), "--config", config, "-o", "json"];
    let (code, stdout, stderr) = run(&[&arguments, more].concat());
    assert_eq!(stderr, "");
    let mut document: Value = serde_json::from_str(&stdout).unwrap();
    (code, document["hpas"][0].take())
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn requests_and_computes_like_the_controller() {
    let source = Upstream::text(PAGE);
    let config = config(&source);
    let metrics = json!([object("Service", "web", "queue_depth", ("Value", "20")), pods(), external(), {"type": "Resource", "resource":
            {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]);
    let (code, found) = explained(&config, &hpa(1, &metrics), &["--replicas=3", "-l", "app=web"]);
    assert_eq!(code, 0);
    let custom = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop";
    let paths: Vec<&Value> = found["metrics"].as_array().unwrap().iter().map(|metric| &metric["request"]).collect();
    assert_eq!(
        paths,
        [
            &json!(format!("{custom}/services/web/queue_depth?metricLabelSelector=queue%3Dmail")),
            &json!(format!("{custom}/pods/*/jobs?labelSelector=app%3Dweb")),
            &json!(
                "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue_lag?labelSelector=queue+in+%28mail%2Csms%29%2C%21zone"
            ),
            &Value::Null,
        ]
    );
    let replicas: Vec<&Value> = found["metrics"].as_array().unwrap().iter().map(|metric| &metric["replicas"]).collect();
    // 2.1 × 3; (30 + 10 + 0) / 10; (42 + 8) / 10; unknown.
    assert_eq!(replicas, [&json!(7), &json!(4), &json!(5), &Value::Null]);
    // Twice the replicas at most.
    assert_eq!((&found["recommendation"], &found["desiredReplicas"]), (&json!(7), &json!(6)));
    let events = found["metrics"][1]["events"].to_string();
    assert!(events.contains("web-3: found NaN, answer none"), "{events}");
    let steps = found["steps"].to_string();
    assert!(steps.contains("CPU and memory may ask for more"), "{steps}");
    let rule = found["metrics"][2]["rule"].as_str().unwrap();
    assert!(rule.starts_with("source page (") && rule.ends_with("metrics.yaml:6)"), "{rule}");
}

/// `behavior` sets tolerances and policies.
#[test]
fn applies_behavior_and_tolerances() {
    let source = Upstream::text(PAGE);
    let config = config(&source);
    let of_queue = json!([object("Service", "web", "queue_depth", ("AverageValue", "20"))]);
    for (behavior, replicas, desired, words) in [
        // 42 / (20 × 2) is 1.05, and 2.1 is 3.
        (json!(null), "2", 2, "within the tolerance from 0.9 to 1.1"),
        (json!({"scaleUp": {"tolerance": "0.04"}}), "2", 3, "outside the tolerance from 0.9 to 1.04"),
        (json!({"scaleDown": {"tolerance": "0.5"}}), "5", 3, "outside the tolerance from 0.5 to 1.1"),
        (json!({"scaleDown": {"selectPolicy": "Disabled"}}), "5", 5, "scaleDown is disabled"),
        (
            json!({"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}),
            "5",
            4,
            "assumes that the workload was not scaled within the last 1m",
        ),
        (json!({"scaleUp": {"stabilizationWindowSeconds": 90}}), "1", 3, "the lowest recommendation of the last 1m30s"),
        (json!(null), "5", 3, "the highest recommendation of the last 5m"),
    ] {
        let mut hpa = hpa(1, &of_queue);
        if !behavior.is_null() {
            hpa["spec"]["behavior"] = behavior.clone();
        }
        let (_, found) = explained(&config, &hpa, &["--replicas", replicas]);
        assert_eq!(found["desiredReplicas"], json!(desired), "{behavior}: {found:#}");
        assert!(found.to_string().contains(words), "{behavior}: {found:#}");
    }
}

#[test]
fn explains_scaling_from_zero() {
    let source = Upstream::text(PAGE);
    let config = config(&source);
    let at_zero = |hpa: &Value| explained(&config, hpa, &["--replicas=0", "-l", "app=web"]).1;
    let wakes = at_zero(&hpa(0, &json!([object("Service", "web", "queue_depth", ("AverageValue", "20"))])));
    assert_eq!(wakes["desiredReplicas"], json!(3));
    let by_ratio = at_zero(&hpa(0, &json!([object("Service", "web", "queue_depth", ("Value", "20"))])));
    assert_eq!(by_ratio["desiredReplicas"], json!(3));
    let sleeps = at_zero(&hpa(0, &json!([pods()])));
    let steps = sleeps["steps"].to_string();
    assert!(steps.contains("no metric of type Object or External can wake the workload"), "{steps}");
    assert!(texts(&sleeps["warnings"])[0].starts_with("minReplicas: 0 needs a metric of type Object or External"));
    let mut by_hand = hpa(0, &json!([external()]));
    by_hand["status"] = json!({"conditions": [{"type": "ScaledToZero", "status": "False"}]});
    let by_hand = at_zero(&by_hand);
    assert!(by_hand["steps"].to_string().contains("the HPA did not scale the workload to zero itself"), "{by_hand:#}");
    assert_eq!(by_hand["desiredReplicas"], json!(0));
}

#[test]
fn warns_of_common_mistakes() {
    let source = Upstream::text(PAGE);
    let config = config(&source);
    let mut elsewhere = object("Service", "web", "queue_depth", ("AverageValue", "20"));
    elsewhere["object"]["describedObject"]["namespace"] = json!("bank");
    for (metric, code, words) in [
        (object("Service", "web", "queue_depth", ("Value", "20")), 0, "a target of type Value multiplies the replicas"),
        (elsewhere, 0, "\"bank\" is ignored, and the HPA's own namespace is used"),
        (object("Node", "n1", "load", ("Value", "2")), 65, "Node is cluster-scoped"),
        (object("Namespace", "bank", "backlog", ("AverageValue", "2")), 65, "always requests the HPA's own"),
        (external(), 0, "clients send this name in lower case, \"queue_lag\""),
        (
            object("Deployment", "web", "queue_depth", ("AverageValue", "2")),
            65,
            "there is no rule for an object of kind",
        ),
    ] {
        let (found_code, found) = explained(&config, &hpa(1, &json!([metric])), &[]);
        let warnings = texts(&found["metrics"][0]["warnings"]).join("\n");
        assert!(warnings.contains(words) && found_code == code, "{found_code} {warnings}: {metric}");
    }
    // The number of replicas does not fit into the controller's 32 bits.
    let beyond = object("Service", "web", "queue_depth", ("AverageValue", "1n"));
    let big = Upstream::text("queue_depth{service=\"web\",namespace=\"shop\",queue=\"mail\"} 4e6\n");
    let (_, found) = explained(&self::config(&big), &hpa(1, &json!([beyond])), &[]);
    assert!(found["metrics"][0]["warnings"].to_string().contains("exceeds 32 bits"), "{found:#}");
}

#[test]
fn reports_missing_arguments_and_objects() {
    let source = Upstream::text(PAGE);
    let config = config(&source);
    let good = file("hpa.yaml", &hpa(1, &json!([pods()])).to_string());
    let good = good.to_str().unwrap();
    let bad = file("bad.yaml", "kind: Service\n");
    let bad = bad.to_str().unwrap();
    for (arguments, code, why) in [
        (&["explain"][..], 64, "expected hpa NAME, or --hpa FILE"),
        (&["explain", "pod", "web"], 64, "expected hpa NAME, or --hpa FILE, found \"pod web\""),
        (&["explain", "hpa", "web", "--hpa", good], 64, "--hpa and the HPA's name exclude each other"),
        (&["explain", "--hpa", good], 64, "--hpa needs --config FILE"),
        (&["explain", "--hpa", good, "-c", &config, "--replicas=-1"], 64, "--replicas: expected a number"),
        (&["explain", "--hpa", "/nowhere", "-c", &config], 66, "/nowhere: not found"),
        (&["explain", "--hpa", good, "-c", "/nowhere"], 66, "/nowhere: not found"),
        (&["explain", "--hpa", bad, "-c", &config], 65, "expected a HorizontalPodAutoscaler of autoscaling/v2"),
    ] {
        let (found, _, stderr) = run(arguments);
        assert!(found == code && stderr.contains(why), "{arguments:?}: {found} {stderr}");
    }
    let (code, stdout, _) = run(&["explain", "--hpa", good, "-c", &config]);
    assert_eq!(code, 65);
    assert!(stdout.contains("no value  the labels of the workload's pods are unknown: use --selector"), "{stdout}");
}

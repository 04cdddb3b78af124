//! Scaling to zero replicas and back, which the HPA controller supports since Kubernetes 1.37.

use serde_json::{Value, json};

use crate::common::upstream::Upstream;
use crate::installed::Installed;
use crate::kubectl::Kubectl;
use crate::plane::ControlPlane;
use crate::process::eventually;
use crate::workload::Workload;

const NAMESPACE: &str = "zero";

fn config(source: &Upstream) -> String {
    format!(
        "sources:
  page: {{url: '{}', namespaces: [{NAMESPACE}], labelSelector: labels, cache: 0s}}
metrics:
  - {{name: jobs, object: pods, source: page}}
  - {{name: queue_depth, object: services, source: page, value: sum(queue_depth)}}
  - {{name: Queue_Lag, external: true, source: page, value: sum by (queue) (queue_lag)}}
",
        source.url()
    )
}

fn queue_metric() -> Value {
    json!({"type": "Object", "object": {
        "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "queue"},
        "metric": {"name": "queue_depth"},
        "target": {"type": "AverageValue", "averageValue": "10"},
    }})
}

fn external() -> Value {
    json!({"type": "External", "external": {
        "metric": {"name": "Queue_Lag", "selector": {"matchExpressions": [
            {"key": "queue", "operator": "In", "values": ["mail", "sms"]},
        ]}},
        "target": {"type": "AverageValue", "averageValue": "10"},
    }})
}

fn per_pod() -> Value {
    json!({"type": "Pods", "pods": {
        "metric": {"name": "jobs"},
        "target": {"type": "AverageValue", "averageValue": "10"},
    }})
}

/// Metriclet with a page that changes, and its own namespace.
fn install(plane: &ControlPlane) -> (Installed, Upstream, impl Fn(String)) {
    let admin = plane.admin();
    admin.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"));
    eventually("the namespace has its service account", || {
        admin.run(&["get", "serviceaccount", "default", &format!("--namespace={NAMESPACE}")])
    });
    let (source, body) = Upstream::changing("");
    let installed = Installed::start(plane, &config(&source));
    (installed, source, move |text| *body.lock().unwrap() = text)
}

/// Whether this version of Kubernetes scales to zero; if not, it must reject the HPA, as documented.
fn scales_to_zero(plane: &ControlPlane, admin: &Kubectl) -> bool {
    let taken = Workload::accepts_zero(admin, NAMESPACE, &queue_metric());
    let minor: u32 = plane.version.split('.').nth(1).unwrap().parse().unwrap();
    if minor < 37 {
        let why = taken.unwrap_err();
        assert!(why.contains("spec.minReplicas") && why.contains("greater than or equal to 1"), "{why}");
        return false;
    }
    taken.unwrap();
    true
}

fn depth(value: &str) -> String {
    format!("queue_depth{{service=\"queue\",namespace=\"{NAMESPACE}\"}} {value}\n")
}

fn is_scaled_to_zero(workload: &Workload<'_>) {
    workload.reaches(0);
    eventually("the HPA has the condition", || match workload.condition("ScaledToZero") {
        (status, _) if status == "True" => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// An HPA on the metric of an object.
pub fn of_an_object(plane: &mut ControlPlane) {
    let admin = plane.admin();
    let (installed, source, shows) = install(plane);
    if !scales_to_zero(plane, &admin) {
        return;
    }
    shows(depth("25"));
    let workload = Workload::between(&admin, NAMESPACE, "object", 0, &[&queue_metric()]);
    // 25 / 10.
    workload.begins_with(3);
    shows(depth("0"));
    is_scaled_to_zero(&workload);
    // Served as 1m: any number above 0 starts a pod.
    shows(depth("0.0004"));
    workload.reaches(1);
    shows(depth("0"));
    is_scaled_to_zero(&workload);
    // While the metric fails, the workload stays at zero; then it is scaled up again.
    shows("other 1\n".to_owned());
    eventually("the HPA notices", || match workload.condition("ScalingActive") {
        (active, why) if active == "False" && why.starts_with("FailedGetObjectMetric") => Ok(()),
        (active, why) => Err(format!("{active} {why}")),
    });
    assert_eq!(workload.replicas(), 0);
    shows(depth("42"));
    workload.reaches(5);
    // A workload that is scaled to 0 manually stays there.
    workload.scale(0);
    eventually("the HPA is disabled", || match workload.condition("ScalingActive") {
        (active, why) if active == "False" && why.starts_with("ScalingDisabled") => Ok(()),
        (active, why) => Err(format!("{active} {why}")),
    });
    let steps = workload.explained().1["steps"].to_string();
    assert!(steps.contains("the HPA did not scale the workload to zero itself"), "{steps}");
    let asked = source.requests();
    assert_eq!(workload.replicas(), 0);
    workload.scale(1);
    workload.reaches(5);
    assert!(source.requests() > asked);
    workload.remove();
    assert_eq!(installed.complaints(plane), [""; 0]);
}

/// An HPA on an external metric, all of whose values count.
pub fn of_an_external_metric(plane: &mut ControlPlane) {
    let admin = plane.admin();
    let (installed, _source, shows) = install(plane);
    installed.register_external(plane);
    let lag = |mail: &str, sms: &str| {
        format!(
            "queue_lag{{queue=\"mail\"}} {mail}\nqueue_lag{{queue=\"sms\"}} {sms}\nqueue_lag{{queue=\"x\"}} 1000\n\
             queue_lag{{queue=\"mail\",namespace=\"other\"}} 1000\n"
        )
    };
    shows(lag("20", "15"));
    let min = u32::from(!scales_to_zero(plane, &admin));
    let workload = Workload::between(&admin, NAMESPACE, "external", min, &[&external()]);
    // (20 + 15) / 10.
    workload.begins_with(4);
    shows(lag("0", "0"));
    if min == 0 {
        is_scaled_to_zero(&workload);
    } else {
        workload.reaches(1);
    }
    shows(lag("15", "NaN"));
    eventually("the HPA notices", || match workload.condition("ScalingActive") {
        (active, why) if active == "False" && why.starts_with("FailedGetExternalMetric") => Ok(()),
        (active, why) => Err(format!("{active} {why}")),
    });
    assert_eq!(workload.replicas(), u64::from(min));
    shows(lag("15", "0"));
    workload.reaches(2);
    workload.remove();
    installed.answered_in_protobuf_only(plane);
    installed.unregister_external(plane);
    assert_eq!(installed.complaints(plane), [""; 0]);
}

/// An HPA on a metric of pods and one of an object: at zero replicas the second one starts the workload again.
pub fn beside_a_metric_of_pods(plane: &mut ControlPlane) {
    let admin = plane.admin();
    let (installed, _source, shows) = install(plane);
    if !scales_to_zero(plane, &admin) {
        return;
    }
    let jobs = |pods: &[String], each: u32| {
        let line = |pod: &String| format!("jobs{{pod=\"{pod}\",namespace=\"{NAMESPACE}\",app=\"both\"}} {each}\n");
        pods.iter().map(line).collect::<String>()
    };
    shows(depth("5"));
    let workload = Workload::between(&admin, NAMESPACE, "both", 0, &[&per_pod(), &queue_metric()]);
    // Both pods count: (30 + 30) / 2 is three times the target.
    shows(depth("5") + &jobs(&workload.run_pods(2), 30));
    workload.reaches(6);
    shows(depth("0") + &jobs(&workload.run_pods(6), 0));
    is_scaled_to_zero(&workload);
    shows(depth("15"));
    eventually("the HPA scales", || match workload.replicas() {
        2 => Ok(()),
        found => Err(format!("{found} replicas")),
    });
    workload.remove();
    assert_eq!(installed.complaints(plane), [""; 0]);
}

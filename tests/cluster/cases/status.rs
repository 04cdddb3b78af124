//! The status page shows the cluster's HPAs.

use serde_json::{Value, json};

use crate::common::upstream::Upstream;
use crate::installed::Installed;
use crate::plane::ControlPlane;
use crate::process::eventually;
use crate::workload::Workload;

const NAMESPACE: &str = "watched";

/// The component's rights, for the account of these cases.
const COMPONENT: &str = include_str!("../../../manifests/components/hpa-reader/rbac.yaml");

pub fn shows_hpas(plane: &mut ControlPlane) {
    let admin = plane.admin();
    admin.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"));
    eventually("the namespace has its service account", || {
        admin.run(&["get", "serviceaccount", "default", &format!("--namespace={NAMESPACE}")])
    });
    let source = Upstream::text("queue_depth{service=\"web\"} 25\n");
    let installed = Installed::start(
        plane,
        &format!(
            "sources:\n  page: {{url: '{}', namespaces: [{NAMESPACE}], cache: 0s}}\nmetrics:\n  - {{name: \
             queue_depth, object: services, source: page}}\n",
            source.url()
        ),
    );
    let hpas = || -> Value {
        let answer = installed.ask_directly(Some(&plane.admin_identity), "/status.json", "");
        serde_json::from_str::<Value>(&answer.body).unwrap()["hpas"].take()
    };
    let is_missing = || {
        eventually("the page names the component", || match hpas() {
            hpas if hpas["problem"].as_str().is_some_and(|why| why.contains("manifests/components/hpa-reader")) => {
                Ok(())
            }
            hpas => Err(hpas.to_string()),
        });
    };
    is_missing();

    let component = COMPONENT.replace("name: custom-metrics-apiserver", "name: metriclet");
    admin.apply(&component);
    let object = |metric: &str| {
        json!({"type": "Object", "object": {
            "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "web"},
            "metric": {"name": metric},
            "target": {"type": "Value", "value": "25"},
        }})
    };
    let workload = Workload::start(&admin, NAMESPACE, "web", &object("queue_depth"));
    let lost = Workload::start(&admin, NAMESPACE, "lost", &object("queue_dept"));
    let condition = |hpa: &Value, kind: &str| {
        let conditions = hpa["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default()
    };
    let (good, bad) = eventually("the HPA controller has handled both", || {
        let hpas = hpas();
        let named = |name: &str, active: &str| {
            let is_it = |hpa: &&Value| hpa["name"] == name && hpa["namespace"] == NAMESPACE;
            let found = hpas["items"].as_array()?.iter().find(is_it)?;
            (condition(found, "ScalingActive")["status"] == active).then(|| found.clone())
        };
        named("web", "True").zip(named("lost", "False")).ok_or_else(|| hpas.to_string())
    });
    let metric = &good["metrics"][0];
    assert_eq!(
        (&metric["name"], &metric["rule"], &metric["problem"], &metric["target"], &metric["current"]),
        (&json!("queue_depth"), &json!("queue_depth"), &Value::Null, &json!(25.0), &json!(25.0)),
        "{good}"
    );
    assert_eq!(
        (&good["currentReplicas"], &good["desiredReplicas"], &good["maxReplicas"]),
        (&json!(2), &json!(2), &json!(20))
    );
    assert_eq!(bad["metrics"][0]["rule"], Value::Null);
    assert_eq!(bad["metrics"][0]["problem"], "there is no rule for an object of kind \"Service\"");
    assert_eq!(condition(&bad, "ScalingActive")["reason"], "FailedGetObjectMetric");
    let page = installed.ask_directly(Some(&plane.admin_identity), "/status", "").body;
    assert!(page.contains("<a href=\"/status#r-queue_depth\">queue_depth</a>"), "{page}");
    assert!(page.contains("no rule serves it: there is no rule for an object of kind &quot;Service&quot;"), "{page}");

    admin.run_with_input(&["delete", "-f", "-"], &component).unwrap();
    is_missing();
    workload.remove();
    lost.remove();
    assert_eq!(installed.complaints(plane), [""; 0]);
}

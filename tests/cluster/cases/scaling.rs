//! The real controller, on our numbers. Expected counts are computed by hand from how it computes.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::common::upstream::{Upstream, page};
use crate::installed::Installed;
use crate::kubectl::Kubectl;
use crate::plane::Plane;
use crate::process::eventually;
use crate::workload::Workload;

const NAMESPACE: &str = "scaling";

fn config(source: &Upstream) -> String {
    format!(
        "sources:
  page: {{url: '{}', namespaces: [{NAMESPACE}], labelSelector: labels, cache: 0s}}
metrics:
  - {{name: jobs, object: pods, source: page}}
  - {{name: queue_depth, object: services, source: page, value: sum(queue_depth)}}
  - {{name: backlog, object: namespaces, source: page, value: max(backlog)}}
",
        source.url()
    )
}

fn with_namespace(admin: &Kubectl) {
    admin.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"));
    eventually("the namespace has its service account", || {
        admin.run(&["get", "serviceaccount", "default", &format!("--namespace={NAMESPACE}")])
    });
}

/// Waits until the controller has asked three times more; the last answer but one has been acted on by then.
fn three_more(source: &Upstream) {
    let enough = source.requests() + 3;
    eventually("the HPA asks again", || if source.requests() >= enough { Ok(()) } else { Err(String::new()) });
}

fn of_a_queue() -> Value {
    json!({"type": "Object", "object": {
        "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "web"},
        "metric": {"name": "queue_depth", "selector": {"matchLabels": {"queue": "mail"}}},
        "target": {"type": "Value", "value": "20"},
    }})
}

pub fn to_the_right_count(plane: &mut Plane) {
    let admin = plane.admin();
    with_namespace(&admin);
    let (source, body) = Upstream::changing("");
    let installed = Installed::start(plane, &config(&source));
    let shows = |text: String| *body.lock().unwrap() = text;
    let holds = |workload: &Workload<'_>, replicas: u64| {
        three_more(&source);
        assert_eq!(workload.replicas(), replicas);
    };

    let per_pod = json!({"type": "Pods", "pods": {
        "metric": {"name": "jobs"},
        "target": {"type": "AverageValue", "averageValue": "10"},
    }});
    let pods = Workload::start(&admin, NAMESPACE, "pods", &per_pod);
    let jobs = |pods: &[String], values: &[&str]| {
        let line = |(pod, value)| format!("jobs{{pod=\"{pod}\",namespace=\"{NAMESPACE}\",app=\"pods\"}} {value}\n");
        pods.iter().zip(values).map(line).collect::<String>()
    };
    // Of another application; it must not be averaged in.
    let other = format!("jobs{{pod=\"x\",namespace=\"{NAMESPACE}\",app=\"x\"}} 1e6\n");
    shows(jobs(&pods.run_pods(2), &["30", "10"]) + &other);
    // (30 + 10) / 2 is twice the target: 2 × 2.
    pods.reaches(4);
    // The new ones are pending and count as 0: (30 + 10) / 4 is the target.
    holds(&pods, 4);
    // (30 + 10 + 12 + 8) / 4 is 1.5 times the target: 4 × 1.5.
    shows(jobs(&pods.run_pods(4), &["30", "10", "12", "8"]) + &other);
    pods.reaches(6);
    holds(&pods, 6);
    // One has no number and is left out, so that it counts as 0: 70 / 6 is 1.17 times the target, and 6 × 1.17 is 7.
    shows(jobs(&pods.run_pods(6), &["30", "10", "12", "8", "10", "NaN"]) + &other);
    pods.reaches(7);
    pods.remove();

    let queues = |mail: u32| {
        format!(
            "queue_depth{{service=\"web\",queue=\"mail\"}} {mail}\nqueue_depth{{service=\"web\",queue=\"sms\"}} 999\n"
        )
    };
    shows(queues(42));
    let object = Workload::start(&admin, NAMESPACE, "object", &of_a_queue());
    // 42 is 2.1 times the target, and two pods are ready: 4.2.
    object.reaches(5);
    holds(&object, 5);
    // 8 is 0.4 times: 0.8.
    shows(queues(8));
    object.reaches(1);
    object.remove();

    shows("backlog{tier=\"gold\"} 14\nbacklog{tier=\"tin\"} 999\n".to_owned());
    let of_namespace = json!({"type": "Object", "object": {
        "describedObject": {"apiVersion": "v1", "kind": "Namespace", "name": NAMESPACE},
        "metric": {"name": "backlog", "selector": {"matchLabels": {"tier": "gold"}}},
        "target": {"type": "AverageValue", "averageValue": "5"},
    }});
    let namespace = Workload::start(&admin, NAMESPACE, "namespace", &of_namespace);
    // 14 / 5.
    namespace.reaches(3);
    holds(&namespace, 3);
    namespace.remove();
    assert_eq!(installed.complaints(plane), [""; 0]);
}

/// Each pod is asked for its own page.
pub fn on_pods_of_their_own(plane: &mut Plane) {
    let admin = plane.admin();
    with_namespace(&admin);
    let pod = |address: &str, jobs: u32| {
        Upstream::at(address, move |_, stream| {
            let _ = stream.write_all(&page("text/plain", &format!("jobs {jobs}\n")));
        })
    };
    let first = pod("127.0.0.1:0", 30);
    let port = first.address.port();
    let _others = [pod(&format!("127.0.0.2:{port}"), 10), pod(&format!("127.0.0.3:{port}"), 12)];
    let config = format!(
        "sources:
  app: {{pods: {{port: {port}}}, namespaces: [{NAMESPACE}], cache: 0s, dangerAllowLoopback: true}}
metrics:
  - {{name: jobs, object: pods, source: app}}
"
    );
    let installed = Installed::start(plane, &config);
    let per_pod = json!({"type": "Pods", "pods": {
        "metric": {"name": "jobs"},
        "target": {"type": "AverageValue", "averageValue": "10"},
    }});
    let workload = Workload::start(&admin, NAMESPACE, "scraped", &per_pod);
    // (30 + 10) / 2 is twice the target: 2 × 2. The new ones are pending, not asked, and count as 0.
    workload.reaches(4);
    three_more(&first);
    assert_eq!(workload.replicas(), 4);
    // Nobody listens at the fourth: it is left out and counts as 0. (30 + 10 + 12) / 4 is 1.3 times the target: 5.2.
    workload.run_pods(4);
    workload.reaches(6);
    workload.remove();
    assert_eq!(installed.complaints(plane), [""; 0]);
}

pub fn holds_without_a_source(plane: &mut Plane) {
    let admin = plane.admin();
    with_namespace(&admin);
    let dead = Arc::new(AtomicBool::new(false));
    let died = dead.clone();
    let source = Upstream::start(move |_, stream| {
        if !died.load(Ordering::SeqCst) {
            let _ = stream.write_all(&page("text/plain", "queue_depth{service=\"web\",queue=\"mail\"} 42\n"));
        }
    });
    let installed = Installed::start(plane, &config(&source));
    let workload = Workload::start(&admin, NAMESPACE, "held", &of_a_queue());
    workload.reaches(5);
    dead.store(true, Ordering::SeqCst);
    let why = eventually("the HPA notices", || match workload.condition("ScalingActive") {
        (active, why) if active == "False" => Ok(why),
        (active, why) => Err(format!("{active} {why}")),
    });
    let target = format!("namespaces/{NAMESPACE}/services/web/queue_depth?metricLabelSelector=queue%3Dmail");
    let ours = admin.raw(&format!("/apis/custom.metrics.k8s.io/v1beta2/{target}")).unwrap_err();
    let ours = ours.strip_prefix("Error from server (ServiceUnavailable): ").unwrap_or_else(|| panic!("{ours}"));
    assert!(why.starts_with("FailedGetObjectMetric: ") && why.ends_with(ours), "{why:?} does not end with {ours:?}");
    assert!(workload.described().contains(ours), "{}", workload.described());
    // Not written again for every sync that goes the same way.
    three_more(&source);
    let version = workload.resource_version();
    three_more(&source);
    assert_eq!((workload.condition("ScalingActive").1, workload.resource_version()), (why, version));
    assert_eq!(workload.replicas(), 5);
    dead.store(false, Ordering::SeqCst);
    workload.reaches(5);
    workload.remove();
    assert_eq!(installed.complaints(plane), [""; 0]);
}

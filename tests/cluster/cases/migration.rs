//! The migration in docs/migrate.md, with the Go library's test adapter as the old adapter.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::adapter::Adapter;
use crate::common::upstream::Upstream;
use crate::common::{replace, run};
use crate::installed::{Installed, values};
use crate::kubectl::Kubectl;
use crate::plane::ControlPlane;
use crate::process::eventually;
use crate::watch::Watch;
use crate::workload::Workload;

const NAMESPACE: &str = "migration";

/// The interval between checks of the APIServices and HPAs.
const OFTEN: Duration = Duration::from_millis(100);

const QUEUE: &str = "namespaces/migration/services/web/queue_depth";
const ALL: [(&str, &str); 3] = [
    ("custom.metrics.k8s.io", "v1beta1"),
    ("custom.metrics.k8s.io", "v1beta2"),
    ("external.metrics.k8s.io", "v1beta1"),
];

fn of_object() -> Value {
    json!({"type": "Object", "object": {
        "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "web"},
        "metric": {"name": "queue_depth"},
        "target": {"type": "AverageValue", "averageValue": "10"},
    }})
}

fn of_pods() -> Value {
    json!({"type": "Pods", "pods": {"metric": {"name": "jobs"}, "target": {"type": "AverageValue", "averageValue": "10"}}})
}

/// The test adapter has 42 and 43.
fn external() -> Value {
    json!({"type": "External", "external": {
        "metric": {"name": "my-external-metric", "selector": {"matchLabels": {"foo": "bar"}}},
        "target": {"type": "AverageValue", "averageValue": "10"},
    }})
}

fn forward(adapter: &Adapter) -> String {
    let (port, ca) = (adapter.address.port(), adapter.certificates.join("ca.crt"));
    // There is no cluster DNS, so the URL has this machine's name.
    let adapter = format!(
        "{{url: 'https://localhost:{port}', serverName: custom-metrics-apiserver.custom-metrics.svc, caFile: '{}'}}",
        ca.display()
    );
    format!("forward: {{to: {adapter}, external: {adapter}}}\n")
}

/// A rule for each metric; `shadow` is added to each.
fn rules(source: &Upstream, shadow: &str) -> String {
    format!(
        "sources:
  page: {{url: '{}', namespaces: [{NAMESPACE}], labelSelector: labels, cache: 0s, single: true}}
metrics:
  - {{name: queue_depth, object: services, source: page{shadow}}}
  - {{name: jobs, object: pods, source: page{shadow}}}
  - {{name: my-external-metric, external: true, source: page, value: external{shadow}}}
",
        source.url()
    )
}

/// The page of the new source.
fn page(pods: &[String], queue: u32, jobs: u32, external: u32) -> String {
    let jobs: String = pods
        .iter()
        .map(|pod| format!("jobs{{pod=\"{pod}\",namespace=\"{NAMESPACE}\",app=\"pods\"}} {jobs}\n"))
        .collect();
    format!(
        "queue_depth{{service=\"web\",namespace=\"{NAMESPACE}\"}} {queue}\n{jobs}external{{foo=\"bar\"}} {external}\n\
         external{{foo=\"baz\"}} 43\n"
    )
}

/// A value from Metriclet's own metrics, if present.
fn own(plane: &ControlPlane, installed: &Installed, series: &str) -> Option<f64> {
    let page = installed.ask_directly(Some(&plane.admin_identity), "/metrics", "").body;
    page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

/// Warnings of the HPA controller, such as FailedGetObjectMetric.
fn warnings(admin: &Kubectl) -> Vec<String> {
    let events = admin.get(&["events", &format!("--namespace={NAMESPACE}"), "--field-selector=type=Warning"]);
    let text = |event: &Value| format!("{} {}", event["reason"], event["message"]);
    events["items"].as_array().unwrap().iter().map(text).collect()
}

pub fn from_another_adapter(plane: &mut ControlPlane) {
    let Some(program) = env::var_os("METRICLET_TEST_ADAPTER").map(PathBuf::from) else {
        assert!(env::var_os("CI").is_none(), "the test adapter is missing");
        println!("skipped: the test adapter of the Go library is missing; scripts/test-cluster builds it");
        return;
    };
    let admin = plane.admin();
    admin.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"));
    eventually("the namespace has its service account", || {
        admin.run(&["get", "serviceaccount", "default", &format!("--namespace={NAMESPACE}")])
    });
    let adapter = Adapter::start(plane, &program);
    adapter.write(QUEUE, "35");
    let write_jobs = |pods: &[String], each: &str| {
        pods.iter().for_each(|pod| adapter.write(&format!("namespaces/{NAMESPACE}/pods/{pod}/jobs"), each));
    };
    // Before: HPAs of the old adapter.
    let object = Workload::start(&admin, NAMESPACE, "object", &of_object());
    object.reaches(4);
    let pods = Workload::start(&admin, NAMESPACE, "pods", &of_pods());
    let names = pods.run_pods(2);
    write_jobs(&names, "10");
    pods.reaches(2);
    let queue = Workload::start(&admin, NAMESPACE, "external", &external());
    queue.reaches(5);
    // Only warnings from here on count: at first, pods had no values.
    admin.run(&["delete", "events", "--all", &format!("--namespace={NAMESPACE}")]).unwrap();
    let watch = Watch::over(plane, OFTEN, ALL.to_vec(), Some(NAMESPACE));

    // 1. Metriclet runs beside the old adapter, forwards everything, and has the rights that metriclet rbac prints.
    let (source, body) = Upstream::changing("");
    let forward = forward(&adapter);
    let mut installed = Installed::start_with_addresses(plane, &forward, plane.address, None);
    let asked = |installed: &Installed, path: &str| {
        let answer = installed.ask_directly(Some(&plane.admin_identity), path, "");
        if answer.code == 200 { Ok(answer.body) } else { Err(format!("{} {}", answer.code, answer.body)) }
    };
    let path = format!("/apis/custom.metrics.k8s.io/v1beta2/{QUEUE}");
    let refused = asked(&installed, &path).unwrap_err();
    assert!(refused.contains("lacks rights, which metriclet rbac prints"), "{refused}");
    let file = installed.config.to_str().unwrap().to_owned();
    let (code, rights, why) =
        run(&["rbac", "--config", &file, "--service-account", "metriclet", "--namespace", "custom-metrics"]);
    assert_eq!(code, 0, "{why}");
    admin.apply(&rights);
    let served = eventually("it has the rights", || asked(&installed, &path));
    assert_eq!(values(&served), "web 35");
    assert_eq!(served, admin.raw(&path).unwrap(), "the same through the old adapter");

    // 2. The APIServices refer to Metriclet; HPAs and kubectl notice nothing.
    installed.redirect_api_services(plane);
    eventually("kube-apiserver sends requests to Metriclet", || match installed.answered(plane, "discovery") {
        0.0 => Err(String::new()),
        _ => Ok(()),
    });
    adapter.write(QUEUE, "55");
    object.reaches(6);
    write_jobs(&names, "15");
    pods.reaches(3);
    let names = pods.run_pods(3);
    write_jobs(&names, "10");
    pods.reaches(3);
    let resources = admin.raw("/apis/custom.metrics.k8s.io/v1beta2").unwrap();
    let listed: Value = serde_json::from_str(&resources).unwrap();
    assert!(!listed["resources"].as_array().unwrap().is_empty(), "{listed}");

    // 3. Shadowed rules, which are wrong at first: the old values are served, and the difference is exported.
    *body.lock().unwrap() = page(&names, 110, 10, 42);
    replace(&installed.config, &(forward.clone() + &rules(&source, ", shadow: true")));
    installed.server.wait_for("loaded 3 rules");
    let ratio = |metric: &str, resource: &str| {
        let series = format!("metriclet_shadow_difference_ratio{{metric=\"{metric}\",resource=\"{resource}\"}}");
        eventually("the difference is known", || own(plane, &installed, &series).ok_or_else(String::new))
    };
    assert_eq!(ratio("queue_depth", "services"), 0.5);
    assert_eq!((ratio("jobs", "pods"), ratio("my-external-metric", "external")), (0.0, 0.0));
    assert_eq!(object.replicas(), 6);
    *body.lock().unwrap() = page(&names, 55, 10, 42);
    eventually("the rule agrees", || match ratio("queue_depth", "services") {
        0.0 => Ok(()),
        ratio => Err(format!("still {ratio}")),
    });

    // 4. One rule after the other is switched.
    let first = rules(&source, ", shadow: true").replacen(", shadow: true", "", 1);
    replace(&installed.config, &(forward.clone() + &first));
    installed.server.wait_for("loaded 3 rules");
    *body.lock().unwrap() = page(&names, 25, 10, 42);
    object.reaches(3);
    replace(&installed.config, &(forward + &rules(&source, "")));
    installed.server.wait_for("loaded 3 rules");

    // 5. The old adapter is removed, then forward:.
    adapter.retire();
    *body.lock().unwrap() = page(&names, 45, 20, 62);
    object.reaches(5);
    queue.reaches(7);
    pods.reaches(6);
    let names = pods.run_pods(6);
    *body.lock().unwrap() = page(&names, 45, 10, 62);
    replace(&installed.config, &rules(&source, ""));
    installed.server.wait_for("loaded 3 rules");
    *body.lock().unwrap() = page(&names, 15, 10, 62);
    object.reaches(2);

    let seen = watch.end();
    assert!(seen.looks > 100, "{seen:#?}");
    assert!(seen.unavailable.is_empty() && seen.unserved.is_empty() && seen.away == 0, "{seen:#?}");
    assert!(seen.inactive.is_empty(), "{:#?}", seen.inactive);
    assert_eq!(warnings(&admin), [""; 0]);
    [object, pods, queue].into_iter().for_each(Workload::remove);
    installed.unregister_external(plane);
    admin.run_with_input(&["delete", "-f", "-"], &rights).unwrap();
    assert_eq!(installed.complaints(plane), [""; 0]);
}

//! HPAs under the real controller. The expected replica counts are computed by hand with the controller's formula.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::common::upstream::{Upstream, page};
use crate::installed::{Installed, values};
use crate::kubectl::Kubectl;
use crate::plane::ControlPlane;
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

/// Waits until the controller has sent three more requests; it has then acted on the response before the last.
fn three_more(source: &Upstream) {
    let enough = source.requests() + 3;
    eventually("the HPA requests again", || if source.requests() >= enough { Ok(()) } else { Err(String::new()) });
}

fn queue_metric() -> Value {
    json!({"type": "Object", "object": {
        "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "web"},
        "metric": {"name": "queue_depth", "selector": {"matchLabels": {"queue": "mail"}}},
        "target": {"type": "Value", "value": "20"},
    }})
}

pub fn to_the_right_count(plane: &mut ControlPlane) {
    let admin = plane.admin();
    with_namespace(&admin);
    let (source, body) = Upstream::changing("");
    let installed = Installed::start(plane, &config(&source));
    let shows = |text: String| *body.lock().unwrap() = text;
    let holds = |workload: &Workload<'_>, replicas: u64| {
        three_more(&source);
        assert_eq!(workload.replicas(), replicas);
    };

    let pods = Workload::start(&admin, NAMESPACE, "pods", &per_pod("jobs"));
    let jobs = |pods: &[String], values: &[&str]| {
        let line = |(pod, value)| format!("jobs{{pod=\"{pod}\",namespace=\"{NAMESPACE}\",app=\"pods\"}} {value}\n");
        pods.iter().zip(values).map(line).collect::<String>()
    };
    // A pod of another application, which must not count in the average.
    let other = format!("jobs{{pod=\"x\",namespace=\"{NAMESPACE}\",app=\"x\"}} 1e6\n");
    shows(jobs(&pods.run_pods(2), &["30", "10"]) + &other);
    // (30 + 10) / 2 is twice the target: 2 × 2.
    pods.reaches(4);
    // The new pods are pending and count as 0: (30 + 10) / 4 is the target.
    holds(&pods, 4);
    // (30 + 10 + 12 + 8) / 4 is 1.5 times the target: 4 × 1.5.
    shows(jobs(&pods.run_pods(4), &["30", "10", "12", "8"]) + &other);
    pods.reaches(6);
    holds(&pods, 6);
    // One pod has no value and is left out, so the controller counts it as 0: 70 / 6 is 1.17 times the target, and 6 ×
    // 1.17 is 7.
    shows(jobs(&pods.run_pods(6), &["30", "10", "12", "8", "10", "NaN"]) + &other);
    pods.reaches(7);
    pods.remove();

    let queues = |mail: u32| {
        format!(
            "queue_depth{{service=\"web\",queue=\"mail\"}} {mail}\nqueue_depth{{service=\"web\",queue=\"sms\"}} 999\n"
        )
    };
    shows(queues(42));
    let object = Workload::start(&admin, NAMESPACE, "object", &queue_metric());
    // 42 is 2.1 times the target, and two pods are ready: 4.2.
    object.begins_with(5);
    holds(&object, 5);
    // Now one pod is ready: 2.1.
    object.second_is_not_ready();
    object.reaches(3);
    holds(&object, 3);
    // 8 is 0.4 times: 0.4.
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
    namespace.begins_with(3);
    holds(&namespace, 3);
    namespace.remove();
    installed.answered_in_protobuf_only(plane);
    assert_eq!(installed.complaints(plane), [""; 0]);
}

/// Pods, each on its own address, the first at 127.0.0.1, that serve the page that `page_of` returns, or close the
/// connection if it returns none; and the port that they share.
fn pods(count: usize, page_of: impl Fn(usize) -> String + Clone + Send + Sync + 'static) -> (Vec<Upstream>, u16) {
    let mut port = 0;
    let start = |number: usize| {
        let page_of = page_of.clone();
        let pod = Upstream::at(&format!("127.0.0.{}:{port}", number + 1), move |_, stream| {
            let body = page_of(number);
            if !body.is_empty() {
                let _ = stream.write_all(&page("text/plain", &body));
            }
        });
        port = pod.address.port();
        pod
    };
    ((0..count).map(start).collect(), port)
}

fn of_pods(port: u16, metric: &str) -> String {
    format!(
        "sources:
  app: {{pods: {{port: {port}}}, namespaces: [{NAMESPACE}], cache: 0s, dangerAllowLoopback: true}}
metrics:
  - {{object: pods, source: app, {metric}}}
"
    )
}

fn per_pod(metric: &str) -> Value {
    json!({"type": "Pods", "pods": {
        "metric": {"name": metric},
        "target": {"type": "AverageValue", "averageValue": "10"},
    }})
}

/// The page of each pod is scraped.
pub fn on_scraped_pods(plane: &mut ControlPlane) {
    let admin = plane.admin();
    with_namespace(&admin);
    let jobs = [30, 10, 12].map(AtomicU32::new);
    let jobs = Arc::new(jobs);
    let shown = jobs.clone();
    let (pods, port) = pods(3, move |number| format!("jobs {}\n", shown[number].load(Ordering::SeqCst)));
    let installed = Installed::start(plane, &of_pods(port, "name: jobs"));
    let workload = Workload::start(&admin, NAMESPACE, "scraped", &per_pod("jobs"));
    let holds = |replicas: u64| {
        three_more(&pods[0]);
        assert_eq!(workload.replicas(), replicas);
    };
    // (30 + 10) / 2 is twice the target: 2 × 2. The new pods are pending, not scraped, and count as 0.
    workload.begins_with(4);
    holds(4);
    // No server listens on the fourth pod: it is left out and counts as 0. The second is not ready, but counts with its
    // value: (30 + 10 + 12) / 4 is 1.3 times the target, 5.2.
    workload.second_is_not_ready();
    workload.run_pods(4);
    workload.reaches(6);
    // When scaling down, the three pods that do not respond count as being on target: (9 + 1 + 9 + 3 × 10) / 6 is 0.82
    // times the target, 4.9. Without them it would be 1.9.
    workload.run_pods(6);
    holds(6);
    for (jobs, now) in jobs.iter().zip([9, 1, 9]) {
        jobs.store(now, Ordering::SeqCst);
    }
    workload.reaches(5);
    // The pod that was not ready has gone: (9 + 9 + 3 × 10) / 5 is 0.96 times the target.
    holds(5);
    workload.remove();
    assert_eq!(installed.complaints(plane), [""; 0]);
}

/// A rate for each pod, from Metriclet's own samples.
pub fn on_a_rate(plane: &mut ControlPlane) {
    let admin = plane.admin();
    with_namespace(&admin);
    let began = Instant::now();
    let (pods, port) = pods(4, move |number| {
        let count = |each_second: f64| 1000.0 + each_second * began.elapsed().as_secs_f64();
        let [good, bad] = [[25.0, 12.0, 6.0, 4.0][number], 40.0].map(count);
        format!(
            "# TYPE http_requests_total counter
http_requests_total{{code=\"200\"}} {good}
http_requests_total{{code=\"500\"}} {bad}
"
        )
    });
    let rate = r#"name: requests_per_second, value: 'sum(rate(http_requests_total{code!~"5.."}[12s]))'"#;
    let installed = Installed::start(plane, &of_pods(port, rate));
    let workload = Workload::start(&admin, NAMESPACE, "rate", &per_pod("requests_per_second"));
    // A pod has no rate until its samples span half of the range; then, as in Prometheus, the rate is too low at first.
    // (25 + 12) / 2 is 1.85 times the target: 3.7.
    workload.reaches(4);
    three_more(&pods[0]);
    assert_eq!(workload.replicas(), 4);
    // The same applies to the new pods: (25 + 12 + 6 + 4) / 4 is 1.175 times the target, 4.7.
    workload.run_pods(4);
    workload.reaches(5);
    three_more(&pods[0]);
    assert_eq!(workload.replicas(), 5);
    workload.remove();
    assert_eq!(installed.complaints(plane), [""; 0]);
}

/// One quantile over the buckets of all pods of a Deployment.
pub fn on_a_quantile_of_all_pods(plane: &mut ControlPlane) {
    let admin = plane.admin();
    with_namespace(&admin);
    let began = Instant::now();
    let fails = Arc::new(AtomicBool::new(false));
    let failing = fails.clone();
    let (pods, port) = pods(6, move |number| {
        if number == 5 && failing.load(Ordering::SeqCst) {
            return String::new();
        }
        // Each pod serves a hundred requests per second, of which the second pod is slow for twenty.
        let count = |each_second: f64| 1000.0 * each_second + each_second * began.elapsed().as_secs_f64();
        let [quick, all] = [if number == 1 { 80.0 } else { 100.0 }, 100.0].map(count);
        format!(
            "# TYPE latency histogram
latency_bucket{{le=\"0.1\"}} {quick}
latency_bucket{{le=\"0.5\"}} {all}
latency_bucket{{le=\"+Inf\"}} {all}
"
        )
    });
    let rule = "name: p95, value: 'histogram_quantile(0.95, sum by (le) (rate(latency_bucket[12s])))'";
    let rule = of_pods(port, rule).replace("object: pods", "object: deployments.apps");
    let installed = Installed::start(plane, &rule);
    let of_all = json!({"type": "Object", "object": {
        "describedObject": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fleet"},
        "metric": {"name": "p95"},
        "target": {"type": "Value", "value": "110m"},
    }});
    let workload = Workload::start(&admin, NAMESPACE, "fleet", &of_all);
    // Of 200 requests, 180 take up to 0.1 s, and the 190th 0.3 s, which is 2.7 times the target: 2 x 2.7. The mean of
    // both pods' quantiles, 0.095 and 0.4, would result in five.
    workload.reaches(6);
    // The new pods are pending and not scraped, and only ready pods are multiplied.
    three_more(&pods[0]);
    assert_eq!(workload.replicas(), 6);
    // The new pods are running, and count as soon as they have samples: of 600 requests, 580 take up to 0.1 s, and the
    // 570th takes 0.098 s.
    workload.scales_down_late();
    workload.run_unready_pods(6);
    let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{NAMESPACE}/deployments.apps/fleet/p95");
    eventually("all six count", || {
        let answer = admin.raw(&path)?;
        if values(&answer) == "fleet 99m" { Ok(()) } else { Err(answer) }
    });
    // Once they are ready, they are multiplied, too: 6 x 0.9.
    workload.all_are_ready();
    three_more(&pods[5]);
    assert_eq!(workload.replicas(), 6);
    // One of them fails. The quantile of the others might be the same, but Metriclet cannot know that.
    fails.store(true, Ordering::SeqCst);
    eventually("the HPA shows why", || match workload.condition("ScalingActive") {
        (active, why) if active == "False" && why.contains("not all running pods answered, 1 kind of failure: ") => {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    });
    assert_eq!(workload.replicas(), 6);
    fails.store(false, Ordering::SeqCst);
    workload.reaches(6);
    workload.remove();
    assert_eq!(installed.complaints(plane), [""; 0]);
}

/// The page of a broker in another namespace carries that namespace; its queues are named after the workloads that
/// consume from them.
pub fn on_a_queue_of_another_namespace(plane: &mut ControlPlane) {
    let admin = plane.admin();
    with_namespace(&admin);
    let (source, body) = Upstream::changing("");
    let config = format!(
        "sources:
  broker: {{url: '{}', namespaces: [brokers], cache: 0s}}
metrics:
  - name: queue_messages
    object: deployments.apps
    source: broker
    value: sum(queue_messages{{queue=\"{{name}}-jobs\"}})
    namespaceLabel: none
    namespaces: [{NAMESPACE}]
",
        source.url()
    );
    let installed = Installed::start(plane, &config);
    let shows = |ours: u32| {
        *body.lock().unwrap() = [("mailer-jobs", ours), ("mailer", 500), ("other-jobs", 999)]
            .map(|(queue, messages)| format!("queue_messages{{namespace=\"brokers\",queue=\"{queue}\"}} {messages}\n"))
            .concat();
    };
    shows(21);
    let of_queue = json!({"type": "Object", "object": {
        "describedObject": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "mailer"},
        "metric": {"name": "queue_messages"},
        "target": {"type": "AverageValue", "averageValue": "5"},
    }});
    let workload = Workload::start(&admin, NAMESPACE, "mailer", &of_queue);
    // 21 / 5, and then 12 / 5.
    workload.reaches(5);
    three_more(&source);
    assert_eq!(workload.replicas(), 5);
    shows(12);
    workload.reaches(3);
    workload.remove();
    // No other namespace may request the metric, not even that of the broker.
    let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/brokers/deployments.apps/mailer/queue_messages";
    let refused = admin.raw(path).unwrap_err();
    assert!(refused.starts_with("Error from server (NotFound): "), "{refused}");
    assert_eq!(installed.complaints(plane), [""; 0]);
}

pub fn holds_without_a_source(plane: &mut ControlPlane) {
    let admin = plane.admin();
    with_namespace(&admin);
    let dead = Arc::new(AtomicBool::new(false));
    let died = dead.clone();
    let queue = Upstream::start(move |_, stream| {
        if !died.load(Ordering::SeqCst) {
            let _ = stream.write_all(&page("text/plain", "queue_depth{service=\"web\",queue=\"mail\"} 42\n"));
        }
    });
    let died = dead.clone();
    let (pods, port) = pods(2, move |_| if died.load(Ordering::SeqCst) { "" } else { "jobs 21\n" }.to_owned());
    let of_pods = of_pods(port, "name: jobs_each, value: jobs");
    let [sources, metrics] = of_pods.split_once("metrics:\n").map(|(sources, metrics)| [sources, metrics]).unwrap();
    let config = config(&queue).replacen("sources:\n", sources, 1) + metrics;
    let installed = Installed::start(plane, &config);
    let workloads = [
        (Workload::start(&admin, NAMESPACE, "held", &queue_metric()), &queue, "FailedGetObjectMetric"),
        (Workload::start(&admin, NAMESPACE, "held-pods", &per_pod("jobs_each")), &pods[0], "FailedGetPodsMetric"),
    ];
    // 42 for the queue is 2.1 times the target, and so is 21 for each pod: 2 × 2.1.
    workloads.iter().for_each(|(workload, ..)| workload.reaches(5));
    dead.store(true, Ordering::SeqCst);
    let targets =
        ["services/web/queue_depth?metricLabelSelector=queue%3Dmail", "pods/*/jobs_each?labelSelector=app%3Dheld-pods"];
    for ((workload, source, reason), target) in workloads.iter().zip(targets) {
        let why = eventually("the HPA notices", || match workload.condition("ScalingActive") {
            (active, why) if active == "False" => Ok(why),
            (active, why) => Err(format!("{active} {why}")),
        });
        let target = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{NAMESPACE}/{target}");
        let ours = admin.raw(&target).unwrap_err();
        let ours = ours.strip_prefix("Error from server (ServiceUnavailable): ").unwrap_or_else(|| panic!("{ours}"));
        assert!(why.starts_with(reason) && why.ends_with(ours), "{why:?} does not end with {ours:?}");
        assert!(workload.described().contains(ours), "{}", workload.described());
        let (code, explained) = workload.explained();
        let (why_not, desired) = (&explained["metrics"][0]["error"]["message"], &explained["desiredReplicas"]);
        assert_eq!((code, why_not, desired), (65, &json!(ours), &json!(5)));
        // The status is not written again for every sync with the same result.
        three_more(source);
        let version = workload.resource_version();
        three_more(source);
        assert_eq!((workload.condition("ScalingActive").1, workload.resource_version()), (why, version));
        assert_eq!(workload.replicas(), 5);
    }
    dead.store(false, Ordering::SeqCst);
    for (workload, ..) in workloads {
        workload.reaches(5);
        workload.remove();
    }
    assert_eq!(installed.complaints(plane), [""; 0]);
}

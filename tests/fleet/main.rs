//! Joined pages of several pods: those that an object selects, and a fixed set.

#[path = "../common/mod.rs"]
mod common;
mod sets;
mod values;

use common::kubernetes::{Kubernetes, Reply};
use common::pods::{PODS, bind, command, named, pod, server, serving, with};
use common::upstream::{Gate, Upstream};
use common::{Server, file, run};
use serde_json::json;

const SERVICE: &str = "/api/v1/namespaces/shop/services/web";

/// A rule `queue_depth` of these objects on a source with these settings.
fn config(source: &str, object: &str, value: &str) -> String {
    format!(
        "sources:\n  app: {{{source}, dangerAllowLoopback: true}}\nmetrics:\n  \
         - {{name: queue_depth, object: {object}, source: app, value: '{value}'}}\n"
    )
}

fn of(server: &Server, object: &str) -> String {
    server.metric(&format!("namespaces/shop/{object}/queue_depth")).values()
}

/// A cluster with a Service `web` of the pods of the app `web`.
fn cluster() -> Kubernetes {
    let kubernetes = Kubernetes::start();
    kubernetes.put(SERVICE, json!({"spec": {"selector": {"app": "web"}, "type": "ClusterIP"}}));
    kubernetes
}

/// The error for `queue_depth` of an object.
fn refusal(code: &str, object: &str, why: &str, value: &str) -> String {
    format!("{code}: queue_depth of {object} in namespace shop: {why}; the rule takes {value} from source app")
}

#[test]
fn one_number_of_all_pods_that_an_object_selects() {
    let (port, listeners) = bind(4);
    let pods: Vec<Upstream> = (1..)
        .zip(listeners)
        .map(|(n, listener)| {
            serving(listener, &format!("queue_depth{{queue=\"a\"}} {n}\nqueue_depth{{queue=\"b\"}} {n}0\n"))
        })
        .collect();
    let kubernetes = cluster();
    let other = with(pod(3), "/metadata/labels", json!({"app": "db"}));
    kubernetes.set(PODS, vec![pod(0), pod(1), pod(2), other]);
    let scale = json!({"kind": "Scale", "spec": {"replicas": 3}, "status": {"selector": "app in (web,none)"}});
    for path in ["deployments/web", "statefulsets/web", "replicasets/web"] {
        kubernetes.put(&format!("/apis/apps/v1/namespaces/shop/{path}/scale"), scale.clone());
    }
    let selector =
        json!({"spec": {"selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}]}}});
    kubernetes.put("/apis/apps/v1/namespaces/shop/daemonsets/web", selector.clone());
    kubernetes.put("/apis/batch/v1/namespaces/shop/jobs/web", selector);
    kubernetes.put("/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web/scale", scale.clone());
    kubernetes.put("/api/v1/namespaces/shop/replicationcontrollers/web/scale", scale);
    let kinds = "[services, deployments.apps, statefulsets.apps, replicasets.apps, daemonsets.apps, jobs.batch, \
                 replicationcontrollers, rollouts.argoproj.io, pods]";
    let text = config(&format!("pods: {{port: {port}}}"), kinds, "sum(queue_depth)");
    let text =
        text.replace("source: app,", "kind: Rollout, namespaced: true, apiVersion: argoproj.io/v1alpha1, source: app,");
    let server = server(&kubernetes, &text);
    for kind in [
        "services",
        "deployments.apps",
        "statefulsets.apps",
        "replicasets.apps",
        "replicationcontrollers",
        "rollouts.argoproj.io",
    ] {
        assert_eq!(of(&server, &format!("{kind}/web")), "web 66", "{kind}");
    }
    for kind in ["daemonsets.apps", "jobs.batch"] {
        assert_eq!(of(&server, &format!("{kind}/web")), "web 44", "{kind}");
    }
    // Each pod's own page, with the same rule.
    assert_eq!(of(&server, "pods/*"), "web-0 11, web-1 22, web-2 33, web-3 44");
    assert!(pods.iter().all(|pod| pod.requests() == 1), "a page is fetched once for all objects");
    let narrowed =
        server.metric("namespaces/shop/services/web/queue_depth?metricLabelSelector=queue%3Da,pod%21%3Dweb-0");
    assert_eq!(narrowed.values(), "web 5", "labels of pods are labels of series");
    assert_eq!(
        of(&server, "services/*"),
        "400 BadRequest: queue_depth of all services in namespace shop: each object has pods of its own, so * is not served; \
         ask for one by name"
    );
    assert_eq!(
        of(&server, "services/none"),
        "404 NotFound: queue_depth of services/none in namespace shop: there is no such object"
    );
    assert_eq!(
        of(&server, "rollouts.argoproj.io/none"),
        "404 NotFound: queue_depth of rollouts.argoproj.io/none in namespace shop: there is no such object, or its kind has no \
         scale subresource"
    );
    assert_eq!(server.own("metriclet_joined_pods_total{source=\"app\",outcome=\"succeeded\"}"), 23.0);
    assert_eq!(server.own("metriclet_joined_pods_total{source=\"app\",outcome=\"failed\"}"), 0.0);
}

#[test]
fn series_have_the_labels_of_service_discovery() {
    let (port, listeners) = bind(2);
    let page = "x{pod=\"mine\",namespace=\"theirs\",a=\"1\"} 1\nx{node=\"\",a=\"2\"} 2\n";
    let _pods: Vec<Upstream> = listeners.into_iter().map(|listener| serving(listener, page)).collect();
    let kubernetes = cluster();
    let containers = json!([{"name": "proxy"}, {"name": "app", "ports": [{"name": "metrics", "containerPort": port}]}]);
    let pods = (0..2)
        .map(|number| with(pod(number), "/spec", json!({"nodeName": format!("n{number}"), "containers": containers})));
    kubernetes.set(PODS, pods.collect());
    let values = [
        ("sum(x{pod=\"web-0\"})", "web 3"),
        ("sum(x{pod=\"mine\"})", "404"),
        ("sum(x{exported_pod=\"mine\"})", "web 2"),
        ("sum(x{exported_pod=\"\"})", "web 4"),
        ("sum(x{namespace=\"shop\",exported_namespace=~\"t.*\"})", "web 2"),
        ("sum(x{node!=\"n0\",exported_node=\"\"})", "web 3"),
        ("sum(x{container=\"app\"})", "web 6"),
        ("sum(x{instance=~\"127[.]0[.]0[.]2:.*\"})", "web 3"),
        ("max(sum by (pod) (x))", "web 3"),
        ("count(sum by (instance, node) (x))", "web 2"),
        ("count(x) - count(sum without (a, exported_pod, exported_namespace) (x))", "web 2"),
        ("sum(x{pod=\"web-0\",a=\"1\"}) / sum(x)", "web 167m"),
        ("x{pod=\"web-1\",a=\"2\"}", "web 2"),
        ("sum(topk by (pod) (1, x))", "web 4"),
        ("sum(x * on (pod) group_left () count by (pod) (x))", "web 12"),
        ("sum(x unless on (pod) x{node=\"n0\"})", "web 3"),
        ("sum(gone) or vector(7)", "web 7"),
        ("x{a=\"2\"}", "503"),
    ];
    let mut text = "sources:\n  app: {pods: {port: metrics}, dangerAllowLoopback: true}\nmetrics:\n".to_owned();
    for (number, (value, _)) in values.iter().enumerate() {
        text += &format!("  - {{name: m{number}, object: services, source: app, value: '{value}'}}\n");
    }
    let server = server(&kubernetes, &text);
    for (number, (value, expected)) in values.iter().enumerate() {
        let found = server.metric(&format!("namespaces/shop/services/web/m{number}")).values();
        assert_eq!(
            found.split(' ').take(expected.split(' ').count()).collect::<Vec<_>>().join(" "),
            *expected,
            "{value}: {found}"
        );
    }
}

#[test]
fn an_answer_is_complete_or_an_error() {
    let (port, listeners) = bind(5);
    let mut listeners = listeners.into_iter();
    let good: Vec<Upstream> = (0..3).map(|_| serving(listeners.next().unwrap(), "queue_depth 2\n")).collect();
    drop(listeners.next());
    let _malformed = serving(listeners.next().unwrap(), "queue_depth{ 1\n");
    let kubernetes = cluster();
    let gone = with(named("gone", "127.0.0.90"), "/metadata/deletionTimestamp", json!("2026-08-18T02:35:04Z"));
    let done = with(named("done", "127.0.0.91"), "/status/phase", json!("Succeeded"));
    let next = with(named("next", ""), "/status/phase", json!("Pending"));
    let quiet = [gone.clone(), done.clone(), next.clone()];
    let pods = |numbers: std::ops::Range<u8>| numbers.map(pod).chain(quiet.clone()).collect::<Vec<_>>();
    let source = format!("pods: {{port: {port}}}");
    let ask = |pods: Vec<serde_json::Value>, extra: &str| {
        kubernetes.set(PODS, pods);
        let text =
            config(&source, "services", "sum(queue_depth)").replace("source: app", &format!("source: app{extra}"));
        of(&server(&kubernetes, &text), "services/web")
    };
    let unavailable = |why: &str| refusal("503 ServiceUnavailable", "services/web", why, "sum(queue_depth)");
    // Pods that start or terminate are not required.
    assert_eq!(ask(pods(0..3), ""), "web 6");
    assert_eq!(
        ask(pods(0..4), ""),
        unavailable("not all running pods answered, 1 kind of failure: connect: connection refused")
    );
    let both = "answered malformed text: expected a label name, found \" 1\"; connect: connection refused";
    let message = ask(pods(0..5), "");
    assert!(message.contains("not all running pods answered, 2 kinds of failure: "), "{message} {both}");
    let no_port = with(named("other", "127.0.0.92"), "/spec/hostNetwork", json!(true));
    let message = ask([pods(0..3), vec![no_port]].concat(), "");
    let why = "it uses the host network; set hostNetwork: true to allow that";
    assert_eq!(message, unavailable(&format!("not all running pods answered, 1 kind of failure: {why}")));
    // The rule may accept a lower coverage.
    assert_eq!(ask(pods(0..4), ", minCoverage: 75%"), "web 6");
    assert_eq!(
        ask(pods(0..4), ", minCoverage: 76%"),
        unavailable("less than 76% of the running pods answered, 1 kind of failure: connect: connection refused")
    );
    assert_eq!(
        ask(pods(3..4), ", minCoverage: 1%"),
        unavailable("less than 1% of the running pods answered, 1 kind of failure: connect: connection refused")
    );
    // Without pods, there is no value, or not yet.
    let nothing =
        refusal("404 NotFound", "services/web", "no pod is selected that runs or is about to", "sum(queue_depth)");
    assert_eq!(ask(vec![gone.clone(), done.clone()], ""), nothing);
    assert_eq!(ask(vec![], ", onMissing: zero"), "web 0");
    assert_eq!(ask(vec![gone, done, next], ", onMissing: zero"), unavailable("none of the pods is running yet"));
    assert!(good.iter().all(|pod| pod.requests() > 0));
}

#[test]
fn a_slow_pod_fails_the_answer_and_get_says_so() {
    let (port, mut listeners) = bind(2);
    let gate = Gate::default();
    let closed = gate.clone();
    let _slow = Upstream::on(listeners.pop().unwrap(), move |_, _| closed.wait());
    let _good = serving(listeners.pop().unwrap(), "queue_depth 1\n");
    let kubernetes = cluster();
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let text = config(&format!("timeout: 300ms, pods: {{port: {port}}}"), "services", "sum(queue_depth)");
    let get = |text: &str| {
        let output =
            command(&kubernetes, text, &["get", "-v", "namespaces/shop/services/web/queue_depth"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, steps, _) = get(&text);
    assert_eq!(code, Some(69), "{steps}");
    assert!(steps.contains("not all running pods answered, 1 kind of failure: timeout: "), "{steps}");
    let (code, steps, table) = get(&text.replace("source: app", "source: app, minCoverage: 50%"));
    assert_eq!(code, Some(0), "{steps}");
    for line in
        ["pods     selected by app=web\n", "pods     2 are selected\n", "pods     1 of 2 running pods answered\n"]
    {
        assert!(steps.contains(line), "{line}: {steps}");
    }
    assert!(table.contains("Service/web   queue_depth   1 "), "{table}");
    gate.open();
}

#[test]
fn errors_of_the_kubernetes_api_are_reported() {
    let (port, listeners) = bind(1);
    let _pods: Vec<Upstream> = listeners.into_iter().map(|listener| serving(listener, "queue_depth 1\n")).collect();
    let kubernetes = cluster();
    kubernetes.set(PODS, vec![pod(0)]);
    let text = config(&format!("pods: {{port: {port}}}"), "[services, deployments.apps]", "sum(queue_depth)");
    let ask = |object: &str| of(&server(&kubernetes, &text), object);
    let unavailable = |object: &str, why: &str| refusal("503 ServiceUnavailable", object, why, "sum(queue_depth)");
    for selector in [json!({}), json!(null)] {
        kubernetes.put(SERVICE, json!({"spec": {"selector": selector}}));
        assert_eq!(ask("services/web"), unavailable("services/web", "the object has no selector of pods"));
    }
    kubernetes.put(SERVICE, json!({"spec": {"selector": {"app": 7}}}));
    let url = kubernetes.url();
    let message = ask("services/web");
    assert_eq!(
        message,
        unavailable("services/web", &format!("cannot get services: get to {url}: answered something unexpected"))
    );
    kubernetes.script(|_| Reply::Say(403, "{}".to_owned()));
    for (object, resource) in [("services/web", "services"), ("deployments.apps/web", "deployments.apps/scale")] {
        let why = format!("cannot get {resource}: RBAC does not grant Metriclet the verb get on {resource}");
        assert_eq!(ask(object), unavailable(object, &why));
    }
    let outside = Server::with_config(&text);
    let why = "pods need the Kubernetes API; outside a cluster name one with --kubeconfig";
    assert_eq!(of(&outside, "services/web"), unavailable("services/web", why));
}

#[test]
fn check_reports_rules_without_pods() {
    let check = |text: &str| run(&["check", file("metrics.yaml", text).to_str().unwrap()]);
    // One number for a Service, from its pods.
    let dcgm = "sources:\n  dcgm:\n    pods: {port: 18600}\nmetrics:\n  - name: gpu_util\n    object: services\n    \
                source: dcgm\n    value: max(DCGM_FI_DEV_GPU_UTIL)\n";
    assert_eq!(check(dcgm).0, 0);
    let (code, _, problems) = check(&config("pods: {port: 80}", "[services, ingresses.networking.k8s.io]", "sum(x)"));
    assert_eq!(code, 78);
    let expected = "object: ingresses.networking.k8s.io select no pods, and source \"app\" scrapes the pods that an object selects; a fixed set of pods may describe other objects: pods: {namespace: shop, selector: app=web, port: metrics}";
    assert!(problems.contains(expected), "{problems}");
    let (code, _, problems) =
        check(&config("pods: {port: 80}", "pods", "sum(x)").replace("source: app", "source: app, minCoverage: 80%"));
    assert_eq!(code, 78);
    assert!(problems.contains("minCoverage: applies to joined pages of several pods"), "{problems}");
    let part = config("pods: {port: 80}", "services", "sum(x)").replace("source: app", "source: app, minCoverage: 80%");
    let (code, _, problems) = check(&part);
    assert_eq!(code, 0, "{problems}");
    assert!(
        problems.contains("warning: minCoverage: below 100%, a value is served although some pods did not respond"),
        "{problems}"
    );
    for wrong in ["80", "0%", "101%", "-1%", "1.5%", "most"] {
        let (code, _, problems) = check(&part.replace("80%", wrong));
        assert!(code == 78 && problems.contains("minCoverage: expected 1% to 100%, found"), "{wrong}: {problems}");
    }
}

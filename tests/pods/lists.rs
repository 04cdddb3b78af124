//! The list of pods from the Kubernetes API.

use super::*;

#[test]
fn selectors_of_other_kinds_select_by_name() {
    let page = Upstream::text(
        "queue_depth{service=\"web\"} 1\nqueue_depth{service=\"db\"} 2\nqueue_depth{service=\"gone\"} 3\n",
    );
    let text = format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop]}}\nmetrics:\n  \
         - {{name: queue_depth, object: services, source: app}}\n",
        page.url()
    );
    const SERVICES: &str = "/api/v1/namespaces/shop/services";
    let kubernetes = Kubernetes::start();
    let service = |name: &str| json!({"metadata": {"name": name, "labels": {"tier": name}}});
    kubernetes.set(SERVICES, vec![service("web"), service("db"), service("mute")]);
    let server = server(&kubernetes, &text);
    let ask = |selector: &str| {
        server.metric(&format!("namespaces/shop/services/*/queue_depth?labelSelector={selector}")).values()
    };
    assert_eq!(ask(""), "db 2, gone 3, web 1");
    assert!(kubernetes.lists(SERVICES).is_empty(), "an empty selector needs no list");
    assert_eq!(ask("tier%20in%20(web,mute)"), "web 1");
    let call = kubernetes.lists(SERVICES).remove(0);
    assert!(call.header("accept").unwrap().starts_with("application/json;as=PartialObjectMetadataList;"));
    assert!(call.path.contains("resourceVersion=0") && call.path.contains("limit=500"), "{}", call.path);
    assert_eq!(
        ask("tier%3Dnone"),
        "404 NotFound: queue_depth of all services in namespace shop: the matching series on the page describe other objects; \
         the rule takes queue_depth from source app",
        "an empty list is null"
    );
    kubernetes.script(|_| Reply::Say(403, "{}".to_owned()));
    assert_eq!(
        ask("tier%3Ddb"),
        "503 ServiceUnavailable: queue_depth of all services in namespace shop: cannot list services: RBAC does not grant Metriclet the verb list on services; the rule takes queue_depth from source app"
    );
}

#[test]
fn invalid_lists_are_rejected() {
    let (port, _pods) = numbers(3);
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, (0..3).map(pod).collect());
    let mut server = server(&kubernetes, &config(&format!("pods: {{port: {port}}}"), "queue_depth"));
    let list = |kind: &str, items: Vec<serde_json::Value>| {
        Reply::Say(200, json!({"kind": kind, "apiVersion": "v1", "metadata": {}, "items": items}).to_string())
    };
    // It ignores the requested name.
    let every_pod = list("PodList", (0..3).map(pod).collect());
    kubernetes.script(move |_| every_pod.clone());
    assert_eq!(one(&server, "web-1"), "web-1 1");
    assert_eq!(
        one(&server, "web-7"),
        "404 NotFound: queue_depth of pods/web-7 in namespace shop: there is no such object"
    );
    let url = kubernetes.url();
    let cannot = |what: &str| {
        format!(
            "503 ServiceUnavailable: queue_depth of all pods in namespace shop: cannot list pods: {what}; the rule takes \
             queue_depth from source app"
        )
    };
    let else_ = cannot(&format!("list to {url}: answered something unexpected"));
    let answers = [
        (list("ServiceList", (0..3).map(pod).collect()), else_.clone()),
        (Reply::Say(200, "{\"kind\":\"PodList\",\"items\":[{]".to_owned()), else_.clone()),
        (Reply::Say(200, String::new()), else_.clone()),
        (Reply::Say(200, "[]".to_owned()), else_),
        (Reply::Say(403, "{}".to_owned()), cannot("RBAC does not grant Metriclet the verb list on pods")),
        (Reply::Say(404, "{}".to_owned()), cannot(&format!("list to {url}: answered 404"))),
    ];
    for (number, (reply, expected)) in answers.into_iter().enumerate() {
        kubernetes.script(move |_| reply.clone());
        // A new selector causes a list that is not cached.
        assert_eq!(all(&server, &format!("n%3D{number}")), expected);
    }
    // Logged once, for any failure.
    server.wait_for("WARN  cannot list pods in namespace shop: list to ");
    // It fails once.
    let mut answers = vec![Reply::Drop, Reply::Say(500, "{}".to_owned())].into_iter();
    kubernetes.script(move |_| answers.next().unwrap_or(Reply::Good));
    assert_eq!(all(&server, "app%3Dweb"), "web-0 0, web-1 1, web-2 2");
    server.wait_for("the Kubernetes API lists pods in namespace shop again");
    assert_eq!(server.seen.iter().filter(|line| line.contains("cannot list pods in")).count(), 1, "{:#?}", server.seen);
    // It does not respond.
    let gate = Gate::default();
    let closed = gate.clone();
    kubernetes.script(move |_| Reply::Late(closed.clone()));
    assert_eq!(all(&server, "app%20in%20(web)"), cannot(&format!("list to {url}: timeout")));
    gate.open();
}

/// Rights may be granted in some namespaces only: each has its own state in the log.
#[test]
fn a_namespace_without_rights_is_logged_once() {
    let (port, _pods) = numbers(1);
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0)]);
    kubernetes.script(|call| match call.path.contains("/namespaces/bank/") {
        true => Reply::Say(403, "{}".to_owned()),
        false => Reply::Good,
    });
    let mut server = server(&kubernetes, &config(&format!("cache: 0s, pods: {{port: {port}}}"), "queue_depth"));
    // New selectors, so that no list is cached.
    for selector in ["", "app%3Dweb", "app%20in%20(web)"] {
        assert_eq!(all(&server, selector), "web-0 0");
        let bank = server.metric(&format!("namespaces/bank/pods/*/queue_depth?labelSelector={selector}"));
        assert_eq!(bank.code, 503);
    }
    server.signal("INT");
    server.wait_for("stopping");
    let lines: Vec<_> =
        server.seen.iter().filter(|line| line.contains("list pods in") || line.contains("lists pods in")).collect();
    assert!(
        matches!(lines.as_slice(), [line] if line.contains("WARN  cannot list pods in namespace bank: ")),
        "{lines:?}"
    );
}

#[test]
fn an_expired_list_is_requested_again() {
    let (port, _pods) = numbers(3);
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, (0..3).map(pod).collect());
    let server = server(&kubernetes, &config(&format!("pods: {{port: {port}}}"), "queue_depth"));
    let first =
        json!({"kind": "PodList", "metadata": {"continue": "next"}, "items": [pod(0), named("old", "127.0.0.2")]});
    let mut begun = 0;
    kubernetes.script(move |call| match (call.path.contains("continue="), begun) {
        (true, _) => Reply::Say(410, "{}".to_owned()),
        (false, 0) => {
            begun += 1;
            Reply::Say(200, first.to_string())
        }
        (false, _) => Reply::Good,
    });
    assert_eq!(all(&server, ""), "web-0 0, web-1 1, web-2 2");
    let again = json!({"kind": "PodList", "metadata": {"continue": "next"}, "items": []}).to_string();
    kubernetes.script(move |call| match call.path.contains("continue=") {
        true => Reply::Say(410, "{}".to_owned()),
        false => Reply::Say(200, again.clone()),
    });
    let gone = all(&server, "app%3Dweb");
    assert!(gone.contains("cannot list pods: list to") && gone.contains("answered 410;"), "{gone}");
    arrived(&kubernetes, &format!("{PODS}?resourceVersion=0&limit=500&labelSelector=app%3Dweb"), 2);
}

#[test]
fn without_a_kubernetes_api_there_are_no_pods() {
    let text = config("pods: {port: 80}", "queue_depth");
    let path = file("metrics.yaml", &text);
    let mut command = metriclet(&["get", "namespaces/shop/pods/*/queue_depth", "--config"]);
    let output = command.arg(path).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("pods need the Kubernetes API; outside a cluster name one with --kubeconfig"), "{said}");
}

/// Hanging lists count against the Kubernetes API: other rules of the same source are served meanwhile.
#[test]
fn hanging_lists_do_not_block_their_source() {
    let (port, _pods) = numbers(1);
    let page = Upstream::text("load 7\n");
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0)]);
    let config = format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop], cache: 0s}}\n  pods: {{pods: {{port: {port}}}, dangerAllowLoopback: true}}\nmetrics:\n  \
         - {{name: queue_depth, object: pods, source: pods, value: queue_depth}}\n  \
         - {{name: load, object: services, source: app, describes: {{namespace: shop, name: web}}}}\n",
        page.url()
    );
    let server = server(&kubernetes, &config);
    let gate = Gate::default();
    let held = gate.clone();
    let lists = Arc::new(AtomicUsize::new(0));
    let count = lists.clone();
    kubernetes.script(move |call| {
        if !call.path.starts_with(PODS) {
            return Reply::Good;
        }
        count.fetch_add(1, Ordering::SeqCst);
        Reply::Late(held.clone())
    });
    // More lists, each with another selector, than there are workers.
    let path = |n| format!("namespaces/shop/pods/*/queue_depth?labelSelector=app%20in%20(web,x{n})");
    let callers: Vec<_> = (0..40).map(|n| server.ask(&path(n))).collect();
    eventually(|| match lists.load(Ordering::SeqCst) {
        8 => Ok(()),
        other => Err(format!("{other} lists are on their way")),
    });
    for _ in 0..10 {
        assert_eq!(server.metric("namespaces/shop/services/web/load").values(), "web 7");
    }
    assert_eq!(lists.load(Ordering::SeqCst), 8, "lists occupy at most half of the workers");
    gate.open();
    drop(callers);
}

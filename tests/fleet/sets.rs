//! A fixed set of pods, whose pages may describe other objects.

use super::*;

const MONITORING: &str = "/api/v1/namespaces/gpu-operator/pods";

/// Two exporters in the namespace `gpu-operator`, whose pages describe pods in other namespaces.
fn exporters(pages: [&str; 2]) -> (Kubernetes, u16, Vec<Upstream>) {
    let (port, listeners) = bind(2);
    let pods = listeners.into_iter().zip(pages).map(|(listener, page)| serving(listener, page)).collect();
    let kubernetes = Kubernetes::start();
    let labelled = |number| with(pod(number), "/metadata/labels", json!({"app": "dcgm"}));
    kubernetes.set(MONITORING, vec![labelled(0), labelled(1), named("other", "127.0.0.77")]);
    (kubernetes, port, pods)
}

fn source(port: u16, extra: &str) -> String {
    format!("pods: {{namespace: gpu-operator, selector: 'app in (dcgm)', port: {port}}}{extra}")
}

#[test]
fn pages_of_a_set_describe_other_objects() {
    let (kubernetes, port, pods) = exporters([
        "util{namespace=\"ml\",pod=\"train-0\",gpu=\"0\"} 90\nutil{namespace=\"ml\",pod=\"train-0\",gpu=\"1\"} 80\nutil{namespace=\"\",pod=\"\",gpu=\"2\"} 1\n",
        "util{namespace=\"ml\",pod=\"train-1\",gpu=\"0\"} 70\nutil{namespace=\"hr\",pod=\"train-0\",gpu=\"1\"} 60\nutil{namespace=\"ml\",pod=\"train-0\",gpu=\"3\"} 95\n",
    ]);
    let text = config(&source(port, ", namespaces: [ml, gpu-operator]"), "pods", "max(util)");
    let server = server(&kubernetes, &text);
    let ask = |path: &str| server.metric(&format!("namespaces/{path}/queue_depth")).values();
    assert_eq!(ask("ml/pods/*"), "train-0 95, train-1 70");
    assert_eq!(ask("ml/pods/train-0"), "train-0 95", "of both pages");
    // Series that name no pod describe the exporter itself, in its own namespace.
    assert_eq!(ask("gpu-operator/pods/*"), "web-0 1");
    assert_eq!(
        ask("hr/pods/train-0"),
        "404 NotFound: queue_depth of pods/train-0 in namespace hr: source app may not describe objects of this namespace; \
         its namespaces: in the configuration says which"
    );
    assert!(pods.iter().all(|pod| pod.requests() == 1));
    let narrowed = server.metric("namespaces/ml/pods/train-0/queue_depth?metricLabelSelector=pod%3Dweb-0").values();
    assert_eq!(narrowed, "train-0 90");
}

#[test]
fn a_set_describes_its_own_namespace_by_default() {
    let (kubernetes, port, _pods) = exporters([
        "depth{service=\"web\"} 1\ndepth{service=\"web\",namespace=\"shop\"} 100\n",
        "depth{service=\"web\"} 2\n",
    ]);
    let by_default = server(&kubernetes, &config(&source(port, ""), "services", "sum(depth)"));
    let of = |server: &Server, namespace: &str| {
        server.metric(&format!("namespaces/{namespace}/services/web/queue_depth")).values()
    };
    assert_eq!(of(&by_default, "gpu-operator"), "web 3");
    assert!(
        of(&by_default, "shop")
            .starts_with("404 NotFound: queue_depth of services/web in namespace shop: source app may not")
    );
    let told = server(&kubernetes, &config(&source(port, ", namespaces: [shop]"), "services", "sum(depth)"));
    assert_eq!(of(&told, "shop"), "web 100");
    let text = config(&source(port, ", namespaces: [shop]"), "services", "sum(depth)");
    let text = text.replace("source: app", "source: app, namespaceLabel: none");
    assert_eq!(of(&server(&kubernetes, &text), "shop"), "web 103");
    // One object in the configuration.
    let text = config(&source(port, ", namespaces: [shop]"), "services", "max(depth)");
    let text = text.replace("source: app", "source: app, describes: {namespace: shop, name: web}");
    assert_eq!(of(&server(&kubernetes, &text), "shop"), "web 100");
}

#[test]
fn external_metrics_of_a_set() {
    let (kubernetes, port, _pods) =
        exporters(["depth{queue=\"a\"} 1\ndepth{queue=\"b\",namespace=\"shop\"} 5\n", "depth{queue=\"a\"} 2\n"]);
    let text = |rule: &str| {
        config(&source(port, ", namespaces: [shop, gpu-operator]"), "pods", "x")
            .replace("object: pods, source: app, value: 'x'", &format!("external: true, source: app, {rule}"))
    };
    let ask = |rule: &str, namespace: &str| {
        let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/queue_depth");
        let answer = server(&kubernetes, &text(rule)).get(&path);
        match answer.code {
            200 => {
                let list: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
                let item =
                    |item: &serde_json::Value| format!("{} {}", item["metricLabels"], item["value"].as_str().unwrap());
                list["items"].as_array().unwrap().iter().map(item).collect::<Vec<_>>().join(", ")
            }
            _ => answer.status(),
        }
    };
    assert_eq!(ask("value: 'sum by (queue) (depth)'", "shop"), "{\"queue\":\"b\"} 5");
    assert_eq!(ask("value: 'sum by (queue) (depth)'", "gpu-operator"), "{\"queue\":\"a\"} 3");
    let all = "value: 'max by (queue) (depth)', namespaceLabel: none";
    assert_eq!(ask(all, "shop"), "{\"queue\":\"a\"} 2, {\"queue\":\"b\"} 5");
    assert_eq!(
        ask("value: 'sum by (pod, exported_namespace) (depth)', namespaceLabel: none", "shop"),
        "{\"pod\":\"web-0\"} 1, {\"exported_namespace\":\"shop\",\"pod\":\"web-0\"} 5, {\"pod\":\"web-1\"} 2"
    );
    // A pod that does not respond is an error.
    let listed = with(named("dead", "127.0.0.78"), "/metadata/labels", json!({"app": "dcgm"}));
    kubernetes.set(MONITORING, vec![with(pod(0), "/metadata/labels", json!({"app": "dcgm"})), listed]);
    assert_eq!(
        ask(all, "shop"),
        "503 ServiceUnavailable: external metric queue_depth in namespace shop: not all running pods answered, 1 kind of \
         failure: connect: connection refused; the rule takes max by (queue) (depth) from source app"
    );
    kubernetes.set(MONITORING, vec![]);
    assert_eq!(
        ask(all, "shop"),
        "404 NotFound: external metric queue_depth in namespace shop: no pod is selected that runs or is about to; the rule \
         takes max by (queue) (depth) from source app"
    );
    assert_eq!(ask(&format!("{all}, onMissing: zero"), "shop"), "{} 0");
}

#[test]
fn pages_of_other_formats_are_joined_too() {
    let (port, listeners) = bind(2);
    let pages = [
        "{\"depth\": 3, \"queues\": [{\"n\": \"a\", \"d\": 1}]}",
        "{\"depth\": 4, \"queues\": [{\"n\": \"b\", \"d\": 2}]}",
    ];
    let json_page = |listener, body: &'static str| {
        Upstream::on(listener, move |_, stream| {
            let _ = std::io::Write::write_all(stream, &common::upstream::page("application/json", body));
        })
    };
    let _pods: Vec<Upstream> =
        listeners.into_iter().zip(pages).map(|(listener, page)| json_page(listener, page)).collect();
    let kubernetes = cluster();
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let of_service = |value: &str| {
        let text = config(&format!("pods: {{port: {port}}}"), "services", value);
        of(&server(&kubernetes, &text), "services/web")
    };
    assert_eq!(of_service("sum($.depth)"), "web 7");
    assert_eq!(of_service("max($.queues[*].d)"), "web 2");
    assert!(of_service("$.depth").contains("several values match; wrap it in sum(), max(), min() or avg()"));
    kubernetes.set("/api/v1/namespaces/gpu-operator/pods", vec![pod(0), pod(1)]);
    let set = format!("pods: {{namespace: gpu-operator, selector: app=web, port: {port}}}, namespaces: [shop]");
    let text =
        config(&set, "services", "$.d").replace("source: app", "source: app, items: '$.queues[*]', nameFrom: $.n");
    let server = server(&kubernetes, &text);
    assert_eq!(of(&server, "services/*"), "a 1, b 2");
}

#[test]
fn rejects_invalid_sets() {
    let check = |pods: &str, rest: &str| {
        let text = config(&format!("pods: {{{pods}, port: 80}}"), "services", "sum(x)")
            .replace("source: app", &format!("source: app{rest}"));
        let (code, _, problems) = run(&["check", file("metrics.yaml", &text).to_str().unwrap()]);
        (code, problems)
    };
    for (pods, rest, expected) in [
        ("namespace: shop", "", "selector: required: a fixed set of pods has both namespace: and selector:"),
        ("selector: app=web", "", "namespace: required: a fixed set of pods has both namespace: and selector:"),
        ("namespace: Shop, selector: app=web", "", "namespace: expected a namespace, found \"Shop\""),
        (
            "namespace: shop, selector: ' '",
            "",
            "selector: expected a label selector such as app=web, found one that selects all pods",
        ),
        ("namespace: shop, selector: 'app in'", "", "selector: unable to parse requirement"),
        (
            "namespace: shop, selector: app=web",
            ", describes: {namespace: mail, name: web}",
            "describes: \"mail\" is not among the namespaces of source \"app\"",
        ),
    ] {
        let (code, problems) = check(pods, rest);
        assert!(code == 78 && problems.contains(expected), "{pods}: {problems}");
    }
    assert_eq!(check("namespace: shop, selector: app=web", "").0, 0);
    let (code, problems) = check("namespace: shop, selector: app=web", ", external: true");
    assert_eq!(code, 78, "{problems}");
    let wide = "sources:\n  a: {pods: {namespace: m, selector: app=x, port: 80}, namespaces: ['*']}\nmetrics:\n  \
                - {name: n, object: services, source: a}\n";
    let (code, _, problems) = run(&["check", file("metrics.yaml", wide).to_str().unwrap()]);
    assert_eq!(code, 0, "{problems}");
    assert!(problems.contains("lets the program that serves this page scale objects of every namespace"), "{problems}");
}

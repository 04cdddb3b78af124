//! Requests that no rule serves go to another adapter: the forwarded requests, the responses, and the effects of failures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "../common/mod.rs"]
mod common;
mod discovery;
mod failures;
mod other;
mod shadow;

use common::kubernetes::{Kubernetes, ask};
use common::secure::client_config;
use common::upstream::Upstream;
use common::{Server, file, run};
use other::{Other, custom, external, page};
use serde_json::json;

const YAML: &str = "Accept: application/yaml\r\n";
const PROTOBUF: &str = "Accept: application/vnd.kubernetes.protobuf\r\n";

#[test]
fn values_are_served_in_the_requested_version_and_encoding() {
    let other = Other::start();
    let items = r#"[{"describedObject":{"kind":"Pod","namespace":"shop","name":"web-0","apiVersion":"/v1"},"metric":{"name":"busy","selector":null},"timestamp":"2026-08-18T02:35:04Z","windowSeconds":60,"value":"1500m"}]"#;
    other.says(
        "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/busy?labelSelector=app%3Dweb",
        200,
        &custom("v1beta2", items),
    );
    let source = page();
    let server = other.server(&source, "");
    let path = "namespaces/shop/pods/*/busy?labelSelector=app%3Dweb";
    let metric = |version: &str, headers: &str| {
        server.request("GET", &format!("/apis/custom.metrics.k8s.io/{version}/{path}"), headers)
    };
    let same = json!({
        "kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": {},
        "items": serde_json::from_str::<serde_json::Value>(items).unwrap(),
    });
    assert_eq!(metric("v1beta2", "").json(), same);
    let older = metric("v1beta1", "").json();
    let item = &older["items"][0];
    assert_eq!(older["apiVersion"], "custom.metrics.k8s.io/v1beta1");
    assert_eq!((&item["metricName"], &item["window"]), (&json!("busy"), &json!(60)));
    assert!(metric("v1beta2", YAML).body.contains("value: 1500m"));
    assert_eq!(metric("v1beta2", PROTOBUF).values(), "web-0 1500m");
    // A rule takes precedence over the other adapter.
    assert_eq!(server.metric("namespaces/shop/services/web/depth").values(), "web 42");
    assert!(other.asked("depth").is_empty());
    let counted = r#"metriclet_forwarded_requests_total{group="custom.metrics.k8s.io",code="200"}"#;
    assert!(server.own(counted) >= 1.0);
}

#[test]
fn an_adapter_is_requested_in_a_version_that_it_serves() {
    let other = Other::start();
    other.serves_only_the_first_version();
    other.says(
        "/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/metrics/quota?metricLabelSelector=tier%20in%20%28a%2Cb%29",
        200,
        &custom(
            "v1beta1",
            r#"[{"describedObject":{"kind":"Namespace","name":"shop","apiVersion":"/v1"},"metricName":"quota","timestamp":"2026-08-18T02:35:04Z","value":"7","selector":null}]"#,
        ),
    );
    let source = page();
    let server = other.server(&source, "");
    let answer = server.metric("namespaces/shop/metrics/quota?metricLabelSelector=tier+in+%28b%2Ca%29");
    assert_eq!(answer.values(), "shop 7");
    let selector = json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]});
    assert_eq!(answer.json()["items"][0]["metric"], json!({"name": "quota", "selector": selector}));
}

#[test]
fn external_metrics_have_a_separate_adapter() {
    let other = Other::start();
    let items = r#"[{"metricName":"s0-Lag","metricLabels":{},"timestamp":"2026-08-18T02:35:04Z","value":"1Ki"}]"#;
    let path =
        "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/s0-lag?labelSelector=scaledobject.keda.sh%2Fname%3Dweb";
    other.says(path, 200, &external(items));
    let source = page();
    let server = other.server(&source, "");
    let list = server.get(path).json();
    assert_eq!((&list["items"][0]["metricName"], &list["items"][0]["value"]), (&json!("s0-Lag"), &json!("1024")));
    // Only one group is forwarded.
    let config = format!("forward: {{external: {}}}\n", other.adapter());
    let server = other.with_config(&config);
    assert_eq!(server.get(path).code, 200);
    let none = server.metric("namespaces/shop/services/web/depth").values();
    assert_eq!(none, "404 NotFound: depth of services/web in namespace shop: no rule is configured for it");
}

#[test]
fn only_names_that_are_listed_are_forwarded() {
    let other = Other::start();
    let source = page();
    let server = other.server(&source, ", metrics: [http_*, busy]");
    let get = |metric: &str| server.metric(&format!("namespaces/shop/pods/web-0/{metric}")).code;
    assert_eq!([get("http_requests"), get("busy"), get("busier")], [404, 404, 404]);
    assert_eq!((other.asked("http_requests").len(), other.asked("busy").len()), (1, 1));
    assert!(other.asked("busier").is_empty());
    let external = server.get("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/HTTP_Errors");
    assert_eq!(
        (external.code, other.asked("HTTP_Errors").len()),
        (404, 1),
        "clients send external names in lower case"
    );
}

#[test]
fn namespaces_and_objects_that_no_rule_serves_are_forwarded() {
    let other = Other::start();
    let source = Upstream::text("depth 42\nlag 7\n");
    let config = format!(
        "sources:\n  page: {{url: '{}', namespaces: [shop]}}\nmetrics:\n  \
         - {{name: depth, object: services, source: page, describes: {{namespace: shop, name: web}}}}\n  \
         - {{name: lag, external: true, source: page}}\nforward: {{to: {}, external: {}}}\n",
        source.url(),
        other.adapter(),
        other.adapter()
    );
    let server = other.with_config(&config);
    assert_eq!(server.metric("namespaces/shop/services/web/depth").values(), "web 42");
    assert_eq!(server.get("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/lag").code, 200);
    assert!(other.asked("depth").is_empty() && other.asked("lag").is_empty());
    for path in ["shop/services/api/depth", "bank/services/web/depth"] {
        assert_eq!(server.metric(&format!("namespaces/{path}")).code, 404);
    }
    assert_eq!(server.get("/apis/external.metrics.k8s.io/v1beta1/namespaces/bank/lag").code, 404);
    assert_eq!((other.asked("depth").len(), other.asked("lag").len()), (2, 1));
}

/// The caller's rights are reviewed first, and none of its headers are forwarded.
#[test]
fn requests_are_authorized_and_sent_with_our_own_identity() {
    let (other, kubernetes) = (Other::start(), Kubernetes::start());
    kubernetes.token("jane-token", json!({"username": "jane", "groups": ["system:authenticated"]}));
    kubernetes.policy(|spec| json!({"allowed": spec["resourceAttributes"]["namespace"] == "shop"}));
    let config = format!("forward: {{to: {}}}\n", other.adapter());
    let secure = kubernetes.secure(&config, &[]);
    let mut stream = secure.client_of(client_config(None)).connect();
    let headers = "Authorization: Bearer jane-token\r\nImpersonate-User: root\r\nX-Remote-User: root\r\nCookie: c\r\n";
    let path = |namespace: &str| format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{namespace}/pods/a/busy");
    assert_eq!(ask(&mut stream, "GET", &path("bank"), headers).code, 403);
    assert!(other.asked("busy").is_empty());
    assert_eq!(ask(&mut stream, "GET", &path("shop"), headers).code, 404);
    let call = other.asked("busy").remove(0);
    assert_eq!(call.header("authorization"), Some("Bearer own-token"));
    assert_eq!(call.header("via"), Some("1.1 metriclet"));
    let known = ["accept", "accept-encoding", "authorization", "connection", "host", "user-agent", "via"];
    assert!(call.headers.iter().all(|(name, _)| known.contains(&name.as_str())), "{:?}", call.headers);
}

#[test]
fn commands_show_what_is_forwarded() {
    let other = Other::start();
    other.says(
        "/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/pods/web-0/busy",
        200,
        &custom(
            "v1beta1",
            r#"[{"describedObject":{"kind":"Pod","namespace":"shop","name":"web-0","apiVersion":"/v1"},"metricName":"busy","timestamp":"2026-08-18T02:35:04Z","value":"3","selector":null}]"#,
        ),
    );
    let source = page();
    let config = file("metrics.yaml", &other.config(&source, ", metrics: [busy]"));
    let config = config.to_str().unwrap();
    let (code, printed, _) = run(&["check", config]);
    let url = other.url();
    let expected = format!(
        "{config}: 1 rule on 1 source; forwards other metrics \"busy\" to {url}, other external metrics \"busy\" to {url}; no errors, no warnings\n"
    );
    assert_eq!((code, printed), (0, expected));
    let kubeconfig = other.kubeconfig();
    let get = ["get", "-v", "--config", config, "--kubeconfig", kubeconfig.to_str().unwrap()];
    let (code, printed, events) = run(&[&get[..], &["namespaces/shop/pods/web-0/busy"]].concat());
    assert_eq!(code, 0, "{events}");
    assert!(printed.contains("Pod/web-0   busy     3"), "{printed}");
    let path = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/pods/web-0/busy";
    assert_eq!(events, format!("forward  to {url}: {path}\nforward  answer: 1 value\n"));
    let (_, printed, _) = run(&[&get[..], &["/apis/custom.metrics.k8s.io/v1beta2"]].concat());
    assert!(printed.contains("\"pods/busy\"") && printed.contains("services/depth"), "{printed}");
    let (code, printed, _) = run(&["rbac", "--config", config]);
    assert_eq!(code, 0);
    let rules = "rules:\n  - apiGroups: [custom.metrics.k8s.io]\n    resources: ['*/busy']\n    verbs: [get]\n  \
                 - apiGroups: [custom.metrics.k8s.io]\n    resources: [metrics]\n    resourceNames: [busy]\n    verbs: [get]\n  \
                 - apiGroups: [external.metrics.k8s.io]\n    resources: [busy]\n    verbs: [list]\n";
    assert!(printed.contains(rules), "{printed}");
}

#[test]
fn the_status_page_shows_other_adapters() {
    let other = Other::start();
    let source = page();
    let server = other.server(&source, "");
    server.metric("namespaces/shop/pods/web-0/busy");
    let report = server.get("/status.json").json();
    let adapter = &report["adapters"][0];
    assert_eq!((&adapter["name"], &adapter["isFailing"]), (&json!(other.url()), &json!(false)));
    assert_eq!((&adapter["metrics"], &adapter["group"]), (&json!(2), &json!("custom.metrics.k8s.io")));
    assert_eq!(adapter["requests"][0]["error"]["code"], 404);
    assert_eq!(report["unserved"], json!([]));
    let html = server.get("/status").body;
    assert!(html.contains("<h2>Forwarded</h2>") && html.contains("lists 2 metrics"), "{html}");
    other.hangs_up();
    server.metric("namespaces/shop/pods/web-1/busy");
    let report = server.get("/status.json").json();
    // A report is cached for a second.
    let failing = || server.get("/status.json").json()["adapters"][0]["error"]["message"].clone();
    let message = "closed the connection before the end of the response head";
    common::secure::eventually(|| if failing() == message { Ok(()) } else { Err(report.to_string()) });
}

#[test]
fn problems_of_forward_break_the_configuration() {
    for (config, expected) in [
        (
            "forward: {}\n",
            "1:10: error: forward: expected to: for metrics of objects, or external: for external metrics",
        ),
        ("forward: {to: {service: a, namespace: b}}\n", "to: caFile: required"),
        (
            "forward: {to: {service: a, namespace: b, caFile: c, insecureSkipTLSVerify: true}}\n",
            "insecureSkipTLSVerify: excludes caFile:",
        ),
        (
            "forward: {to: {service: A, namespace: b, caFile: c}}\n",
            "service: expected the name of a service, found \"A\"",
        ),
        ("forward: {to: {service: a, caFile: c}}\n", "namespace: required"),
        (
            "forward: {to: {service: a, namespace: b, port: 0, caFile: c}}\n",
            "port: expected a number from 1 to 65535, found \"0\"",
        ),
        ("forward: {to: {url: 'http://a', caFile: c}}\n", "url: expected https://HOST:PORT without a path"),
        ("forward: {to: {url: 'https://a/apis', caFile: c}}\n", "url: expected https://HOST:PORT without a path"),
        ("forward: {to: {url: 'https://a', service: b, caFile: c}}\n", "service: excluded by url:"),
        (
            "forward: {to: {service: a, namespace: b, caFile: c, timeout: 5s}}\n",
            "timeout: expected at most 4s, found \"5s\"",
        ),
        ("forward: {To: {}}\n", "forward: unknown key \"To\"; did you mean to?"),
        ("forward: {to: {service: a, namespace: b, caFile: c}, metrics: '*'}\n", "metrics: expected a list such as"),
        (
            "forward: {to: {service: a, namespace: b, caFile: c}, metrics: [a/b]}\n",
            "metrics: expected the name of a metric",
        ),
        ("sources: {}\nmetrics: []\nshadow: true\n", "3:9: error: shadow: needs forward:"),
        ("sources: {}\n", "metrics: required"),
    ] {
        let (code, _, problems) = run(&["check", file("metrics.yaml", config).to_str().unwrap()]);
        assert!(code == 78 && problems.contains(expected), "{config}{code} {problems}");
    }
    let insecure = "forward: {to: {service: a, namespace: b, insecureSkipTLSVerify: true}}\n";
    let (code, printed, problems) = run(&["check", file("metrics.yaml", insecure).to_str().unwrap()]);
    assert!(code == 0 && problems.contains("warning: insecureSkipTLSVerify: a host on the way"), "{problems}");
    assert!(
        printed.ends_with("no rules on no sources; forwards other metrics to b/a; no errors, 1 warning\n"),
        "{printed}"
    );
    let rule = "sources: {p: {url: 'http://a.b.svc/', namespaces: [c], single: true}}\n\
                forward: {to: {service: a, namespace: b, caFile: c}}\n\
                metrics: [{name: m, external: true, source: p, shadow: true}]\n";
    let (code, _, problems) = run(&["check", file("metrics.yaml", rule).to_str().unwrap()]);
    assert!(code == 78 && problems.contains("shadow: needs forward: with external:"), "{problems}");
}

/// Two servers that forward to each other do not loop.
#[test]
fn a_request_is_forwarded_once() {
    let other = Other::start();
    let source = page();
    let server = other.server(&source, "");
    let via = "Via: 1.0 proxy, 1.1 metriclet\r\n";
    let path = "/apis/custom.metrics.k8s.io/v1beta2";
    let answer = server.request("GET", &format!("{path}/namespaces/shop/pods/web-0/busy"), via);
    let expected = "503 ServiceUnavailable: busy: a request that Metriclet forwarded came back to Metriclet; to: under \
                    forward: leads to a Metriclet that forwards it again";
    assert_eq!(answer.values(), expected);
    assert!(other.asked("busy").is_empty());
    let own = server.request("GET", &format!("{path}/namespaces/shop/services/web/depth"), via);
    assert_eq!(own.values(), "web 42");
    let listed = |headers: &str| server.request("GET", path, headers).json()["resources"].as_array().unwrap().len();
    assert_eq!((listed(via), listed("")), (1, 3));
}

#[test]
fn nothing_is_forwarded_to_our_own_service() {
    let kubernetes = Kubernetes::start();
    kubernetes.token("master-token", json!({"username": "root", "groups": ["system:masters"]}));
    let config = "forward: {to: {service: adapter, namespace: metrics, insecureSkipTLSVerify: true}}\n";
    let ca = file("ca.crt", &common::secure::SERVING.pem());
    let peers = ["--peer-service", "metrics/adapter", "--peer-ca-file", ca.to_str().unwrap()];
    let secure = kubernetes.secure(config, &peers);
    let mut stream = secure.client_of(client_config(None)).connect();
    let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/a/busy";
    let answer = ask(&mut stream, "GET", path, "Authorization: Bearer master-token\r\n").values();
    assert_eq!(
        answer,
        "503 ServiceUnavailable: busy of pods/a in namespace shop: adapter metrics/adapter not requested, because it is Metriclet's own Service; forward: needs that of another adapter; no rule serves it, so it is forwarded"
    );
}

/// A broken rule does not replace the adapter that served its metric before.
#[test]
fn metrics_of_broken_rules_are_forwarded() {
    let other = Other::start();
    let source = page();
    let config = other.config(&source, "").replace("value: sum(depth)", "value: 'sum(depth'");
    let server: Server = other.with_config(&config);
    assert_eq!(server.metric("namespaces/shop/services/web/depth").code, 404);
    assert_eq!(other.asked("depth").len(), 1);
    assert!(server.own("metriclet_broken_rules") > 0.0);
}

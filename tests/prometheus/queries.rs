//! The queries sent to a server.

use serde_json::json;

use crate::common::kubernetes::{Kubernetes, Reply};
use crate::common::{Server, file};
use crate::scripted::{Scripted, config};

const PODS: &[(&str, &str)] = &[("\"pod\":\"web-1\"", "1.5"), ("\"pod\":\"web-2\"", "3"), ("\"pod\":\"db-1\"", "7")];

#[test]
fn one_query_returns_all_objects() {
    let prometheus = Scripted::vector(PODS);
    let password = file("password", "swordfish\n");
    let tenant = file("tenant", "acme\n");
    let source = format!(
        ", cache: 1h, basic: {{username: me, passwordFile: '{}'}}, headers: {{X-Scope-OrgID: {{file: '{}'}}}}",
        password.display(),
        tenant.display()
    );
    let server = prometheus.with_rule(&source, "object: pods, value: 'sum(rate(hits_total{code!~\"5..\"}[1m]))'");
    for (path, expected) in [
        ("shop/pods/*", "db-1 7, web-1 1500m, web-2 3"),
        ("shop/pods/web-1", "web-1 1500m"),
        ("shop/pods/web-2", "web-2 3"),
        (
            "shop/pods/web-3",
            "404 NotFound: hits of pods/web-3 in namespace shop: the query returned no result for it with namespace=\"shop\"; the rule takes \
             sum(rate(hits_total{code!~\"5..\"}[1m])) from source prom",
        ),
        (
            "other/pods/*",
            "404 NotFound: hits of all pods in namespace other: source prom may not describe objects of this namespace; \
             its namespaces: in the configuration says which",
        ),
        ("bank/pods/db-1", "db-1 7"),
    ] {
        assert_eq!(server.metric(&format!("namespaces/{path}/hits")).values(), expected, "{path}");
    }
    let query = |namespace: &str| {
        let query = r#"sum by (pod) (rate(hits_total{code!~"5..",namespace="NS"}[1m]))"#.replace("NS", namespace);
        vec![("query".to_owned(), query), ("lookback_delta".to_owned(), "120".to_owned())]
    };
    assert_eq!(prometheus.forms(), [query("shop"), query("bank")]);
    let head = prometheus.heads()[0].to_ascii_lowercase();
    for line in [
        "post /api/v1/query http/1.1\r\n",
        "\r\ncontent-type: application/x-www-form-urlencoded\r\n",
        "\r\nx-scope-orgid: acme\r\n",
        "\r\nauthorization: basic bwu6c3dvcmrmaxno\r\n",
        "\r\naccept-encoding: identity\r\n",
    ] {
        assert!(head.contains(line), "no {line:?} in {head}");
    }
}

#[test]
fn items_carry_their_time_and_window() {
    let prometheus = Scripted::vector(PODS);
    let server = prometheus.with_rule("", "object: pods, value: 'max(rate(a[90s])) + max(b)'");
    let item = &server.metric("namespaces/shop/pods/web-2/hits").json()["items"][0];
    assert_eq!((&item["windowSeconds"], &item["describedObject"]["kind"]), (&json!(90), &json!("Pod")));
    let age = crate::scripted::now() / 1000 - epoch(item["timestamp"].as_str().unwrap());
    assert!((-1..60).contains(&age), "{item}");
}

/// Seconds since 1970 of a time of today or yesterday.
fn epoch(time: &str) -> i64 {
    let (_, clock) = time.trim_end_matches('Z').split_once('T').unwrap();
    let clock: Vec<i64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    let now = crate::scripted::now() / 1000;
    let of_day = clock[0] * 3600 + clock[1] * 60 + clock[2];
    let midnight = now - now % 86_400;
    if of_day > now % 86_400 + 3600 { midnight - 86_400 + of_day } else { midnight + of_day }
}

#[test]
fn the_metric_label_selector_is_added_to_every_selector() {
    let prometheus = Scripted::vector(PODS);
    let server = prometheus.with_rule("", "object: pods, value: 'sum(a) / sum(b)'");
    let selector = "?metricLabelSelector=verb%20in%20%28GET%2CP.T%29%2Capp.kubernetes.io%2Fname%2C%21old";
    let answer = server.metric(&format!("namespaces/shop/pods/*/hits{selector}"));
    assert_eq!(answer.values(), "db-1 7, web-1 1500m, web-2 3");
    assert_eq!(answer.json()["items"][0]["metric"]["selector"]["matchExpressions"].as_array().unwrap().len(), 3);
    let inside = r#"namespace="shop",app_kubernetes_io_name!="",old="",verb=~"GET|P\\.T""#;
    let expected = format!("sum by (pod) (a{{{inside}}}) / sum by (pod) (b{{{inside}}})");
    assert_eq!(prometheus.queries(), [expected]);
    assert_eq!(
        server.metric("namespaces/shop/pods/*/hits?metricLabelSelector=a%3E5").values(),
        "400 BadRequest: hits of all pods in namespace shop: metricLabelSelector: > and < are not supported, found on \"a\""
    );
}

#[test]
fn each_kind_of_object_has_its_query() {
    let web = "\"service\":\"web\",\"node\":\"web\",\"namespace\":\"shop\",\"x\":\"web\"";
    for (rule, path, query) in [
        ("object: services", "namespaces/shop/services/web", r#"hits{namespace="shop"}"#),
        (
            "object: services, nameLabel: x, value: sum(a)",
            "namespaces/shop/services/web",
            r#"sum by (x) (a{namespace="shop"})"#,
        ),
        (
            "object: services, namespaceLabel: exported_namespace, value: max(a)",
            "namespaces/shop/services/web",
            r#"max by (service) (a{exported_namespace="shop"})"#,
        ),
        ("object: nodes, value: sum(a)", "nodes/web", "sum by (node) (a)"),
        (
            "object: services, describes: {namespace: shop, name: web}, value: sum(a)",
            "namespaces/shop/services/web",
            "sum(a)",
        ),
        (
            "object: services, describes: {namespace: shop, name: web}, value: 'sum(a{b=\"c\"} offset 5m) or vector(0)'",
            "namespaces/shop/services/web",
            r#"sum(a{b="c"} offset 5m) or vector(0)"#,
        ),
        (
            "object: services, value: 'topk(1, a / on (x) group_left (service, y) b)'",
            "namespaces/shop/services/web",
            r#"topk by (service) (1, a{namespace="shop"} / on (x, service) group_left (y) b{namespace="shop"})"#,
        ),
        (
            "object: services, value: 'a unless on () b offset 1h > 2'",
            "namespaces/shop/services/web",
            r#"a{namespace="shop"} unless on (service) b{namespace="shop"} offset 1h > 2"#,
        ),
        (
            "object: services, describes: {namespace: shop, name: web}, value: 'absent(a) or vector(scalar(b))'",
            "namespaces/shop/services/web",
            "absent(a) or vector(scalar(b))",
        ),
        ("object: namespaces, value: sum(a)", "namespaces/shop/metrics", r#"sum by (namespace) (a{namespace="shop"})"#),
        (
            "object: services, value: 'quantile by ($by) (0.5, a{$matchers})'",
            "namespaces/shop/services/web",
            r#"quantile by (service) (0.5, a{namespace="shop"})"#,
        ),
        (
            "object: nodes, value: 'quantile by ($by) (0.5, a{$matchers})'",
            "nodes/web",
            r#"quantile by (node) (0.5, a{namespace=~".*"})"#,
        ),
    ] {
        let prometheus = Scripted::vector(&[(web, "3")]);
        let server = prometheus.with_rule("", rule);
        let name = if path.ends_with("metrics") { "shop" } else { "web" };
        assert_eq!(server.metric(&format!("{path}/hits")).values(), format!("{name} 3"), "{rule}");
        assert_eq!(prometheus.queries(), [query], "{rule}");
    }
}

#[test]
fn a_query_about_one_object_may_return_a_scalar_and_may_contain_matchers() {
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[TIME,"3"]}}"#;
    let prometheus = Scripted::says(200, &scalar.replace("TIME", &(crate::scripted::now() / 1000).to_string()));
    let rule = "object: services, describes: {namespace: shop, name: web}, value: ";
    let path = "namespaces/shop/services/web/hits";
    let server = prometheus.with_rule("", &format!("{rule}'time() - scalar(a)'"));
    assert_eq!(server.metric(path).values(), "web 3");
    assert_eq!(
        server.metric(&format!("{path}?metricLabelSelector=b%3Dc")).values(),
        "400 BadRequest: hits of services/web in namespace shop: metricLabelSelector needs {$matchers} in the rule's query, \
         which has none"
    );
    let server = prometheus.with_rule("", &format!("{rule}'scalar(a{{$matchers}})'"));
    assert_eq!(server.metric(&format!("{path}?metricLabelSelector=b%3Dc")).values(), "web 3");
    assert_eq!(prometheus.queries(), ["time() - scalar(a)", r#"scalar(a{b="c"})"#]);
}

#[test]
fn the_kubernetes_api_evaluates_the_label_selector() {
    let kubernetes = Kubernetes::start();
    kubernetes.script(|call| {
        let names: &[&str] = match call.path.as_str() {
            path if !path.starts_with("/api/v1/namespaces/shop/pods?") => return Reply::Good,
            path if path.contains("&labelSelector=app%3Dweb") => &["web-1", "web-2", "web-9"],
            _ => &[],
        };
        let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
        Reply::Say(200, json!({"kind": "PartialObjectMetadataList", "metadata": {}, "items": items}).to_string())
    });
    let prometheus = Scripted::vector(PODS);
    let config = file("metrics.yaml", &config(&prometheus.url(), "", "object: pods, value: sum(a)"));
    let kubeconfig = kubernetes.kubeconfig("{token: t}");
    let server = Server::start(&["--config", config.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let ask = |selector: &str| server.metric(&format!("namespaces/shop/pods/*/hits?labelSelector={selector}")).values();
    assert_eq!(ask("app%3Dweb"), "web-1 1500m, web-2 3");
    assert_eq!(
        ask("app%3Dnone"),
        "404 NotFound: hits of all pods in namespace shop: the query returned no result for it with namespace=\"shop\"; the rule takes sum(a) from \
         source prom"
    );
    // Queries do not contain names of pods.
    assert!(prometheus.queries().iter().all(|query| query == r#"sum by (pod) (a{namespace="shop"})"#));
}

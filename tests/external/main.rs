//! External metrics: values with labels, of each kind of source, for the requesting namespace.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "another test uses the rest")]
#[path = "../prometheus/scripted.rs"]
mod scripted;
mod truth;

use std::time::{SystemTime, UNIX_EPOCH};

use common::upstream::Upstream;
use common::{Server, file, run};
use scripted::Scripted;
use serde_json::{Value, json};

const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";

const LAG: &str = "\
# TYPE queue_lag gauge
queue_lag{namespace=\"shop\",queue=\"mail\"} 3
queue_lag{namespace=\"shop\",queue=\"sms\"} 4.5
queue_lag{exported_namespace=\"bank\",namespace=\"shop\",queue=\"mail\"} 100
queue_lag{queue=\"common\"} 7
";

const QUEUES: &str = r#"{"queues": [
    {"name": "mail", "depth": 3, "team": "shop"},
    {"name": "sms", "depth": 4, "team": "bank"},
    {"name": "mail", "depth": 5, "team": "shop"},
    {"name": "push", "depth": "6", "team": "shop", "shard": 2}
]}"#;

/// A server with one source and one rule, both of which continue YAML flow mappings.
fn server(upstream: &Upstream, source: &str, rule: &str) -> Server {
    Server::with_config(&format!(
        "sources:\n  app: {{url: '{}'{source}}}\nmetrics:\n  - {{name: Queue_Lag, external: true, source: app{rule}}}\n",
        upstream.url()
    ))
}

/// `{labels} value, …` of a response for this namespace, or the Status.
fn ask(server: &Server, namespace: &str, query: &str) -> String {
    let answer = server.get(&format!("{EXTERNAL}/namespaces/{namespace}/queue_lag{query}"));
    if answer.code != 200 {
        return answer.status().replace(&format!("external metric queue_lag in namespace {namespace}: "), "");
    }
    let list = answer.json();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ExternalMetricValueList"), &json!(EXTERNAL[6..])));
    let value = |item: &Value| {
        assert_eq!(item["metricName"], "Queue_Lag");
        let labels = item["metricLabels"].as_object().unwrap().iter();
        let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
        format!("{{{}}} {}", labels.join(","), item["value"].as_str().unwrap())
    };
    list["items"].as_array().unwrap().iter().map(value).collect::<Vec<_>>().join(", ")
}

#[test]
fn each_series_of_the_result_is_a_value() {
    let upstream = Upstream::text(LAG);
    for (rule, shop, bank) in [
        (
            ", value: queue_lag",
            "{namespace=shop,queue=mail} 3, {namespace=shop,queue=sms} 4500m, {queue=common} 7",
            "{exported_namespace=bank,namespace=shop,queue=mail} 100, {queue=common} 7",
        ),
        (
            ", value: sum by (queue) (queue_lag)",
            "{queue=mail} 3, {queue=sms} 4500m, {queue=common} 7",
            "{queue=mail} 100, {queue=common} 7",
        ),
        (", value: sum(queue_lag)", "{} 14500m", "{} 107"),
        (
            ", value: 'max by (queue) (queue_lag{queue!=\"common\"}) * 2'",
            "{queue=mail} 6, {queue=sms} 9",
            "{queue=mail} 200",
        ),
        (", value: sum(queue_lag), namespaceLabel: team", "{} 114500m", "{} 114500m"),
        (", value: sum(queue_lag), namespaceLabel: none", "{} 114500m", "{} 114500m"),
    ] {
        let server = server(&upstream, ", namespaces: [shop, bank]", rule);
        assert_eq!((ask(&server, "shop", "").as_str(), ask(&server, "bank", "").as_str()), (shop, bank), "{rule}");
    }
}

#[test]
fn namespaces_restrict_requests() {
    let upstream = Upstream::text(LAG);
    let foreign =
        "404 NotFound: this namespace may not ask for it; namespaces: of the rule, or of its source, says which may";
    let of_source = server(&upstream, ", namespaces: [shop]", ", value: sum(queue_lag)");
    assert_eq!(
        (ask(&of_source, "shop", ""), ask(&of_source, "bank", "")),
        ("{} 14500m".to_owned(), foreign.to_owned())
    );
    let of_rule = server(&upstream, ", namespaces: [shop]", ", value: sum(queue_lag), namespaces: [bank]");
    assert_eq!((ask(&of_rule, "shop", ""), ask(&of_rule, "bank", "")), (foreign.to_owned(), "{} 107".to_owned()));
    let alone = server(&upstream, "", ", value: sum(queue_lag), namespaceLabel: none, namespaces: [ops]");
    assert_eq!(ask(&alone, "ops", ""), "{} 114500m");
}

#[test]
fn label_selectors_select_before_aggregation() {
    let upstream = Upstream::text(LAG);
    let server = server(&upstream, ", namespaces: [shop]", ", value: sum(queue_lag)");
    let origin = "the rule takes sum(queue_lag) from source app";
    for (selector, expected) in [
        ("queue%3Dmail", "{} 3".to_owned()),
        ("queue+in+%28mail%2Csms%29", "{} 7500m".to_owned()),
        ("queue%21%3Dmail", "{} 11500m".to_owned()),
        ("%21namespace", "{} 7".to_owned()),
        ("", "{} 14500m".to_owned()),
        ("queue%3Dnone", format!("404 NotFound: nothing that matches on the page matches labelSelector; {origin}")),
    ] {
        assert_eq!(ask(&server, "shop", &format!("?labelSelector={selector}")), expected, "{selector}");
    }
    let broken = ask(&server, "shop", "?labelSelector=%3D");
    assert!(broken.starts_with("400 BadRequest: labelSelector: "), "{broken}");
}

#[test]
fn names_ignore_case() {
    let upstream = Upstream::text("Queue_Lag 3\n");
    let server = server(&upstream, ", namespaces: [shop]", "");
    for name in ["Queue_Lag", "queue_lag", "QUEUE_LAG"] {
        let answer = server.get(&format!("{EXTERNAL}/namespaces/shop/{name}"));
        assert_eq!((answer.code, &answer.json()["items"][0]["value"]), (200, &json!("3")), "{name}");
    }
}

#[test]
fn items_have_labels() {
    let upstream = Upstream::page("application/json", QUEUES);
    let rule = ", value: sum($.depth), items: '$.queues[*]', labelsFrom: {queue: $.name, shard: $.shard}";
    let all = server(&upstream, ", namespaces: [shop]", rule);
    assert_eq!(ask(&all, "shop", ""), "{queue=mail} 8, {queue=push,shard=2} 6, {queue=sms} 4");
    assert_eq!(ask(&all, "shop", "?labelSelector=shard%3D2"), "{queue=push,shard=2} 6");
    assert_eq!(
        ask(&all, "shop", "?labelSelector=team%3Dshop"),
        "400 BadRequest: labelSelector: no value has the label \"team\"; labelsFrom: beside items: gives labels"
    );
    // The labels that the rule sets are known, even if no value has them now.
    assert_eq!(ask(&all, "shop", "?labelSelector=%21shard"), "{queue=mail} 8, {queue=sms} 4");
    let optional = rule.replace("$.shard", "$.absent");
    let optional = server(&upstream, ", namespaces: [shop]", &format!("{optional}, onMissing: zero"));
    assert_eq!(ask(&optional, "shop", "?labelSelector=shard%3D2"), "{} 0");
    assert_eq!(
        ask(&optional, "shop", "?labelSelector=shard+notin+%28x%29"),
        "{queue=mail} 8, {queue=push} 6, {queue=sms} 4"
    );
    let of_teams = server(&upstream, ", namespaces: [shop, bank]", &format!("{rule}, namespaceFrom: $.team"));
    assert_eq!(ask(&of_teams, "shop", ""), "{queue=mail} 8, {queue=push,shard=2} 6");
    assert_eq!(ask(&of_teams, "bank", ""), "{queue=sms} 4");
    let numbered = server(&upstream, ", namespaces: [shop, \"2\"]", &format!("{rule}, namespaceFrom: $.shard"));
    assert_eq!(ask(&numbered, "shop", ""), "{queue=mail} 8, {queue=sms} 4");
    assert_eq!(ask(&numbered, "2", ""), "{queue=mail} 8, {queue=push,shard=2} 6, {queue=sms} 4");
    let several = server(&upstream, ", namespaces: [shop]", &format!("{rule}, namespaceFrom: '$[*]'"));
    assert!(ask(&several, "shop", "").contains("what matches on the page is about other namespaces"));
    let one = server(&upstream, ", namespaces: [shop]", ", value: 'count($.queues[*])'");
    assert_eq!(ask(&one, "shop", ""), "{} 4");
    let twice = rule.replace("sum($.depth)", "$.depth");
    assert_eq!(
        ask(&server(&upstream, ", namespaces: [shop]", &twice), "shop", ""),
        "503 ServiceUnavailable: several values match; wrap it in sum(), max(), min() or avg(); the rule takes $.depth from source app"
    );
}

#[test]
fn text_and_numbers_are_values() {
    let text = Upstream::page("text/plain", "mail: 3\nsms: 4\n");
    let named = server(&text, ", namespaces: [shop], format: text", r", value: '/^(?<name>\w+): (?<value>\d+)/'");
    assert_eq!(ask(&named, "shop", ""), "{name=mail} 3, {name=sms} 4");
    assert_eq!(ask(&named, "shop", "?labelSelector=name%3Dsms"), "{name=sms} 4");
    let number = Upstream::page("text/plain", "42\n");
    assert_eq!(ask(&server(&number, ", namespaces: [shop]", ""), "shop", ""), "{} 42");
}

#[test]
fn urls_are_expanded() {
    let upstream = Upstream::page("text/plain", "5");
    let path = "/{namespace}/{metric}?s={labelSelector}";
    let server = Server::with_config(&format!(
        "sources:\n  app: {{url: '{}{path}', namespaces: [shop]}}\nmetrics:\n  - {{name: Queue_Lag, external: true, source: app}}\n",
        upstream.url().trim_end_matches('/')
    ));
    assert_eq!(ask(&server, "shop", "?labelSelector=queue%3Dmail"), "{} 5");
    let head = upstream.heads().remove(0);
    assert!(head.starts_with("GET /metrics/shop/Queue_Lag?s=queue%3Dmail "), "{head}");
}

#[test]
fn a_query_is_scoped_to_the_namespace() {
    let elements = [(r#""__name__":"queue_lag","queue":"mail","namespace":"shop""#, "3"), (r#""queue":"sms""#, "4.5")];
    let vector = || Scripted::vector(&elements);
    let scalar = || {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let body = format!(r#"{{"status":"success","data":{{"resultType":"scalar","result":[{seconds},"2"]}}}}"#);
        Scripted::says(200, &body)
    };
    let both = "{namespace=shop,queue=mail} 3, {queue=sms} 4500m";
    let mail = "?labelSelector=queue%3Dmail";
    for (rule, query, prometheus, sent, expected) in [
        ("queue_lag", "", vector(), r#"queue_lag{namespace=~"shop|"}"#, both),
        (
            "'sum by (queue) (rate(x_total[1m]))'",
            mail,
            vector(),
            r#"sum by (queue) (rate(x_total{namespace=~"shop|",queue="mail"}[1m]))"#,
            both,
        ),
        ("sum(x), namespaceLabel: none", "", scalar(), "sum(x)", "{} 2"),
        ("sum(x), namespaceLabel: team", "", scalar(), r#"sum(x{team=~"shop|"})"#, "{} 2"),
        ("'time() - max(x) or vector(0)', namespaceLabel: none", "", scalar(), "time() - max(x) or vector(0)", "{} 2"),
        ("'topk(3, x{$matchers})'", "", vector(), r#"topk(3, x{namespace=~"shop|"})"#, both),
    ] {
        let server = Server::with_config(&format!(
            "sources:\n  prom: {{prometheus: '{}', namespaces: [shop]}}\nmetrics:\n  \
             - {{name: Queue_Lag, external: true, source: prom, value: {rule}}}\n",
            prometheus.url()
        ));
        assert_eq!(ask(&server, "shop", query), expected, "{rule}");
        assert_eq!(prometheus.queries(), [sent]);
    }
    let prometheus = vector();
    let config = scripted::config(&prometheus.url(), "", "external: true, value: group(x), namespaceLabel: none");
    let server = Server::with_config(&config);
    let answer = server.get(&format!("{EXTERNAL}/namespaces/shop/hits{mail}")).status();
    assert_eq!(
        answer,
        "400 BadRequest: external metric hits in namespace shop: labelSelector needs {$matchers} in the rule's query, which has none"
    );
}

#[test]
fn discovery_lists_external_metrics() {
    let upstream = Upstream::text(LAG);
    let server = server(&upstream, ", namespaces: [shop]", "");
    let resources = server.get(EXTERNAL).json();
    assert_eq!(
        resources,
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": &EXTERNAL[6..], "resources": [
            {"name": "Queue_Lag", "singularName": "", "namespaced": true, "kind": "ExternalMetricValueList", "verbs": ["get"]},
        ]})
    );
    let version = json!({"groupVersion": &EXTERNAL[6..], "version": "v1beta1"});
    let group = server.get("/apis/external.metrics.k8s.io").json();
    assert_eq!((&group["versions"], &group["preferredVersion"]), (&json!([version]), &version));
}

#[test]
fn other_paths_are_not_found() {
    let upstream = Upstream::text(LAG);
    let server = server(&upstream, ", namespaces: [shop]", "");
    let no_route = "404 NotFound: the server could not find the requested resource";
    for path in ["/namespaces/shop/a/b", "/queue_lag", "/namespaces/shop/status", "/namespaces/shop"] {
        assert_eq!(server.get(&format!("{EXTERNAL}{path}")).status(), no_route, "{path}");
    }
    let unknown = server.get(&format!("{EXTERNAL}/namespaces/shop/nothing")).status();
    assert_eq!(unknown, "404 NotFound: external metric nothing in namespace shop: no rule is configured for it");
    let of_objects = server.get("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/queue_lag").status();
    assert_eq!(
        of_objects,
        "404 NotFound: queue_lag of services/web in namespace shop: no rule is configured for it; there is an external metric of \
         this name, which an HPA asks for by type External"
    );
    assert_eq!(
        ask(&server, "shop", "?watch=true"),
        "405 MethodNotAllowed: watch is not supported on resources of kind \"*.external.metrics.k8s.io\""
    );
    let posted = server.request("DELETE", &format!("{EXTERNAL}/namespaces/shop/queue_lag"), "");
    assert_eq!(posted.code, 405);
}

#[test]
fn get_and_check_support_external_metrics() {
    let upstream = Upstream::text(LAG);
    let config = format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop]}}\nmetrics:\n  - {{name: lag, external: true, source: app, \
         value: sum by (queue) (queue_lag), namespaceLabel: none, namespaces: [ops, web]}}\n",
        upstream.url()
    );
    let path = file("external.yaml", &config);
    let path = path.to_str().unwrap();
    let (code, out, _) = run(&["get", "--config", path, "external/ops/lag"]);
    let out: Vec<&str> = out.lines().map(|line| line.split("   ").next().unwrap()).collect();
    assert_eq!((code, out.as_slice()), (0, ["METRIC", "lag", "lag", "lag"].as_slice()));
    let (_, _, traced) = run(&["get", "-v", "--config", path, "external/ops/lag"]);
    assert!(traced.contains("rule     external metric lag, value sum by (queue) (queue_lag)"), "{traced}");
    assert!(traced.contains("object   {queue=\"mail\"}: found 103, answer 103"), "{traced}");
    let (code, _, warnings) = run(&["check", path]);
    assert_eq!(code, 0, "{warnings}");
    assert!(warnings.contains("warning: namespaceLabel: none lets ops, web read the page's values of all namespaces"));
    let url = upstream.url();
    let (code, out, _) = run(&["get", "--upstream", &url, "external/shop/queue_lag"]);
    assert_eq!((code, out.lines().count()), (0, 4), "{out}");
}

#[test]
fn requests_are_counted() {
    let upstream = Upstream::text(LAG);
    let server = server(&upstream, ", namespaces: [shop]", ", value: sum(queue_lag)");
    assert_eq!(ask(&server, "shop", ""), "{} 14500m");
    let series = "apiserver_request_total{verb=\"LIST\",group=\"external.metrics.k8s.io\",version=\"v1beta1\",resource=\"*\",\
                  subresource=\"*\",scope=\"cluster\",component=\"external-metrics\",code=\"200\"}";
    assert!((server.own(series) - 1.0).abs() < f64::EPSILON);
}

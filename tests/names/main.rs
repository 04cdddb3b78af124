//! The objects of values: names within longer labels, and placeholders in the values of labels.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "another test uses the rest")]
#[path = "../prometheus/scripted.rs"]
mod scripted;

use common::kubernetes::Kubernetes;
use common::pods::{self, PODS, bind, pod, serving};
use common::upstream::Upstream;
use common::{Server, file, run};
use scripted::Scripted;

const TRAEFIK: &str = "\
# TYPE traefik_service_open_connections gauge
traefik_service_open_connections{service=\"shop-web-80@kubernetes\",protocol=\"http\",namespace=\"ingress\"} 12
traefik_service_open_connections{service=\"shop-web-80@kubernetes\",protocol=\"websocket\",namespace=\"ingress\"} 1
traefik_service_open_connections{service=\"shop-mail-api-80@kubernetes\",protocol=\"http\",namespace=\"ingress\"} 3
traefik_service_open_connections{service=\"bank-web-80@kubernetes\",protocol=\"http\",namespace=\"ingress\"} 100
traefik_service_open_connections{service=\"api@internal\",protocol=\"http\",namespace=\"ingress\"} 7
# TYPE capacity gauge
capacity 26
";

/// A server with one source for two namespaces and one rule `m` on services, both of which continue YAML flow mappings.
fn server(url: &str, source: &str, rule: &str) -> Server {
    Server::with_config(&config(url, source, rule))
}

fn config(url: &str, source: &str, rule: &str) -> String {
    format!(
        "sources:\n  app: {{url: '{url}', namespaces: [shop, bank]{source}}}\nmetrics:\n  - {{name: m, object: services, \
         source: app{rule}}}\n"
    )
}

/// The URL of a page, which is served until the test ends.
fn url(content_type: &str, body: &str) -> String {
    Box::leak(Box::new(Upstream::page(content_type, body))).url()
}

fn text(body: &str) -> String {
    url("text/plain; version=0.0.4", body)
}

/// The value for services/NAME in a namespace, or the message without the common start.
fn ask(server: &Server, namespace: &str, name: &str) -> String {
    let answer = server.metric(&format!("namespaces/{namespace}/services/{name}/m")).values();
    let of = if name == "*" { "all services".to_owned() } else { format!("services/{name}") };
    answer.replace(&format!("m of {of} in namespace {namespace}: "), "")
}

/// The problems that `check` prints, without positions.
fn problems(config: &str) -> String {
    let (_, _, errors) = run(&["check", file("metrics.yaml", config).to_str().unwrap()]);
    let lines = errors.lines().filter_map(|line| {
        let at = line.find(": error: ").or(line.find(": warning: "))?;
        line.get(at + 2..)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn names_within_labels() {
    let rule = ", value: sum(traefik_service_open_connections), \
                namePattern: '(?<namespace>shop|bank)-(?<name>.+)-\\d+@kubernetes'";
    let server = server(&text(TRAEFIK), "", rule);
    for (namespace, name, expected) in [
        ("shop", "web", "web 13"),
        ("shop", "mail-api", "mail-api 3"),
        ("shop", "*", "mail-api 3, web 13"),
        ("bank", "*", "web 100"),
        (
            "shop",
            "db",
            "404 NotFound: the matching series on the page describe other objects; the rule takes \
             sum(traefik_service_open_connections) from source app",
        ),
    ] {
        assert_eq!(ask(&server, namespace, name), expected, "{namespace} {name}");
    }
    let none = traefik(", value: sum(traefik_service_open_connections), namePattern: '(?<name>.+)@docker'");
    assert_eq!(
        ask(&none, "shop", "web"),
        "404 NotFound: namePattern matches no label exported_service or service of the matching series; the rule takes \
         sum(traefik_service_open_connections) from source app"
    );
}

fn traefik(rule: &str) -> Server {
    server(&text(TRAEFIK), "", rule)
}

/// Without a group for the namespace, it is that of the label, of the source, or of the request.
#[test]
fn a_pattern_without_namespace_uses_the_label() {
    let page = "up_tasks{job=\"web:80\",namespace=\"shop\"} 3\nup_tasks{job=\"web:80\",namespace=\"bank\"} 4\n\
                up_tasks{job=\"db:1\"} 5\n";
    let rule = |more: &str| format!(", value: max(up_tasks), nameLabel: job, namePattern: '(?<name>.+):\\d+'{more}");
    let of_label = server(&text(page), "", &rule(""));
    assert_eq!((ask(&of_label, "shop", "*"), ask(&of_label, "bank", "*")), ("web 3".to_owned(), "web 4".to_owned()));
    let ignored = server(&text(page), "", &rule(", namespaceLabel: none"));
    assert_eq!(ask(&ignored, "shop", "*"), "db 5, web 4");
    // OpenTelemetry's job, with or without a namespace.
    let page = "tasks{job=\"shop/web\"} 3\ntasks{job=\"web\"} 5\n";
    let rule = ", value: max(tasks), nameLabel: job, namePattern: '(?:(?<namespace>[^/]+)/)?(?<name>.+)'";
    assert_eq!(ask(&server(&text(page), "", rule), "shop", "*"), "web 3");
}

#[test]
fn names_within_items() {
    let page =
        r#"[{"svname": "shop_web_http", "n": 3}, {"svname": "bank_web_http", "n": 4}, {"svname": "stats", "n": 9}]"#;
    let rule = ", value: $.n, items: '$[*]', nameFrom: $.svname, namePattern: '(?<namespace>[^_]+)_(?<name>.+)_http'";
    let server = server(&url("application/json", page), "", rule);
    assert_eq!((ask(&server, "shop", "*"), ask(&server, "bank", "web")), ("web 3".to_owned(), "web 4".to_owned()));
}

#[test]
fn placeholders_in_label_values() {
    for (rule, namespace, name, expected) in [
        (
            r#"sum(traefik_service_open_connections{service="{namespace}-{name}-80@kubernetes"})"#,
            "shop",
            "mail-api",
            "mail-api 3",
        ),
        (
            r#"sum(traefik_service_open_connections{service=~"{namespace}-{name}-[0-9]+@kubernetes"}) / max(capacity)"#,
            "shop",
            "web",
            "web 500m",
        ),
        (r#"max({"capacity",metric!="{metric}"})"#, "shop", "web", "web 26"),
        (
            r#"sum(traefik_service_open_connections{service="{namespace}-{name}-80@kubernetes"})"#,
            "shop",
            "*",
            "400 BadRequest: {name} in its value stands for one object, so * is not served; ask for one by name",
        ),
        (
            r#"sum(traefik_service_open_connections{service="{namespace}-{name}-80@kubernetes"})"#,
            "bank",
            "db",
            "404 NotFound: the expression returned nothing: the object has no series \
             traefik_service_open_connections{service=\"bank-db-80@kubernetes\"}; the rule takes \
             sum(traefik_service_open_connections{service=\"bank-db-80@kubernetes\"}) from source app",
        ),
    ] {
        let describes = if rule.contains("{name}") { "" } else { ", describes: {namespace: shop, name: web}" };
        let server = traefik(&format!(", value: '{rule}'{describes}"));
        assert_eq!(ask(&server, namespace, name), expected, "{rule}");
    }
    // A name is never interpreted as a regular expression.
    let page = "q{queue=\"a.b-jobs\"} 3\nq{queue=\"aXb-jobs\"} 5\n";
    for op in ["=", "=~"] {
        let rule = format!(", value: 'sum(q{{queue{op}\"{{name}}-jobs\"}})', namespaceLabel: none, namespaces: [shop]");
        assert_eq!(ask(&server(&text(page), "", &rule), "shop", "a.b"), "a.b 3", "{op}");
    }
    // An escaped brace is part of the label.
    let page = "hits{route=\"/users/{name}\",service=\"web\",namespace=\"shop\"} 3\n";
    let literal = server(&text(page), "", r#", value: "max(hits{route='/users/\\x7bname}'})""#);
    assert_eq!(ask(&literal, "shop", "web"), "web 3");
}

/// The namespace is that of the label, unless the value contains it.
#[test]
fn placeholders_beside_labels() {
    let page = "q{queue=\"web-jobs\",namespace=\"shop\"} 3\nq{queue=\"web-jobs\",namespace=\"bank\"} 5\n\
                q{queue=\"db-jobs\",ns=\"bank\",service=\"db\",namespace=\"shop\"} 7\n";
    let page = text(page);
    let by_label = server(&page, "", r#", value: 'sum(q{queue="{name}-jobs"})'"#);
    assert_eq!(
        (ask(&by_label, "shop", "web"), ask(&by_label, "bank", "web")),
        ("web 3".to_owned(), "web 5".to_owned())
    );
    let in_value = server(&page, "", r#", value: 'sum(q{ns="{namespace}"})'"#);
    assert_eq!((ask(&in_value, "bank", "*"), ask(&in_value, "bank", "db")), ("db 7".to_owned(), "db 7".to_owned()));
    assert!(ask(&in_value, "shop", "db").starts_with("404 NotFound: the expression returned nothing"));
}

#[test]
fn placeholders_on_pods() {
    let (port, mut listeners) = bind(2);
    let page = "q{worker=\"web-0\"} 3\nq{worker=\"web-1\"} 5\n";
    let _serving = [serving(listeners.remove(0), page), serving(listeners.remove(0), page)];
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let config = pods::config(&format!("pods: {{port: {port}}}, namespaces: [shop]"), "q{worker=\"{name}\"}");
    let server = pods::server(&kubernetes, &config);
    assert_eq!(
        (pods::all(&server, ""), pods::one(&server, "web-1")),
        ("web-0 3, web-1 5".to_owned(), "web-1 5".to_owned())
    );
}

#[test]
fn placeholders_and_patterns_in_queries() {
    let rows = [
        ("\"service\":\"shop-web-80@kubernetes\"", "3"),
        ("\"service\":\"bank-web-80@kubernetes\"", "5"),
        ("\"service\":\"other\"", "7"),
    ];
    let ask = |elements: &[(&str, &str)], rule: &str, path: &str| {
        let prometheus = Scripted::vector(elements);
        let server = prometheus.with_rule("", &format!("object: services, {rule}"));
        let answer = server.metric(&format!("namespaces/{path}/hits")).values();
        (answer, prometheus.queries().pop().unwrap_or_default())
    };
    let pattern = "value: sum(open), namePattern: '(?<namespace>shop|bank)-(?<name>.+)-80@kubernetes'";
    let query = "sum by (service) (open)".to_owned();
    assert_eq!(ask(&rows, pattern, "shop/services/*"), ("web 3".to_owned(), query.clone()));
    assert_eq!(ask(&rows, pattern, "bank/services/web"), ("web 5".to_owned(), query));
    for (rule, query) in [
        (
            "value: 'sum(open{service=\"{namespace}-{name}-80@kubernetes\"})'",
            r#"sum(open{service="shop-web-80@kubernetes"})"#,
        ),
        ("value: 'sum(open{queue=~\"{name}-.*\"})'", r#"sum(open{queue=~"web-.*",namespace="shop"})"#),
        // Beyond the supported subset of PromQL: a query that names its object needs no `$matchers` or `$by`.
        (
            "value: 'topk(1, open{ns=~\"{namespace}\",service=\"{name}\"} offset 5m)'",
            r#"topk(1, open{ns=~"shop",service="web"} offset 5m)"#,
        ),
        ("value: 'topk(1, open{queue=\"{name}\",$matchers})'", r#"topk(1, open{queue="web",namespace="shop"})"#),
    ] {
        assert_eq!(ask(&[("", "3")], rule, "shop/services/web"), ("web 3".to_owned(), query.to_owned()), "{rule}");
    }
    // The message for a missing value mentions the namespace.
    let (answer, _) = ask(&[], "value: sum(open), nameLabel: queue", "shop/services/web");
    assert_eq!(
        answer,
        "404 NotFound: hits of services/web in namespace shop: the query returned no result for it with \
         namespace=\"shop\"; the rule takes sum(open) from source prom"
    );
}

#[test]
fn external_metrics_know_the_requesting_namespace() {
    let page = "lag{team=\"shop-eu\",namespace=\"kafka\"} 3\nlag{team=\"bank-eu\",namespace=\"kafka\"} 5\n";
    let config = format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop, bank]}}\nmetrics:\n  - {{name: m, external: true, source: app, \
         value: 'sum(lag{{team=\"{{namespace}}-eu\"}})'}}\n",
        text(page)
    );
    let server = Server::with_config(&config);
    for (namespace, value) in [("shop", "3"), ("bank", "5")] {
        let answer = server.get(&format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/m"));
        assert_eq!(answer.json()["items"][0]["value"], value, "{namespace}");
    }
}

/// Several rules for one metric, each for different objects.
#[test]
fn one_metric_of_several_rules() {
    let page =
        text("depth{queue=\"orders\"} 3\ndepth{queue=\"mail\"} 5\ndepth{queue=\"bank\"} 7\nbusy{worker=\"a\"} 1\n");
    let rule = |value: &str, describes: &str| {
        format!("  - {{name: m, object: services, source: app, value: '{value}', describes: {describes}}}\n")
    };
    let sources = format!("sources:\n  app: {{url: '{page}', namespaces: [shop, bank]}}\nmetrics:\n");
    let config = [
        sources.clone(),
        rule("max(depth{queue=\"orders\"})", "{namespace: shop, name: orders}"),
        rule("max(depth{queue=\"mail\"})", "{namespace: shop, name: mail}"),
        rule("sum(nosuch)", "{namespace: shop, name: none}"),
        rule("max(depth{queue=\"bank\"}) + 1", "[{namespace: bank, name: a}, {namespace: bank, name: b}]"),
        rule("sum(busy{worker=\"{name}\"})", "[{namespace: bank, name: c}, {namespace: bank, name: d}]"),
    ]
    .concat();
    assert_eq!(problems(&config), "");
    let server = Server::with_config(&config);
    for (namespace, name, expected) in [
        ("shop", "orders", "orders 3"),
        ("shop", "mail", "mail 5"),
        ("shop", "*", "mail 5, orders 3"),
        ("bank", "b", "b 8"),
        ("bank", "*", "a 8, b 8"),
        ("shop", "a", "404 NotFound: several rules serve it, and none of them describes such an object"),
    ] {
        assert_eq!(ask(&server, namespace, name), expected, "{namespace} {name}");
    }
    let none = ask(&server, "shop", "none");
    assert!(none.starts_with("404 NotFound: no series on the page matches"), "{none}");
    // Discovery has it once.
    let list = server.get("/apis/custom.metrics.k8s.io/v1beta2").json();
    assert_eq!(list["resources"].as_array().unwrap().len(), 1, "{list}");
    // If a source fails, the list of the other values would seem complete.
    let broken = format!(
        "{config}  - {{name: m, object: services, source: down, value: x, describes: {{namespace: shop, name: down}}}}\n"
    );
    let broken =
        broken.replacen("sources:\n", "sources:\n  down: {url: 'http://127.0.0.1:1/', namespaces: [shop]}\n", 1);
    let server = Server::with_config(&broken);
    assert!(
        ask(&server, "shop", "*").contains("source down connect: connection refused"),
        "{}",
        ask(&server, "shop", "*")
    );
    assert_eq!((ask(&server, "shop", "mail"), ask(&server, "bank", "*")), ("mail 5".to_owned(), "a 8, b 8".to_owned()));
    // A broken rule affects only its own object.
    let server = Server::with_config(&config.replace("sum(nosuch)", "sum(nosuch"));
    assert_eq!(ask(&server, "shop", "mail"), "mail 5");
    assert!(ask(&server, "shop", "none").starts_with("503 ServiceUnavailable: its rule is invalid: 6:"));
    for (rules, expected) in [
        (
            [
                rule("x", "{namespace: shop, name: a}"),
                rule("y", "[{namespace: bank, name: a}, {namespace: shop, name: a}]"),
            ],
            "error: describes: a in namespace shop already has this metric from the rule on line 4",
        ),
        ([rule("x", "{namespace: shop, name: a}"), rule("y", "[]")], "error: describes: expected at least one object"),
        (
            [rule("x", "{namespace: shop, name: a}"), rule("y", "a").replace(", describes: a", "")],
            "error: name: \"services\" already has this metric from the rule on line 4; several rules may serve it if each has \
             describes:",
        ),
        (
            [rule("x", "[{namespace: shop, name: a}, {namespace: shop, name: a}]"), String::new()],
            "error: describes: a in namespace shop occurs twice",
        ),
    ] {
        assert!(problems(&format!("{sources}{}", rules.concat())).contains(expected), "{rules:?}");
    }
}

/// Items whose names are the keys of an object, or numbers.
#[test]
fn names_of_items() {
    let page = r#"{"queues": {"web": {"depth": 3, "team": "shop"}, "mail": {"depth": 5, "team": "bank"}},
        "shards": [{"id": 7, "depth": 4}, {"id": true, "depth": 9}], "list": [{"depth": 1}]}"#;
    let page = url("application/json", page);
    let of_keys = server(&page, "", ", value: $.depth, items: $.queues, nameFrom: key, namespaceFrom: $.team");
    assert_eq!((ask(&of_keys, "shop", "*"), ask(&of_keys, "bank", "mail")), ("web 3".to_owned(), "mail 5".to_owned()));
    let one = |rule: &str| {
        let config = config(&page, "", rule).replace("[shop, bank]", "[shop]");
        ask(&Server::with_config(&config), "shop", "*")
    };
    assert_eq!(one(", value: $.depth, items: '$.shards[*]', nameFrom: $.id"), "7 4");
    for (rule, expected) in [
        (
            ", value: $.depth, items: '$.list[*]', nameFrom: $.name",
            "404 NotFound: nameFrom: $.name finds no text or number in any item of the page; the rule takes $.depth from \
             source app",
        ),
        (
            ", value: $.depth, items: $.list, nameFrom: key",
            "503 ServiceUnavailable: items: leads to something else than an object, whose keys are wanted; the rule takes \
             $.depth from source app",
        ),
        (
            ", value: $.depth, items: $.nosuch, nameFrom: key",
            "404 NotFound: the JSONPath selects nothing on the page; the rule takes $.depth from source app",
        ),
    ] {
        assert_eq!(one(rule), expected, "{rule}");
    }
    let external = ", value: sum($.depth), items: $.queues, labelsFrom: {queue: key}";
    let config = config(&page, "", external).replace("object: services", "external: true");
    let list = Server::with_config(&config).get("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/m").json();
    let values = list["items"].as_array().unwrap().iter();
    let values: Vec<_> = values.map(|item| (item["metricLabels"]["queue"].clone(), item["value"].clone())).collect();
    assert_eq!(values, [("mail".into(), "5".into()), ("web".into(), "3".into())]);
}

#[test]
fn check_rejects_conflicting_keys() {
    let check = |rule: &str| problems(&config("http://127.0.0.1:1/", "", rule));
    for (rule, expected) in [
        (
            r#", value: 'x{a="{name}"}', nameLabel: b"#,
            "error: nameLabel: {name} in the value already identifies the object",
        ),
        (
            r#", value: 'x{a="{namespace}"}', namespaceLabel: b"#,
            "error: namespaceLabel: {namespace} in the value already identifies the namespace",
        ),
        (
            ", value: x, namePattern: '(?<namespace>a)(?<name>b)', namespaceLabel: none",
            "error: namespaceLabel: namePattern already identifies the namespace",
        ),
        (
            ", value: x, namePattern: '(?<name>b)', describes: {namespace: shop, name: web}",
            "error: namePattern: describes: already identifies the object",
        ),
        (
            ", value: x, namePattern: web",
            "error: namePattern: expected a group (?<name>…) around the object's name, found none",
        ),
        (
            ", value: \"$['{name}'].depth\", describes: {namespace: shop, name: web}",
            "error: value: {name} is a placeholder only in the values of labels; use items: and nameFrom:; a literal one is written \\u007bname}",
        ),
        (
            r#", value: 'hits{route="/users/{name}"}'"#,
            "warning: value: {name} after a / may be part of a route, but it is a placeholder; write a literal one as \\x7bname}",
        ),
        (r#", value: 'q{a="{name}-jobs"}', namespaceLabel: b"#, ""),
        (
            r#", value: 'sum(a{n="{namespace}"}) / sum(b{x="{name}"})'"#,
            "warning: value: {namespace} restricts the namespace, and b{x=\"{name}\"} does not contain it, so it selects series of all namespaces; add it there, too",
        ),
        (r#", value: 'sum(a{n="{namespace}"}) / sum(b{n=~"{namespace}|x"})'"#, ""),
        (
            ", value: sum(a) or vector(0)",
            "warning: value: vector() or absent() gives no value to an object without series; use onMissing:",
        ),
        (
            ", value: sum(a) or vector(0), describes: {namespace: shop, name: web}",
            "warning: value: vector() or absent() has a value even if the program that updates this page has stopped; an error would keep the replicas",
        ),
        (
            ", value: $.a, ageFrom: pushed, describes: {namespace: shop, name: web}",
            "error: ageFrom: applies to series on pages only, and this value is not one of series",
        ),
    ] {
        assert_eq!(check(rule), expected, "{rule}");
    }
    // An HPA of type Pods requests all pods at once.
    let one = "identifies one pod, and an HPA of type Pods requests all pods at once, which is then an error; use a label that names \
               the pod, or a source with pods:";
    let pods = |url: &str, value: &str| problems(&config(url, "", value).replace("object: services", "object: pods"));
    assert_eq!(pods("http://127.0.0.1:1/", ", value: 'x{a=\"{name}\"}'"), format!("warning: value: {{name}} {one}"));
    let of_urls = pods("http://127.0.0.1:1/{namespace}/{name}", ", value: x");
    assert!(of_urls.contains(&format!("warning: source: {{name}} in its requests {one}")), "{of_urls}");
    assert_eq!(pods("http://127.0.0.1:1/", ", value: x"), "");
    let external = ", value: 'x{a=\"{name}\"}'";
    let config = config("http://127.0.0.1:1/", "", external).replace("object: services", "external: true");
    assert_eq!(problems(&config), "error: value: contains {name}, but an external metric has no object");
    let nodes = config.replace("external: true", "object: nodes").replace("{name}", "{namespace}");
    assert!(
        problems(&nodes)
            .contains("error: value: nodes are cluster-scoped, but {namespace} in the value identifies a namespace")
    );
}

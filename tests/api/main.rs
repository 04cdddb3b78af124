//! The objects and status codes of the API.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "../common/mod.rs"]
mod common;
mod plain_http;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::Server;
use common::secure::eventually;
use common::upstream::Upstream;
use serde_json::{Value, json};

const V1: &str = "/apis/custom.metrics.k8s.io/v1beta1";
const V2: &str = "/apis/custom.metrics.k8s.io/v1beta2";
const PROTOBUF_FIRST: &str = "Accept: application/vnd.kubernetes.protobuf, */*\r\n";

const HEALTH_REQUESTS: &str = "apiserver_request_total{verb=\"GET\",group=\"\",version=\"\",resource=\"health\",\
                               subresource=\"\",scope=\"\",component=\"\",code=\"200\"}";

const PAGE: &str = "\
# TYPE queue_depth gauge
queue_depth{namespace=\"shop\",service=\"web\",verb=\"GET\"} 3 
queue_depth{namespace=\"shop\",service=\"db\",verb=\"PUT\"} 1.5
queue_depth{namespace=\"other\",service=\"web\",verb=\"GET\"} 9
load{node=\"n1\"} 0.25
quota{namespace=\"shop\"} 12
";

fn server() -> (Server, Upstream) {
    let upstream = Upstream::text(PAGE);
    let config = format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop], labelSelector: labels}}\nmetrics:\n  \
         - {{name: queue_depth, object: services, source: app, value: 'sum(queue_depth)'}}\n  \
         - {{name: load, object: nodes, source: app}}\n  \
         - {{name: quota, object: namespaces, source: app}}\n",
        upstream.url()
    );
    (Server::with_config(&config), upstream)
}

#[test]
fn serves_discovery() {
    let (server, upstream) = server();
    let version = |name: &str| json!({"groupVersion": format!("custom.metrics.k8s.io/{name}"), "version": name});
    let group = json!({
        "name": "custom.metrics.k8s.io",
        "versions": [version("v1beta2"), version("v1beta1")],
        "preferredVersion": version("v1beta2"),
    });
    let external = json!({"groupVersion": "external.metrics.k8s.io/v1beta1", "version": "v1beta1"});
    let external = json!({"name": "external.metrics.k8s.io", "versions": [external], "preferredVersion": external});
    let groups = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group, external]});
    let mut single = json!({"kind": "APIGroup", "apiVersion": "v1"});
    single.as_object_mut().unwrap().extend(group.as_object().unwrap().clone());
    let resource = |name: &str, namespaced: bool| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": "MetricValueList", "verbs": ["get"]});
    for (path, expected) in [("/apis", &groups), ("/apis/", &groups), ("/apis/custom.metrics.k8s.io", &single)] {
        let answer = server.get(path);
        assert_eq!((answer.code, &answer.json()), (200, expected), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache, private"), "{path}");
    }
    for version in ["v1beta1", "v1beta2"] {
        let expected = json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("custom.metrics.k8s.io/{version}"),
            "resources": [resource("namespaces/quota", false), resource("nodes/load", false), resource("services/queue_depth", true)],
        });
        assert_eq!(server.get(&format!("/apis/custom.metrics.k8s.io/{version}")).json(), expected);
    }
    assert_eq!(upstream.requests(), 0, "discovery never requests a source");
}

#[test]
fn discovery_is_never_empty() {
    let server = Server::with_config("sources: {}\nmetrics: []\n");
    let list = server.get(V2).json();
    assert_eq!(list["resources"].as_array().unwrap().len(), 1);
}

#[test]
fn routes_and_codes() {
    let (server, _upstream) = server();
    let not_found = "404 NotFound: the server could not find the requested resource";
    for (method, path, headers, expected) in [
        ("GET", format!("{V2}/namespaces/shop/services/web/queue_depth"), "", "web 3"),
        ("GET", format!("{V2}/namespaces/shop/services/web/queue_depth/"), "", "web 3"),
        ("GET", format!("{V2}/namespaces/shop/services/web/queue_depth?timeout=5s&watch=true&limit=x"), "", "web 3"),
        ("GET", format!("{V2}/namespaces/shop/services/%2A/queue_depth"), PROTOBUF_FIRST, "db 1500m, web 3"),
        (
            "GET",
            format!("{V1}/namespaces/shop/services/*/queue_depth"),
            "Accept: application/json\r\n",
            "db 1500m, web 3",
        ),
        ("GET", format!("{V2}/namespaces/shop/services/*/queue_depth?labelSelector=verb+in+%28GET%29"), "", "web 3"),
        ("GET", format!("{V2}/namespaces/shop/services/*/queue_depth?labelSelector=verb%21%3DGET"), "", "db 1500m"),
        ("GET", format!("{V2}/namespaces/shop/services/*/queue_depth?metricLabelSelector=verb%3DPUT"), "", "db 1500m"),
        ("GET", format!("{V2}/nodes/n1/load"), "", "n1 250m"),
        ("GET", format!("{V2}/nodes/*/load"), "", "n1 250m"),
        ("GET", format!("{V2}/namespaces/shop/metrics/quota"), "", "shop 12"),
        ("GET", format!("{V2}/namespaces/shop/metrics/quota/x"), "", "shop 12"),
        (
            "GET",
            format!("{V2}/namespaces/shop/services/web/queue_depth?fieldSelector=metadata.name%3Dweb"),
            "",
            "web 3",
        ),
        (
            "GET",
            format!("{V2}/namespaces/shop/services/web/queue_depth?fieldSelector=metadata.name%3Ddb"),
            "",
            "400 BadRequest: fieldSelector: expected metadata.name=web, found \"metadata.name=db\"",
        ),
        (
            "GET",
            format!("{V2}/namespaces/shop/services/*/queue_depth?labelSelector=a%3D%3D%3Db"),
            "",
            "400 BadRequest: labelSelector: unable to parse requirement: expected a label value at byte 3, found \"=\"",
        ),
        (
            "GET",
            format!("{V2}/namespaces/shop/services/web/queue_depth?metricLabelSelector=a+b"),
            "",
            "400 BadRequest: metricLabelSelector: unable to parse requirement: expected an operator, \",\" or the end at byte 2, found \"b\"",
        ),
        (
            "GET",
            format!("{V2}/namespaces/shop/services/web/queue_depth?metricLabelSelector=a%3E1"),
            "",
            "400 BadRequest: queue_depth of services/web in namespace shop: metricLabelSelector: > and < are not \
             supported, found on \"a\"",
        ),
        (
            "GET",
            format!("{V2}/namespaces/shop/services/*/queue_depth?labelSelector=tier%3Da"),
            "",
            "400 BadRequest: queue_depth of all services in namespace shop: labelSelector: no series carries the label \
             \"tier\"; they carry namespace, service, verb",
        ),
        (
            "GET",
            format!("{V2}/namespaces/shop/services/web/queue_depth?labelSelector=%zz"),
            "",
            "400 BadRequest: invalid query: expected two hexadecimal digits after %, found \"%zz\"",
        ),
        (
            "GET",
            format!("{V2}/namespaces/shop/queue_depth"),
            "",
            "400 BadRequest: invalid request path: expected /namespaces/NAMESPACE/metrics/METRIC or \
             /namespaces/NAMESPACE/RESOURCE/NAME/METRIC",
        ),
        ("GET", format!("{V2}/nodes/foo"), "", not_found),
        ("GET", format!("{V2}//nodes/n1/load"), "", not_found),
        ("GET", "/apis/custom.metrics.k8s.io/v1".to_owned(), "", not_found),
        (
            "GET",
            format!("{V2}/namespaces/shop/pods/web/queue_depth"),
            "",
            "404 NotFound: queue_depth of pods/web in namespace shop: no rule is configured for it; there are rules for \
             services",
        ),
        (
            "GET",
            format!("{V2}/namespaces/other/services/web/queue_depth"),
            "",
            "404 NotFound: queue_depth of services/web in namespace other: source app may not describe objects of this \
             namespace; its namespaces: in the configuration says which",
        ),
        (
            "GET",
            format!("{V2}/services/web/queue_depth"),
            "",
            "404 NotFound: queue_depth of services/web: services are in namespaces, and the path names none",
        ),
        (
            "POST",
            format!("{V2}/namespaces/shop/services/web/queue_depth"),
            "",
            "405 MethodNotAllowed: the server does not allow this method on the requested resource",
        ),
        (
            "DELETE",
            V2.to_owned(),
            "",
            "405 MethodNotAllowed: the server does not allow this method on the requested resource",
        ),
        (
            "GET",
            format!("{V2}/namespaces/shop/services/web/queue_depth"),
            "Accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n",
            "406 NotAcceptable: only the following media types are accepted: application/json, application/yaml, \
             application/vnd.kubernetes.protobuf",
        ),
        (
            "GET",
            V2.to_owned(),
            "Accept: application/*\r\n",
            "406 NotAcceptable: only the following media types are accepted: application/json, application/yaml, \
             application/vnd.kubernetes.protobuf",
        ),
        (
            "GET",
            "/version".to_owned(),
            "Accept: text/html\r\n",
            "406 NotAcceptable: only the following media types are accepted: application/json",
        ),
    ] {
        assert_eq!(server.request(method, &path, headers).values(), expected, "{method} {path}");
    }
    // Kubernetes treats HEAD like every other method except GET; the response has no body.
    let head = server.request("HEAD", &format!("{V2}/nodes/n1/load"), "");
    assert_eq!((head.code, head.body.as_str()), (405, ""));
    let allow =
        head.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Allow")).map(|(_, value)| value.as_str());
    assert_eq!(allow, Some("GET"));
}

#[test]
fn answers_have_the_shape_of_their_version() {
    let (server, _upstream) = server();
    let path = "namespaces/shop/services/web/queue_depth?metricLabelSelector=verb%3DGET";
    let mut old = server.get(&format!("{V1}/{path}")).json();
    let mut new = server.get(&format!("{V2}/{path}")).json();
    for list in [&mut old, &mut new] {
        let time = list["items"][0]["timestamp"].take();
        let time = time.as_str().unwrap();
        assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    }
    let object = json!({"kind": "Service", "namespace": "shop", "name": "web", "apiVersion": "v1"});
    let selector = json!({"matchLabels": {"verb": "GET"}});
    assert_eq!(
        old,
        json!({
            "kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta1", "metadata": {},
            "items": [{"describedObject": object, "metricName": "queue_depth", "timestamp": null, "value": "3", "selector": selector}],
        })
    );
    assert_eq!(
        new,
        json!({
            "kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": {},
            "items": [{"describedObject": object, "metric": {"name": "queue_depth", "selector": selector}, "timestamp": null, "value": "3"}],
        })
    );
}

#[test]
fn indents_json_for_browsers_and_curl() {
    let (server, _upstream) = server();
    let indented =
        |query: &str, headers: &str| server.request("GET", &format!("/apis{query}"), headers).body.contains("\n  \"");
    assert!(!indented("", ""));
    assert!(indented("?pretty=true", ""));
    assert!(indented("", "User-Agent: curl/8.5.0\r\n"));
    assert!(!indented("?pretty=false", "User-Agent: curl/8.5.0\r\n"));
}

#[test]
fn serves_paths_outside_the_apis() {
    let (server, _upstream) = server();
    let root = server.get("/");
    assert_eq!(root.code, 200);
    let nowhere = server.get("/openapi");
    assert_eq!((nowhere.code, nowhere.json()), (404, root.json()));
    for path in root.json()["paths"].as_array().unwrap() {
        assert_eq!(server.get(path.as_str().unwrap()).code, 200, "{path}");
    }
    let version = server.get("/version").json();
    assert_eq!(version["gitVersion"], concat!("v", env!("CARGO_PKG_VERSION")));
    for path in ["/healthz", "/livez", "/readyz", "/readyz/config", "/livez/ping"] {
        let answer = server.get(path);
        assert_eq!((answer.code, answer.body.as_str()), (200, "ok"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(
        server.get("/readyz?verbose").body,
        "[+]ping ok\n[+]workers ok\n[+]config ok\n[+]trust ok\n[+]shutdown ok\nreadyz check passed\n"
    );
    assert_eq!(server.get("/livez/nope").code, 404);
    assert!(server.own(HEALTH_REQUESTS) >= 5.0);
}

/// Recorded requests of a real kube-apiserver to such a server.
#[test]
fn answers_recorded_requests_of_the_aggregator() {
    let upstream =
        Upstream::text("http_requests{namespace=\"default\",pod=\"web-0\"} 5\nqueue{namespace=\"default\"} 7\n");
    let server = Server::start(&["--upstream", &upstream.url()]);
    let mut asked = 0;
    for line in include_str!("../fixtures/aggregator-requests.jsonl").lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        let (method, target) = (request["method"].as_str().unwrap(), request["target"].as_str().unwrap());
        let headers: String = request["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .filter(|(name, _)| *name != "Host")
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let answer = server.request(method, target, &headers);
        let path = target.split('?').next().unwrap();
        let expected: &[u16] = match (method, path) {
            ("DELETE", _) => &[405],
            (
                "GET",
                "/apis"
                | "/apis/custom.metrics.k8s.io"
                | "/apis/custom.metrics.k8s.io/v1beta1"
                | "/apis/custom.metrics.k8s.io/v1beta2"
                | "/apis/external.metrics.k8s.io"
                | "/apis/external.metrics.k8s.io/v1beta1"
                | "/openapi/v2"
                | "/openapi/v3",
            ) => &[200],
            ("GET", path) if path.contains("external.metrics") => &[404],
            // Its pods and services are not on our page, or the selector needs a Kubernetes API.
            _ => &[200, 400, 404],
        };
        assert!(expected.contains(&answer.code), "{method} {target}: {answer:?}");
        // The HPA controller prefers protobuf.
        let accepts_protobuf = headers.contains("application/vnd.kubernetes.protobuf") && !path.starts_with("/openapi");
        let content_type = match path {
            "/apis" => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            _ if accepts_protobuf => "application/vnd.kubernetes.protobuf",
            _ => "application/json",
        };
        assert_eq!(answer.header("content-type"), Some(content_type), "{method} {target}");
        asked += 1;
    }
    assert_eq!(asked, 13);
}

//! JSON, YAML and protobuf: the choice by the Accept header, for values and errors.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use common::upstream::Upstream;
use common::{Answer, Server, protobuf};
use metriclet::internals::parse::yaml::{YamlLimits, parse_page};
use serde_json::Value;

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const CUSTOM: &str = "/apis/custom.metrics.k8s.io";
const EXTERNAL: &str = "/apis/external.metrics.k8s.io";
const WEB: &str = "namespaces/shop/services/web/queue_depth";

/// The page is fetched once, so all answers have one timestamp.
fn server() -> (Server, Upstream) {
    let upstream = Upstream::text(
        "# TYPE queue_depth gauge\nqueue_depth{namespace=\"shop\",service=\"web\",verb=\"GET\"} 3\n\
         queue_depth{namespace=\"shop\",service=\"db\",verb=\"PUT\"} -1.5\n",
    );
    let config = format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop], cache: 1m}}\nmetrics:\n  \
         - {{name: queue_depth, object: services, source: app, value: 'sum(queue_depth)'}}\n  \
         - {{name: jobs, external: true, source: app, value: sum by (verb) (queue_depth)}}\n",
        upstream.url()
    );
    (Server::with_config(&config), upstream)
}

fn ask(server: &Server, method: &str, path: &str, accept: &str) -> Answer {
    server.request(method, path, &format!("Accept: {accept}\r\n"))
}

/// The recorded bytes of Kubernetes' serializers for an object.
fn recorded(name: &str) -> Vec<u8> {
    let lines = include_str!("fixtures/encodings.jsonl").lines();
    let object = lines.map(|line| serde_json::from_str::<Value>(line).unwrap()).find(|line| line["name"] == name);
    let hex = object.unwrap()["protobuf"].as_str().unwrap().to_owned();
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn every_object_has_three_encodings() {
    let (server, _upstream) = server();
    let limits = YamlLimits { bytes: 1 << 20, depth: 16, nodes: 1 << 12 };
    for (method, path) in [
        ("GET", "/apis".to_owned()),
        ("GET", CUSTOM.to_owned()),
        ("GET", format!("{CUSTOM}/v1beta1")),
        ("GET", format!("{CUSTOM}/v1beta2")),
        ("GET", EXTERNAL.to_owned()),
        ("GET", format!("{EXTERNAL}/v1beta1")),
        ("GET", format!("{EXTERNAL}/v1beta1/namespaces/shop/jobs")),
        ("GET", format!("{EXTERNAL}/v1beta1/namespaces/shop/jobs?labelSelector=verb%3Dnone")),
        ("GET", format!("{EXTERNAL}/v1beta1/namespaces/shop/none")),
        ("GET", format!("{CUSTOM}/v1beta1/{WEB}?metricLabelSelector=verb%3DGET")),
        ("GET", format!("{CUSTOM}/v1beta2/{WEB}?metricLabelSelector=verb%20in%20%28GET%2CPUT%29")),
        ("GET", format!("{CUSTOM}/v1beta2/namespaces/shop/services/*/queue_depth")),
        ("GET", format!("{CUSTOM}/v1beta2/namespaces/shop/services/none/queue_depth")),
        ("GET", format!("{CUSTOM}/v1beta2/namespaces/shop/pods/*/queue_depth")),
        ("GET", format!("{CUSTOM}/v1beta2/{WEB}?labelSelector=%zz")),
        ("GET", format!("{CUSTOM}/nothing")),
        ("DELETE", format!("{CUSTOM}/v1beta2")),
    ] {
        let json = ask(&server, method, &path, JSON);
        let yaml = ask(&server, method, &path, YAML);
        let protobuf = ask(&server, method, &path, PROTOBUF);
        // Only JSON is indented.
        let headers = format!("Accept: {YAML}\r\nUser-Agent: curl/8.5.0\r\n");
        assert_eq!(server.request(method, &path, &headers).body, yaml.body, "{path}");
        for (answer, media_type) in [(&json, JSON), (&yaml, YAML), (&protobuf, PROTOBUF)] {
            assert_eq!((answer.code, answer.header("content-type")), (json.code, Some(media_type)), "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-cache, private"), "{path}");
            assert_eq!(answer.header("allow"), (answer.code == 405).then_some("GET"), "{path}");
        }
        let object = json.json();
        assert_eq!(parse_page(yaml.body.as_bytes(), &limits).as_ref(), Ok(&object), "{path}: {}", yaml.body);
        let (api_version, kind, decoded) = protobuf::object(&protobuf.bytes);
        assert_eq!((&object["apiVersion"], &object["kind"]), (&api_version.into(), &kind.into()), "{path}");
        if json.code != 200 {
            assert_eq!(protobuf.status(), json.status(), "{path}");
        } else if object["kind"] == "MetricValueList" {
            assert_eq!(protobuf.values(), json.values(), "{path}");
        } else if object["kind"] == "ExternalMetricValueList" {
            let items: Vec<_> = decoded.messages(2).collect();
            assert_eq!(items.len(), 2);
            for (item, expected) in items.iter().zip(object["items"].as_array().unwrap()) {
                let (label, value) = (item.message(2), item.message(5));
                assert_eq!((item.text(1), label.text(1)), ("jobs", "verb"));
                assert_eq!(
                    (label.text(2), value.text(1)),
                    (expected["metricLabels"]["verb"].as_str().unwrap(), expected["value"].as_str().unwrap(),)
                );
            }
        }
    }
}

#[test]
fn writes_the_same_bytes_as_kubernetes() {
    let (server, _upstream) = server();
    for (method, path, name) in [
        ("GET", "/apis".to_owned(), "discovery: groups"),
        ("GET", CUSTOM.to_owned(), "discovery: custom"),
        ("GET", EXTERNAL.to_owned(), "discovery: external"),
        ("GET", format!("{CUSTOM}/nothing"), "status: empty details"),
        ("POST", CUSTOM.to_owned(), "status: method"),
    ] {
        assert_eq!(ask(&server, method, &path, PROTOBUF).bytes, recorded(name), "{path}");
    }
    let empty = Server::with_config("sources: {}\nmetrics: []\n");
    for (path, name) in [
        (format!("{CUSTOM}/v1beta2"), "discovery: no custom metrics"),
        (format!("{EXTERNAL}/v1beta1"), "discovery: no external metrics"),
    ] {
        assert_eq!(ask(&empty, "GET", &path, PROTOBUF).bytes, recorded(name), "{path}");
    }
}

#[test]
fn the_accept_header_chooses() {
    let (server, _upstream) = server();
    let (metric, missing) = (format!("{CUSTOM}/v1beta2/{WEB}"), format!("{CUSTOM}/v1beta2/nodes/n1/none"));
    for (accept, expected) in [
        ("*/*", Some(JSON)),
        ("application/json, */*", Some(JSON)),
        ("application/vnd.kubernetes.protobuf, */*", Some(PROTOBUF)),
        ("application/vnd.kubernetes.protobuf;q=0.5, application/yaml;q=0.6", Some(YAML)),
        ("application/json;as=Table;v=v1;g=meta.k8s.io, application/yaml", Some(YAML)),
        ("application/vnd.kubernetes.protobuf;type=x", Some(PROTOBUF)),
        ("application/*, application/yaml;q=0.1", Some(JSON)),
        ("application/*", None),
        ("application/json;as=Table", None),
        ("text/html", None),
    ] {
        let answer = ask(&server, "GET", &metric, accept);
        assert_eq!(answer.code, if expected.is_some() { 200 } else { 406 }, "{accept}");
        assert_eq!(answer.header("content-type"), expected.or(Some(JSON)), "{accept}");
        let error = ask(&server, "GET", &missing, accept);
        assert_eq!(error.header("content-type"), expected.or(Some(JSON)), "{accept}");
    }
    // Responses with a single encoding are sent in it.
    for path in ["/version", "/openapi/v2"] {
        assert_eq!(ask(&server, "GET", path, "application/yaml, */*").header("content-type"), Some(JSON), "{path}");
        let refused = ask(&server, "GET", path, YAML);
        assert_eq!((refused.code, refused.header("content-type")), (406, Some(YAML)), "{path}");
    }
}

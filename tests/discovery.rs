//! Aggregated discovery and OpenAPI.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use common::secure::{Secure, get, read_answer};
use common::upstream::Upstream;
use common::{Answer, Server, file, has, replace};
use serde_json::{Value, json};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

const PAGE: &str = "queue_depth{namespace=\"shop\",service=\"web\",verb=\"GET\"} 3\nload{node=\"n1\"} 0.25\n\
                    quota{namespace=\"shop\"} 12\n";

/// A metric of each kind, as clients request them.
const METRICS: [&str; 7] = [
    "custom.metrics.k8s.io/v1beta1/namespaces/shop/services/web/queue_depth?metricLabelSelector=verb%3DGET",
    "custom.metrics.k8s.io/v1beta1/nodes/n1/load",
    "custom.metrics.k8s.io/v1beta1/namespaces/shop/metrics/quota",
    "custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/queue_depth?metricLabelSelector=verb%3DGET",
    "custom.metrics.k8s.io/v1beta2/nodes/n1/load",
    "custom.metrics.k8s.io/v1beta2/namespaces/shop/metrics/quota",
    "external.metrics.k8s.io/v1beta1/namespaces/shop/lag",
];

fn config(upstream: &Upstream) -> String {
    format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop]}}\nmetrics:\n  \
         - {{name: queue_depth, object: services, source: app}}\n  - {{name: load, object: nodes, source: app}}\n  \
         - {{name: quota, object: namespaces, source: app}}\n  \
         - {{name: lag, external: true, source: app, value: sum by (verb) (queue_depth)}}\n",
        upstream.url()
    )
}

fn ask(server: &Server, target: &str, accept: &str, headers: &str) -> Answer {
    let head = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", server.address);
    let mut stream = server.send(&format!("{head}Accept: {accept}\r\n{headers}\r\n"));
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    // Protobuf is not text, and is tested elsewhere.
    Answer::parse(String::from_utf8_lossy(&answer).as_bytes())
}

fn if_none_match(answer: &Answer) -> String {
    format!("If-None-Match: {}\r\n", answer.header("etag").unwrap())
}

#[test]
fn serves_aggregated_discovery() {
    let upstream = Upstream::text(PAGE);
    let path = file("metrics.yaml", &config(&upstream));
    let mut server = Server::start(&["--config", path.to_str().unwrap()]);
    let answer = ask(&server, "/apis", AGGREGATED, "");
    assert_eq!(answer.code, 200);
    for (name, value) in [("content-type", AGGREGATED), ("cache-control", "public"), ("vary", "Accept")] {
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
    let resource = |name: &str, scope: &str, metric: &str| {
        let of_metric = json!({"group": "", "version": "", "kind": "MetricValueList"});
        json!({
            "resource": name, "responseKind": {"group": "", "version": "", "kind": ""}, "scope": scope,
            "singularResource": "", "verbs": [],
            "subresources": [{"subresource": metric, "responseKind": of_metric, "verbs": ["get"]}],
        })
    };
    let custom = [
        resource("namespaces", "Cluster", "quota"),
        resource("nodes", "Cluster", "load"),
        resource("services", "Namespaced", "queue_depth"),
    ];
    let external = json!({
        "resource": "lag", "scope": "Namespaced", "singularResource": "", "verbs": ["get"],
        "responseKind": {"group": "external.metrics.k8s.io", "version": "v1beta1", "kind": "ExternalMetricValueList"},
    });
    let version =
        |name: &str, resources: &[Value]| json!({"version": name, "resources": resources, "freshness": "Current"});
    let group = |name: &str, versions: &[Value]| json!({"metadata": {"name": name}, "versions": versions});
    let expected = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": [
            group("custom.metrics.k8s.io", &[version("v1beta2", &custom), version("v1beta1", &custom)]),
            group("external.metrics.k8s.io", &[version("v1beta1", &[external])]),
        ],
    });
    assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), expected);

    // The ETag is valid until the configuration changes.
    let known = if_none_match(&answer);
    let again = ask(&server, "/apis", AGGREGATED, &known);
    assert_eq!((again.code, again.body.as_str()), (304, ""));
    assert_eq!((again.header("etag"), again.header("vary")), (answer.header("etag"), Some("Accept")));
    assert_eq!(again.header("content-type"), None);
    for other in ["If-None-Match: *\r\n".to_owned(), known.replace('"', ""), known.replace(": ", ": W/")] {
        assert_eq!(ask(&server, "/apis", AGGREGATED, &other).code, 200, "{other}");
    }
    let indented = ask(&server, "/apis?pretty=true", AGGREGATED, "");
    assert!(indented.body.contains("\n  \"") && indented.header("etag") == answer.header("etag"), "{indented:?}");
    replace(&path, &config(&upstream).replace("quota", "budget"));
    server.wait_for(": loaded ");
    let changed = ask(&server, "/apis", AGGREGATED, &known);
    assert!(changed.code == 200 && changed.body.contains("budget"), "{changed:?}");
    assert_eq!(upstream.requests(), 0, "discovery never requests a source");

    // Other Accept headers get the older form.
    let beta = AGGREGATED.replace("v2", "v2beta1");
    for accept in ["application/json", "*/*", &beta, &format!("{beta},application/json"), "application/json;as=Table"] {
        assert_eq!(ask(&server, "/apis", accept, &known).json()["kind"], "APIGroupList", "{accept}");
    }
    assert_eq!(ask(&server, "/apis/custom.metrics.k8s.io", AGGREGATED, "").json()["kind"], "APIGroup");
    let counted = |code: u16| {
        server.own(&format!(
            "apiserver_request_total{{verb=\"GET\",group=\"\",version=\"\",resource=\"discovery\",subresource=\"\",\
             scope=\"\",component=\"\",code=\"{code}\"}}"
        ))
    };
    assert_eq!((counted(200), counted(304)), (12.0, 1.0));
}

/// Without Content-Length, because an HTTP/2 client behind a proxy would wait for the body.
#[test]
fn the_secure_listener_answers_conditional_requests() {
    let secure = Secure::start(&[]);
    let mut stream = secure.known_client().connect();
    for target in ["/apis", "/openapi/v2", "/openapi/v3/apis/custom.metrics.k8s.io/v1beta1"] {
        let mut ask = |headers: &str| {
            let accept = if target == "/apis" { AGGREGATED } else { "application/json" };
            let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n{headers}\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            read_answer(&mut stream).unwrap()
        };
        let answer = ask("");
        assert_eq!(answer.code, 200, "{answer:?}");
        let again = ask(&if_none_match(&answer));
        assert_eq!((again.code, again.header("content-length"), again.body.as_str()), (304, None, ""), "{target}");
    }
    assert_eq!(get(&mut stream, "/livez").body, "ok", "the next response follows at once");
}

/// The names of the documents of version 3, and their paths.
fn listed(server: &Server) -> Vec<(String, String)> {
    let list = server.get("/openapi/v3").json();
    let paths = list["paths"].as_object().unwrap().iter();
    paths.map(|(name, entry)| (name.clone(), entry["serverRelativeURL"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn serves_openapi_to_caches() {
    let server = Server::with_config(&config(&Upstream::text(PAGE)));
    let documents = listed(&server);
    let names: Vec<_> = documents.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "apis/custom.metrics.k8s.io/v1beta1",
            "apis/custom.metrics.k8s.io/v1beta2",
            "apis/external.metrics.k8s.io/v1beta1"
        ]
    );
    // Groups without metrics are not listed, because another server may serve them, unless there are no metrics at all.
    let external = "sources: {}\nmetrics: [{name: lag, external: true, source: none}]\n";
    for (config, expected) in [
        (config(&Upstream::text(PAGE)).replace("external: true", "object: pods").as_str(), &names[..2]),
        (external, &names[2..]),
        ("sources: {}\nmetrics: []\n", &names),
    ] {
        let found = listed(&Server::with_config(config));
        assert_eq!(found.iter().map(|(name, _)| name).collect::<Vec<_>>(), expected, "{config}");
    }
    for (name, url) in &documents {
        let (path, hash) = url.split_once("?hash=").unwrap();
        assert_eq!(path, format!("/openapi/v3/{name}"));
        let plain = server.get(path);
        assert_eq!((plain.code, plain.header("etag")), (200, Some(format!("\"{hash}\"").as_str())));
        assert_eq!((plain.header("cache-control"), plain.header("expires")), (Some("no-cache, private"), None));
        let immutable = server.get(url);
        assert_eq!((immutable.code, &immutable.body), (200, &plain.body));
        assert_eq!(immutable.header("cache-control"), Some("public, immutable"));
        let year = |header: &str| immutable.header(header).unwrap()[12..16].parse::<u16>().unwrap();
        assert!(year("expires") > year("date"), "{immutable:?}");
        let outdated = server.get(&format!("{path}?hash=AB"));
        assert_eq!((outdated.code, outdated.header("location"), outdated.body.as_str()), (301, Some(url.as_str()), ""));
        assert_eq!(server.get(&format!("{path}?hash=")).code, 200);
    }
    for path in ["/openapi/v2", "/openapi/v3", &documents[0].1] {
        let answer = server.get(path);
        assert_eq!((answer.code, answer.header("vary")), (200, Some("Accept")), "{path}");
        let tag = answer.header("etag").unwrap();
        for (header, code) in [
            (tag.to_owned(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"a\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"a\"".to_owned(), 200),
            (tag.replace('"', ""), 200),
        ] {
            let again = server.request("GET", path, &format!("If-None-Match: {header}\r\n"));
            assert_eq!((again.code, again.header("etag")), (code, Some(tag)), "{path}: {header}");
            assert_eq!(again.body.is_empty(), code == 304, "{path}: {header}");
        }
        assert_eq!(server.request("POST", path, "").code, 405);
    }
    for path in ["/openapi/v3/apis/custom.metrics.k8s.io/v1", "/openapi/v3/apis/apps/v1", "/openapi/v3/apis"] {
        assert_eq!(server.get(path).code, 404, "{path}");
    }
}

#[test]
fn encodes_openapi_as_requested() {
    let server = Server::with_config(&config(&Upstream::text(PAGE)));
    let v3 = &listed(&server)[0].1;
    for (path, protobuf) in [("/openapi/v2", V2_PROTOBUF), (v3, V3_PROTOBUF)] {
        let older = protobuf.replace(".v1.0", "@v1.0");
        for (accept, content_type) in [
            ("application/json", "application/json"),
            ("application/*", "application/json"),
            ("*/*", "application/json"),
            (protobuf, protobuf),
            (&older, protobuf),
            (&format!("{protobuf},application/json"), protobuf),
            (&format!("application/yaml,{protobuf};q=0.5,application/json;q=0.4"), protobuf),
        ] {
            let answer = ask(&server, path, accept, "");
            assert_eq!((answer.code, answer.header("content-type")), (200, Some(content_type)), "{path}: {accept}");
        }
        let refused = ask(&server, path, "text/html", "");
        assert_eq!(
            refused.status(),
            format!(
                "406 NotAcceptable: only the following media types are accepted: application/json, {older}, {protobuf}"
            ),
            "{path}"
        );
    }
}

/// Every reference in a document.
fn references(document: &Value, found: &mut BTreeSet<String>) {
    match document {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// The members of an object that are missing from its definition, and the required ones that are missing from the object.
fn differences(definitions: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let definition = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    let schema = definition.map_or(schema, |name| &definitions[name.rsplit('/').next().unwrap()]);
    match value {
        Value::Object(members) => {
            for (key, member) in members.iter().filter(|(_, member)| !member.is_null()) {
                match (&schema["properties"][key], &schema["additionalProperties"]) {
                    (Value::Null, Value::Null) => found.push(format!("{at}.{key} is not described")),
                    (Value::Null, of) | (of, _) => differences(definitions, of, member, &format!("{at}.{key}"), found),
                }
            }
            let required = schema["required"].as_array().into_iter().flatten();
            found.extend(
                required.filter(|key| value[key.as_str().unwrap()].is_null()).map(|key| format!("{at} lacks {key}")),
            );
        }
        Value::Array(items) => {
            items.iter().for_each(|item| differences(definitions, &schema["items"], item, at, found));
        }
        _ => {
            let is_of_type = match schema["type"].as_str().unwrap() {
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                _ => value.is_i64(),
            };
            found.extend((!is_of_type).then(|| format!("{at} is {value}")));
        }
    }
}

#[test]
fn openapi_describes_what_is_served() {
    let server = Server::with_config(&config(&Upstream::text(PAGE)));
    let mut documents = vec![server.get("/openapi/v2").json()];
    documents.extend(listed(&server).iter().map(|(_, url)| server.get(url).json()));
    for document in &documents {
        let mut used = BTreeSet::new();
        references(document, &mut used);
        let is_defined = |name: &String| document.pointer(name.trim_start_matches('#')).is_some();
        assert!(used.len() >= 8 && used.iter().all(is_defined), "{used:?}");
        for path in document["paths"].as_object().unwrap().keys() {
            // None of these objects exists, but the routes do.
            let target = path.replace(['{', '}'], "");
            let answer = server.get(&target);
            let no_route = "the server could not find the requested resource";
            let is_route = match path.contains('{') {
                true => !answer.body.contains(no_route) && !answer.body.contains("\"paths\""),
                false => answer.code == 200,
            };
            assert!(is_route, "{path}: {answer:?}");
        }
    }
    let paths = METRICS.iter().map(|metric| format!("/apis/{metric}"));
    let lists = ["/apis", "/apis/custom.metrics.k8s.io", "/apis/custom.metrics.k8s.io/v1beta1"].map(str::to_owned);
    for path in paths.chain(lists) {
        let answer = server.get(&path).json();
        let (kind, mut of) =
            (answer["kind"].as_str().unwrap(), answer["apiVersion"].as_str().unwrap().split('/').rev());
        let of = json!([{"kind": kind, "version": of.next(), "group": of.next().unwrap_or_default()}]);
        let mut described = 0;
        for document in &documents {
            let definitions = document.get("definitions").unwrap_or(&document["components"]["schemas"]);
            let of_kind = |schema: &&Value| schema["x-kubernetes-group-version-kind"] == of;
            for schema in definitions.as_object().unwrap().values().filter(of_kind) {
                let mut found = Vec::new();
                differences(definitions, schema, &answer, kind, &mut found);
                assert!(found.is_empty(), "{path}: {found:?}");
                described += 1;
            }
        }
        assert!(described >= 1, "{path}: {of}");
    }
}

/// Kubernetes' own libraries read the documents, and confirm that they are those of scripts/openapi.
#[test]
fn kubernetes_reads_openapi() {
    if !has("go") {
        return;
    }
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg(".");
    let built = build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi")).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let server = Server::with_config(&config(&Upstream::text(PAGE)));
    let paths = METRICS.iter().map(|metric| format!("/apis/{metric}"));
    let mut check = Command::new(program);
    check.args(["check", &format!("http://{}", server.address)]).args(paths);
    let checked = check.output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert_eq!(String::from_utf8_lossy(&checked.stdout), "4 documents and 7 answers\n");
}

//! A server in memory that passes all checks: the reference for the suite's tests.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::conformance::body::{JSON, PROTOBUF, YAML};
use crate::conformance::exchange::{Identity, Request, Response};
use crate::conformance::protobuf::tests::encode;
use crate::conformance::session::Server;
use crate::kube::meta::LabelSelector;
use crate::parse::percent::{Plus, decode};
use crate::parse::selector::{Selector, SelectorLimits};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const TIME: &str = "2026-08-18T02:35:04Z";

/// The server, its deviations, and whether kube-apiserver is in front of it.
pub(super) struct CorrectServer {
    pub(super) mutation: fn(&Request, &mut Response),
    pub(super) is_aggregated: bool,
    /// The value of the first object.
    pub(super) value: std::rc::Rc<std::cell::Cell<&'static str>>,
}

impl Server for CorrectServer {
    fn send(&mut self, request: &Request) -> Result<Response, String> {
        let mut response = if self.is_aggregated && request.path() == "/api" {
            json_response(200, &json!({"kind": "APIVersions"}), request)
        } else {
            answer(request, self.value.get())
        };
        (self.mutation)(request, &mut response);
        Ok(response)
    }
}

/// An error: status, reason and message.
type Failure = (u16, &'static str, String);

fn answer(request: &Request, first_value: &str) -> Response {
    let health = ["/healthz", "/livez", "/readyz"].contains(&request.path());
    match route(request, first_value) {
        _ if health => {
            Response { status: 200, headers: vec![header("content-type", "text/plain")], body: b"ok".to_vec() }
        }
        Ok(object) => rendered(&object, request),
        Err((404, "", _)) => json_response(404, &json!({"paths": ["/apis"]}), request),
        Err((status, reason, message)) => {
            let body = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                "reason": reason, "code": status,
            });
            json_response(status, &body, request)
        }
    }
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn json_response(status: u16, object: &Value, request: &Request) -> Response {
    let is_for_people = request.target.contains("pretty=true")
        || request.headers.iter().any(|(name, value)| *name == "user-agent" && value.starts_with("curl"));
    let body = if is_for_people { format!("{object:#}") } else { object.to_string() };
    Response { status, headers: vec![header("content-type", JSON)], body: body.into_bytes() }
}

fn accept(request: &Request) -> &str {
    request.headers.iter().find(|(name, _)| *name == "accept").map_or("*/*", |(_, value)| value)
}

fn has_header(request: &Request, wanted: &str, value: &str) -> bool {
    request.headers.iter().any(|(name, found)| *name == wanted && found == value)
}

/// Encodes an object in the accepted format.
fn rendered(object: &Value, request: &Request) -> Response {
    if object["kind"] == "APIGroupDiscoveryList" {
        if has_header(request, "if-none-match", "\"1\"") {
            return Response { status: 304, ..Response::default() };
        }
        let headers = [("content-type", AGGREGATED), ("etag", "\"1\""), ("vary", "Accept")];
        let headers = headers.map(|(name, value)| header(name, value)).to_vec();
        return Response { status: 200, headers, body: object.to_string().into_bytes() };
    }
    let mut response = json_response(200, object, request);
    match media_type(request) {
        // JSON is valid YAML.
        Some(YAML) => response.headers = vec![header("content-type", YAML)],
        Some(PROTOBUF) if object.get("items").is_some() => {
            response = Response { headers: vec![header("content-type", PROTOBUF)], body: encode(object), ..response };
        }
        _ => {}
    }
    if has_header(request, "accept-encoding", "gzip") {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&response.body).unwrap();
        response.body = encoder.finish().unwrap();
        response.headers.extend([header("content-encoding", "gzip"), header("vary", "Accept-Encoding")]);
    }
    response
}

fn media_type(request: &Request) -> Option<&'static str> {
    let clauses = accept(request).split(',').filter(|clause| !clause.contains("as=Table"));
    clauses.map(|clause| clause.split(';').next().unwrap().trim().to_ascii_lowercase()).find_map(
        |clause| match &*clause {
            "*/*" | JSON => Some(JSON),
            YAML => Some(YAML),
            PROTOBUF => Some(PROTOBUF),
            _ => None,
        },
    )
}

fn not_found() -> Failure {
    (404, "NotFound", "the server could not find the requested resource".to_owned())
}

/// Authorizes users: everyone except those without credentials is authenticated.
fn access(request: &Request, segments: &[&str]) -> Result<(), Failure> {
    let forbidden = || {
        let message = "pods.custom.metrics.k8s.io \"*\" is forbidden: User \"u\" cannot get resource \"pods/q\"";
        Err((403, "Forbidden", message.to_owned()))
    };
    let is_discovery = segments.len() <= 3;
    match (request.identity, segments.get(1)) {
        (Identity::Given, _) => Ok(()),
        (Identity::Unauthenticated | Identity::WrongToken, _) => Err((401, "Unauthorized", "Unauthorized".to_owned())),
        (Identity::Unauthorized, _) if is_discovery => Ok(()),
        (Identity::CustomReader, Some(&"custom.metrics.k8s.io")) => Ok(()),
        (Identity::ExternalReader, Some(&"external.metrics.k8s.io")) => Ok(()),
        _ => forbidden(),
    }
}

fn route(request: &Request, first_value: &str) -> Result<Value, Failure> {
    let bad_request = |message: &str| (400, "BadRequest", message.to_owned());
    let path = decode(request.path(), Plus::Literal).map_err(|_| bad_request("bad escape"))?;
    let path = path.trim_start_matches('/').trim_end_matches('/');
    let segments: Vec<&str> = path.split('/').collect();
    access(request, &segments)?;
    if segments.iter().any(|segment| segment.is_empty()) {
        return Err(not_found());
    }
    let get = |object: Value| match request.method {
        "GET" if media_type(request).is_some() || accept(request).starts_with(AGGREGATED) => Ok(object),
        "GET" => Err((406, "NotAcceptable", "only JSON, YAML and protobuf".to_owned())),
        _ => Err((405, "MethodNotAllowed", "the server does not allow this method".to_owned())),
    };
    let query = Query::of(request);
    match *segments {
        ["apis"] if accept(request).starts_with(AGGREGATED) => get(aggregated()),
        ["apis"] => get(
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group("custom.metrics.k8s.io", &["v1beta2", "v1beta1"]), group("external.metrics.k8s.io", &["v1beta1"])]}),
        ),
        ["apis", "custom.metrics.k8s.io"] => get(group("custom.metrics.k8s.io", &["v1beta2", "v1beta1"])),
        ["apis", name @ "custom.metrics.k8s.io", version @ ("v1beta1" | "v1beta2")]
        | ["apis", name @ "external.metrics.k8s.io", version @ "v1beta1"] => get(resources(name, version)),
        ["openapi", "v2"] => get(json!({"swagger": "2.0", "paths": {}})),
        ["openapi", "v3"] => get(
            json!({"paths": {"apis/custom.metrics.k8s.io/v1beta1": {"serverRelativeURL": "/openapi/v3/it?hash=1"}}}),
        ),
        ["openapi", "v3", "it"] => get(json!({"openapi": "3.0.0", "paths": {}})),
        ["version"] => get(json!({"gitVersion": "v1"})),
        ["apis", "external.metrics.k8s.io", "v1beta1", "namespaces", "shop", metric] => {
            get(Value::Null)?;
            if query.first("watch") == Some("true") {
                return Err((405, "MethodNotAllowed", "watch is not supported".to_owned()));
            }
            external(metric, &query)
        }
        ["apis", "custom.metrics.k8s.io", version @ ("v1beta1" | "v1beta2"), ref rest @ ..] => {
            let target = match *rest {
                ["namespaces", namespace, "metrics", metric] => ("", "namespaces", namespace, metric),
                ["namespaces", namespace, resource, name, metric] => (namespace, resource, name, metric),
                ["namespaces", _, _] => return Err(bad_request("invalid request path")),
                [resource, name, metric] => ("", resource, name, metric),
                _ => return Err(not_found()),
            };
            get(Value::Null)?;
            custom(version, target, &query, first_value)
        }
        ["apis", ..] => Err(not_found()),
        _ => Err((404, "", String::new())),
    }
}

/// The parameters as sent.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(request: &Request) -> Self {
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let text = |text: &str| decode(text, Plus::Blank).unwrap();
        Self(pairs.map(|(name, value)| (text(name), text(value))).collect())
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn selector(&self, name: &str) -> Result<Selector, Failure> {
        let limits = SelectorLimits { bytes: 1_024, requirements: 64 };
        let selector = Selector::parse(self.first(name).unwrap_or_default(), &limits);
        selector.map_err(|error| (400, "BadRequest", error.to_string()))
    }
}

fn group(name: &str, versions: &[&str]) -> Value {
    let versions: Vec<_> =
        versions.iter().map(|it| json!({"groupVersion": format!("{name}/{it}"), "version": it})).collect();
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": versions, "preferredVersion": versions[0]})
}

/// Name, and whether it is namespaced.
const CUSTOM: [(&str, &str, bool); 4] =
    [("services", "q", true), ("pods", "q", true), ("namespaces", "q", false), ("nodes", "q", false)];

fn resources(group: &str, version: &str) -> Value {
    let entry = |name: String, namespaced, kind: &str| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get"]});
    let resources: Vec<_> = match group {
        "external.metrics.k8s.io" => vec![entry("myqueue".to_owned(), true, "ExternalMetricValueList")],
        _ => CUSTOM.map(|(resource, metric, it)| entry(format!("{resource}/{metric}"), it, "MetricValueList")).to_vec(),
    };
    let group_version = format!("{group}/{version}");
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}

fn aggregated() -> Value {
    let kind = |kind: &str| json!({"group": "", "version": "", "kind": kind});
    let custom = CUSTOM.map(|(resource, metric, namespaced)| {
        let scope = if namespaced { "Namespaced" } else { "Cluster" };
        let subresource = json!({"subresource": metric, "responseKind": kind("MetricValueList"), "verbs": ["get"]});
        json!({"resource": resource, "responseKind": kind(""), "scope": scope, "verbs": [], "subresources": [subresource]})
    });
    let external = json!({"resource": "myqueue", "responseKind": kind("ExternalMetricValueList"), "scope": "Namespaced", "verbs": ["get"]});
    let version =
        |version: &str, resources: Value| json!({"version": version, "resources": resources, "freshness": "Current"});
    let group = |name: &str, versions: Value| json!({"metadata": {"name": name}, "versions": versions});
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": [
        group("custom.metrics.k8s.io", json!([version("v1beta2", json!(custom)), version("v1beta1", json!(custom))])),
        group("external.metrics.k8s.io", json!([version("v1beta1", json!([external]))])),
    ]})
}

/// Namespace, resource, name and metric.
fn custom(version: &str, target: (&str, &str, &str, &str), query: &Query, first_value: &str) -> Result<Value, Failure> {
    let (namespace, resource, name, metric) = target;
    let (labels, series) = (query.selector("labelSelector")?, query.selector("metricLabelSelector")?);
    if query.first("fieldSelector").is_some_and(|selector| selector != format!("metadata.name={name}")) {
        return Err((400, "BadRequest", "fieldSelector".to_owned()));
    }
    let objects: &[(&str, &str, &str)] = match (namespace, resource) {
        ("shop", "services") => &[("Service", "web", first_value)],
        ("shop", "pods") => &[("Pod", "web-0", "1500m"), ("Pod", "web-1", "3")],
        ("", "namespaces") => &[("Namespace", "shop", "7")],
        ("", "nodes") => &[("Node", "n1", "12k")],
        _ => &[],
    };
    let label = |key: &str| (key == "app").then_some("web");
    let chosen = objects.iter().filter(|(_, known, _)| match name {
        "*" => labels.matches(label),
        name => *known == name,
    });
    let chosen: Vec<_> = chosen.filter(|_| metric == "q" && series.matches(|_| None)).collect();
    if chosen.is_empty() {
        return Err((404, "NotFound", format!("the server could not find the metric {metric} for {resource} {name}")));
    }
    let selector = match series.is_everything() {
        true => Value::Null,
        false => json!(LabelSelector::from_selector(&series).unwrap()),
    };
    let item = |(kind, name, value): &&(&str, &str, &str)| {
        let mut object = json!({"kind": kind, "name": name, "apiVersion": "v1"});
        if !namespace.is_empty() {
            object["namespace"] = namespace.into();
        }
        match version {
            "v1beta1" => {
                json!({"describedObject": object, "metricName": metric, "timestamp": TIME, "window": 60, "value": value, "selector": selector})
            }
            _ => {
                json!({"describedObject": object, "metric": {"name": metric, "selector": selector}, "timestamp": TIME, "windowSeconds": 60, "value": value})
            }
        }
    };
    let items: Vec<_> = chosen.iter().map(item).collect();
    let api_version = format!("custom.metrics.k8s.io/{version}");
    Ok(json!({"kind": "MetricValueList", "apiVersion": api_version, "metadata": {}, "items": items}))
}

fn external(metric: &str, query: &Query) -> Result<Value, Failure> {
    let selector = query.selector("labelSelector")?;
    if metric != "myqueue" || !selector.matches(|key| (key == "queue").then_some("mail")) {
        return Err((404, "NotFound", format!("the server could not find the metric {metric} for external")));
    }
    let item = json!({"metricName": metric, "metricLabels": {"queue": "mail"}, "timestamp": TIME, "window": 60, "value": "42"});
    let api_version = "external.metrics.k8s.io/v1beta1";
    Ok(json!({"kind": "ExternalMetricValueList", "apiVersion": api_version, "metadata": {}, "items": [item]}))
}

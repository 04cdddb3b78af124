//! Faults of servers: for each check, a change of correct responses that makes it fail.
#![allow(clippy::semicolon_if_nothing_returned, reason = "a table of expressions is exempt from the usual format")]

use crate::conformance::body::PROTOBUF;
use crate::conformance::exchange::{Identity, Request, Response};

/// A change of a response.
type Fault = fn(&Request, &mut Response);

/// The ID of a check, and the change that makes it fail.
pub(super) const ALL: &[(&str, Fault)] = &[
    ("discovery.served", |request, response| at(request, "/apis/", response, |it| it.status = 503)),
    ("discovery.available", |request, response| {
        at(request, "metrics.k8s.io/v1beta1", response, |it| *it = status(503))
    }),
    ("discovery.list", |request, response| at(request, "/v1beta1", response, |it| swap(it, "APIResourceList", "List"))),
    ("discovery.list", |_, response| swap(response, r#""singularName":"","#, "")),
    ("discovery.list", |_, response| {
        swap(
            response,
            "\"groupVersion\":\"custom.metrics.k8s.io/v1beta1\"",
            "\"groupVersion\":\"custom.metrics.k8s.io/v1\"",
        )
    }),
    ("discovery.scope", |_, response| {
        swap(response, r#""name":"services/q","namespaced":true"#, r#""name":"pods/r","namespaced":false"#)
    }),
    ("discovery.not-empty", |request, response| {
        if request.target.ends_with("k8s.io/v1beta1") {
            let text = String::from_utf8(response.body.clone()).unwrap();
            let start = text.split("\"resources\":[").next().unwrap();
            response.body = format!("{start}\"resources\":[]}}").into_bytes();
        }
    }),
    ("discovery.unique", |_, response| swap(response, r#""name":"services/q""#, r#""name":"pods/q""#)),
    ("discovery.verbs", |_, response| swap(response, r#""verbs":["get"]"#, r#""verbs":["list"]"#)),
    ("discovery.trailing-slash", |request, response| at(request, "v1beta1/", response, |it| it.status = 404)),
    ("discovery.group", |_, response| {
        swap(
            response,
            r#""preferredVersion":{"groupVersion":"custom.metrics.k8s.io/v1beta2","version":"v1beta2"}"#,
            r#""preferredVersion":{"groupVersion":"custom.metrics.k8s.io/v1","version":"v1"}"#,
        )
    }),
    ("discovery.group", |request, response| {
        at(request, "k8s.io", response, |it| swap(it, "\"kind\":\"APIGroup\"", "\"kind\":\"Group\""))
    }),
    ("discovery.group-versions", |request, response| {
        at(request, "k8s.io", response, |it| {
            swap(it, r#"{"groupVersion":"custom.metrics.k8s.io/v1beta1","version":"v1beta1"}"#, r#"{"version":"v9"}"#)
        })
    }),
    ("discovery.groups", |request, response| {
        at(request, "/apis", response, |it| swap(it, r#""name":"external.metrics.k8s.io""#, r#""name":"x""#))
    }),
    ("discovery.unknown", |request, response| at(request, "/v9", response, |it| it.status = 200)),
    ("aggregated.or-fallback", |request, response| at(request, "/apis", response, |it| *it = status(503))),
    ("aggregated.or-fallback", |_, response| swap(response, "apidiscovery.k8s.io/v2\"", "apidiscovery.k8s.io/v1\"")),
    ("aggregated.shape", |_, response| swap(response, r#""scope":"Cluster""#, r#""scope":"Everywhere""#)),
    ("aggregated.shape", |_, response| swap(response, r#""kind":"MetricValueList""#, r#""kind":"""#)),
    ("aggregated.complete", |_, response| swap(response, r#""subresource":"q""#, r#""subresource":"r""#)),
    ("aggregated.etag", |_, response| without(response, "etag")),
    ("aggregated.etag", |_, response| set(response, "vary", "Accept-Encoding")),
    ("aggregated.profile", |request, response| {
        if request.headers.iter().any(|(_, value)| value.contains("profile")) {
            *response = status(503);
        }
    }),
    ("aggregated.not-modified", |_, response| {
        response.status = if response.status == 304 { 200 } else { response.status }
    }),
    ("routes.object", |request, response| below(request, "services/web/q", response, |it| *it = status(404))),
    ("routes.wildcard", |request, response| below(request, "pods/%2A/q", response, |it| *it = status(404))),
    ("routes.raw-wildcard", |request, response| below(request, "pods/*/q", response, |it| *it = status(404))),
    ("routes.root-scoped", |request, response| below(request, "nodes/n1/q", response, |it| *it = status(404))),
    ("routes.namespace", |request, response| below(request, "metrics/q", response, |it| *it = status(404))),
    ("routes.one-item", |request, response| below(request, "services/web/q", response, doubled)),
    ("routes.percent-encoded", |request, response| below(request, "%71", response, |it| *it = status(404))),
    ("routes.trailing-slash", |request, response| below(request, "web/q/", response, |it| *it = status(404))),
    ("routes.unknown-parameters", |request, response| below(request, "timeout=5s", response, |it| *it = status(400))),
    ("routes.segments", |request, response| below(request, "/blah", response, |it| *it = page(404))),
    ("routes.three-segments", |request, response| below(request, "/blah", response, |it| *it = status(404))),
    ("routes.empty-segment", |request, response| below(request, "//", response, |it| it.status = 200)),
    ("routes.bad-escape", |request, response| below(request, "%zz", response, |it| it.status = 500)),
    ("routes.encoded-slash", |request, response| below(request, "%2F", response, |it| it.status = 200)),
    ("routes.watch", |request, response| below(request, "watch=true", response, |it| *it = status(405))),
    ("methods.post", |request, response| by(request, "POST", response, |it| *it = status(200))),
    ("methods.put", |request, response| by(request, "PATCH", response, |it| *it = status(200))),
    ("methods.delete", |request, response| by(request, "DELETE", response, |it| *it = status(200))),
    ("methods.status", |request, response| by(request, "PUT", response, |it| *it = page(405))),
    ("methods.head", |request, response| by(request, "HEAD", response, |it| it.status = 200)),
    ("methods.allow", |request, response| by(request, "POST", response, |it| set(it, "allow", "GET"))),
    ("methods.discovery", |request, response| by(request, "POST", response, |it| *it = status(200))),
    ("statuses.unknown-metric", |request, response| below(request, "-none", response, |it| *it = empty())),
    ("statuses.not-found", |request, response| below(request, "-none", response, |it| *it = page(404))),
    ("statuses.not-found", |_, response| swap(response, "\"NotFound\"", "\"\"")),
    ("statuses.unknown-wildcard", |request, response| {
        below(request, "pods/%2A/metriclet", response, |it| *it = empty())
    }),
    ("statuses.not-found-text", |_, response| swap(response, "the server could not find the metric", "no metric")),
    ("statuses.no-items", |_, response| swap(response, r#""metadata":{},"reason""#, r#""items":[],"reason""#)),
    ("statuses.retry-after", |_, response| {
        if response.status == 404 {
            set(response, "retry-after", "60")
        }
    }),
    ("statuses.retry-after", |_, response| {
        swap(response, r#""metadata":{},"reason""#, r#""details":{"retryAfterSeconds":60},"reason""#)
    }),
    ("statuses.leaks", |_, response| swap(response, "the server could not", "panic: goroutine 1 [running]")),
    ("statuses.server-errors", |request, response| below(request, "%21a", response, |it| *it = status(500))),
    ("lists.content-type", |_, response| as_text(response)),
    ("lists.kind", |_, response| swap(response, r#""kind":"MetricValueList","metadata""#, r#""metadata""#)),
    ("lists.api-version", |request, response| {
        below(request, "", response, |it| swap(it, "k8s.io/v1beta2", "k8s.io/v1beta1"))
    }),
    ("lists.items", |_, response| null_items(response)),
    ("lists.metadata", |_, response| swap(response, r#""metadata":{}"#, r#""metadata":null"#)),
    ("lists.unique", |request, response| below(request, "pods/%2A", response, |it| swap(it, "web-1", "web-0"))),
    ("lists.versions", |request, response| {
        below(request, "v1beta1", response, |it| swap(it, r#""value":"3""#, r#""value":"4""#))
    }),
    ("lists.versions", |request, response| below(request, "v1beta1", response, |it| swap(it, "web-1", "web-2"))),
    ("items.name", |request, response| {
        below(request, "services", response, |it| swap(it, r#""name":"web""#, r#""name":"mail""#))
    }),
    ("items.object", |_, response| swap(response, r#""namespace":"shop""#, r#""namespace":"mail""#)),
    ("items.object", |_, response| swap(response, r#""kind":"Pod""#, r#""kind":"""#)),
    ("items.object-version", |_, response| {
        swap(response, r#""apiVersion":"v1","kind":"Pod""#, r#""apiVersion":"/v1","kind":"Pod""#)
    }),
    ("items.metric", |_, response| swap(response, "metricName", "metric_name")),
    ("items.value", |_, response| swap(response, r#""value":"1500m""#, r#""value":"1,5""#)),
    ("items.value", |_, response| swap(response, r#""value":"1500m""#, r#""valu":"1500m""#)),
    ("items.range", |_, response| swap(response, r#""value":"3""#, r#""value":"10P""#)),
    ("items.canonical", |_, response| swap(response, r#""value":"1500m""#, r#""value":"1.5""#)),
    ("items.canonical", |_, response| swap(response, r#""value":"12k""#, r#""value":"12000""#)),
    ("items.canonical", |_, response| swap(response, r#""value":"3""#, r#""value":3"#)),
    ("items.timestamp", |_, response| swap(response, "2026-08-18T02:35:04Z", "2026-08-18 02:35:04")),
    ("items.timestamp", |_, response| swap(response, r#""2026-08-18T02:35:04Z""#, "1787020504")),
    ("items.timestamp-form", |_, response| swap(response, "2026-08-18T02:35:04Z", "2026-08-18T02:35:04.5Z")),
    ("items.timestamp-form", |_, response| swap(response, r#""2026-08-18T02:35:04Z""#, "null")),
    ("items.window", |_, response| swap(response, r#""windowSeconds":60"#, r#""windowSeconds":"60s""#)),
    ("items.foreign", |_, response| swap(response, "windowSeconds", "window")),
    ("items.selector-echo", |_, response| swap(response, "NotIn", "In")),
    ("items.no-selector", |_, response| {
        swap(response, r#""selector":null"#, r#""selector":{"matchLabels":{"a":"b"}}"#)
    }),
    ("selectors.valid", |request, response| below(request, "a+in+%28%29", response, |it| *it = status(400))),
    ("selectors.invalid", |request, response| below(request, "a%3Db%3Dc", response, |it| *it = empty())),
    ("selectors.invalid", |request, response| below(request, "%21%21a", response, |it| *it = page(400))),
    ("selectors.match", |request, response| below(request, "none%3Dx", response, |it| *it = list(request))),
    ("selectors.matches-all", |request, response| {
        below(request, "=%21metriclet-conformance-none", response, |it| *it = empty())
    }),
    ("selectors.unknown-label", |request, response| below(request, "none%3Dx", response, |it| *it = status(400))),
    ("selectors.empty", |request, response| below(request, "labelSelector=&", response, |it| *it = status(400))),
    ("selectors.named", |request, response| below(request, "none%3Dx", response, |it| *it = empty())),
    ("selectors.named-invalid", |request, response| below(request, "a%3Db%3Dc", response, |it| *it = list(request))),
    ("selectors.metric-match", |request, response| below(request, "none%3Dx", response, |it| *it = list(request))),
    ("selectors.metric-valid", |request, response| below(request, "none%21%3Dx", response, |it| *it = status(500))),
    ("selectors.metric-invalid", |request, response| {
        below(request, "metricLabelSelector=a", response, |it| *it = status(500))
    }),
    ("selectors.first", |request, response| below(request, "&labelSelector", response, |it| *it = status(400))),
    ("selectors.field", |request, response| below(request, "fieldSelector", response, |it| *it = status(400))),
    ("selectors.other-field", |request, response| below(request, "fieldSelector", response, |it| *it = list(request))),
    ("external.route", |request, response| below(request, "/myqueue", response, |it| *it = empty())),
    ("external.lower-case", |request, response| below(request, "/myqueue", response, |it| *it = status(404))),
    ("external.content-type", |_, response| as_text(response)),
    ("external.kind", |_, response| swap(response, "ExternalMetricValueList", "MetricValueList")),
    ("external.items", |_, response| swap(response, r#"{"queue":"mail"}"#, r#"{"queue":1}"#)),
    ("external.items", |_, response| swap(response, "metricName", "name")),
    ("external.value", |_, response| swap(response, r#""value":"42""#, r#""value":"10P""#)),
    ("external.canonical", |_, response| swap(response, r#""value":"42""#, r#""value":"42000m""#)),
    ("external.timestamp", |_, response| swap(response, "2026-08-18T02:35:04Z", "now")),
    ("external.timestamp-form", |_, response| swap(response, "2026-08-18T02:35:04Z", "2026-08-18T04:35:04+02:00")),
    ("external.window", |_, response| swap(response, r#""window":60"#, r#""window":60.5"#)),
    ("external.foreign", |_, response| swap(response, r#""window":60"#, r#""windowSeconds":60"#)),
    ("external.valid-selectors", |request, response| below(request, "a+in+%28%29", response, |it| *it = status(400))),
    ("external.invalid-selectors", |request, response| below(request, "a%3Db%3Dc", response, |it| *it = empty())),
    ("external.match", |request, response| below(request, "none%3Dx", response, |it| *it = list(request))),
    ("external.metric-label-selector", |request, response| {
        below(request, "metricLabelSelector", response, |it| *it = status(400))
    }),
    ("external.watch", |request, response| below(request, "watch=true", response, |it| *it = list(request))),
    ("external.segments", |request, response| below(request, "shop/a/b", response, |it| *it = page(404))),
    ("external.unknown", |request, response| below(request, "-none", response, |it| *it = empty())),
    ("external.post", |request, response| by(request, "POST", response, |it| *it = status(201))),
    ("negotiation.default", |request, response| {
        if request.headers.is_empty() {
            as_text(response)
        }
    }),
    ("negotiation.kubectl", |_, response| as_text(response)),
    ("negotiation.hpa", |_, response| response.body.truncate(20)),
    ("negotiation.table", |request, response| {
        accepting(request, "as=Table", response, |it| swap(it, "MetricValueList", "Table"))
    }),
    ("negotiation.only-table", |request, response| accepting(request, "as=Table", response, |it| *it = status(200))),
    ("negotiation.application", |request, response| {
        accepting(request, "application/*", response, |it| *it = status(200))
    }),
    ("negotiation.unknown", |request, response| accepting(request, "text/html", response, |it| *it = page(406))),
    ("negotiation.parameters", |request, response| accepting(request, "charset", response, |it| *it = status(406))),
    ("negotiation.quality", |request, response| accepting(request, "q=0.1", response, |it| *it = status(406))),
    ("negotiation.bare-type", |_, response| set(response, "content-type", "application/json; charset=utf-8")),
    ("negotiation.content-type", |request, response| {
        below(request, "/blah", response, |it| without(it, "content-type"))
    }),
    ("negotiation.yaml", |request, response| {
        accepting(request, "yaml", response, |it| swap(it, r#""value":"42""#, r#""value":"43""#))
    }),
    ("negotiation.gzip", |_, response| {
        if response.header("content-encoding").is_some() {
            without(response, "vary")
        }
    }),
    ("negotiation.gzip", |_, response| {
        if response.header("content-encoding").is_some() {
            response.body.truncate(30)
        }
    }),
    ("negotiation.pretty", |request, response| below(request, "pretty", response, |it| *it = status(400))),
    ("negotiation.indented", |_, response| swap(response, "{\n", "{")),
    ("protobuf.or-406", |_, response| {
        if response.media_type() == PROTOBUF {
            set(response, "content-type", "application/json")
        }
    }),
    ("protobuf.v1beta1", |request, response| below(request, "v1beta1", response, other_digit)),
    ("protobuf.v1beta2", |request, response| below(request, "v1beta2", response, other_digit)),
    ("protobuf.external", |_, response| other_digit(response)),
    ("protobuf.errors", |request, response| below(request, "-none", response, |it| *it = page(404))),
    ("protobuf.served", |request, response| accepting(request, "protobuf", response, |it| *it = list(request))),
    ("openapi.v2", |request, response| at(request, "/openapi/v2", response, |it| *it = page(200))),
    ("openapi.v2", |request, response| at(request, "/openapi/v2", response, |it| *it = status(403))),
    ("openapi.v3", |request, response| at(request, "/openapi/v3", response, |it| swap(it, "\"paths\"", "\"path\""))),
    ("openapi.v3-documents", |request, response| at(request, "hash=1", response, |it| it.status = 404)),
    ("server.health", |request, response| at(request, "/livez", response, |it| it.body = b"ok\n".to_vec())),
    ("server.version", |request, response| at(request, "/version", response, |it| it.status = 404)),
    ("server.unknown", |request, response| at(request, "/metriclet-conformance-none", response, |it| it.status = 200)),
    ("access.unauthenticated", |request, response| {
        of(request, Identity::Unauthenticated, response, |it| *it = status(404))
    }),
    ("access.wrong-token", |request, response| of(request, Identity::WrongToken, response, |it| *it = status(403))),
    ("access.forged", |request, response| {
        if request.headers.iter().any(|(name, _)| *name == "x-remote-user") {
            *response = list(request);
        }
    }),
    ("access.forbidden", |request, response| by(request, "POST", response, |it| *it = status(405))),
    ("access.forbidden-text", |_, response| swap(response, "is forbidden: User", "is not for")),
    ("access.no-route", |request, response| at(request, "/no/route", response, |it| *it = status(404))),
    ("access.discovery", |request, response| of(request, Identity::Unauthorized, response, |it| *it = status(403))),
    ("access.health", |request, response| of(request, Identity::Unauthenticated, response, |it| *it = status(401))),
    ("access.custom", |request, response| of(request, Identity::CustomReader, response, |it| *it = status(403))),
    ("access.external", |request, response| of(request, Identity::ExternalReader, response, |it| *it = status(200))),
    ("values.whole", |_, response| swap(response, r#""value":"7""#, r#""value":"42""#)),
    ("values.fraction", |_, response| swap(response, r#""value":"1500m""#, r#""value":"1""#)),
    ("values.large", |_, response| swap(response, r#""value":"1234567""#, r#""value":"1235k""#)),
    ("values.small", |_, response| swap(response, r#""value":"1m""#, r#""value":"0""#)),
    ("values.zero", |request, response| below(request, "services/web/q", response, |it| *it = empty())),
];

/// Applies a change if a target equals this text or ends with it.
fn at(request: &Request, end: &str, response: &mut Response, change: impl Fn(&mut Response)) {
    if request.target.ends_with(end) || end == "/apis/" {
        change(response);
    }
}

/// Applies a change if a metric's target contains this text.
fn below(request: &Request, part: &str, response: &mut Response, change: impl Fn(&mut Response)) {
    if request.target.contains("k8s.io/v1beta") && request.target.contains(part) {
        change(response);
    }
}

fn by(request: &Request, method: &str, response: &mut Response, change: impl Fn(&mut Response)) {
    if request.method == method {
        change(response);
    }
}

fn of(request: &Request, identity: Identity, response: &mut Response, change: impl Fn(&mut Response)) {
    if request.identity == identity {
        change(response);
    }
}

fn accepting(request: &Request, part: &str, response: &mut Response, change: impl Fn(&mut Response)) {
    if request.headers.iter().any(|(_, value)| value.contains(part)) {
        change(response);
    }
}

/// Replaces a text in the body.
fn swap(response: &mut Response, from: &str, to: &str) {
    if let Ok(text) = String::from_utf8(response.body.clone()) {
        response.body = text.replace(from, to).into_bytes();
    }
}

fn set(response: &mut Response, name: &str, value: &str) {
    without(response, name);
    response.headers.push((name.to_owned(), value.to_owned()));
}

fn without(response: &mut Response, name: &str) {
    response.headers.retain(|(known, _)| known != name);
}

fn as_text(response: &mut Response) {
    set(response, "content-type", "text/plain");
}

/// A Status with this code.
fn status(code: u16) -> Response {
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"m","reason":"R","code":{code}}}"#
    );
    Response {
        status: code,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.into_bytes(),
    }
}

/// The error page of a proxy.
fn page(code: u16) -> Response {
    let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
    Response { status: code, headers, body: b"<html><body>not here</body></html>".to_vec() }
}

fn empty() -> Response {
    let mut response = status(200);
    response.body =
        br#"{"kind":"MetricValueList","apiVersion":"custom.metrics.k8s.io/v1beta2","metadata":{},"items":[]}"#.to_vec();
    response
}

/// A minimal list with an item.
fn list(_: &Request) -> Response {
    let mut response = status(200);
    response.body = br#"{"kind":"MetricValueList","metadata":{},"items":[{"value":"1"}]}"#.to_vec();
    response
}

fn doubled(response: &mut Response) {
    let text = String::from_utf8_lossy(&response.body).into_owned();
    if let Some((before, item)) = text.split_once("\"items\":[") {
        let item = item.split("]").next().unwrap();
        response.body = format!("{before}\"items\":[{item},{item}],\"metadata\":{{}}}}").into_bytes();
        // Removes the members that would follow the items.
        swap(response, "\"apiVersion\":\"custom.metrics.k8s.io/v1beta2\",\"items\"", "\"items\"");
    }
}

fn null_items(response: &mut Response) {
    let mut object: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if object.get("items").is_some() {
        object["items"] = serde_json::Value::Null;
        response.body = object.to_string().into_bytes();
    }
}

/// Changes a digit of a value in protobuf.
fn other_digit(response: &mut Response) {
    if response.media_type() == PROTOBUF {
        response.body.iter_mut().filter(|byte| **byte == b'4').for_each(|byte| *byte = b'5');
    }
}

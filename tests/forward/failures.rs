//! Responses while another adapter fails.

use std::net::TcpStream;

use serde_json::Value;

use crate::PROTOBUF;
use crate::common::Answer;
use crate::common::secure::eventually;
use crate::common::upstream::Gate;
use crate::other::{Other, custom, failure, page};

const PATH: &str = "namespaces/shop/pods/web-0/busy";
const ABOUT: &str = "503 ServiceUnavailable: busy of pods/web-0 in namespace shop: adapter ";
const FORWARDED: &str = "; no rule serves it, so it is forwarded";

#[test]
fn a_status_is_passed_on_unchanged() {
    let other = Other::start();
    let source = page();
    let server = other.server(&source, "");
    let target = format!("/apis/custom.metrics.k8s.io/v1beta2/{PATH}");
    let body = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Internal error occurred: unable to fetch metrics","reason":"InternalError","details":{"name":"busy","causes":[{"message":"unable to fetch metrics"}]},"code":500}"#;
    other.says(&target, 500, body);
    let answer = server.metric(PATH);
    assert_eq!((answer.code, answer.json()), (500, serde_json::from_str::<Value>(body).unwrap()));
    assert_eq!(answer.header("retry-after"), None);
    let answer = server.request("GET", &target, PROTOBUF);
    assert_eq!(answer.status(), "500 InternalError: Internal error occurred: unable to fetch metrics");
}

/// The status code of the response counts, not that in a Status: some codes end a connection, or have no body.
#[test]
fn the_code_of_a_status_is_that_of_its_response() {
    let other = Other::start();
    let source = page();
    let server = other.server(&source, "");
    for code in [1, 100, 101, 200, 204, 304, 401, 403, 65_535] {
        let path = format!("namespaces/shop/pods/web-{code}/busy");
        other.says(&format!("/apis/custom.metrics.k8s.io/v1beta2/{path}"), 500, &failure(code, "InternalError", "no"));
        assert_eq!(server.metric(&path).values(), "500 InternalError: no", "{code}");
    }
}

/// A caller's rights on other values were not reviewed.
#[test]
fn values_that_were_not_requested_are_refused() {
    let other = Other::start();
    let source = page();
    let item = |namespace: &str, name: &str, metric: &str| {
        format!(
            r#"{{"describedObject":{{"kind":"Pod","namespace":"{namespace}","name":"{name}","apiVersion":"/v1"}},"metric":{{"name":"{metric}","selector":null}},"timestamp":"2026-08-18T02:35:04Z","value":"7"}}"#
        )
    };
    let list = |items: &[String]| custom("v1beta2", &format!("[{}]", items.join(",")));
    let target = format!("/apis/custom.metrics.k8s.io/v1beta2/{PATH}");
    for (items, expected) in [
        (vec![item("bank", "web-0", "busy")], "answered with values of another object"),
        (vec![item("shop", "web-1", "busy")], "answered with values of another object"),
        (vec![item("shop", "web-0", "secret")], "answered with values of another metric"),
        (
            vec![item("shop", "web-0", "busy"), item("shop", "web-0", "secret")],
            "answered neither with a list of this API nor with a Status; no rule serves it, so it is forwarded",
        ),
        (
            vec![item("shop", "web-0", "busy"); 10_001],
            "answered neither with a list of this API nor with a Status; no rule serves it, so it is forwarded",
        ),
    ] {
        other.says(&target, 200, &list(&items));
        let server = other.server(&source, "");
        assert_eq!(server.metric(PATH).values(), format!("{ABOUT}{} {expected}", other.url()));
    }
}

#[test]
fn missing_rights_of_metriclet_are_reported_as_such() {
    let source = page();
    let target = format!("/apis/custom.metrics.k8s.io/v1beta2/{PATH}");
    for (code, body, expected) in [
        (
            401,
            failure(401, "Unauthorized", "Unauthorized"),
            "answered 401: it does not accept the token of Metriclet's service account",
        ),
        (
            403,
            failure(403, "Forbidden", "pods.custom.metrics.k8s.io is forbidden"),
            "answered 403: Metriclet's service account lacks rights, which metriclet rbac prints: pods.custom.metrics.k8s.io is \
             forbidden",
        ),
        (404, "404 page not found".to_owned(), "answered 404 without a Status"),
        (302, String::new(), "answered 302 without a Status"),
        (200, "{}".to_owned(), "answered neither with a list of this API nor with a Status"),
        (200, failure(404, "NotFound", "no"), "answered neither with a list of this API nor with a Status"),
    ] {
        let other = Other::start();
        let server = other.server(&source, "");
        other.says(&target, code, &body);
        let answer = server.metric(PATH).values();
        assert_eq!(answer, format!("{ABOUT}{} {expected}{FORWARDED}", other.url()));
        assert_eq!(server.metric("namespaces/shop/services/web/depth").values(), "web 42");
    }
}

#[test]
fn answers_are_bounded_in_bytes() {
    let source = page();
    let long = "x".repeat(5 << 20);
    for (bytes, expected) in [
        (
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len()),
            "answered a body of more than 4194304 bytes",
        ),
        (
            format!("HTTP/1.1 500 X\r\nContent-Length: {}\r\n\r\n{long}", long.len()),
            "answered a body of more than 65536 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{".to_owned(),
            "closed the connection before the end of the body",
        ),
        (
            format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", &long[..70_000]),
            "answered a response head of more than 65536 bytes",
        ),
    ] {
        let other = Other::start();
        let server = other.server(&source, "");
        other.sends(&bytes);
        assert_eq!(server.metric(PATH).values(), format!("{ABOUT}{} {expected}{FORWARDED}", other.url()));
    }
}

/// As many requests as there are workers wait for the other adapter, and rules are served at once.
#[test]
fn a_hanging_adapter_does_not_block_rules() {
    let other = Other::start();
    let source = page();
    let server = other.server(&source, "");
    let gate = Gate::default();
    other.hangs(&gate);
    let waiting: Vec<TcpStream> =
        (0..40).map(|number| server.ask(&format!("namespaces/shop/pods/web-{number}/busy"))).collect();
    let external: Vec<TcpStream> = (0..40)
        .map(|number| {
            let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/lag{number}");
            server.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address))
        })
        .collect();
    // The maximum of waiting requests: a quarter of the workers for each group.
    eventually(|| match (other.hanging("busy"), other.hanging_external()) {
        (4, 4) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    for _ in 0..10 {
        assert_eq!(server.metric("namespaces/shop/services/web/depth").values(), "web 42");
        assert_eq!(server.get("/readyz").code, 200);
        assert_eq!(server.get("/apis/custom.metrics.k8s.io/v1beta2").code, 200);
    }
    let (waiting, external) = (waiting.into_iter().map(Answer::read), external.into_iter().map(Answer::read));
    let answers: Vec<Answer> = waiting.chain(external).collect();
    assert!(answers.iter().all(|answer| answer.code == 503), "{answers:?}");
    let timeouts = answers.iter().filter(|answer| answer.body.contains("timeout: receive response")).count();
    assert!(timeouts >= 8, "{timeouts}");
    gate.open();
}

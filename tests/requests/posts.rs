//! Sources with `method: POST`.

use crate::{Recorder, ask, get, line, serve, values};

const WEB: &str = ", describes: {namespace: shop, name: web}";

const ANSWER: &str = r#"{"data":{"grid":{"sessionQueueSize":5}}}"#;

/// GraphQL, as for Selenium Grid: its braces are not placeholders.
#[test]
fn graphql() {
    let upstream = Recorder::start("application/json", |_| ANSWER.to_owned());
    let source = format!(
        "url: '{}/graphql', method: POST, body: '{{\"query\":\"{{ grid {{ sessionQueueSize }} }}\"}}'",
        upstream.url()
    );
    let rule = ", value: $.data.grid.sessionQueueSize, describes: {namespace: shop, name: web}";
    assert_eq!(ask(&serve(&source, rule), "shop", "web"), "web 5");
    let (head, body) = upstream.last();
    assert_eq!(line(&head), "POST /graphql HTTP/1.1");
    assert_eq!(values(&head, "content-type"), ["application/json"]);
    assert_eq!(body, r#"{"query":"{ grid { sessionQueueSize } }"}"#);
    let printed = get(&source, rule, "web");
    assert!(printed.contains("POST http://") && !printed.contains("sessionQueueSize }"), "{printed}");
}

/// Each object has a separate body, and a separate page in the cache.
#[test]
fn placeholders_are_escaped() {
    for (body, contents, expected) in [
        ("{\"of\":\"{namespace}/{name}\"}", "application/json", "{\"of\":\"shop/a&\\\"b\"}"),
        ("of={namespace}&name={name}", "application/x-www-form-urlencoded", "of=shop&name=a%26%22b"),
    ] {
        let upstream = Recorder::start("text/plain", |body| body.len().to_string());
        let source = format!("url: '{}', method: POST, cache: 1h, body: '{body}'", upstream.url());
        let server = serve(&source, "");
        let lengths = |server: &_| ["web", "mailer", "web"].map(|name| ask(server, "shop", name));
        let shorter =
            expected.len() - (expected.len() - body.replace("{namespace}", "shop").replace("{name}", "").len());
        let value = |name: &str| format!("{name} {}", shorter + name.len());
        assert_eq!(lengths(&server), ["web", "mailer", "web"].map(value));
        assert_eq!(upstream.requests().len(), 2);
        assert_eq!(values(&upstream.last().0, "content-type"), [contents]);
        ask(&server, "shop", "a&%22b");
        assert_eq!(upstream.last().1, expected);
        assert!(ask(&server, "shop", "*").starts_with("400 BadRequest"));
    }
}

/// The body of an error status is not read as a page, unlike that of a Prometheus server.
#[test]
fn refusals_are_failures() {
    let answer = "HTTP/1.1 405 X\r\nContent-Length: 1\r\nAllow: GET\r\n\r\n3";
    let upstream = crate::common::upstream::Upstream::raw(answer);
    let server = serve(&format!("url: '{}', method: POST, format: number", upstream.url()), WEB);
    let answer = ask(&server, "shop", "web");
    assert!(
        answer.ends_with("source app answered 405: it does not take this method; method: on the source sets it"),
        "{answer}"
    );
}

#[test]
fn a_post_without_a_body_has_none() {
    let upstream = Recorder::start("text/plain", |_| "3".to_owned());
    let server = serve(&format!("url: '{}/count', method: POST", upstream.url()), WEB);
    assert_eq!(ask(&server, "shop", "web"), "web 3");
    let (head, body) = upstream.last();
    assert_eq!((line(&head), body.as_str()), ("POST /count HTTP/1.1", ""));
    assert_eq!(values(&head, "content-length"), ["0"]);
    assert_eq!(values(&head, "content-type"), [""; 0]);
}

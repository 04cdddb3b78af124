//! Prometheus servers behind proxies and gateways: parameters, paths, and GET.

use std::io::Write;

use crate::common::upstream::{Upstream, read_body};
use crate::{ask, get, line, serve, values};

const RESULT: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"service":"web"},"value":[1700000000,"3"]}]}}"#;

/// Like kube-rbac-proxy in front of OpenShift's Thanos, the server reads the namespace from the URL's query; the other
/// parameters are in the form.
#[test]
fn parameters_are_in_the_url() {
    let upstream = crate::Recorder::start("application/json", |_| fresh());
    let source = format!(
        "prometheus: '{}/select/0/prometheus/?namespace={{namespace}}', params: {{dedup: false, partial_response: 'false'}}",
        upstream.url()
    );
    let server = serve(&source, ", value: sum(x)");
    for namespace in ["shop", "bank"] {
        assert_eq!(ask(&server, namespace, "web"), "web 3");
        let (head, body) = upstream.last();
        let target =
            format!("/select/0/prometheus/api/v1/query?namespace={namespace}&dedup=false&partial_response=false");
        assert_eq!(line(&head), format!("POST {target} HTTP/1.1"));
        assert!(body.starts_with("query=") && body.contains("lookback_delta=120"), "{body}");
    }
}

#[test]
fn servers_that_accept_only_get() {
    let upstream = Upstream::start(|head, stream| {
        let _ = read_body(head, stream);
        let body = fresh();
        let _ = match head.starts_with("GET ") {
            true => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
            false => write!(stream, "HTTP/1.1 405 X\r\nAllow: GET\r\nContent-Length: 0\r\n\r\n"),
        };
    });
    let source = format!("prometheus: 'http://{}', params: {{tenant: 'a b'}}", upstream.address);
    let rule = ", value: sum(x)";
    let refused = get(&source, rule, "web");
    assert!(refused.contains("answered 405: it does not take this method; method: on the source sets it"), "{refused}");
    let source = format!("{source}, method: GET");
    assert_eq!(ask(&serve(&source, rule), "shop", "web"), "web 3");
    let head = upstream.heads().pop().unwrap();
    let query = "query=sum%20by%20%28service%29%20%28x%7Bnamespace%3D%22shop%22%7D%29&lookback_delta=120";
    assert_eq!(line(&head), format!("GET /api/v1/query?tenant=a%20b&{query} HTTP/1.1"));
    assert_eq!(values(&head, "content-length"), [""; 0]);
}

/// Errors have a reason in their body, with either method.
#[test]
fn errors_of_get_requests_are_read() {
    let answer = r#"{"status":"error","errorType":"bad_data","error":"x"}"#;
    let upstream = Upstream::raw(format!("HTTP/1.1 400 X\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()));
    let server = serve(&format!("prometheus: 'http://{}', method: GET", upstream.address), ", value: x");
    let answer = ask(&server, "shop", "web");
    assert!(answer.ends_with("source app refused the query as malformed"), "{answer}");
}

fn fresh() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    RESULT.replace("1700000000", &now.to_string())
}

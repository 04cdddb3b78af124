//! Headers and parameters with values from the configuration and from files.

use crate::common::{Server, file, metriclet, replace};
use crate::{Recorder, ask, get, line, serve, values};

const WEB: &str = ", describes: {namespace: shop, name: web}";

#[test]
fn headers_are_set_in_the_configuration() {
    let upstream = Recorder::start("application/json", |_| r#"{"depth":1}"#.to_owned());
    let source = format!(
        "url: '{}', headers: {{Origin: {{value: http://localhost}}, X-Scope-OrgID: {{value: team-a}}, \
         Accept: {{value: application/json;v=2}}, User-Agent: {{value: curl/8}}}}",
        upstream.url()
    );
    assert_eq!(ask(&serve(&source, &format!(", value: $.depth{WEB}")), "shop", "web"), "web 1");
    let (head, _) = upstream.last();
    for (field, expected) in [
        ("origin", "http://localhost"),
        ("x-scope-orgid", "team-a"),
        ("accept", "application/json;v=2"),
        ("user-agent", "curl/8"),
    ] {
        assert_eq!(values(&head, field), [expected], "{field}");
    }
}

/// A key in the query comes from a file, follows its rotation, and only the server sees it.
#[test]
fn keys_in_queries() {
    let upstream = Recorder::start("text/plain", |_| "3".to_owned());
    let key = file("key", "s3cret/+ 1\n");
    let query = format!("query: {{api_key: {{file: '{}'}}, kind: {{value: a b}}}}", key.display());
    let source = format!("url: '{}/{{name}}?x=y', namespaces: [shop], format: number, {query}", upstream.url());
    let config = file("metrics.yaml", &crate::config(&source, ""));
    let mut server = Server::start(&["--config", config.to_str().unwrap(), "-vv"]);
    assert_eq!(ask(&server, "shop", "a"), "a 3");
    assert_eq!(line(&upstream.last().0), "GET /a?x=y&api_key=s3cret%2F%2B%201&kind=a%20b HTTP/1.1");
    replace(&key, "n3xt");
    assert_eq!(ask(&server, "shop", "b"), "b 3");
    assert_eq!(line(&upstream.last().0), "GET /b?x=y&api_key=n3xt&kind=a%20b HTTP/1.1");
    std::fs::remove_file(&key).unwrap();
    let answer = ask(&server, "shop", "c");
    assert!(answer.ends_with(&format!("source app credential file {}: not found", key.display())), "{answer}");
    let metrics = server.get("/metrics").body;
    assert!(!metrics.contains("n3xt") && !metrics.contains("s3cret"));
    server.wait_for("not found");
    assert!(!server.seen.iter().any(|line| line.contains("s3cret") || line.contains("n3xt")), "{:#?}", server.seen);
}

/// Libraries print no key either, at any log level.
#[test]
fn no_log_level_shows_a_key() {
    let upstream = Recorder::start("text/plain", |_| "3".to_owned());
    let key = file("key", "s3cret");
    let query = format!("query: {{api_key: {{file: '{}'}}}}", key.display());
    let config =
        file("metrics.yaml", &crate::config(&format!("url: '{}', format: number, {query}", upstream.url()), WEB));
    for level in ["trace", "debug", "metriclet=trace,ureq=trace"] {
        let mut command = metriclet(&["--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()]);
        let mut server = Server::spawn({
            command.env("RUST_LOG", level);
            command
        });
        assert_eq!(ask(&server, "shop", "web"), "web 3");
        server.signal("TERM");
        server.wait_for("stopping");
        assert!(server.wait().success());
        assert!(!server.seen.iter().any(|line| line.contains("s3cret")), "{level}: {:#?}", server.seen);
    }
}

#[test]
fn no_secret_is_printed() {
    let upstream = Recorder::start("text/plain", |_| "x".to_owned());
    let key = file("key", "s3cret");
    for (url, fails) in [(upstream.url(), "not a number"), ("http://127.0.0.1:1".to_owned(), "refused")] {
        let source = format!("url: '{url}', format: number, query: {{api_key: {{file: '{}'}}}}", key.display());
        let printed = get(&source, WEB, "web");
        assert!(printed.contains(fails) && !printed.contains("s3cret"), "{printed}");
    }
}

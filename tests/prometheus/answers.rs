//! Accepted and rejected results of a server.

use std::io::Write;

use crate::common::upstream::Gate;
use crate::common::{Server, metriclet};
use crate::scripted::{Scripted, config, vector};

const WEB: &str = "\"pod\":\"web-1\"";

fn ask(server: &Server) -> String {
    server.metric("namespaces/shop/pods/web-1/hits").values()
}

/// The response for one pod, with a rule with these additional keys.
fn answer(prometheus: &Scripted, rule: &str) -> String {
    ask(&prometheus.with_rule("", &format!("object: pods, value: sum(a){rule}")))
}

fn unavailable(why: &str) -> String {
    format!(
        "503 ServiceUnavailable: hits of pods/web-1 in namespace shop: {why}; the rule takes sum(a) from source prom"
    )
}

fn failed(why: &str) -> String {
    format!("503 ServiceUnavailable: hits of pods/web-1 in namespace shop: source prom {why}")
}

#[test]
fn numbers_are_judged_by_the_truth_table() {
    for (value, rule, expected) in [
        ("0", "", "web-1 0".to_owned()),
        ("0.0001", "", "web-1 1m".to_owned()),
        ("-1", ", allowNegative: true", "web-1 -1".to_owned()),
        ("-1", "", unavailable("the value is negative; allowNegative: true would serve it")),
        ("NaN", "", unavailable("the value is NaN; onNaN can turn it into missing or zero")),
        ("NaN", ", onNaN: zero", "web-1 0".to_owned()),
        ("+Inf", "", unavailable("the value is +Inf")),
        ("-Inf", "", unavailable("the value is -Inf")),
        ("1e300", "", unavailable("the value is out of range: beyond ±9223372036854775.807")),
        ("many", "", failed("answered something that is not a number")),
    ] {
        assert_eq!(answer(&Scripted::vector(&[(WEB, value)]), rule), expected, "{value}{rule}");
    }
}

#[test]
fn an_empty_result_is_not_a_number() {
    let missing = |why: &str| {
        format!("404 NotFound: hits of pods/web-1 in namespace shop: {why}; the rule takes sum(a) from source prom")
    };
    let nothing = missing("the query returned no result for it with namespace=\"shop\"");
    assert_eq!(answer(&Scripted::vector(&[]), ""), nothing);
    assert_eq!(answer(&Scripted::vector(&[("\"pod\":\"web-2\"", "1")]), ""), nothing);
    // A result for another namespace, which the query excludes.
    assert_eq!(answer(&Scripted::vector(&[("\"pod\":\"web-1\",\"namespace\":\"bank\"", "1")]), ""), nothing);
    let nameless = missing("no matching series on the page has a label pod to name an object");
    assert_eq!(answer(&Scripted::vector(&[("\"instance\":\"web-1\"", "1"), ("\"pod\":\"\"", "1")]), ""), nameless);
    assert_eq!(answer(&Scripted::vector(&[]), ", onMissing: zero"), "web-1 0");
    let twice = Scripted::vector(&[(WEB, "1"), ("\"pod\":\"web-1\",\"x\":\"y\"", "2")]);
    assert_eq!(answer(&twice, ""), unavailable("several values match; wrap it in sum(), max(), min() or avg()"));
    let old = vector("{\"metric\":{\"pod\":\"web-1\"},\"value\":[1700000000,\"1\"]}");
    assert_eq!(answer(&Scripted::says(200, &old), ""), missing("the sample is older than maxAge allows"));
}

#[test]
fn invalid_results_are_rejected() {
    let success = |rest: &str| format!("{{\"status\":\"success\",{rest}}}");
    let empty = "\"data\":{\"resultType\":\"vector\",\"result\":[]}";
    for (code, body, why) in [
        (200, "<html>sesame".to_owned(), "answered something that is not a response of Prometheus' API"),
        (200, vector("") + "]", "answered something that is not a response of Prometheus' API"),
        (
            200,
            success("\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"2\"]}"),
            "returned a scalar, expected a vector; aggregate by the object's label",
        ),
        (
            200,
            success("\"data\":{\"resultType\":\"matrix\",\"result\":[]}"),
            "returned a range vector, expected an instant vector; wrap the range in a function such as rate()",
        ),
        (200, success("\"data\":{\"resultType\":\"string\",\"result\":[1,\"sesame\"]}"), "returned no vector"),
        (200, success(&format!("\"warnings\":[\"sesame\"],{empty}")), "returned a partial result with warnings"),
        (200, success(&format!("\"isPartial\":true,{empty}")), "returned a partial result"),
        (
            200,
            vector("{\"metric\":{\"pod\":\"web-1\"},\"histogram\":[1,{}]}"),
            "answered a native histogram instead of a number",
        ),
        (
            200,
            vector(&"{\"metric\":{},\"value\":[1,\"1\"]},".repeat(10_000))
                .replace(",]", ",{\"metric\":{},\"value\":[1,\"1\"]}]"),
            "answered more than 10000 values",
        ),
        (200, vector(&" ".repeat(4 * 1024 * 1024)), "answered a body of more than 4194304 bytes"),
        (200, "{\"status\":\"error\",\"errorType\":\"sesame\",\"error\":\"sesame\"}".to_owned(), "answered an error"),
        (
            400,
            "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"sesame\"}".to_owned(),
            "refused the query as malformed",
        ),
        (
            422,
            "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"sesame\"}".to_owned(),
            "could not evaluate the query",
        ),
        (
            503,
            "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"sesame\"}".to_owned(),
            "gave up the query: it took too long",
        ),
        (502, "<html>sesame".to_owned(), "answered 502"),
        (401, "no sesame".to_owned(), "answered 401"),
        (204, String::new(), "answered 204"),
        (302, String::new(), "answered 302, and redirects are not followed"),
    ] {
        let prometheus = Scripted::says(code, &body);
        // Not even with onMissing: zero.
        let found = answer(&prometheus, ", onMissing: zero");
        assert_eq!(found, failed(why), "{code} {}", &body[..body.len().min(200)]);
        assert!(!found.contains("sesame"));
    }
    let infos = Scripted::says(200, &vector("").replace("{\"status\"", "{\"infos\":[\"x\"],\"status\""));
    assert_eq!(answer(&infos, ", onMissing: zero"), "web-1 0");
}

#[test]
fn server_errors_are_only_logged() {
    let said = "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"too many \\u001b[1m samples\"}";
    let prometheus = Scripted::says(422, said);
    let file = crate::common::file("metrics.yaml", &config(&prometheus.url(), ", cache: 0s", "object: pods"));
    let mut command = metriclet(&["--listen", "127.0.0.1:0", "--config", file.to_str().unwrap()]);
    command.env("RUST_LOG", "debug");
    let mut server = Server::spawn(command);
    let path = "namespaces/shop/pods/web-1/hits";
    assert!(server.metric(path).values().ends_with("source prom could not evaluate the query"));
    server.wait_for("source prom: could not evaluate the query");
    assert!(!server.metric(path).values().contains("samples"));
    server.wait_for("(execution: too many \\x1b[1m samples)");
}

#[test]
fn the_time_for_an_answer_is_bounded() {
    let gate = Gate::default();
    let closed = gate.clone();
    let prometheus = Scripted::start(move |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\":");
        closed.wait();
    });
    let server = prometheus.with_rule(", timeout: 100ms", "object: pods");
    assert_eq!(ask(&server), failed("timeout: receive body"));
    gate.open();
    let gone = Scripted::start(|_| ());
    let server = gone.with_rule("", "object: pods");
    assert_eq!(ask(&server), failed("closed the connection before the end of the response head"));
}

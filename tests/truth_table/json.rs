//! JSON and bare numbers.

use super::*;

/// The response of a rule on a JSON page for services/web.
fn ask_json(page: &str, rule: &str) -> String {
    let upstream = Upstream::page("application/json", page);
    let rule = format!(", describes: {{namespace: shop, name: web}}{rule}");
    server(&upstream, "", &rule).metric("namespaces/shop/services/web/queue_depth").values()
}

#[test]
fn json_values() {
    let taking = |path: &str, answer: String| answer.replace("takes queue_depth", &format!("takes {path}"));
    for (page, quantity) in [
        ("{\"a\": 3}", "3"),
        ("{\"a\": 1.5}", "1500m"),
        ("{\"a\": 0}", "0"),
        ("{\"a\": 1e-9}", "1m"),
        ("{\"a\": \"3\"}", "3"),
        ("{\"a\": \"1.5\"}", "1500m"),
        ("{\"a\": \"250m\"}", "250m"),
        ("{\"a\": \"2Ki\"}", "2048"),
        ("{\"a\": 9007199254740993}", "9007199254740992"),
    ] {
        assert_eq!(ask_json(page, ", value: $.a"), format!("web {quantity}"), "{page}");
    }
    for (page, why) in [
        ("{\"a\": null}", "expected a number, found null"),
        ("{\"a\": true}", "expected a number, found a boolean"),
        ("{\"a\": \"many\"}", "expected a number, found a string that is not a number"),
        ("{\"a\": [3]}", "expected a number, found an array"),
        ("{\"a\": {}}", "expected a number, found an object"),
        ("{\"a\": \"NaN\"}", "the value is NaN; onNaN can turn it into missing or zero"),
        ("{\"a\": \"Infinity\"}", "the value is +Inf"),
        ("{\"a\": \"-Infinity\"}", "the value is -Inf"),
        ("{\"a\": -3}", "the value is negative; allowNegative: true would serve it"),
        ("{\"a\": 1e300}", "the value is out of range: beyond ±9223372036854775.807"),
    ] {
        assert_eq!(ask_json(page, ", value: $.a"), taking("$.a", unavailable(why)), "{page}");
    }
    assert_eq!(ask_json("{\"a\": \"NaN\"}", ", value: $.a, onNaN: zero"), "web 0");
    let nothing = taking("$.a", missing("the JSONPath selects nothing on the page"));
    assert_eq!(ask_json("{}", ", value: $.a"), nothing);
    assert_eq!(ask_json("[]", ", value: $.a"), nothing);
    assert_eq!(ask_json("{}", ", value: $.a, onMissing: zero"), "web 0");
    assert!(
        ask_json("{\"a\": null}", ", value: $.a, onMissing: zero").starts_with("503 "),
        "null is not a missing value"
    );
}

#[test]
fn json_aggregates() {
    let page = "{\"queues\": [{\"depth\": 3}, {\"depth\": \"4\"}, {\"name\": \"x\"}]}";
    for (value, quantity) in [
        ("sum($.queues[*].depth)", "7"),
        ("avg($.queues[*].depth)", "3500m"),
        ("min($.queues[*].depth)", "3"),
        ("max($.queues[*].depth)", "4"),
        ("count($.queues[*].depth)", "2"),
        ("$.queues[1].depth", "4"),
        ("$.queues[?@.depth == 3].depth", "3"),
    ] {
        assert_eq!(ask_json(page, &format!(", value: '{value}'")), format!("web {quantity}"), "{value}");
    }
    let several = ask_json(page, ", value: '$.queues[*].depth'");
    assert!(several.contains("several values match; wrap it in sum(), max(), min() or avg()"), "{several}");
    // One part that is not a number is an error of the sum.
    let mixed = ask_json("{\"queues\": [{\"depth\": 3}, {\"depth\": null}]}", ", value: 'sum($.queues[*].depth)'");
    assert!(mixed.contains("expected a number, found null"), "{mixed}");
    // Values of any type can be counted.
    let runners = "{\"runners\": [{\"busy\": true, \"id\": \"a\"}, {\"busy\": false}], \"none\": [], \"no\": null}";
    let empty = "the JSONPath selects nothing from a container that exists; count() or sum() of it is 0";
    for (value, expected) in [
        ("count($.runners[?@.busy == true])", "web 1"),
        ("count($.runners[*].id)", "web 1"),
        // An empty container that exists is 0; it has no maximum.
        ("count($.runners[?@.busy == 7])", "web 0"),
        ("count($.none[*])", "web 0"),
        ("sum($.none[*].depth)", "web 0"),
        ("max($.none[*].depth)", empty),
        ("$.none[*]", empty),
        // A missing container is not an empty one.
        ("count($.jobs[*])", "the JSONPath selects nothing on the page"),
        ("sum($.no[*])", "the JSONPath selects nothing on the page"),
        ("sum($.runners[*].jobs[*])", "the JSONPath selects nothing on the page"),
        ("sum($.runners[*].depth)", "the JSONPath selects nothing on the page"),
        ("sum($..depth)", "the JSONPath selects nothing on the page"),
    ] {
        let answer = ask_json(runners, &format!(", value: '{value}'"));
        assert!(answer == expected || answer.starts_with("404 ") && answer.contains(expected), "{value}: {answer}");
    }
}

/// Ratios and differences, whose parts are single numbers.
#[test]
fn json_arithmetic() {
    let page = r#"{"busy workers": 1, "all workers": 5, "none": 0, "idle": [], "text": "no", "jobs": [{"n": 4}, {"n": 8}],
        "points": [[1, 60], [2.5, 70], [null, 80]], "nulls": [[null, 80]]}"#;
    let ask = |value: &str| ask_json(page, &format!(", value: \"{value}\""));
    for (value, expected) in [
        ("$['busy workers'] / $['all workers']", "web 200m"),
        ("100 * $['busy workers'] / $['all workers']", "web 20"),
        ("sum($.jobs[*].n) - $['all workers'] - 1", "web 6"),
        ("sum($.jobs[*].n) / count($.jobs[*])", "web 6"),
        ("$['all workers'] - count($.idle[*])", "web 5"),
        ("($['all workers'] + 1) * 2", "web 12"),
        ("last($.points[*][0])", "web 2500m"),
        ("first($.points[*][0])", "web 1"),
    ] {
        assert_eq!(ask(value), expected, "{value}");
    }
    for (value, code, why) in [
        ("$.none / $.none", 503, "the value is NaN; onNaN can turn it into missing or zero"),
        ("1 / $.none", 503, "the value is +Inf"),
        ("$.none - $['all workers']", 503, "the value is negative; allowNegative: true would serve it"),
        ("$.none / $.text", 503, "expected a number from $.text, found a string that is not a number"),
        ("$.none / $.jobs[*].n", 503, "several values match; wrap it in sum(), max(), min() or avg()"),
        ("$.none / $.nosuch", 404, "$.nosuch selects nothing on the page"),
        // An error takes precedence over a missing part, which onMissing may replace.
        ("$.nosuch / $.text", 503, "expected a number from $.text, found a string that is not a number"),
        ("last($.nulls[*][0])", 503, "expected a number, found null"),
        (
            "last($.idle[*])",
            404,
            "the JSONPath selects nothing from a container that exists; count() or sum() of it is 0",
        ),
    ] {
        let reason = if code == 404 { missing(why) } else { unavailable(why) };
        assert_eq!(ask(value), reason.replace("takes queue_depth", &format!("takes {value}")), "{value}");
    }
    assert_eq!(ask_json(page, ", value: $.none / $.none, onNaN: zero"), "web 0");
    assert_eq!(ask_json(page, ", value: $.none / $.nosuch, onMissing: 3"), "web 3");
    assert!(ask_json(page, ", value: $.nosuch / $.text, onMissing: 3").starts_with("503 "));
    // One part exists, and the page reports an error for the other.
    let error = r#"{"used": 3, "status": 500, "error": "overloaded"}"#;
    let answer = ask_json(error, ", value: $.used / $.size");
    assert!(answer.contains("the page itself reports an error, status 500"), "{answer}");
}

/// Items of the same object are combined.
#[test]
fn json_arithmetic_of_items() {
    let page = r#"[{"name": "web", "used": 2, "size": 4}, {"name": "web", "used": 1, "size": 8},
        {"name": "db", "used": 1}, {"name": "none", "used": 0, "size": 0}]"#;
    let rule = ", items: '$[*]', nameFrom: $.name, value: sum($.used) / sum($.size)";
    let server = server(&Upstream::page("application/json", page), "", rule);
    let ask = |name: &str| server.metric(&format!("namespaces/shop/services/{name}/queue_depth")).values();
    assert_eq!((ask("web"), ask("*")), ("web 250m".to_owned(), "web 250m".to_owned()));
    assert!(ask("db").contains("404 NotFound") && ask("db").contains("sum($.size) selects nothing on the page"));
    assert!(ask("none").contains("the value is NaN"), "{}", ask("none"));
}

/// An error within a response with status 200, as from Jolokia, is not a missing value.
#[test]
fn json_errors() {
    let error = r#"{"error_type":"javax.management.InstanceNotFoundException","error":"no such bean","status":404}"#;
    for (page, path, expected) in [
        (error.to_owned(), "$.value", Some(404)),
        (format!("[{error}, {{\"value\": 3, \"status\": 200}}]"), "$[0].value", Some(404)),
        (format!("[{error}, {{\"value\": 3, \"status\": 200}}]"), "$[1].value", Some(0)),
        // A sum of the other items would be incomplete.
        (format!("[{error}, {{\"value\": 3, \"status\": 200}}]"), "sum($[*].value)", Some(404)),
        (r#"{"status": 503, "error": "overloaded"}"#.to_owned(), "sum($.depths[*])", Some(503)),
        (r#"{"errors": [{"message": "x"}], "data": null}"#.to_owned(), "$.data.depth", None),
        (r#"{"status": "error", "error": "x", "errorType": "y"}"#.to_owned(), "$.data.depth", None),
        (r#"{"errors": [], "error": "", "value": 3}"#.to_owned(), "$.value", Some(0)),
        (r#"{"status": 200, "error": null, "value": 3}"#.to_owned(), "$.value", Some(0)),
    ] {
        let why = match expected {
            Some(0) => String::new(),
            Some(status) => format!("the page itself reports an error, status {status}"),
            None => "the page itself reports an error".to_owned(),
        };
        let expected = match why.is_empty() {
            true => "web 3".to_owned(),
            false => unavailable(&why).replace("takes queue_depth", &format!("takes {path}")),
        };
        assert_eq!(ask_json(&page, &format!(", value: \"{path}\"")), expected, "{path}");
    }
}

#[test]
fn json_items() {
    let page = "{\"queues\": [\
        {\"name\": \"web\", \"space\": \"shop\", \"depth\": 3}, {\"name\": \"db\", \"space\": \"shop\", \"depth\": \"1.5\"}, \
        {\"name\": \"web\", \"space\": \"bank\", \"depth\": 9}, {\"space\": \"shop\", \"depth\": 1}, \
        {\"name\": \"nil\", \"space\": \"shop\", \"depth\": null}, {\"name\": 7, \"space\": \"shop\", \"depth\": 1}]}";
    let upstream = Upstream::page("application/json", page);
    let config = format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop, bank]}}\nmetrics:\n  - name: queue_depth\n    object: services\n    \
         source: app\n    value: $.depth\n    items: $.queues[*]\n    nameFrom: $.name\n    namespaceFrom: $.space\n",
        upstream.url()
    );
    let server = Server::with_config(&config);
    for (path, expected) in [
        ("shop/services/web", "web 3"),
        ("shop/services/db", "db 1500m"),
        ("shop/services/*", "7 1, db 1500m, web 3"),
        ("bank/services/*", "web 9"),
        (
            "shop/services/nil",
            "503 ServiceUnavailable: queue_depth of services/nil in namespace shop: expected a number, found null; the \
             rule takes $.depth from source app",
        ),
        ("shop/services/7", "7 1"),
        (
            "shop/services/web/queue_depth?metricLabelSelector=a%3Db",
            "400 BadRequest: queue_depth of services/web in namespace shop: metricLabelSelector needs series with labels, \
             and the rule reads none",
        ),
    ] {
        let path = if path.contains('?') { path.to_owned() } else { format!("{path}/queue_depth") };
        assert_eq!(server.metric(&format!("namespaces/{path}")).values(), expected, "{path}");
    }
    assert_eq!(server.own("metriclet_objects_left_out_total{reason=\"not_a_number\"}"), 1.0);
    assert_eq!(
        server.metric("namespaces/shop/services/*/queue_depth?labelSelector=a%3Db").values(),
        format!(
            "400 BadRequest: {ALL}: labelSelector is not supported without the Kubernetes API, which knows the labels of objects; --kubeconfig names one, labelSelector: labels on source app matches the labels of its series, and \
             {{labelSelector}} in its url passes it on"
        )
    );
}

#[test]
fn bare_numbers() {
    let ask = |body: &str, content_type: &str, source: &str, rule: &str| {
        let upstream = Upstream::page(content_type, body);
        let rule = format!(", describes: {{namespace: shop, name: web}}{rule}");
        server(&upstream, source, &rule).metric("namespaces/shop/services/web/queue_depth").values()
    };
    for (body, quantity) in [("3", "3"), (" 1.5\n", "1500m"), ("250m", "250m"), ("2Ki\r\n", "2048"), ("0", "0")] {
        assert_eq!(ask(body, "text/html", ", format: number", ""), format!("web {quantity}"), "{body:?}");
    }
    let source = format!("503 ServiceUnavailable: {SUBJECT}: source app ");
    for body in ["", "many", "3 4", &"1".repeat(65), "\u{e9}"] {
        let answer = ask(body, "text/plain", ", format: number", "");
        assert!(answer.starts_with(&source) && answer.contains("number"), "{body:?}: {answer}");
    }
    let nan = ask("NaN", "text/plain", ", format: number", "");
    assert_eq!(
        nan,
        format!(
            "503 ServiceUnavailable: {SUBJECT}: the value is NaN; onNaN can turn it into missing or zero; the rule takes \
             the number from source app"
        )
    );
}

//! Complete pages that do not match the source or a rule.

use super::*;

#[test]
fn no_metrics_at_all() {
    let html = Upstream::page("text/html", "<html>");
    refused(
        &html,
        "answered with the content-type \"text/html\", which is not read; set format: on the source to what the page is: \
         prometheus, openmetrics, json, yaml, csv, number, or text, which regular expressions read",
    );
    let nothing = Upstream::raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    refused(
        &nothing,
        "answered without a content-type; set format: on the source to what the page is: prometheus, openmetrics, json, \
         yaml, csv, number, or text, which regular expressions read",
    );
}

/// JSON has smaller limits.
#[test]
fn large_json() {
    let list = |length: usize| {
        let items: Vec<String> = (0..length).map(|at| format!(r#"{{"name":"q{at:05}","depth":{at}}}"#)).collect();
        Upstream::page("application/json", &format!("[{}]", items.join(",")))
    };
    let rule = "metrics:\n  - {name: a, object: services, source: app, describes: {namespace: shop, name: web}, \
                value: \"$[?@.name=='q00042'].depth\"}\n";
    let ask = |upstream: &Upstream, keys: &str| {
        let url = upstream.url();
        let server =
            Server::with_config(&format!("sources:\n  app: {{url: '{url}', namespaces: [shop]{keys}}}\n{rule}"));
        server.metric("namespaces/shop/services/web/a").values()
    };
    let large = list(40_000);
    let refused = "503 ServiceUnavailable: a of services/web in namespace shop: source app answered a body of more than \
                   1048576 bytes; raise maxBytes: on the source";
    assert_eq!(ask(&large, ""), refused);
    assert_eq!(ask(&large, ", maxBytes: 2Mi"), "web 42");
    assert_eq!(ask(&large, ", maxBytes: 512Mi"), "web 42");
}

#[test]
fn pages_of_another_format() {
    let json = "; the page looks like JSON: set format: json on the source";
    let other = "; the page looks like OpenMetrics: set format: openmetrics on the source";
    let carriage = "expected a line feed alone at the end of the line, found a carriage return before it";
    for (page, why) in [
        (r#"{"health":"true"}"#, format!("expected a metric name{json}")),
        (
            "# TYPE queue_depth unknown\nqueue_depth 3\n",
            format!("expected counter, gauge, histogram, summary or untyped{other}"),
        ),
        ("# TYPE queue_depth gauge\r\nqueue_depth 3\r\n", carriage.to_owned()),
        ("queue_depth 3\r\n", carriage.to_owned()),
    ] {
        refused(&Upstream::text(page), &format!("answered malformed text: {why}"));
    }
    let why = "expected series, found a bare number; if it always is one, set format: number on the source";
    let config = |rest: &str| {
        let url = Upstream::text("42").url();
        Server::with_config(&format!(
            "sources:\n  app: {{url: '{url}', namespaces: [shop]}}\nmetrics:\n  \
             - {{name: a, object: services, source: app{rest}}}\n"
        ))
    };
    for rest in ["", ", value: max(a), describes: {namespace: shop, name: web}"] {
        let answer = config(rest).metric("namespaces/shop/services/web/a").values();
        assert!(answer.contains(why), "{rest}: {answer}");
    }
}

/// A message points out a format that contradicts the page.
#[test]
fn formats_that_contradict_the_page() {
    let prometheus = "# a comment\nqueue_depth 3\n";
    for (format, content_type, page, why) in [
        (
            "json",
            "text/plain",
            GOOD,
            "answered malformed JSON; its content-type \"text/plain\" is that of Prometheus text",
        ),
        (
            "openmetrics",
            "text/plain",
            GOOD,
            "answered malformed text: expected \"# EOF\" at the end, found none: the page is cut off, or it is not \
             OpenMetrics; its content-type \"text/plain\" is that of Prometheus text",
        ),
        (
            "openmetrics",
            "application/openmetrics-text",
            prometheus,
            "answered malformed text: expected \"# TYPE \", \"# HELP \", \"# UNIT \" or \"# EOF\"; the page looks like \
             Prometheus text: set format: prometheus on the source",
        ),
        (
            "prometheus",
            "application/openmetrics-text",
            "queue_depth 3 # {a=\"b\"} 1\n# EOF\n",
            "answered malformed text: expected a timestamp in integer milliseconds; the page looks like OpenMetrics: set \
             format: openmetrics on the source",
        ),
        (
            "number",
            "application/json",
            "{\"a\": 1}",
            "answered something that is not a number; its content-type \"application/json\" is that of JSON",
        ),
    ] {
        let upstream = Upstream::page(content_type, page);
        let value = if format == "json" { ", value: $.a" } else { "" };
        let config = format!(
            "sources:\n  app: {{url: '{}', namespaces: [shop], format: {format}}}\nmetrics:\n  - {{name: n, object: \
             services, source: app, describes: {{namespace: shop, name: web}}{value}}}\n",
            upstream.url()
        );
        let answer = Server::with_config(&config).metric("namespaces/shop/services/web/n").values();
        let expected = format!("503 ServiceUnavailable: n of services/web in namespace shop: source app {why}");
        assert_eq!(answer, expected, "{format}");
    }
}

/// For a rule without a value, and with `--describes`, a page that is a single number is the value.
#[test]
fn bare_numbers_without_a_format() {
    let number = Upstream::text("42");
    assert_eq!(ask(&number.url()), "web 42");
    let path = "namespaces/shop/services/web/backlog";
    let (code, out, said) = run(&["get", path, "--upstream", &number.url(), "--describes", "services/shop/web"]);
    assert!(code == 0 && out.contains(" 42 "), "{out}{said}");
    // Without a length or a line feed, digits may be missing.
    assert_eq!(ask(&headed("", "42\n").url()), "web 42");
    refused(
        &headed("", "42"),
        "answered a page without a line feed at its end, which may be cut off: neither Content-Length nor chunks show its \
         end",
    );
    let (_, _, said) = run(&["get", path, "--upstream", &number.url()]);
    assert!(said.contains("its page is a bare number, which has no name"), "{said}");
}

/// If a name matches nothing, the message suggests similar names on the page, and names an operand without series.
#[test]
fn suggests_similar_names() {
    let page = Upstream::text(
        "# TYPE a gauge\na 1\n{\"queue.depths\"} 3\nvllm_waiting{queue=\"a\"} 2\nhttp_requests_total 9\n\
         http_requests_in_flight 1\n",
    );
    for (value, why) in [
        ("vllm:waiting", "no series on the page matches; did you mean vllm_waiting?"),
        (
            "sum(http_requests)",
            "no series on the page matches; did you mean http_requests_total or http_requests_in_flight?",
        ),
        (
            "sum(nothing_such) / sum(http_request_total)",
            "no series on the page matches; did you mean http_requests_total?",
        ),
        (
            r#"vllm_waiting{queue="b"}"#,
            r#"no series on the page matches; vllm_waiting is on the page, but not with queue="b""#,
        ),
        ("queue_depth", "no series on the page matches; did you mean {\"queue.depths\"}?"),
        ("nothing_such", "no series on the page matches"),
        (
            "sum(vllm_waiting) / sum(nothing_such)",
            "the expression returned nothing: the object has no series nothing_such",
        ),
        (
            "sum(vllm_waiting) / sum(http_request_total)",
            "the expression returned nothing: the object has no series http_request_total; did you mean http_requests_total?",
        ),
        (
            r#"sum(vllm_waiting) - sum(http_requests_total{code="500"})"#,
            "the expression returned nothing: the object has no series http_requests_total{code=\"500\"}; \
             http_requests_total is on the page, but not with code=\"500\"",
        ),
        (
            "histogram_quantile(0.9, vllm_waiting)",
            "no matching series has the label le, which the buckets of a histogram have",
        ),
        (
            "vllm_waiting > 5",
            "the expression returned nothing: a comparison or set operator filtered every matching series out, or the operands share no \
             labels",
        ),
    ] {
        let config = format!(
            "sources:\n  app: {{url: '{}', namespaces: [shop]}}\nmetrics:\n  - {{name: n, object: services, source: app, \
             describes: {{namespace: shop, name: web}}, value: '{value}'}}\n",
            page.url()
        );
        let answer = Server::with_config(&config).metric("namespaces/shop/services/web/n").values();
        let expected =
            format!("404 NotFound: n of services/web in namespace shop: {why}; the rule takes {value} from source app");
        assert_eq!(answer, expected, "{value}");
    }
}

/// Alternating pages of replicas behind one URL are recognized by their process start times, or because two pages repeat.
#[test]
fn alternating_pages_of_replicas() {
    let starts = ["process_start_time_seconds 1\nqueue_depth 80\n", "process_start_time_seconds 2\nqueue_depth 20\n"];
    let without = ["queue_depth 80\n", "queue_depth 20\n"];
    for (pages, single, counted) in
        [(starts, "", 3), (without, "", 2), (starts, ", single: false", 0), (without, ", single: false", 0)]
    {
        let turn = AtomicUsize::new(0);
        let upstream = Upstream::start(move |_, stream| {
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            drop(stream.write_all(&page("text/plain", pages[turn % 2])));
        });
        let mut server = Server::with_config(&format!(
            "sources:\n  app: {{url: '{}', namespaces: [shop], cache: 0s{single}}}\nmetrics:\n  - {{name: queue_depth, \
             object: services, source: app, describes: {{namespace: shop, name: web}}}}\n",
            upstream.url()
        ));
        for value in [80, 20, 80, 20, 80] {
            assert_eq!(server.metric("namespaces/shop/services/web/queue_depth").values(), format!("web {value}"));
        }
        let metrics = server.get("/metrics").body;
        let line = format!("metriclet_alternating_pages_total{{source=\"app\"}} {counted}\n");
        assert!(metrics.contains(&line), "{metrics}");
        server.signal("HUP");
        server.wait_for("rule");
        let told = server.seen.iter().filter(|line| line.contains("take turns behind its URL")).count();
        assert_eq!(told, usize::from(counted > 0));
    }
}

/// Pages of one template fail and recover separately, and each change is logged once.
#[test]
fn each_page_of_a_template_has_its_own_state() {
    let upstream = Upstream::start(|head, stream| {
        let answer = match head.contains("/bad?") {
            true => b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_vec(),
            false => page("text/plain", "5"),
        };
        drop(stream.write_all(&answer));
    });
    let config = format!(
        "sources:\n  app:\n    url: http://{}/{{name}}?key=secret\n    format: number\n    namespaces: [shop]\n    cache: 0s\nmetrics:\n  \
         - {{name: a, object: services, source: app}}\n",
        upstream.address
    );
    let mut server = Server::with_config(&config);
    for _ in 0..4 {
        assert_eq!(server.metric("namespaces/shop/services/good/a").values(), "good 5");
        assert_eq!(server.metric("namespaces/shop/services/bad/a").code, 503);
    }
    assert_eq!(server.metric("namespaces/shop/services/bad2/a").code, 200);
    server.signal("HUP");
    server.wait_for("rule");
    let told: Vec<_> = server.seen.iter().filter_map(|line| line.split_once("source app at ")).collect();
    let told: Vec<_> = told.iter().map(|(_, rest)| rest.replace(&upstream.address.to_string(), "HOST")).collect();
    assert_eq!(told, ["\"http://HOST/bad\": answered 500"]);
}

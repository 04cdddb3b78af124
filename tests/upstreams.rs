//! Every way in which an upstream can fail, and the exact Status that each gives.

mod common;

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use common::upstream::{Gate, Upstream, page};
use common::{Server, run};

const GOOD: &str = "queue_depth 3\n";

/// What a rule on this source answers, within the longest timeout that there is.
fn ask(source: &str) -> String {
    ask_within(source, "4s")
}

fn ask_within(source: &str, timeout: &str) -> String {
    let config = format!(
        "sources:\n  app:\n    url: {source}\n    namespaces: [shop]\n    timeout: {timeout}\nmetrics:\n  \
         - {{name: queue_depth, object: services, source: app, describes: {{namespace: shop, name: web}}}}\n"
    );
    let server = Server::with_config(&config);
    let answer = server.metric("namespaces/shop/services/web/queue_depth").values();
    assert_eq!(server.get("/livez").code, 200);
    answer
}

fn fails(source: &str, why: &str) {
    fails_within(source, "4s", why);
}

/// For sources that never answer: a short timeout is all that the test waits for.
fn times_out(source: &str, phase: &str) {
    fails_within(source, "400ms", &format!("timeout: {phase}"));
}

fn fails_within(source: &str, timeout: &str, why: &str) {
    assert_eq!(
        ask_within(source, timeout),
        format!("503 ServiceUnavailable: queue_depth of services/web in namespace shop: source app {why}")
    );
}

fn refused(upstream: &Upstream, why: &str) {
    fails(&upstream.url(), why);
}

fn headed(head: &str, body: &str) -> Upstream {
    Upstream::raw(format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{head}\r\n{body}"))
}

#[test]
fn good() {
    assert_eq!(ask(&Upstream::text(GOOD).url()), "web 3");
}

#[test]
fn chunked() {
    let upstream = headed("Transfer-Encoding: chunked\r\n", "6\r\nqueue_\r\n8;x=y\r\ndepth 3\n\r\n0\r\nX: y\r\n\r\n");
    assert_eq!(ask(&upstream.url()), "web 3");
}

#[test]
fn ended_by_closing() {
    assert_eq!(ask(&headed("", GOOD).url()), "web 3");
}

/// A page without a line feed at its end is whole where a length or chunks say so, as to Prometheus.
#[test]
fn without_a_last_line_feed() {
    assert_eq!(ask(&Upstream::text("queue_depth 3").url()), "web 3");
    let chunked = headed("Transfer-Encoding: chunked\r\n", "d\r\nqueue_depth 3\r\n0\r\n\r\n");
    assert_eq!(ask(&chunked.url()), "web 3");
    refused(
        &headed("", "queue_depth 3"),
        "answered malformed text: expected a line feed at the end, found that the last line is cut off",
    );
}

#[test]
fn malformed() {
    refused(
        &Upstream::text("queue_depth{a=b} 3\n"),
        "answered malformed text: expected a label value in double quotes",
    );
}

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

#[test]
fn huge() {
    let line = format!("# {}\n", "x".repeat(1021));
    let body = line.repeat(16 * 1024 + 1);
    let huge = Upstream::text(&body);
    refused(&huge, "answered a body of more than 16777216 bytes; raise maxBytes: on the source");
    let huge = Upstream::text(&(body + GOOD));
    assert_eq!(ask(&format!("{}\n    maxBytes: 17Mi", huge.url())), "web 3");
}

/// What others have put on a page is of no consequence.
#[test]
fn large_series_of_other_metrics() {
    let labels: Vec<String> = (0..90).map(|at| format!("l{at}=\"v\"")).collect();
    let sql = "x".repeat(300_000);
    let many = format!("{{{}}} 1\n", labels.join(","));
    let long = format!("{{query=\"{sql}\"}} 1\n");
    assert_eq!(ask(&Upstream::text(&format!("# HELP a {sql}\na{many}b{long}{GOOD}")).url()), "web 3");
    for (page, why) in [
        (format!("queue_depth{many}"), "a series has more than 64 labels"),
        (format!("{GOOD}queue_depth{long}"), "a series takes a line of more than 262144 bytes"),
    ] {
        assert_eq!(
            ask(&Upstream::text(&page).url()),
            format!(
                "503 ServiceUnavailable: queue_depth of services/web in namespace shop: {why}; the rule takes queue_depth \
                 from source app"
            )
        );
    }
}

#[test]
fn endless() {
    let endless = Upstream::start(|_, stream| {
        let mut answer = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n");
        let line = "# 0123456789\n".repeat(1000);
        while answer.is_ok() {
            answer = stream.write_all(line.as_bytes());
        }
    });
    let answer = ask(&endless.url());
    let slow =
        "503 ServiceUnavailable: queue_depth of services/web in namespace shop: source app timeout: receive body";
    let large = slow
        .replace("timeout: receive body", "answered a body of more than 16777216 bytes; raise maxBytes: on the source");
    assert!(answer == slow || answer == large, "{answer}");
}

#[test]
fn endless_head() {
    let endless = Upstream::start(|_, stream| {
        let mut answer = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while answer.is_ok() {
            answer = stream.write_all(b"X: 0123456789\r\n");
        }
    });
    let answer = ask(&endless.url());
    assert!(
        answer
            .starts_with("503 ServiceUnavailable: queue_depth of services/web in namespace shop: source app answered"),
        "{answer}"
    );
}

#[test]
fn slow() {
    let dripping = Upstream::start(|_, stream| {
        let mut answer = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n");
        while answer.is_ok() {
            answer = stream.write_all(b"#\n");
            thread::sleep(Duration::from_millis(20));
        }
    });
    times_out(&dripping.url(), "receive body");
    let dripping_head = Upstream::start(|_, stream| {
        let mut answer = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while answer.is_ok() {
            answer = stream.write_all(b"X: y\r\n");
            thread::sleep(Duration::from_millis(20));
        }
    });
    times_out(&dripping_head.url(), "receive response");
}

#[test]
fn never_answering() {
    let gate = Gate::default();
    let closed = gate.clone();
    times_out(&Upstream::start(move |_, _| closed.wait()).url(), "receive response");
    gate.open();
}

#[test]
fn never_accepting() {
    // The kernel completes handshakes up to the backlog, so the silence is after connecting.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    times_out(&format!("http://{}/", listener.local_addr().unwrap()), "receive response");
}

#[test]
fn refusing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    fails(&format!("http://{address}/"), "connect: connection refused");
}

#[test]
fn unknown_host() {
    fails("http://no-such-host.invalid/", "resolve: host not found");
}

#[test]
fn truncated() {
    refused(&headed("Content-Length: 99\r\n", GOOD), "closed the connection before the end of the body");
    refused(
        &headed("Transfer-Encoding: chunked\r\n", "e\r\nqueue_depth 3\n\r\n"),
        "closed the connection before the end of the body",
    );
    refused(
        &headed("", "queue_depth 3"),
        "answered malformed text: expected a line feed at the end, found that the last line is cut off",
    );
    refused(
        &Upstream::page("application/openmetrics-text; version=1.0.0", GOOD),
        "answered malformed text: expected \"# EOF\" at the end, found none: the page is cut off, or it is not \
         OpenMetrics",
    );
}

#[test]
fn wrong_content_length() {
    let more = "queue_depth 3\nqueue_depth{a=\"b\"} 4\n";
    refused(&headed("Content-Length: 14\r\n", more), "answered more bytes than the length it gave");
    refused(&headed("Content-Length: x\r\n", GOOD), "answered something that is not HTTP/1");
    refused(
        &headed("Content-Length: 14\r\nContent-Length: 14\r\n", GOOD),
        "answered an ambiguous body length: duplicate Content-Length",
    );
    refused(
        &headed("Content-Length: 14\r\nTransfer-Encoding: chunked\r\n", "e\r\nqueue_depth 3\n\r\n0\r\n\r\n"),
        "answered an ambiguous body length: both Content-Length and Transfer-Encoding",
    );
}

#[test]
fn broken_chunks() {
    refused(&headed("Transfer-Encoding: chunked\r\n", "zz\r\nqueue"), "answered a body with broken chunks");
}

#[test]
fn gzip_unasked() {
    let upstream = headed("Content-Encoding: gzip\r\n", "\x1f");
    refused(&upstream, "answered with a content-encoding that was not requested");
    let head = upstream.heads()[0].to_ascii_lowercase();
    assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
}

/// `compression: gzip` requests it, and reads what comes: compressed or not, but never half of it.
#[test]
fn gzip_requested() {
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let upstream = |body: Vec<u8>| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n";
        Upstream::raw([head.as_slice(), &body].concat())
    };
    let with_gzip = |upstream: &Upstream| format!("{}\n    compression: gzip", upstream.url());
    let good = upstream(gzip(GOOD));
    assert_eq!(ask(&with_gzip(&good)), "web 3");
    let head = good.heads()[0].to_ascii_lowercase();
    assert!(head.contains("accept-encoding: gzip\r\n"), "{head}");
    assert_eq!(ask(&with_gzip(&Upstream::text(GOOD))), "web 3");

    let whole = gzip(GOOD);
    let not_gzip = "answered a body that is not valid gzip";
    let two = [whole.as_slice(), &whole].concat();
    for body in [&whole[..whole.len() - 1], &whole[..whole.len() / 2], b"\x1f", GOOD.as_bytes(), &two] {
        fails(&with_gzip(&upstream(body.to_vec())), not_gzip);
    }
    let zeros = upstream(gzip(&"# 0\n".repeat(5 << 20)));
    fails(&with_gzip(&zeros), "answered a body of more than 16777216 bytes; raise maxBytes: on the source");
}

/// A page out of a cache is as old as its Age header says, or its Date.
#[test]
fn out_of_a_cache() {
    assert_eq!(ask(&headed("Age: 119\r\n", GOOD).url()), "web 3");
    assert_eq!(ask(&headed("Age: x\r\nDate: yesterday\r\n", GOOD).url()), "web 3");
    let stale = "503 ServiceUnavailable: queue_depth of services/web in namespace shop: its page is older than maxAge \
                 allows, by its Age or Date header; the rule takes queue_depth from source app";
    for head in ["Age: 130\r\n", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"] {
        assert_eq!(ask(&headed(head, GOOD).url()), stale);
    }
    let upstream = headed("Age: 100\r\n", GOOD);
    let path = "namespaces/shop/services/web/queue_depth";
    let (_, _, said) = run(&["get", "-v", path, "--upstream", &upstream.url(), "--describes", "services/shop/web"]);
    assert!(said.contains("14 bytes, 1 samples, 100 s old by its Age or Date header\n"), "{said}");
}

/// JSON has a smaller limit, and its own largest one.
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
fn redirecting() {
    let target = Upstream::text(GOOD);
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", target.url());
    refused(&Upstream::raw(redirect), "answered 302, and redirects are not followed");
    assert_eq!(target.requests(), 0);
}

#[test]
fn get_shows_where_a_redirect_points_to() {
    let redirect = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /metrics/?token=t\r\nContent-Length: 0\r\n\r\n";
    let upstream = Upstream::raw(redirect);
    let path = "namespaces/shop/services/web/queue_depth";
    let (code, _, said) = run(&["get", "-v", path, "--upstream", &upstream.url(), "--describes", "services/shop/web"]);
    assert_ne!(code, 0);
    assert!(said.contains("answered 307, and redirects are not followed (to /metrics/)\n"), "{said}");
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

/// A source's format that contradicts the page is the first thing to look at.
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

/// A rule without a value, and `--describes`, take a page that is one number for the value of the one object.
#[test]
fn bare_numbers_without_a_format() {
    let number = Upstream::text("42");
    assert_eq!(ask(&number.url()), "web 42");
    let path = "namespaces/shop/services/web/backlog";
    let (code, out, said) = run(&["get", path, "--upstream", &number.url(), "--describes", "services/shop/web"]);
    assert!(code == 0 && out.contains(" 42 "), "{out}{said}");
    // Without a length or a line feed, more digits may have been on their way.
    assert_eq!(ask(&headed("", "42\n").url()), "web 42");
    refused(
        &headed("", "42"),
        "answered a page without a line feed at its end, which may be cut off: neither Content-Length nor chunks show its \
         end",
    );
    let (_, _, said) = run(&["get", path, "--upstream", &number.url()]);
    assert!(said.contains("its page is a bare number, which has no name"), "{said}");
}

#[test]
fn other_statuses() {
    refused(&Upstream::raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), "answered 500");
    refused(&Upstream::raw("HTTP/1.1 204 No Content\r\n\r\n"), "answered 204");
    refused(
        &Upstream::raw("HTTP/1.1 406 Not Acceptable\r\nContent-Length: 0\r\n\r\n"),
        "answered 406: it serves none of the types in the Accept header, which format: on the source decides",
    );
}

#[test]
fn dropped() {
    refused(&Upstream::start(|_, _| {}), "closed the connection before the end of the response head");
    refused(
        &Upstream::start(|_, stream| drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-T"))),
        "closed the connection before the end of the response head",
    );
    let half = Upstream::start(|_, stream| {
        let answer = page("text/plain", &GOOD.repeat(1000));
        let _ = stream.write_all(&answer[..answer.len() / 2]);
        let _ = stream.shutdown(Shutdown::Both);
    });
    refused(&half, "closed the connection before the end of the body");
}

#[test]
fn not_http() {
    refused(&Upstream::raw("SSH-2.0-OpenSSH_9.9\r\n\r\n"), "answered something that is not HTTP/1");
}

#[test]
fn special_address_behind_a_placeholder() {
    let config = "sources:\n  app: {url: 'http://{name}:1/', namespaces: [shop]}\nmetrics:\n  \
                  - {name: queue_depth, object: services, source: app}\n";
    let server = Server::with_config(config);
    assert_eq!(
        server.metric("namespaces/shop/services/localhost/queue_depth").status(),
        "503 ServiceUnavailable: queue_depth of services/localhost in namespace shop: source app resolve: host has a \
         loopback address, not allowed for pod IPs or templated hosts"
    );
    assert_eq!(
        server.metric("namespaces/shop/services/127.0.0.1/queue_depth").status(),
        "400 BadRequest: queue_depth of services/127.0.0.1 in namespace shop: expected {name} in the host of the URL to \
         be one DNS label ([a-z0-9-], at most 63 characters), found \"127.0.0.1\""
    );
}

/// Where a name matches nothing, the nearest ones on the page are named; and so is an operand that has no series.
#[test]
fn names_that_may_be_meant() {
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
            "the expression returned nothing: a comparison filtered every matching series out, or the operands share no \
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

/// Replicas behind one URL serve their own pages in turn: the start of their processes tells, or the same two pages do.
#[test]
fn pages_of_replicas_in_turn() {
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

/// Pages of one template fail and recover each for itself, and the log tells each change once.
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

//! Failures of upstreams, and the exact Status of each.

#[path = "../common/mod.rs"]
mod common;
mod pages;

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

/// The response of a rule on this source, with the longest timeout.
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

/// For sources that never respond: with a short timeout, for which the test waits.
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
fn a_good_server() {
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

/// A page without a final line feed is complete if its length or chunks show that, as in Prometheus.
#[test]
fn without_a_last_line_feed() {
    assert_eq!(ask(&Upstream::text("queue_depth 3").url()), "web 3");
    let chunked = headed("Transfer-Encoding: chunked\r\n", "d\r\nqueue_depth 3\r\n0\r\n\r\n");
    assert_eq!(ask(&chunked.url()), "web 3");
    refused(
        &headed("", "queue_depth 3"),
        "answered malformed text: expected a line feed at the end, found an incomplete last line",
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
fn huge() {
    let line = format!("# {}\n", "x".repeat(1021));
    let body = line.repeat(16 * 1024 + 1);
    let huge = Upstream::text(&body);
    refused(&huge, "answered a body of more than 16777216 bytes; raise maxBytes: on the source");
    let huge = Upstream::text(&(body + GOOD));
    assert_eq!(ask(&format!("{}\n    maxBytes: 17Mi", huge.url())), "web 3");
}

/// Large series of other metrics on a page have no effect.
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
    // The kernel completes handshakes up to the backlog, so connecting succeeds.
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
        "answered malformed text: expected a line feed at the end, found an incomplete last line",
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

/// `compression: gzip` requests gzip, and accepts compressed and uncompressed pages, but no truncated ones.
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
    // A small limit, because inflating megabytes in an unoptimized build may exceed the source's timeout.
    let zeros = upstream(gzip(&"# 0\n".repeat(64 << 10)));
    let capped = with_gzip(&zeros) + "\n    maxBytes: 64Ki";
    fails(&capped, "answered a body of more than 65536 bytes; raise maxBytes: on the source");
}

/// The age of a page from a cache comes from its Age or Date header.
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
fn special_addresses_behind_a_placeholder() {
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

//! Pages without series: text that regular expressions read, YAML and CSV, as real programs serve them.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::kubernetes::Kubernetes;
use common::pods::{self, PODS, all, bind, pod, serving};
use common::upstream::Upstream;
use common::{Server, file, run};

const NGINX: &str = include_str!("fixtures/pages/nginx/stub_status.txt");
const APACHE: &str = include_str!("fixtures/pages/apache/server-status.txt");
const PHP_FPM: &str = include_str!("fixtures/pages/phpfpm/status.txt");
const HAPROXY: &str = include_str!("fixtures/pages/haproxy/stats.csv");

const WEB: &str = "describes: {namespace: shop, name: web}";

/// A configuration of one rule on one source; `source` continues a flow mapping.
fn config(upstream: &Upstream, source: &str, rule: &[&str]) -> String {
    format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop]{source}}}\nmetrics:\n  - name: m\n    object: services\n    \
         source: app\n    {}\n",
        upstream.url(),
        rule.join("\n    ")
    )
}

/// The rule's value for services/web, or its message without the common start.
fn ask(upstream: &Upstream, source: &str, value: &str) -> String {
    ask_for(upstream, source, &[&format!("value: {value}"), WEB], "web")
}

fn ask_for(upstream: &Upstream, source: &str, rule: &[&str], object: &str) -> String {
    let server = Server::with_config(&config(upstream, source, rule));
    let answer = server.metric(&format!("namespaces/shop/services/{object}/m")).values();
    answer.replace("m of services/web in namespace shop: ", "").replace("m of all services in namespace shop: ", "")
}

fn text(page: &str, value: &str) -> String {
    ask(&Upstream::page("text/plain", page), ", format: text", value)
}

fn yaml(page: &str, value: &str) -> String {
    ask(&Upstream::page("application/yaml", page), "", value)
}

fn csv(page: &str, value: &str) -> String {
    ask(&Upstream::page("text/csv; header=present", page), "", value)
}

#[test]
fn numbers_in_text() {
    for (page, value, expected) in [
        (NGINX, r"'/^Active connections: (\d+)/'", "web 3"),
        (NGINX, r"'/^Reading: \d+ Writing: (?<value>\d+)/'", "web 3"),
        (NGINX, r"'/^server accepts handled requests\s+\d+ \d+ (\d+)/'", "web 14"),
        (APACHE, r"'/^BusyWorkers: (\d+)$/'", "web 1"),
        (APACHE, r"'/^BytesPerReq:(.*)$/'", "web 341333m"),
        (PHP_FPM, r"'/^listen queue:(.*)$/'", "web 1"),
        (PHP_FPM, r"'sum(/^(?:max )?listen queue: +(\d+)/)'", "web 4"),
        (PHP_FPM, r"'max(/listen queue: +(\d+)/)'", "web 3"),
        (PHP_FPM, r"'count(/^(pool|slow requests):/)'", "web 2"),
        ("a 250m\r\nb NaN\r\nc \r\n", r"'/^a (.+)$/'", "web 250m"),
    ] {
        assert_eq!(text(page, value), expected, "{value}");
    }
    for (page, value, why) in [
        (
            PHP_FPM,
            r"'/listen queue: +(\d+)/'",
            "503 ServiceUnavailable: several values match; wrap it in sum(), max(), min() or avg()",
        ),
        (PHP_FPM, r"'/^pool: +(\w+)/'", "503 ServiceUnavailable: expected a number, found text that is not a number"),
        (PHP_FPM, r"'/^pool:(?: (\d+))?/'", "404 NotFound: the regular expression matches nothing on the page"),
        (PHP_FPM, r"'count(/^nothing: (\d+)/)'", "404 NotFound: the regular expression matches nothing on the page"),
        (
            "a 250m\nb NaN\n",
            r"'/^b (.+)$/'",
            "503 ServiceUnavailable: the value is NaN; onNaN can turn it into missing or zero",
        ),
    ] {
        let rule = format!("{why}; the rule takes {} from source app", value.trim_matches('\''));
        assert_eq!(text(page, value), rule);
    }
    // The text around a number may be in any encoding.
    let latin = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\ncaf\xe9 3\n";
    assert_eq!(ask(&Upstream::raw(latin.to_vec()), ", format: text", r"'/ (\d+)$/'"), "web 3");
    let many = "1\n".repeat(10_001);
    assert!(text(&many, r"'sum(/^(\d)$/)'").contains("more than 10000 series or values match"));
}

#[test]
fn objects_in_text() {
    let page = "shop/web: 3\nshop/db: 1.5\nbank/web: 9\nshop/: 4\nshop/nil: none\nshop/two: 1\nshop/two: 2\n";
    let upstream = Upstream::page("text/plain", page);
    let rule = r"value: '/^(?<namespace>\w+)\/(?<name>\w*): (?<value>.*)$/'";
    for (object, expected) in [
        ("web", "web 3"),
        ("*", "db 1500m, web 3"),
        (
            "two",
            "503 ServiceUnavailable: m of services/two in namespace shop: several values match; wrap it in sum(), max(), \
             min() or avg(); the rule takes /^(?<namespace>\\w+)\\/(?<name>\\w*): (?<value>.*)$/ from source app",
        ),
        (
            "nil",
            "503 ServiceUnavailable: m of services/nil in namespace shop: expected a number, found text that is not a \
             number; the rule takes /^(?<namespace>\\w+)\\/(?<name>\\w*): (?<value>.*)$/ from source app",
        ),
    ] {
        assert_eq!(ask_for(&upstream, ", format: text", &[rule], object), expected, "{object}");
    }
    let sum = r"value: 'sum(/^(?<namespace>\w+)\/(?<name>\w*): (?<value>.*)$/)'";
    assert_eq!(ask_for(&upstream, ", format: text", &[sum], "two"), "two 3");
    // Without a group for the namespace, it is the source's only one.
    let names = r"value: '/^\w+\/(?<name>\w*): (?<value>.*)$/'";
    assert_eq!(ask_for(&upstream, ", format: text", &[names], "db"), "db 1500m");
    let none = r"value: '/^(?<name>\w*)=(?<value>.*)$/'";
    let answer = ask_for(&upstream, ", format: text", &[none, "onMissing: zero"], "*");
    assert!(answer.starts_with("404 NotFound: the regular expression matches nothing on the page; "), "{answer}");
    assert_eq!(ask_for(&upstream, ", format: text", &[none, "onMissing: zero"], "web"), "web 0");
}

/// The page of a pod describes that pod, whatever its format.
#[test]
fn text_of_pods() {
    let (port, listeners) = bind(2);
    let page = |queue: u8| PHP_FPM.replace("listen queue:         1", &format!("listen queue:         {queue}"));
    let upstreams: Vec<Upstream> = (3..).zip(listeners).map(|(queue, pod)| serving(pod, &page(queue))).collect();
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let source = format!("pods: {{port: {port}, path: /status}}, format: text");
    let server = pods::server(&kubernetes, &pods::config(&source, r"/^listen queue: +(\d+)/"));
    assert_eq!(all(&server, "app%3Dweb"), "web-0 3, web-1 4");
    assert!(upstreams[0].heads()[0].starts_with("GET /status "), "{:?}", upstreams[0].heads());
}

#[test]
fn yaml_is_read_like_json() {
    let page = "--- # of workers\nqueue:\n  depth: 3\n  limit: \"250m\"\n  ratio: .nan\nworkers:\n- {name: web, busy: 0x10}\n- \
                {name: db, busy: .5}\n";
    for (value, expected) in [
        ("$.queue.depth", "web 3"),
        ("$.queue.limit", "web 250m"),
        ("sum($.workers[*].busy)", "web 16500m"),
        ("$.workers[?@.busy > 1].busy", "web 16"),
    ] {
        assert_eq!(yaml(page, value), expected, "{value}");
    }
    assert!(yaml(page, "$.queue.ratio").contains(": the value is NaN; "), "{}", yaml(page, "$.queue.ratio"));
    assert!(yaml(page, "$.queue.size").starts_with("404 NotFound: "));
    let upstream = Upstream::page("text/x-yaml", page);
    let rule = ["value: $.busy", "items: $.workers[*]", "nameFrom: $.name"];
    assert_eq!(ask_for(&upstream, "", &rule, "*"), "db 500m, web 16");
    let fpm = Upstream::page("text/plain;charset=UTF-8", PHP_FPM);
    assert_eq!(ask(&fpm, ", format: yaml", "$['listen queue']"), "web 1");
    let too_much = "answered YAML that is nested too deep, or has more values than maxBytes: on the source allows";
    for (page, why) in [
        ("a: [1\n", "answered malformed YAML"),
        ("a: 1\na: 2\n", "answered malformed YAML"),
        ("a: 1\n---\na: 2\n", "answered several YAML documents, expected one"),
        ("a: &b 1\n", "answered YAML with anchors, aliases or tags, which are not supported"),
        (&format!("a: {}\n", "[".repeat(33)), too_much),
        (&"- 1\n".repeat(65_536), too_much),
        (&"#\n".repeat(524_289), "answered a body of more than 1048576 bytes; raise maxBytes: on the source"),
    ] {
        assert_eq!(yaml(page, "$.a"), format!("503 ServiceUnavailable: source app {why}"));
    }
}

#[test]
fn csv_is_a_list_of_rows() {
    let haproxy = Upstream::page("text/plain", HAPROXY);
    for (value, expected) in [
        ("$[?@.pxname=='php' && @.svname=='BACKEND'].qcur", "web 4"),
        // A frontend has no queue: its field is empty.
        ("sum($[*].qcur)", "web 4"),
        ("count($[?@.type=='2' && @.status=='UP'])", "web 1"),
        ("count($[?@.pxname=='none'])", "web 0"),
    ] {
        assert_eq!(ask(&haproxy, ", format: csv", value), expected, "{value}");
    }
    let rule = ["value: $.qcur", "items: $[?@.svname=='BACKEND']", "nameFrom: $.pxname"];
    assert_eq!(ask_for(&haproxy, ", format: csv", &rule, "*"), "down 0, empty 0, php 4");
    let frontend = ask(&haproxy, ", format: csv", "$[?@.pxname=='web' && @.svname=='FRONTEND'].qcur");
    assert!(frontend.starts_with("404 NotFound: the JSONPath selects nothing on the page; "), "{frontend}");

    let page = "queue,\"depth, waiting\",note\r\nmail,1.5,\"said \"\"no\"\"\"\r\nweb,\"2k\",\"two\r\nlines\"\r\n";
    assert_eq!(csv(page, "$[?@.queue=='mail']['depth, waiting']"), "web 1500m");
    assert_eq!(csv(page, "$[?@.queue=='web']['depth, waiting']"), "web 2k");
    let note = csv(page, "$[0].note");
    assert!(note.contains("expected a number, found a string that is not a number"), "{note}");
    let number = csv(page, "count($[?@['depth, waiting'] > 1])");
    assert!(number.starts_with("503 ServiceUnavailable: a filter compares numbers, and all fields of CSV are text"));
    for (page, why) in [
        ("", "malformed CSV: expected a header, found nothing"),
        ("a,b\n1\n", "malformed CSV: expected as many fields in each row as in the header"),
        ("a,a\n1,2\n", "malformed CSV: expected each name of the header once"),
        ("a\n\"1\n", "malformed CSV: expected a closing quote, found the end"),
        (&format!("a\n{}", "1\n".repeat(32_769)), "CSV of more values than maxBytes: on the source allows"),
        (&"#\n".repeat(524_289), "a body of more than 1048576 bytes; raise maxBytes: on the source"),
    ] {
        assert_eq!(csv(page, "$[0].a"), format!("503 ServiceUnavailable: source app answered {why}"));
    }
}

/// The end of the connection is the end of the page only if its last line is complete.
#[test]
fn pages_that_may_be_cut_off() {
    let why = "503 ServiceUnavailable: source app answered a page without a line feed at its end, which may be cut off: \
               neither Content-Length nor chunks show its end";
    let closing = |body: &str| Upstream::raw(format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n{body}"));
    for (format, page, value) in [("text", "a 12", r"/a (\d+)/"), ("yaml", "a: 12", "$.a"), ("csv", "a\n12", "$[0].a")]
    {
        let source = format!(", format: {format}");
        assert_eq!(ask(&closing(page), &source, value), why, "{format}");
        assert_eq!(ask(&closing(&format!("{page}\n")), &source, value), "web 12", "{format}");
        assert_eq!(ask(&Upstream::page("text/plain", page), &source, value), "web 12", "{format}");
    }
}

/// As text/plain, these pages are parsed as Prometheus text, and the message names the probable format.
#[test]
fn pages_without_their_format() {
    let key_value = "; the page looks like lines of keys and values: set format: text on the source and write a regular \
                     expression, or format: yaml if it is YAML";
    let csv = "; the page looks like CSV with a header: set format: csv on the source";
    for (page, hint) in [
        (NGINX, key_value),
        (APACHE, key_value),
        (PHP_FPM, key_value),
        (HAPROXY, csv),
        ("queue,depth,age\nmail,1,2\n", csv),
        ("queue_depth{a=\"b\",} x\n", ""),
    ] {
        let answer = ask(&Upstream::page("text/plain", page), "", "m");
        let start = "503 ServiceUnavailable: source app answered malformed text: expected ";
        assert!(answer.starts_with(start) && answer.ends_with(hint), "{answer}");
        assert_eq!(answer.contains("looks like"), !hint.is_empty(), "{answer}");
    }
}

#[test]
fn get_names_the_format() {
    for (source, value, page, said) in [
        (", format: text", r"/connections. (\d+)/", NGINX, "page     text, 100 bytes\n"),
        (", format: yaml", "$['listen queue']", PHP_FPM, "page     YAML, 371 bytes\n"),
        (", format: csv", "$[?@.svname=='fpm1'].scur", HAPROXY, "page     CSV, 3397 bytes\n"),
    ] {
        let upstream = Upstream::page("text/plain", page);
        let config = file("metrics.yaml", &config(&upstream, source, &[&format!("value: {value}"), WEB]));
        let (code, _, trace) = run(&["get", "-v", "-c", config.to_str().unwrap(), "namespaces/shop/services/web/m"]);
        assert_eq!(code, 0, "{trace}");
        assert!(trace.contains(said), "{trace}");
        let head = upstream.heads()[0].to_ascii_lowercase();
        assert!(head.contains("\r\naccept: ") && head.contains("*/*; q=0.1"), "{head}");
    }
}

#[test]
fn check_shows_where_a_regular_expression_is_wrong() {
    let upstream = Upstream::page("text/plain", NGINX);
    let config = file("metrics.yaml", &config(&upstream, ", format: text", &[r"value: '/^a (\d+/'", WEB]));
    let (code, _, problems) = run(&["check", config.to_str().unwrap()]);
    assert_ne!(code, 0);
    assert!(problems.contains(":7:17: error: value: found open group without closing ')' (column 5)"), "{problems}");
}

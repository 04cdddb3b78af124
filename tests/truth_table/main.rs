//! The truth table, row by row, in the HPA's view.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod by_name;
#[path = "../common/mod.rs"]
mod common;
mod json;
mod unavailable;

use common::Server;
use common::upstream::Upstream;
use serde_json::Value;

const SUBJECT: &str = "queue_depth of services/web in namespace shop";
const ORIGIN: &str = "the rule takes queue_depth from source app";
const ALL: &str = "queue_depth of all services in namespace shop";

/// A server with one rule on one source; both lines continue YAML flow mappings.
fn server(upstream: &Upstream, source: &str, rule: &str) -> Server {
    Server::with_config(&format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop]{source}}}\nmetrics:\n  \
         - {{name: queue_depth, object: services, source: app{rule}}}\n",
        upstream.url()
    ))
}

/// The response of a rule for services/web, for a page.
fn ask(page: &str, rule: &str) -> String {
    let upstream = Upstream::text(page);
    server(&upstream, "", rule).metric("namespaces/shop/services/web/queue_depth").values()
}

fn web(value: &str) -> String {
    format!("queue_depth{{namespace=\"shop\",service=\"web\"}} {value}\n")
}

fn unavailable(why: &str) -> String {
    format!("503 ServiceUnavailable: {SUBJECT}: {why}; {ORIGIN}")
}

fn missing(why: &str) -> String {
    format!("404 NotFound: {SUBJECT}: {why}; {ORIGIN}")
}

/// Milliseconds since 1970, with an offset from the current time.
fn at(seconds: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_millis() as i64 + seconds * 1000
}

#[test]
fn a_number_is_served_to_the_nearest_milli() {
    for (value, quantity) in [
        ("3", "3"),
        ("1.5", "1500m"),
        ("1e3", "1k"),
        ("12345", "12345"),
        ("0.0014", "1m"),
        ("0.0016", "2m"),
        ("1.0005000001", "1001m"),
        ("9.2e15", "9200T"),
    ] {
        assert_eq!(ask(&web(value), ""), format!("web {quantity}"), "{value}");
    }
}

#[test]
fn a_tiny_number_is_never_rounded_to_zero() {
    for (value, quantity) in
        [("0.0004", "1m"), ("1e-300", "1m"), ("4.9e-324", "1m"), ("-0.0004", "-1m"), ("-1e-300", "-1m")]
    {
        assert_eq!(ask(&web(value), ", allowNegative: true"), format!("web {quantity}"), "{value}");
    }
}

#[test]
fn zero_is_zero() {
    for value in ["0", "0.0", "-0", "0e9"] {
        assert_eq!(ask(&web(value), ""), "web 0", "{value}");
    }
}

#[test]
fn a_missing_series_is_404_with_the_expected_and_found_names() {
    for (page, why) in [
        ("", "no series on the page matches"),
        ("other 3\n", "no series on the page matches"),
        ("queue_depth 3\n", "no matching series on the page has a label exported_service or service to name an object"),
        (
            "queue_depth{namespace=\"shop\",service=\"db\"} 3\n",
            "the matching series on the page describe other objects",
        ),
        (
            "queue_depth{namespace=\"bank\",service=\"web\"} 3\n",
            "the matching series on the page describe other objects",
        ),
    ] {
        assert_eq!(ask(page, ""), missing(why), "{page}");
    }
    let upstream = Upstream::text(&web("3"));
    let server = server(&upstream, "", "");
    assert_eq!(
        server.metric("namespaces/shop/services/web/queue_depth?metricLabelSelector=verb%3DGET").values(),
        missing("no matching series on the page matches metricLabelSelector")
    );
}

/// All selectors of an expression read one page, and the expression is evaluated over the series of one object.
#[test]
fn expressions_combine_series_of_one_page() {
    let series = |name: &str, labels: &str, value: u32| format!("{name}{{namespace=\"shop\",{labels}}} {value}\n");
    let page: String = [
        series("busy", "service=\"web\",pool=\"a\"", 3),
        series("busy", "service=\"web\",pool=\"b\"", 1),
        series("busy", "service=\"db\",pool=\"a\"", 100),
        series("size", "service=\"web\",pool=\"a\"", 4),
        series("size", "service=\"web\",pool=\"b\"", 4),
        series("late_bucket", "service=\"web\",le=\"1\"", 5),
        series("late_bucket", "service=\"web\",le=\"+Inf\"", 10),
    ]
    .concat();
    let same = "series of several metrics have the same labels, and the value drops their names; \
                name one metric, or aggregate first";
    let nothing = "the expression returned nothing: a comparison or set operator filtered every matching series out, or the operands share no labels";
    for (value, answer) in [
        ("sum(busy) / sum(size) * 100", "web 50".to_owned()),
        ("max(busy / size)", "web 750m".to_owned()),
        ("busy > 2", "web 3".to_owned()),
        ("count(busy < 2 * size)", "web 2".to_owned()),
        ("max(sum by (pool) (-busy)) + 5", "web 4".to_owned()),
        ("histogram_quantile(0.25, late_bucket)", "web 500m".to_owned()),
        ("sum(busy / on (pool) size)", "web 1".to_owned()),
        ("sum(busy) / on () group_left () max(size)", "web 1".to_owned()),
        ("topk(1, busy)", "web 3".to_owned()),
        ("quantile(0.5, busy)", "web 2".to_owned()),
        ("busy unless on (pool) size{pool=\"b\"}", "web 3".to_owned()),
        ("sum(busy > 5) or vector(7)", "web 7".to_owned()),
        ("sum(busy > 5 or size)", "web 8".to_owned()),
        ("sum(busy > bool 2) ^ 2 % 3", "web 1".to_owned()),
        ("clamp_min(max(busy), scalar(max(size)))", "web 4".to_owned()),
        ("absent(busy > 5)", "web 1".to_owned()),
        ("sum by (x) (label_replace(busy, \"x\", \"$1\", \"pool\", \"(a|b)\")) > 2", "web 3".to_owned()),
        ("time() - time() + max(busy)", "web 3".to_owned()),
        ("absent(busy)", missing(nothing)),
        ("busy and size > 4", missing(nothing)),
        (
            "sum(busy / on () size)",
            unavailable(
                "several series right of an operator have the same matching labels; name one metric, or aggregate first",
            ),
        ),
        ("busy > 3", missing(nothing)),
        ("busy * 2", unavailable("several values match; wrap it in sum(), max(), min() or avg()")),
        (r#"sum({__name__=~"busy|size"} * 2)"#, unavailable(same)),
    ] {
        let answer = answer.replace("takes queue_depth", &format!("takes {value}"));
        assert_eq!(ask(&page, &format!(", value: '{value}'")), answer, "{value}");
    }
}

/// If the page describes only the object.
#[test]
fn an_expression_may_produce_a_value_without_series() {
    let web = ", describes: {namespace: shop, name: web}, value: ";
    for (value, answer) in [
        ("sum(busy) or vector(7)", "web 7".to_owned()),
        ("absent(busy) * 2", "web 2".to_owned()),
        ("sum(busy) or absent(other)", missing("the expression returned nothing: the object has no series busy")),
        ("sum(busy)", missing("no series on the page matches")),
    ] {
        let answer = answer.replace("takes queue_depth", &format!("takes {value}"));
        assert_eq!(ask("other 3\n", &format!("{web}'{value}'")), answer, "{value}");
    }
    // Not for an object that the page must name.
    let value = "sum(busy) or vector(7)";
    let answer = missing("no series on the page matches").replace("takes queue_depth", &format!("takes {value}"));
    assert_eq!(ask("other 3\n", &format!(", value: '{value}'")), answer);
    let down = Upstream::raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(
        server(&down, "", &format!("{web}'{value}'")).metric("namespaces/shop/services/web/queue_depth").values(),
        format!("503 ServiceUnavailable: {SUBJECT}: source app answered 500")
    );
}

#[test]
fn a_missing_value_is_zero_only_with_on_missing_and_a_valid_page() {
    assert_eq!(ask("other 3\n", ", onMissing: zero"), "web 0");
    assert_eq!(ask("other 3\n", ", onMissing: 0"), "web 0");
    assert_eq!(ask("other 3\n", ", onMissing: 5"), "web 5");
    assert_eq!(ask("other 3\n", ", onMissing: 250m"), "web 250m");
    assert_eq!(ask("other 3\n", ", onMissing: -1.5, allowNegative: true"), "web -1500m");
    let down = Upstream::raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(
        server(&down, "", ", onMissing: zero").metric("namespaces/shop/services/web/queue_depth").values(),
        format!("503 ServiceUnavailable: {SUBJECT}: source app answered 500")
    );
}

#[test]
fn the_last_valid_value_keeps_its_timestamp() {
    let scraped = at(-30) / 1000 * 1000;
    let (upstream, page) = Upstream::changing(&format!(
        "queue_depth{{service=\"web\"}} 3 {scraped}\nqueue_depth{{service=\"old\"}} 4 {}\n",
        at(-110)
    ));
    let server = server(&upstream, ", cache: 0s", ", onMissing: last 100s");
    let list = |path: &str| server.metric(&format!("namespaces/shop/services/{path}/queue_depth"));
    let first = list("web").json();
    assert_eq!(list("old").values(), "old 4");
    *page.lock().unwrap() = "other 3\n".to_owned();
    assert_eq!(list("web").values(), "web 3");
    assert_eq!(list("web").json()["items"][0]["timestamp"], first["items"][0]["timestamp"]);
    // Also for `*`; a value that never existed or is too old is not served.
    assert_eq!(list("*").values(), "web 3");
    assert_eq!(list("old").values(), missing("no series on the page matches").replace("/web", "/old"));
    assert_eq!(list("db").values(), missing("no series on the page matches").replace("/web", "/db"));
}

/// An exporter's own label, renamed by Prometheus, takes precedence over the label that Prometheus set; the rule's label
/// comes first.
#[test]
fn labels_name_the_object() {
    let page = "queue_depth{exported_namespace=\"shop\",namespace=\"monitoring\",exported_service=\"web\",service=\"x\"} 3\n\
                queue_depth{namespace=\"shop\",service=\"db\",team=\"web\",space=\"bank\"} 4\n";
    assert_eq!(ask(page, ""), "web 3");
    assert_eq!(ask(page, ", nameLabel: team"), "web 4");
    let other = missing("the matching series on the page describe other objects");
    assert_eq!(ask(page, ", nameLabel: team, namespaceLabel: space"), other);
    let none = missing("no matching series on the page has a label nope to name an object");
    assert_eq!(ask(page, ", nameLabel: nope"), none);
}

#[test]
fn several_series_need_an_aggregation() {
    let page = "queue_depth{service=\"web\",shard=\"1\"} 3\nqueue_depth{service=\"web\",shard=\"2\"} 4\n";
    assert_eq!(ask(page, ""), unavailable("several values match; wrap it in sum(), max(), min() or avg()"));
    for (value, quantity) in [
        ("sum(queue_depth)", "7"),
        ("avg(queue_depth)", "3500m"),
        ("min(queue_depth)", "3"),
        ("max(queue_depth)", "4"),
        ("count(queue_depth)", "2"),
        ("queue_depth{shard=\"1\"}", "3"),
        ("sum(queue_depth{shard!=\"1\"})", "4"),
        ("sum(queue_depth{shard=~\"1|2\"})", "7"),
        ("sum(queue_depth{shard!~\"1\"})", "4"),
    ] {
        assert_eq!(ask(page, &format!(", value: '{value}'")), format!("web {quantity}"), "{value}");
    }
    // `onMissing` does not apply.
    assert!(ask(page, ", onMissing: zero").starts_with("503 "));
}

#[test]
fn duplicate_series_are_rejected() {
    assert_eq!(ask(&(web("3") + &web("3")), ""), unavailable("the page has one series twice"));
}

#[test]
fn nan_follows_on_nan() {
    assert_eq!(ask(&web("NaN"), ""), unavailable("the value is NaN; onNaN can turn it into missing or zero"));
    assert_eq!(ask(&web("NaN"), ", onNaN: error"), ask(&web("NaN"), ""));
    assert_eq!(ask(&web("NaN"), ", onNaN: missing"), missing("the value is NaN, which counts as missing (onNaN)"));
    assert_eq!(ask(&web("NaN"), ", onNaN: missing, onMissing: zero"), "web 0");
    assert_eq!(ask(&web("NaN"), ", onNaN: zero"), "web 0");
}

#[test]
fn infinite_out_of_range_and_negative_values_are_rejected() {
    let beyond = "the value is out of range: beyond ±9223372036854775.807";
    for (value, why) in [
        ("+Inf", "the value is +Inf"),
        ("-Inf", "the value is -Inf"),
        ("9.3e15", beyond),
        ("-1e300", beyond),
        ("-3", "the value is negative; allowNegative: true would serve it"),
        ("-1e-300", "the value is negative; allowNegative: true would serve it"),
    ] {
        assert_eq!(ask(&web(value), ", onMissing: zero, onNaN: zero"), unavailable(why), "{value}");
    }
    assert_eq!(ask(&web("-3"), ", allowNegative: true"), "web -3");
}

#[test]
fn old_and_future_samples_count_as_missing() {
    let stale = missing("the sample is older than maxAge allows");
    let future = missing("the sample's timestamp lies in the future; compare the clocks");
    let aged = |seconds: i64| web(&format!("3 {}", at(seconds)));
    assert_eq!(ask(&aged(-90), ""), "web 3");
    assert_eq!(ask(&aged(-130), ""), stale);
    assert_eq!(ask(&aged(-130), ", maxAge: 10m"), "web 3");
    assert_eq!(ask(&aged(-90), ", maxAge: 1m"), stale);
    assert_eq!(ask(&aged(25), ""), "web 3");
    assert_eq!(ask(&aged(90), ""), future);
    assert_eq!(ask(&aged(-130), ", onMissing: zero"), "web 0");
    // A sum is as old as its oldest part.
    let sum = |old: i64, new: i64| {
        let page = format!(
            "queue_depth{{service=\"web\",a=\"1\"}} 3 {}\nqueue_depth{{service=\"web\",a=\"2\"}} 4 {}\n",
            at(old),
            at(new)
        );
        ask(&page, ", value: sum(queue_depth)")
    };
    assert_eq!(sum(-10, 0), "web 7");
    assert_eq!(sum(-130, 0), stale.replace("takes queue_depth", "takes sum(queue_depth)"));
    assert_eq!(sum(0, 90), future.replace("takes queue_depth", "takes sum(queue_depth)"));
}

#[test]
fn items_carry_the_time_of_their_samples() {
    let time = 1_000 * (at(-45) / 1_000);
    let upstream = Upstream::text(&web(&format!("3 {time}")));
    let server = server(&upstream, "", "");
    let list = server.metric("namespaces/shop/services/web/queue_depth").json();
    let expected = metriclet::internals::kube::meta::Time::from_millis(time).to_string();
    assert_eq!(list["items"][0]["timestamp"], Value::String(expected));
    assert!(list["items"][0].get("windowSeconds").is_none());
}

#[test]
fn a_wildcard_leaves_out_and_counts() {
    let page = format!(
        "queue_depth{{service=\"good\"}} 3\nqueue_depth{{service=\"zero\"}} 0\nqueue_depth{{service=\"nan\"}} NaN\n\
         queue_depth{{service=\"inf\"}} +Inf\nqueue_depth{{service=\"ninf\"}} -Inf\nqueue_depth{{service=\"far\"}} 1e300\n\
         queue_depth{{service=\"below\"}} -1\nqueue_depth{{service=\"two\",a=\"1\"}} 1\nqueue_depth{{service=\"two\"}} 2\n\
         queue_depth{{service=\"stale\"}} 3 {}\nqueue_depth{{service=\"future\"}} 3 {}\n",
        at(-200),
        at(200)
    );
    let upstream = Upstream::text(&page);
    let server = server(&upstream, "", "");
    assert_eq!(server.metric("namespaces/shop/services/*/queue_depth").values(), "good 3, zero 0");
    for (reason, count) in [
        ("nan", 1.0),
        ("infinite", 2.0),
        ("out_of_range", 1.0),
        ("negative", 1.0),
        ("several_series", 1.0),
        ("stale", 1.0),
        ("future", 1.0),
    ] {
        let series = format!("metriclet_objects_left_out_total{{reason=\"{reason}\"}}");
        assert_eq!(server.own(&series), count, "{reason}");
    }
}

#[test]
fn an_empty_wildcard_is_404_or_503_after_a_failure() {
    let star = |page: &str, rule: &str| {
        let upstream = Upstream::text(page);
        server(&upstream, "", rule).metric("namespaces/shop/services/*/queue_depth").values()
    };
    let missing = |why: &str| missing(why).replace(SUBJECT, ALL);
    let unavailable = |why: &str| unavailable(why).replace(SUBJECT, ALL);
    assert_eq!(star("other 3\n", ""), missing("no series on the page matches"));
    // There is no object that could get zero.
    assert_eq!(star("other 3\n", ", onMissing: zero"), missing("no series on the page matches"));
    assert_eq!(
        star("queue_depth{namespace=\"bank\",service=\"web\"} 3\n", ""),
        missing("the matching series on the page describe other objects")
    );
    let stale = web(&format!("3 {}", at(-200)));
    assert_eq!(star(&stale, ""), missing("the sample is older than maxAge allows"));
    assert_eq!(star(&(stale + "queue_depth{service=\"db\"} +Inf\n"), ""), unavailable("the value is +Inf"));
    assert_eq!(star(&web("NaN"), ""), unavailable("the value is NaN; onNaN can turn it into missing or zero"));
    assert_eq!(star(&web("NaN"), ", onNaN: missing"), missing("the value is NaN, which counts as missing (onNaN)"));
    assert_eq!(star(&web("NaN"), ", onNaN: zero"), "web 0");
    // A failure of a shared source affects all objects.
    let down = Upstream::raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(
        server(&down, "", "").metric("namespaces/shop/services/*/queue_depth").values(),
        format!("503 ServiceUnavailable: {ALL}: source app answered 500")
    );
}

/// Each placeholder, percent-encoded for its position.
#[test]
fn templates() {
    let upstream = Upstream::text("queue_depth{service=\"web\"} 3\nqueue_depth{service=\"db\"} 4\n");
    let config = format!(
        "sources:\n  each: {{url: 'http://{0}/{{namespace}}/{{resource}}/{{name}}?m={{metric}}', namespaces: [shop], \
         format: number}}\n  all: {{url: 'http://{0}/all?s={{labelSelector}}&n={{namespace}}', namespaces: [shop]}}\n\
         metrics:\n  - {{name: each, object: [services, deployments.apps], source: each}}\n  \
         - {{name: queue_depth, object: services, source: all}}\n",
        upstream.address
    );
    let server = Server::with_config(&config);
    for (path, target) in [
        ("services/web/each", "/shop/services/web?m=each"),
        ("deployments.apps/web/each", "/shop/deployments.apps/web?m=each"),
        ("services/a%20b/each", "/shop/services/a%20b?m=each"),
        ("services/*/queue_depth?labelSelector=tier+in+%28b%2Ca%29", "/all?s=tier%20in%20%28a%2Cb%29&n=shop"),
        ("services/*/queue_depth", "/all?s=&n=shop"),
    ] {
        let before = upstream.requests();
        let answer = server.metric(&format!("namespaces/shop/{path}"));
        assert_eq!(upstream.requests(), before + 1, "{path}: {answer:?}");
        let head = upstream.heads().pop().unwrap();
        assert_eq!(head.lines().next(), Some(format!("GET {target} HTTP/1.1").as_str()), "{path}");
    }
    assert_eq!(server.metric("namespaces/shop/services/*/queue_depth").values(), "db 4, web 3");
    assert_eq!(
        server.metric("namespaces/shop/services/*/each").values(),
        "400 BadRequest: each of all services in namespace shop: its source has one page an object, so * is not served; \
         ask for one by name"
    );
    assert_eq!(
        server.metric("namespaces/bank/services/web/each").values(),
        "404 NotFound: each of services/web in namespace bank: source each may not describe objects of this namespace; \
         its namespaces: in the configuration says which"
    );
}

//! The truth table of external metrics: all values, or an error.

use super::common::upstream::Upstream;
use super::{LAG, ask, server};

#[test]
fn one_bad_value_is_an_error() {
    for (page, rule, expected) in [
        (
            "queue_lag{q=\"a\"} 1\nqueue_lag{q=\"b\"} NaN\n",
            "",
            "503 ServiceUnavailable: the value is NaN; onNaN can turn it into missing or zero",
        ),
        ("queue_lag{q=\"a\"} 1\nqueue_lag{q=\"b\"} +Inf\n", "", "503 ServiceUnavailable: the value is +Inf"),
        ("queue_lag{q=\"a\"} 1\nqueue_lag{q=\"b\"} -1\n", "", "503 ServiceUnavailable: the value is negative"),
        (
            "queue_lag{q=\"a\"} 1\nqueue_lag{q=\"b\"} 2 1000\n",
            "",
            "404 NotFound: the sample is older than maxAge allows",
        ),
        (
            "queue_lag{q=\"a\"} 9e15\nqueue_lag{q=\"b\"} 9e15\n",
            "",
            "503 ServiceUnavailable: the sum of its values, which an HPA adds up, is out of range",
        ),
        (
            "queue_lag{q=\"a\"} -9e15\nqueue_lag{q=\"b\"} -9e15\n",
            ", value: queue_lag, allowNegative: true",
            "503 ServiceUnavailable: the sum of its values, which an HPA adds up, is out of range",
        ),
        ("other 1\n", "", "404 NotFound: no series on the page matches"),
        ("queue_lag{namespace=\"bank\"} 1\n", "", "404 NotFound: what matches on the page is about other namespaces"),
        ("queue_lag{q=\"a\"} 1\n", ", value: queue_lag > 5", "404 NotFound: the expression returned nothing"),
    ] {
        let upstream = Upstream::text(page);
        let rule = if rule.is_empty() { ", value: queue_lag" } else { rule };
        let answer = ask(&server(&upstream, ", namespaces: [shop]", rule), "shop", "");
        assert!(answer.starts_with(expected), "{answer}");
        assert!(answer.contains("; the rule takes queue_lag"), "{answer}");
    }
    let down = Upstream::raw("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    let answer = ask(&server(&down, ", namespaces: [shop]", ""), "shop", "");
    assert!(answer.starts_with("503 ServiceUnavailable: source app answered 500"), "{answer}");
}

#[test]
fn a_missing_value_can_be_zero() {
    let rule = ", value: sum by (queue) (queue_lag), onMissing: zero, onNaN: zero";
    for (page, expected) in [
        ("", "{} 0"),
        ("queue_lag{namespace=\"bank\"} 1\n", "{} 0"),
        ("queue_lag{queue=\"a\"} NaN\nqueue_lag{queue=\"b\"} 2\n", "{queue=a} 0, {queue=b} 2"),
    ] {
        let upstream = Upstream::text(page);
        assert_eq!(ask(&server(&upstream, ", namespaces: [shop]", rule), "shop", ""), expected, "{page}");
    }
}

#[test]
fn an_expression_may_produce_a_value_without_series() {
    for (value, page, expected) in [
        ("sum(queue_lag) or vector(0)", "other 1\n", "{} 0"),
        ("sum(queue_lag) or vector(0)", LAG, "{} 14500m"),
        ("sum(queue_lag) or vector(0)", "queue_lag{namespace=\"bank\"} 1\n", "{} 0"),
        ("absent(queue_lag{queue=\"mail\", team!=\"x\"})", "other 1\n", "{queue=mail} 1"),
        ("topk(1, queue_lag) and on () queue_lag > 5", LAG, "{queue=common} 7"),
        (
            "label_replace(sum by (queue) (queue_lag), \"kind\", \"$1\", \"queue\", \"(s).*\") > 5 or vector(time() * 0)",
            LAG,
            "{queue=common} 7, {} 0",
        ),
    ] {
        let upstream = Upstream::text(page);
        let server = server(&upstream, ", namespaces: [shop]", &format!(", value: '{value}'"));
        assert_eq!(ask(&server, "shop", ""), expected, "{value}");
    }
    let down = Upstream::raw("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    let answer = ask(&server(&down, ", namespaces: [shop]", ", value: sum(queue_lag) or vector(0)"), "shop", "");
    assert!(answer.starts_with("503 ServiceUnavailable: source app answered 500"), "{answer}");
}

#[test]
fn values_are_remembered_by_their_labels() {
    let (upstream, page) = Upstream::changing(LAG);
    let rule = ", value: sum by (queue) (queue_lag), onMissing: last 10m";
    let server = server(&upstream, ", namespaces: [shop, bank], cache: 0s", rule);
    assert_eq!(ask(&server, "shop", ""), "{queue=mail} 3, {queue=sms} 4500m, {queue=common} 7");
    *page.lock().unwrap() = "queue_lag{queue=\"mail\"} 5\n".to_owned();
    assert_eq!(ask(&server, "shop", ""), "{queue=mail} 5, {queue=common} 7, {queue=sms} 4500m");
    *page.lock().unwrap() = String::new();
    assert_eq!(ask(&server, "shop", ""), "{queue=common} 7, {queue=mail} 5, {queue=sms} 4500m");
    let never = ask(&server, "bank", "");
    assert!(never.starts_with("404 NotFound: no series on the page matches"), "{never}");
}

#[test]
fn warns_of_counters_by_name() {
    let upstream = Upstream::text("# TYPE queue_lag counter\nqueue_lag 3\n");
    let named = super::common::run(&["get", "--upstream", &upstream.url(), "external/shop/queue_lag"]);
    assert_eq!(named.0, 69, "{named:?}");
    assert!(
        named.2.contains("{name: queue_lag, external: true, source: upstream, value: 'sum(rate(queue_lag[2m]))'}"),
        "{named:?}"
    );
}

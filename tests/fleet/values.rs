//! `value` over joined pages: placeholders, and values of JSON and text, which each page must have.

use std::sync::{Arc, Mutex};

use super::*;

/// Pods whose pages of this type the test can change.
#[expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
fn changing(content_type: &'static str, pages: [&str; 2]) -> (u16, Vec<Upstream>, Vec<Arc<Mutex<String>>>) {
    let (port, listeners) = bind(2);
    let bodies: Vec<_> = pages.iter().map(|page| Arc::new(Mutex::new((*page).to_owned()))).collect();
    let serve = |(listener, body): (_, &Arc<Mutex<String>>)| {
        let body = body.clone();
        Upstream::on(listener, move |_, stream| {
            let answer = common::upstream::page(content_type, &body.lock().unwrap());
            let _ = std::io::Write::write_all(stream, &answer);
        })
    };
    let pods = listeners.into_iter().zip(&bodies).map(serve).collect();
    (port, pods, bodies)
}

#[test]
fn placeholders_are_names_of_the_request() {
    let page = |number: u8| {
        format!(
            "depth{{queue=\"web-jobs\",ns=\"shop\"}} {number}\ndepth{{queue=\"mail-jobs\",ns=\"bank\"}} {number}0\n"
        )
    };
    let (port, listeners) = bind(2);
    let _pods: Vec<Upstream> =
        (1..).zip(listeners).map(|(number, listener)| serving(listener, &page(number))).collect();
    let kubernetes = cluster();
    kubernetes.put("/api/v1/namespaces/shop/services/mail", json!({"spec": {"selector": {"app": "web"}}}));
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let set = format!("pods: {{namespace: shop, selector: app=web, port: {port}}}, namespaces: [shop, bank]");
    for source in [format!("pods: {{port: {port}}}"), set.clone()] {
        for value in ["sum(depth{queue=\"{name}-jobs\"})", "sum(depth{queue=~\"{name}.*\",pod=~\"web-.\"})"] {
            let server = server(&kubernetes, &config(&source, "services", value));
            for (name, expected) in [("web", "web 3"), ("mail", "mail 30")] {
                assert_eq!(of(&server, &format!("services/{name}")), expected, "{source} {value}");
            }
            assert!(of(&server, "services/*").starts_with("400 "), "{source}");
        }
    }
    let text = config(&set, "services", "sum(depth{ns=\"{namespace}\"})").replace("object: services", "external: true");
    let server = server(&kubernetes, &text);
    let ask = |namespace: &str| {
        let answer = server.get(&format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/queue_depth"));
        answer.json()["items"][0]["value"].clone()
    };
    assert_eq!([ask("shop"), ask("bank")], ["3", "30"]);
}

/// A sum of the other pages would be less than that of all.
#[test]
fn a_page_without_the_value_counts_as_no_response() {
    for (content_type, format, value, good, other) in [
        ("application/json", "json", "sum($.depth)", "{\"depth\":5}", "{\"status\":\"starting\"}"),
        ("application/json", "json", "sum($.depth) + sum($.of)", "{\"depth\":5,\"of\":0}", "{\"depth\":5}"),
        ("text/plain", "text", "sum(/^depth: (\\d+)/)", "depth: 5\n", "down for maintenance\n"),
    ] {
        let (port, _pods, bodies) = changing(content_type, [good, other]);
        let kubernetes = cluster();
        kubernetes.set(PODS, vec![pod(0), pod(1)]);
        let ask = |rule: &str| {
            let text = config(&format!("format: {format}, pods: {{port: {port}}}"), "services", value)
                .replace("source: app", &format!("source: app{rule}"));
            of(&server(&kubernetes, &text), "services/web")
        };
        let why = match format {
            "json" => "the JSONPath selects nothing on the page",
            _ => "the regular expression matches nothing on the page",
        };
        let refused = |says: &str| {
            refusal("503 ServiceUnavailable", "services/web", &format!("{says}, 1 kind of failure: {why}"), value)
        };
        for rule in ["", ", onMissing: zero"] {
            assert_eq!(ask(rule), refused("not all running pods answered"), "{value}");
        }
        assert_eq!(ask(", minCoverage: 50%"), "web 5", "{value}");
        // If no page has the value, it is missing.
        other.clone_into(&mut bodies[0].lock().unwrap());
        assert_eq!(ask(", onMissing: zero"), "web 0", "{value}");
        for body in &bodies {
            good.clone_into(&mut body.lock().unwrap());
        }
        assert_eq!(ask(""), "web 10", "{value}");
    }
    // An empty container is 0.
    let (port, _pods, _bodies) = changing("application/json", ["{\"jobs\":[1,2]}", "{\"jobs\":[]}"]);
    let kubernetes = cluster();
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let text = config(&format!("pods: {{port: {port}}}"), "services", "count($.jobs[*])");
    assert_eq!(of(&server(&kubernetes, &text), "services/web"), "web 2");
}

#[test]
fn first_and_last_do_not_apply_to_pods() {
    let (port, _pods, _bodies) = changing("application/json", ["{\"points\":[3,null]}", "{\"points\":[null,4]}"]);
    let kubernetes = cluster();
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let text = config(&format!("pods: {{port: {port}}}"), "services", "last($.points[*])");
    let ask = || of(&server(&kubernetes, &text), "services/web");
    assert!(ask().contains("several values match; wrap it in sum(), max(), min() or avg()"), "{}", ask());
    kubernetes.set(PODS, vec![pod(0)]);
    assert_eq!(ask(), "web 3");
}

#[test]
fn check_warns_of_values_that_several_pods_turn_into_errors() {
    let problems = |source: &str, value: &str| {
        let text = config(source, "services", value);
        let (code, _, problems) = run(&["check", file("metrics.yaml", &text).to_str().unwrap()]);
        assert_eq!(code, 0, "{problems}");
        problems
    };
    let (ends, each) = (
        "warning: value: pods have no order, so first() and last() are errors",
        "warning: value: has one number for each pod",
    );
    let (pods, set) = ("pods: {port: 80}", "pods: {namespace: shop, selector: app=web, port: 80}");
    for (source, value, expected) in [
        (pods, "last($.a[*])", [true, false]),
        (pods, "$.a / first($.b)", [true, true]),
        (pods, "sum($.a) / count($.b[*])", [false, false]),
        (pods, "depth", [false, true]),
        (pods, "rate(depth[1m]) * 2", [false, true]),
        (pods, "histogram_quantile(0.9, depth_bucket)", [false, true]),
        (pods, "depth{leader=\"true\"}", [false, false]),
        (pods, "histogram_quantile(0.9, sum by (le) (depth_bucket))", [false, false]),
        (pods, "scalar(depth) + absent(other)", [false, false]),
        // Labels distinguish the values of a set.
        (set, "depth", [false, false]),
    ] {
        let problems = problems(source, value);
        assert_eq!([ends, each].map(|warning| problems.contains(warning)), expected, "{value}: {problems}");
    }
    let text = config("format: number, pods: {port: 80}", "services", "").replace(", value: ''", "");
    let (_, _, problems) = run(&["check", file("metrics.yaml", &text).to_str().unwrap()]);
    assert!(problems.contains(each), "{problems}");
}

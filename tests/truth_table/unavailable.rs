//! `onUnavailable`: the response while the source fails.

use super::common::kubernetes::Kubernetes;
use super::common::pods::{self, PODS, bind, pod, serving};
use super::common::{file, run};
use super::*;

/// A text that makes a page malformed.
const BROKEN: &str = "queue_depth{ 3\n";

fn ask_web(server: &Server) -> String {
    server.metric("namespaces/shop/services/web/queue_depth").values()
}

#[test]
fn a_failing_source_is_an_error_without_on_unavailable() {
    let page = format!("{}queue_depth{{namespace=\"shop\",service=\"db\"}} 5\n", web("3"));
    for (rule, expected) in [
        ("", None),
        (", onUnavailable: error", None),
        // `onMissing` applies only to pages that were read.
        (", onMissing: 7", None),
        (", onUnavailable: 7", Some("web 7")),
        (", onUnavailable: 0", Some("web 0")),
        (", onUnavailable: last 5m", Some("web 3")),
        (", onUnavailable: last 1ms", None),
    ] {
        let (upstream, body) = Upstream::changing(&page);
        let server = server(&upstream, ", cache: 0s", rule);
        assert_eq!(ask_web(&server), "web 3", "{rule}");
        BROKEN.clone_into(&mut body.lock().unwrap());
        let answer = ask_web(&server);
        match expected {
            Some(expected) => assert_eq!(answer, expected, "{rule}"),
            None => assert!(answer.starts_with(&format!("503 ServiceUnavailable: {SUBJECT}: source app ")), "{answer}"),
        }
        // Only the page lists the objects.
        let all = server.metric("namespaces/shop/services/*/queue_depth").values();
        assert!(all.starts_with("503 "), "{all}");
        let counted = ["last", "number"].map(|kind| {
            let page = server.get("/metrics").body;
            page.contains(&format!("metriclet_stand_in_values_total{{kind=\"{kind}\"}} 1\n"))
        });
        assert_eq!(counted, [rule.contains("last 5m"), expected.is_some() && !rule.contains("last")], "{rule}");
    }
}

#[test]
fn the_last_value_keeps_its_timestamp() {
    let (upstream, body) = Upstream::changing(&format!("{} {}\n", web("3").trim_end(), at(-60)));
    let server = server(&upstream, ", cache: 0s", ", onUnavailable: last 5m");
    let time = || server.metric("namespaces/shop/services/web/queue_depth").json()["items"][0]["timestamp"].clone();
    let measured = time();
    BROKEN.clone_into(&mut body.lock().unwrap());
    assert_eq!((ask_web(&server), time()), ("web 3".to_owned(), measured));
}

#[test]
fn pods_that_do_not_respond_count_as_a_number() {
    let (port, mut listeners) = bind(2);
    let _answers = serving(listeners.remove(0), "queue_depth 3\n");
    // Bound and closed again, so no server listens there.
    drop(listeners);
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let ask = |rule: &str| {
        let config = pods::config(&format!("pods: {{port: {port}}}, namespaces: [shop]"), "queue_depth");
        let server =
            pods::server(&kubernetes, &config.replace("value: 'queue_depth'", &format!("value: queue_depth{rule}")));
        (pods::all(&server, ""), pods::one(&server, "web-1"))
    };
    let (all, one) = ask("");
    assert_eq!(all, "web-0 3");
    assert!(one.starts_with("503 "), "{one}");
    assert_eq!(ask(", onUnavailable: 20"), ("web-0 3, web-1 20".to_owned(), "web-1 20".to_owned()));
}

/// A number is only for the described object, not for others of the same kind.
#[test]
fn it_is_served_only_for_the_described_object() {
    for rule in ["onUnavailable: 7", "onUnavailable: last 5m"] {
        let (upstream, body) = Upstream::changing("x 7\n");
        let rule = format!(", value: x, describes: {{namespace: shop, name: web}}, {rule}");
        let server = server(&upstream, ", cache: 0s", &rule);
        let ask = |object: &str| server.metric(&format!("namespaces/shop/services/{object}/queue_depth")).values();
        assert_eq!(ask("web"), "web 7");
        assert!(ask("db").starts_with("404 "), "{}", ask("db"));
        BROKEN.clone_into(&mut body.lock().unwrap());
        assert_eq!((ask("web"), ask("*")), ("web 7".to_owned(), "web 7".to_owned()), "{rule}");
        assert!(ask("db").starts_with("503 "), "{}", ask("db"));
        // Its labels are unknown here.
        let narrowed = server.metric("namespaces/shop/services/*/queue_depth?labelSelector=a%3Db").values();
        assert!(narrowed.starts_with("503 "), "{narrowed}");
    }
}

/// An HPA requests all pods at once, for any source.
#[test]
fn it_is_served_for_the_listed_pods() {
    let good = "x{pod=\"web-0\"} 3\nx{pod=\"web-1\"} 4\nx{pod=\"db-0\"} 5\n";
    let kubernetes = Kubernetes::start();
    let db = pods::with(pods::named("db-0", "127.0.0.9"), "/metadata/labels", serde_json::json!({"app": "db"}));
    kubernetes.set(PODS, vec![pod(0), pod(1), pod(2), db]);
    for (rule, selected, all) in [
        ("error", "503", "503"),
        ("20", "web-0 20, web-1 20, web-2 20", "db-0 20, web-0 20, web-1 20, web-2 20"),
        // An object without a measurement has no last value.
        ("last 5m", "web-0 3, web-1 4", "db-0 5, web-0 3, web-1 4"),
        ("last 1ms", "503", "503"),
    ] {
        let (upstream, body) = Upstream::changing(good);
        let config = format!(
            "sources:\n  app: {{url: '{}', namespaces: [shop], cache: 0s}}\nmetrics:\n  - {{name: queue_depth, object: pods, \
             source: app, value: x, onUnavailable: {rule}}}\n",
            upstream.url()
        );
        let server = pods::server(&kubernetes, &config);
        let ask = || {
            [pods::all(&server, "app%3Dweb"), pods::all(&server, "")]
                .map(|answer| if answer.starts_with("503 ") { "503".to_owned() } else { answer })
        };
        assert_eq!(ask(), ["web-0 3, web-1 4", "db-0 5, web-0 3, web-1 4"]);
        BROKEN.clone_into(&mut body.lock().unwrap());
        assert_eq!(ask(), [selected, all], "{rule}");
    }
}

#[test]
fn the_last_external_answer_is_served_completely() {
    let (upstream, body) = Upstream::changing("lag{q=\"a\"} 3\nlag{q=\"b\"} 5\n");
    let start = |rule: &str| {
        Server::with_config(&format!(
            "sources:\n  app: {{url: '{}', namespaces: [shop], cache: 0s}}\nmetrics:\n  - {{name: lag, external: true, \
             source: app{rule}}}\n",
            upstream.url()
        ))
    };
    let ask = |server: &Server| {
        let answer = server.get("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/lag");
        let items = answer.json()["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let servers = ["", ", onUnavailable: last 5m", ", onUnavailable: 9"].map(start);
    assert_eq!(servers.each_ref().map(ask), ["3 5", "3 5", "3 5"]);
    // Values missing from the last answer are not served.
    "lag{q=\"b\"} 6\n".clone_into(&mut body.lock().unwrap());
    assert_eq!(servers.each_ref().map(ask), ["6", "6", "6"]);
    BROKEN.clone_into(&mut body.lock().unwrap());
    assert_eq!(servers.each_ref().map(ask), ["", "6", "9"]);
}

#[test]
fn check_warns_and_get_shows_it() {
    let config = |rule: &str| {
        format!(
            "sources:\n  app: {{url: 'http://127.0.0.1:1/', namespaces: [shop]}}\nmetrics:\n  - {{name: m, object: services, \
             source: app, onUnavailable: {rule}}}\n"
        )
    };
    for (rule, expected) in [
        (
            "5",
            "warning: onUnavailable: 5 is served while the source fails, although it was not measured; error keeps the replicas",
        ),
        (
            "last 5m",
            "warning: onUnavailable: values of up to 5m ago are served while the source fails; error keeps the replicas",
        ),
        ("-5", "error: onUnavailable: a negative number requires allowNegative: true"),
        (
            "zero",
            "error: onUnavailable: expected error, a number, or last and a duration, such as last 5m, found \"zero\"",
        ),
    ] {
        let (_, _, errors) = run(&["check", file("metrics.yaml", &config(rule)).to_str().unwrap()]);
        assert!(errors.contains(expected), "{errors}");
    }
    let path = file("metrics.yaml", &config("5"));
    let (code, _, shown) = run(&["get", "-v", "-c", path.to_str().unwrap(), "namespaces/shop/services/web/m"]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("instead  web: the source failed, answer 5 by onUnavailable (number)"), "{shown}");
}

/// Values pushed long ago count as missing, as if the page had timestamps.
#[test]
fn values_pushed_by_a_dead_job_go_missing() {
    let page = |rule: &str, pushed: &[(&str, i64)]| {
        let line = |(job, age): &(&str, i64)| {
            format!(
                "batch_backlog{{job=\"{job}\"}} 900\npush_time_seconds{{job=\"{job}\"}} {}\n",
                (at(-age) as f64) / 1_000.0
            )
        };
        let page = pushed.iter().map(line).collect::<String>();
        let describes = "describes: {namespace: shop, name: web}";
        ask(&page, &format!(", value: sum(batch_backlog), {describes}{rule}"))
    };
    let from = ", ageFrom: push_time_seconds";
    assert_eq!(page("", &[("nightly", 100_000)]), "web 900");
    assert_eq!(page(from, &[("nightly", 100)]), "web 900");
    assert!(page(from, &[("nightly", 200)]).contains("the sample is older than maxAge allows"));
    assert_eq!(page(&format!("{from}, maxAge: 10m"), &[("nightly", 200)]), "web 900");
    // A sum is as old as its oldest part.
    assert!(page(from, &[("nightly", 100), ("hourly", 200)]).starts_with("404 "));
    assert_eq!(page(&format!("{from}, onMissing: 0"), &[("nightly", 200)]), "web 0");
    let unknown = "batch_backlog{job=\"a\"} 1\npush_time_seconds{job=\"b\"} 1\n";
    let rule = ", value: sum(batch_backlog), ageFrom: push_time_seconds, describes: {namespace: shop, name: web}";
    assert!(ask(unknown, rule).contains("the sample is older than maxAge allows"));
    for (age_from, expected) in [
        ("sum(x)", "error: ageFrom: expected series such as push_time_seconds, found \"sum(x)\""),
        ("'x{a=\"{name}\"}'", "error: ageFrom: expected series without placeholders"),
    ] {
        let config = format!(
            "sources:\n  app: {{url: 'http://127.0.0.1:1/', namespaces: [shop]}}\nmetrics:\n  - {{name: m, object: services, \
             source: app, ageFrom: {age_from}}}\n"
        );
        let (_, _, errors) = run(&["check", file("metrics.yaml", &config).to_str().unwrap()]);
        assert!(errors.contains(expected), "{errors}");
    }
}

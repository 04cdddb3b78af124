//! The status page and its JSON: answers, sources and the configuration, and authorization.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod browser;
#[path = "../common/mod.rs"]
mod common;
mod hpas;

use common::kubernetes::{Kubernetes, ask};
use common::secure::METRIC;
use common::upstream::Upstream;
use common::{Server, file, replace, run};
use serde_json::{Value, json};

fn config(url: &str) -> String {
    format!(
        "sources:
  page: {{url: '{url}', namespaces: [shop, bank], cache: 0s}}
  dead: {{url: 'http://127.0.0.1:9/metrics?key=s3cret', namespaces: [shop], cache: 0s}}
metrics:
  - {{name: depth, object: services, source: page, value: sum(depth)}}
  - {{name: jobs, object: pods, source: page}}
  - {{name: gone, object: services, source: dead}}
  - {{name: mails, external: true, source: page, value: depth}}
  - {{name: broken, object: services, source: page, value: 'sum(depth'}}
"
    )
}

const PAGE: &str = "depth{service=\"web\",namespace=\"shop\"} 42
depth{service=\"api\",namespace=\"shop\"} 8
depth{service=\"web\",namespace=\"bank\"} 1
jobs{pod=\"a\",namespace=\"shop\"} 3
jobs{pod=\"b\",namespace=\"shop\"} NaN
";

fn report(server: &Server) -> Value {
    server.get("/status.json").json()
}

fn rule<'a>(report: &'a Value, id: &str) -> &'a Value {
    report["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == id).unwrap()
}

/// The last point of a request's history that is not null.
fn newest(request: &Value) -> &Value {
    request["history"].as_array().unwrap().iter().rfind(|point| !point.is_null()).unwrap()
}

#[test]
fn shows_answers() {
    let source = Upstream::text(PAGE);
    let server = Server::with_config(&config(&source.url()));
    for path in ["services/web/depth", "pods/*/jobs", "services/web/gone", "services/web/broken", "services/web/none"] {
        server.metric(&format!("namespaces/shop/{path}"));
    }
    server.get("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/mails");
    let report = report(&server);

    let depth = &rule(&report, "depth")["requests"][0];
    assert_eq!(
        (&depth["value"], &depth["object"], &depth["namespace"], &depth["client"], &depth["items"]),
        (&json!(42.0), &json!("services/web"), &json!("shop"), &json!("another client"), &json!(1))
    );
    assert_eq!(newest(depth), &json!(42.0));
    assert_eq!(depth["history"].as_array().unwrap().len(), 240);

    let jobs = &rule(&report, "jobs")["requests"][0];
    assert_eq!((&jobs["value"], &jobs["leftOut"]), (&json!(3.0), &json!([{"name": "nan", "count": 1}])));
    let mails = &rule(&report, "mails")["requests"][0];
    assert_eq!((&mails["value"], &mails["items"]), (&json!(50.0), &json!(2)), "the controller adds them up");

    let gone = &rule(&report, "gone")["requests"][0];
    assert_eq!((&gone["error"]["code"], newest(gone)), (&json!(503), &json!("error")));
    assert!(gone["error"]["message"].as_str().unwrap().contains("connection refused"), "{gone}");
    assert!(gone["error"]["fix"].is_string(), "{gone}");
    let broken = rule(&report, "broken");
    assert!(broken["problem"].as_str().unwrap().contains("expected \")\""), "{broken}");
    assert_eq!(broken["requests"][0]["error"]["code"], 503);
    assert_eq!(report["unserved"][0]["object"], "services/web");

    let dead = report["sources"].as_array().unwrap().iter().find(|source| source["name"] == "dead").unwrap();
    assert_eq!((&dead["failed"], &dead["urls"][0]["isFailing"]), (&json!(1), &json!(true)));
    assert_eq!(dead["urls"][0]["url"], "http://127.0.0.1:9/metrics", "a query may contain a key");
    let page = report["sources"].as_array().unwrap().iter().find(|source| source["name"] == "page").unwrap();
    assert_eq!((&page["urls"][0]["samples"], &page["fetched"]), (&json!(5), &json!(3)));
    assert_eq!(report["configuration"]["problems"].as_array().unwrap().len(), 1);
    assert!(!report.to_string().contains("s3cret"));
}

#[test]
fn html_matches_the_json_and_is_filtered() {
    let source = Upstream::text(PAGE);
    let server = Server::with_config(&config(&source.url()));
    for path in ["shop/services/web/depth", "bank/services/web/depth", "shop/services/web/gone"] {
        server.metric(&format!("namespaces/{path}"));
    }
    let page = |query: &str| server.get(&format!("/status{query}")).body;
    let all = page("");
    for part in [
        "<b class=e>4 problems</b>",
        "<a href=\"#r-depth\">depth</a>",
        "<b>42</b>",
        "<code>metriclet get -v 'namespaces/shop/services/web/depth'</code>",
        "Fix: ",
    ] {
        assert!(all.contains(part), "{part} is not in {all}");
    }
    let bank = page("?namespace=bank");
    assert!(
        bank.contains("id=\"r-depth\"") && !bank.contains("id=\"r-jobs\"") && !bank.contains("<b>42</b>"),
        "{bank}"
    );
    let wrong = page("?wrong=true");
    assert!(wrong.contains("id=\"r-gone\"") && !wrong.contains("id=\"r-depth\""), "{wrong}");
    assert!(page("?namespace=%22%3E%3Cscript%3E").contains("value=\"&quot;&gt;&lt;script&gt;\""));
}

#[test]
fn the_command_of_a_request_repeats_it() {
    let source = Upstream::text(PAGE);
    let text = config(&source.url());
    let server = Server::with_config(&text);
    server.metric("namespaces/shop/services/web/depth");
    server.get("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/mails");
    let page = server.get("/status").body;
    let commands: Vec<&str> =
        page.split("<code>metriclet get -v '").skip(1).map(|rest| rest.split('\'').next().unwrap()).collect();
    assert_eq!(commands, ["namespaces/shop/services/web/depth", "external/shop/mails"]);
    let config = file("metrics.yaml", &text);
    for path in commands {
        let (code, said, why) = run(&["get", "-v", path, "--config", config.to_str().unwrap()]);
        assert_eq!(code, 0, "{path}: {said}{why}");
    }
}

#[test]
fn a_hostile_page_shows_as_text() {
    let source = Upstream::text(PAGE);
    let server = Server::with_config(&config(&source.url()));
    server.metric("namespaces/shop/services/%3Cimg%20src=x%3E%22'%E2%80%AE/depth");
    server.metric(&format!("namespaces/shop/services/{}/depth", "%3Cb%3E".repeat(80)));
    let answer = server.get("/status");
    assert!(!answer.body.contains("<img") && !answer.body.contains("<b><b>"), "{}", answer.body);
    assert!(answer.body.contains("&lt;img") && answer.body.contains("\\u{202e}"), "{}", answer.body);
    assert!(!answer.body.contains('\u{202e}'));
    for (header, part) in [
        ("content-security-policy", "default-src 'none'"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert!(answer.header(header).is_some_and(|value| value.contains(part)), "{header}");
    }
}

#[test]
fn fifty_rules_fit_into_40_kilobytes() {
    let source = Upstream::text("depth{service=\"web\",namespace=\"shop\"} 42\n");
    let rules: String = (0..50)
        .map(|n| format!("  - {{name: depth_{n}, object: services, source: page, value: 'sum(depth) + {n}'}}\n"))
        .collect();
    let sources = format!("sources:\n  page: {{url: '{}', namespaces: [shop]}}\nmetrics:\n", source.url());
    let server = Server::with_config(&(sources + &rules));
    for n in 0..50 {
        assert_eq!(server.metric(&format!("namespaces/shop/services/web/depth_{n}")).code, 200);
    }
    let page = server.get("/status").body;
    assert_eq!(page.matches("<article id").count(), 50);
    assert!(page.len() < 40 * 1024, "{} bytes", page.len());
}

#[test]
fn a_rejected_file_is_shown() {
    let source = Upstream::text(PAGE);
    let path = file("metrics.yaml", &config(&source.url()));
    let mut server = Server::start(&["--config", path.to_str().unwrap()]);
    replace(&path, "sources: [\n");
    server.signal("HUP");
    server.wait_for("rejected");
    let report = report(&server);
    assert_eq!(report["configuration"]["isRejected"], true);
    assert_eq!(report["rules"].as_array().unwrap().len(), 5, "the previous rules stay");
}

#[test]
fn needs_a_permission_over_the_network() {
    let kubernetes = Kubernetes::start();
    let source = Upstream::text("a{service=\"web\",namespace=\"shop\"} 1\n");
    let rules = format!(
        "sources:\n  page: {{url: '{}', namespaces: [shop]}}\nmetrics:\n  - {{name: a, object: services, source: page}}\n",
        source.url()
    );
    kubernetes.policy(|spec| {
        let path = spec["nonResourceAttributes"]["path"].as_str();
        json!({"allowed": spec["user"] != "stranger" && path.is_none_or(|path| path == "/status")})
    });
    kubernetes.token("viewer", json!({"username": "viewer"}));
    kubernetes.token("stranger", json!({"username": "stranger"}));
    let controller = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
    kubernetes.token("controller", json!({"username": controller}));
    let secure = kubernetes.secure(&rules, &[]);
    let get = |token: &str, target: &str| {
        ask(&mut secure.client().connect(), "GET", target, &format!("Authorization: Bearer {token}\r\n"))
    };
    assert_eq!(get("controller", METRIC).code, 200);
    for target in ["/status", "/status.json"] {
        assert_eq!(get("stranger", target).code, 403, "{target}");
        assert_eq!(get("viewer", target).code, 200, "{target}");
        assert_eq!(ask(&mut secure.client().connect(), "GET", target, "").code, 403, "{target}");
    }
    let report = get("viewer", "/status.json").json();
    assert_eq!(rule(&report, "a")["requests"][0]["client"], "HPA controller");
    assert!(!report.to_string().contains("viewer"), "it names no user");
}

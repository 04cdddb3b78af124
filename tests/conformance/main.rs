//! `metriclet-conformance` against Metriclet, and against servers with one fault each.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "../common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use common::documents::flags;
use common::kubernetes::Kubernetes;
use common::secure::SERVING;
use common::upstream::{Upstream, page};
use common::{Answer, Server, file};
use serde_json::{Value, json};

const PAGE: &str = r#"queue_depth{service="web",namespace="shop"} 42
busy{pod="web-0",namespace="shop",app="web"} 3
busy{pod="web-1",namespace="shop",app="web"} 5
busy{pod="mail-0",namespace="shop",app="mail"} 9
backlog{namespace="shop"} 7
load{node="worker-1"} 1.5
"#;

/// A metric for each route.
const METRICS: [&str; 5] = [
    "--namespace=shop",
    "--object=namespaces/shop/services/web/queue_depth",
    "--pods=shop/busy?app=web",
    "--root-scoped=nodes/worker-1/load",
    "--namespace-metric=shop/backlog",
];

fn config(upstream: &Upstream) -> String {
    format!(
        "sources:
  page: {{url: '{}', namespaces: [shop], labelSelector: labels, cache: 0s}}
metrics:
  - {{name: queue_depth, object: services, source: page}}
  - {{name: busy, object: pods, source: page}}
  - {{name: backlog, object: namespaces, source: page}}
  - {{name: load, object: nodes, source: page}}
",
        upstream.url()
    )
}

/// Runs the program to its end.
fn conformance(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metriclet-conformance"));
    let Output { status, stdout, stderr } = command.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// The report on a server, and whether it conforms.
fn report(server: &str, arguments: &[&str]) -> (bool, Value) {
    let server = format!("--server={server}");
    let (code, stdout, stderr) = conformance(&[&[server.as_str(), "-o", "json"], arguments].concat());
    assert!(stderr.is_empty() && (code == 0 || code == 1), "{code} {stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["conformant"], code == 0);
    (code == 0, report)
}

fn rows(report: &Value, verdict: &str) -> Vec<String> {
    let rows = report["checks"].as_array().unwrap().iter().filter(|row| row["verdict"] == verdict);
    rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The checks in which Metriclet differs according to docs/conformance.md.
fn explained() -> BTreeSet<String> {
    let document = text("docs/conformance.md");
    let (_, section) = document.split_once("\n## Where Metriclet differs\n").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines();
    rows.filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect()
}

#[test]
fn metriclet_conforms() {
    let server = Server::with_config(&config(&Upstream::text(PAGE)));
    let (conforms, report) = report(&format!("http://{}", server.address), &METRICS);
    assert!(conforms && rows(&report, "fail").is_empty(), "{report:#}");
    let explained = explained();
    let differs = rows(&report, "differs");
    assert!(differs.len() >= 3 && differs.iter().all(|id| explained.contains(id)), "{differs:?}");
}

#[test]
fn metrics_are_found_by_discovery() {
    let server = Server::with_config(&config(&Upstream::text(PAGE)));
    let url = format!("--server=http://{}", server.address);
    let (code, table, _) = conformance(&[&url, "--namespace", "shop", "routes", "items"]);
    assert_eq!(code, 0, "{table}");
    for metric in ["namespaces/shop/metrics/backlog", "namespaces/shop/pods/*/busy", "nodes/*/load"] {
        assert!(table.lines().nth(1).unwrap().contains(metric), "{table}");
    }
    assert!(table.contains("\npass     must    routes.root-scoped") && !table.contains("discovery.served"), "{table}");
    // If no metric has values, that is reported, and the other checks run.
    let (_, report) = report(&format!("http://{}", server.address), &[]);
    let row = report["checks"].as_array().unwrap().iter().find(|row| row["id"] == "routes.object").unwrap();
    assert_eq!(
        (row["verdict"].as_str(), row["found"].as_str()),
        (Some("skipped"), Some("no such metric is known: name one with --object"))
    );
}

#[test]
fn values_are_set_by_a_hook() {
    let value = file("page", PAGE);
    let (path, read) = (value.to_str().unwrap().to_owned(), value.clone());
    let upstream = Upstream::start(move |_, stream| {
        let text = fs::read_to_string(&read).unwrap();
        let _ = stream.write_all(&page("text/plain; version=0.0.4", &text));
    });
    let server = Server::with_config(&config(&upstream));
    let url = format!("http://{}", server.address);
    let line = r#"queue_depth{service="web",namespace="shop"} %s\n"#;
    let hook = format!("--hook=printf '{line}' \"$METRICLET_VALUE\" >{path}.next && mv {path}.next {path}");
    let (conforms, passed) = report(&url, &[METRICS[1], &hook, "values"]);
    assert!(conforms && rows(&passed, "pass").len() == 5, "{passed:#}");
    let (conforms, failed) = report(&url, &[METRICS[1], "--hook=exit 3", "values"]);
    assert!(!conforms && rows(&failed, "fail").len() == 5, "{failed:#}");
    let found = failed["checks"][0]["found"].as_str().unwrap();
    assert_eq!(found, "the hook could not set 7: exit status: 3");
}

/// Over TLS, with tokens of four users, which a Kubernetes API reviews.
#[test]
fn identities_are_distinguished() {
    let kubernetes = Kubernetes::start();
    let user = |name: &str| json!({"username": name, "groups": ["system:authenticated"]});
    for name in ["admin", "guest", "reader"] {
        kubernetes.token(&format!("token-of-{name}"), user(name));
    }
    kubernetes.policy(|spec| match (spec["user"].as_str(), spec["resourceAttributes"]["group"].as_str()) {
        (Some("admin"), _) => json!({"allowed": true}),
        (Some("reader"), Some("custom.metrics.k8s.io")) => {
            json!({"allowed": spec["resourceAttributes"]["verb"] == "get"})
        }
        _ => json!({"allowed": spec["nonResourceAttributes"]["path"].as_str().is_some_and(|path| path.starts_with("/apis"))
            && spec["user"] != "system:anonymous"}),
    });
    let secure = kubernetes.secure(&config(&Upstream::text(PAGE)), &[]);
    let token = |name: &str| file("token", &format!("token-of-{name}\n")).to_str().unwrap().to_owned();
    let authority = file("ca.crt", &SERVING.pem());
    let arguments = [
        format!("--ca-file={}", authority.display()),
        "--server-name=localhost".to_owned(),
        format!("--token-file={}", token("admin")),
        format!("--unauthorized-token-file={}", token("guest")),
        format!("--custom-reader-token-file={}", token("reader")),
        "--unauthenticated".to_owned(),
    ];
    let arguments: Vec<_> = arguments.iter().map(String::as_str).chain(METRICS).collect();
    let (conforms, report) = report(&format!("https://{}", secure.server.address), &arguments);
    assert!(conforms && rows(&report, "fail").is_empty(), "{report:#}");
    let passed = rows(&report, "pass");
    for id in ["access.unauthenticated", "access.wrong-token", "access.forged", "access.forbidden", "access.custom"] {
        assert!(passed.iter().any(|passed| passed == id), "{id}: {report:#}");
    }
    // All checks that can differ run here, so the documented list is complete.
    assert_eq!(rows(&report, "differs").into_iter().collect::<BTreeSet<_>>(), explained());
}

/// A change of a response: request line and head, head and body of the response.
type Fault = fn(&str, &mut Vec<(String, String)>, &mut String);

/// Metriclet behind a proxy that changes responses.
fn broken(server: SocketAddr, fault: Fault) -> Upstream {
    Upstream::start(move |head, stream| {
        let mut to = std::net::TcpStream::connect(server).unwrap();
        to.write_all(head.as_bytes()).unwrap();
        let Answer { code, mut headers, mut body, bytes } = Answer::read(to);
        let before = body.clone();
        let line = head.lines().next().unwrap();
        headers.push((":status".to_owned(), code.to_string()));
        fault(line, &mut headers, &mut body);
        let status = headers.pop().unwrap().1;
        headers.retain(|(name, _)| name != "content-length" && name != "transfer-encoding" && name != "connection");
        let mut answer = format!("HTTP/1.1 {status} Whatever\r\nConnection: close\r\n");
        for (name, value) in &headers {
            answer += &format!("{name}: {value}\r\n");
        }
        // Protobuf is not text; a response to HEAD has no body.
        let body = if body == before { bytes } else { body.into_bytes() };
        answer += &format!("Content-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(&[answer.into_bytes(), body].concat());
    })
}

/// Sets the status in the head.
fn set_status(headers: &mut [(String, String)], status: &str) {
    headers.last_mut().unwrap().1 = status.to_owned();
}

#[test]
fn each_fault_fails_its_check() {
    const FAULTS: [(&str, bool, Fault); 14] = [
        ("lists.kind", true, |_, _, body| *body = body.replace(r#""kind":"MetricValueList","#, "")),
        ("lists.items", true, |line, _, body| {
            if line.contains("/services/web/queue_depth ") {
                *body = body.replace("\"items\":[", "\"items\":null,\"other\":[");
            }
        }),
        ("lists.api-version", true, |line, _, body| {
            if line.contains("/services/web/") {
                *body = body.replace("k8s.io/v1beta2", "k8s.io/v1beta1");
            }
        }),
        ("statuses.unknown-metric", true, |line, headers, body| {
            if line.contains("-none/metriclet-conformance-none") {
                set_status(headers, "200");
                *body = r#"{"kind":"MetricValueList","items":[]}"#.to_owned();
            }
        }),
        ("statuses.not-found", true, |_, headers, body| {
            if headers.last().unwrap().1 == "404" {
                headers.retain(|(name, _)| name != "content-type");
                headers.insert(0, ("content-type".to_owned(), "text/html".to_owned()));
                *body = "<html>404</html>".to_owned();
            }
        }),
        ("statuses.retry-after", false, |_, headers, _| headers.insert(0, ("retry-after".to_owned(), "60".to_owned()))),
        ("items.canonical", false, |_, _, body| *body = body.replace("\"1500m\"", "\"1.5\"")),
        ("items.value", true, |_, _, body| *body = body.replace("\"1500m\"", "\"1,5\"")),
        ("items.timestamp", true, |_, _, body| *body = body.replace("\"timestamp\":\"", "\"timestamp\":\"at ")),
        ("routes.wildcard", true, |line, headers, _| {
            if line.contains("%2A") {
                set_status(headers, "404");
            }
        }),
        ("selectors.invalid", true, |line, headers, _| {
            if line.contains("labelSelector=a%3Db%3Dc ") {
                set_status(headers, "200");
            }
        }),
        ("negotiation.content-type", true, |line, headers, _| {
            if line.contains("/blah") {
                headers.retain(|(name, _)| name != "content-type");
            }
        }),
        ("discovery.available", true, |line, headers, _| {
            if line.contains("/apis/custom.metrics.k8s.io/v1beta1 ") {
                set_status(headers, "503");
            }
        }),
        ("methods.post", true, |line, headers, _| {
            if line.starts_with("POST") {
                set_status(headers, "200");
            }
        }),
    ];
    let server = Server::with_config(&config(&Upstream::text(PAGE)));
    for (id, is_must, fault) in FAULTS {
        let relay = broken(server.address, fault);
        // Checks over all exchanges need other checks.
        let wanted = [id, "routes", "statuses.not-found"];
        let (conforms, report) = report(&format!("http://{}", relay.address), &[&METRICS[..], &wanted].concat());
        assert!(rows(&report, "fail").iter().any(|failed| failed == id), "{id}: {report:#}");
        assert!(!conforms || !is_must, "{id}: {report:#}");
    }
}

#[test]
fn reports_why_it_cannot_check() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = format!("--server=http://{gone}");
    let kubeconfig = file("kubeconfig", "current-context: c\n");
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    let server = Server::with_config(&config(&Upstream::text(PAGE)));
    let here = format!("--server=http://{}", server.address);
    for (arguments, code, why) in [
        (&[][..], 64, "expected --kubeconfig FILE or --server URL (see metriclet-conformance --help)"),
        (&[&here, "nothing"], 64, "no check has an ID with this prefix (see metriclet-conformance --list)"),
        (&[&gone], 69, "connect: connection refused"),
        (&["--kubeconfig=/nowhere"], 78, "kubeconfig /nowhere: not found"),
        (&[&kubeconfig], 78, "contexts: expected an entry with a context and the name \"c\", found none"),
        (
            &[&kubeconfig, "--context=d"],
            78,
            "contexts: expected an entry with a context and the name \"d\", found none",
        ),
    ] {
        let (found, stdout, stderr) = conformance(arguments);
        assert_eq!((found, stdout.as_str()), (code, ""), "{arguments:?} {stderr}");
        assert!(stderr.starts_with("metriclet-conformance: ") && stderr.trim_end().ends_with(why), "{stderr}");
    }
}

#[test]
fn prints_help() {
    let (code, help, _) = conformance(&["--help"]);
    assert_eq!((code, help.as_str()), (0, include_str!("../fixtures/help/metriclet-conformance.txt")));
    assert!(help.lines().all(|line| line.chars().count() <= 100 && line.trim_end() == line), "{help}");
    let version = concat!("metriclet-conformance ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(conformance(&["-V"]), (0, version.to_owned(), String::new()));
    let known: BTreeSet<&str> = flags(&help).collect();
    let document = text("docs/conformance.md");
    let ours = document.lines().filter(|line| line.contains("metriclet-conformance ") || line.starts_with("| `--"));
    assert!(ours.clone().count() > 3);
    for flag in ours.flat_map(flags) {
        assert!(known.contains(flag), "no flag {flag}");
    }
}

/// docs/conformance.md lists the checks as the program does.
#[test]
fn every_check_is_documented() {
    let (code, list, _) = conformance(&["--list"]);
    assert_eq!(code, 0);
    let document = text("docs/conformance.md").replace("\\*", "*");
    let (_, section) = document.split_once("\n## Checks\n").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let documented: Vec<_> = rows.map(|row| cells(row)[1..4].join("  ")).collect();
    let spaced =
        |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("  ");
    let listed: Vec<_> = list.lines().skip(1).map(spaced).collect();
    assert_eq!(documented, listed);
}

//! The exit codes of docs/cli.md and of each command's `--help`: the built binary ends with each of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use std::collections::BTreeSet;
use std::net::TcpListener;

use common::kubernetes::Kubernetes;
use common::objects::Objects;
use common::upstream::Upstream;
use common::{Server, file, run};
use serde_json::json;

const PAGE: &str = "\
# TYPE queue_depth gauge
queue_depth{namespace=\"shop\",service=\"web\"} 3
# TYPE jobs_total counter
jobs_total{namespace=\"shop\",service=\"web\"} 12
";

/// The code that only a bug causes.
const BUGS: [(&str, &str); 8] = [
    ("serve", "70"),
    ("check", "70"),
    ("get", "70"),
    ("explain", "70"),
    ("certs", "70"),
    ("certs renew", "70"),
    ("convert", "70"),
    ("rbac", "70"),
];

/// The table of docs/cli.md, by its rows.
fn table() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with("| Code |")).take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// A loopback address without a listener.
fn unused_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn help_and_documents_list_the_same_exit_codes() {
    let table = table();
    for (column, command) in table[0].iter().enumerate().skip(1) {
        let documented: Vec<&str> =
            table[2..].iter().filter(|row| !row[column].is_empty()).map(|row| row[0].as_str()).collect();
        let words: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let help = run(&words).1;
        let codes = help.split("Exit codes: ").nth(1).unwrap();
        let is_code = |word: &&str| !word.is_empty() && word.len() <= 2 && word.chars().all(|c| c.is_ascii_digit());
        let listed: Vec<&str> = codes.split_whitespace().filter(is_code).collect();
        assert_eq!(listed, documented, "{command}");
    }
    assert_eq!(table[0].len(), 10);
}

#[test]
fn each_exit_code_occurs() {
    let upstream = Upstream::text(PAGE);
    let (by_name, unused) = (format!("--upstream={}", upstream.url()), unused_address());
    let config = |text: &str| file("metrics.yaml", text).to_str().unwrap().to_owned();
    let source =
        format!("sources:\n  app: {{url: '{}', namespaces: [shop], single: true}}\nmetrics:\n", upstream.url());
    let good = config(&format!("{source}  - {{name: queue_depth, object: services, source: app}}\n"));
    let broken = config(&format!("{source}  - {{name: queue_depth, object: services, source: nowhere}}\n"));
    let wrong = config("sources: [\n");
    let convert = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/convert/prometheus-adapter/walkthrough");
    let [adapter, hpas] = [".yaml", ".hpas.yaml"].map(|end| format!("{convert}{end}"));
    let scaled = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/convert/keda/walkthrough.yaml").to_owned();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let mut server = Server::with_config(&std::fs::read_to_string(&good).unwrap());
    let folder = file("tls.crt", "");
    let folder = folder.parent().unwrap().to_str().unwrap();
    let (healthy, unhealthy) =
        (format!("http://{}/readyz", server.address), format!("http://{}/nowhere", server.address));
    let (unavailable, down) = (format!("http://{unused}/readyz"), format!("--upstream=http://{unused}/"));
    let (depth, object) = ("namespaces/shop/services/web/queue_depth", "namespaces/shop/services/web/");
    let not_found = format!("{object}nope");
    let counter = format!("{object}jobs_total");
    let selector = format!("{depth}?labelSelector=a+b");
    let hpa = "{kind: HorizontalPodAutoscaler, metadata: {namespace: shop}, spec: {scaleTargetRef: {name: w}, maxReplicas: 3, \
               metrics: [{type: Object, object: {describedObject: {kind: Service, name: web}, metric: {name: queue_depth}, \
               target: {type: AverageValue, averageValue: 1}}}]}}";
    let hpa = file("hpa.yaml", hpa).to_str().unwrap().to_owned();
    let kubeconfig = format!(
        "{{current-context: c, contexts: [{{name: c, context: {{cluster: c}}}}], clusters: [{{name: c, cluster: {{server: 'http://{unused}'}}}}]}}"
    );
    let kubeconfig = file("kubeconfig", &kubeconfig).to_str().unwrap().to_owned();
    let (kubernetes, objects) = (Kubernetes::start(), Objects::default());
    let annotations = json!({"cert-manager.io/certificate-name": "web"});
    let secret = "/api/v1/namespaces/custom-metrics/secrets/custom-metrics-apiserver-tls";
    objects.put(secret, json!({"metadata": {"annotations": annotations}}));
    kubernetes.script(move |call| objects.answer(call));
    let cluster = kubernetes.kubeconfig("{token: t}").to_str().unwrap().to_owned();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["serve", "--listen", "off"], 64, "--listen off disables the only listener"),
        (&["serve", "--listen", &taken], 69, "Address already in use"),
        (&["serve", "--listen", "127.0.0.1:0", "--kubeconfig", "/nowhere"], 78, "/nowhere: not found"),
        (
            &[
                "serve",
                "--listen",
                "off",
                "--upstream",
                "http://127.0.0.1/",
                "--tls-cert-file",
                "/nowhere",
                "--tls-private-key-file",
                "/nowhere",
            ],
            78,
            "/nowhere not found",
        ),
        (&["check", &good], 0, ""),
        (&["check"], 64, "expected a file to check"),
        (&["check", "/nowhere"], 66, "cannot read configuration /nowhere: not found"),
        (&["check", &broken], 78, "unknown source \"nowhere\""),
        (&["get", depth, &by_name], 0, ""),
        (&["get", depth], 64, "expected --upstream URL or --config FILE"),
        (&["get", &selector, &by_name], 64, "BadRequest (400): "),
        (&["get", "namespaces/shop/queue_depth", &by_name], 64, "BadRequest (400): invalid request path"),
        (&["get", &not_found, &by_name], 65, "NotFound (404): "),
        (&["get", "nowhere", &by_name], 65, "expected a path such as namespaces/NAMESPACE/RESOURCE/"),
        (&["get", "/nowhere", &by_name], 65, "expected a path such as namespaces/NAMESPACE/RESOURCE/"),
        (&["get", depth, "--config", "/nowhere"], 66, "cannot read configuration /nowhere: not found"),
        (
            &["get", &counter, &by_name],
            69,
            "ServiceUnavailable (503): jobs_total of services/web in namespace shop: it is a counter, and only gauges \
             are served by name; write a rule on a source with single: true, as a rate takes several samples of \
             one process: {name: jobs_total, object: services, source: upstream, value: 'sum(rate(jobs_total[2m]))'}; the \
             rule takes jobs_total from source upstream",
        ),
        (
            &["get", depth, &down],
            69,
            "ServiceUnavailable (503): queue_depth of services/web in namespace shop: source upstream connect: \
             connection refused",
        ),
        (
            &["get", depth, "--config", &broken],
            69,
            "ServiceUnavailable (503): queue_depth of services/web in namespace shop: its rule is invalid: \
             4:51: error: source: unknown source \"nowhere\"",
        ),
        (&["get", depth, "--config", &wrong], 78, "metrics.yaml:1:11: error: not YAML"),
        (&["get", depth, &by_name, "--kubeconfig", "/nowhere"], 78, "/nowhere: not found"),
        (&["explain", "--hpa", &hpa, "--config", &good], 0, ""),
        (&["explain", "hpa"], 64, "expected hpa NAME"),
        (&["explain", "--hpa", &good, "--config", &good], 65, "expected a HorizontalPodAutoscaler"),
        (&["explain", "--hpa", "/nowhere", "--config", &good], 66, "/nowhere: not found"),
        (&["explain", "hpa", "web", "--kubeconfig", &kubeconfig], 69, "connect: connection refused"),
        (&["explain", "--hpa", &hpa, "--config", &wrong], 78, "metrics.yaml:1:11: error: not YAML"),
        (&["certs", "--secret", "web-tls"], 0, "caBundle: "),
        (&["certs"], 64, "expected either --out DIRECTORY or --secret NAME"),
        (&["certs", "--secret", "web-tls", "--ca-file", "/nowhere"], 66, "/nowhere: not found"),
        (&["certs", "--out", folder], 73, "tls.crt already exists"),
        (&["certs", "renew", "--kubeconfig", &cluster], 0, ""),
        (
            &["certs", "renew", "--days", "7", "--renew-before", "7d"],
            64,
            "--renew-before: expected less than the 7 days of --days",
        ),
        (&["certs", "renew", "--kubeconfig", &kubeconfig], 69, "connect: connection refused"),
        (&["certs", "renew", "--kubeconfig", "/nowhere"], 78, "/nowhere: not found"),
        (
            &["convert", "prometheus-adapter", &adapter, "--hpas", &hpas, "--prometheus", "http://prometheus"],
            0,
            "note: ",
        ),
        (&["convert", "prometheus-adapter", &adapter, "--hpas", &hpas], 64, "expected --prometheus URL"),
        (
            &["convert", "prometheus-adapter", &wrong, "--hpas", &hpas, "--prometheus", "http://prometheus"],
            65,
            "1 error: not everything is converted",
        ),
        (
            &["convert", "prometheus-adapter", "/nowhere", "--hpas", &hpas, "--prometheus", "http://prometheus"],
            66,
            "/nowhere: not found",
        ),
        (&["rbac", "--config", &good], 0, ""),
        (&["rbac"], 64, "expected --config FILE"),
        (&["rbac", "--config", "/nowhere"], 66, "/nowhere: not found"),
        (&["rbac", "--config", &broken], 78, "unknown source \"nowhere\""),
        (&["convert", "keda", &scaled, "--write-hpas", &good], 73, "cannot create "),
        (&["probe", &healthy], 0, ""),
        (&["probe", "http://example.com/readyz"], 64, "expected "),
        (&["probe", &unhealthy], 69, "/nowhere answered 404"),
        (&["probe", &unavailable], 69, "Connection refused"),
    ];
    let mut provoked = BTreeSet::new();
    for (arguments, code, why) in cases {
        let (found, _, stderr) = run(arguments);
        assert_eq!(found, *code, "{arguments:?}: {stderr}");
        assert!(stderr.contains(why) && stderr.is_empty() == why.is_empty(), "{arguments:?}: {stderr}");
        let command = if arguments.starts_with(&["certs", "renew"]) { "certs renew" } else { arguments[0] };
        provoked.insert((command.to_owned(), code.to_string()));
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    provoked.insert(("serve".to_owned(), "0".to_owned()));

    let table = table();
    let cells = table[2..].iter().flat_map(|row| (1..row.len()).map(move |column| (row, column)));
    let documented = cells.filter(|(row, column)| !row[*column].is_empty());
    let documented: BTreeSet<_> = documented.map(|(row, column)| (table[0][column].clone(), row[0].clone())).collect();
    let bugs = BUGS.map(|(command, code)| (command.to_owned(), code.to_owned()));
    provoked.extend(bugs);
    assert_eq!(provoked, documented);
}

//! `metriclet-conformance` against Metriclet and against the Go library, through kube-apiserver and directly.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

use super::fixture::{PAGE, config};
use crate::adapter::Adapter;
use crate::common::file;
use crate::common::upstream::{Upstream, page};
use crate::installed::Installed;
use crate::plane::ControlPlane;
use crate::process::eventually;

/// Users that have only the permissions that a check needs, and pods for adapters that list them.
const USERS_AND_PODS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: unauthorized, namespace: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: custom-reader, namespace: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: external-reader, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: conformance-custom-reader}
rules: [{apiGroups: [custom.metrics.k8s.io], resources: ['*'], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: conformance-custom-reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: conformance-custom-reader}
subjects: [{kind: ServiceAccount, name: custom-reader, namespace: shop}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: conformance-external-reader}
rules: [{apiGroups: [external.metrics.k8s.io], resources: ['*'], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: conformance-external-reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: conformance-external-reader}
subjects: [{kind: ServiceAccount, name: external-reader, namespace: shop}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web}}
spec: {automountServiceAccountToken: false, containers: [{name: app, image: none}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {automountServiceAccountToken: false, containers: [{name: app, image: none}]}
";

/// A metric for each route, except that of a namespace.
const METRICS: [&str; 4] = [
    "--namespace=shop",
    "--object=namespaces/shop/services/web/queue_depth",
    "--pods=shop/busy",
    "--root-scoped=nodes/worker-1/load",
];

/// The verdict and the finding of each check.
type Report = BTreeMap<String, (String, String)>;

/// A server, its certificates, and the options of the suite.
struct Subject<'a> {
    plane: &'a ControlPlane,
    address: SocketAddr,
    certificates: &'a Path,
    arguments: Vec<String>,
}

impl Subject<'_> {
    fn through_kube_apiserver(&self) -> Report {
        let kubeconfig = self.plane.file("admin.kubeconfig");
        self.report(&[format!("--kubeconfig={}", kubeconfig.display())])
    }

    fn directly(&self) -> Report {
        let certificate = |name: &str| self.plane.file(name).display().to_string();
        self.report(&[
            format!("--server=https://{}", self.address),
            "--server-name=custom-metrics-apiserver.custom-metrics.svc".to_owned(),
            format!("--ca-file={}", self.certificates.join("ca.crt").display()),
            format!("--cert-file={}", certificate("admin.crt")),
            format!("--key-file={}", certificate("admin.key")),
        ])
    }

    fn report(&self, arguments: &[String]) -> Report {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metriclet-conformance"));
        command.args(["-o", "json", "--unauthenticated"]).args(METRICS).args(arguments).args(&self.arguments);
        for user in ["unauthorized", "custom-reader", "external-reader"] {
            command.arg(format!("--{user}-token-file={}", self.token(user).display()));
        }
        let output = command.output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let code = output.status.code().unwrap();
        assert!(code <= 1, "{code} {}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_str(&printed).unwrap();
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let row = |row: &Value| {
            let verdict = format!("{} {}", text(row, "level"), text(row, "verdict"));
            (text(row, "id"), (verdict, text(row, "found")))
        };
        report["checks"].as_array().unwrap().iter().map(row).collect()
    }

    fn token(&self, account: &str) -> PathBuf {
        let token = self.plane.admin().run(&["create", "token", account, "--namespace=shop"]).unwrap();
        file("token", &token)
    }
}

/// Prints the skipped checks.
fn print_skipped(server: &str, reports: &[Report; 2]) {
    for (way, report) in ["through kube-apiserver", "directly"].iter().zip(reports) {
        let skipped = report.iter().filter(|(_, (verdict, _))| verdict.ends_with("skipped"));
        let ids: Vec<_> = skipped.map(|(id, _)| id.as_str()).collect();
        println!("{server} {way}: {} of {} checks skipped: {}", ids.len(), report.len(), ids.join(", "));
    }
}

/// The failed checks, with their findings.
fn failures<'r>(reports: impl IntoIterator<Item = &'r Report>) -> BTreeMap<String, String> {
    let rows = reports.into_iter().flatten();
    let failed = rows.filter(|(_, (verdict, _))| !verdict.ends_with("pass") && !verdict.ends_with("skipped"));
    failed.map(|(id, (verdict, found))| (id.clone(), format!("{verdict}: {found}"))).collect()
}

/// The checks in a table of docs/conformance.md.
fn documented(section: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let document = fs::read_to_string(path).unwrap();
    let (_, section) = document.split_once(&format!("\n## {section}\n")).unwrap();
    let rows = section.split("\n## ").next().unwrap().lines();
    rows.filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect()
}

fn prepare(plane: &ControlPlane) {
    // A controller creates the service account of a new namespace.
    eventually("users and pods exist", || plane.admin().run_with_input(&["apply", "-f", "-"], USERS_AND_PODS));
}

pub fn of_metriclet(plane: &mut ControlPlane) {
    prepare(plane);
    let value = file("page", PAGE);
    let read = value.clone();
    let source = Upstream::start(move |_, stream| {
        let text = fs::read_to_string(&read).unwrap();
        let _ = std::io::Write::write_all(stream, &page("text/plain; version=0.0.4", &text));
    });
    // Labels are those of the pods in the Kubernetes API.
    let installed = Installed::start(plane, &config(&source).replace(", labelSelector: labels", ""));
    let path = value.display();
    let line = r#"queue_depth{service="web",namespace="shop"} %s\n"#;
    // The hook keeps the lines that do not start with this text.
    let hook = format!(
        "--hook={{ printf '{line}' \"$METRICLET_VALUE\"; grep -v '^queue' {path}; }} >{path}.next && mv {path}.next {path}"
    );
    let subject = Subject {
        plane,
        address: installed.server.address,
        certificates: &installed.certificates,
        arguments: vec![hook, "--namespace-metric=shop/backlog".to_owned()],
    };
    let reports = [subject.through_kube_apiserver(), subject.directly()];
    for (report, id) in reports.iter().zip(["access.custom", "access.forbidden"]) {
        assert_eq!(report[id].0, "must pass", "{report:#?}");
        assert_eq!(report["selectors.valid"].0, "must pass", "{report:#?}");
        assert_eq!(report["values.fraction"].0, "must pass", "{report:#?}");
    }
    print_skipped("Metriclet", &reports);
    let found = failures(&reports);
    assert!(found.values().all(|found| found.starts_with("as Go differs")), "{found:#?}");
    let undocumented: Vec<_> =
        found.iter().filter(|(id, _)| !documented("Where Metriclet differs").contains(*id)).collect();
    assert!(undocumented.is_empty(), "{undocumented:#?}");
    assert_eq!(installed.complaints(plane), [""; 0]);
}

pub fn of_the_go_library(plane: &mut ControlPlane) {
    let Some(program) = env::var_os("METRICLET_TEST_ADAPTER").map(PathBuf::from) else {
        assert!(env::var_os("CI").is_none(), "the test adapter is missing");
        println!("skipped: the test adapter of the Go library is missing; scripts/test-cluster builds it");
        return;
    };
    prepare(plane);
    let adapter = Adapter::start(plane, &program);
    // No metric of a namespace: the adapter stores its value under a key that it never reads.
    let write = |path: &str, value: &str| {
        let url = format!("{}/{path}", adapter.values);
        format!(
            "curl --silent --show-error --fail --noproxy '*' -H 'Content-Type: application/json' -d '\"'{value}'\"' {url}"
        )
    };
    for (path, value) in [
        ("namespaces/shop/services/web/queue_depth", "42"),
        ("namespaces/shop/pods/web-0/busy", "3"),
        ("namespaces/shop/pods/web-1/busy", "5"),
        ("nodes/worker-1/load", "1500m"),
    ] {
        let set = Command::new("sh").arg("-c").arg(write(path, value)).output().unwrap();
        assert!(set.status.success(), "{path}: {}", String::from_utf8_lossy(&set.stderr));
    }
    let hook = write("namespaces/shop/services/web/queue_depth", "\"$METRICLET_VALUE\"");
    let subject = Subject {
        plane,
        address: adapter.address,
        certificates: &adapter.certificates,
        arguments: vec![format!("--hook={hook}"), "--external=shop/my-external-metric".to_owned()],
    };
    let reports = [subject.through_kube_apiserver(), subject.directly()];
    assert_eq!(reports[1]["protobuf.v1beta2"].0, "must pass", "{:#?}", reports[1]);
    print_skipped("The Go library", &reports);
    let found = failures(&reports);
    assert!(found.values().all(|found| found.starts_with("should fail")), "{found:#?}");
    let ids: BTreeSet<_> = found.keys().cloned().collect();
    assert_eq!(ids, documented("Where the Go library differs"), "{found:#?}");
}

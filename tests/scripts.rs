//! The scripts for clusters, without a cluster: a kubectl that records its calls and prints what a test sets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::machine::{Machine, Outcome};
use common::{file, run};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const APISERVICES: [&str; 2] = ["v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"];
const EXTERNAL: &str = "v1beta1.external.metrics.k8s.io";

/// The value of each `caBundle:`.
fn bundles(manifests: &str) -> Vec<&str> {
    manifests.lines().filter_map(|line| line.trim().strip_prefix("caBundle: ")).collect()
}

const NEW: [&str; 8] = [
    "apply -f all.yaml -l metriclet.github.io/apply=first",
    "apply --server-side --force-conflicts -f secret.yaml",
    "apply -f all.yaml -l metriclet.github.io/apply notin (first,last)",
    "-n custom-metrics wait --for jsonpath={.status.readyReplicas} deployment/custom-metrics-apiserver --timeout 120s",
    "apply --server-side --force-conflicts --field-manager=scripts-deploy -f all.yaml -l metriclet.github.io/apply=last",
    "wait --for condition=Available apiservice/v1beta1.custom.metrics.k8s.io --timeout 120s",
    "wait --for condition=Available apiservice/v1beta2.custom.metrics.k8s.io --timeout 120s",
    "-n custom-metrics rollout status deployment/custom-metrics-apiserver --timeout 120s",
];

#[test]
fn every_script_has_help() {
    let mut scripts = 0;
    for entry in fs::read_dir(Path::new(ROOT).join("scripts")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some() {
            continue;
        }
        let help = Command::new(&path).arg("--help").output().unwrap();
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(help.status.success() && text.contains("Usage: scripts/"), "{}: {text}", path.display());
        let wrong = Command::new(&path).arg("--no-such-flag").output().unwrap();
        assert_eq!(wrong.status.code(), Some(64), "{}", path.display());
        scripts += 1;
    }
    assert!(scripts >= 10, "only {scripts} scripts found");
}

#[test]
fn missing_tools_are_named() {
    for script in ["deploy", "query", "remove", "certs"] {
        Machine::new(&[]).run(script, &[]).refused(69, "kubectl is missing");
        let silent = Machine::cluster().answer("get --raw*", "1", "");
        assert_eq!(silent.run(script, &[]).code, 69, "{script}");
    }
    let silent = Machine::cluster().answer("get --raw*", "1", "");
    silent.run("deploy", &[]).refused(69, "no cluster answers");
    Machine::new(&[]).run("develop", &[]).refused(69, "kind is missing");
    Machine::new(&["kind"]).run("develop", &[]).refused(69, "kubectl is missing");
    Machine::new(&["kind", "kubectl"]).run("develop", &[]).refused(69, "cargo is missing");
    Machine::cluster().run("deploy", &["manifests/overlays/none"]).refused(66, "expected an overlay");
    Machine::cluster().answer("auth can-i*", "1", "no").run("deploy", &[]).refused(77, "you may not create");
    let silent = Machine::new(&["kind", "kubectl", "cargo", "clang"]).answer("get clusters*", "1", "");
    silent.run("develop", &["--once"]).refused(69, "kind get clusters");
    let half = Machine::new(&["kind", "kubectl", "cargo", "clang"]).answer("get clusters*", "0", "metriclet");
    half.answer("*get --raw*", "1", "").run("develop", &["--once"]).refused(69, "scripts/develop --remove");
}

#[test]
fn wrong_arguments_change_nothing() {
    let machine = Machine::cluster().installed("QUJD");
    for (script, arguments, code, why) in [
        ("deploy", &["--timeout", "5"][..], 64, "expected a time such as 120s, found 5"),
        ("deploy", &["--image", "example.com/metriclet"], 64, "expected NAME:TAG or NAME@DIGEST"),
        ("deploy", &["manifests/overlays/develop", "manifests/overlays/production"], 64, "Usage"),
        ("deploy", &[""], 66, "expected a folder"),
        ("deploy", &["manifests/samples"], 65, "expected an overlay of manifests/base"),
        // An empty value, as from an unset variable, must not mean the current context.
        ("deploy", &["--context", ""], 64, "--context: expected a value"),
        ("remove", &["--context", ""], 64, "--context: expected a value"),
        ("certs", &["--context"], 64, "--context: expected a value"),
        ("certs", &["--days", "soon"], 70, "metriclet certs"),
        ("query", &["--api-version", "v1"], 64, "expected v1beta1 or v1beta2, found v1"),
        ("query", &["namespaces/a/metrics/b", "namespaces/a/metrics/c"], 64, "Usage"),
        ("image", &["--max-bytes", "3M"], 64, "expected a number, found 3M"),
    ] {
        // certs rejects a file that is not a certificate.
        let certified = Machine::cluster().installed("QkVHSU4gQ0VSVElGSUNBVEU=");
        let outcome = if script == "certs" { &certified } else { &machine }.run(script, arguments);
        outcome.refused(code, why);
    }
    // A folder with other content is not replaced.
    let precious = file("precious", "");
    machine.run("image", &["--out", precious.parent().unwrap().to_str().unwrap()]).refused(73, "found something else");
    assert!(precious.exists());
}

#[test]
fn deploy_rejects_what_the_cluster_would() {
    let unknown = Machine::cluster().answer("create --dry-run=client*", "1", "");
    unknown.run("deploy", &[]).refused(65, "the cluster lacks kinds that manifests/overlays/production needs");
    let broken = Machine::cluster().answer("create --dry-run=client*", "0", "sources: {}\nmetric: []\n");
    broken.run("deploy", &[]).refused(65, "metrics.yaml:2:1: error: the file: unknown key \"metric\"");
    let refused = Machine::cluster().installed("QUJD").answer("apply --dry-run=server*", "1", "");
    refused.run("deploy", &[]).refused(65, "the cluster rejects manifests/overlays/production");
    // A foreign certificate is not replaced, although its authority is unknown.
    let alone = Machine::cluster().answer("*get secret *name*ca?.crt*", "0", "custom-metrics-apiserver-tls ");
    alone.run("deploy", &[]).refused(65, "expected the authority of its certificate in ca.crt, found none");
}

#[test]
fn deploy_registers_the_api_last() {
    let machine = Machine::cluster();
    let outcome = machine.run("deploy", &[]);
    assert_eq!((outcome.code, outcome.changes()), (0, NEW.map(str::to_owned).to_vec()), "{}", outcome.stderr);
    let secret = machine.applied("secret.yaml");
    let authority = secret.lines().find_map(|line| line.trim().strip_prefix("ca.crt: ")).unwrap();
    assert_eq!(bundles(&machine.applied("all.yaml")), [authority, authority]);
}

#[test]
fn deploy_keeps_the_existing_certificate() {
    let machine = Machine::cluster().installed("QUJD");
    let outcome = machine.run("deploy", &["manifests/overlays/develop", "--image", "localhost:5000/metriclet:1.2.3"]);
    // All pods are updated before the APIServices.
    let expected = [NEW[0], NEW[2], NEW[7], NEW[4], NEW[5], NEW[6]];
    assert_eq!((outcome.code, outcome.changes()), (0, expected.iter().map(ToString::to_string).collect()));
    let all = machine.applied("all.yaml");
    assert_eq!(bundles(&all), ["QUJD", "QUJD"]);
    // Renewed while the pods rolled out.
    let machine = Machine::cluster().answer("*get secret *jsonpath={.data.ca*", "0", "QUJDREVG").installed("QUJD");
    let outcome = machine.run("deploy", &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(bundles(&machine.applied("all.yaml")), ["QUJDREVG", "QUJDREVG"]);
    let deleted = Machine::cluster().answer("*get secret *jsonpath={.data.ca*", "0", "").installed("QUJD");
    let outcome = deleted.run("deploy", &[]);
    assert!(outcome.code == 65 && outcome.stderr.contains("the APIServices are as they were"), "{}", outcome.stderr);
    assert!(!outcome.changes().iter().any(|change| change.contains("apply=last")), "{:?}", outcome.changes());
    assert!(all.contains("image: localhost:5000/metriclet:1.2.3\n") && !all.contains("image: ghcr.io/metriclet"));
}

#[test]
fn deploy_only_reports_with_dry_run() {
    let outcome = Machine::cluster().run("deploy", &["--dry-run", "--context", "elsewhere"]);
    assert_eq!((outcome.code, outcome.changes()), (0, Vec::new()), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.matches("would run: kubectl").count(), NEW.len(), "{}", outcome.stdout);
    let asked: Vec<_> = outcome.calls.iter().filter(|call| !call.starts_with("kubectl kustomize")).collect();
    assert!(asked.iter().all(|call| call.starts_with("kubectl --context elsewhere ")), "{asked:?}");
}

#[test]
fn deploy_leaves_another_adapter_alone() {
    let other = || Machine::cluster().answer("get apiservice v1beta1*", "0", "monitoring/prometheus-adapter");
    other().run("deploy", &[]).refused(77, "refers to the Service monitoring/prometheus-adapter");
    let local = Machine::cluster().answer("get apiservice v1beta2*", "0", "/");
    local.run("deploy", &[]).refused(77, "v1beta2");
    // Another adapter with the same names.
    let twin = || Machine::cluster().answer("*get deployment *part-of*", "0", "custom-metrics-apiserver ");
    twin()
        .run("deploy", &["--take-over"])
        .refused(77, "the deployment custom-metrics/custom-metrics-apiserver is another");
    let registered = twin().answer("get apiservice *", "0", "custom-metrics/custom-metrics-apiserver ");
    registered.run("certs", &[]).refused(69, "no APIService refers to Metriclet");
    let removed = registered.run("remove", &[]);
    assert!(!removed.changes().iter().any(|change| change.contains("apiservice")), "{:?}", removed.changes());
    let namespace = Machine::cluster().answer("*get namespace *part-of*", "0", "custom-metrics ");
    assert_eq!(namespace.run("deploy", &[]).changes(), NEW[1..], "a namespace of another owner is not changed");

    let outcome = other().run("deploy", &["--take-over"]);
    let mut expected = NEW.to_vec();
    expected.insert(4, "patch apiservice v1beta1.custom.metrics.k8s.io");
    assert_eq!((outcome.code, outcome.changes()), (0, expected.iter().map(ToString::to_string).collect()));
    let patch = outcome.calls.iter().find(|call| call.contains(" patch ")).unwrap();
    assert!(patch.contains(r#""insecureSkipTLSVerify":null,"caBundle":"LS0t"#), "{patch}");
}

#[test]
fn deploy_registers_external_metrics_on_demand() {
    let machine = Machine::cluster();
    let outcome = machine.run("deploy", &["--external"]);
    let waits = "wait --for condition=Available apiservice/v1beta1.external.metrics.k8s.io --timeout 120s";
    let mut expected = NEW.map(str::to_owned).to_vec();
    expected.insert(7, waits.to_owned());
    assert_eq!((outcome.code, outcome.changes()), (0, expected), "{}", outcome.stderr);
    let manifests = machine.applied("all.yaml");
    assert!(manifests.contains("  name: v1beta1.external.metrics.k8s.io\n"), "{manifests}");
    assert_eq!(bundles(&manifests).len(), 3);
    let keda = || Machine::cluster().answer(&format!("get apiservice {EXTERNAL}*"), "0", "keda/keda-metrics-apiserver");
    keda().run("deploy", &["--external"]).refused(77, "refers to the Service keda/keda-metrics-apiserver");
    assert_eq!(keda().run("deploy", &[]).changes(), NEW);
}

#[test]
fn deploy_reports_why_it_stops() {
    let outcome = Machine::cluster().installed("QUJD").answer("*rollout status*", "1", "").run("deploy", &[]);
    assert!(outcome.stderr.contains("rollout undo deployment/custom-metrics-apiserver"), "{}", outcome.stderr);
    assert!(!outcome.changes().contains(&NEW[4].to_owned()), "{:?}", outcome.changes());
    // In a first installation, one ready pod is sufficient.
    let outcome = Machine::cluster().answer("*wait *readyReplicas*", "1", "").run("deploy", &[]);
    assert_eq!((outcome.code, outcome.changes()), (69, NEW[..4].iter().map(ToString::to_string).collect()));
    assert!(outcome.stderr.contains("no pod is ready"), "{}", outcome.stderr);
    let one = Machine::cluster().answer("*rollout status*", "1", "").answer("*readyReplicas} of*", "0", "1 of 2");
    let outcome = one.run("deploy", &[]);
    assert_eq!((outcome.code, outcome.changes()), (69, NEW.map(str::to_owned).to_vec()));
    assert!(
        outcome.stderr.contains("the APIServices are available, but only 1 of 2 pods are ready"),
        "{}",
        outcome.stderr
    );
    // The conditions of an unavailable APIService are printed.
    let why = "False: FailedDiscoveryCheck: x509: certificate signed by unknown authority";
    let waiting = Machine::cluster().answer("wait *", "1", "").answer("get apiservice *conditions*", "0", why);
    let outcome = waiting.run("deploy", &[]);
    assert!(outcome.code == 69 && outcome.stderr.contains(why), "{}", outcome.stderr);
}

/// Pods notice a changed ConfigMap at different times.
#[test]
fn deploy_waits_until_pods_have_loaded_a_changed_configuration() {
    let config = "sources: {}\nmetrics: []";
    let hash = "sha256:43bcb177a1289088a77efc382253085a43ce8ff29595d1aabc05598960e28579";
    let machine = |before: &str| {
        let machine = Machine::cluster()
            .installed("QUJD")
            .answer("create --dry-run=client*", "0", config)
            .answer("*get configmap custom-metrics-config*", "0", before)
            .answer("*get pods -l *", "0", "pod/a pod/b")
            .answer("*logs pod/*", "0", &format!("metrics.yaml: loaded no rules, {hash}"));
        machine.run("deploy", &[])
    };
    let read = |outcome: &Outcome| outcome.calls.iter().filter(|call| call.contains(" logs pod/")).count();
    let outcome = machine("sources: {}");
    assert_eq!((outcome.code, read(&outcome)), (0, 2), "{}{}", outcome.stdout, outcome.stderr);
    let outcome = machine(config);
    assert_eq!((outcome.code, read(&outcome)), (0, 0), "nothing has changed");
}

#[test]
fn deploy_installs_beside_another_adapter() {
    let other = || Machine::cluster().answer("get apiservice *", "0", "monitoring/prometheus-adapter");
    let outcome = other().run("deploy", &["--beside"]);
    let expected = [NEW[0], NEW[1], NEW[2], NEW[7]].map(str::to_owned).to_vec();
    assert_eq!((outcome.code, outcome.changes()), (0, expected), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("installed beside"), "{}", outcome.stdout);
    other().run("deploy", &["--beside", "--take-over"]).refused(64, "--beside leaves the APIServices");
    let outcome = other().answer("*rollout status*", "1", "").run("deploy", &["--beside"]);
    assert!(outcome.code == 69 && outcome.stderr.contains("the new pods are not ready"), "{}", outcome.stderr);
}

/// Roles are created before the objects that need them, and deleted after them.
#[test]
fn deploy_grants_what_the_configuration_needs() {
    let config =
        "sources: {app: {pods: {port: 80}, namespaces: [shop, gone]}}\nmetrics: [{name: a, object: pods, source: app}]";
    let machine = Machine::cluster()
        .answer("create --dry-run=client*", "0", config)
        .answer("*get configmap custom-metrics-config*", "0", config)
        .answer("get namespace shop *", "0", "namespace/shop")
        .answer(
            "get clusterrolebindings,*",
            "0",
            "ClusterRole \nClusterRoleBinding \nRole shop\nRole bank\nRoleBinding shop",
        )
        .installed("QUJD");
    let outcome = machine.run("deploy", &[]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    let (reader, waits) = ("custom-metrics-resource-reader", "wait --for condition=Available apiservice/");
    let of = |version: &str| format!("{waits}{version}.custom.metrics.k8s.io --timeout 120s");
    let expected = [
        NEW[0].to_owned(),
        "apply -f rights.yaml".to_owned(),
        "apply -f all.yaml -l metriclet.github.io/apply notin (first,last,without-rbac)".to_owned(),
        NEW[7].to_owned(),
        NEW[4].to_owned(),
        of("v1beta1"),
        of("v1beta2"),
        format!("delete ClusterRole {reader} --ignore-not-found"),
        format!("delete ClusterRoleBinding {reader} --ignore-not-found"),
        format!("delete Role {reader} -n bank --ignore-not-found"),
    ];
    assert_eq!(outcome.changes(), expected);
    let rights = machine.applied("rights.yaml");
    assert!(rights.contains("  namespace: shop\n") && !rights.contains("  namespace: gone\n"), "{rights}");
    assert_eq!(rights.matches("kind: Role").count(), 3, "a Role, its binding, and what that refers to: {rights}");
    assert!(outcome.stdout.contains("namespace gone is missing"), "{}", outcome.stdout);
}

#[test]
fn deploy_leaves_certificates_to_cert_manager() {
    let overlay = Path::new(ROOT).join("manifests/components/cert-manager");
    let to = overlay.strip_prefix("/").unwrap().display().to_string();
    let folder = file("kustomization.yaml", "").parent().unwrap().to_owned();
    let up = "../".repeat(folder.components().count() - 1);
    let base = format!("{up}{to}/../../base");
    let text = format!("resources: [{base}]\ncomponents: [{up}{to}]\n");
    fs::write(folder.join("kustomization.yaml"), text).unwrap();
    let overlay = folder.to_str().unwrap();
    let without = Machine::cluster().answer("get crd*", "1", "");
    without.run("deploy", &[overlay]).refused(69, "cert-manager is not in the cluster");
    let machine = Machine::cluster();
    let outcome = machine.run("deploy", &[overlay]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(!outcome.changes().iter().any(|change| change.contains("secret.yaml")));
    assert!(bundles(&machine.applied("all.yaml")).is_empty());
}

#[test]
fn remove_deletes_our_api_services_first() {
    let outcome = Machine::cluster().installed("").run("remove", &[]);
    let ours = [APISERVICES[0], APISERVICES[1], EXTERNAL].map(|name| format!(" apiservice/{name}")).concat();
    let first = format!("delete --ignore-not-found{ours}");
    assert_eq!((outcome.code, outcome.changes().first()), (0, Some(&first)));
    let last = outcome.changes().pop().unwrap();
    assert_eq!(last, "delete namespace custom-metrics --ignore-not-found");

    let shared =
        Machine::cluster().answer("get apiservice v1beta1*", "0", "monitoring/prometheus-adapter").installed("");
    let outcome = shared.run("remove", &[]);
    assert_eq!(outcome.changes()[0], format!("delete --ignore-not-found apiservice/{}", APISERVICES[1]));
    assert!(
        outcome.stdout.contains("stays: it refers to the Service monitoring/prometheus-adapter"),
        "{}",
        outcome.stdout
    );

    let foreign =
        Machine::cluster().answer("*get namespace *", "0", "custom-metrics ").answer("get crd issuers*", "0", "x");
    let changes = foreign.run("remove", &[]).changes();
    assert!(!changes.iter().any(|change| change.contains("delete namespace")), "{changes:?}");
    assert!(changes.iter().any(|change| change.contains(",networkpolicies,issuers.cert-manager.io")), "{changes:?}");
    assert_eq!(Machine::cluster().installed("").run("remove", &["--dry-run"]).changes(), Vec::<String>::new());
}

#[test]
fn certs_trusts_the_new_authority_before_it_is_used() {
    let folder = file("x", "").with_file_name("certs");
    assert_eq!(run(&["certs", "--out", folder.to_str().unwrap()]).0, 0);
    let encoded = Command::new("base64").arg("-w0").arg(folder.join("ca.crt")).output().unwrap().stdout;
    let authority = String::from_utf8(encoded).unwrap();

    let machine = Machine::cluster().installed(&authority);
    let outcome = machine.run("certs", &[]);
    let expected = [
        "patch apiservice v1beta1.custom.metrics.k8s.io",
        "patch apiservice v1beta2.custom.metrics.k8s.io",
        "patch apiservice v1beta1.external.metrics.k8s.io",
        "wait --for condition=Available apiservice/v1beta1.custom.metrics.k8s.io --timeout 60s",
        "wait --for condition=Available apiservice/v1beta2.custom.metrics.k8s.io --timeout 60s",
        "wait --for condition=Available apiservice/v1beta1.external.metrics.k8s.io --timeout 60s",
        "apply --server-side --force-conflicts -f renewed.yaml",
        "-n custom-metrics patch secret custom-metrics-apiserver-tls",
    ];
    assert_eq!((outcome.code, outcome.changes()), (0, expected.map(str::to_owned).to_vec()), "{}", outcome.stderr);
    let renewed = machine.applied("renewed.yaml");
    let bundle = renewed.lines().find_map(|line| line.trim().strip_prefix("ca.crt: ")).unwrap();
    let prepared = outcome.calls.last().unwrap();
    let nothing = r#"{"metadata":{"annotations":{"metriclet.github.io/next-since":null}},"data":{"next.crt":null,"next.key":null}}"#;
    assert!(prepared.ends_with(nothing), "a prepared pair may have leaked, too: {prepared}");
    let patch = outcome.calls.iter().find(|call| call.contains(" patch ")).unwrap();
    assert!(patch.contains(bundle) && bundle.len() > authority.len(), "old and new are trusted: {patch}");
    assert!(renewed.contains("metriclet.github.io/renewed:"), "{renewed}");

    // An unavailable APIService may have an invalid certificate, so this is not an error.
    let ended = Machine::cluster().answer("get apiservice *conditions*", "0", "False: FailedDiscoveryCheck: expired");
    assert_eq!(ended.installed(&authority).run("certs", &[]).changes().len(), 5);
    // If it becomes unavailable, the current certificate stays.
    let broken = Machine::cluster().answer("wait *", "1", "").installed(&authority).run("certs", &[]);
    assert!(broken.code == 69 && !broken.changes().iter().any(|change| change.contains("renewed.yaml")));

    Machine::cluster().run("certs", &[]).refused(69, "no APIService refers to Metriclet");
    let other = Machine::cluster().answer("*get secret *certificate-name*", "0", "custom-metrics-apiserver");
    other.installed(&authority).run("certs", &[]).refused(77, "belongs to cert-manager");
    let empty = Machine::cluster().installed("");
    empty.run("certs", &[]).refused(65, "expected an authority in ca.crt");

    let renewed = |when: &str| Machine::cluster().answer("*get secret *renewed*", "0", when).installed(&authority);
    renewed("").run("certs", &["--drop-old"]).refused(69, "was not renewed");
    renewed("99999999999").run("certs", &["--drop-old"]).refused(75, "may not use it yet");
    let outcome = renewed("1000000000").run("certs", &["--drop-old"]);
    let expected = [
        "-n custom-metrics patch secret custom-metrics-apiserver-tls",
        "patch apiservice v1beta1.custom.metrics.k8s.io",
        "patch apiservice v1beta2.custom.metrics.k8s.io",
        "patch apiservice v1beta1.external.metrics.k8s.io",
    ];
    assert_eq!((outcome.code, outcome.changes()), (0, expected.map(str::to_owned).to_vec()), "{}", outcome.stderr);
}

#[test]
fn query_requests_like_an_hpa() {
    let machine = Machine::cluster();
    let asked = |arguments: &[&str]| machine.run("query", arguments).calls.pop().unwrap();
    let root = "kubectl get --raw /apis/custom.metrics.k8s.io";
    assert_eq!(asked(&[]), format!("{root}/v1beta2/namespaces/default/metrics/metric_name"));
    let pods = asked(&["--api-version", "v1beta1", "namespaces/shop/pods/*/load"]);
    assert_eq!(pods, format!("{root}/v1beta1/namespaces/shop/pods/*/load"));
    let broken =
        Machine::cluster().answer("get --raw*", "1", "").answer("get apiservice*", "0", "False: MissingEndpoints: x");
    let outcome = broken.run("query", &[]);
    assert!(outcome.code == 69 && outcome.stderr.contains("v1beta1.custom.metrics.k8s.io: False: MissingEndpoints"));
}

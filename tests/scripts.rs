//! The scripts for clusters, without a cluster: a kubectl that notes what it is told and answers as a test says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{file, run};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const APISERVICES: [&str; 2] = ["v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"];

/// A machine of its own: nothing in PATH but common tools and the stand-ins.
struct Machine {
    home: PathBuf,
    answers: usize,
}

/// What a script did.
struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
    /// Every call, in order.
    calls: Vec<String>,
}

impl Machine {
    fn new(tools: &[&str]) -> Self {
        let home = file("x", "").parent().unwrap().to_owned();
        for folder in ["bin", "answers", "tmp"] {
            fs::create_dir(home.join(folder)).unwrap();
        }
        let common =
            "sh base64 cat cp cut date dirname env grep head ls mktemp rm sed sha256sum tail touch tr uname wc find";
        for tool in common.split(' ') {
            symlink(which(tool), home.join("bin").join(tool)).unwrap();
        }
        for tool in tools {
            symlink(Path::new(ROOT).join("tests/fixtures/bin/kubectl"), home.join("bin").join(tool)).unwrap();
        }
        Self { home, answers: 0 }
    }

    /// A cluster with an empty answer to everything that is not told.
    fn cluster() -> Self {
        Self::new(&["kubectl"])
    }

    /// What to answer calls of this pattern; the first that fits counts.
    fn answer(mut self, pattern: &str, code: &str, text: &str) -> Self {
        let path = self.home.join("answers").join(format!("{:02}", self.answers));
        fs::write(path, format!("{pattern}\n{code}\n{text}")).unwrap();
        self.answers += 1;
        self
    }

    /// An installed Metriclet, available, with this authority.
    fn installed(self, authority: &str) -> Self {
        self.answer("get apiservice *service.namespace*", "0", "custom-metrics/custom-metrics-apiserver")
            .answer("get apiservice *conditions*", "0", "True: Passed: all checks passed")
            .answer("*get secret *ca?.crt*", "0", authority)
            .answer("get namespace *labels*", "0", "metriclet")
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Outcome {
        let _ = fs::remove_file(self.home.join("calls"));
        let Output { status, stdout, stderr } = Command::new(Path::new(ROOT).join("scripts").join(script))
            .args(arguments)
            .env_clear()
            .env("PATH", self.home.join("bin"))
            .env("TMPDIR", self.home.join("tmp"))
            .env("STUB", &self.home)
            .env("METRICLET", env!("CARGO_BIN_EXE_metriclet"))
            .env("REAL_KUBECTL", which("kubectl"))
            .output()
            .unwrap();
        let left = fs::read_dir(self.home.join("tmp")).unwrap().count();
        assert_eq!(left, 0, "{script} leaves files behind");
        let calls = fs::read_to_string(self.home.join("calls")).unwrap_or_default();
        Outcome {
            code: status.code().unwrap(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
            calls: calls.lines().map(|line| line.trim_end().to_owned()).collect(),
        }
    }

    fn applied(&self, name: &str) -> String {
        fs::read_to_string(self.home.join(name)).unwrap()
    }
}

impl Outcome {
    /// Calls that change something, or wait for that; without the folders of files and what is patched.
    fn changes(&self) -> Vec<String> {
        let verbs = [" apply ", " patch ", " delete ", " rollout ", " wait ", " create ", " replace "];
        let changing = |call: &&String| verbs.iter().any(|verb| call.contains(verb)) && !call.contains(" auth can-i ");
        let short = |call: &String| {
            let words = call.split(' ').skip(1).map(|word| match word.contains("/tmp") {
                true => word.rsplit('/').next().unwrap_or_default(),
                false => word,
            });
            words.take_while(|word| *word != "--type").collect::<Vec<_>>().join(" ")
        };
        self.calls.iter().filter(changing).map(short).collect()
    }

    fn refused(&self, code: i32, why: &str) {
        assert_eq!((self.code, self.changes()), (code, Vec::new()), "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(why), "expected {why:?}, found {}", self.stderr);
    }
}

fn which(tool: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{tool} is missing"))
}

/// The value of each `caBundle:`.
fn bundles(manifests: &str) -> Vec<&str> {
    manifests.lines().filter_map(|line| line.trim().strip_prefix("caBundle: ")).collect()
}

const NEW: [&str; 7] = [
    "apply -f all.yaml -l metriclet.github.io/apply=first",
    "apply --server-side --force-conflicts -f secret.yaml",
    "apply -f all.yaml -l metriclet.github.io/apply notin (first,last)",
    "-n custom-metrics rollout status deployment/custom-metrics-apiserver --timeout 120s",
    "apply -f all.yaml -l metriclet.github.io/apply=last",
    "wait --for condition=Available apiservice/v1beta1.custom.metrics.k8s.io --timeout 120s",
    "wait --for condition=Available apiservice/v1beta2.custom.metrics.k8s.io --timeout 120s",
];

#[test]
fn every_script_explains_itself() {
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
fn what_is_missing_is_named() {
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
fn deploy_keeps_the_certificate_that_is_there() {
    let machine = Machine::cluster().installed("QUJD");
    let outcome = machine.run("deploy", &["manifests/overlays/develop", "--image", "localhost:5000/metriclet:1.2.3"]);
    let mut expected = NEW.to_vec();
    expected.remove(1);
    assert_eq!((outcome.code, outcome.changes()), (0, expected.iter().map(ToString::to_string).collect()));
    let all = machine.applied("all.yaml");
    assert_eq!(bundles(&all), ["QUJD", "QUJD"]);
    assert!(all.contains("image: localhost:5000/metriclet:1.2.3\n") && !all.contains("image: ghcr.io/metriclet"));
}

#[test]
fn deploy_only_tells_with_dry_run() {
    let outcome = Machine::cluster().run("deploy", &["--dry-run", "--context", "elsewhere"]);
    assert_eq!((outcome.code, outcome.changes()), (0, Vec::new()), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.matches("would run: kubectl").count(), NEW.len(), "{}", outcome.stdout);
    let asked: Vec<_> = outcome.calls.iter().filter(|call| !call.starts_with("kubectl kustomize")).collect();
    assert!(asked.iter().all(|call| call.starts_with("kubectl --context elsewhere ")), "{asked:?}");
}

#[test]
fn deploy_leaves_another_adapter_alone() {
    let other = || Machine::cluster().answer("get apiservice v1beta1*", "0", "monitoring/prometheus-adapter");
    other().run("deploy", &[]).refused(77, "leads to the Service monitoring/prometheus-adapter");
    let local = Machine::cluster().answer("get apiservice v1beta2*", "0", "/");
    local.run("deploy", &[]).refused(77, "v1beta2");

    let outcome = other().run("deploy", &["--take-over"]);
    let mut expected = NEW.to_vec();
    expected.insert(4, "patch apiservice v1beta1.custom.metrics.k8s.io");
    assert_eq!((outcome.code, outcome.changes()), (0, expected.iter().map(ToString::to_string).collect()));
    let patch = outcome.calls.iter().find(|call| call.contains(" patch ")).unwrap();
    assert!(patch.contains(r#""insecureSkipTLSVerify":null,"caBundle":"LS0t"#), "{patch}");
}

#[test]
fn deploy_that_stops_half_way_leaves_what_was_there() {
    for (call, code) in
        [("*rollout status*", "1"), ("*rollout status*", "TERM"), ("*notin*", "1"), ("*secret.yaml*", "1")]
    {
        let outcome = Machine::cluster().answer(call, code, "").run("deploy", &[]);
        assert_ne!(outcome.code, 0, "{call} {code}");
        let registered = outcome.changes().iter().any(|change| change.contains("apply=last"));
        assert!(!registered, "{call} {code}: {:?}", outcome.changes());
    }
    let outcome = Machine::cluster().answer("*rollout status*", "1", "").run("deploy", &[]);
    assert!(outcome.stderr.contains("rollout undo deployment/custom-metrics-apiserver"), "{}", outcome.stderr);
    // And one that is registered, but not available, says why.
    let why = "False: FailedDiscoveryCheck: x509: certificate signed by unknown authority";
    let waiting = Machine::cluster().answer("wait *", "1", "").answer("get apiservice *conditions*", "0", why);
    let outcome = waiting.run("deploy", &[]);
    assert!(outcome.code == 69 && outcome.stderr.contains(why), "{}", outcome.stderr);
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
fn remove_takes_the_api_services_first_and_only_ours() {
    let outcome = Machine::cluster().installed("").run("remove", &[]);
    let first = format!("delete --ignore-not-found apiservice/{} apiservice/{}", APISERVICES[0], APISERVICES[1]);
    assert_eq!((outcome.code, outcome.changes().first()), (0, Some(&first)));
    let last = outcome.changes().pop().unwrap();
    assert_eq!(last, "delete namespace custom-metrics --ignore-not-found");

    let shared =
        Machine::cluster().answer("get apiservice v1beta1*", "0", "monitoring/prometheus-adapter").installed("");
    let outcome = shared.run("remove", &[]);
    assert_eq!(outcome.changes()[0], format!("delete --ignore-not-found apiservice/{}", APISERVICES[1]));
    assert!(
        outcome.stdout.contains("stays: it leads to the Service monitoring/prometheus-adapter"),
        "{}",
        outcome.stdout
    );

    let foreign = Machine::cluster().answer("get namespace *name*", "0", "namespace/custom-metrics");
    assert!(!foreign.run("remove", &[]).changes().iter().any(|change| change.contains("delete namespace")));
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
        "wait --for condition=Available apiservice/v1beta1.custom.metrics.k8s.io --timeout 60s",
        "wait --for condition=Available apiservice/v1beta2.custom.metrics.k8s.io --timeout 60s",
        "apply --server-side --force-conflicts -f renewed.yaml",
    ];
    assert_eq!((outcome.code, outcome.changes()), (0, expected.map(str::to_owned).to_vec()), "{}", outcome.stderr);
    let renewed = machine.applied("renewed.yaml");
    let bundle = renewed.lines().find_map(|line| line.trim().strip_prefix("ca.crt: ")).unwrap();
    let patch = outcome.calls.iter().find(|call| call.contains(" patch ")).unwrap();
    assert!(patch.contains(bundle) && bundle.len() > authority.len(), "old and new are trusted: {patch}");
    assert!(renewed.contains("metriclet.github.io/renewed:"), "{renewed}");

    // One that is not available may be so because of its certificate.
    let ended = Machine::cluster().answer("get apiservice *conditions*", "0", "False: FailedDiscoveryCheck: expired");
    assert_eq!(ended.installed(&authority).run("certs", &[]).changes().len(), 3);
    // One that becomes so keeps the certificate it has.
    let broken = Machine::cluster().answer("wait *", "1", "").installed(&authority).run("certs", &[]);
    assert!(broken.code == 69 && !broken.changes().iter().any(|change| change.contains("renewed.yaml")));

    Machine::cluster().run("certs", &[]).refused(69, "no APIService leads to");
    let other = Machine::cluster().answer("*get secret *certificate-name*", "0", "custom-metrics-apiserver");
    other.installed(&authority).run("certs", &[]).refused(77, "belongs to cert-manager");
    let empty = Machine::cluster().installed("");
    empty.run("certs", &[]).refused(65, "expected an authority in ca.crt");

    let renewed = |when: &str| Machine::cluster().answer("*get secret *renewed*", "0", when).installed(&authority);
    renewed("").run("certs", &["--drop-old"]).refused(69, "was not renewed");
    renewed("99999999999").run("certs", &["--drop-old"]).refused(75, "may not have taken it over yet");
    let outcome = renewed("1000000000").run("certs", &["--drop-old"]);
    assert_eq!((outcome.code, outcome.changes().len()), (0, 3), "{}", outcome.stderr);
}

#[test]
fn query_asks_as_an_hpa_does() {
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

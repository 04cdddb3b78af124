//! The Helm chart: its output, compared with Kubernetes' schemas and with kustomize's output for the same choices.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_chart_renders_what_the_overlays_do() {
    let python = std::env::var_os("METRICLET_PYTHON").unwrap_or_else(|| "python3".into());
    let runs = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let paths = Command::new(format!("{ROOT}/scripts/helm")).arg("--paths").output().unwrap().stdout;
    let paths = String::from_utf8(paths).unwrap();
    let mut lacking = Vec::new();
    for (name, found) in [
        ("kubectl", runs(Command::new("kubectl").args(["kustomize", "--help"]))),
        (
            "the Python package kubernetes-validate",
            runs(Command::new(&python).args(["-c", "import kubernetes_validate"])),
        ),
        ("openssl", runs(Command::new("openssl").arg("version"))),
        ("helm, which scripts/helm builds", paths.lines().all(|path| runs(Command::new(path).arg("version")))),
    ] {
        if !found {
            lacking.push(name);
        }
    }
    if !lacking.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "missing: {}", lacking.join(", "));
        return println!("skipped, the chart is NOT tested; missing: {}", lacking.join(", "));
    }
    assert!(paths.lines().count() > 0, "scripts/helm names none");
    let out = format!("{}/chart-release", env!("CARGO_TARGET_TMPDIR"));
    let release = ["--dry-run", "--only", "chart", "--only", "manifests", "--out", &out];
    let built = Command::new(format!("{ROOT}/scripts/release")).args(release).output().unwrap();
    assert!(built.status.success(), "scripts/release: {}", String::from_utf8_lossy(&built.stderr));
    let archive = format!("{out}/metriclet-{}.tgz", env!("CARGO_PKG_VERSION"));
    for helm in paths.lines() {
        assert!(
            runs(Command::new(helm).args(["lint", "--strict", &archive])),
            "{helm} does not read the released chart"
        );
        let output = Command::new(&python)
            .arg(format!("{ROOT}/tests/chart.py"))
            .env("HELM", helm)
            .env("METRICLET", env!("CARGO_BIN_EXE_metriclet"))
            .env("METRICLET_WORK", env!("CARGO_TARGET_TMPDIR"))
            // The configuration of this machine's user is not part of the test.
            .env("KUBECONFIG", "/dev/null")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{helm}: {said}{}", String::from_utf8_lossy(&output.stderr));
        let checked: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        let count = |what: &str| checked.get(what).and_then(Value::as_u64);
        assert_eq!(count("rendered"), Some(8), "{said}");
        assert!(count("objects") > Some(80) && count("compared") > Some(50), "{said}");
        assert!(
            count("configurations") == Some(7) && count("documented") > Some(20) && count("refused") == Some(14),
            "{said}"
        );
    }
}

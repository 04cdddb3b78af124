//! The manifests in every combination, checked against Kubernetes' schemas and the documentation.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

use std::process::Command;

use serde_json::Value;

#[test]
fn manifests_are_valid() {
    let python = std::env::var_os("METRICLET_PYTHON").unwrap_or_else(|| "python3".into());
    let runs = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let kubectl = runs(Command::new("kubectl").args(["kustomize", "--help"]));
    let schemas = runs(Command::new(&python).args(["-c", "import kubernetes_validate"]));
    if !(kubectl && schemas) {
        let lacking = if kubectl { "the Python package kubernetes-validate" } else { "kubectl" };
        assert!(std::env::var_os("CI").is_none(), "{lacking} is missing");
        return println!("skipped: {lacking} is missing; scripts/test installs or names it");
    }
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/manifests.py"))
        .env("METRICLET", env!("CARGO_BIN_EXE_metriclet"))
        .env("METRICLET_WORK", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let checked: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    // Two overlays, the samples, and the base with every subset of eight components.
    assert_eq!(checked.get("builds").and_then(Value::as_u64), Some(2 + 1 + 56), "{said}");
    assert!(checked.get("objects").and_then(Value::as_u64) > Some(20), "{said}");
    assert!(checked.get("configurations").and_then(Value::as_u64) >= Some(34), "{said}");
    assert!(checked.get("recipes").and_then(Value::as_u64) >= Some(2), "{said}");
}

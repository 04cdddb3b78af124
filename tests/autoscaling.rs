//! The replicas that Metriclet predicts are those that Kubernetes' own HPA controller sets, on a table of HPAs, workloads and
//! values.
//!
//! tests/autoscaling/decisions.jsonl contains the decisions of the controller in tests/cluster/controlplane. `cargo test --test
//! autoscaling -- --ignored` runs that controller and the older one again, with Go, which fetches Kubernetes' module; with
//! `METRICLET_WRITE=1` it writes the file.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use metriclet::internals::autoscaling::behavior::{Direction, Limit};
use metriclet::internals::autoscaling::calculator::{Basis, Phase, PodState, Values, Workload};
use metriclet::internals::autoscaling::decision::{DecisionReason, ZeroSupport, predict};
use metriclet::internals::autoscaling::manifest::hpas;
use metriclet::internals::parse::quantity::Milli;
use metriclet::internals::parse::yaml::{self, YamlLimits};
use serde_json::Value;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/autoscaling/decisions.jsonl");

fn workload(case: &Value) -> Workload {
    let count = |key: &str| i32::try_from(case[key].as_i64().unwrap()).unwrap();
    let pod = |(number, words): (usize, &Value)| {
        let words: Vec<&str> = words.as_str().unwrap().split(' ').collect();
        PodState {
            name: format!("web-{number}"),
            phase: Phase::named(words[0]),
            is_terminating: words.contains(&"leaving"),
            is_ready: words.contains(&"ready"),
        }
    };
    let pods = case["pods"].as_array().into_iter().flatten().enumerate().map(pod).collect();
    Workload { replicas: count("replicas"), present: count("present"), pods }
}

fn values(values: &Value) -> Option<Values> {
    let milli = |value: &Value| Milli(value.as_i64().unwrap());
    if let Some(pods) = values["pods"].as_object() {
        return Some(Values::Pods(pods.iter().map(|(name, value)| (name.clone(), milli(value))).collect()));
    }
    match &values["external"] {
        Value::Array(external) => Some(Values::External(external.iter().map(milli).collect())),
        _ => values.get("object").map(milli).map(Values::Object),
    }
}

/// The controller's own messages.
fn reasons(how: DecisionReason) -> (&'static str, &'static str) {
    match how {
        DecisionReason::Disabled => ("ScalingDisabled", ""),
        DecisionReason::Failed => ("Failed", ""),
        DecisionReason::AboveMax | DecisionReason::BelowMin | DecisionReason::Unknown => ("", ""),
        DecisionReason::Metric { limit, .. } => (
            "ValidMetricFound",
            match limit {
                None => "",
                Some(Limit::Min) => "TooFewReplicas",
                Some(Limit::Max) => "TooManyReplicas",
                Some(Limit::Rate(Direction::Up)) => "ScaleUpLimit",
                Some(Limit::Rate(Direction::Down)) => "ScaleDownLimit",
            },
        ),
    }
}

fn basis(basis: &Basis) -> &'static str {
    match basis {
        Basis::Ready(_) => "by ready pods",
        Basis::Division => "by division",
        Basis::Zero => "at zero",
        Basis::Pods(_) => "by pods",
        Basis::Filled(filled) if filled.missing.is_empty() => "with pending pods",
        Basis::Filled(filled) if filled.pending.is_empty() => "with missing pods",
        Basis::Filled(_) => "with missing and pending pods",
    }
}

/// Compares every line, and counts the reasons.
fn compare(lines: &str, zero: ZeroSupport) {
    let limits = YamlLimits { bytes: 1 << 20, depth: 32, nodes: 1 << 16 };
    let mut met = BTreeMap::<String, usize>::new();
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let manifest = case["hpa"].to_string();
        let root = yaml::parse(&manifest, &limits).unwrap_or_else(|error| panic!("{error:?}: {line}"));
        let hpa = hpas(&root).pop().unwrap();
        assert!(hpa.problems.is_empty(), "{:?}: {line}", hpa.problems);
        let values: Vec<Option<Values>> = case["values"].as_array().unwrap().iter().map(values).collect();
        let values: Vec<Option<&Values>> = values.iter().map(Option::as_ref).collect();
        let (proposals, decision) = predict(&hpa, &workload(&case), &values, zero);
        assert_eq!(
            i64::from(decision.replicas),
            case["desired"].as_i64().unwrap(),
            "{proposals:?} {decision:?}: {line}"
        );
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        // The controller does not report which metric failed first.
        let active = if text("active").starts_with("FailedGet") { "Failed" } else { text("active") };
        assert_eq!(reasons(decision.reason), (active, text("limited")), "{decision:?}: {line}");
        let of_metrics = proposals.iter().flatten().map(|proposal| match proposal {
            Ok(proposal) => format!("{} {:?}", basis(&proposal.basis), proposal.kept),
            Err(why) => format!("{why:?}"),
        });
        for kind in of_metrics.chain([format!("{active} {}", text("limited"))]) {
            *met.entry(kind).or_default() += 1;
        }
    }
    println!("{met:#?}");
    assert!(met.len() >= 20, "too few kinds of cases: {met:#?}");
}

#[test]
fn decides_as_recorded() {
    compare(&fs::read_to_string(GOLDEN).unwrap(), ZeroSupport::Condition);
}

/// The current decisions of the controller in one of the modules.
fn decided(module: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/controlplane");
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("replicas-{module}"));
    let mut build = Command::new("go");
    build.args(["build", "-trimpath", "-buildvcs=false"]).arg(format!("-modfile={module}")).arg("-o").arg(&program);
    assert!(build.arg("./replicas").current_dir(&folder).env("CGO_ENABLED", "0").status().unwrap().success());
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs Go, which builds Kubernetes' controller"]
fn the_controller_decides_as_recorded() {
    let newest = decided("go.mod");
    if std::env::var_os("METRICLET_WRITE").is_some() {
        fs::write(GOLDEN, &newest).unwrap();
    }
    assert!(newest == fs::read_to_string(GOLDEN).unwrap(), "METRICLET_WRITE=1 writes it again");
    compare(&newest, ZeroSupport::Condition);
    compare(&decided("older.mod"), ZeroSupport::Gate);
}

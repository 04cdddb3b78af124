//! The documentation is correct: its configurations pass `metriclet check`, its flags and links exist.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::documents::{blocks, documents, flags};
use common::{file, run};
use metriclet::internals::promql::{self, Expr};

#[test]
fn configurations_are_valid() {
    let mut checked = 0;
    for (path, text) in documents() {
        let blocks = blocks(&text).into_iter().filter(|(_, language, _)| *language == "yaml");
        // tests/manifests.py checks Kubernetes objects.
        for (line, _, config) in blocks.filter(|(_, _, text)| !text.starts_with("apiVersion:")) {
            // The chart's values contain an indented configuration.
            let config = match config.strip_prefix("# values.yaml\nconfig:\n  ") {
                Some(values) => values.replace("\n  ", "\n"),
                None => config,
            };
            assert!(
                config.starts_with("sources:") || config.starts_with("# metrics.yaml"),
                "{}:{line}: a configuration starts with sources: or # metrics.yaml; other YAML needs a separate test",
                path.display()
            );
            let (code, _, problems) = run(&["check", file("metrics.yaml", &config).to_str().unwrap()]);
            assert_eq!(code, 0, "{}:{line}: {problems}", path.display());
            checked += 1;
        }
    }
    assert!(checked >= 6, "only {checked} configurations found");
}

#[test]
fn expressions_parse() {
    let limits = promql::Limits { bytes: 4096, depth: 32, nodes: 256, regex: 64 * 1024 };
    let mut parsed = 0;
    for (path, text) in documents() {
        for (line, _, block) in blocks(&text).into_iter().filter(|(_, language, _)| *language == "promql") {
            for expression in block.lines() {
                let result = Expr::parse(expression, &limits);
                assert!(result.is_ok(), "{}:{line}: {expression}: {result:?}", path.display());
                parsed += 1;
            }
        }
    }
    assert!(parsed >= 10, "only {parsed} expressions found");
}

#[test]
fn flags_exist() {
    let help = [
        "--help",
        "serve --help",
        "check --help",
        "get --help",
        "explain --help",
        "certs --help",
        "certs renew --help",
        "convert --help",
        "probe --help",
        "rbac --help",
    ]
    .map(|arguments| run(&arguments.split(' ').collect::<Vec<_>>()).1)
    .concat();
    let known: BTreeSet<&str> = flags(&help).collect();
    let mut seen = BTreeSet::new();
    for (path, text) in documents() {
        let ours = |line: &&str| {
            line.contains("metriclet ") && !["scripts/", "kubectl ", "helm "].iter().any(|other| line.contains(other))
        };
        for line in text.lines().filter(|line| ours(line) || path.ends_with("docs/cli.md")) {
            for flag in flags(line) {
                assert!(known.contains(flag), "{}: no flag {flag}: {line}", path.display());
                seen.insert(flag.to_owned());
            }
        }
    }
    for flag in ["--config", "--upstream", "--describes", "--listen", "--output"] {
        assert!(seen.contains(flag), "no document describes {flag}");
    }
}

/// docs/cli.md describes every event that `metriclet get -v` prints, and no other.
#[test]
fn every_event_is_described() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let source = read("src/metrics/trace.rs");
    let topics = source.split("fn topic").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let topics: BTreeSet<&str> = topics.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let page = read("docs/cli.md");
    let rows = page.lines().skip_while(|line| !line.starts_with("| Event |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|')).map(|line| line.split('|').nth(1).unwrap());
    let described: BTreeSet<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(topics.len() > 10 && topics == described, "{topics:?} {described:?}");
}

/// README.md lists the cases that run under a control plane. It claims no results: those are printed by each run.
#[test]
fn readme_lists_the_cases_under_a_control_plane() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let cases = read("tests/cluster/cases/mod.rs");
    let names: Vec<_> = cases.split("name: \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(names.len() >= 10, "only {} cases found", names.len());
    let readme = read("README.md");
    let (_, section) = readme.split_once("\n## Under a real control plane\n").unwrap();
    let section = section.split("\n## ").next().unwrap().replace("\n  ", " ");
    let listed: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("- ")).collect();
    assert_eq!(listed, names);
}

#[test]
fn links_have_targets() {
    let mut followed = 0;
    for (path, text) in documents() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("https://") {
                continue;
            }
            let (to, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if to.is_empty() { path.clone() } else { path.with_file_name(to) };
            let page = fs::read_to_string(&to).unwrap_or_else(|_| panic!("{}: no {target}", path.display()));
            let headings = page.lines().filter(|line| line.starts_with('#')).map(heading_anchor);
            assert!(
                anchor.is_empty() || headings.into_iter().any(|it| it == anchor),
                "{}: no heading for {target}",
                path.display()
            );
            followed += 1;
        }
    }
    assert!(followed >= 20, "only {followed} links found");
}

/// GitHub's anchors: lower case, dashes for spaces, no other punctuation.
fn heading_anchor(line: &str) -> String {
    let heading = line.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The reference contains each key of the configuration file.
#[test]
fn the_reference_lists_every_key() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reference = fs::read_to_string(root.join("docs/configuration.md")).unwrap();
    let mut keys = 0;
    for file in ["source.rs", "rule.rs"] {
        let code = fs::read_to_string(root.join("src/config/file").join(file)).unwrap();
        let list = code.split("const KEYS: &[&str] = &[").nth(1).and_then(|rest| rest.split("];").next()).unwrap();
        for key in list.split('"').skip(1).step_by(2) {
            assert!(reference.contains(&format!("`{key}`")), "docs/configuration.md does not name {key}");
            keys += 1;
        }
    }
    assert!(keys >= 30, "only {keys} keys found");
}

/// GitHub's actions are pinned by hash, and have write permissions only if a job declares them.
#[test]
fn workflows_are_pinned() {
    let mut uses = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\npermissions:\n  contents: read\n\n"), "{}: permissions", path.display());
        for action in text.lines().filter_map(|line| line.split("uses: ").nth(1)) {
            let (_, commit) = action.split_once('@').unwrap();
            let (commit, version) = commit.split_once(" # v").unwrap_or((commit, ""));
            let pinned = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()) && !version.is_empty();
            assert!(pinned, "{}: {action}", path.display());
            uses += 1;
        }
    }
    assert!(uses >= 5, "only {uses} actions found");
}

/// CI's list of fuzz targets is that of the fuzz package.
#[test]
fn every_fuzz_target_runs_each_night() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workflow = fs::read_to_string(root.join(".github/workflows/fuzz.yml")).unwrap();
    let list = workflow.split("target: [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    let listed: BTreeSet<String> = list.split(", ").map(str::to_owned).collect();
    let targets = fs::read_dir(root.join("fuzz/fuzz_targets")).unwrap();
    let targets: BTreeSet<String> =
        targets.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(listed, targets);
    let page = fs::read_to_string(root.join("docs/fuzzing.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |")).map(|(names, _)| names);
    let described: BTreeSet<String> =
        rows.flat_map(|names| names.split(", ")).map(|name| name.trim_matches('`').to_owned()).collect();
    assert_eq!(described, targets, "docs/fuzzing.md");
}

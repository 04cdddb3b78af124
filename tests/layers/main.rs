//! Rules that the compiler does not check: which layers and crates a layer may use, no cycles between the files of a layer,
//! and unique type names in a layer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod code;
mod cycles;

use std::fs;
use std::path::{Path, PathBuf};

use code::code;

/// The layers from left to right. Layers that share a place in this table must not use each other.
const LAYERS: &[&[&str]] = &[
    &["exposition"],
    &["parse"],
    &["promql"],
    &["kube"],
    &["autoscaling"],
    &["config", "telemetry"],
    &["cache", "convert"],
    &["http"],
    &["source", "kube_api", "forward"],
    &["metrics", "conformance"],
    &["status"],
    &["api"],
    &["server"],
    &["command"],
    &["app"],
    &["main", "bin", "lib", "internals"],
];

/// Paths that a pure layer must not use.
const IMPURE: &[&str] =
    &["std::fs", "std::io", "std::net", "std::thread", "std::env", "std::process", "Instant", "SystemTime", "log::"];

/// Crates that only some layers may use.
const OWNERS: &[(&str, &[&str])] = &[
    ("ureq", &["http"]),
    ("tiny_http", &["server"]),
    ("TcpListener", &["server"]),
    ("rustls", &["parse", "http", "api", "server", "command"]),
];

/// The maximum lines of a file. A longer one probably has several purposes.
const LONGEST: usize = 400;

/// The violations in a file; `path` is relative to `src`.
fn problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.lines().count() > LONGEST {
        problems.push(format!("{path}: more than {LONGEST} lines"));
    }
    if path.ends_with("tests.rs") || path.split('/').any(|part| part == "tests") {
        return problems;
    }
    let layer = path.split(['/', '.']).next().unwrap_or_default();
    let Some(place) = place(layer) else { return vec![format!("{path}: {layer} is in no layer")] };
    let code = code(text);
    for used in crate_paths(&code) {
        match self::place(&used) {
            None => problems.push(format!("{path}: uses crate::{used}, which is not a layer")),
            Some(other) if other < place || used == layer => {}
            Some(_) => problems.push(format!("{path}: uses crate::{used}, which is not to its left")),
        }
    }
    if matches!(layer, "parse" | "promql" | "kube" | "autoscaling" | "convert") {
        // Braces are another notation. (`core::net` contains only addresses.)
        let used: Vec<String> = cycles::uses(&code).iter().map(|path| path.join("::")).collect();
        let is_used = |word: &str| names(&code, word) || used.iter().any(|path| path.starts_with(word));
        for word in IMPURE.iter().filter(|word| is_used(word)) {
            problems.push(format!("{path}: uses {word}, and {layer} is pure"));
        }
    }
    for (library, owners) in OWNERS {
        if names(&code, &format!("{library}::")) && !owners.contains(&layer) {
            problems.push(format!("{path}: uses {library}, which belongs to {}", owners.join(", ")));
        }
    }
    problems
}

fn place(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|layers| layers.contains(&layer))
}

/// The first segment after each `crate::`, those in braces included.
fn crate_paths(code: &str) -> Vec<String> {
    let segment = |text: &str| {
        text.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
    };
    let mut found = Vec::new();
    for after in code.split("crate::").skip(1) {
        let Some(list) = after.trim_start().strip_prefix('{') else {
            found.push(segment(after));
            continue;
        };
        let (mut depth, mut first) = (0, true);
        for (at, c) in list.char_indices() {
            if first {
                found.push(segment(&list[at..]));
            }
            first = depth == 0 && c == ',';
            depth += i32::from(c == '{') - i32::from(c == '}');
            if depth < 0 {
                break;
            }
        }
    }
    found.retain(|segment| !segment.is_empty());
    found
}

/// Whether `word` occurs in the code, not as the end of a longer name or path.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let path = code[..at].ends_with("::") && !word.starts_with("std") && word.ends_with("::");
        !path && before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Path below `src` and text of each file. The crate `exposition` is read as a layer of that name.
fn sources() -> Vec<(String, String)> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |root: PathBuf| {
        let mut paths = Vec::new();
        files(&root, &mut paths);
        let name = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect::<Vec<_>>()
    };
    let exposition = read(package.join("exposition/src")).into_iter().map(|(path, text)| {
        let path = if path == "lib.rs" { "mod.rs" } else { &path };
        (format!("exposition/{path}"), text.replace("crate::", "crate::exposition::"))
    });
    read(package.join("src")).into_iter().chain(exposition).collect()
}

#[test]
fn layers_use_only_those_before_them() {
    let sources = sources();
    let (mut wrong, mut arrows) = (Vec::new(), 0);
    for (path, text) in &sources {
        arrows += crate_paths(&code(text)).len();
        wrong.extend(problems(path, text));
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        sources.len() > 50 && arrows > 100,
        "{} files, {arrows} uses found: is this the right folder?",
        sources.len()
    );
}

#[test]
fn finds_violations() {
    let right = "is not to its left";
    for (path, text, expected) in [
        (
            "parse/a.rs",
            "use crate::config::limits::Limits;",
            vec![format!("parse/a.rs: uses crate::config, which {right}")],
        ),
        (
            "parse/a.rs",
            "fn f() -> crate::kube::Status {}",
            vec![format!("parse/a.rs: uses crate::kube, which {right}")],
        ),
        (
            "source/a/b.rs",
            "use crate::{parse::x, api::{Api, config}, kube_api};",
            vec![
                format!("source/a/b.rs: uses crate::api, which {right}"),
                format!("source/a/b.rs: uses crate::kube_api, which {right}"),
            ],
        ),
        (
            "telemetry/a.rs",
            "pub(crate) use crate::config::x;",
            vec![format!("telemetry/a.rs: uses crate::config, which {right}")],
        ),
        ("api/mod.rs", "use crate::util::x;", vec!["api/mod.rs: uses crate::util, which is not a layer".to_owned()]),
        ("util.rs", "", vec!["util.rs: util is in no layer".to_owned()]),
        (
            "parse/a.rs",
            "use std::time::{Duration, Instant};",
            vec!["parse/a.rs: uses Instant, and parse is pure".to_owned()],
        ),
        (
            "kube/a.rs",
            "let x = std::fs::read(y); log::info!();",
            vec![
                "kube/a.rs: uses std::fs, and kube is pure".to_owned(),
                "kube/a.rs: uses log::, and kube is pure".to_owned(),
            ],
        ),
        ("metrics/a.rs", "fn f(_: ureq::Error) {}", vec!["metrics/a.rs: uses ureq, which belongs to http".to_owned()]),
        (
            "command/a.rs",
            "use tiny_http::Server;",
            vec!["command/a.rs: uses tiny_http, which belongs to server".to_owned()],
        ),
        ("api/a.rs", &"\n".repeat(LONGEST + 1), vec![format!("api/a.rs: more than {LONGEST} lines")]),
        ("api/tests.rs", &"\n".repeat(LONGEST + 1), vec![format!("api/tests.rs: more than {LONGEST} lines")]),
        ("parse/a.rs", "use std::{fmt, io::Read};", vec!["parse/a.rs: uses std::io, and parse is pure".to_owned()]),
        // Nothing wrong.
        ("api/a.rs", "use crate::{parse, metrics::x};\nuse crate::api::y;\nuse super::z;", vec![]),
        ("command/a.rs", "use crate::app;", vec![format!("command/a.rs: uses crate::app, which {right}")]),
        ("app.rs", "use crate::command;", vec![]),
        ("server/secure/a.rs", "use rustls::ServerConfig;\nuse crate::api::Api;", vec![]),
        (
            "parse/a.rs",
            "// use crate::api;\n/// [`crate::server`]\nconst A: &str = \"crate::api \\\" std::fs\";",
            vec![],
        ),
        ("parse/a.rs", "const A: char = '\"';\n#[cfg(test)]\nmod tests {\n fn f() { crate::api::g(); }\n}\n", vec![]),
        ("parse/a.rs", "#[cfg(test)]\nmod tests;\nuse crate::parse::x;", vec![]),
        ("parse/a/tests.rs", "use crate::api::x;", vec![]),
        ("parse/tests/a.rs", "use crate::api::x;", vec![]),
        ("parse/a.rs", "let catalog::x = dialog::y;", vec![]),
    ] {
        assert_eq!(problems(path, text), expected, "{path}: {text}");
    }
    // Code after a module of tests is checked.
    let text = "#[cfg(test)]\nmod tests { fn f() { { } } }\nuse crate::api::x;";
    assert_eq!(problems("parse/a.rs", text), [format!("parse/a.rs: uses crate::api, which {right}")]);
}

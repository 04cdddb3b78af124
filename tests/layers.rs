//! The house rules that the compiler does not know: which layer may use which, and what a layer may touch.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::path::{Path, PathBuf};

/// The layers from left to right. Those that share a place in this table stand side by side and leave each other alone,
/// but for `command` and `app`.
const LAYERS: &[&[&str]] = &[
    &["parse"],
    &["promql"],
    &["kube"],
    &["config", "telemetry"],
    &["source", "kube_api"],
    &["metrics"],
    &["api"],
    &["server"],
    &["command", "app"],
    &["main", "lib"],
];

/// What a pure layer cannot be without ceasing to be pure.
const IMPURE: &[&str] =
    &["std::fs", "std::net", "std::thread", "std::env", "std::process", "Instant", "SystemTime", "log::"];

/// Crates that only some layers know.
const OWNERS: &[(&str, &[&str])] = &[
    ("ureq", &["source", "kube_api"]),
    ("tiny_http", &["server"]),
    ("rustls", &["parse", "source", "kube_api", "api", "server", "command"]),
];

/// Lines of one file. One that says several things is asking to be two.
const LONGEST: usize = 420;

/// What is wrong with one file; `path` is below `src`.
fn problems(path: &str, text: &str) -> Vec<String> {
    if path.ends_with("tests.rs") || path.split('/').any(|part| part == "tests") {
        return Vec::new();
    }
    let layer = path.split(['/', '.']).next().unwrap_or_default();
    let Some(place) = place(layer) else { return vec![format!("{path}: {layer} is in no layer")] };
    let mut problems = Vec::new();
    if text.lines().count() > LONGEST {
        problems.push(format!("{path}: more than {LONGEST} lines"));
    }
    let code = code(text);
    for used in crate_paths(&code) {
        let beside = |other: &str| matches!((layer, other), ("command", "app") | ("app", "command"));
        match self::place(&used) {
            None => problems.push(format!("{path}: uses crate::{used}, which is no layer")),
            Some(other) if other < place || used == layer || beside(&used) => {}
            Some(_) => problems.push(format!("{path}: uses crate::{used}, which stands to its right or beside it")),
        }
    }
    if matches!(layer, "parse" | "promql" | "kube") {
        for word in IMPURE.iter().filter(|word| names(&code, word)) {
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

/// The text without comments, without what stands in quotes, and without modules that only tests compile.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            quoted(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'{'") || rest.starts_with("'}'") {
            3
        } else if rest.starts_with("'\\") {
            rest.char_indices().skip(3).find(|(_, c)| *c == '\'').map_or(rest.len(), |(at, _)| at + 1)
        } else {
            0
        };
        let kept = if skipped == 0 { c.len_utf8() } else { 0 };
        code.push_str(&rest[..kept]);
        rest = &rest[kept.max(skipped)..];
    }
    without_tests(&code)
}

/// The length of a string literal that `text` starts with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        // Up to the end of the item: its semicolon, or the brace that closes its first one.
        let mut depth = 0;
        let end = after.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0 && matches!(c, ';' | '}')
        });
        rest = end.map_or("", |(at, _)| &after[at + 1..]);
    }
    kept + rest
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

/// Whether `word` stands in the code by itself, not at the end of a longer name or path.
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

#[test]
fn layers_use_only_those_before_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let (mut wrong, mut arrows) = (Vec::new(), 0);
    for path in &paths {
        let text = fs::read_to_string(path).unwrap();
        arrows += crate_paths(&code(&text)).len();
        wrong.extend(problems(path.strip_prefix(&root).unwrap().to_str().unwrap(), &text));
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(paths.len() > 50 && arrows > 100, "{} files, {arrows} arrows: is this the right place?", paths.len());
}

#[test]
fn sees_what_is_wrong() {
    let right = "stands to its right or beside it";
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
        ("api/mod.rs", "use crate::util::x;", vec!["api/mod.rs: uses crate::util, which is no layer".to_owned()]),
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
        (
            "metrics/a.rs",
            "fn f(_: ureq::Error) {}",
            vec!["metrics/a.rs: uses ureq, which belongs to source, kube_api".to_owned()],
        ),
        (
            "command/a.rs",
            "use tiny_http::Server;",
            vec!["command/a.rs: uses tiny_http, which belongs to server".to_owned()],
        ),
        ("api/a.rs", &"\n".repeat(LONGEST + 1), vec![format!("api/a.rs: more than {LONGEST} lines")]),
        // Nothing wrong.
        ("api/a.rs", "use crate::{parse, metrics::x};\nuse crate::api::y;\nuse super::z;", vec![]),
        ("command/a.rs", "use crate::app;", vec![]),
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
    // What stands after a module of tests is looked at.
    let text = "#[cfg(test)]\nmod tests { fn f() { { } } }\nuse crate::api::x;";
    assert_eq!(problems("parse/a.rs", text), [format!("parse/a.rs: uses crate::api, which {right}")]);
}

//! Protobuf, YAML and JSON as Kubernetes' own serializers print them. Their output is recorded in `tests/fixtures`, so that
//! tests of the types need no Go; this test compares the recordings with the serializers' current output, and our YAML of
//! generated values with theirs. Without Go it is skipped.
//!
//! `METRICLET_RECORD=1 cargo test --test encodings` records it again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use metriclet::internals::kube::yaml;
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Builds the program in `tests/encodings`; `None` without Go.
fn serializers(name: &str) -> Option<PathBuf> {
    if !common::has("go") {
        return None;
    }
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg(".").current_dir(Path::new(ROOT).join("tests/encodings"));
    assert!(build.status().unwrap().success(), "Kubernetes' serializers could not be built");
    Some(program)
}

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn is_recorded_as_kubernetes_prints_it() {
    let Some(program) = serializers("encodings-record") else { return };
    for (what, file) in [("objects", "encodings.jsonl"), ("texts", "yaml-texts.jsonl")] {
        let path = Path::new(ROOT).join("tests/fixtures").join(file);
        let printed = output(Command::new(&program).arg(what));
        if std::env::var_os("METRICLET_RECORD").is_some() {
            fs::write(&path, &printed).unwrap();
        }
        let recorded = fs::read_to_string(&path).unwrap();
        assert!(printed.lines().count() > 50 && printed.lines().eq(recorded.lines()), "{file} is out of date");
    }
}

/// The pieces of generated texts, which have a meaning in YAML.
const PIECES: &str = "a Z 0 1 9 07 12 60 _ . , - + : e E x o b T t # ' \" \\ ? ! & * [ ] { } | > % @ ` = < ~ / ; ü ✓ 😀 \u{a0} \u{1} \t \r \
                      true No y null .inf --- ... 2026-08-18 02:35:04 0x 0b 1e";
const SPACED: [&str; 5] = [" ", "  ", "\n", "word word ", "a long stretch of text without end "];

/// Pseudorandom numbers with a fixed seed, and the pieces of texts.
struct Random(u64, Vec<&'static str>);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // Knuth's multiplier; the upper half is pseudorandom.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn piece(&mut self) -> &'static str {
        let at = self.below(self.1.len());
        self.1[at]
    }

    /// A text that both serializers quote in the same way.
    fn text(&mut self) -> String {
        loop {
            let pieces = [1, 2, 3, 4, 6, 12, 24][self.below(7)];
            let text: String = (0..pieces).map(|_| self.piece()).collect();
            let number = text.replace('_', "");
            let digits = number.trim_start_matches(['+', '-']).trim_start_matches(['0', 'x', 'b', 'o', '+', '-']);
            let is_beyond_64_bits = (digits.len() > 15 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                || number.parse::<f64>().is_ok_and(f64::is_infinite);
            if text != "<<" && !is_beyond_64_bits {
                return text;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 0),
            2 => json!(self.below(1 << 31) as i64 - (1 << 30)),
            3..=5 => Value::String(self.text()),
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            // One key, because Go's order of several keys varies.
            _ => (0..self.below(2)).map(|_| (self.text(), self.value(depth - 1))).collect(),
        }
    }
}

#[test]
fn prints_yaml_as_kubernetes_does() {
    let Some(program) = serializers("encodings-yaml") else { return };
    let mut random = Random(1, PIECES.split(' ').chain(SPACED).collect());
    let values: Vec<Value> = (0..10_000)
        .map(
            |number| {
                if number % 4 == 0 { random.value(4) } else { json!({"k": random.text(), "list": [random.text()]}) }
            },
        )
        .collect();
    let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
    let input = common::file("values.jsonl", &lines);
    let printed = output(Command::new(&program).arg("yaml").stdin(File::open(input).unwrap()));
    assert_eq!(printed.lines().count(), values.len());
    for (value, line) in values.iter().zip(printed.lines()) {
        let theirs: String = serde_json::from_str(line).unwrap();
        assert_eq!(yaml::print(value), theirs, "{value}");
    }
}

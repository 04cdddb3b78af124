use serde_json::{Value, json};

use super::*;

const TEXTS: &str = include_str!("../../../tests/fixtures/yaml-texts.jsonl");
const OBJECTS: &str = include_str!("../../../tests/fixtures/encodings.jsonl");

fn lines(recorded: &str) -> impl Iterator<Item = Value> {
    recorded.lines().map(|line| serde_json::from_str(line).unwrap())
}

#[test]
fn prints_texts_as_kubernetes_does() {
    let mut count = 0;
    for line in lines(TEXTS) {
        let text = line["text"].as_str().unwrap();
        assert_eq!(print(&json!({"k": text})), line["value"].as_str().unwrap(), "{text:?}");
        assert_eq!(print(&json!({text: "v"})), line["key"].as_str().unwrap(), "{text:?}");
        count += 1;
    }
    assert_eq!(count, 293);
}

#[test]
fn prints_objects_as_kubernetes_does() {
    let mut count = 0;
    for line in lines(OBJECTS) {
        let object: Value = serde_json::from_str(line["json"].as_str().unwrap()).unwrap();
        assert_eq!(print(&object), line["yaml"].as_str().unwrap(), "{}", line["name"]);
        count += 1;
    }
    assert_eq!(count, 98);
}

/// Cases in which other libraries read yaml.v2's output as a different value.
#[test]
fn quotes_more_than_kubernetes_does() {
    let beyond_64_bits = format!("0b{}", "1".repeat(65));
    for (text, printed) in [
        ("1e999", "\"1e999\""),
        ("-.5e999", "\"-.5e999\""),
        ("0xffffffffffffffffff", "\"0xffffffffffffffffff\""),
        (&*beyond_64_bits, &*format!("\"{beyond_64_bits}\"")),
        ("a\u{2028}b\u{2029}", "\"a\\Lb\\P\""),
        ("a\u{85}b\u{7f}", "\"a\\Nb\\x7F\""),
    ] {
        assert_eq!(print(&json!([text])), format!("- {printed}\n"));
    }
    assert_eq!(print(&json!({"<<": "<<"})), "\"<<\": <<\n");
}

#[test]
fn nests_lists_and_mappings() {
    for (value, printed) in [
        (json!(null), "null\n"),
        (json!([]), "[]\n"),
        (json!("a\nb\n"), "|\n  a\n  b\n"),
        (
            json!([[1, [2]], {"a": [{"b": {}}], "c": {"d": -1.5}}]),
            "- - 1\n  - - 2\n- a:\n  - b: {}\n  c:\n    d: -1.5\n",
        ),
        (json!({"a\nb": [1, {"c": true}]}), "? |-\n  a\n  b\n: - 1\n  - c: true\n"),
    ] {
        assert_eq!(print(&value), printed);
    }
}

/// `a9` < `a10` < `a1b` < `a9`: any order is acceptable.
#[test]
fn sorts_keys_without_a_total_order() {
    let keys: Map<String, Value> = (0..40)
        .flat_map(|number| [format!("a{number}"), format!("a{number}b"), format!("a0{number}"), format!("a{number}-")])
        .map(|key| (key, Value::Null))
        .collect();
    assert_eq!(print(&Value::Object(keys)).lines().count(), 160);
}

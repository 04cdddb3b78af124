//! YAML of any JSON value without fractions: our YAML parser parses it to the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::kube::yaml::print;
use metriclet::internals::parse::yaml::{YamlLimits, parse_page};
use serde_json::Value;

const LIMITS: YamlLimits = YamlLimits { bytes: 1 << 20, depth: 128, nodes: 1 << 16 };

fuzz_target!(|json: &str| {
    // The input as a string and, if it is JSON, as the value.
    let mut values = vec![Value::from(json), serde_json::json!({json: [json], "k": {json: json}})];
    values.extend(serde_json::from_str::<Value>(json).ok().filter(is_plain));
    for value in values {
        let printed = print(&value);
        assert!(printed.ends_with('\n'));
        let read = parse_page(printed.as_bytes(), &LIMITS);
        assert_eq!(read.as_ref(), Ok(&value), "{printed}");
    }
});

/// Whether all numbers survive the round trip: our parser reads others than 64-bit integers as floats.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64(),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Object(members) => members.values().all(is_plain),
        _ => true,
    }
}

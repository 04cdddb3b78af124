//! YAML of any JSON value without fractions: our reader of YAML pages reads the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::kube::yaml::print;
use metriclet::internals::parse::yaml::{YamlLimits, parse_page};
use serde_json::Value;

const LIMITS: YamlLimits = YamlLimits { bytes: 1 << 20, depth: 128, nodes: 1 << 16 };

fuzz_target!(|json: &str| {
    // A text in its own right, and whatever the input is JSON of.
    let mut values = vec![Value::from(json), serde_json::json!({json: [json], "k": {json: json}})];
    values.extend(serde_json::from_str::<Value>(json).ok().filter(is_plain));
    for value in values {
        let printed = print(&value);
        assert!(printed.ends_with('\n'));
        let read = parse_page(printed.as_bytes(), &LIMITS);
        assert_eq!(read.as_ref(), Ok(&value), "{printed}");
    }
});

/// Whether our reader takes it: it keeps numbers to floats, and has its own limits.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64(),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Object(members) => members.values().all(is_plain),
        _ => true,
    }
}

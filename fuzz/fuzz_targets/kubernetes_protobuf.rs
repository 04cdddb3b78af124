//! Arbitrary bytes as an object in Kubernetes' protobuf: no panic, and no object larger than its bytes allow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::conformance::protobuf::decode;
use serde_json::Value;

/// The number of values within a value, and their depth.
fn size(value: &Value) -> (usize, usize) {
    let within: Vec<_> = match value {
        Value::Array(items) => items.iter().map(size).collect(),
        Value::Object(members) => members.values().map(size).collect(),
        _ => Vec::new(),
    };
    let deepest = within.iter().map(|(_, depth)| *depth).max().unwrap_or_default();
    (1 + within.iter().map(|(count, _)| count).sum::<usize>(), 1 + deepest)
}

fuzz_target!(|bytes: &[u8]| {
    match decode(bytes) {
        Ok(object) => {
            let (count, depth) = size(&object);
            // Kind and version come from a few bytes; every other value takes at least a tag.
            assert!(count <= bytes.len() && depth <= 9, "{count} values, {depth} deep: {object}");
            assert!(object["kind"].is_string() && object["apiVersion"].is_string());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

//! YAML pages: a parsed page printed as JSON parses to the same page, because JSON is YAML; and JSON pages equal YAML
//! pages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::json::{PageLimits, parse_page as parse_json};
use metriclet::internals::parse::yaml::{YamlLimits, parse_page};
use serde_json::Value;

const LIMITS: YamlLimits = YamlLimits { bytes: 4096, depth: 8, nodes: 256 };

fuzz_target!(|data: &[u8]| {
    let page = parse_page(data, &LIMITS);
    if let (Ok(page), Ok(json)) = (&page, parse_json(data, &PageLimits { depth: LIMITS.depth, values: LIMITS.nodes })) {
        assert!(same(page, &json), "{page} {json}");
    }
    let Ok(page) = page.inspect_err(|error| assert!(!error.to_string().is_empty() && !error.cause().is_empty())) else {
        return;
    };
    assert!(depth(&page) <= LIMITS.depth);
    // Escapes make a page longer.
    let printed = serde_json::to_string(&page).unwrap();
    let longer = YamlLimits { bytes: printed.len(), ..LIMITS };
    let again = parse_page(printed.as_bytes(), &longer);
    assert!(again.as_ref().is_ok_and(|again| same(again, &page)), "{printed}: {again:?}");
});

/// Whether two values are equal; numbers may differ in the last bits, which serde_json may get wrong: in YAML, `-0` is
/// an integer.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            left == right || (left - right).abs() <= left.abs() * 4.0 * f64::EPSILON
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

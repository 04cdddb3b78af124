//! JSON: paths print as text that parses to the same path; pages equal those of serde_json, except for limits and
//! duplicate keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::json::{JsonExpr, JsonLimits, PageLimits, parse_page};
use serde_json::Value;

const PAGE: PageLimits = PageLimits { depth: 8, values: 256 };

fuzz_target!(|data: &[u8]| {
    let (text, page) = match data.iter().position(|byte| *byte == 0) {
        Some(zero) => (&data[..zero], &data[zero + 1..]),
        None => (data, data),
    };
    let page = parse_page(page, &PAGE).inspect(|value| {
        assert!(depth(value) <= PAGE.depth && count(value) <= PAGE.values);
        assert_eq!(serde_json::from_slice::<Value>(page).ok().as_ref(), Some(value));
    });
    let Ok(text) = str::from_utf8(text) else { return };
    let limits = JsonLimits { bytes: 256 };
    match JsonExpr::parse(text, &limits) {
        Ok(expr) => {
            let printed = expr.to_string();
            // With spaces the printed text may be longer.
            let limits = JsonLimits { bytes: 1_024 };
            assert_eq!(JsonExpr::parse(&printed, &limits).as_ref(), Ok(&expr), "{printed}");
            if let Ok(page) = page {
                for part in expr.parts() {
                    assert!(part.path.query(&page, 100).is_ok_and(|found| found.len() <= 100) || count(&page) > 2);
                }
            }
        }
        Err(error) => assert!(error.column >= 1 && error.column <= text.chars().count() + 1, "{error:?}"),
    }
});

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

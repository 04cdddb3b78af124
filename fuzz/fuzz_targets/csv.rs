//! CSV pages: a parsed page can be printed and parsed again with the same result, within the limit, with every kind of
//! line end.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::csv::{CsvLimits, parse_page};
use serde_json::Value;

const LIMITS: CsvLimits = CsvLimits { values: 256 };

fuzz_target!(|data: &[u8]| {
    let page = parse_page(data, &LIMITS);
    if !data.contains(&b'"') && !data.contains(&b'\r') {
        let text = String::from_utf8_lossy(data).replace('\n', "\r\n");
        assert!(str::from_utf8(data).is_err() || parse_page(text.as_bytes(), &LIMITS) == page);
    }
    let Ok(page) = page.inspect_err(|error| assert_ne!(error.to_string(), "")) else { return };
    let rows: Vec<_> = page.as_array().unwrap().iter().map(|row| row.as_object().unwrap()).collect();
    assert!(rows.iter().map(|row| 1 + row.len()).sum::<usize>() <= LIMITS.values);
    let names: BTreeSet<&String> = rows.iter().flat_map(|row| row.keys()).collect();
    if names.is_empty() {
        return;
    }
    let quoted = |text: &str| format!("\"{}\",", text.replace('"', "\"\""));
    // A comma at the end of each line distinguishes an empty field from a blank line.
    let mut printed = names.iter().map(|name| quoted(name)).collect::<String>() + "\n";
    for row in &rows {
        let field = |name: &&String| row.get(*name).and_then(Value::as_str).map_or(",".to_owned(), quoted);
        printed.extend(names.iter().map(field));
        printed.push('\n');
    }
    assert_eq!(parse_page(printed.as_bytes(), &LIMITS), Ok(page), "{printed}");
});

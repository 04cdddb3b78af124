//! Regular expressions for text: the printed text parses to the same expression, errors have a position, and matches
//! are parts of the page.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::regex::{RegexLimits, TextExpr};

const LIMITS: RegexLimits = RegexLimits { bytes: 256, compiled: 16 * 1024 };

fuzz_target!(|data: &[u8]| {
    let (text, page) = match data.iter().position(|byte| *byte == 0) {
        Some(zero) => (&data[..zero], &data[zero + 1..]),
        None => (data, data),
    };
    let (Ok(text), page) = (str::from_utf8(text), String::from_utf8_lossy(page)) else { return };
    match TextExpr::parse(text, &LIMITS) {
        Ok(expr) => {
            let printed = expr.to_string();
            assert_eq!(TextExpr::parse(&printed, &LIMITS).as_ref(), Ok(&expr), "{printed}");
            let pattern = &expr.pattern;
            assert!(pattern.names_objects() || !pattern.names_namespaces());
            // A match starts after the previous one, even if it is empty.
            let most = page.chars().count() + 1;
            let mut count = 0;
            for found in pattern.matches(&page) {
                count += 1;
                assert!(found.name.is_none() || pattern.names_objects());
                for group in [found.value, found.name, found.namespace].into_iter().flatten() {
                    assert!(page.contains(group) && group.trim() == group);
                }
            }
            assert!(count <= most, "{count} matches in {most} places");
        }
        Err(error) => {
            assert!(error.column >= 1 && error.column <= text.chars().count() + 1, "{error:?}");
            assert_ne!(error.message, "");
        }
    }
});

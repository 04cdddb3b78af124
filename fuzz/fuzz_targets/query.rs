//! Queries: what is encoded the slow way parses to the same; garbage before a parameter never changes it silently.
#![no_main]

use std::fmt::Write;

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::query;

const MAX: usize = 1024;

fuzz_target!(|raw: &str| {
    let Ok(parsed) = query::parse(Some(raw), MAX) else { return };
    assert!(raw.len() <= MAX && !raw.contains(';'));
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (key, value) in [
        ("labelSelector", &parsed.label_selector),
        ("metricLabelSelector", &parsed.metric_label_selector),
        ("fieldSelector", &parsed.field_selector),
        ("hash", &parsed.hash),
    ] {
        pairs.extend(value.as_deref().map(|value| (key, value)));
    }
    for (key, value) in [("pretty", parsed.pretty), ("watch", parsed.watch)] {
        pairs.extend(value.map(|value| (key, if value { "true" } else { "false" })));
    }
    pairs.extend(parsed.verbose.then_some(("verbose", "")));
    pairs.extend(parsed.exclude.iter().map(|name| ("exclude", name.as_str())));
    let mut encoded = String::from("timeout=5s");
    for (key, value) in pairs {
        let _ = write!(encoded, "&{key}=");
        for byte in value.bytes() {
            let _ = write!(encoded, "%{byte:02x}");
        }
        // A second value never counts.
        if !matches!(key, "exclude" | "verbose") {
            let _ = write!(encoded, "&{key}=x");
        }
    }
    assert_eq!(query::parse(Some(&encoded), 16 * MAX), Ok(parsed), "{encoded}");
});

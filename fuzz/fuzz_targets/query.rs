//! Queries: a simple encoding parses to the same query; garbage before a parameter never changes it silently.
#![no_main]

use std::fmt::Write;

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::query::{self, Query};

const MAX: usize = 1024;

fuzz_target!(|raw: &str| {
    let Ok(parsed) = query::parse(Some(raw), MAX) else { return };
    assert!(raw.len() <= MAX && !raw.contains(';'));
    // Lists every field, so that a new parameter does not compile until this encodes it.
    let Query { label_selector, metric_label_selector, field_selector, watch, pretty, hash, rule, verbose, exclude } =
        &parsed;
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (key, value) in [
        ("labelSelector", label_selector),
        ("metricLabelSelector", metric_label_selector),
        ("fieldSelector", field_selector),
        ("hash", hash),
        ("rule", rule),
    ] {
        pairs.extend(value.as_deref().map(|value| (key, value)));
    }
    for (key, value) in [("pretty", pretty), ("watch", watch)] {
        pairs.extend(value.map(|value| (key, if value { "true" } else { "false" })));
    }
    pairs.extend(verbose.then_some(("verbose", "")));
    pairs.extend(exclude.iter().map(|name| ("exclude", name.as_str())));
    let mut encoded = String::from("timeout=5s");
    for (key, value) in pairs {
        let _ = write!(encoded, "&{key}=");
        for byte in value.bytes() {
            let _ = write!(encoded, "%{byte:02x}");
        }
        // Only the first value of a key counts.
        if !matches!(key, "exclude" | "verbose") {
            let _ = write!(encoded, "&{key}=x");
        }
    }
    assert_eq!(query::parse(Some(&encoded), 16 * MAX), Ok(parsed), "{encoded}");
});

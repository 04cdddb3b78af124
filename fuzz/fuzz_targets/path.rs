//! Paths: the printed path parses to the same path, and authorization reviews exactly what is served.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::path::{self, ApiPath};

const MAX: usize = 512;

fuzz_target!(|raw: &str| {
    let Ok(parsed) = path::parse(raw, MAX) else { return };
    assert!(raw.len() <= MAX && raw.starts_with('/'));
    let printed = parsed.to_string();
    // Percent-encoding makes a path at most three times as long.
    assert_eq!(path::parse(&printed, 4 * MAX).as_ref(), Ok(&parsed), "{printed}");
    let Some(asked) = parsed.attributes() else { return };
    for text in [Some(asked.resource), asked.namespace, asked.subresource, asked.name].into_iter().flatten() {
        assert!(!text.is_empty() && !text.chars().any(|c| c.is_control() || c == '/'));
        assert!(!matches!(text, "." | ".."));
    }
    assert_ne!(asked.namespace, Some("*"));
    let metric = match &parsed {
        ApiPath::Metric(metric) => metric,
        ApiPath::External(external) => {
            assert_eq!(
                (asked.namespace, asked.resource),
                (Some(external.namespace.as_str()), external.metric.as_str())
            );
            return assert_eq!((asked.subresource, asked.name), (None, None));
        }
        other => panic!("unexpected authorization attributes: {other}"),
    };
    match asked.subresource {
        Some(subresource) => {
            assert_eq!((subresource, asked.name), (metric.metric.as_str(), Some(metric.name.as_str())));
            assert_eq!((asked.namespace, asked.resource), (metric.namespace.as_deref(), metric.resource.as_str()));
        }
        None => {
            assert_eq!((asked.resource, asked.name), ("metrics", Some(metric.metric.as_str())));
            assert_eq!((asked.namespace, metric.resource.as_str()), (Some(metric.name.as_str()), "namespaces"));
        }
    }
});

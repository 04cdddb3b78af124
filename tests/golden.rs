//! Recorded results of Kubernetes' own parsers of quantities and label selectors.

use metriclet::internals::parse::quantity::{self, Milli};
use metriclet::internals::parse::selector::{Selector, SelectorLimits};
use serde_json::Value;

fn rows(tsv: &str) -> impl Iterator<Item = Vec<&str>> {
    tsv.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

#[test]
fn prints_thousandths_as_kubernetes_does() {
    let mut count = 0;
    for row in rows(include_str!("fixtures/quantity-from-milli.tsv")) {
        let [milli, text] = row[..] else { panic!("{row:?}") };
        assert_eq!(Milli(milli.parse().unwrap()).to_string(), text);
        count += 1;
    }
    assert_eq!(count, 233);
}

/// Negative numbers with more than nine decimals: Kubernetes truncates them and then adds one to the digits.
const KUBERNETES_ERRS: [&str; 5] =
    ["-8890944608.142120360", "-954.522116933886n", "-6900.1228070Ti", "-1.52998419566Pi", "-2.43314708438"];

/// Kubernetes rounds to thousandths away from zero, with overflow; we keep the nearest float.
#[test]
fn reads_quantities_as_kubernetes_does() {
    let (mut read, mut refused, mut wrapped) = (0, 0, 0);
    for row in rows(include_str!("fixtures/quantity-parse.tsv")) {
        let text: String = serde_json::from_str(row[0]).unwrap();
        let found = quantity::parse(&text);
        // Kubernetes accepts a text without digits as zero, by mistake; 1e400 exceeds the range of a float.
        if row[1] == "error" || text == "1e400" || !text.contains(|c: char| c.is_ascii_digit()) {
            assert!(found.is_err(), "{text:?}: {found:?}");
            refused += 1;
            continue;
        }
        let milli = found.unwrap_or_else(|error| panic!("{error}")) * 1_000.0;
        if milli.abs() >= 9.2e18 {
            wrapped += 1;
            continue;
        }
        let expected: f64 = row[2].parse().unwrap();
        let slack = milli.abs() * 1e-15 + 1e-9;
        let rounded = (milli - expected) * -milli.signum();
        let wrong = KUBERNETES_ERRS.contains(&text.as_str());
        assert_ne!((-slack..=1.0 + slack).contains(&rounded), wrong, "{text}: {milli} {expected}");
        read += 1;
    }
    assert_eq!((read, refused, wrapped), (139, 58, 57));
}

#[test]
fn selects_as_kubernetes_does() {
    let mut lines =
        include_str!("fixtures/selectors.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let sets = lines.next().unwrap();
    let sets = sets["label_sets"].as_array().unwrap();
    let limits = SelectorLimits { bytes: 8192, requirements: 64 };
    let mut count = 0;
    for row in lines {
        let text = row["selector"].as_str().unwrap();
        let parsed = Selector::parse(text, &limits);
        assert_eq!(parsed.is_ok(), row["valid"], "{text:?}: {parsed:?}");
        count += 1;
        let Ok(selector) = parsed else { continue };
        assert_eq!(selector.to_string(), row["canonical"], "{text:?}");
        assert_eq!(Selector::parse(&selector.to_string(), &limits).as_ref(), Ok(&selector), "{text:?}");
        for (labels, matches) in sets.iter().zip(row["matches"].as_array().unwrap()) {
            assert_eq!(selector.matches(|key| labels.get(key)?.as_str()), *matches, "{text:?} on {labels}");
        }
    }
    assert_eq!(count, 308);
}

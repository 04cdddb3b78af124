//! The differences between the values of two adapters.

use std::collections::HashMap;

use crate::kube::custom_metrics::MetricValue;
use crate::kube::external_metrics::ExternalMetricValue;
use crate::parse::quantity::Milli;

/// The comparison of two adapters' answers to one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Difference {
    /// The largest relative difference of an object; for external metrics that of the sums. `None` if no object has a
    /// value in both answers.
    pub(crate) ratio: Option<f64>,
    /// Whether both answers contain the same objects.
    pub(crate) is_of_same_objects: bool,
}

/// Compares the values of each object.
pub(crate) fn of_objects(ours: &[MetricValue], theirs: &[MetricValue]) -> Difference {
    let key = |value: &'_ MetricValue| {
        let object = &value.described_object;
        (object.namespace.clone().unwrap_or_default(), object.name.clone())
    };
    let known: HashMap<_, Milli> = ours.iter().map(|value| (key(value), value.value)).collect();
    let both: Vec<f64> =
        theirs.iter().filter_map(|value| Some(ratio(known.get(&key(value))?.0, value.value.0))).collect();
    let is_of_same_objects = both.len() == ours.len() && both.len() == theirs.len();
    Difference { ratio: both.into_iter().reduce(f64::max), is_of_same_objects }
}

/// Compares the sums, because the HPA controller adds the values up, and adapters use different labels. An answer without
/// values differs from one with values.
pub(crate) fn of_external(ours: &[ExternalMetricValue], theirs: &[ExternalMetricValue]) -> Difference {
    let sum = |values: &[ExternalMetricValue]| values.iter().map(|value| i128::from(value.value.0)).sum::<i128>();
    let ratio = (!ours.is_empty() && !theirs.is_empty()).then(|| ratio(sum(ours), sum(theirs)));
    Difference { ratio, is_of_same_objects: ours.is_empty() == theirs.is_empty() }
}

/// The difference of two numbers relative to the one with the larger absolute value: 0 if they are equal, 1 if only one is
/// zero, up to 2 if their signs differ.
fn ratio(a: impl Into<i128>, b: impl Into<i128>) -> f64 {
    let (a, b) = (a.into() as f64, b.into() as f64);
    let size = a.abs().max(b.abs());
    if size == 0.0 { 0.0 } else { (a - b).abs() / size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::meta::{ObjectReference, Time};

    fn values(values: &[(&str, i64)]) -> Vec<MetricValue> {
        let value = |(name, value): &(&str, i64)| MetricValue {
            described_object: ObjectReference {
                kind: "Pod".into(),
                namespace: Some("shop".into()),
                name: (*name).to_owned(),
                api_version: "v1".into(),
            },
            timestamp: Time(0),
            window_seconds: None,
            value: Milli(*value),
        };
        values.iter().map(value).collect()
    }

    #[test]
    fn compares_each_object() {
        for (ours, theirs, ratio, is_of_same_objects) in [
            (&[("a", 10)][..], &[("a", 10)][..], Some(0.0), true),
            (&[("a", 0)], &[("a", 0)], Some(0.0), true),
            (&[("a", 9)], &[("a", 10)], Some(0.1), true),
            (&[("a", 10)], &[("a", 9)], Some(0.1), true),
            (&[("a", 0)], &[("a", 9)], Some(1.0), true),
            (&[("a", -9)], &[("a", 9)], Some(2.0), true),
            (&[("a", i64::MAX)], &[("a", i64::MIN)], Some(2.0), true),
            (&[("a", 10), ("b", 5)], &[("b", 10), ("a", 10)], Some(0.5), true),
            (&[("a", 10), ("b", 5)], &[("a", 10)], Some(0.0), false),
            (&[("a", 10)], &[("b", 10)], None, false),
            (&[], &[("b", 10)], None, false),
        ] {
            let found = of_objects(&values(ours), &values(theirs));
            assert_eq!(found, Difference { ratio, is_of_same_objects }, "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn compares_sums_of_external_values() {
        let values = |values: &[i64]| {
            let value = |value: &i64| ExternalMetricValue {
                metric_labels: std::collections::BTreeMap::new(),
                timestamp: Time(0),
                window_seconds: None,
                value: Milli(*value),
            };
            values.iter().map(value).collect::<Vec<_>>()
        };
        for (ours, theirs, ratio) in [
            (&[1, 2][..], &[3][..], Some(0.0)),
            (&[i64::MAX, i64::MAX], &[i64::MAX], Some(0.5)),
            (&[0], &[1], Some(1.0)),
            (&[], &[1], None),
        ] {
            assert_eq!(of_external(&values(ours), &values(theirs)).ratio, ratio, "{ours:?} {theirs:?}");
        }
    }
}

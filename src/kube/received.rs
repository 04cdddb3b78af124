//! The JSON responses of other servers of these APIs: lists of values, lists of resources, Statuses.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::custom_metrics::MetricValue;
use super::external_metrics::ExternalMetricValue;
use super::meta::{ObjectReference, Time, or_default};
use super::status::{Details, Status};
use crate::parse::decimal::Decimal;
use crate::parse::path::{CUSTOM_METRICS, EXTERNAL_METRICS};
use crate::parse::quantity::Milli;

/// A valid response.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// The values of an object metric, and its name unless there are no values.
    Custom(Option<String>, Vec<MetricValue>),
    /// The values of an external metric, and its name unless there are no values.
    External(Option<String>, Vec<ExternalMetricValue>),
    /// The resources of a version of a group.
    Resources(Vec<ReceivedResource>),
    /// A failure.
    Failure(Box<ReceivedStatus>),
}

/// A resource in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ReceivedResource {
    /// `pods/http_requests`, or an external metric.
    pub name: String,
    #[serde(default)]
    pub namespaced: bool,
}

/// A Status that is a failure. Its code is ignored in favour of that of the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedStatus {
    reason: String,
    /// The reason in words.
    pub message: String,
    details: Option<Details>,
}

/// The keys of all these objects. Each object has some of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyObject {
    kind: String,
    api_version: String,
    items: Option<Vec<AnyValue>>,
    resources: Option<Vec<ReceivedResource>>,
    status: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    message: String,
    #[serde(default, deserialize_with = "or_default")]
    reason: String,
    details: Option<Details>,
}

/// A value of either group, in any version.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue {
    described_object: Option<AnyReference>,
    metric_name: Option<String>,
    /// The name of an object's metric in `v1beta2`.
    metric: Option<AnyMetric>,
    metric_labels: Option<BTreeMap<String, String>>,
    timestamp: Option<String>,
    /// The name of `windowSeconds` in `v1beta1`.
    window: Option<i64>,
    window_seconds: Option<i64>,
    value: Quantity,
}

#[derive(Deserialize)]
struct AnyMetric {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyReference {
    #[serde(default, deserialize_with = "or_default")]
    kind: String,
    namespace: Option<String>,
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    api_version: String,
}

/// A quantity as text or as a number; Kubernetes accepts both.
#[derive(Deserialize)]
#[serde(untagged)]
enum Quantity {
    Text(String),
    Number(serde_json::Number),
}

/// Reads a response.
///
/// # Errors
/// The reason why it is invalid, which may contain foreign text.
pub fn read(body: &[u8]) -> Result<Received, String> {
    let object: AnyObject = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let group = object.api_version.split('/').next().unwrap_or_default();
    match (object.kind.as_str(), group) {
        ("MetricValueList", CUSTOM_METRICS) => {
            let name = object.metric(|a, b| a == b)?;
            let values = object.values().map(AnyValue::custom).collect::<Result<_, _>>()?;
            Ok(Received::Custom(name, values))
        }
        ("ExternalMetricValueList", EXTERNAL_METRICS) => {
            // Names are compared as clients send them, in lower case.
            let name = object.metric(str::eq_ignore_ascii_case)?;
            let values = object.values().map(AnyValue::external).collect::<Result<_, _>>()?;
            Ok(Received::External(name, values))
        }
        ("APIResourceList", _) => Ok(Received::Resources(object.resources.unwrap_or_default())),
        ("Status", "v1") if object.status.as_deref() == Some("Failure") => {
            let AnyObject { reason, message, details, .. } = object;
            Ok(Received::Failure(Box::new(ReceivedStatus { reason, message, details })))
        }
        (kind, _) => Err(format!("expected a list of values or resources, or a Status, found {kind}")),
    }
}

impl Received {
    /// The number of values or resources.
    pub(crate) fn values(&self) -> usize {
        match self {
            Self::Custom(_, items) => items.len(),
            Self::External(_, items) => items.len(),
            Self::Resources(resources) => resources.len(),
            Self::Failure(_) => 0,
        }
    }
}

impl AnyObject {
    /// The name of the metric, which must be the same in all items.
    fn metric(&self, is_same: impl Fn(&str, &str) -> bool) -> Result<Option<String>, String> {
        let mut names = self.items.iter().flatten().filter_map(AnyValue::name);
        let Some(first) = names.next() else { return Ok(None) };
        match names.find(|name| !is_same(first, name)) {
            Some(other) => Err(format!("expected values of one metric, found {first} and {other}")),
            None => Ok(Some(first.to_owned())),
        }
    }

    fn values(self) -> impl Iterator<Item = AnyValue> {
        self.items.unwrap_or_default().into_iter()
    }
}

impl AnyValue {
    fn name(&self) -> Option<&str> {
        let nested = || self.metric.as_ref().and_then(|metric| metric.name.as_deref());
        self.metric_name.as_deref().or_else(nested)
    }

    fn custom(self) -> Result<MetricValue, String> {
        let (timestamp, window_seconds, value) = self.measured()?;
        let of = self.described_object.ok_or("expected describedObject in each item, found none")?;
        let AnyReference { kind, namespace, name, api_version } = of;
        let namespace = namespace.filter(|namespace| !namespace.is_empty()).map(Into::into);
        let described_object = ObjectReference { kind: kind.into(), namespace, name, api_version: api_version.into() };
        Ok(MetricValue { described_object, timestamp, window_seconds, value })
    }

    fn external(self) -> Result<ExternalMetricValue, String> {
        let (timestamp, window_seconds, value) = self.measured()?;
        let metric_labels = self.metric_labels.unwrap_or_default();
        Ok(ExternalMetricValue { metric_labels, timestamp, window_seconds, value })
    }

    fn measured(&self) -> Result<(Time, Option<i64>, Milli), String> {
        let timestamp = match &self.timestamp {
            None => Time::NONE,
            Some(text) => Time::parse(text).ok_or_else(|| format!("expected a time of RFC 3339, found {text}"))?,
        };
        let value = match &self.value {
            Quantity::Text(text) => Decimal::parse(text),
            Quantity::Number(number) => Decimal::parse(&number.to_string()),
        };
        let value = value.map_err(|error| error.to_string())?.milli();
        // Larger numbers are read as these limits.
        if matches!(value, Milli(i64::MAX | i64::MIN)) {
            return Err("expected a value within ±9223372036854775.807, found one beyond".to_owned());
        }
        Ok((timestamp, self.window_seconds.or(self.window), value))
    }
}

impl ReceivedStatus {
    /// The Status for the client, with the code of the response.
    pub(crate) fn pass_on(&self, code: u16) -> Status {
        Status::received(code, self.reason.clone(), self.message.clone(), self.details.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(api_version: &str, kind: &str, items: &str) -> Result<Received, String> {
        read(format!(r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{{}},"items":{items}}}"#).as_bytes())
    }

    #[test]
    fn reads_values_of_both_versions() {
        let value = |window_seconds, namespace: Option<&str>| MetricValue {
            described_object: ObjectReference {
                kind: "Pod".into(),
                namespace: namespace.map(Into::into),
                name: "web-0".into(),
                api_version: "/v1".into(),
            },
            timestamp: Time(1_787_020_504),
            window_seconds,
            value: Milli(1_500),
        };
        for (version, item, expected) in [
            (
                "v1beta1",
                r#"{"describedObject":{"kind":"Pod","namespace":"shop","name":"web-0","apiVersion":"/v1"},"metricName":"busy","timestamp":"2026-08-18T02:35:04Z","window":60,"value":"1500m","selector":null}"#,
                value(Some(60), Some("shop")),
            ),
            (
                "v1beta2",
                r#"{"describedObject":{"kind":"Pod","namespace":"","name":"web-0","apiVersion":"/v1","uid":"x"},"metric":{"name":"busy","selector":{}},"timestamp":"2026-08-18T02:35:04Z","windowSeconds":0,"value":1.5}"#,
                value(Some(0), None),
            ),
        ] {
            let found = list(&format!("custom.metrics.k8s.io/{version}"), "MetricValueList", &format!("[{item}]"));
            assert_eq!(found, Ok(Received::Custom(Some("busy".into()), vec![expected])), "{version}");
        }
        for items in ["null", "[]"] {
            let found = list("custom.metrics.k8s.io/v1beta2", "MetricValueList", items);
            assert_eq!(found, Ok(Received::Custom(None, Vec::new())));
        }
    }

    #[test]
    fn reads_external_values() {
        let items = r#"[{"metricName":"s0-lag","metricLabels":null,"timestamp":null,"value":"1Ki"},{"metricName":"s0-lag","metricLabels":{"a":"b"},"timestamp":"2026-08-18T02:35:04Z","value":"0"}]"#;
        let value = |labels: &[(&str, &str)], timestamp, value| ExternalMetricValue {
            metric_labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            timestamp,
            window_seconds: None,
            value: Milli(value),
        };
        assert_eq!(
            list("external.metrics.k8s.io/v1beta1", "ExternalMetricValueList", items),
            Ok(Received::External(
                Some("s0-lag".into()),
                vec![value(&[], Time::NONE, 1_024_000), value(&[("a", "b")], Time(1_787_020_504), 0)]
            ))
        );
    }

    #[test]
    fn reads_resources_and_statuses() {
        let resources = r#"{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"custom.metrics.k8s.io/v1beta1","resources":[{"name":"pods/busy","singularName":"","namespaced":true,"kind":"MetricValueList","verbs":["get"]}]}"#;
        let expected = ReceivedResource { name: "pods/busy".into(), namespaced: true };
        assert_eq!(read(resources.as_bytes()), Ok(Received::Resources(vec![expected])));
        let status = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"no","reason":"InternalError","details":{"causes":[{"message":"why"}],"retryAfterSeconds":1},"code":500}"#;
        let Ok(Received::Failure(found)) = read(status.as_bytes()) else { panic!() };
        assert_eq!(serde_json::to_string(&found.pass_on(500)).unwrap(), status);
        for text in [
            r#"{"kind":"Status","apiVersion":"v1","status":"Failure"}"#,
            r#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":200}"#,
            r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":null,"reason":null,"details":{"name":null,"causes":null},"code":100}"#,
        ] {
            let Ok(Received::Failure(found)) = read(text.as_bytes()) else { panic!("{text}") };
            assert_eq!(found.pass_on(404).code(), 404, "{text}");
        }
    }

    #[test]
    fn rejects_invalid_responses() {
        let custom = |item: &str| list("custom.metrics.k8s.io/v1beta2", "MetricValueList", &format!("[{item}]"));
        for item in [
            r#"{"describedObject":{"name":"a"},"timestamp":"2026-08-18T02:35:04Z"}"#,
            r#"{"describedObject":{"name":"a"},"timestamp":"2026-08-18T02:35:04Z","value":"many"}"#,
            r#"{"describedObject":{"name":"a"},"timestamp":"today","value":"1"}"#,
            r#"{"timestamp":"2026-08-18T02:35:04Z","value":"1"}"#,
            r#"{"describedObject":{"name":"a"},"value":"1","value":"2"}"#,
            r#"{"describedObject":{"name":"a"},"value":"1e30"}"#,
            r#"{"describedObject":{"name":"a"},"metric":{"name":"a"},"value":"1"},{"describedObject":{"name":"b"},"metric":{"name":"b"},"value":"1"}"#,
        ] {
            assert!(custom(item).is_err(), "{item}");
        }
        for body in [
            "",
            "[]",
            "404 page not found",
            r#"{"kind":"PodList","apiVersion":"v1","items":[]}"#,
            r#"{"kind":"MetricValueList","apiVersion":"metrics.k8s.io/v1beta1","items":[]}"#,
            r#"{"kind":"Status","apiVersion":"v1","status":"Success"}"#,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}

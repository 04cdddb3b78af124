//! `custom.metrics.k8s.io` MetricValueList in both versions.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::meta::{LabelSelector, ObjectReference, Time};
use super::protobuf::{Fields, ListMeta, Message, Object, TypeMeta};
use super::status::Empty;
use crate::parse::path::{CUSTOM_METRICS, Version};
use crate::parse::quantity::Milli;

/// The response to a request for a metric of objects.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricValueList<'a> {
    /// The requested version.
    pub version: Version,
    /// The requested metric.
    pub metric: &'a str,
    /// The request's `metricLabelSelector`, echoed in every item.
    pub selector: Option<&'a LabelSelector>,
    /// One value per object.
    pub items: &'a [MetricValue],
}

#[derive(Clone, Debug, PartialEq)]
pub struct MetricValue {
    pub described_object: ObjectReference,
    /// The time of measurement: the sample's timestamp or the time of the scrape, never that of the response.
    pub timestamp: Time,
    /// The period of a rate in seconds.
    pub window_seconds: Option<i64>,
    /// The value in milli-units.
    pub value: Milli,
}

impl Serialize for MetricValueList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_struct("MetricValueList", 4)?;
        list.serialize_field("kind", "MetricValueList")?;
        list.serialize_field("apiVersion", &format_args!("{CUSTOM_METRICS}/{}", self.version.as_str()))?;
        list.serialize_field("metadata", &Empty {})?;
        list.serialize_field("items", &Items(self))?;
        list.end()
    }
}

struct Items<'a>(&'a MetricValueList<'a>);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.items.iter().map(|item| Item { list: self.0, item }))
    }
}

struct Item<'a> {
    list: &'a MetricValueList<'a>,
    item: &'a MetricValue,
}

/// `metric` of a v1beta2 item.
#[derive(Serialize)]
struct MetricIdentifier<'a> {
    name: &'a str,
    selector: Option<&'a LabelSelector>,
}

/// The versions differ in names only: v1beta1 has `metricName`, `window` and `selector`; v1beta2 has `metric` and
/// `windowSeconds`.
impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (list, item) = (self.list, self.item);
        let mut value = serializer.serialize_struct("MetricValue", 6)?;
        value.serialize_field("describedObject", &item.described_object)?;
        let window = match list.version {
            Version::V1Beta1 => {
                value.serialize_field("metricName", list.metric)?;
                "window"
            }
            Version::V1Beta2 => {
                value.serialize_field("metric", &MetricIdentifier { name: list.metric, selector: list.selector })?;
                "windowSeconds"
            }
        };
        value.serialize_field("timestamp", &item.timestamp)?;
        match item.window_seconds {
            Some(seconds) => value.serialize_field(window, &seconds)?,
            None => value.skip_field(window)?,
        }
        value.serialize_field("value", &format_args!("{}", item.value))?;
        if list.version == Version::V1Beta1 {
            value.serialize_field("selector", &list.selector)?;
        }
        value.end()
    }
}

impl Object for MetricValueList<'_> {
    fn type_meta(&self) -> TypeMeta {
        TypeMeta { kind: "MetricValueList", group: CUSTOM_METRICS, version: self.version.as_str() }
    }
}

impl Message for MetricValueList<'_> {
    fn fields(&self, fields: &mut Fields) {
        fields.message(1, &ListMeta);
        for item in self.items {
            fields.message(2, &Item { list: self, item });
        }
    }
}

impl Message for Item<'_> {
    fn fields(&self, fields: &mut Fields) {
        let (list, item) = (self.list, self.item);
        fields.message(1, &item.described_object);
        match list.version {
            Version::V1Beta1 => fields.string(2, list.metric),
            Version::V1Beta2 => fields.message(2, &MetricIdentifier { name: list.metric, selector: list.selector }),
        }
        fields.message(3, &item.timestamp);
        if let Some(seconds) = item.window_seconds {
            fields.int(4, seconds);
        }
        fields.message(5, &item.value);
        if let (Version::V1Beta1, Some(selector)) = (list.version, list.selector) {
            fields.message(6, selector);
        }
    }
}

impl Message for MetricIdentifier<'_> {
    fn fields(&self, fields: &mut Fields) {
        fields.string(1, self.name);
        if let Some(selector) = self.selector {
            fields.message(2, selector);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: &str, namespace: Option<&str>, name: &str, window_seconds: Option<i64>, milli: i64) -> MetricValue {
        let (kind, namespace) = (kind.to_owned(), namespace.map(str::to_owned));
        MetricValue {
            described_object: ObjectReference { kind, namespace, name: name.to_owned(), api_version: "v1".to_owned() },
            timestamp: Time(1_787_020_504),
            window_seconds,
            value: Milli(milli),
        }
    }

    /// JSON objects are unordered, but readers and diffs expect Kubernetes' order.
    #[test]
    fn keeps_the_order_of_keys() {
        let items = [item("Pod", Some("default"), "web-0", Some(60), 1_500)];
        let list = |version| MetricValueList { version, metric: "qps", selector: None, items: &items };
        let object = r#""describedObject":{"kind":"Pod","namespace":"default","name":"web-0","apiVersion":"v1"}"#;
        let time = r#""timestamp":"2026-08-18T02:35:04Z""#;
        assert_eq!(
            serde_json::to_string(&list(Version::V1Beta1)).unwrap(),
            format!(
                r#"{{"kind":"MetricValueList","apiVersion":"custom.metrics.k8s.io/v1beta1","metadata":{{}},"items":[{{{object},"metricName":"qps",{time},"window":60,"value":"1500m","selector":null}}]}}"#
            )
        );
        assert_eq!(
            serde_json::to_string(&list(Version::V1Beta2)).unwrap(),
            format!(
                r#"{{"kind":"MetricValueList","apiVersion":"custom.metrics.k8s.io/v1beta2","metadata":{{}},"items":[{{{object},"metric":{{"name":"qps","selector":null}},{time},"windowSeconds":60,"value":"1500m"}}]}}"#
            )
        );
    }
}

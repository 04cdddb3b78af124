//! `external.metrics.k8s.io` ExternalMetricValueList.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::json;
use super::meta::Time;
use super::protobuf::{Fields, ListMeta, Message, Object, TypeMeta};
use super::status::Empty;
use crate::parse::path::{EXTERNAL_METRICS, Version};
use crate::parse::quantity::Milli;

/// The response to a request for an external metric.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalMetricValueList<'a> {
    /// The metric's name.
    pub metric: &'a str,
    /// The values; the HPA controller adds them up.
    pub items: &'a [ExternalMetricValue],
}

#[derive(Clone, Debug, PartialEq)]
pub struct ExternalMetricValue {
    /// The labels that identify the value.
    pub metric_labels: BTreeMap<String, String>,
    /// The time of measurement: the sample's timestamp or the time of the scrape, never that of the response.
    pub timestamp: Time,
    /// The period of a rate in seconds.
    pub window_seconds: Option<i64>,
    /// The value in milli-units.
    pub value: Milli,
}

impl Serialize for ExternalMetricValueList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_struct("ExternalMetricValueList", 4)?;
        list.serialize_field("kind", "ExternalMetricValueList")?;
        list.serialize_field("apiVersion", &format_args!("{EXTERNAL_METRICS}/{}", Version::V1Beta1.as_str()))?;
        list.serialize_field("metadata", &Empty {})?;
        list.serialize_field("items", &ExternalItems(self))?;
        list.end()
    }
}

struct ExternalItems<'a>(&'a ExternalMetricValueList<'a>);

impl Serialize for ExternalItems<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.items.iter().map(|item| ExternalItem { metric: self.0.metric, item }))
    }
}

struct ExternalItem<'a> {
    metric: &'a str,
    item: &'a ExternalMetricValue,
}

impl Serialize for ExternalItem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { metric, item } = self;
        let mut value = serializer.serialize_struct("ExternalMetricValue", 5)?;
        value.serialize_field("metricName", metric)?;
        value.serialize_field("metricLabels", &item.metric_labels)?;
        value.serialize_field("timestamp", &item.timestamp)?;
        match item.window_seconds {
            Some(seconds) => value.serialize_field("window", &seconds)?,
            None => value.skip_field("window")?,
        }
        value.serialize_field("value", &format_args!("{}", item.value))?;
        value.end()
    }
}

impl Object for ExternalMetricValueList<'_> {
    fn type_meta(&self) -> TypeMeta {
        TypeMeta { kind: "ExternalMetricValueList", group: EXTERNAL_METRICS, version: Version::V1Beta1.as_str() }
    }

    fn json(&self, body: &mut Vec<u8>) {
        json::value(self, body);
    }
}

impl Message for ExternalMetricValueList<'_> {
    fn fields(&self, fields: &mut Fields) {
        fields.message(1, &ListMeta);
        for item in self.items {
            fields.message(2, &ExternalItem { metric: self.metric, item });
        }
    }
}

impl Message for ExternalItem<'_> {
    fn fields(&self, fields: &mut Fields) {
        fields.string(1, self.metric);
        fields.map(2, &self.item.metric_labels);
        fields.message(3, &self.item.timestamp);
        if let Some(seconds) = self.item.window_seconds {
            fields.int(4, seconds);
        }
        fields.message(5, &self.item.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_json_of_kubernetes() {
        let item = |labels: &[(&str, &str)], window_seconds, value| ExternalMetricValue {
            metric_labels: labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            timestamp: Time(1_787_020_504),
            window_seconds,
            value: Milli(value),
        };
        let items = [item(&[("queue", "mail")], None, 42_000), item(&[], Some(60), 1)];
        let list = ExternalMetricValueList { metric: "queue_depth", items: &items };
        assert_eq!(
            serde_json::to_string(&list).unwrap(),
            concat!(
                r#"{"kind":"ExternalMetricValueList","apiVersion":"external.metrics.k8s.io/v1beta1","metadata":{},"items":["#,
                r#"{"metricName":"queue_depth","metricLabels":{"queue":"mail"},"timestamp":"2026-08-18T02:35:04Z","value":"42"},"#,
                r#"{"metricName":"queue_depth","metricLabels":{},"timestamp":"2026-08-18T02:35:04Z","window":60,"value":"1m"}]}"#
            )
        );
    }
}

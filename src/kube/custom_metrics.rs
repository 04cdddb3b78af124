//! `custom.metrics.k8s.io` MetricValueList in both versions.

use std::sync::Arc;

use super::json;
use super::meta::{LabelSelector, ObjectReference, Time};
use super::protobuf::{Fields, ListMeta, Message, Object, TypeMeta};
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

impl MetricValueList<'_> {
    /// Appends the item as JSON, with the keys in Kubernetes' order.
    pub fn json(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(br#"{"kind":"MetricValueList","apiVersion":""#);
        [CUSTOM_METRICS, "/", self.version.as_str()].iter().for_each(|part| body.extend_from_slice(part.as_bytes()));
        body.extend_from_slice(br#"","metadata":{},"items":["#);
        let mut texts = ItemTexts::default();
        for (number, item) in self.items.iter().enumerate() {
            let start = body.len();
            if number > 0 {
                body.push(b',');
            }
            texts.json(self, item, body);
            if number == 0 {
                // Items differ by few bytes.
                body.reserve((body.len() - start + 8) * (self.items.len() - 1));
            }
        }
        body.extend_from_slice(b"]}");
    }
}

impl Object for MetricValueList<'_> {
    fn type_meta(&self) -> TypeMeta {
        TypeMeta { kind: "MetricValueList", group: CUSTOM_METRICS, version: self.version.as_str() }
    }

    fn json(&self, body: &mut Vec<u8>) {
        self.json(body);
    }
}

/// The printed parts that most items share: thousands of pods differ only in their names and values.
#[derive(Default)]
struct ItemTexts {
    /// The object that `before` and `after` describe, apart from its name.
    described: Option<Described>,
    /// The text before and after the name.
    before: Vec<u8>,
    after: Vec<u8>,
    /// The text between `after` and the value, for times in even and in odd seconds: pods are scraped within a few seconds.
    times: [TimesText; 2],
}

/// An object without its name.
struct Described {
    kind: Arc<str>,
    namespace: Option<Arc<str>>,
    api_version: Arc<str>,
}

/// The printed timestamp and window of items.
#[derive(Default)]
struct TimesText {
    printed: Option<(Time, Option<i64>)>,
    text: Vec<u8>,
}

impl ItemTexts {
    /// Whether `before` and `after` describe this object; if not, they are cleared, to be written again.
    fn describes(&mut self, object: &ObjectReference) -> bool {
        let ObjectReference { kind, namespace, api_version, .. } = object;
        let is_same = self.described.as_ref().is_some_and(|described| {
            described.kind == *kind && described.namespace == *namespace && described.api_version == *api_version
        });
        if !is_same {
            let (kind, namespace, api_version) = (kind.clone(), namespace.clone(), api_version.clone());
            self.described = Some(Described { kind, namespace, api_version });
            self.before.clear();
            self.after.clear();
        }
        is_same
    }

    /// The text for the times of an item; `write` writes it if the times differ from those before.
    fn times(&mut self, item: &MetricValue, write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        let [even, odd] = &mut self.times;
        let times = if item.timestamp.0 % 2 == 0 { even } else { odd };
        let new = Some((item.timestamp, item.window_seconds));
        if times.printed != new {
            times.printed = new;
            times.text.clear();
            write(&mut times.text);
        }
        &times.text
    }

    /// The versions differ in names only: v1beta1 has `metricName`, `window` and `selector`; v1beta2 has `metric` and
    /// `windowSeconds`.
    fn json(&mut self, list: &MetricValueList<'_>, item: &MetricValue, body: &mut Vec<u8>) {
        let object = &item.described_object;
        if !self.describes(object) {
            let (before, after) = (&mut self.before, &mut self.after);
            before.extend_from_slice(br#"{"describedObject":{"kind":"#);
            json::text(&object.kind, before);
            if let Some(namespace) = &object.namespace {
                before.extend_from_slice(br#","namespace":"#);
                json::text(namespace, before);
            }
            before.extend_from_slice(br#","name":"#);
            after.extend_from_slice(br#","apiVersion":"#);
            json::text(&object.api_version, after);
            match list.version {
                Version::V1Beta1 => {
                    after.extend_from_slice(br#"},"metricName":"#);
                    json::text(list.metric, after);
                }
                Version::V1Beta2 => {
                    after.extend_from_slice(br#"},"metric":{"name":"#);
                    json::text(list.metric, after);
                    after.extend_from_slice(br#","selector":"#);
                    json::value(&list.selector, after);
                    after.push(b'}');
                }
            }
            after.extend_from_slice(br#","timestamp":"#);
        }
        body.extend_from_slice(&self.before);
        json::text(&object.name, body);
        body.extend_from_slice(&self.after);
        let times = self.times(item, |text| {
            json::value(&item.timestamp, text);
            if let Some(seconds) = item.window_seconds {
                let window = if list.version == Version::V1Beta1 { "window" } else { "windowSeconds" };
                [",\"", window, "\":"].iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
                json::value(&seconds, text);
            }
            text.extend_from_slice(br#","value":""#);
        });
        body.extend_from_slice(times);
        item.value.parts(&mut itoa::Buffer::new()).iter().for_each(|part| body.extend_from_slice(part.as_bytes()));
        body.push(b'"');
        if list.version == Version::V1Beta1 {
            body.extend_from_slice(br#","selector":"#);
            json::value(&list.selector, body);
        }
        body.push(b'}');
    }
}

/// An item of a list that is encoded as protobuf.
struct Item<'a> {
    list: &'a MetricValueList<'a>,
    item: &'a MetricValue,
}

/// `metric` of a v1beta2 item.
struct MetricIdentifier<'a> {
    name: &'a str,
    selector: Option<&'a LabelSelector>,
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
        let (kind, namespace) = (kind.into(), namespace.map(Into::into));
        MetricValue {
            described_object: ObjectReference { kind, namespace, name: name.to_owned(), api_version: "v1".into() },
            timestamp: Time(1_787_020_504),
            window_seconds,
            value: Milli(milli),
        }
    }

    fn json(version: Version, items: &[MetricValue]) -> String {
        let mut body = Vec::new();
        MetricValueList { version, metric: "qps", selector: None, items }.json(&mut body);
        String::from_utf8(body).unwrap()
    }

    /// JSON objects are unordered, but readers and diffs expect Kubernetes' order.
    #[test]
    fn keeps_the_order_of_keys() {
        let items = [item("Pod", Some("default"), "web-0", Some(60), 1_500)];
        let object = r#""describedObject":{"kind":"Pod","namespace":"default","name":"web-0","apiVersion":"v1"}"#;
        let time = r#""timestamp":"2026-08-18T02:35:04Z""#;
        assert_eq!(
            json(Version::V1Beta1, &items),
            format!(
                r#"{{"kind":"MetricValueList","apiVersion":"custom.metrics.k8s.io/v1beta1","metadata":{{}},"items":[{{{object},"metricName":"qps",{time},"window":60,"value":"1500m","selector":null}}]}}"#
            )
        );
        assert_eq!(
            json(Version::V1Beta2, &items),
            format!(
                r#"{{"kind":"MetricValueList","apiVersion":"custom.metrics.k8s.io/v1beta2","metadata":{{}},"items":[{{{object},"metric":{{"name":"qps","selector":null}},{time},"windowSeconds":60,"value":"1500m"}}]}}"#
            )
        );
    }

    /// Each item prints as it would alone, whatever items precede it.
    #[test]
    fn items_do_not_depend_on_each_other() {
        let mut items = Vec::new();
        for (number, (kind, namespace)) in
            [("Pod", Some("a")), ("Pod", Some("b")), ("Node", None), ("Pod", Some("a"))].into_iter().enumerate()
        {
            for (window, later) in [(Some(60), 0), (None, 0), (Some(60), 1), (Some(30), 2), (Some(60), 0)] {
                let mut item = item(kind, namespace, &format!("a\"{number}"), window, 1 + later);
                item.timestamp.0 += later;
                items.push(item);
            }
        }
        for version in [Version::V1Beta1, Version::V1Beta2] {
            let whole = json(version, &items);
            let (head, rest) = whole.split_once('[').unwrap();
            let alone: Vec<String> = items
                .iter()
                .map(|item| {
                    let alone = json(version, std::slice::from_ref(item));
                    alone
                        .strip_prefix(head)
                        .and_then(|alone| alone.strip_prefix('[')?.strip_suffix("]}"))
                        .unwrap()
                        .to_owned()
                })
                .collect();
            assert_eq!(rest, format!("{}]}}", alone.join(",")));
            serde_json::from_str::<serde_json::Value>(&whole).unwrap();
        }
    }
}

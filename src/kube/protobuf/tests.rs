use serde_json::Value;

use super::*;
use crate::kube::custom_metrics::{MetricValue, MetricValueList};
use crate::kube::discovery::{ApiGroup, ApiGroupList, ApiResource, ApiResourceList};
use crate::kube::external_metrics::{ExternalMetricValue, ExternalMetricValueList};
use crate::kube::meta::{LabelSelector, LabelSelectorRequirement, ObjectReference, Time};
use crate::kube::status::{Details, Reason, Status};
use crate::parse::path::{Group, Version};
use crate::parse::quantity::Milli;

/// The output of Kubernetes' own serializers.
const RECORDED: &str = include_str!("../../../tests/fixtures/encodings.jsonl");

#[test]
fn encodes_as_kubernetes_does() {
    let (mut written, mut without) = (0, Vec::new());
    for line in RECORDED.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap();
        let name = text("name");
        // Go escapes these three characters, which JSON allows.
        let json = text("json").replace("\\u003c", "<").replace("\\u003e", ">").replace("\\u0026", "&");
        let object = serde_json::from_str(&json).unwrap();
        let Some((our_json, our_protobuf)) = encodings(name, &object) else {
            without.push(name.to_owned());
            continue;
        };
        assert_eq!(our_json + "\n", json, "{name}");
        assert_eq!(hex(&our_protobuf), text("protobuf"), "{name}");
        written += 1;
    }
    assert_eq!((written, without), (97, vec!["status: causes".to_owned()]));
}

/// Our encodings of the same object; `None` if Metriclet never sends such an object.
fn encodings(name: &str, object: &Value) -> Option<(String, Vec<u8>)> {
    fn both(object: &impl Object) -> Option<(String, Vec<u8>)> {
        let mut json = Vec::new();
        object.json(&mut json);
        Some((String::from_utf8(json).unwrap(), encode(object)))
    }
    let version = |text: &Value| match text.as_str().unwrap().rsplit('/').next().unwrap() {
        "v1beta1" => Version::V1Beta1,
        _ => Version::V1Beta2,
    };
    let group =
        |text: &Value| Group::ALL.into_iter().find(|group| text.as_str().unwrap().starts_with(group.as_str())).unwrap();
    match object["kind"].as_str().unwrap() {
        "MetricValueList" => {
            let version = version(&object["apiVersion"]);
            let items = object["items"].as_array().unwrap();
            let (metric, selector) = match items.first() {
                Some(item) if version == Version::V1Beta1 => (&item["metricName"], &item["selector"]),
                Some(item) => (&item["metric"]["name"], &item["metric"]["selector"]),
                None => (&object["kind"], &Value::Null),
            };
            let selector = (!selector.is_null()).then(|| label_selector(selector));
            let metric = metric.as_str().unwrap();
            let items: Vec<_> = items.iter().map(metric_value).collect();
            both(&MetricValueList { version, metric, selector: selector.as_ref(), items: &items })
        }
        "ExternalMetricValueList" => {
            let items = object["items"].as_array().unwrap();
            let metric = items.first().map_or("", |item| item["metricName"].as_str().unwrap());
            let items: Vec<_> = items.iter().map(external_metric_value).collect();
            both(&ExternalMetricValueList { metric, items: &items })
        }
        "Status" => {
            let reason = REASONS.into_iter().find(|reason| reason.as_str() == object["reason"]).unwrap();
            let status = Status::failure(reason, object["message"].as_str().unwrap(), usize::MAX);
            let Some(details) = object["details"].as_object() else { return both(&status) };
            if details.contains_key("causes") {
                return None;
            }
            let text = |key| details.get(key).map_or("", |text| text.as_str().unwrap()).to_owned();
            both(&status.about(Details {
                name: text("name"),
                group: text("group"),
                kind: text("kind"),
                ..Details::default()
            }))
        }
        "APIGroupList" => both(&ApiGroupList::new()),
        "APIGroup" => both(&ApiGroup::new(group(&object["name"]))),
        "APIResourceList" => {
            let resource = |resource: &Value| match resource["name"].as_str().unwrap().split_once('/') {
                Some((plural, metric)) => ApiResource::new(plural, metric, resource["namespaced"].as_bool().unwrap()),
                None => ApiResource::external(resource["name"].as_str().unwrap()),
            };
            let resources = object["resources"].as_array().unwrap().iter().map(resource).collect();
            let of = &object["groupVersion"];
            both(&ApiResourceList::new(group(of), version(of), resources))
        }
        kind => panic!("{name}: {kind}"),
    }
}

const REASONS: [Reason; 9] = [
    Reason::BadRequest,
    Reason::Unauthorized,
    Reason::Forbidden,
    Reason::NotFound,
    Reason::MethodNotAllowed,
    Reason::NotAcceptable,
    Reason::RequestEntityTooLarge,
    Reason::InternalError,
    Reason::ServiceUnavailable,
];

fn metric_value(item: &Value) -> MetricValue {
    let of = &item["describedObject"];
    let text = |key: &str| of[key].as_str().unwrap_or_default().to_owned();
    MetricValue {
        described_object: ObjectReference {
            kind: text("kind").into(),
            namespace: of["namespace"].as_str().map(Into::into),
            name: text("name"),
            api_version: text("apiVersion").into(),
        },
        timestamp: time(&item["timestamp"]),
        window_seconds: item["window"].as_i64().or(item["windowSeconds"].as_i64()),
        value: milli(&item["value"]),
    }
}

fn external_metric_value(item: &Value) -> ExternalMetricValue {
    ExternalMetricValue {
        metric_labels: labels(&item["metricLabels"]),
        timestamp: time(&item["timestamp"]),
        window_seconds: item["window"].as_i64(),
        value: milli(&item["value"]),
    }
}

fn label_selector(selector: &Value) -> LabelSelector {
    let requirement = |requirement: &Value| LabelSelectorRequirement {
        key: requirement["key"].as_str().unwrap().to_owned(),
        operator: ["In", "NotIn", "Exists", "DoesNotExist"]
            .into_iter()
            .find(|operator| requirement["operator"] == *operator)
            .unwrap(),
        values: requirement["values"]
            .as_array()
            .map(|values| values.iter().map(|value| value.as_str().unwrap().to_owned()).collect())
            .unwrap_or_default(),
    };
    LabelSelector {
        match_labels: labels(&selector["matchLabels"]),
        match_expressions: selector["matchExpressions"]
            .as_array()
            .map(|expressions| expressions.iter().map(requirement).collect())
            .unwrap_or_default(),
    }
}

fn labels(map: &Value) -> BTreeMap<String, String> {
    let entries = map.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// Finds the time that prints as this text by bisection; later times print as greater texts.
fn time(text: &Value) -> Time {
    let first = Time(-62_135_596_800);
    let Some(text) = text.as_str() else { return first };
    let (mut low, mut high) = (first.0, 253_402_300_800);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if Time(middle).to_string().as_str() <= text { low = middle } else { high = middle }
    }
    Time(low)
}

fn milli(text: &Value) -> Milli {
    let text = text.as_str().unwrap();
    let (digits, factor) = match text.split_at(text.len() - 1) {
        (digits, "m") => (digits, 1),
        (digits, "k") => (digits, 1_000_000),
        (digits, "M") => (digits, 1_000_000_000),
        (digits, "G") => (digits, 1_000_000_000_000),
        _ => (text, 1_000),
    };
    Milli(digits.parse::<i64>().unwrap() * factor)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A message nested in messages, around a text of this length.
struct Nested(usize, usize);

impl Message for Nested {
    fn fields(&self, fields: &mut Fields) {
        match *self {
            Self(0, length) => fields.text(15, &"ü".repeat(length / 2)),
            Self(depth, length) => fields.message(15, &Self(depth - 1, length)),
        }
    }
}

/// Lengths of one to four bytes, around each value at which the length grows by a byte.
#[test]
fn writes_lengths() {
    for length in [0, 2, 120, 122, 124, 126, 128, 130, 16_376, 16_380, 16_384, 16_388, 2_097_148, 2_097_152] {
        let mut fields = Fields::default();
        fields.string(1, "before");
        fields.message(2, &Nested(4, length));
        fields.string(3, "after");
        let bytes = fields.into_bytes();
        let mut rest = &bytes[..];
        assert_eq!(delimited(&mut rest, 1), b"before");
        let mut inner = delimited(&mut rest, 2);
        for depth in 0..5 {
            let outer = inner;
            inner = delimited(&mut inner, 15);
            assert!(outer.len() > inner.len(), "{length} at {depth}");
        }
        assert_eq!(inner, "ü".repeat(length / 2).as_bytes());
        assert_eq!(delimited(&mut rest, 3), b"after");
        assert!(rest.is_empty());
    }
}

/// Consumes a field, which must be this one, from the start of `rest`.
fn delimited<'a>(rest: &mut &'a [u8], field: u8) -> &'a [u8] {
    assert_eq!(rest[0], field << 3 | 2);
    *rest = &rest[1..];
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = rest[0];
        *rest = &rest[1..];
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            assert!(byte != 0 || shift == 7, "a length with superfluous bytes");
            break;
        }
    }
    let (content, after) = rest.split_at(length);
    *rest = after;
    content
}

#[test]
fn writes_numbers() {
    for (number, expected) in [
        (0, "0800"),
        (1, "0801"),
        (127, "087f"),
        (128, "088001"),
        (i64::MAX, "08ffffffffffffffff7f"),
        (-1, "08ffffffffffffffffff01"),
        (i64::MIN, "0880808080808080808001"),
    ] {
        let mut fields = Fields::default();
        fields.int(1, number);
        assert_eq!(hex(&fields.into_bytes()), expected);
    }
    let mut fields = Fields::default();
    fields.bool(1, true);
    fields.bool(2, false);
    assert_eq!(hex(&fields.into_bytes()), "08011000");
}

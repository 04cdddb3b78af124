//! The messages of `k8s.io/metrics`, `meta/v1`, `core/v1` and `resource`: the number and the JSON name of each field.

/// A message.
pub(super) type Message = &'static [Field];

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) number: u64,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether the field is repeated.
    pub(super) is_list: bool,
}

/// The type of a field, which determines its JSON.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Integer,
    Message(Message),
    /// A Quantity: its text in JSON.
    Quantity,
    /// A Time: RFC 3339 in JSON, or null if unset.
    Time,
    /// An entry of a map from string to string.
    Entry,
}

const fn one(number: u64, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, is_list: false }
}

const fn many(number: u64, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, is_list: true }
}

/// The envelope `runtime.Unknown`; `raw` contains the object.
pub(super) const UNKNOWN: Message = &[
    one(1, "typeMeta", Kind::Message(&[one(1, "apiVersion", Kind::Text), one(2, "kind", Kind::Text)])),
    one(3, "contentEncoding", Kind::Text),
    one(4, "contentType", Kind::Text),
];

/// The field `raw` of [`UNKNOWN`].
pub(super) const RAW: u64 = 2;

/// The messages Quantity and map entry.
pub(super) const TEXT: Message = &[one(1, "string", Kind::Text)];
pub(super) const ENTRY: Message = &[one(1, "key", Kind::Text), one(2, "value", Kind::Text)];
pub(super) const TIME: Message = &[one(1, "seconds", Kind::Integer), one(2, "nanos", Kind::Integer)];

const LIST_META: Kind = Kind::Message(&[
    one(1, "selfLink", Kind::Text),
    one(2, "resourceVersion", Kind::Text),
    one(3, "continue", Kind::Text),
    one(4, "remainingItemCount", Kind::Integer),
]);

const OBJECT_REFERENCE: Kind = Kind::Message(&[
    one(1, "kind", Kind::Text),
    one(2, "namespace", Kind::Text),
    one(3, "name", Kind::Text),
    one(4, "uid", Kind::Text),
    one(5, "apiVersion", Kind::Text),
    one(6, "resourceVersion", Kind::Text),
    one(7, "fieldPath", Kind::Text),
]);

const LABEL_SELECTOR: Kind = Kind::Message(&[
    many(1, "matchLabels", Kind::Entry),
    many(
        2,
        "matchExpressions",
        Kind::Message(&[one(1, "key", Kind::Text), one(2, "operator", Kind::Text), many(3, "values", Kind::Text)]),
    ),
]);

const fn list(item: Message) -> [Field; 2] {
    [one(1, "metadata", LIST_META), many(2, "items", Kind::Message(item))]
}

const V1BETA1: [Field; 2] = list(&[
    one(1, "describedObject", OBJECT_REFERENCE),
    one(2, "metricName", Kind::Text),
    one(3, "timestamp", Kind::Time),
    one(4, "window", Kind::Integer),
    one(5, "value", Kind::Quantity),
    one(6, "selector", LABEL_SELECTOR),
]);

const V1BETA2: [Field; 2] = list(&[
    one(1, "describedObject", OBJECT_REFERENCE),
    one(2, "metric", Kind::Message(&[one(1, "name", Kind::Text), one(2, "selector", LABEL_SELECTOR)])),
    one(3, "timestamp", Kind::Time),
    one(4, "windowSeconds", Kind::Integer),
    one(5, "value", Kind::Quantity),
]);

const EXTERNAL: [Field; 2] = list(&[
    one(1, "metricName", Kind::Text),
    many(2, "metricLabels", Kind::Entry),
    one(3, "timestamp", Kind::Time),
    one(4, "window", Kind::Integer),
    one(5, "value", Kind::Quantity),
]);

const STATUS: Message = &[
    one(1, "metadata", LIST_META),
    one(2, "status", Kind::Text),
    one(3, "message", Kind::Text),
    one(4, "reason", Kind::Text),
    one(
        5,
        "details",
        Kind::Message(&[
            one(1, "name", Kind::Text),
            one(2, "group", Kind::Text),
            one(3, "kind", Kind::Text),
            many(
                4,
                "causes",
                Kind::Message(&[
                    one(1, "reason", Kind::Text),
                    one(2, "message", Kind::Text),
                    one(3, "field", Kind::Text),
                ]),
            ),
            one(5, "retryAfterSeconds", Kind::Integer),
            one(6, "uid", Kind::Text),
        ]),
    ),
    one(6, "code", Kind::Integer),
];

/// The message of a kind.
pub(super) fn of(api_version: &str, kind: &str) -> Option<Message> {
    Some(match (api_version, kind) {
        ("custom.metrics.k8s.io/v1beta1", "MetricValueList") => &V1BETA1,
        ("custom.metrics.k8s.io/v1beta2", "MetricValueList") => &V1BETA2,
        ("external.metrics.k8s.io/v1beta1", "ExternalMetricValueList") => &EXTERNAL,
        ("v1", "Status") => STATUS,
        _ => return None,
    })
}

//! `external: true`: the keys for the namespaces of an external metric, and for the labels of its values.

use super::fields::{Fields, Sink};
use super::object_mapping::{KEY, NO_LABEL, item_text, path};
use crate::config::limits::Limits;
use crate::config::model::{ItemText, LabelledItems, NamespaceLabels, ObjectMapping, Source, Value};
use crate::parse::escape::Escaped;
use crate::parse::json::{self, Path};
use crate::parse::path::is_reserved;
use crate::parse::url_template::Placeholder;
use crate::parse::yaml::YamlValue;

/// Keys that only rules on objects have.
const OF_OBJECTS: &[&str] =
    &["object", "kind", "namespaced", "apiVersion", "describes", "nameFrom", "nameLabel", "namePattern"];

/// The keys of an external metric.
#[derive(Debug)]
pub(super) struct ExternalKeys {
    items: Option<Path>,
    namespace_from: Option<ItemText>,
    labels_from: Vec<(String, ItemText)>,
    namespace_label: Option<String>,
}

impl ExternalKeys {
    pub(super) fn read(name: &str, fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Self {
        if is_reserved(name) {
            let message = "status and finalize are subresources of namespaces; choose another name";
            fields.fail("name", message, sink);
        }
        // The lower case of other letters depends on the language.
        if !name.is_ascii() {
            let found = Escaped::new(name);
            let message = format!("expected ASCII, as clients send names in lower case, found {found}");
            fields.fail("name", &message, sink);
        }
        for key in OF_OBJECTS.iter().copied().filter(|key| fields.has(key)).collect::<Vec<_>>() {
            fields.fail(key, "is for metrics of objects, and an external metric has no object", sink);
        }
        Self {
            items: path("items", fields, limits, sink),
            namespace_from: item_text("namespaceFrom", fields, limits, sink),
            labels_from: labels_from(fields, limits, sink),
            namespace_label: fields.line("namespaceLabel", sink).map(str::to_owned),
        }
    }

    /// What identifies values; `None` (and a problem) if the keys cannot be combined.
    pub(super) fn mapping(
        self,
        value: &Value,
        source: &Source,
        fields: &mut Fields<'_>,
        sink: &mut Sink,
    ) -> Option<ObjectMapping> {
        let has_labels = matches!(value, Value::Series(_) | Value::QueryTemplate(_) | Value::Named(_));
        let mut wrong: Vec<(&'static str, &str)> = Vec::new();
        if fields.has("items") && !matches!(value, Value::Json(_)) {
            wrong.push(("items", "needs a value that is a JSONPath"));
        }
        for key in ["namespaceFrom", "labelsFrom"] {
            if fields.has(key) && !fields.has("items") {
                wrong.push((key, "requires items:"));
            }
        }
        if value.uses(Placeholder::Name) {
            wrong.push(("value", "contains {name}, but an external metric has no object"));
        }
        if value.uses(Placeholder::Namespace) && fields.has("namespaceLabel") {
            wrong.push(("namespaceLabel", "{namespace} in the value already identifies the namespace"));
        }
        match self.namespace_label.as_deref() {
            Some(NO_LABEL) if fields.has("namespaceFrom") => {
                wrong.push(("namespaceFrom", "excludes namespaceLabel: none, which ignores namespaces on the page"));
            }
            Some(label) if label != NO_LABEL && !has_labels => {
                wrong.push(("namespaceLabel", "this value has no labels; use items: and namespaceFrom:"));
            }
            _ => {}
        }
        for (key, message) in &wrong {
            fields.fail(key, message, sink);
        }
        if !wrong.is_empty() || OF_OBJECTS.iter().any(|key| fields.has(key)) {
            return None;
        }
        let namespace = match self.namespace_label {
            _ if value.uses(Placeholder::Namespace) => NamespaceLabels::FromValue,
            Some(label) if label == NO_LABEL => NamespaceLabels::Ignored,
            Some(label) => NamespaceLabels::First(vec![label]),
            // A query uses one label, and a server's own label names the target that it scraped.
            None if source.is_prometheus() => NamespaceLabels::First(vec!["namespace".to_owned()]),
            None => NamespaceLabels::First(Vec::new()),
        };
        let Self { namespace_from, labels_from, .. } = self;
        let items = self.items.map(|items| LabelledItems { items, namespace_from, labels_from });
        Some(ObjectMapping::External { namespace, items })
    }
}

/// Rejects keys of external metrics on a rule for objects.
pub(super) fn refuse_keys(fields: &mut Fields<'_>, sink: &mut Sink) {
    if fields.has("labelsFrom") {
        fields.fail("labelsFrom", "is for external: true, whose values have labels instead of objects", sink);
    }
    let is_ignored = fields.get("namespaceLabel").and_then(|node| node.text()) == Some(NO_LABEL);
    if fields.has("namespaces") && !is_ignored {
        let message = "is for external: true and for namespaceLabel: none; namespaces: of the source lists the \
                       namespaces that its pages may describe";
        fields.fail("namespaces", message, sink);
    }
}

/// The name of each label with the path to its value.
fn labels_from(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Vec<(String, ItemText)> {
    let Some(node) = fields.get("labelsFrom") else { return Vec::new() };
    let YamlValue::Mapping(entries) = &node.value else {
        let message = format!("expected a mapping such as {{queue: $.name}}, found {}", node.kind());
        fields.fail("labelsFrom", &message, sink);
        return Vec::new();
    };
    let mut labels: Vec<(String, ItemText)> = Vec::new();
    for (key, node) in entries {
        let shown = Escaped::new(&key.text);
        if !is_label_name(&key.text) {
            let message = format!("expected a label name of letters, digits and _, found {shown}");
            fields.fail_at("labelsFrom", key.span, &message, sink);
        } else if labels.iter().any(|(name, _)| *name == key.text) {
            fields.fail_at("labelsFrom", key.span, &format!("{shown} occurs twice"), sink);
        } else if let Some(text) = node.text() {
            if text == KEY {
                labels.push((key.text.clone(), ItemText::Key));
                continue;
            }
            match Path::parse(text, &json::JsonLimits { bytes: limits.expression.bytes }) {
                Ok(path) => labels.push((key.text.clone(), ItemText::Path(path))),
                Err(error) => {
                    let span = node.within(error.column).unwrap_or(node.span);
                    fields.fail_at("labelsFrom", span, &error.to_string(), sink);
                }
            }
        } else {
            let message = format!("expected a JSONPath such as $.name, found {}", node.kind());
            fields.fail_at("labelsFrom", node.span, &message, sink);
        }
    }
    labels
}

/// Whether a label can have this name (Prometheus' data model).
fn is_label_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

//! Which keys about the object of a value can be combined.

use std::fmt;

use crate::config::file::fields::{Fields, Sink};
use crate::config::model::{ObjectKind, Source, Value};
use crate::parse::escape::Escaped;
use crate::parse::url_template::Placeholder;

/// What identifies the object of a value before its labels do.
#[derive(Clone, Copy)]
enum IdentifiedBy<'a> {
    /// The pod whose page it is; the source's name.
    Pod(&'a str),
    /// The name in the URL; the source's name.
    Request(&'a str),
    Describes,
    Items,
    Query,
}

impl<'a> IdentifiedBy<'a> {
    fn of(value: &Value, source: &'a Source, fields: &Fields<'_>) -> Option<Self> {
        if source.is_of_any_pods() {
            Some(Self::Pod(&source.name))
        } else if source.uses(Placeholder::Name) {
            Some(Self::Request(&source.name))
        } else if fields.has("describes") {
            Some(Self::Describes)
        } else if fields.has("items") {
            Some(Self::Items)
        } else {
            value.uses(Placeholder::Name).then_some(Self::Query)
        }
    }

    /// Whether a key about the object's name or namespace has a meaning besides it.
    fn permits(self, key: &str) -> bool {
        match self {
            Self::Pod(_) | Self::Request(_) => false,
            Self::Describes => key == "describes",
            Self::Items => matches!(key, "items" | "namePattern"),
            Self::Query => key == "namespaceLabel",
        }
    }
}

impl fmt::Display for IdentifiedBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(source) => write!(f, "the pod of source {}", Escaped::new(source)),
            Self::Request(source) => write!(f, "{{name}} in the requests of source {}", Escaped::new(source)),
            Self::Describes => f.write_str("describes:"),
            Self::Items => f.write_str("items:"),
            Self::Query => f.write_str("{name} in the value"),
        }
    }
}

/// Whether the keys can be combined, for any kind.
pub(super) fn is_valid(
    kinds: &[ObjectKind],
    value: &Value,
    source: &Source,
    names_namespace: bool,
    fields: &mut Fields<'_>,
    sink: &mut Sink,
) -> bool {
    let mut wrong: Vec<(&'static str, String)> = Vec::new();
    if let Some(identified_by) = IdentifiedBy::of(value, source, fields) {
        if matches!(value, Value::Text(expr) if expr.pattern.names_objects()) {
            wrong.push((
                "value",
                format!("{identified_by} already identifies the object; leave out the group (?<name>…)"),
            ));
        }
        for key in ["describes", "items", "namespaceLabel", "nameLabel", "namePattern"] {
            if fields.has(key) && !identified_by.permits(key) {
                wrong.push((key, format!("{identified_by} already identifies the object")));
            }
        }
    } else if !matches!(value, Value::Series(_) | Value::QueryTemplate(_)) {
        for key in ["namespaceLabel", "nameLabel", "namePattern"] {
            if fields.has(key) {
                let instead = match value {
                    Value::Text(_) => "a group (?<name>…) or (?<namespace>…) names objects",
                    _ => "use items: and nameFrom:",
                };
                wrong.push((key, format!("this value has no labels; {instead}")));
            }
        }
    }
    for (is_identified, by, home) in [
        (names_namespace, "namePattern", "namePattern"),
        (value.uses(Placeholder::Namespace), "{namespace} in the value", "value"),
    ] {
        for key in ["namespaceLabel", "namespaceFrom"].into_iter().filter(|key| is_identified && fields.has(key)) {
            wrong.push((key, format!("{by} already identifies the namespace")));
        }
        if let Some(first) =
            kinds.iter().find(|kind| is_identified && !kind.namespaced && kind.resource != "namespaces")
        {
            wrong.push((home, format!("{} are cluster-scoped, but {by} identifies a namespace", first.resource)));
        }
    }
    if fields.has("items") {
        if !matches!(value, Value::Json(_)) {
            wrong.push(("items", "needs a value that is a JSONPath".into()));
        }
        if !fields.has("nameFrom") {
            wrong.push(("nameFrom", "required beside items:".into()));
        }
    } else {
        for key in ["nameFrom", "namespaceFrom"] {
            if fields.has(key) {
                wrong.push((key, "requires items:".into()));
            }
        }
    }
    if let Some(first) = kinds.first().filter(|_| kinds.iter().all(|kind| !kind.namespaced)) {
        for key in ["namespaceFrom", "namespaceLabel"] {
            if fields.has(key) {
                wrong.push((key, format!("{} are cluster-scoped", first.resource)));
            }
        }
        if matches!(value, Value::Text(expr) if expr.pattern.names_namespaces()) {
            let message = format!("{} are cluster-scoped; leave out the group (?<namespace>…)", first.resource);
            wrong.push(("value", message));
        }
    }
    if fields.has("describes") && kinds.len() > 1 {
        wrong.push(("describes", "an object has one kind, and object: lists several".into()));
    }
    for (key, message) in &wrong {
        fields.fail(key, message, sink);
    }
    wrong.is_empty()
}

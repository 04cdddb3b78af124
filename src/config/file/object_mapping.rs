//! Which object a value belongs to: from the URL, `describes`, `items`, placeholders in the value, groups of a regular
//! expression, or labels.

mod combination;

use super::fields::{Fields, Sink};
use super::path_segment;
use crate::config::limits::Limits;
use crate::config::model::{DescribedObject, ItemText, NamespaceLabels, ObjectKind, ObjectMapping, Source, Value};
use crate::parse::dns;
use crate::parse::escape::Escaped;
use crate::parse::json::{self, Path};
use crate::parse::name_pattern::NamePattern;
use crate::parse::url_template::Placeholder;
use crate::parse::yaml::{Node, Span, YamlValue};

/// The value of `namespaceLabel` if a namespace on the page is not that of the request.
pub(super) const NO_LABEL: &str = "none";

/// The value that means the key of an item.
pub(super) const KEY: &str = "key";

/// Kinds that share a mapping.
pub(super) type MappedKinds = (Vec<ObjectKind>, ObjectMapping);

/// The keys of a rule that identify the object of a value.
#[derive(Debug)]
pub(super) struct Keys {
    describes: Vec<DescribedObject>,
    items: Option<Path>,
    name_from: Option<ItemText>,
    namespace_from: Option<ItemText>,
    namespace_label: Option<String>,
    name_label: Option<String>,
    name_pattern: Option<NamePattern>,
}

impl Keys {
    pub(super) fn read(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Self {
        Self {
            describes: describes(fields, sink),
            items: path("items", fields, limits, sink),
            name_from: item_text("nameFrom", fields, limits, sink),
            namespace_from: item_text("namespaceFrom", fields, limits, sink),
            namespace_label: fields.line("namespaceLabel", sink).map(str::to_owned),
            name_label: fields.line("nameLabel", sink).map(str::to_owned),
            name_pattern: name_pattern(fields, limits, sink),
        }
    }

    /// The objects that the rule lists.
    pub(super) fn described(&self) -> &[DescribedObject] {
        &self.describes
    }

    pub(super) fn name_pattern(&self) -> Option<&NamePattern> {
        self.name_pattern.as_ref()
    }

    /// The mapping of each kind; kinds that share one form a group. `None` (and a problem) if a kind has none.
    pub(super) fn groups(
        self,
        kinds: &[ObjectKind],
        value: &Value,
        source: &Source,
        fields: &mut Fields<'_>,
        sink: &mut Sink,
    ) -> Option<Vec<MappedKinds>> {
        let names_namespace = self.name_pattern.as_ref().is_some_and(NamePattern::names_namespaces);
        if !combination::is_valid(kinds, value, source, names_namespace, fields, sink) {
            return None;
        }
        if let ([kind], true) = (kinds, fields.has("describes")) {
            return self.fixed(kind, fields, sink);
        }
        let mut groups: Vec<MappedKinds> = Vec::new();
        let mut whole = true;
        for kind in kinds {
            match self.mapping(kind, value, source, fields, sink) {
                Some(mapping) => match groups.iter_mut().find(|(_, other)| *other == mapping) {
                    Some((kinds, _)) => kinds.push(kind.clone()),
                    None => groups.push((vec![kind.clone()], mapping)),
                },
                None => whole = false,
            }
        }
        whole.then_some(groups)
    }

    fn mapping(
        &self,
        kind: &ObjectKind,
        value: &Value,
        source: &Source,
        fields: &mut Fields<'_>,
        sink: &mut Sink,
    ) -> Option<ObjectMapping> {
        if source.is_of_any_pods() && kind.resource != "pods" {
            return Some(ObjectMapping::PodSelector);
        }
        if source.uses(Placeholder::Name) || source.is_of_any_pods() {
            return Some(ObjectMapping::Requested);
        }
        if fields.has("items") {
            return Some(ObjectMapping::Items {
                items: self.items.clone()?,
                name_from: self.name_from.clone()?,
                namespace_from: self.namespace_from.clone(),
            });
        }
        match value {
            Value::Text(expr) if expr.pattern.names_objects() => {
                Some(ObjectMapping::CaptureGroups { namespace: expr.pattern.names_namespaces() })
            }
            Value::Series(_) | Value::QueryTemplate(_) if value.uses(Placeholder::Name) => {
                Some(ObjectMapping::InQuery { namespace: self.namespaces(kind, value, source) })
            }
            Value::Series(_) | Value::QueryTemplate(_) | Value::Named(_) => {
                self.labels(kind, value, source, fields, sink)
            }
            Value::Json(_) | Value::Text(_) | Value::Number if kind.resource == "namespaces" => {
                Some(ObjectMapping::Namespace)
            }
            Value::Json(_) | Value::Text(_) | Value::Number => {
                let items = match value {
                    Value::Json(_) => ", items:",
                    Value::Text(_) => ", a group (?<name>…)",
                    _ => "",
                };
                let message = format!(
                    "all {} would get the same value; add describes:{items} or {{name}} in the URL of source {}",
                    kind.resource,
                    Escaped::new(&source.name)
                );
                fields.fail("object", &message, sink);
                None
            }
        }
    }

    /// One rule for each object that the rule lists.
    fn fixed(self, kind: &ObjectKind, fields: &mut Fields<'_>, sink: &mut Sink) -> Option<Vec<MappedKinds>> {
        let wrong = self.describes.iter().find(|object| object.namespace.is_some() != kind.namespaced);
        match wrong.map(|object| &object.namespace) {
            Some(None) => {
                fields.fail("describes", &format!("namespace: is required, as {} are namespaced", kind.resource), sink);
                None
            }
            Some(Some(_)) => {
                fields.fail("describes", &format!("namespace: {} are cluster-scoped", kind.resource), sink);
                None
            }
            None if self.describes.is_empty() => None,
            None => {
                let group = |object| (vec![kind.clone()], ObjectMapping::Described(object));
                Some(self.describes.into_iter().map(group).collect())
            }
        }
    }

    fn labels(
        &self,
        kind: &ObjectKind,
        value: &Value,
        source: &Source,
        fields: &mut Fields<'_>,
        sink: &mut Sink,
    ) -> Option<ObjectMapping> {
        let name = match (&self.name_label, &kind.label) {
            (None, None) => {
                let message = format!("required for {}: a label job means the scrape job on most pages", kind.resource);
                fields.fail("nameLabel", &message, sink);
                return None;
            }
            (own, default) => or_exported(own.as_ref(), default.as_deref().unwrap_or_default(), source),
        };
        Some(ObjectMapping::Labels { namespace: self.namespaces(kind, value, source), name })
    }

    /// The labels that name the namespace.
    fn namespaces(&self, kind: &ObjectKind, value: &Value, source: &Source) -> NamespaceLabels {
        let is_identified =
            value.uses(Placeholder::Namespace) || self.name_pattern.as_ref().is_some_and(NamePattern::names_namespaces);
        match (kind.namespaced, self.namespace_label.as_deref()) {
            (true, _) if is_identified => NamespaceLabels::FromValue,
            (true, Some(NO_LABEL)) => NamespaceLabels::Ignored,
            (true, _) => NamespaceLabels::First(or_exported(self.namespace_label.as_ref(), "namespace", source)),
            (false, _) => NamespaceLabels::First(Vec::new()),
        }
    }
}

/// The label that exporters set, preceded by the `exported_` form into which Prometheus renames it if its own label has the
/// same name.
fn or_exported(own: Option<&String>, default: &str, source: &Source) -> Vec<String> {
    match own {
        Some(label) => vec![label.clone()],
        // A query uses one label, and a server's own label names the target that it scraped.
        None if source.is_prometheus() => vec![default.to_owned()],
        None => vec![format!("exported_{default}"), default.to_owned()],
    }
}

/// One object, or a list of them; none if one of them is invalid.
fn describes(fields: &mut Fields<'_>, sink: &mut Sink) -> Vec<DescribedObject> {
    let Some(node) = fields.get("describes") else { return Vec::new() };
    let objects: Option<Vec<_>> = match &node.value {
        YamlValue::Sequence(items) if items.is_empty() => {
            fields.fail("describes", "expected at least one object", sink);
            None
        }
        YamlValue::Sequence(items) => {
            let objects: Vec<_> = items.iter().map(|item| described(item, item.span, sink)).collect();
            objects.into_iter().collect()
        }
        _ => described(node, fields.span("describes"), sink).map(|object| vec![object]),
    };
    objects.unwrap_or_default()
}

fn described(node: &Node, home: Span, sink: &mut Sink) -> Option<DescribedObject> {
    let mut object = Fields::open(node, home, "describes", &["namespace", "name"], sink)?;
    let name = object.required_text("name", sink);
    let namespace = object.text("namespace", sink);
    if let Some(namespace) = namespace.filter(|namespace| !dns::is_label(namespace)) {
        object.fail("namespace", &format!("expected a namespace, found {}", Escaped::new(namespace)), sink);
        return None;
    }
    let name = name?;
    if let Err(message) = path_segment::check(name) {
        object.fail("name", &message, sink);
        return None;
    }
    Some(DescribedObject { namespace: namespace.map(str::to_owned), name: name.to_owned() })
}

fn name_pattern(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<NamePattern> {
    let text = fields.text("namePattern", sink)?;
    let parsed = match text.len() {
        length if length > limits.expression.bytes => {
            Err(format!("expected at most {} bytes, found {length}", limits.expression.bytes))
        }
        _ => NamePattern::parse(text, limits.expression.regex),
    };
    parsed.map_err(|message| fields.fail("namePattern", &message, sink)).ok()
}

/// `key`, or a path from an item.
pub(super) fn item_text(
    key: &'static str,
    fields: &mut Fields<'_>,
    limits: &Limits,
    sink: &mut Sink,
) -> Option<ItemText> {
    match fields.get(key).and_then(|node| node.text()) {
        Some(KEY) => Some(ItemText::Key),
        _ => path(key, fields, limits, sink).map(ItemText::Path),
    }
}

pub(super) fn path(key: &'static str, fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<Path> {
    let text = fields.text(key, sink)?;
    match Path::parse(text, &json::JsonLimits { bytes: limits.expression.bytes }) {
        Ok(path) => Some(path),
        Err(error) => {
            let span = fields.get(key).and_then(|node| node.within(error.column)).unwrap_or(fields.span(key));
            fields.fail_at(key, span, &error.to_string(), sink);
            None
        }
    }
}

//! `namespaces` of a source, or of a rule.

use super::fields::{Fields, Sink};
use crate::config::model::Namespaces;
use crate::parse::dns;
use crate::parse::escape::Escaped;
use crate::parse::yaml::YamlValue;

/// The listed namespaces, as far as they can be read; `None` without the key.
pub(super) fn read(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<Namespaces> {
    let mut names = Vec::new();
    let node = fields.get("namespaces")?;
    let YamlValue::Sequence(items) = &node.value else {
        let example = match node.text() {
            Some("*") => r#"["*"]"#.to_owned(),
            Some(name) if dns::is_label(name) => format!("[{name}]"),
            _ => "[shop]".to_owned(),
        };
        fields.fail("namespaces", &format!("expected a list such as {example}, found {}", node.kind()), sink);
        return Some(Namespaces::Only(names));
    };
    if items.is_empty() {
        fields.fail("namespaces", "expected at least one", sink);
    }
    for item in items {
        match item.text() {
            Some("*") if items.len() == 1 => return Some(Namespaces::All),
            Some("*") => fields.fail_at("namespaces", item.span, r#"expected "*" alone or names without it"#, sink),
            Some(name) if dns::is_label(name) => names.push(name.to_owned()),
            Some(name) => {
                let message = format!("expected a namespace, found {}", Escaped::new(name));
                fields.fail_at("namespaces", item.span, &message, sink);
            }
            None => {
                let message = format!("expected a namespace, found {}", item.kind());
                fields.fail_at("namespaces", item.span, &message, sink);
            }
        }
    }
    Some(Namespaces::Only(names))
}

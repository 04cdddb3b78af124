//! The kinds of object that a rule describes: `object`, and for kinds outside the table `kind`, `namespaced`, `apiVersion`.

use super::fields::{Fields, Sink};
use crate::config::model::ObjectKind;
use crate::kube::kinds;
use crate::parse::dns;
use crate::parse::escape::Escaped;
use crate::parse::yaml::{Node, YamlValue};

/// The resources in `object`, as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// As written: `services`, `deployments.apps`.
    pub(super) resources: Vec<String>,
    /// `None` if a kind is unknown.
    pub(super) kinds: Option<Vec<ObjectKind>>,
}

pub(super) fn read(fields: &mut Fields<'_>, sink: &mut Sink) -> Objects {
    let mut objects = Objects::default();
    let Some(node) = fields.require("object", sink) else {
        return objects;
    };
    let items = match &node.value {
        YamlValue::Sequence(items) if items.is_empty() => {
            fields.fail("object", "expected at least one resource", sink);
            return objects;
        }
        YamlValue::Sequence(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let resources: Vec<(&Node, &str)> = items.iter().filter_map(|item| Some((item, item.text()?))).collect();
    objects.resources = resources.iter().map(|(_, resource)| (*resource).to_owned()).collect();
    for item in items.iter().filter(|item| item.text().is_none()) {
        let message = format!("expected a resource such as services or deployments.apps, found {}", item.kind());
        fields.fail_at("object", item.span, &message, sink);
    }
    for (index, (item, resource)) in resources.iter().enumerate() {
        if resources.iter().take(index).any(|(_, earlier)| earlier == resource) {
            fields.fail_at("object", item.span, &format!("{} occurs twice", Escaped::new(*resource)), sink);
        }
    }
    let custom = custom_kind(&resources, fields, sink);
    let kinds: Option<Vec<ObjectKind>> = resources
        .iter()
        .map(|(item, resource)| match (kinds::lookup(resource), &custom) {
            (Some(kind), _) => Some(kind.into()),
            (None, Some(custom)) => Some(custom.clone()),
            (None, None) => {
                unknown(item, resource, fields, sink);
                None
            }
        })
        .collect();
    objects.kinds = kinds.filter(|kinds| kinds.len() == items.len());
    objects
}

/// The kind that the rule itself defines, for a single resource that is not in the table.
fn custom_kind(resources: &[(&Node, &str)], fields: &mut Fields<'_>, sink: &mut Sink) -> Option<ObjectKind> {
    let spelled = ["kind", "namespaced", "apiVersion"].into_iter().find(|key| fields.has(key))?;
    let mut custom = resources.iter().filter(|(_, resource)| kinds::lookup(resource).is_none());
    let resource = match (custom.next(), custom.next()) {
        (Some((_, resource)), None) => *resource,
        (None, _) => {
            fields.fail(spelled, "is for resources outside the built-in table, and this rule has none", sink);
            return None;
        }
        (Some(_), Some(_)) => {
            fields.fail(spelled, "is for a single resource; write a rule for each", sink);
            return None;
        }
    };
    let group = group(resource)?;
    let kind = fields.required_text("kind", sink);
    fields.require("namespaced", sink);
    let namespaced = fields.boolean("namespaced", sink);
    let api_version = match fields.text("apiVersion", sink) {
        Some(text) if text.strip_prefix(group).and_then(|rest| rest.strip_prefix('/')).is_some_and(is_version) => {
            text.to_owned()
        }
        Some(text) => {
            let message = format!("expected {group}/ and a version, such as {group}/v1, found {}", Escaped::new(text));
            fields.fail("apiVersion", &message, sink);
            return None;
        }
        None => format!("{group}/v1"),
    };
    let kind = kind?;
    if !kind.starts_with(|c: char| c.is_ascii_uppercase()) || !kind.bytes().all(|b| b.is_ascii_alphanumeric()) {
        fields.fail("kind", &format!("expected a kind such as Deployment, found {}", Escaped::new(kind)), sink);
        return None;
    }
    Some(ObjectKind {
        resource: resource.to_owned(),
        kind: kind.to_owned(),
        api_version,
        namespaced: namespaced?,
        label: Some(kind.to_ascii_lowercase()),
    })
}

fn unknown(item: &Node, resource: &str, fields: &mut Fields<'_>, sink: &mut Sink) {
    let shown = Escaped::new(resource);
    let message = match (group(resource), kinds::suggest(resource)) {
        (Some(_), _) if fields.has("kind") || fields.has("namespaced") => {
            // Problems of these keys are reported at the keys.
            return;
        }
        (Some(_), Some(kind)) => {
            format!("{shown} is not built in; did you mean {}? otherwise add kind: and namespaced:", kind.resource)
        }
        (None, Some(kind)) => format!("unknown resource {shown}; did you mean {}?", kind.resource),
        (Some(_), None) => format!("{shown} is not built in; add kind: and namespaced:"),
        (None, None) => format!("unknown resource {shown}; outside the core group it is plural.group"),
    };
    fields.fail_at("object", item.span, &message, sink);
}

/// The group in `plural.group`, if its syntax is valid.
fn group(resource: &str) -> Option<&str> {
    let (plural, group) = resource.split_once('.')?;
    (dns::is_label(plural) && dns::is_name(resource)).then_some(group)
}

fn is_version(text: &str) -> bool {
    text.starts_with('v') && text.len() > 1 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

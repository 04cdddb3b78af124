//! The HPAs in the output: nodes of a manifest as JSON, which is printed in the YAML style of Kubernetes.

use serde_json::{Map, Number, Value};

use crate::kube::yaml;
use crate::parse::yaml::{Node, YamlValue};

/// Keys that the API server adds to an object.
const OF_THE_SERVER: &[&str] =
    &["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// The annotation in which `kubectl apply` stores an object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A mapping.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A string.
pub(super) fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// Converts a node, with YAML's types for plain scalars.
pub(super) fn json(node: &Node) -> Value {
    match &node.value {
        YamlValue::Scalar { .. } if node.is_null() => Value::Null,
        YamlValue::Scalar { text, quoted: false, .. } => plain(text),
        YamlValue::Scalar { text, .. } => Value::String(text.clone()),
        YamlValue::Sequence(items) => Value::Array(items.iter().map(json).collect()),
        YamlValue::Mapping(entries) => {
            Value::Object(entries.iter().map(|(key, node)| (key.text.clone(), json(node))).collect())
        }
    }
}

fn plain(text: &str) -> Value {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    let number = || match text.parse::<i64>() {
        Ok(number) => Some(Number::from(number)),
        Err(_) => text.parse::<f64>().ok().and_then(Number::from_f64),
    };
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => Some(text).filter(|_| is_number).and_then(|_| number()).map_or_else(|| self::text(text), Value::Number),
    }
}

/// Removes what the API server and `kubectl apply` have added to an object.
pub(super) fn strip(object: &mut Value) {
    if let Some(members) = object.as_object_mut() {
        members.remove("status");
    }
    if let Some(metadata) = member(object, "metadata") {
        OF_THE_SERVER.iter().for_each(|key| {
            metadata.remove(*key);
        });
    }
    remove_annotations(object, |key| key == LAST_APPLIED);
}

/// Removes annotations, and the map of annotations if it is then empty.
pub(super) fn remove_annotations(object: &mut Value, is_removed: impl Fn(&str) -> bool) {
    let Some(metadata) = member(object, "metadata") else { return };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    annotations.retain(|key, _| !is_removed(key));
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

/// A member of an object, if it is a mapping.
pub(super) fn member<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    object.get_mut(key)?.as_object_mut()
}

/// Prints objects as YAML documents.
pub(super) fn documents(objects: &[Value]) -> String {
    objects.iter().map(yaml::print).collect::<Vec<_>>().join("---\n")
}

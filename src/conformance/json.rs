//! Compares JSON values as Kubernetes' clients see them.

use serde_json::Value;

/// Removes members that are null, empty strings, empty lists or empty objects. Clients treat a missing member as its
/// zero value.
pub(crate) fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name, pruned(value)))
            .filter(|(_, value)| !is_empty(value))
            .map(|(name, value)| (name.clone(), value))
            .collect(),
        Value::Array(items) => items.iter().map(pruned).collect(),
        value => value.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prunes_empty_members() {
        let whole = json!({"a": {"b": [], "c": ""}, "d": null, "e": 0, "f": false, "g": [{}, {"h": "i", "j": {}}]});
        assert_eq!(pruned(&whole), json!({"e": 0, "f": false, "g": [{}, {"h": "i"}]}));
    }
}

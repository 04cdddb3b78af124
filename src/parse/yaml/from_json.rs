//! Converts parsed JSON to a tree whose nodes have no positions.

use serde_json::Value;

use super::{Key, Node, Span, YamlValue};

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        let scalar = |text: String, quoted| YamlValue::Scalar { text, quoted, verbatim: false };
        let value = match value {
            Value::Null => scalar("null".to_owned(), false),
            Value::Bool(value) => scalar(value.to_string(), false),
            Value::Number(number) => scalar(number.to_string(), false),
            Value::String(text) => scalar(text, true),
            Value::Array(items) => YamlValue::Sequence(items.into_iter().map(Self::from).collect()),
            Value::Object(entries) => {
                let entry = |(text, value)| (Key { span: Span::START, text }, Self::from(value));
                YamlValue::Mapping(entries.into_iter().map(entry).collect())
            }
        };
        Self { span: Span::START, value }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::parse::yaml::{self, YamlLimits};

    #[test]
    fn equals_the_tree_of_its_text() {
        let value = json!({"a": [1, -2.5, true, null, "null", "", "x y"], "b": {"c": "\u{e9}", "d": {}, "e": []}});
        let limits = YamlLimits { bytes: 1024, depth: 8, nodes: 64 };
        let parsed = yaml::parse(&value.to_string(), &limits).unwrap();
        let node = Node::from(value);
        assert_eq!(texts(&node), texts(&parsed));
        assert_eq!(node.text_at(&["b", "c"]), Some("\u{e9}"));
        assert_eq!(node.items_at(&["a"]).iter().filter(|item| item.is_null()).count(), 1);
    }

    /// A tree without its positions.
    fn texts(node: &Node) -> String {
        match &node.value {
            YamlValue::Scalar { text, quoted, .. } => format!("{text:?}{}", if *quoted { "" } else { "!" }),
            YamlValue::Sequence(items) => format!("{:?}", items.iter().map(texts).collect::<Vec<_>>()),
            YamlValue::Mapping(entries) => {
                format!("{:?}", entries.iter().map(|(key, value)| (&key.text, texts(value))).collect::<Vec<_>>())
            }
        }
    }
}

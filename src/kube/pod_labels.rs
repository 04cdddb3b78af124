//! The labels of a pod as one text, which pods with equal labels share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Ends each key and each value; labels contain letters, digits and a few punctuation marks.
const END: char = '\0';

/// Labels, ordered by their keys.
#[derive(Clone, PartialEq, Eq)]
pub struct PodLabels(pub(super) Arc<str>);

impl PodLabels {
    /// The text of labels, which pods share.
    pub(super) fn text(labels: &BTreeMap<String, String>) -> String {
        let mut text = String::with_capacity(labels.iter().map(|(key, value)| key.len() + value.len() + 2).sum());
        // The API server stores no label with a control character.
        for part in labels.iter().filter(|(key, value)| !key.contains(END) && !value.contains(END)) {
            let (key, value) = part;
            [key.as_str(), value].into_iter().for_each(|part| {
                text.push_str(part);
                text.push(END);
            });
        }
        text
    }

    /// The value of a label; `None` if there is no such label.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(label, _)| *label == key).map(|(_, value)| value)
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut parts = self.0.split_terminator(END);
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }

    /// Whether both are the same text in memory.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for PodLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_labels_by_key() {
        let labels = [("app", "web"), ("app.kubernetes.io/part-of", "shop"), ("empty", ""), ("z", "1")];
        let map = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let text = PodLabels(PodLabels::text(&map).into());
        assert_eq!(text.iter().collect::<Vec<_>>(), labels);
        for (key, expected) in [("app", Some("web")), ("empty", Some("")), ("web", None), ("ap", None), ("", None)] {
            assert_eq!(text.get(key), expected, "{key}");
        }
        assert_eq!(PodLabels("".into()).iter().count(), 0);
    }
}

//! The labels of a pod as one text, which is shared by all pods whose labels are equal, or differ only by the pod's name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Ends each key and each value; labels contain letters, digits and a few punctuation marks.
const END: char = '\0';

/// Labels of StatefulSet pods whose values follow from the pod's name, and the markers that replace the values in the text.
const POD_NAME_LABEL: (&str, &str) = ("statefulset.kubernetes.io/pod-name", "\u{1}");
const POD_INDEX_LABEL: (&str, &str) = ("apps.kubernetes.io/pod-index", "\u{2}");

/// Labels, in order of their keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PodLabels<'p> {
    text: &'p Arc<str>,
    /// The name of the pod.
    name: &'p str,
}

impl<'p> PodLabels<'p> {
    /// The labels in a shared text, with the markers resolved for a pod of this name.
    pub(super) fn new(text: &'p Arc<str>, name: &'p str) -> Self {
        Self { text, name }
    }

    /// Encodes the labels of a pod of this name as the text that pods share.
    pub(super) fn text(labels: &BTreeMap<String, String>, name: &str) -> String {
        let mut text = String::with_capacity(labels.iter().map(|(key, value)| key.len() + value.len() + 2).sum());
        // The API server stores no label with a control character.
        let is_plain = |text: &str| !text.contains(|c: char| c.is_ascii_control());
        for (key, value) in labels.iter().filter(|(key, value)| is_plain(key) && is_plain(value)) {
            let value = match key.as_str() {
                key if key == POD_NAME_LABEL.0 && value == name => POD_NAME_LABEL.1,
                key if key == POD_INDEX_LABEL.0 && value == number(name) => POD_INDEX_LABEL.1,
                _ => value,
            };
            [key.as_str(), value].into_iter().for_each(|part| {
                text.push_str(part);
                text.push(END);
            });
        }
        text
    }

    /// Whether pods that share a text may have different values of this label.
    pub(super) fn may_differ(key: &str) -> bool {
        [POD_NAME_LABEL.0, POD_INDEX_LABEL.0].contains(&key)
    }

    /// The value of a label; `None` if there is no such label.
    pub fn get(self, key: &str) -> Option<&'p str> {
        self.iter().find(|(label, _)| *label == key).map(|(_, value)| value)
    }

    /// Keys and values.
    pub fn iter(self) -> impl Iterator<Item = (&'p str, &'p str)> {
        let mut parts = self.text.split_terminator(END);
        std::iter::from_fn(move || {
            let (key, value) = (parts.next()?, parts.next()?);
            Some((
                key,
                if value == POD_NAME_LABEL.1 {
                    self.name
                } else if value == POD_INDEX_LABEL.1 {
                    number(self.name)
                } else {
                    value
                },
            ))
        })
    }

    /// Whether both are the same text in memory.
    pub fn is_same(self, other: Self) -> bool {
        Arc::ptr_eq(self.text, other.text)
    }
}

/// The ordinal in the name of a StatefulSet's pod.
fn number(name: &str) -> &str {
    name.rsplit('-').next().unwrap_or_default()
}

impl fmt::Debug for PodLabels<'_> {
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
        let text = PodLabels::text(&map, "web-0").into();
        let text = PodLabels::new(&text, "web-0");
        assert_eq!(text.iter().collect::<Vec<_>>(), labels);
        for (key, expected) in [("app", Some("web")), ("empty", Some("")), ("web", None), ("ap", None), ("", None)] {
            assert_eq!(text.get(key), expected, "{key}");
        }
        assert_eq!(PodLabels::new(&"".into(), "web-0").iter().count(), 0);
    }

    #[test]
    fn pods_of_a_stateful_set_share() {
        let labels = |name: &str, number: &str, other: &str| {
            let all = [
                ("app", "1"),
                ("apps.kubernetes.io/pod-index", number),
                ("copy", name),
                ("statefulset.kubernetes.io/pod-name", other),
            ];
            let all = all.map(|(key, value)| (key.to_owned(), value.to_owned()));
            // Whatever labels a pod has, they must survive the encoding.
            let text = PodLabels::text(&all.clone().into(), "db-1").into();
            let told = PodLabels::new(&text, "db-1").iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
            assert_eq!(told.collect::<Vec<_>>(), all);
            text
        };
        let text = |name: &str, number: &str| -> Arc<str> {
            let all = [(POD_INDEX_LABEL.0, number), (POD_NAME_LABEL.0, name)];
            PodLabels::text(&all.map(|(key, value)| (key.to_owned(), value.to_owned())).into(), name).into()
        };
        assert_eq!(text("db-1", "1"), text("db-23", "23"));
        assert_ne!(text("db-1", "1"), text("db-1", "2"));
        let mut seen: Vec<Arc<str>> = Vec::new();
        for (name, number, other) in [("a", "1", "db-1"), ("a", "1", "db-2"), ("a", "2", "db-1"), ("db-1", "", "")] {
            seen.push(labels(name, number, other));
        }
        seen.dedup();
        assert_eq!(seen.len(), 4);
    }
}

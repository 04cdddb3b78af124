//! Sets of labels that are cheap to store, compare and hash.

use std::fmt;
use std::sync::Arc;

use crate::parse::sort::sort_by;
use crate::promql::{Grouping, NAME_LABEL};

/// These bytes do not occur in UTF-8; they mark the end of a name and of a value.
const NAME_END: u8 = 0xfe;
const VALUE_END: u8 = 0xff;

/// Labels sorted by unique names, without empty values; one allocation holds them all and is shared by copies.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[u8]>);

impl Labels {
    /// Creates a set from labels in any order. Labels with an empty value are dropped; of duplicate names the first
    /// counts.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(labels: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut labels: Vec<(N, V)> = labels.into_iter().filter(|(_, value)| !value.as_ref().is_empty()).collect();
        sort_by(&mut labels, |(left, _), (right, _)| left.as_ref().cmp(right.as_ref()));
        labels.dedup_by(|(left, _), (right, _)| left.as_ref() == right.as_ref());
        Self::sorted(labels.iter().map(|(name, value)| (name.as_ref(), value.as_ref())))
    }

    fn sorted<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut bytes = Vec::new();
        for (name, value) in labels {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(NAME_END);
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(VALUE_END);
        }
        Self(bytes.into())
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split(|byte| *byte == VALUE_END).filter_map(|label| {
            let mut parts =
                label.splitn(2, |byte| *byte == NAME_END).map(|part| str::from_utf8(part).unwrap_or_default());
            parts.next().zip(parts.next())
        })
    }

    /// The value of one label.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut labels = self.0.split(|byte| *byte == VALUE_END);
        let value = labels.find_map(|label| label.strip_prefix(name.as_bytes())?.strip_prefix(&[NAME_END]))?;
        str::from_utf8(value).ok()
    }

    /// The size in memory.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Whether this is the only copy.
    pub fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// The labels except those with these names.
    pub fn without(&self, names: &[impl AsRef<str>]) -> Self {
        Self::sorted(self.iter().filter(|(name, _)| !has(names, name)))
    }

    /// The labels that a grouping keeps.
    pub fn grouped(&self, grouping: &Grouping) -> Self {
        match grouping {
            Grouping::By(names) => self.only(names),
            Grouping::Without(names) => {
                Self::sorted(self.iter().filter(|(name, _)| *name != NAME_LABEL && !has(names, name)))
            }
        }
    }

    /// The labels with a different value of one label; an empty value removes it.
    pub fn with(&self, name: &str, value: &str) -> Self {
        Self::new(std::iter::once((name, value)).chain(self.iter().filter(|(other, _)| *other != name)))
    }

    /// The labels with these names.
    pub fn only(&self, names: &[impl AsRef<str>]) -> Self {
        Self::sorted(self.iter().filter(|(name, _)| has(names, name)))
    }
}

fn has(names: &[impl AsRef<str>], name: &str) -> bool {
    names.iter().any(|other| other.as_ref() == name)
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_as_a_set() {
        let labels = Labels::new([("b", "2"), ("a", "é\u{0}\n"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "é\u{0}\n"), ("b", "2")]);
        assert_eq!(labels, Labels::new([("a", "é\u{0}\n"), ("b", "2")]));
        assert_eq!((labels.get("b"), labels.get("c"), labels.get("")), (Some("2"), None, None));
        assert_eq!(labels.without(&["a", "x"]), Labels::new([("b", "2")]));
        assert_eq!(labels.only(&["a", "x"]), Labels::new([("a", "é\u{0}\n")]));
        assert_eq!(labels.only(&[""; 0]), Labels::default());
        assert_eq!(labels.with("b", "3"), Labels::new([("a", "é\u{0}\n"), ("b", "3")]));
        assert_eq!(labels.with("a", "").with("c", "4"), Labels::new([("b", "2"), ("c", "4")]));
        // The encodings of different sets differ.
        assert_ne!(Labels::new([("a", "b"), ("c", "d")]), Labels::new([("a", "bc"), ("d", "d")]));
    }
}

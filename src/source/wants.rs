//! The series and values that rules need from a source.

use super::page::{Query, WantedValues};

/// What a source's pages are searched for: the values of its rules, and of metrics recently requested by name.
#[derive(Debug)]
pub(super) struct SourceWants {
    fixed: Vec<WantedValues>,
    /// Those requested by name, ordered by their last request.
    asked: Vec<WantedValues>,
    next: u64,
}

impl SourceWants {
    pub(super) fn new(fixed: Vec<WantedValues>) -> Self {
        let next = fixed.iter().map(|want| want.id + 1).max().unwrap_or_default();
        Self { fixed, asked: Vec::new(), next }
    }

    /// All wanted values.
    pub(super) fn all(&self) -> Vec<WantedValues> {
        self.fixed.iter().chain(&self.asked).cloned().collect()
    }

    /// The wanted values of a metric by name; at most `remembered` names are kept. `number`: whether a bare number can only
    /// be this metric.
    pub(super) fn named(&mut self, name: &str, number: bool, remembered: usize) -> WantedValues {
        let known = self.asked.iter().position(|want| matches!(&want.query, Query::Named { name: n, .. } if n == name));
        let want = match known {
            Some(at) => self.asked.remove(at),
            None => {
                self.next += 1;
                WantedValues { id: self.next, query: Query::Named { name: name.to_owned(), number } }
            }
        };
        if self.asked.len() >= remembered {
            self.asked.remove(0);
        }
        self.asked.push(want.clone());
        want
    }
}

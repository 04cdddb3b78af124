//! The series and values that rules need from a source.

use super::page::{Query, Want};

/// The wants of a source: those of its rules, and those of metrics that were requested by name recently.
#[derive(Debug)]
pub(super) struct Wants {
    fixed: Vec<Want>,
    /// In the order of the last request.
    asked: Vec<Want>,
    next: u64,
}

impl Wants {
    pub(super) fn new(fixed: Vec<Want>) -> Self {
        let next = fixed.iter().map(|want| want.id + 1).max().unwrap_or_default();
        Self { fixed, asked: Vec::new(), next }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Want> {
        self.fixed.iter().chain(&self.asked).cloned().collect()
    }

    /// The want for a metric by name, which is remembered; their number is limited. `number`: whether a bare number can
    /// only be this metric.
    pub(super) fn named(&mut self, name: &str, number: bool, remembered: usize) -> Want {
        let known = self.asked.iter().position(|want| matches!(&want.query, Query::Named { name: n, .. } if n == name));
        let want = match known {
            Some(at) => self.asked.remove(at),
            None => {
                self.next += 1;
                Want { id: self.next, query: Query::Named { name: name.to_owned(), number } }
            }
        };
        if self.asked.len() >= remembered {
            self.asked.remove(0);
        }
        self.asked.push(want.clone());
        want
    }
}

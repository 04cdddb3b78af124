//! Numbers sets of labels.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Labels;

/// Assigns a number to each set of labels, in the order of insertion, from 0.
#[derive(Default)]
pub(super) struct LabelIndex(HashMap<Labels, usize>);

impl LabelIndex {
    /// The number of these labels, and whether they are new.
    pub(super) fn insert(&mut self, labels: Labels) -> (usize, bool) {
        let next = self.0.len();
        match self.0.entry(labels) {
            Entry::Occupied(known) => (*known.get(), false),
            Entry::Vacant(free) => (*free.insert(next), true),
        }
    }

    pub(super) fn get(&self, labels: &Labels) -> Option<usize> {
        self.0.get(labels).copied()
    }
}

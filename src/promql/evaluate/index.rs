//! Where sets of labels are in a list.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Labels;

/// Gives each set of labels a number, in the order they come, from 0 on.
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

//! What a store has room for, and the labels that its objects share.

use std::collections::HashSet;
use std::sync::Arc;

use super::budget::{SAMPLE, SampleBudget, cost};
use super::layout::Layout;
use crate::metrics::sample_bound::Bound;
use crate::promql::evaluate::Labels;

/// What a store has room for, at one time.
pub(super) struct Room<'s> {
    pub(super) budget: &'s SampleBudget,
    pub(super) most_series: usize,
    /// The series of all objects.
    pub(super) series: &'s mut usize,
    pub(super) shared: &'s mut SharedLabels,
    /// The limit that was reached, and when.
    pub(super) full: &'s mut Option<(i64, Bound)>,
    pub(super) at: i64,
    /// Samples before this time are no longer needed.
    pub(super) oldest: i64,
}

/// Labels that several objects have, each once: the pods of one workload mostly have the same.
#[derive(Debug, Default)]
pub(super) struct SharedLabels {
    pub(super) sets: HashSet<Labels>,
    pub(super) layouts: HashSet<Arc<Layout>>,
}

impl SharedLabels {
    /// The copy of these labels that all objects share.
    pub(super) fn set(&mut self, labels: Labels) -> Labels {
        if let Some(known) = self.sets.get(&labels) {
            return known.clone();
        }
        self.sets.insert(labels.clone());
        labels
    }

    /// The copy of this layout that all objects share.
    pub(super) fn layout(&mut self, labels: Vec<Labels>) -> Arc<Layout> {
        let layout = Layout::new(labels);
        if let Some(known) = self.layouts.get(&layout) {
            return known.clone();
        }
        let layout = Arc::new(layout);
        self.layouts.insert(layout.clone());
        layout
    }

    /// Drops what no object has.
    pub(super) fn prune(&mut self) {
        self.layouts.retain(|layout| Arc::strong_count(layout) > 1);
        self.sets.retain(|labels| !labels.is_last());
    }
}

impl Room<'_> {
    /// Takes room for a sample of a known series.
    pub(super) fn sample(&mut self) -> bool {
        let fits = self.budget.take(SAMPLE);
        if !fits {
            self.lack_bytes();
        }
        fits
    }

    /// Takes room for a new series with a sample; returns its labels as they are shared.
    pub(super) fn series(&mut self, labels: Labels) -> Option<Labels> {
        if *self.series >= self.most_series {
            *self.full = Some((self.at, Bound::Series(self.most_series)));
            return None;
        }
        if !self.budget.take(SAMPLE + cost(&labels)) {
            self.lack_bytes();
            return None;
        }
        *self.series += 1;
        Some(self.shared.set(labels))
    }

    /// Gives back the room of a series without samples.
    pub(super) fn drop_series(&mut self, labels: &Labels) {
        *self.series -= 1;
        self.budget.give_back(cost(labels));
    }

    pub(super) fn lack_bytes(&mut self) {
        *self.full = Some((self.at, self.budget.bound()));
    }
}

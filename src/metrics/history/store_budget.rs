//! The budget of a store, and the labels that its objects share.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::budget::{SAMPLE, SampleBudget, cost};
use super::layout::{self, Layout};
use crate::metrics::sample_limit::SampleLimit;
use crate::promql::NAME_LABEL;
use crate::promql::evaluate::Labels;
use crate::source::page::Series;

/// The budget of a store at one time.
pub(super) struct StoreBudget<'s> {
    pub(super) budget: &'s SampleBudget,
    pub(super) most_series: usize,
    /// The number of series of all objects.
    pub(super) series: &'s mut usize,
    pub(super) shared: &'s mut SharedLabels,
    /// The limit that was reached, and the time.
    pub(super) full: &'s mut Option<(i64, SampleLimit)>,
    pub(super) at: i64,
    /// Samples before this time are no longer needed.
    pub(super) oldest: i64,
}

/// Labels that objects share: the pods of one workload mostly have the same labels.
#[derive(Debug, Default)]
pub(super) struct SharedLabels {
    pub(super) sets: HashSet<Labels>,
    pub(super) layouts: HashSet<Arc<Layout>>,
    /// Layouts by the hash of their text on the page. The key is random, so that a page cannot cause collisions.
    written: HashMap<u64, Arc<Layout>>,
    key: RandomState,
}

impl SharedLabels {
    /// The shared copy of these labels.
    pub(super) fn set(&mut self, labels: Labels) -> Labels {
        if let Some(known) = self.sets.get(&labels) {
            return known.clone();
        }
        self.sets.insert(labels.clone());
        labels
    }

    /// The shared copy of this layout.
    pub(super) fn layout(&mut self, labels: Vec<Labels>) -> Arc<Layout> {
        self.shared(Layout::new(labels, Vec::new()))
    }

    /// The layout of a page with these series. Labels are parsed only if no object has had such a page.
    pub(super) fn of_page<'p>(&mut self, series: impl Iterator<Item = &'p Series> + Clone) -> Arc<Layout> {
        let text = layout::text(series.clone());
        let hash = self.key.hash_one(&text);
        if let Some(known) = self.written.get(&hash).filter(|known| known.is_of(series.clone())) {
            return known.clone();
        }
        let labels = series.map(|series| self.set(labels(series))).collect();
        let layout = self.shared(Layout::new(labels, text));
        self.written.insert(hash, layout.clone());
        layout
    }

    fn shared(&mut self, layout: Layout) -> Arc<Layout> {
        if let Some(known) = self.layouts.get(&layout) {
            return known.clone();
        }
        let layout = Arc::new(layout);
        self.layouts.insert(layout.clone());
        layout
    }

    /// The number of label sets and of layouts; each layout may also be known by its text.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.sets.len(), self.layouts.len().max(self.written.len()))
    }

    /// Drops label sets and layouts that no object uses.
    pub(super) fn prune(&mut self) {
        // `layouts` and `written` hold one reference each.
        self.written.retain(|_, layout| Arc::strong_count(layout) > 2);
        self.layouts.retain(|layout| Arc::strong_count(layout) > 1);
        self.sets.retain(|labels| !labels.is_last());
    }
}

/// The labels of a page's series, including the name.
fn labels(series: &Series) -> Labels {
    let name = std::iter::once((Cow::Borrowed(NAME_LABEL), Cow::Borrowed(series.name())));
    Labels::new(name.chain(series.labels().iter()))
}

impl StoreBudget<'_> {
    /// Reserves memory for a sample of a known series.
    pub(super) fn sample(&mut self) -> bool {
        self.samples(1)
    }

    /// Reserves memory for samples of known series: for all or for none.
    pub(super) fn samples(&mut self, count: usize) -> bool {
        let fits = self.budget.reserve(SAMPLE * count);
        if !fits {
            self.lack_bytes();
        }
        fits
    }

    /// Reserves memory for a new series with a sample; returns its shared labels.
    pub(super) fn series(&mut self, labels: Labels) -> Option<Labels> {
        if *self.series >= self.most_series {
            *self.full = Some((self.at, SampleLimit::Series(self.most_series)));
            return None;
        }
        if !self.budget.reserve(SAMPLE + cost(&labels)) {
            self.lack_bytes();
            return None;
        }
        *self.series += 1;
        Some(self.shared.set(labels))
    }

    /// Reserves memory for new series without samples: for all or for none.
    pub(super) fn series_without_samples<'l>(
        &mut self,
        series: impl Iterator<Item = (&'l Labels, &'l Option<usize>)>,
        count: usize,
    ) -> bool {
        let bytes = series.filter(|(_, place)| place.is_none()).map(|(labels, _)| cost(labels)).sum();
        let fits = *self.series + count <= self.most_series && self.budget.reserve(bytes);
        if fits {
            *self.series += count;
        }
        fits
    }

    /// Releases the memory of a series without samples.
    pub(super) fn drop_series(&mut self, labels: &Labels) {
        *self.series -= 1;
        self.budget.release(cost(labels));
    }

    pub(super) fn lack_bytes(&mut self) {
        *self.full = Some((self.at, self.budget.bound()));
    }
}

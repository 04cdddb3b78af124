//! The samples of an object's series.

use std::sync::Arc;

use super::dense::Dense;
use super::layout::Layout;
use super::sparse::Sparse;
use super::store_budget::StoreBudget;
use crate::promql::evaluate::{Block, Labels, Sample};
use crate::source::page::Series;

/// The samples of an object's series. Rows, which are possible for nearly all pages, take half the memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Table {
    /// Each sample has the time of its page, and series rarely come and go.
    Dense(Dense),
    /// Any samples.
    Sparse(Sparse),
}

impl Default for Table {
    fn default() -> Self {
        Self::Dense(Dense::default())
    }
}

impl Table {
    /// The number of series.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.layout().labels().len(),
            Self::Sparse(sparse) => sparse.rings().len(),
        }
    }

    /// The labels of a series.
    pub(super) fn labels(&self, at: usize) -> Option<&Labels> {
        match self {
            Self::Dense(dense) => dense.layout().labels().get(at),
            Self::Sparse(sparse) => sparse.rings().get(at).map(|ring| &ring.labels),
        }
    }

    /// When a series last occurred on a page, and its samples, oldest first; `scratch` has room for them. `times` are those of
    /// the object's pages.
    pub(super) fn read<'s>(&'s self, at: usize, times: &[i64], scratch: &'s mut Vec<Sample>) -> (i64, &'s [Sample]) {
        match self {
            Self::Dense(dense) => {
                let samples = dense.read(at, times, scratch);
                (samples.last().map_or(i64::MIN, |sample| sample.at), samples)
            }
            Self::Sparse(sparse) => sparse.rings().get(at).map_or((i64::MIN, &[]), |ring| (ring.seen, &ring.samples)),
        }
    }

    /// All samples, if all series have samples of each of `times`, which are those of the object's pages.
    pub(super) fn block<'t>(&'t self, times: &'t [i64]) -> Option<Block<'t>> {
        match self {
            Self::Dense(dense) => dense.block(times),
            Self::Sparse(_) => None,
        }
    }

    /// Stores the samples of a page of one process, whose time is the last of `times`.
    pub(super) fn observe_page(&mut self, times: &[i64], page: &[(&Series, Sample)], room: &mut StoreBudget<'_>) {
        let series = || page.iter().map(|(series, _)| *series);
        let is_in_step = page.iter().all(|(_, sample)| sample.at == room.at);
        let layout = match self {
            Self::Dense(dense) if dense.layout().is_of(series()) && !page.is_empty() => dense.shared_layout(),
            _ => room.shared.of_page(series()),
        };
        if let Self::Dense(dense) = self
            && is_in_step
        {
            let values: Vec<f64> = page.iter().map(|(_, sample)| sample.value).collect();
            if dense.observe_known(&layout, &values, room) {
                return self.spread_if_mostly_absent(times);
            }
        }
        let samples = layout.labels().iter().cloned().zip(page.iter().map(|(_, sample)| *sample));
        self.observe(times, samples.collect(), true, room);
    }

    /// Stores the samples of a page, whose time is the last of `times`. `is_of_one`: they are of one process.
    pub(super) fn observe(
        &mut self,
        times: &[i64],
        samples: Vec<(Labels, Sample)>,
        is_of_one: bool,
        room: &mut StoreBudget<'_>,
    ) {
        let in_step = |(_, sample): &(Labels, Sample)| sample.at == room.at;
        if let Self::Dense(dense) = self
            && is_of_one
            && samples.iter().all(in_step)
        {
            dense.observe(samples, room);
            return self.spread_if_mostly_absent(times);
        }
        // This page has no row yet.
        let before = times.get(..times.len().saturating_sub(1)).unwrap_or_default();
        let mut sparse = std::mem::take(self).into_sparse(before);
        sparse.observe(samples, room);
        *self = Self::Sparse(sparse);
    }

    /// Stores each series separately if rows would take more memory.
    fn spread_if_mostly_absent(&mut self, times: &[i64]) {
        if matches!(self, Self::Dense(dense) if dense.is_mostly_absent()) {
            *self = Self::Sparse(std::mem::take(self).into_sparse(times));
        }
    }

    /// Converts the samples to separately stored series.
    pub(super) fn into_sparse(self, times: &[i64]) -> Sparse {
        match self {
            Self::Dense(dense) => Sparse::of(&dense, times),
            Self::Sparse(sparse) => sparse,
        }
    }

    /// Drops samples that are no longer needed, and series without any; `pages` is how many pages the object has dropped.
    pub(super) fn forget(&mut self, pages: usize, room: &mut StoreBudget<'_>) {
        match self {
            Self::Dense(dense) => dense.forget(pages, room),
            Self::Sparse(sparse) => sparse.forget(room),
        }
    }

    /// The number of samples.
    pub(super) fn samples(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.count(),
            Self::Sparse(sparse) => sparse.rings().iter().map(|ring| ring.samples.len()).sum(),
        }
    }

    /// Converts separately stored series to rows with these times, if possible.
    pub(super) fn of(sparse: Sparse, times: &[i64], layout: impl FnOnce(Vec<Labels>) -> Arc<Layout>) -> Self {
        match sparse.in_step(times, layout) {
            Some(dense) => Self::Dense(dense),
            None => Self::Sparse(sparse),
        }
    }
}

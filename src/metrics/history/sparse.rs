//! The samples of series that come and go, or have their own timestamps.

use std::collections::HashMap;
use std::sync::Arc;

use super::budget::SAMPLE;
use super::dense::Dense;
use super::layout::Layout;
use super::store_budget::StoreBudget;
use crate::promql::evaluate::{Labels, Sample};

/// The samples of series, stored separately.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sparse {
    rings: Vec<SeriesSamples>,
    /// The position of each series in `rings`.
    places: HashMap<Labels, u32>,
}

/// The samples of one series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeriesSamples {
    pub(super) labels: Labels,
    /// When it last occurred on a page.
    pub(super) seen: i64,
    /// The samples, oldest first, with strictly increasing times.
    pub(super) samples: Vec<Sample>,
}

impl Sparse {
    /// Converts rows with these times.
    pub(super) fn of(dense: &Dense, times: &[i64]) -> Self {
        let mut sparse = Self::default();
        for (at, labels) in dense.layout().labels().iter().enumerate() {
            let samples = dense.read(at, times, &mut Vec::new()).to_vec();
            if let Some(last) = samples.last() {
                sparse.push(SeriesSamples { labels: labels.clone(), seen: last.at, samples });
            }
        }
        sparse
    }

    pub(super) fn rings(&self) -> &[SeriesSamples] {
        &self.rings
    }

    /// The samples of a series.
    pub(super) fn ring(&self, labels: &Labels) -> Option<&SeriesSamples> {
        self.rings.get(*self.places.get(labels)? as usize)
    }

    pub(super) fn push(&mut self, ring: SeriesSamples) {
        self.places.insert(ring.labels.clone(), self.rings.len() as u32);
        self.rings.push(ring);
    }

    /// Stores samples of a page.
    pub(super) fn observe(&mut self, samples: Vec<(Labels, Sample)>, room: &mut StoreBudget<'_>) {
        for (labels, sample) in samples {
            let is_of_use = sample.at >= room.oldest;
            match self.ring_mut(&labels) {
                Some(ring) => {
                    ring.seen = room.at;
                    let is_later = is_of_use && ring.samples.last().is_none_or(|last| sample.at > last.at);
                    if is_later && room.sample() {
                        ring.samples.push(sample);
                    }
                }
                None if !is_of_use => {}
                None => {
                    if let Some(labels) = room.series(labels) {
                        self.push(SeriesSamples { labels, seen: room.at, samples: vec![sample] });
                    }
                }
            }
        }
    }

    /// Inserts samples before those of a series, which may be new.
    pub(super) fn prepend(&mut self, labels: Labels, seen: i64, samples: Vec<Sample>) {
        match self.ring_mut(&labels) {
            Some(ring) => drop(ring.samples.splice(..0, samples)),
            None => self.push(SeriesSamples { labels, seen, samples }),
        }
    }

    /// Drops samples that are no longer needed, and series without samples.
    pub(super) fn forget(&mut self, room: &mut StoreBudget<'_>) {
        let before = self.rings.len();
        self.rings.retain_mut(|ring| {
            let old = ring.samples.partition_point(|sample| sample.at < room.oldest);
            ring.samples.drain(..old);
            room.budget.release(SAMPLE * old);
            let stays = !ring.samples.is_empty();
            if !stays {
                room.drop_series(&ring.labels);
            }
            stays
        });
        if self.rings.len() < before {
            self.places = self.rings.iter().map(|ring| ring.labels.clone()).zip(0..).collect();
        }
    }

    /// Converts the samples to rows with these times, if they have no other times and few are missing.
    pub(super) fn in_step(&self, times: &[i64], layout: impl FnOnce(Vec<Labels>) -> Arc<Layout>) -> Option<Dense> {
        let last = |ring: &SeriesSamples| ring.samples.last().map(|sample| sample.at);
        let is_of_page = |sample: &Sample| times.binary_search(&sample.at).is_ok();
        let in_step = |ring: &SeriesSamples| last(ring) == Some(ring.seen) && ring.samples.iter().all(is_of_page);
        if !self.rings.iter().all(in_step) {
            return None;
        }
        let value = |ring: &SeriesSamples, at: i64| {
            let found = ring.samples.binary_search_by(|sample| sample.at.cmp(&at)).ok()?;
            ring.samples.get(found).map(|sample| sample.value)
        };
        let rows = times.iter().flat_map(|at| self.rings.iter().map(|ring| value(ring, *at)));
        let layout = layout(self.rings.iter().map(|ring| ring.labels.clone()).collect());
        Some(Dense::new(layout, times.len(), rows)).filter(|dense| !dense.is_mostly_absent())
    }

    fn ring_mut(&mut self, labels: &Labels) -> Option<&mut SeriesSamples> {
        self.rings.get_mut(*self.places.get(labels)? as usize)
    }
}

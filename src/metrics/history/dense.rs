//! The samples of series that occur on all pages of an object, or nearly all: one row of values for each page.

use std::sync::Arc;

use super::budget::SAMPLE;
use super::layout::Layout;
use super::store_budget::StoreBudget;
use crate::promql::evaluate::{Block, Labels, Sample};

/// A row of values for each page of an object; the object has their times.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Dense {
    layout: Arc<Layout>,
    rows: usize,
    /// The bits of the values, row by row.
    cells: Vec<u64>,
    /// How many cells have no value.
    absent: usize,
}

/// The cell of a series that is not on a page: the bits of a NaN that no arithmetic returns.
const ABSENT: u64 = 0x7ff8_0000_0abe_0000;

/// The bits of a value, which are never [`ABSENT`].
fn bits(value: f64) -> u64 {
    match value.to_bits() {
        ABSENT => f64::NAN.to_bits(),
        bits => bits,
    }
}

impl Dense {
    /// Creates a table with `rows` rows, each of one value per series.
    pub(super) fn new(layout: Arc<Layout>, rows: usize, values: impl Iterator<Item = Option<f64>>) -> Self {
        let cells: Vec<u64> = values.map(|value| value.map_or(ABSENT, bits)).collect();
        let absent = cells.iter().filter(|cell| **cell == ABSENT).count();
        Self { layout, rows, cells, absent }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn shared_layout(&self) -> Arc<Layout> {
        self.layout.clone()
    }

    /// Reads the samples of a series into `room`; `times` are those of the rows.
    pub(super) fn read<'r>(&self, at: usize, times: &[i64], room: &'r mut Vec<Sample>) -> &'r [Sample] {
        if room.len() < times.len() {
            room.resize(times.len(), Sample { at: 0, value: 0.0 });
        }
        let (width, mut next, mut count) = (self.width(), at, 0);
        for at in times {
            let cell = self.cells.get(next).copied().unwrap_or(ABSENT);
            next += width;
            if cell != ABSENT
                && let Some(place) = room.get_mut(count)
            {
                *place = Sample { at: *at, value: f64::from_bits(cell) };
                count += 1;
            }
        }
        room.get(..count).unwrap_or_default()
    }

    /// All samples, if no series lacks any; `times` are those of the rows.
    pub(super) fn block<'d>(&'d self, times: &'d [i64]) -> Option<Block<'d>> {
        let is_whole = self.absent == 0 && self.rows == times.len();
        is_whole.then(|| Block { times, rows: &self.cells, width: self.width() })
    }

    /// The number of samples.
    pub(super) fn count(&self) -> usize {
        self.cells.len() - self.absent
    }

    /// Whether more cells are empty than filled, so that separate series would take less memory.
    pub(super) fn is_mostly_absent(&self) -> bool {
        self.absent > self.count()
    }

    /// Adds a row of a page with this layout, if it is the current one, or has all of its series and more. Returns whether
    /// the row was added.
    pub(super) fn observe_known(&mut self, layout: &Arc<Layout>, values: &[f64], room: &mut StoreBudget<'_>) -> bool {
        // Memory for the samples is reserved first, so that no series takes memory without a sample. If they do not all fit,
        // they are stored one by one.
        if values.len() != layout.labels().len() || !room.samples(values.len()) {
            return false;
        }
        if !Arc::ptr_eq(layout, &self.layout) && !self.reorder(layout, room) {
            room.budget.release(SAMPLE * values.len());
            return false;
        }
        self.rows += 1;
        if self.cells.capacity() < self.cells.len() + values.len() {
            self.cells.reserve_exact(values.len());
        }
        self.cells.extend(values.iter().map(|value| bits(*value)));
        true
    }

    /// Changes to a layout that has all current series, in any order, if there is memory for the new ones. Returns whether
    /// it did.
    fn reorder(&mut self, layout: &Arc<Layout>, room: &mut StoreBudget<'_>) -> bool {
        let (labels, width) = (layout.labels(), self.width());
        let places: Vec<Option<usize>> =
            labels.iter().enumerate().map(|(at, labels)| self.layout.position(labels, at)).collect();
        let new = places.iter().filter(|place| place.is_none()).count();
        if labels.len() - new != width || !room.series_without_samples(labels.iter().zip(&places), new) {
            return false;
        }
        let mut cells = Vec::with_capacity((self.rows + 1) * labels.len());
        for row in 0..self.rows {
            let of = |place: &Option<usize>| place.and_then(|at| self.cells.get(row * width + at)).copied();
            cells.extend(places.iter().map(|place| of(place).unwrap_or(ABSENT)));
        }
        self.absent += self.rows * new;
        (self.cells, self.layout) = (cells, layout.clone());
        true
    }

    /// Adds a row.
    pub(super) fn observe(&mut self, samples: Vec<(Labels, Sample)>, room: &mut StoreBudget<'_>) {
        let (width, start) = (self.width(), self.cells.len());
        self.rows += 1;
        // Reserves only one more row, because old rows are dropped as fast as new ones arrive.
        if self.cells.capacity() < start + width {
            self.cells.reserve_exact(width);
        }
        self.cells.resize(start + width, ABSENT);
        let mut added: Vec<(Labels, u64)> = Vec::new();
        for (number, (labels, sample)) in samples.into_iter().enumerate() {
            match self.layout.position(&labels, number) {
                Some(at) => {
                    if room.sample()
                        && let Some(cell) = self.cells.get_mut(start + at)
                    {
                        *cell = bits(sample.value);
                    }
                }
                None => added.extend(room.series(labels).map(|labels| (labels, bits(sample.value)))),
            }
        }
        if !added.is_empty() {
            self.widen(added, room);
        }
        let last = self.width();
        let row = self.cells.get(self.cells.len() - last..).unwrap_or_default();
        self.absent += row.iter().filter(|cell| **cell == ABSENT).count();
    }

    /// Adds series with their first value, in the last row.
    fn widen(&mut self, added: Vec<(Labels, u64)>, room: &mut StoreBudget<'_>) {
        let (width, more) = (self.width(), added.len());
        let (labels, values): (Vec<Labels>, Vec<u64>) = added.into_iter().unzip();
        let mut cells = Vec::with_capacity(self.rows * (width + more));
        for row in 1..=self.rows {
            cells.extend_from_slice(self.cells.get((row - 1) * width..row * width).unwrap_or_default());
            match row == self.rows {
                true => cells.extend_from_slice(&values),
                false => cells.resize(cells.len() + more, ABSENT),
            }
        }
        self.absent += (self.rows - 1) * more;
        self.cells = cells;
        self.layout = room.shared.layout(self.layout.labels().iter().cloned().chain(labels).collect());
    }

    /// Drops the first rows, and series that have no value in the others.
    pub(super) fn forget(&mut self, rows: usize, room: &mut StoreBudget<'_>) {
        let width = self.width();
        self.rows -= rows;
        let dropped = (rows * width).min(self.cells.len());
        let absent = self.cells.drain(..dropped).filter(|cell| *cell == ABSENT).count();
        self.absent -= absent;
        room.budget.release(SAMPLE * (dropped - absent));
        if width == 0 || (self.absent == 0 && !self.cells.is_empty()) {
            return;
        }
        let is_there = |at: usize| self.cells.iter().skip(at).step_by(width).any(|cell| *cell != ABSENT);
        let there: Vec<bool> = (0..width).map(is_there).collect();
        if there.iter().all(|there| *there) {
            return;
        }
        let mut left = Vec::new();
        for (labels, there) in self.layout.labels().iter().zip(&there) {
            match there {
                true => left.push(labels.clone()),
                false => room.drop_series(labels),
            }
        }
        let kept = self.cells.chunks_exact(width).flat_map(|row| row.iter().zip(&there)).filter(|(_, there)| **there);
        self.cells = kept.map(|(cell, _)| *cell).collect();
        self.absent = self.cells.iter().filter(|cell| **cell == ABSENT).count();
        self.layout = room.shared.layout(left);
    }

    #[inline(always)]
    fn width(&self) -> usize {
        self.layout.labels().len()
    }
}

//! The samples of one object.

use super::budget::{OBJECT, SAMPLE, TIME, bytes, cost};
use super::store_budget::StoreBudget;
use super::table::Table;
use crate::metrics::coverage::PodCount;
use crate::promql::evaluate::{Block, Labels, Sample};
use crate::source::error::SourceError;
use crate::source::page::{Refusal, Unmatched};

/// Why an object could not be sampled.
#[derive(Clone, Debug, PartialEq)]
pub enum ScrapeError {
    /// The page could not be fetched.
    Failed(SourceError),
    /// The rule could not use the page.
    Refused(Refusal),
    /// Too few of several pods served a usable page; the reason as text.
    Incomplete(String),
}

/// The current samples of one object. Later samples do not change it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The pod incarnation: another pod may get the same name.
    pub(super) incarnation: String,
    /// When sampling was last attempted.
    pub(super) tried: i64,
    /// The times of its samples in milliseconds, oldest first, while they are needed.
    pub(crate) times: Vec<i64>,
    /// Why the last attempt failed.
    pub(crate) scrape_error: Option<ScrapeError>,
    /// Selectors of the rule that matched nothing on the last page, with suggestions.
    pub(crate) unmatched: Vec<Unmatched>,
    /// For joined pages, how many pods responded in the last round.
    pub(crate) pods: Option<PodCount>,
    /// All samples that are still needed.
    pub(super) table: Table,
}

impl Snapshot {
    /// The number of series.
    pub(crate) fn series(&self) -> usize {
        self.table.len()
    }

    /// The labels of the series at this position.
    pub(crate) fn labels(&self, at: usize) -> Option<&Labels> {
        self.table.labels(at)
    }

    /// When the series at this position last occurred on a page, and its samples; `scratch` has room for them.
    pub(crate) fn read<'s>(&'s self, at: usize, scratch: &'s mut Vec<Sample>) -> (i64, &'s [Sample]) {
        self.table.read(at, &self.times, scratch)
    }

    /// All samples, if all series have samples of each time.
    pub(super) fn block(&self) -> Option<Block<'_>> {
        self.table.block(&self.times)
    }

    /// The time span of the samples in the last `range` milliseconds before `end`; `None` without any.
    pub(crate) fn span(&self, range: i64, end: i64) -> Option<i64> {
        let mut within = self.times.iter().filter(|at| **at > end.saturating_sub(range) && **at <= end);
        let first = within.next()?;
        Some(within.next_back().unwrap_or(first) - first)
    }

    /// The size in memory in bytes.
    pub(super) fn cost(&self, name: &str) -> usize {
        let series = (0..self.series()).filter_map(|at| self.labels(at)).map(cost);
        let words = name.len() + self.incarnation.len() + bytes(&self.unmatched);
        OBJECT + words + TIME * self.times.len() + series.sum::<usize>() + SAMPLE * self.table.samples()
    }

    /// Drops samples that are no longer needed.
    pub(super) fn forget(&mut self, room: &mut StoreBudget<'_>) {
        let pages = self.times.partition_point(|at| *at < room.oldest);
        self.times.drain(..pages);
        room.budget.release(TIME * pages);
        self.table.forget(pages, room);
    }
}

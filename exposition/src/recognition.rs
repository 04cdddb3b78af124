//! The series that a parser knows from earlier pages, and those that it records.

use std::sync::Arc;

use super::known::KnownSeries;
use super::parser::Parser;

impl Parser {
    /// A parser for a page of the same format, which may contain these series.
    #[must_use]
    pub fn with_known_series(mut self, known: Option<Arc<KnownSeries>>) -> Self {
        self.series.known = known;
        self
    }

    /// A parser that records the series of the page, unless they take more than `most` bytes.
    #[must_use]
    pub fn recording_series(mut self, most: usize) -> Self {
        self.series.recorded = Some((KnownSeries::default(), most));
        self
    }

    /// The series of the page, if they were recorded.
    pub fn recorded(&mut self) -> Option<KnownSeries> {
        self.series.recorded.take().map(|(series, _)| series)
    }

    /// The number of samples with a known series.
    pub fn recognized(&self) -> u64 {
        self.series.recognized
    }
}

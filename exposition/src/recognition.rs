//! What a parser is told of other pages, and what it tells of its own.

use std::sync::Arc;

use super::known::KnownSeries;
use super::parser::Parser;

impl Parser {
    /// The same for a page of the same format that may have these series.
    #[must_use]
    pub fn knowing(mut self, known: Option<Arc<KnownSeries>>) -> Self {
        self.series.known = known;
        self
    }

    /// The same for a page whose series are to be known, unless they take more than so many bytes.
    #[must_use]
    pub fn noting(mut self, most: usize) -> Self {
        self.series.noted = Some((KnownSeries::default(), most));
        self
    }

    /// The series of the page, if they are to be known.
    pub fn noted(&mut self) -> Option<KnownSeries> {
        self.series.noted.take().map(|(series, _)| series)
    }

    /// How many samples had a known series.
    pub fn recognized(&self) -> u64 {
        self.series.recognized
    }
}

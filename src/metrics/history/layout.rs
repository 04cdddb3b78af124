//! The series of a page, in its order.

use crate::parse::sort::sort_by;
use crate::promql::evaluate::Labels;

/// The labels of the series of one page, in its order.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    labels: Box<[Labels]>,
    /// Positions in the order of labels.
    sorted: Box<[u32]>,
}

impl Layout {
    pub(super) fn new(labels: Vec<Labels>) -> Self {
        let mut sorted: Vec<(u32, &Labels)> = (0..).zip(&labels).collect();
        sort_by(&mut sorted, |(_, a), (_, b)| a.cmp(b));
        let sorted = sorted.into_iter().map(|(at, _)| at).collect();
        Self { labels: labels.into(), sorted }
    }

    pub(super) fn labels(&self) -> &[Labels] {
        &self.labels
    }

    /// The position of a series, which is likely to be `guess`.
    pub(super) fn position(&self, labels: &Labels, guess: usize) -> Option<usize> {
        if self.labels.get(guess) == Some(labels) {
            return Some(guess);
        }
        let of = |at: &u32| self.labels.get(*at as usize);
        let found = self.sorted.binary_search_by(|at| of(at).cmp(&Some(labels))).ok()?;
        self.sorted.get(found).map(|at| *at as usize)
    }
}

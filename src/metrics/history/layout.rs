//! The series of a page, in its order.

use crate::parse::sort::sort_by;
use crate::promql::evaluate::Labels;
use crate::source::page::Series;

/// The series of one page, in its order.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    labels: Box<[Labels]>,
    /// Positions, sorted by labels.
    sorted: Box<[u32]>,
    /// The series as written, concatenated; empty if unknown.
    text: Box<[u8]>,
}

impl Layout {
    /// A layout of series with these labels, which a page has written as `text`.
    pub(super) fn new(labels: Vec<Labels>, text: Vec<u8>) -> Self {
        let mut sorted: Vec<(u32, &Labels)> = (0..).zip(&labels).collect();
        sort_by(&mut sorted, |(_, a), (_, b)| a.cmp(b));
        let sorted = sorted.into_iter().map(|(at, _)| at).collect();
        Self { labels: labels.into(), sorted, text: text.into() }
    }

    #[inline(always)]
    pub(super) fn labels(&self) -> &[Labels] {
        &self.labels
    }

    /// The position of a series, which is probably `guess`.
    pub(super) fn position(&self, labels: &Labels, guess: usize) -> Option<usize> {
        if self.labels.get(guess) == Some(labels) {
            return Some(guess);
        }
        let of = |at: &u32| self.labels.get(*at as usize);
        let found = self.sorted.binary_search_by(|at| of(at).cmp(&Some(labels))).ok()?;
        self.sorted.get(found).map(|at| *at as usize)
    }

    /// Whether a page with these series has exactly the series of this layout, in its order.
    pub(super) fn is_of<'p>(&self, mut series: impl Iterator<Item = &'p Series>) -> bool {
        let left = series.try_fold(&*self.text, |text, series| {
            let (name, labels) = series.written();
            let text = text.strip_prefix(name.as_bytes())?.strip_prefix(&NAME_END)?;
            text.strip_prefix(labels.as_bytes())?.strip_prefix(&SERIES_END)
        });
        left.is_some_and(<[u8]>::is_empty)
    }
}

/// These bytes do not occur in UTF-8.
const NAME_END: [u8; 1] = [0xfe];
const SERIES_END: [u8; 1] = [0xff];

/// The text of these series on a page.
pub(super) fn text<'p>(series: impl Iterator<Item = &'p Series>) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, labels) in series.map(Series::written) {
        [name.as_bytes(), &NAME_END, labels.as_bytes(), &SERIES_END]
            .iter()
            .for_each(|part| text.extend_from_slice(part));
    }
    text
}

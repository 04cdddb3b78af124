//! The series of an earlier page. Pages of one program mostly have the same series in the same order, so a line that
//! starts with a known series is parsed only from its value on.

use std::sync::Arc;

/// The series of an earlier page, in its order.
#[derive(Debug, Default)]
pub struct KnownSeries {
    /// The series as written, up to the closing brace, or to the blank after a name without labels.
    text: Vec<u8>,
    lines: Vec<KnownLine>,
}

/// A series at the start of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownLine {
    start: u32,
    /// The length of the series in bytes.
    pub(super) length: u32,
    /// The length of the name in bytes.
    pub(super) name: u32,
    /// The start of the text between the braces, if there are any.
    pub(super) labels: Option<u32>,
    /// Whether the previous series has the same name.
    repeats: bool,
}

/// Finds known series, and records those of the current page.
#[derive(Debug, Default)]
pub(super) struct Recognizer {
    /// The series of an earlier page.
    pub(super) known: Option<Arc<KnownSeries>>,
    /// The index of the series that is expected next.
    next: usize,
    /// The number of lines with a known series.
    pub(super) recognized: u64,
    /// Whether the previous sample was not wanted.
    pub(super) is_unwanted: bool,
    /// The series of this page, if they are recorded, and the maximum size in bytes.
    pub(super) recorded: Option<(KnownSeries, usize)>,
}

/// A known series at the start of a line.
pub(super) struct FoundLine {
    pub(super) line: KnownLine,
    /// Whether the previous sample has the same name and was not wanted.
    pub(super) is_unwanted: bool,
}

/// The number of series that are compared with a line. 4, so that one added or removed series does not hide those after
/// it.
const AHEAD: usize = 4;

impl KnownSeries {
    /// Its size in memory, in bytes.
    pub fn cost(&self) -> usize {
        self.text.capacity() + self.lines.capacity() * size_of::<KnownLine>()
    }

    /// The series at the start of a line: the one at `next` or one of the next few.
    #[inline(always)]
    fn find(&self, next: usize, line: &str) -> Option<(usize, KnownLine)> {
        let ahead = self.lines.get(next..).unwrap_or_default().iter().take(AHEAD);
        ahead.zip(next..).find(|(known, _)| self.begins(known, line.as_bytes())).map(|(known, at)| (at, *known))
    }

    #[inline(always)]
    fn begins(&self, known: &KnownLine, line: &[u8]) -> bool {
        let start = known.start as usize;
        let series = self.text.get(start..start + known.length as usize);
        let Some(((begin, rest), series)) = line.split_at_checked(known.length as usize).zip(series) else {
            return false;
        };
        // Labels may follow a blank after the name.
        is_same(begin, series) && (known.labels.is_some() || !matches!(rest.first(), Some(b' ' | b'\t' | b'{')))
    }

    /// Adds a series. `name` is the length of its name, `labels` the start of the text between the braces, if there are
    /// any.
    fn add(&mut self, series: &str, name: usize, labels: Option<usize>) {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (start, length, name) = (number(self.text.len()), number(series.len()), number(name));
        let before = self.lines.last().and_then(|before| {
            let start = before.start as usize;
            self.text.get(start..start + before.name as usize)
        });
        let repeats = before == series.as_bytes().get(..name as usize);
        self.text.extend_from_slice(series.as_bytes());
        self.lines.push(KnownLine { start, length, name, labels: labels.map(number), repeats });
    }
}

/// Whether texts of equal length are the same. It compares eight bytes at a time; musl compares them one by one.
#[inline(always)]
fn is_same(left: &[u8], right: &[u8]) -> bool {
    let ((left, left_end), (right, right_end)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    let mut pairs = left.iter().zip(right);
    pairs.all(|(left, right)| u64::from_ne_bytes(*left) == u64::from_ne_bytes(*right))
        && left_end.iter().zip(right_end).all(|(left, right)| left == right)
}

impl Recognizer {
    /// The series at the start of a line.
    #[inline(always)]
    pub(super) fn find(&mut self, line: &str) -> Option<FoundLine> {
        let (at, found) = self.known.as_ref()?.find(self.next, line)?;
        let is_unwanted = self.is_unwanted && found.repeats && at == self.next;
        self.recognized += 1;
        self.next = at + 1;
        Some(FoundLine { line: found, is_unwanted })
    }

    /// Records the series of a line; `series` is its length in bytes.
    pub(super) fn record(&mut self, line: &str, series: usize, name: &str, labels: &str) {
        self.is_unwanted = false;
        let Some((recorded, most)) = &mut self.recorded else { return };
        let series = line.get(..series).unwrap_or_default();
        let labels = series.ends_with('}').then(|| series.len() - 1 - labels.len());
        recorded.add(series, name.len(), labels);
        if recorded.cost() > *most {
            self.recorded = None;
        }
    }
}

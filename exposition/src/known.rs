//! The series of a page that was read before. A line of another page that begins as one of them is not parsed again up to
//! its value: pages of one program mostly have the same series in the same order.

use std::sync::Arc;

/// The series of a page that was read before, in its order.
#[derive(Debug, Default)]
pub struct KnownSeries {
    /// As they were written, up to the closing brace, or to the blank after a name without labels.
    text: Vec<u8>,
    lines: Vec<KnownLine>,
}

/// A series at the start of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownLine {
    start: u32,
    /// Bytes of all of it.
    pub(super) length: u32,
    /// Bytes of the name.
    pub(super) name: u32,
    /// Where the text between the braces begins, if there are any.
    pub(super) labels: Option<u32>,
    /// Whether it has the name of the one before it.
    repeats: bool,
}

/// Finds series that are known, and notes those of a page.
#[derive(Debug, Default)]
pub(super) struct Recognizer {
    /// The series of another page.
    pub(super) known: Option<Arc<KnownSeries>>,
    /// Which of them is likely to be next.
    next: usize,
    /// How many lines began as one of them.
    pub(super) recognized: u64,
    /// Whether the one before was not wanted.
    pub(super) is_unwanted: bool,
    /// The series of this page, if they are to be known, and the most bytes of them.
    pub(super) noted: Option<(KnownSeries, usize)>,
}

/// A series that was found.
pub(super) struct FoundLine {
    pub(super) line: KnownLine,
    /// Whether it has the name of the one before it, which was not wanted.
    pub(super) is_unwanted: bool,
}

/// How many series are compared with a line. 4: one that was added or left out does not hide those after it.
const AHEAD: usize = 4;

impl KnownSeries {
    /// What it takes in memory, in bytes.
    pub fn cost(&self) -> usize {
        self.text.capacity() + self.lines.capacity() * size_of::<KnownLine>()
    }

    /// The series with which a line begins: the one at `next` or one soon after it.
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

    /// Adds a series: a name, and where the text between the braces begins, if there are any.
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

/// Whether texts of one length are the same: eight bytes at a time, as musl compares them one by one.
#[inline(always)]
fn is_same(left: &[u8], right: &[u8]) -> bool {
    let ((left, left_end), (right, right_end)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    let mut pairs = left.iter().zip(right);
    pairs.all(|(left, right)| u64::from_ne_bytes(*left) == u64::from_ne_bytes(*right))
        && left_end.iter().zip(right_end).all(|(left, right)| left == right)
}

impl Recognizer {
    /// The series with which a line begins.
    #[inline(always)]
    pub(super) fn find(&mut self, line: &str) -> Option<FoundLine> {
        let (at, found) = self.known.as_ref()?.find(self.next, line)?;
        let is_unwanted = self.is_unwanted && found.repeats && at == self.next;
        self.recognized += 1;
        self.next = at + 1;
        Some(FoundLine { line: found, is_unwanted })
    }

    /// Notes the series of a line, of so many bytes.
    pub(super) fn note(&mut self, line: &str, series: usize, name: &str, labels: &str) {
        self.is_unwanted = false;
        let Some((noted, most)) = &mut self.noted else { return };
        let series = line.get(..series).unwrap_or_default();
        let labels = series.ends_with('}').then(|| series.len() - 1 - labels.len());
        noted.add(series, name.len(), labels);
        if noted.cost() > *most {
            self.noted = None;
        }
    }
}

//! The series of a page that was read before. A line of another page that begins as one of them is not parsed again up to
//! its value: pages of one program mostly have the same series in the same order.

use std::sync::Arc;

use super::number;

/// The series of a page that was read before, in its order.
#[derive(Debug, Default)]
pub struct KnownSeries {
    /// As they were written, up to the closing brace, or to the blank after a name without labels.
    text: String,
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
    pub(super) repeats: bool,
}

/// Finds series that are known, and notes those of a page.
#[derive(Debug, Default)]
pub(super) struct Recognizer {
    /// The series of another page.
    pub(super) known: Option<Arc<KnownSeries>>,
    /// Which of them is likely to be next.
    pub(super) next: usize,
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
        let rest = self.after(known, line);
        // Labels may follow a blank after the name.
        rest.is_some_and(|rest| known.labels.is_some() || !matches!(rest.first(), Some(b' ' | b'\t' | b'{')))
    }

    /// What follows a series in text that begins as it.
    #[inline(always)]
    fn after<'t>(&self, known: &KnownLine, text: &'t [u8]) -> Option<&'t [u8]> {
        let (start, length) = (known.start as usize, known.length as usize);
        let (begin, rest) = text.split_at_checked(length)?;
        is_same(begin, self.text.as_bytes().get(start..start + length)?).then_some(rest)
    }

    #[inline]
    fn series(&self, known: &KnownLine) -> Option<&str> {
        let start = known.start as usize;
        self.text.get(start..start + known.length as usize)
    }

    /// The line at the start of the text, if it has the series at `at` and a plain number; the number, and the text after it.
    #[inline(always)]
    pub(super) fn line<'t>(&self, at: usize, text: &'t [u8]) -> Option<(&KnownLine, &'t [u8], &'t [u8])> {
        let known = self.lines.get(at)?;
        let rest = self.after(known, text)?;
        let value = if known.labels.is_some() { rest.strip_prefix(b" ")? } else { rest };
        let (number, rest) = value.split_at_checked(number::plain(value)?)?;
        Some((known, number, rest.get(1..)?))
    }

    /// The name and the labels of a series, as they were written.
    #[inline]
    pub(super) fn parts(&self, known: &KnownLine) -> (&str, &str) {
        let series = self.series(known).unwrap_or_default();
        let labels = known.labels.and_then(|start| series.get(start as usize..series.len() - 1));
        (series.get(..known.name as usize).unwrap_or_default(), labels.unwrap_or_default())
    }

    /// Adds a series: a name, and where the text between the braces begins, if there are any.
    fn add(&mut self, series: &str, name: usize, labels: Option<usize>) {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (start, length, name) = (number(self.text.len()), number(series.len()), number(name));
        let before = self.lines.last().map(|before| self.parts(before).0);
        let repeats = before == series.get(..name as usize);
        self.text.push_str(series);
        self.lines.push(KnownLine { start, length, name, labels: labels.map(number), repeats });
    }
}

/// Whether texts of one length are the same: in steps of a fixed size, for which the compiler calls no function, as that of musl
/// compares byte by byte.
#[inline(always)]
fn is_same(left: &[u8], right: &[u8]) -> bool {
    if let (Some(left_end), Some(right_end)) = (left.last_chunk::<32>(), right.last_chunk::<32>()) {
        // The last ones first, as that is where neighbours differ.
        return left_end == right_end
            && left.as_chunks::<32>().0.iter().zip(right.as_chunks::<32>().0).all(|(a, b)| a == b);
    }
    if let (Some(left_end), Some(right_end)) = (left.last_chunk::<16>(), right.last_chunk::<16>()) {
        return left_end == right_end && left.first_chunk::<16>() == right.first_chunk::<16>();
    }
    left.iter().zip(right).all(|(left, right)| left == right)
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

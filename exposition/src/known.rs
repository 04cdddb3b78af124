//! The series of an earlier page. Pages of one program mostly have the same series in the same order, so a line that
//! starts with a known series is parsed only from its value on.

use std::sync::Arc;

use super::number;

/// The series of an earlier page, in its order.
#[derive(Debug, Default)]
pub struct KnownSeries {
    /// The series as written, up to the closing brace, or to the blank after a name without labels.
    text: String,
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
    pub(super) repeats: bool,
}

/// Finds known series, and records those of the current page.
#[derive(Debug, Default)]
pub(super) struct Recognizer {
    /// The series of an earlier page.
    pub(super) known: Option<Arc<KnownSeries>>,
    /// The index of the series that is expected next.
    pub(super) next: usize,
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
const LOOKAHEAD: usize = 4;

impl KnownSeries {
    /// Its size in memory, in bytes.
    pub fn cost(&self) -> usize {
        self.text.capacity() + self.lines.capacity() * size_of::<KnownLine>()
    }

    /// The series at the start of a line: the one at `next` or one of the next few.
    #[inline(always)]
    fn find(&self, next: usize, line: &str) -> Option<(usize, KnownLine)> {
        let ahead = self.lines.get(next..).unwrap_or_default().iter().take(LOOKAHEAD);
        ahead.zip(next..).find(|(known, _)| self.begins(known, line.as_bytes())).map(|(known, at)| (at, *known))
    }

    #[inline(always)]
    fn begins(&self, known: &KnownLine, line: &[u8]) -> bool {
        let rest = self.after(known, line);
        // Labels may follow a blank after the name.
        rest.is_some_and(|rest| known.labels.is_some() || !matches!(rest.first(), Some(b' ' | b'\t' | b'{')))
    }

    /// The text after a series, if the text starts with it.
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

    /// Parses the line at the start of the text, if it has the series at `at` and a plain number. Returns the series, the
    /// number, and the text after the line.
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

    /// Adds a series. `name` is the length of its name, `labels` the start of the text between the braces, if there are
    /// any.
    fn add(&mut self, series: &str, name: usize, labels: Option<usize>) {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (start, length, name) = (number(self.text.len()), number(series.len()), number(name));
        let before = self.lines.last().map(|before| self.parts(before).0);
        let repeats = before == series.get(..name as usize);
        self.text.push_str(series);
        self.lines.push(KnownLine { start, length, name, labels: labels.map(number), repeats });
    }
}

/// Whether texts of equal length are the same. Compares blocks of a fixed size, which the compiler inlines, because
/// musl's `memcmp` compares byte by byte.
#[inline(always)]
fn is_same(left: &[u8], right: &[u8]) -> bool {
    if let (Some(left_end), Some(right_end)) = (left.last_chunk::<32>(), right.last_chunk::<32>()) {
        // The last block first, because successive series mostly differ there.
        return left_end == right_end
            && left.as_chunks::<32>().0.iter().zip(right.as_chunks::<32>().0).all(|(a, b)| a == b);
    }
    if let (Some(left_end), Some(right_end)) = (left.last_chunk::<16>(), right.last_chunk::<16>()) {
        return left_end == right_end && left.first_chunk::<16>() == right.first_chunk::<16>();
    }
    left.iter().zip(right).all(|(left, right)| left == right)
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

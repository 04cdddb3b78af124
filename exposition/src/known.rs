//! The series of a page that was read before. A line of another page that begins as one of them is not parsed again up to
//! its value: pages of one program mostly have the same series in the same order.

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
    pub(super) repeats: bool,
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
    pub(super) fn find(&self, next: usize, line: &str) -> Option<(usize, KnownLine)> {
        let ahead = self.lines.get(next..).unwrap_or_default().iter().take(AHEAD);
        ahead.zip(next..).find(|(known, _)| self.begins(known, line.as_bytes())).map(|(known, at)| (at, *known))
    }

    #[inline(always)]
    fn begins(&self, known: &KnownLine, line: &[u8]) -> bool {
        let start = known.start as usize;
        let series = self.text.get(start..start + known.length as usize);
        let rest = series.and_then(|series| line.strip_prefix(series));
        // Labels may follow a blank after the name.
        rest.is_some_and(|rest| known.labels.is_some() || !matches!(rest.first(), Some(b' ' | b'\t' | b'{')))
    }

    /// Adds a series: a name, and where the text between the braces begins, if there are any.
    pub(super) fn add(&mut self, series: &str, name: usize, labels: Option<usize>) {
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

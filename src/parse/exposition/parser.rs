//! Splits chunks into lines. Of a page, only an incomplete line is kept.

use memchr::{memchr, memchr_iter, memrchr};

use super::error::{Fault, PageError, PageErrorKind, syntax};
use super::family::Family;
use super::format::{ExpositionLimits, Format};
use super::metadata::Metadata;
use super::sample::Line;
use super::sink::{Sample, Sink};

/// Reads one page, chunk by chunk. How it is cut into chunks makes no difference.
///
/// ```
/// use metriclet::internals::parse::exposition::{ExpositionLimits, Format, Parser, Sample, Sink};
///
/// #[derive(Default)]
/// struct Total(f64);
/// impl Sink for Total {
///     fn wants(&mut self, name: &str) -> bool {
///         name == "queue_depth"
///     }
///     fn sample(&mut self, sample: &Sample<'_>) {
///         self.0 += sample.value;
///     }
/// }
///
/// let mut total = Total::default();
/// let mut parser = Parser::new(Format::Prometheus, ExpositionLimits { line: 65_536, labels: 64 });
/// parser.feed(b"queue_depth{queue=\"a\"} 2\nqueue_de", &mut total)?;
/// parser.feed(b"pth{queue=\"b\"} 3\n", &mut total)?;
/// parser.finish()?;
/// assert_eq!(total.0, 5.0);
/// # Ok::<(), metriclet::internals::parse::exposition::PageError>(())
/// ```
#[derive(Debug)]
pub struct Parser {
    format: Format,
    limits: ExpositionLimits,
    /// The beginning of a line whose end has not come yet; at most `limits.line` bytes.
    carried: Vec<u8>,
    family: Family,
    summary: Summary,
    /// `# EOF` was read.
    ended: bool,
    failed: Option<PageError>,
}

/// What a whole page held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes fed.
    pub bytes: u64,
    /// Lines, of whatever sort.
    pub lines: u64,
    /// Samples, wanted or not.
    pub samples: u64,
}

impl Parser {
    /// A parser at the beginning of a page.
    pub fn new(format: Format, limits: ExpositionLimits) -> Self {
        Self {
            format,
            limits,
            carried: Vec::new(),
            family: Family::default(),
            summary: Summary::default(),
            ended: false,
            failed: None,
        }
    }

    /// Reads the next bytes of the page, of any number, and hands over the samples they complete.
    ///
    /// # Errors
    /// The first malformed line. The page stays refused: every further call gives the same error.
    pub fn feed<S: Sink>(&mut self, chunk: &[u8], sink: &mut S) -> Result<(), PageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.summary.bytes += chunk.len() as u64;
        self.chunk(chunk, sink).inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// Reads the rest of a page of Prometheus text that is known to be whole as its last line, though no line feed ends
    /// it, as Prometheus does.
    ///
    /// # Errors
    /// As for [`feed`](Self::feed).
    pub fn end_line<S: Sink>(&mut self, sink: &mut S) -> Result<(), PageError> {
        if self.format == Format::OpenMetrics || self.carried.is_empty() {
            return Ok(());
        }
        let bytes = self.summary.bytes;
        self.feed(b"\n", sink)?;
        self.summary.bytes = bytes;
        Ok(())
    }

    /// Ends the page.
    ///
    /// # Errors
    /// What [`feed`](Self::feed) gave, or that the page does not end as its format demands: with a line feed in
    /// Prometheus text (an empty page is fine), with `# EOF` and nothing after it in OpenMetrics.
    pub fn finish(mut self) -> Result<Summary, PageError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.format == Format::OpenMetrics && !self.ended && self.carried == b"# EOF" {
            self.carried.clear();
            self.summary.lines += 1;
            self.ended = true;
        }
        let kind = match self.format {
            Format::OpenMetrics if !self.ended => PageErrorKind::MissingEof,
            _ if self.carried.is_empty() => return Ok(self.summary),
            _ => PageErrorKind::CutOff,
        };
        Err(PageError { line: self.summary.lines + 1, column: self.carried.len() as u64 + 1, kind })
    }

    fn chunk<S: Sink>(&mut self, mut chunk: &[u8], sink: &mut S) -> Result<(), PageError> {
        if !self.carried.is_empty() {
            let Some(end) = memchr(b'\n', chunk) else {
                return self.carry(chunk);
            };
            let (head, rest) = chunk.split_at_checked(end + 1).unwrap_or_default();
            self.admit(self.carried.len() + end)?;
            let mut line = std::mem::take(&mut self.carried);
            line.extend_from_slice(head);
            self.block(&line, sink)?;
            line.clear();
            self.carried = line;
            chunk = rest;
        }
        let whole = memrchr(b'\n', chunk).map_or(0, |end| end + 1);
        let (block, tail) = chunk.split_at_checked(whole).unwrap_or_default();
        self.block(block, sink)?;
        self.carry(tail)
    }

    /// Keeps the beginning of a line until its end comes.
    fn carry(&mut self, tail: &[u8]) -> Result<(), PageError> {
        if tail.is_empty() {
            return Ok(());
        }
        self.admit(self.carried.len() + tail.len())?;
        self.carried.extend_from_slice(tail);
        Ok(())
    }

    /// Reads whole lines.
    fn block<S: Sink>(&mut self, block: &[u8], sink: &mut S) -> Result<(), PageError> {
        // One check of many lines at once costs next to nothing; what is cut out of valid UTF-8 needs no further check.
        let error = match std::str::from_utf8(block) {
            Ok(text) => return self.lines(text, sink),
            Err(error) => error,
        };
        let (valid, _) = block.split_at_checked(error.valid_up_to()).unwrap_or_default();
        let start = memrchr(b'\n', valid).map_or(0, |end| end + 1);
        let (before, after) = block.split_at_checked(start).unwrap_or_default();
        self.lines(std::str::from_utf8(before).unwrap_or_default(), sink)?;
        let line = after.split(|byte| *byte == b'\n').next().unwrap_or_default();
        self.admit(line.len())?;
        let column = valid.len() - start;
        let kind = syntax("UTF-8", line.get(column..).unwrap_or_default());
        Err(PageError { line: self.summary.lines + 1, column: column as u64 + 1, kind })
    }

    fn lines<S: Sink>(&mut self, text: &str, sink: &mut S) -> Result<(), PageError> {
        let mut start = 0;
        for end in memchr_iter(b'\n', text.as_bytes()) {
            let line = text.get(start..end).unwrap_or_default();
            start = end + 1;
            self.admit(line.len())?;
            self.summary.lines += 1;
            self.line(line, sink).map_err(|fault| fault.at(line.as_bytes(), self.summary.lines))?;
        }
        Ok(())
    }

    #[inline]
    fn line<S: Sink>(&mut self, line: &str, sink: &mut S) -> Result<(), Fault> {
        let text = self.format.blanks(line);
        if text.is_empty() {
            return match self.format {
                Format::Prometheus => Ok(()),
                Format::OpenMetrics => Err(Fault::expected("a sample or metadata", text)),
            };
        }
        if text.starts_with('#') {
            match Metadata::read(text, self.format)? {
                Metadata::Type { name, kind } => self.family.declare(name, kind),
                Metadata::End => self.ended = true,
                Metadata::Nothing => {}
            }
            return Ok(());
        }
        let Line { name, labels, value, timestamp } = Line::read(text, self.format, self.limits)?;
        self.summary.samples += 1;
        if sink.wants(name) {
            let kind = self.family.kind_of(name);
            sink.sample(&Sample { name, labels, value: value.value(), timestamp, kind });
        }
        Ok(())
    }

    /// Whether the next line may be there at all, and be that long so far.
    #[inline]
    fn admit(&self, length: usize) -> Result<(), PageError> {
        let line = self.summary.lines + 1;
        if self.ended {
            return Err(PageError { line, column: 1, kind: PageErrorKind::AfterEof });
        }
        let limit = self.limits.line;
        if length > limit {
            return Err(PageError { line, column: limit as u64 + 1, kind: PageErrorKind::LineTooLong { limit } });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Sink for Nothing {
        fn wants(&mut self, _: &str) -> bool {
            false
        }
        fn sample(&mut self, _: &Sample<'_>) {}
    }

    #[test]
    fn never_carries_more_than_a_line() {
        let limit = 1_000;
        let mut parser = Parser::new(Format::Prometheus, ExpositionLimits { line: limit, labels: 1 });
        for line in 0..3 {
            for length in 1..=limit {
                parser.feed(b" ", &mut Nothing).unwrap();
                assert_eq!(parser.carried.len(), length);
            }
            parser.feed(b"\na 1\nb", &mut Nothing).unwrap();
            assert_eq!(parser.carried, b"b");
            parser.feed(b" 1\n", &mut Nothing).unwrap();
            assert_eq!((parser.carried.len(), parser.summary.lines), (0, (line + 1) * 3));
        }
        let error = parser.feed(&[b' '; 100_000], &mut Nothing).unwrap_err();
        assert_eq!(error, PageError { line: 10, column: 1_001, kind: PageErrorKind::LineTooLong { limit } });
        assert!(parser.carried.capacity() <= 2 * limit);
    }
}

//! Splits chunks into lines. Only an incomplete line is buffered.

use memchr::{memchr, memrchr};

use super::bound;
use super::error::{Fault, PageError, PageErrorKind, syntax};
use super::family::Family;
use super::format::{ExpositionLimits, Format};
use super::known::Recognizer;
use super::labels::{Labels, unescape};
use super::metadata::Metadata;
use super::number::Number;
use super::sample::{Line, parse_prefix};
use super::sink::{Sample, Sink};

/// Parses one page, chunk by chunk. The sizes of chunks do not affect the result.
///
/// ```
/// use metriclet_exposition::{ExpositionLimits, Format, Labels, Parser, Sample, Sink};
///
/// #[derive(Default)]
/// struct Total(f64);
/// impl Sink for Total {
///     fn wants(&mut self, name: &str) -> bool {
///         name == "queue_depth"
///     }
///     fn too_long(&mut self, _: &str, _: Labels<'_>) {}
///     fn sample(&mut self, sample: &Sample<'_>) {
///         self.0 += sample.value;
///     }
/// }
///
/// let mut total = Total::default();
/// let mut parser = Parser::new(Format::Prometheus, ExpositionLimits { line: 65_536 });
/// parser.feed(b"queue_depth{queue=\"a\"} 2\nqueue_de", &mut total)?;
/// parser.feed(b"pth{queue=\"b\"} 3\n", &mut total)?;
/// parser.finish()?;
/// assert_eq!(total.0, 5.0);
/// # Ok::<(), metriclet_exposition::PageError>(())
/// ```
#[derive(Debug)]
pub struct Parser {
    format: Format,
    limits: ExpositionLimits,
    /// The start of a line whose end has not arrived yet; at most `limits.line` bytes.
    carried: Vec<u8>,
    /// Whether the current line is too long, so that the rest of it is skipped.
    skipping: bool,
    family: Family,
    summary: Summary,
    /// Whether `# EOF` was read.
    ended: bool,
    failed: Option<PageError>,
    pub(super) series: Recognizer,
}

/// The size of a complete page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of bytes.
    pub bytes: u64,
    /// Number of lines of every kind.
    pub lines: u64,
    /// Number of samples, wanted or not.
    pub samples: u64,
}

impl Parser {
    /// A parser at the start of a page.
    pub fn new(format: Format, limits: ExpositionLimits) -> Self {
        Self {
            format,
            limits,
            carried: Vec::new(),
            skipping: false,
            family: Family::default(),
            summary: Summary::default(),
            ended: false,
            failed: None,
            series: Recognizer::default(),
        }
    }

    /// Parses the next bytes of the page, in chunks of any size, and passes the samples that they complete to the sink.
    ///
    /// # Errors
    /// The first malformed line. The page remains rejected: every further call returns the same error.
    pub fn feed(&mut self, chunk: &[u8], sink: &mut dyn Sink) -> Result<(), PageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.summary.bytes += chunk.len() as u64;
        self.chunk(chunk, sink).inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// Parses the last line of a page of Prometheus text that has no line feed, but is known to be complete, as
    /// Prometheus does.
    ///
    /// # Errors
    /// As for [`feed`](Self::feed).
    pub fn end_line(&mut self, sink: &mut dyn Sink) -> Result<(), PageError> {
        if self.format == Format::OpenMetrics || !self.is_within_line() {
            return Ok(());
        }
        let bytes = self.summary.bytes;
        self.feed(b"\n", sink)?;
        self.summary.bytes = bytes;
        Ok(())
    }

    /// Finishes the page.
    ///
    /// # Errors
    /// The error of [`feed`](Self::feed), or a page that does not end as its format requires: with a line feed in
    /// Prometheus text (an empty page is valid), with `# EOF` and nothing after it in OpenMetrics.
    pub fn finish(&mut self) -> Result<Summary, PageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.format == Format::OpenMetrics && !self.ended && self.carried == b"# EOF" {
            self.carried.clear();
            self.summary.lines += 1;
            self.ended = true;
        }
        let kind = match self.format {
            Format::OpenMetrics if !self.ended => PageErrorKind::MissingEof,
            _ if !self.is_within_line() => return Ok(self.summary),
            _ => PageErrorKind::Truncated,
        };
        Err(PageError { line: self.summary.lines + 1, column: self.carried.len() as u64 + 1, kind })
    }

    fn is_within_line(&self) -> bool {
        self.skipping || !self.carried.is_empty()
    }

    fn chunk(&mut self, mut chunk: &[u8], sink: &mut dyn Sink) -> Result<(), PageError> {
        if self.is_within_line() {
            let Some(end) = memchr(b'\n', chunk) else {
                return self.carry(chunk, sink);
            };
            let (tail, rest) = chunk.split_at_checked(end).unwrap_or_default();
            self.carry(tail, sink)?;
            if self.skipping {
                self.skipping = false;
                self.summary.lines += 1;
            } else {
                let mut line = std::mem::take(&mut self.carried);
                line.push(b'\n');
                self.block(&line, sink)?;
                line.clear();
                self.carried = line;
            }
            chunk = rest.get(1..).unwrap_or_default();
        }
        let whole = memrchr(b'\n', chunk).map_or(0, |end| end + 1);
        let (block, tail) = chunk.split_at_checked(whole).unwrap_or_default();
        self.block(block, sink)?;
        self.carry(tail, sink)
    }

    /// Buffers the start of a line until its end arrives, or skips the line once it is too long.
    fn carry(&mut self, tail: &[u8], sink: &mut dyn Sink) -> Result<(), PageError> {
        if tail.is_empty() || self.skipping {
            return Ok(());
        }
        self.admit()?;
        let room = self.limits.line.saturating_sub(self.carried.len());
        self.carried.extend_from_slice(tail.get(..room).unwrap_or(tail));
        if tail.len() > room {
            let beginning = std::mem::take(&mut self.carried);
            self.too_long(&beginning, sink)?;
            self.skipping = true;
        }
        Ok(())
    }

    /// Parses complete lines.
    fn block(&mut self, mut block: &[u8], sink: &mut dyn Sink) -> Result<(), PageError> {
        // Validating many lines at once costs almost nothing; slices of valid UTF-8 need no further check.
        loop {
            block = self.known_lines(block, sink);
            let error = match std::str::from_utf8(block) {
                Ok(text) => return self.lines(text, sink),
                Err(error) => error,
            };
            let (valid, _) = block.split_at_checked(error.valid_up_to()).unwrap_or_default();
            let start = memrchr(b'\n', valid).map_or(0, |end| end + 1);
            let (before, after) = block.split_at_checked(start).unwrap_or_default();
            self.lines(std::str::from_utf8(before).unwrap_or_default(), sink)?;
            self.admit()?;
            let end = memchr(b'\n', after).unwrap_or(after.len());
            let (line, rest) = after.split_at_checked(end).unwrap_or_default();
            if line.len() <= self.limits.line {
                let column = valid.len() - start;
                let kind = syntax("UTF-8", line.get(column..).unwrap_or_default());
                return Err(PageError { line: self.summary.lines + 1, column: column as u64 + 1, kind });
            }
            self.too_long(line, sink)?;
            self.summary.lines += 1;
            block = rest.get(1..).unwrap_or_default();
        }
    }

    fn lines(&mut self, mut text: &str, sink: &mut dyn Sink) -> Result<(), PageError> {
        while !text.is_empty() {
            self.admit()?;
            let after = self.known_lines(text.as_bytes(), sink);
            text = text.get(text.len() - after.len()..).unwrap_or_default();
            let Some(end) = memchr(b'\n', text.as_bytes()) else { return Ok(()) };
            let line = text.get(..end).unwrap_or_default();
            text = text.get(end + 1..).unwrap_or_default();
            if line.len() > self.limits.line {
                self.too_long(line.as_bytes(), sink)?;
                self.summary.lines += 1;
                continue;
            }
            self.summary.lines += 1;
            self.line(line, sink).map_err(|fault| fault.at(line.as_bytes(), self.summary.lines))?;
        }
        Ok(())
    }

    /// Parses lines as long as they have the known series in order, and plain numbers. Returns the text after them.
    #[inline]
    fn known_lines<'t>(&mut self, mut left: &'t [u8], sink: &mut dyn Sink) -> &'t [u8] {
        if self.ended {
            return left;
        }
        let Some(known) = self.series.known.take() else { return left };
        let (first, mut next, mut is_unwanted) = (self.series.next, self.series.next, self.series.is_unwanted);
        while let Some((line, value, rest)) = known.line(next, left)
            && left.len() - rest.len() <= self.limits.line
        {
            if !(is_unwanted && line.repeats) {
                let (name, labels) = known.parts(line);
                is_unwanted = !sink.wants(name);
                if !is_unwanted {
                    let text = std::str::from_utf8(value).unwrap_or_default();
                    let Some((value, _)) = Number::read(text) else { break };
                    self.emit(name, Labels::checked(labels), value, None, sink);
                }
            }
            left = rest;
            next += 1;
        }
        let count = (next - first) as u64;
        self.series.recognized += count;
        self.summary.lines += count;
        self.summary.samples += count;
        (self.series.next, self.series.is_unwanted, self.series.known) = (next, is_unwanted, Some(known));
        left
    }

    #[inline]
    fn line(&mut self, line: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let text = self.format.blanks(line);
        if text.is_empty() {
            return match self.format {
                Format::Prometheus => Ok(()),
                Format::OpenMetrics => Err(Fault::expected("a sample or metadata", text)),
            };
        }
        if text.starts_with('#') {
            match Metadata::read(text, self.format)? {
                Metadata::Type { name, kind } => self.family.declare(&name, kind),
                Metadata::End => self.ended = true,
                Metadata::Nothing => {}
            }
            return Ok(());
        }
        if text.starts_with('{') {
            return self.quoted(text, sink);
        }
        let Some(found) = self.series.find(text) else { return self.unknown(text, sink) };
        let line = Line::known(text, found.line, self.format)?;
        self.summary.samples += 1;
        self.series.is_unwanted = found.is_unwanted || !self.pass_on(line.name, &line, sink);
        Ok(())
    }

    fn unknown(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let line = Line::read(text, self.format)?;
        self.summary.samples += 1;
        self.series.record(text, line.series, line.name, line.labels.raw());
        self.pass_on(line.name, &line, sink);
        Ok(())
    }

    #[cold]
    fn quoted(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let line = Line::read_quoted(text, self.format)?;
        self.summary.samples += 1;
        self.series.is_unwanted = false;
        self.pass_on(&unescape(line.name), &line, sink);
        Ok(())
    }

    #[inline(always)]
    fn pass_on(&self, name: &str, line: &Line<'_>, sink: &mut dyn Sink) -> bool {
        if !sink.wants(name) {
            return false;
        }
        self.emit(name, line.labels, line.value, line.timestamp, sink);
        true
    }

    #[inline(always)]
    fn emit(&self, name: &str, labels: Labels<'_>, value: Number<'_>, timestamp: Option<i64>, sink: &mut dyn Sink) {
        let kind = self.family.kind_of(name);
        let rewritten = bound::rewritten(self.family.declared(), &labels);
        let labels = rewritten.as_deref().map_or(labels, Labels::checked);
        sink.sample(&Sample { name, labels, value: value.value(), timestamp, kind });
    }

    /// Reports the sample on a line that is too long, given at least the start of the line.
    #[cold]
    fn too_long(&mut self, line: &[u8], sink: &mut dyn Sink) -> Result<(), PageError> {
        let limit = self.limits.line;
        let beginning = line.get(..limit).unwrap_or(line);
        let beginning = match std::str::from_utf8(beginning) {
            Ok(text) => text,
            Err(error) => {
                std::str::from_utf8(beginning.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
            }
        };
        let beginning = self.format.blanks(beginning);
        if beginning.starts_with('#') {
            return Ok(());
        }
        let error = PageErrorKind::LineTooLong { limit };
        let (name, labels) = parse_prefix(beginning, self.format).ok_or(PageError {
            line: self.summary.lines + 1,
            column: 1,
            kind: error,
        })?;
        self.summary.samples += 1;
        let rewritten = bound::rewritten(self.family.declared(), &labels);
        sink.too_long(&name, rewritten.as_deref().map_or(labels, Labels::checked));
        Ok(())
    }

    /// Whether another line is allowed.
    #[inline(always)]
    fn admit(&self) -> Result<(), PageError> {
        if self.ended {
            return Err(PageError { line: self.summary.lines + 1, column: 1, kind: PageErrorKind::AfterEof });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_at_most_one_line() {
        let limit = 1_000;
        let mut parser = Parser::new(Format::Prometheus, ExpositionLimits { line: limit });
        for line in 0..3 {
            for length in 1..=limit {
                parser.feed(b" ", &mut ()).unwrap();
                assert_eq!(parser.carried.len(), length);
            }
            parser.feed(b"\na 1\nb", &mut ()).unwrap();
            assert_eq!(parser.carried, b"b");
            parser.feed(b" 1\n", &mut ()).unwrap();
            assert_eq!((parser.carried.len(), parser.summary.lines), (0, (line + 1) * 3));
        }
        parser.feed(b"a{b=\"", &mut ()).unwrap();
        for _ in 0..100 {
            parser.feed(&[b'x'; 100_000], &mut ()).unwrap();
            assert!(parser.carried.capacity() <= 2 * limit);
        }
        parser.feed(b"\"} 1\nb", &mut ()).unwrap();
        assert_eq!((parser.carried.as_slice(), parser.summary.lines, parser.summary.samples), (&b"b"[..], 10, 7));
        let error = parser.feed(&[b'b'; 100_000], &mut ()).unwrap_err();
        assert_eq!(error, PageError { line: 11, column: 1, kind: PageErrorKind::LineTooLong { limit } });
    }
}

//! Why a page is malformed, and where.

use std::fmt;

use crate::escape::Escaped;

/// The most bytes of a page that an error keeps: one more than a message shows, so that it shows there was more.
const FOUND: usize = 65;

const CARRIAGE_RETURN: &str = "expected a line feed alone at the end of the line, found a carriage return before it";
const MISSING_EOF: &str = "expected \"# EOF\" at the end, found none: the page is cut off, or it is not OpenMetrics";

/// A malformed page: nothing read from it may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageError {
    /// From 1.
    pub line: u64,
    /// Column in bytes, from 1.
    pub column: u64,
    /// What is wrong there.
    pub kind: PageErrorKind,
}

/// What is wrong with a page.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageErrorKind {
    /// The text does not follow the format's grammar.
    Syntax {
        /// What the format demands there, in words.
        expected: &'static str,
        /// The bytes found instead, up to the next blank and 65 at most; empty at the end of the line.
        found: Box<[u8]>,
    },
    /// The line ends with a carriage return.
    CarriageReturn,
    /// A line is longer than [`ExpositionLimits::line`](super::ExpositionLimits::line), and its metric's name is not at
    /// its beginning.
    LineTooLong {
        /// That limit, in bytes.
        limit: usize,
    },
    /// A page of Prometheus text does not end with a line feed: its last number may have lost digits.
    CutOff,
    /// A page of OpenMetrics ends without `# EOF`.
    MissingEof,
    /// A page of OpenMetrics goes on after `# EOF`.
    AfterEof,
}

impl PageErrorKind {
    /// What is wrong, without its place and the page's own bytes: the same text for the same mistake wherever it
    /// stands.
    pub fn cause(&self) -> String {
        match self {
            Self::Syntax { expected, .. } => format!("expected {expected}"),
            Self::CarriageReturn => CARRIAGE_RETURN.to_owned(),
            Self::LineTooLong { limit } => {
                format!("expected a metric name, found a line of more than {limit} bytes without one")
            }
            Self::CutOff => "expected a line feed at the end, found that the last line is cut off".to_owned(),
            Self::MissingEof => MISSING_EOF.to_owned(),
            Self::AfterEof => "expected nothing after \"# EOF\", found more of the page".to_owned(),
        }
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, kind } = self;
        write!(f, "line {line}, column {column}: ")?;
        match kind {
            PageErrorKind::Syntax { expected, found } if found.is_empty() => {
                write!(f, "expected {expected}, found the end of the line")
            }
            PageErrorKind::Syntax { expected, found } => {
                write!(f, "expected {expected}, found {}", Escaped::new(found))
            }
            PageErrorKind::CarriageReturn => f.write_str(CARRIAGE_RETURN),
            PageErrorKind::LineTooLong { .. } => f.write_str(&kind.cause()),
            PageErrorKind::CutOff => {
                write!(f, "expected a line feed, found that the page ends in the middle of line {line}")
            }
            PageErrorKind::MissingEof => f.write_str(MISSING_EOF),
            PageErrorKind::AfterEof => write!(f, "expected nothing after \"# EOF\", found more of the page"),
        }
    }
}

impl std::error::Error for PageError {}

/// What is wrong with one line, before anyone knows its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Bytes of the line that were left where the fault was found.
    left: usize,
    expected: &'static str,
}

impl Fault {
    /// `rest`, the end of the line, does not begin with what was expected.
    #[cold]
    pub(super) fn expected(expected: &'static str, rest: &str) -> Self {
        Self { left: rest.len(), expected }
    }

    /// Places the fault in its page.
    #[cold]
    pub(super) fn at(self, line: &[u8], number: u64) -> PageError {
        let offset = line.len().saturating_sub(self.left);
        let kind = syntax(self.expected, line.get(offset..).unwrap_or_default());
        PageError { line: number, column: offset as u64 + 1, kind }
    }
}

/// A syntax error that shows the token, or the blanks, at the beginning of `rest`.
#[cold]
pub(super) fn syntax(expected: &'static str, rest: &[u8]) -> PageErrorKind {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
    // Unless the carriage return is all that is wrong, another token follows the wrong one.
    let line = rest.strip_suffix(b"\n").unwrap_or(rest);
    let other_format = matches!(line.first(), Some(b'{' | b'[' | b'<'));
    if line.ends_with(b"\r") && !line.trim_ascii().iter().any(blank) && !other_format {
        return PageErrorKind::CarriageReturn;
    }
    let first = rest.first().is_some_and(blank);
    let found = rest.iter().take(FOUND).take_while(|byte| blank(byte) == first).copied().collect();
    PageErrorKind::Syntax { expected, found }
}

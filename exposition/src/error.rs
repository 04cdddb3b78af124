//! Why and where a page is malformed.

use std::fmt;

use crate::escape::Escaped;

/// The maximum number of bytes of a page in an error: one more than a message shows, so that a message can show that
/// text was cut off.
const FOUND: usize = 65;

const CARRIAGE_RETURN: &str = "expected a line feed alone at the end of the line, found a carriage return before it";
const MISSING_EOF: &str = "expected \"# EOF\" at the end, found none: the page is cut off, or it is not OpenMetrics";

/// A malformed page: nothing parsed from it may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageError {
    /// The line, from 1.
    pub line: u64,
    /// Column in bytes, from 1.
    pub column: u64,
    /// The kind of error.
    pub kind: PageErrorKind,
}

/// The kind of error in a page.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageErrorKind {
    /// A violation of the format's grammar.
    Syntax {
        /// A description of what the grammar expects.
        expected: &'static str,
        /// The bytes found instead, up to the next space and at most 65; empty at the end of the line.
        found: Box<[u8]>,
    },
    /// The line ends with a carriage return.
    CarriageReturn,
    /// A line is longer than [`ExpositionLimits::line`](super::ExpositionLimits::line), and does not start with its
    /// metric's name.
    LineTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// A page of Prometheus text does not end with a line feed, so its last number may be incomplete.
    Truncated,
    /// A page of OpenMetrics ends without `# EOF`.
    MissingEof,
    /// A page of OpenMetrics continues after `# EOF`.
    AfterEof,
}

impl PageErrorKind {
    /// The error without its position and without bytes of the page: the same mistake has the same text everywhere.
    pub fn cause(&self) -> String {
        match self {
            Self::Syntax { expected, .. } => format!("expected {expected}"),
            Self::CarriageReturn => CARRIAGE_RETURN.to_owned(),
            Self::LineTooLong { limit } => {
                format!("expected a metric name, found a line of more than {limit} bytes without one")
            }
            Self::Truncated => "expected a line feed at the end, found an incomplete last line".to_owned(),
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
            PageErrorKind::Truncated => {
                write!(f, "expected a line feed, found the end of the page in the middle of line {line}")
            }
            PageErrorKind::MissingEof => f.write_str(MISSING_EOF),
            PageErrorKind::AfterEof => write!(f, "expected nothing after \"# EOF\", found more of the page"),
        }
    }
}

impl std::error::Error for PageError {}

/// An error in one line, whose number is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The number of bytes from the error to the end of the line.
    left: usize,
    expected: &'static str,
}

impl Fault {
    /// The error that `rest`, the end of the line, does not start with what was expected.
    #[cold]
    pub(super) fn expected(expected: &'static str, rest: &str) -> Self {
        Self { left: rest.len(), expected }
    }

    /// Adds the position in the page.
    #[cold]
    pub(super) fn at(self, line: &[u8], number: u64) -> PageError {
        let offset = line.len().saturating_sub(self.left);
        let kind = syntax(self.expected, line.get(offset..).unwrap_or_default());
        PageError { line: number, column: offset as u64 + 1, kind }
    }
}

/// A syntax error that shows the token, or the spaces, at the start of `rest`.
#[cold]
pub(super) fn syntax(expected: &'static str, rest: &[u8]) -> PageErrorKind {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
    // Unless the carriage return is the only error, another token follows the wrong one.
    let line = rest.strip_suffix(b"\n").unwrap_or(rest);
    let other_format = matches!(line.first(), Some(b'{' | b'[' | b'<'));
    if line.ends_with(b"\r") && !line.trim_ascii().iter().any(blank) && !other_format {
        return PageErrorKind::CarriageReturn;
    }
    let first = rest.first().is_some_and(blank);
    let found = rest.iter().take(FOUND).take_while(|byte| blank(byte) == first).copied().collect();
    PageErrorKind::Syntax { expected, found }
}

//! Why a path is rejected.

use std::fmt;

use crate::parse::escape::Escaped;

/// Why a path is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// Longer than this many bytes.
    TooLong(usize),
    /// The path does not start with a slash.
    NotAbsolute,
    /// A percent sign without two hexadecimal digits after it; contains these bytes.
    BadEscape(String),
    /// The decoded path is not UTF-8.
    NotUtf8,
    /// The decoded path contains a control character.
    Control,
    /// A `.` or `..` segment.
    DotSegment,
    /// A path below `/namespaces` that is neither a namespace's own metric nor a metric of objects in a namespace.
    Invalid,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(max) => write!(f, "invalid request path: expected at most {max} bytes, found more"),
            Self::NotAbsolute => f.write_str("invalid request path: expected a slash at the start"),
            Self::BadEscape(found) => {
                let found = Escaped::new(found);
                write!(f, "invalid request path: expected two hexadecimal digits after %, found {found}")
            }
            Self::NotUtf8 => f.write_str("invalid request path: expected UTF-8 after decoding"),
            Self::Control => f.write_str("invalid request path: expected no control characters, found one"),
            Self::DotSegment => f.write_str("invalid request path: expected no . or .. segment, found one"),
            Self::Invalid => f.write_str(
                "invalid request path: expected /namespaces/NAMESPACE/metrics/METRIC or \
                 /namespaces/NAMESPACE/RESOURCE/NAME/METRIC",
            ),
        }
    }
}

impl std::error::Error for PathError {}

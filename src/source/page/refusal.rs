//! Why a page, though well-formed, has no answer for a want.

use std::fmt;

use crate::config::model::Format;

/// Why a page, though well-formed, has no answer for a [`Want`](super::Want).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More series than are kept for one rule.
    TooMany(usize),
    /// More bytes of labels than are kept of one page.
    TooLarge(usize),
    /// A line of more bytes than are read, of a metric that the rule may want.
    LineTooLong(usize),
    /// A series with more labels than are kept.
    TooManyLabels(usize),
    /// One series stands on the page twice.
    Duplicate,
    /// The page reports an error itself, with this status, in the place of what is selected.
    ErrorInside(Option<u64>),
    /// The keys of objects are wanted, and something else is there.
    NoKeys,
    /// The page is not what the rule can read: what it wants, what the page is.
    WrongFormat(&'static str, Format),
    /// A bare number has no name to be served by.
    Nameless,
    /// A regular expression that looks at the page again for each match, and takes too long.
    TooSlow,
    /// A filter compares numbers, and the page is CSV, which has none.
    TextFields,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(max) => write!(f, "more than {max} series or values match; narrow the rule's value"),
            Self::TooLarge(max) => write!(f, "the matching series take more than {max} bytes; add a label matcher"),
            Self::LineTooLong(max) => write!(f, "a series takes a line of more than {max} bytes"),
            Self::TooManyLabels(max) => write!(f, "a series has more than {max} labels"),
            Self::ErrorInside(Some(status)) => write!(f, "the page itself reports an error, status {status}"),
            Self::ErrorInside(None) => f.write_str("the page itself reports an error"),
            Self::NoKeys => f.write_str("items: leads to something else than an object, whose keys are wanted"),
            Self::Duplicate => f.write_str("the page has one series twice"),
            // The page alone says so: a source with `format: number` has no rules for series.
            Self::WrongFormat("series", Format::Number) => f.write_str(
                "expected series, found a bare number; if it always is one, set format: number on the source",
            ),
            Self::WrongFormat(wanted, found) => write!(f, "expected {wanted}, found {}", name(*found)),
            Self::TooSlow => f.write_str(
                "the regular expression takes too long: it looks at all of the page for each match; write it without (?s:.*) \
                 and the like",
            ),
            Self::TextFields => f.write_str(
                "a filter compares numbers, and all fields of CSV are text: compare with a string such as '5', by == or !=",
            ),
            Self::Nameless => f.write_str("its page is a bare number, which has no name"),
        }
    }
}

/// What a page is, in words.
pub(crate) fn name(format: Format) -> &'static str {
    match format {
        Format::Prometheus => "Prometheus text",
        Format::OpenMetrics => "OpenMetrics text",
        Format::Json => "JSON",
        Format::Yaml => "YAML",
        Format::Csv => "CSV",
        Format::Text => "text",
        Format::Number => "a bare number",
    }
}

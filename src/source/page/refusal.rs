//! Why a well-formed page has no usable value for a rule.

use std::fmt;

use crate::config::model::Format;

/// Why a well-formed page has no usable value for a [`WantedValues`](super::WantedValues).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The rule selects more series than the limit.
    TooMany(usize),
    /// The labels of the page exceed the limit in bytes.
    TooLarge(usize),
    /// A line longer than the limit, of a metric that the rule may use.
    LineTooLong(usize),
    /// A series with more labels than the limit.
    TooManyLabels(usize),
    /// A series occurs twice on the page.
    Duplicate,
    /// The page itself reports an error, with this status, instead of the selected values.
    ErrorInside(Option<u64>),
    /// The rule needs the keys of objects, and the page contains something else.
    NoKeys,
    /// The page has another format than the rule needs: the needed format, the page's format.
    WrongFormat(&'static str, Format),
    /// A bare number has no metric name.
    Nameless,
    /// A regular expression that searches the page for each match takes too long.
    TooSlow,
    /// A filter compares numbers, but the values of a CSV page are text.
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
            // Only the page shows this: a source with `format: number` has no rules for series.
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

/// A description of the page.
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

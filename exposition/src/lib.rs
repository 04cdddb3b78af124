//! Pages of metrics: Prometheus text 0.0.4 and OpenMetrics 1.0, parsed while they stream in.
//!
//! ```text
//! 0.0.4        line   = [blanks] [sample | comment] LF              blanks = one or more of space and tab
//!              sample = series [blanks] value [blanks timestamp] [blanks]   (blanks before a value without labels)
//!              comment = "#" anything | "#" blanks "HELP" blanks name anything | "#" blanks "TYPE" blanks name blanks type [blanks]
//! OpenMetrics  page   = *((sample | "# TYPE " name " " type | "# HELP " name " " anything | "# UNIT " name " " unit) LF) "# EOF" [LF]
//!              sample = series " " value [" " timestamp] [" # " labels " " value [" " timestamp]]
//! both         series = name [labels] | "{" quoted ["," label *("," label)] [","] "}"   (the quoted metric name at any place)
//!              labels = "{" [label *("," label) [","]] "}"      label = (name | quoted) "=" quoted   (0.0.4: blanks around each)
//!              quoted = DQUOTE text DQUOTE                      a name after TYPE, HELP and UNIT may be quoted, too
//! ```
//! The text is UTF-8 in every line. Label values escape line feed, quote and backslash as `\n`, `\"` and `\\`; any
//! other backslash is literal. Numbers have the syntax of Go's `ParseFloat` without hexadecimals and underscores;
//! bounds of buckets and quantiles also allow those. Timestamps are integer milliseconds in 0.0.4, and numbers of
//! seconds in OpenMetrics.
//!
//! Where the specifications are silent, this parser follows Prometheus: a comma may end the labels, `}` needs no space
//! before the value in 0.0.4, and CRLF is rejected (a carriage return belongs to the token before it). It is stricter
//! where Prometheus may read a different number than was sent, or accepts an error by accident: a page must end as its
//! format requires, so a truncated page is rejected; labels need commas between them, names need a space after them,
//! and a quoted text must end on its line.
//!
//! Memory is constant: an incomplete line up to its limit, and the name of the family declared last. Of a longer line,
//! the metric's name and the complete labels within the limit are parsed and reported to the sink, and parsing
//! continues.

mod bound;
pub mod error;
pub mod escape;
mod family;
pub mod format;
mod go_float;
mod known;
pub mod labels;
mod metadata;
mod number;
pub mod parser;
mod recognition;
mod sample;
mod scan;
pub mod sink;
#[cfg(test)]
mod tests;

pub use error::PageError;
pub use family::{Kind, is_named_like_a_counter};
pub use format::{ExpositionLimits, Format};
pub use known::KnownSeries;
pub use labels::Labels;
pub use parser::Parser;
pub use sink::{Sample, Sink};

/// Parses a whole text as a number in the syntax of sample values.
pub fn value(text: &str) -> Option<f64> {
    number::Number::read(text).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number.value())
}

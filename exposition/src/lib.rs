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
//! The text is UTF-8, in every line; a label's text escapes line feed, quote and backslash as `\n`, `\"` and `\\`, and
//! any other backslash stands for itself. Numbers are those of Go's `ParseFloat` without hexadecimals and underscores;
//! bounds of buckets and quantiles are numbers with them, too.
//! Timestamps are integer milliseconds in 0.0.4 and seconds, as a number, in OpenMetrics.
//!
//! Where the specifications are silent this does what Prometheus does: a comma may end the labels, `}` needs no blank
//! before the value in 0.0.4, and CRLF is refused (a carriage return belongs to the token before it). It is stricter
//! where Prometheus reads a number that may not be the one that was sent, or forgives by accident: a page must end as
//! its format says, so one that was cut off is never read; labels need commas between them, names a blank after them,
//! and a quoted text may not run over the end of its line.
//!
//! Memory is constant: a line that is not yet whole, up to its limit, and the name of the family last declared. Of a
//! longer line the metric's name is read and the labels that are whole within the limit: the sink learns of them, and
//! the page goes on.

mod bound;
pub mod error;
pub mod escape;
mod family;
pub mod format;
mod go_float;
pub mod labels;
mod metadata;
mod number;
pub mod parser;
mod sample;
mod scan;
pub mod sink;
#[cfg(test)]
mod tests;

pub use error::PageError;
pub use family::{Kind, is_named_like_a_counter};
pub use format::{ExpositionLimits, Format};
pub use labels::Labels;
pub use parser::Parser;
pub use sink::{Sample, Sink};

/// The number that a whole text is, as a sample's value is written.
pub fn value(text: &str) -> Option<f64> {
    number::Number::read(text).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number.value())
}

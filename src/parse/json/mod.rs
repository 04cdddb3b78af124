//! JSON pages, JSONPaths (RFC 9535), and expressions of JSONPaths.

mod arithmetic;
mod expr;
mod indent;
mod jsonpath;
pub(crate) mod page;
pub(crate) mod segments;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

pub use expr::JsonExpr;
pub(crate) use expr::looks_like_json;
pub(crate) use indent::indent;
pub use jsonpath::JsonLimits;
pub(crate) use jsonpath::Path;
pub(crate) use page::{JsonPageError, PageLimits, parse_page};

/// A value that is not a number, described by its JSON type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotANumber {
    /// `null`, `a boolean`, `a string that is not a number`, `an array` or `an object`.
    pub found: &'static str,
}

/// Converts a value to a number; `from_text` parses strings (as a decimal number or a quantity).
///
/// # Errors
/// If the value is not a number.
pub(crate) fn number(value: &Value, from_text: fn(&str) -> Option<f64>) -> Result<f64, NotANumber> {
    let (number, found) = match value {
        Value::Number(number) => (number.as_f64(), "a number out of range"),
        Value::String(text) => (from_text(text), "a string that is not a number"),
        Value::Null => (None, "null"),
        Value::Bool(_) => (None, "a boolean"),
        Value::Array(_) => (None, "an array"),
        Value::Object(_) => (None, "an object"),
    };
    number.ok_or(NotANumber { found })
}

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a number, found {}", self.found)
    }
}

impl std::error::Error for NotANumber {}

//! JSON: its pages, JSONPaths (RFC 9535), and the expressions that are made of them.

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

/// A value that is not a number, by its JSON type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotANumber {
    /// `null`, `a boolean`, `a string that is not a number`, `an array` or `an object`.
    pub found: &'static str,
}

/// The number that a value is; `from_text` reads those written as strings (a decimal number, a quantity).
///
/// # Errors
/// If it is no number.
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

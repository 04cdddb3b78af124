//! Errors of the parsers.

use std::fmt;

/// The end of messages about parts of PromQL that are not supported here.
pub(crate) const SUPPORTED_ELSEWHERE: &str = "; a prometheus source supports all of PromQL";

/// Why a text is not a supported expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// The position in characters, from 1; after the last character if the text ends too early.
    pub column: usize,
    /// The complete message, including the column.
    pub message: String,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExpressionError {}

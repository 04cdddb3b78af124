//! Errors of the parsers.

use std::fmt;

/// Why a text is not an expression that we evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// Where, in characters from 1; one past the last where the text ends too early.
    pub column: usize,
    /// The whole message; it names the column too.
    pub message: String,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExpressionError {}

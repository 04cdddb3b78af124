//! Errors of the parsers.

use std::fmt;

/// What follows the name of what is not evaluated here.
pub(crate) const ELSEWHERE: &str = "; a prometheus source takes all of PromQL";

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

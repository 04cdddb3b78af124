//! Limits on an expression.

/// Limits on an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text in bytes.
    pub bytes: usize,
    /// Nesting of parentheses, functions, aggregations and signs.
    pub depth: usize,
    /// Total number of numbers, selectors, functions, aggregations and operators.
    pub nodes: usize,
    /// Compiled size of a regular expression in bytes.
    pub regex: usize,
}

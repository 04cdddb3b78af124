//! Limits on an expression.

/// What an expression may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text in bytes.
    pub bytes: usize,
    /// Nesting of parentheses, functions, aggregations and signs.
    pub depth: usize,
    /// Numbers, selectors, functions, aggregations and operators in all.
    pub nodes: usize,
    /// Compiled size of one regular expression in bytes.
    pub regex: usize,
}

//! The expression language of `value` for Prometheus-shaped data: a subset of PromQL.
//!
//! ```text
//! expr      = selector | op "(" expr ")" | "(" expr ")"
//! op        = "sum" | "avg" | "min" | "max" | "count"
//! selector  = name [ "{" matchers "}" ] | "{" matchers "}"
//! matchers  = [ matcher { "," matcher } [ "," ] ]
//! matcher   = label ( "=" | "!=" | "=~" | "!~" ) string     label = identifier | string
//!           | string                                        the metric's name, as Prometheus 3 takes it
//! ```
//! Blanks, line ends and `#` comments may stand between any two tokens. What else PromQL knows is refused by its name.

mod ast;
mod lexer;
mod matcher;
mod parser;

use std::fmt;

pub use ast::{Aggregation, Expr, VectorSelector};
pub use matcher::{BadRegex, MatchOp, Matcher};

/// What an expression may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text in bytes.
    pub bytes: usize,
    /// Nesting of parentheses and aggregations.
    pub depth: usize,
    /// Compiled size of one regular expression in bytes.
    pub regex: usize,
}

/// Why a text is not an expression that we evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// Where, in characters from 1; one past the last where the text ends too early.
    pub column: usize,
    /// The whole message; it names the column too.
    pub message: String,
}

impl Expr {
    /// Parses `text`.
    ///
    /// # Errors
    /// At the first thing that is not PromQL, that is PromQL but not evaluated here, or that passes a limit.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, ExpressionError> {
        parser::parse(text, limits)
    }
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExpressionError {}

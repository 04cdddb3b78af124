//! The expression language of `value` for Prometheus-shaped data, a subset of PromQL: parser, printer and evaluator.
//!
//! ```text
//! expr        = expr operator expr | ( "-" | "+" ) expr | "(" expr ")" | number | selector | call | aggregation
//! operator    = "*" | "/"                                                 binds tightest; all associate to the left
//!             | "+" | "-"
//!             | "==" | "!=" | "<" | "<=" | ">" | ">="
//! call        = function "(" expr { "," expr } ")"
//! aggregation = ( "sum" | "avg" | "min" | "max" | "count" ) [ grouping ] "(" expr ")" [ grouping ]
//! grouping    = ( "by" | "without" ) "(" [ label { "," label } [ "," ] ] ")"
//! selector    = ( name [ "{" matchers "}" ] | "{" matchers "}" ) [ "[" duration "]" ]
//! matchers    = [ matcher { "," matcher } [ "," ] ]
//! matcher     = label ( "=" | "!=" | "=~" | "!~" ) string     label = identifier | string
//!             | string                                        the metric's name, as Prometheus 3 takes it
//! ```
//! Blanks, line ends and `#` comments may stand between any two tokens. What an expression gives, a number, one sample of
//! each series or several, is checked here too. What else PromQL knows is refused by its name.

mod ast;
pub mod evaluate;
mod lexer;
mod matcher;
mod parser;
mod print;
mod scope;
mod template;

use std::fmt;

pub use ast::{Aggregation, BinaryOp, Expr, Function, Grouping, NAME_LABEL, Number, Type, VectorSelector};
pub use matcher::{BadRegex, MatchOp, Matcher};
pub use scope::{Dropped, Scope};
pub use template::QueryTemplate;

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

/// Why a text is not an expression that we evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// Where, in characters from 1; one past the last where the text ends too early.
    pub column: usize,
    /// The whole message; it names the column too.
    pub message: String,
}

impl Expr {
    /// Parses `text`. What comes back gives one sample of each of any number of series: it is a [`Type::Vector`].
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

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
//! Blanks, line ends and `#` comments may stand between any two tokens. What an expression gives, a number, one sample
//! of each series or several, is checked here too. What else PromQL knows is refused by its name.

pub(crate) mod ast;
mod error;
pub(crate) mod evaluate;
mod level;
mod lexer;
pub(crate) mod limits;
pub(crate) mod matcher;
mod parser;
mod print;
pub(crate) mod scope;
pub(crate) mod template;

pub(crate) use ast::{Aggregation, BinaryOp, Expr, Function, Grouping, Number, Type, VectorSelector};
pub(crate) use error::{ELSEWHERE, ExpressionError};
pub(crate) use limits::Limits;
pub(crate) use matcher::{MatchOp, Matcher, NAME_LABEL};
pub(crate) use scope::Scope;
pub(crate) use template::QueryTemplate;

impl Expr {
    /// Parses `text`. What comes back gives one sample of each of any number of series: it is a [`Type::Vector`].
    ///
    /// # Errors
    /// At the first thing that is not PromQL, that is PromQL but not evaluated here, or that passes a limit.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, ExpressionError> {
        parser::parse(text, limits)
    }
}

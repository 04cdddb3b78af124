//! The expression language of `value` for data in Prometheus' model, a subset of PromQL: parser, printer and evaluator.
//!
//! ```text
//! expr        = expr operator [ matching ] expr | ( "-" | "+" ) expr | "(" expr ")" | number | selector | call
//!             | aggregation | relabelling
//! operator    = "^"                               binds tightest, also tighter than signs; associates to the right
//!             | "*" | "/" | "%"                   as tight as signs; from here on all associate to the left
//!             | "+" | "-"
//!             | "==" | "!=" | "<" | "<=" | ">" | ">="
//!             | "and" | "unless"
//!             | "or"
//! matching    = [ "bool" ] [ ( "on" | "ignoring" ) labels [ ( "group_left" | "group_right" ) [ labels ] ] ]
//! call        = function "(" [ expr { "," expr } ] ")"
//! relabelling = "label_replace" "(" expr "," string "," string "," string "," string ")"
//! aggregation = word [ grouping ] "(" [ expr "," ] expr ")" [ grouping ]
//! grouping    = ( "by" | "without" ) labels
//! labels      = "(" [ label { "," label } [ "," ] ] ")"
//! selector    = ( name [ "{" matchers "}" ] | "{" matchers "}" ) [ "[" duration "]" ] [ "offset" duration ]
//! matchers    = [ matcher { "," matcher } [ "," ] ]
//! matcher     = label ( "=" | "!=" | "=~" | "!~" ) string     label = identifier | string
//!             | string                                        the metric's name, as in Prometheus 3
//! ```
//! Whitespace, line ends and `#` comments are allowed between any two tokens. The parser also checks types: number,
//! instant vector or range vector. Other parts of PromQL are rejected by name.

pub(crate) mod ast;
mod error;
pub(crate) mod evaluate;
mod level;
mod lexer;
pub(crate) mod limits;
pub(crate) mod matcher;
pub(crate) mod operation;
mod parser;
pub(crate) mod placeholder;
mod print;
pub(crate) mod scope;
pub(crate) mod template;

pub(crate) use ast::{Expr, Grouping, LabelReplace, Matching, Number, Side, VectorSelector, Window};
pub(crate) use error::{ExpressionError, SUPPORTED_ELSEWHERE};
pub(crate) use limits::Limits;
pub(crate) use matcher::{MatchOp, Matcher, NAME_LABEL};
pub(crate) use operation::{Aggregation, BinaryOp, Function, Type};
pub(crate) use placeholder::Bindings;
pub(crate) use scope::Scope;
pub(crate) use template::QueryTemplate;

impl Expr {
    /// Parses `text` to an expression of type [`Type::Vector`]: one sample of each of any number of series.
    ///
    /// # Errors
    /// The first part that is not PromQL, is not supported, or exceeds a limit.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, ExpressionError> {
        parser::parse(text, limits)
    }
}

//! Parses tokens to an expression by recursive descent with limited depth.

mod binary;
mod call;
mod number;
mod selector;
#[cfg(test)]
mod tests;

use super::lexer::{Kind, Lexer, Token, error, is_metric_name};
use super::{Aggregation, BinaryOp, Expr, ExpressionError, Limits, Number, SUPPORTED_ELSEWHERE, Type};
use crate::parse::escape::Escaped;

/// Parses a complete text.
pub(super) fn parse(text: &str, limits: &Limits) -> Result<Expr, ExpressionError> {
    if text.len() > limits.bytes {
        let message = format!("expected an expression of at most {} bytes, found {}", limits.bytes, text.len());
        return Err(error(1, message));
    }
    let mut lexer = Lexer::new(text);
    let token = lexer.next()?;
    let mut parser = Parser { lexer, token, limits, nodes: 0 };
    let whole = parser.expression(0)?;
    match parser.token.kind {
        Kind::End => Ok(whole.of(Type::Vector)?.expr),
        _ => Err(parser.expected("the end of the expression")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The first token not consumed yet.
    token: Token<'a>,
    limits: &'a Limits,
    /// The number of nodes so far.
    nodes: usize,
}

/// An expression, its type, and the column where it starts.
struct Typed {
    expr: Expr,
    result_type: Type,
    column: usize,
}

impl Typed {
    /// Checks that the expression has the wanted type.
    fn of(self, wanted: Type) -> Result<Self, ExpressionError> {
        let Self { result_type, column, .. } = self;
        if result_type == wanted {
            return Ok(self);
        }
        Err(error(column, format!("expected {} at column {column}, found {}", describe(wanted), describe(result_type))))
    }

    /// Checks that the expression is not a range, which only functions accept.
    fn operand(self) -> Result<Self, ExpressionError> {
        if self.result_type == Type::Range { self.of(Type::Vector) } else { Ok(self) }
    }
}

fn describe(kind: Type) -> &'static str {
    match kind {
        Type::Scalar => "a number",
        Type::Vector => "one sample of each series",
        Type::Range => "a range such as x[5m]",
    }
}

impl<'a> Parser<'a> {
    /// Parses an expression at this nesting depth, as far as it extends.
    fn expression(&mut self, depth: usize) -> Result<Typed, ExpressionError> {
        self.binary(depth, 0)
    }

    /// Parses signs and their operand. Only `^` binds tighter.
    fn unary(&mut self, depth: usize) -> Result<Typed, ExpressionError> {
        let Token { column, .. } = self.token;
        let Kind::Symbol(sign @ ("+" | "-")) = self.token.kind else { return self.operand(depth) };
        self.check_depth(depth)?;
        self.advance()?;
        let operand = self.binary(depth + 1, BinaryOp::Pow.precedence())?.operand()?;
        let Typed { result_type, .. } = operand;
        match operand.expr {
            expr if sign == "+" => Ok(Typed { expr, result_type, column }),
            Expr::Number(Number(number)) => Ok(Typed { expr: Expr::Number(Number(-number)), result_type, column }),
            expr => self.node(Typed { expr: Expr::Negate(Box::new(expr)), result_type, column }),
        }
    }

    /// Parses one operand, and checks that only a supported operator can follow it.
    fn operand(&mut self, depth: usize) -> Result<Typed, ExpressionError> {
        let operand = match self.token.kind {
            Kind::Symbol("(") => self.parenthesised(depth)?,
            Kind::Symbol("{") => self.selector(None)?,
            Kind::Word(_) => self.named(depth)?,
            Kind::Number => self.number()?,
            Kind::String(_) => return Err(unsupported("a string", self.token.column)),
            _ => return Err(self.expected("a metric, a number, a function or \"(\"")),
        };
        self.reject_unsupported_suffix()?;
        Ok(operand)
    }

    /// Parses what starts with a word: a selector, a function, an aggregation, a number, or something unsupported.
    fn named(&mut self, depth: usize) -> Result<Typed, ExpressionError> {
        let name = self.token.clone();
        let Token { text: word, column, .. } = name;
        if number::is_special(word) {
            return self.number();
        }
        self.advance()?;
        let called = match self.token.kind {
            Kind::Symbol("(") => true,
            Kind::Word(next) => call::is_grouping(next),
            _ => false,
        };
        if called && is_metric_name(word) {
            return match Aggregation::from_word(word) {
                Some(aggregation) => self.aggregation(aggregation, column, depth),
                None => self.call(word, column, depth),
            };
        }
        if is_metric_name(word) {
            return self.selector(Some(name));
        }
        Err(error(column, format!("expected a metric at column {column}, found the keyword {word}")))
    }

    /// `"(" expr ")"`
    fn parenthesised(&mut self, depth: usize) -> Result<Typed, ExpressionError> {
        let Token { column, .. } = self.token;
        self.open(depth)?;
        let inner = self.expression(depth + 1)?;
        self.close()?;
        Ok(Typed { column, ..inner })
    }

    fn open(&mut self, depth: usize) -> Result<(), ExpressionError> {
        self.check_depth(depth)?;
        if self.token.kind != Kind::Symbol("(") {
            return Err(self.expected("\"(\""));
        }
        self.advance()
    }

    fn close(&mut self) -> Result<(), ExpressionError> {
        if self.token.kind != Kind::Symbol(")") {
            return Err(self.expected("\")\""));
        }
        self.advance()
    }

    /// Whether this keyword is next; keywords of PromQL may be in capitals.
    fn is_word(&self, keyword: &str) -> bool {
        matches!(self.token.kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn check_depth(&self, depth: usize) -> Result<(), ExpressionError> {
        if depth < self.limits.depth {
            return Ok(());
        }
        let Token { column, .. } = self.token;
        let message = format!("expected at most {depth} nested parentheses, signs or ^, found more at column {column}");
        Err(error(column, message))
    }

    /// Counts a node.
    fn node(&mut self, made: Typed) -> Result<Typed, ExpressionError> {
        self.nodes += 1;
        if self.nodes <= self.limits.nodes {
            return Ok(made);
        }
        let Typed { column, .. } = made;
        let most = self.limits.nodes;
        Err(error(column, format!("expected an expression of at most {most} parts, found more at column {column}")))
    }

    /// Rejects, by name, unsupported parts of PromQL that may follow an expression.
    fn reject_unsupported_suffix(&self) -> Result<(), ExpressionError> {
        let Token { column, .. } = self.token;
        let what = match self.token.kind {
            Kind::Symbol("[") => match self.lexer.rest().split_once(']') {
                Some((range, _)) if range.contains(':') => "a subquery".to_owned(),
                _ => return Err(error(column, format!("the range at column {column} does not follow a selector"))),
            },
            Kind::Symbol("@") => "the modifier @".to_owned(),
            Kind::Word(word) if word.eq_ignore_ascii_case("atan2") => format!("the operator {word}"),
            Kind::Word(word) if word.eq_ignore_ascii_case("offset") => {
                return Err(error(column, format!("the {word} at column {column} does not follow a selector")));
            }
            _ => return Ok(()),
        };
        Err(unsupported(&what, column))
    }

    fn advance(&mut self) -> Result<(), ExpressionError> {
        self.token = self.lexer.next()?;
        Ok(())
    }

    /// The error for an unexpected token.
    fn expected(&self, what: &str) -> ExpressionError {
        let Token { column, text, .. } = self.token;
        let found = match self.token.kind {
            Kind::End => "the end".to_owned(),
            _ => Escaped::new(text).to_string(),
        };
        error(column, format!("expected {what} at column {column}, found {found}"))
    }
}

fn unsupported(what: &str, column: usize) -> ExpressionError {
    error(column, format!("{what} at column {column} is not supported here{SUPPORTED_ELSEWHERE}"))
}

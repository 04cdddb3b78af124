//! Functions and aggregations.

use super::super::lexer::{Kind, Token, error, is_identifier};
use super::super::{Aggregation, Expr, ExpressionError, Function, Grouping, Type};
use super::{Parser, Typed, refused};

/// Whether a word begins a grouping.
pub(super) fn is_grouping(word: &str) -> bool {
    word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("without")
}

impl Parser<'_> {
    /// What follows a function's name.
    pub(super) fn call(&mut self, word: &str, column: usize, depth: usize) -> Result<Typed, ExpressionError> {
        let Some(function) = Function::from_word(word) else {
            return Err(refused(&format!("{word}()"), column));
        };
        let (parameters, optional) = function.parameters();
        let mut arguments = Vec::with_capacity(parameters.len());
        self.open(depth)?;
        for (index, parameter) in parameters.iter().enumerate() {
            if index > 0 {
                if index + optional >= parameters.len() && self.token.kind == Kind::Symbol(")") {
                    break;
                }
                if self.token.kind != Kind::Symbol(",") {
                    return Err(self.expected(&format!("\",\" and another argument of {function}()")));
                }
                self.advance()?;
            }
            arguments.push(self.expression(depth + 1)?.of(*parameter)?.expr);
        }
        self.close()?;
        self.node(Typed { expr: Expr::Call(function, arguments), gives: Type::Vector, column })
    }

    /// What follows an aggregation's name.
    pub(super) fn aggregation(
        &mut self,
        aggregation: Aggregation,
        column: usize,
        depth: usize,
    ) -> Result<Typed, ExpressionError> {
        let before = self.grouping()?;
        self.open(depth)?;
        let inner = self.expression(depth + 1)?.of(Type::Vector)?.expr;
        self.close()?;
        let grouping = match before {
            Some(grouping) => grouping,
            None => self.grouping()?.unwrap_or(Grouping::ALL),
        };
        let expr = Expr::Aggregate(aggregation, grouping, Box::new(inner));
        self.node(Typed { expr, gives: Type::Vector, column })
    }

    /// `by` or `without` and their labels, if they come next.
    fn grouping(&mut self) -> Result<Option<Grouping>, ExpressionError> {
        let Kind::Word(word) = self.token.kind else { return Ok(None) };
        if !is_grouping(word) {
            return Ok(None);
        }
        self.advance()?;
        if self.token.kind != Kind::Symbol("(") {
            return Err(self.expected("\"(\""));
        }
        self.advance()?;
        let mut labels = Vec::new();
        while self.token.kind != Kind::Symbol(")") {
            match &self.token.kind {
                Kind::Word(label) if is_identifier(label) => labels.push((*label).to_owned()),
                Kind::String(label) if !label.is_empty() => labels.push(label.clone()),
                _ => return Err(self.expected("a label name or \")\"")),
            }
            self.advance()?;
            match self.token.kind {
                Kind::Symbol(",") => self.advance()?,
                Kind::Symbol(")") => {}
                _ => return Err(self.expected("\",\" or \")\"")),
            }
        }
        self.advance()?;
        let Token { column, .. } = self.token;
        match self.token.kind {
            Kind::Word(word) if is_grouping(word) => {
                Err(error(column, format!("expected one by or without, found another at column {column}")))
            }
            _ if word.eq_ignore_ascii_case("by") => Ok(Some(Grouping::By(labels))),
            _ => Ok(Some(Grouping::Without(labels))),
        }
    }
}

//! Functions and aggregations.

use super::super::lexer::{Kind, Token, error, is_identifier};
use super::super::placeholder;
use super::super::{Aggregation, Expr, ExpressionError, Function, Grouping, LabelReplace, MatchOp, Type};
use super::{Parser, Typed, unsupported};

/// The function with string arguments.
const RELABEL: &str = "label_replace";

/// Whether a word starts a grouping.
pub(super) fn is_grouping(word: &str) -> bool {
    word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("without")
}

impl<'a> Parser<'a> {
    /// Parses a function call after the function's name.
    pub(super) fn call(&mut self, word: &str, column: usize, depth: usize) -> Result<Typed, ExpressionError> {
        if word == RELABEL {
            return self.relabelling(column, depth);
        }
        let Some(function) = Function::from_word(word) else {
            return Err(unsupported(&format!("{word}()"), column));
        };
        let (parameters, optional) = function.parameters();
        let arguments = self.arguments(word, parameters, optional, depth)?;
        self.node(Typed { expr: Expr::Call(function, arguments), result_type: function.result_type(), column })
    }

    /// Parses an aggregation after its keyword.
    pub(super) fn aggregation(
        &mut self,
        aggregation: Aggregation,
        column: usize,
        depth: usize,
    ) -> Result<Typed, ExpressionError> {
        let before = self.grouping()?;
        let arguments = self.arguments(aggregation.as_str(), aggregation.parameters(), 0, depth)?;
        let grouping = match before {
            Some(grouping) => grouping,
            None => self.grouping()?.unwrap_or(Grouping::ALL),
        };
        let expr = Expr::Aggregate(aggregation, grouping, arguments);
        self.node(Typed { expr, result_type: Type::Vector, column })
    }

    /// Parses arguments in parentheses, some of which may be omitted at the end.
    fn arguments(
        &mut self,
        of: &str,
        parameters: &[Type],
        optional: usize,
        depth: usize,
    ) -> Result<Vec<Expr>, ExpressionError> {
        let mut arguments = Vec::with_capacity(parameters.len());
        self.open(depth)?;
        for (index, parameter) in parameters.iter().enumerate() {
            if index > 0 {
                if index + optional >= parameters.len() && self.token.kind == Kind::Symbol(")") {
                    break;
                }
                self.comma(of)?;
            }
            arguments.push(self.expression(depth + 1)?.of(*parameter)?.expr);
        }
        self.close()?;
        Ok(arguments)
    }

    fn comma(&mut self, of: &str) -> Result<(), ExpressionError> {
        if self.token.kind != Kind::Symbol(",") {
            return Err(self.expected(&format!("\",\" and another argument of {of}()")));
        }
        self.advance()
    }

    /// Parses the arguments of `label_replace`.
    fn relabelling(&mut self, column: usize, depth: usize) -> Result<Typed, ExpressionError> {
        self.open(depth)?;
        let of = self.expression(depth + 1)?.of(Type::Vector)?.expr;
        let (target, Token { column: at, .. }) = self.string()?;
        if target.is_empty() {
            return Err(error(at, format!("expected a label name at column {at}, found an empty string")));
        }
        let (replacement, _) = self.string()?;
        // Often empty, to set a label regardless of the others.
        let (source, _) = self.string()?;
        let (pattern, token) = self.string()?;
        let source = self.matcher_of(&source, MatchOp::Regex, &pattern, &token)?;
        self.close()?;
        let replace = LabelReplace { target, replacement, source };
        self.node(Typed { expr: Expr::Relabel(Box::new(replace), Box::new(of)), result_type: Type::Vector, column })
    }

    /// Parses a comma and a string.
    fn string(&mut self) -> Result<(String, Token<'a>), ExpressionError> {
        self.comma(RELABEL)?;
        let token = self.token.clone();
        let Kind::String(text) = &token.kind else { return Err(self.expected("a string")) };
        // `${name}` is a group of the regular expression, not a placeholder.
        if let Some(message) = placeholder::misplaced(&token.text.replace("${", "$("), token.column) {
            return Err(error(token.column, message));
        }
        self.advance()?;
        Ok((text.clone(), token))
    }

    /// Parses `by` or `without` and their labels, if present.
    fn grouping(&mut self) -> Result<Option<Grouping>, ExpressionError> {
        let Kind::Word(word) = self.token.kind else { return Ok(None) };
        if !is_grouping(word) {
            return Ok(None);
        }
        self.advance()?;
        let labels = self.labels()?;
        let Token { column, .. } = self.token;
        match self.token.kind {
            Kind::Word(word) if is_grouping(word) => {
                Err(error(column, format!("expected one by or without, found another at column {column}")))
            }
            _ if word.eq_ignore_ascii_case("by") => Ok(Some(Grouping::By(labels))),
            _ => Ok(Some(Grouping::Without(labels))),
        }
    }

    /// Parses labels in parentheses.
    pub(super) fn labels(&mut self) -> Result<Vec<String>, ExpressionError> {
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
        Ok(labels)
    }
}

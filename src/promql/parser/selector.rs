//! Vector selectors.

use std::time::Duration;

use super::super::lexer::{Kind, Token, error, is_identifier};
use super::super::placeholder;
use super::super::{Expr, ExpressionError, MatchOp, Matcher, Type, VectorSelector};
use super::{Parser, Typed, unsupported};
use crate::parse::duration;
use crate::parse::escape::Escaped;

/// Prometheus stores durations as 63 bits of nanoseconds.
const MAX_DURATION: Duration = Duration::from_nanos(i64::MAX as u64);

impl<'a> Parser<'a> {
    /// Parses a selector after its name, if it has one.
    pub(super) fn selector(&mut self, name: Option<Token<'a>>) -> Result<Typed, ExpressionError> {
        let start = name.as_ref().map_or(self.token.column, |name| name.column);
        let mut selector = VectorSelector { name: name.map(|name| name.text.to_owned()), ..VectorSelector::default() };
        if self.token.kind == Kind::Symbol("{") {
            self.advance()?;
            while self.token.kind != Kind::Symbol("}") {
                self.matcher(&mut selector)?;
                match self.token.kind {
                    Kind::Symbol(",") => self.advance()?,
                    Kind::Symbol("}") => {}
                    _ => return Err(self.expected("\",\" or \"}\"")),
                }
            }
            self.advance()?;
        }
        if selector.is_named_twice() {
            return Err(error(start, format!("the selector at column {start} names its metric twice")));
        }
        if selector.selects_all() {
            return Err(error(
                start,
                format!(
                    "the selector at column {start} selects every series: \
                     add a metric name, or a matcher that does not match an empty value"
                ),
            ));
        }
        selector.range = self.range()?;
        selector.offset = self.offset()?;
        let result_type = if selector.range.is_some() { Type::Range } else { Type::Vector };
        self.node(Typed { expr: Expr::Selector(selector), result_type, column: start })
    }

    /// Parses `"[" duration "]"`, if present.
    fn range(&mut self) -> Result<Option<Duration>, ExpressionError> {
        if self.token.kind != Kind::Symbol("[") {
            return Ok(None);
        }
        let Token { column: start, .. } = self.token;
        self.advance()?;
        let range = self.duration(Duration::from_millis(1))?;
        match self.token.kind {
            Kind::Symbol("]") => self.advance()?,
            Kind::Word(word) if word.starts_with(':') => return Err(unsupported("a subquery", start)),
            _ => return Err(self.expected("\"]\"")),
        }
        Ok(Some(range))
    }

    /// Parses `"offset" duration`, if present; otherwise the offset is zero.
    fn offset(&mut self) -> Result<Duration, ExpressionError> {
        if !self.is_word("offset") {
            return Ok(Duration::ZERO);
        }
        self.advance()?;
        if self.token.kind == Kind::Symbol("-") {
            return Err(unsupported("a negative offset", self.token.column));
        }
        self.duration(Duration::ZERO)
    }

    fn duration(&mut self, least: Duration) -> Result<Duration, ExpressionError> {
        let Token { column, text, .. } = self.token;
        if self.token.kind != Kind::Number {
            return Err(self.expected("a duration such as 5m"));
        }
        let duration = duration::parse(text).map_err(|bad| error(column, format!("{bad}, at column {column}")))?;
        if duration < least || duration > MAX_DURATION {
            let (least, text) = (duration::format(least), Escaped::new(text));
            return Err(error(
                column,
                format!("expected a duration from {least} to 292 years at column {column}, found {text}"),
            ));
        }
        self.advance()?;
        Ok(duration)
    }

    /// Parses a matcher, or the metric's name in quotes.
    fn matcher(&mut self, selector: &mut VectorSelector) -> Result<(), ExpressionError> {
        let start = self.token.column;
        let label = match &self.token.kind {
            Kind::Word(word) if is_identifier(word) => (*word).to_owned(),
            Kind::String(text) if !text.is_empty() => text.clone(),
            _ => return Err(self.expected("a label name or \"}\"")),
        };
        let quoted = matches!(self.token.kind, Kind::String(_));
        self.advance()?;
        let op = match self.token.kind {
            Kind::Symbol("=") => MatchOp::Equal,
            Kind::Symbol("!=") => MatchOp::NotEqual,
            Kind::Symbol("=~") => MatchOp::Regex,
            Kind::Symbol("!~") => MatchOp::NotRegex,
            Kind::Symbol("," | "}") if quoted && selector.name.is_none() => {
                selector.name = Some(label);
                return Ok(());
            }
            Kind::Symbol("," | "}") if quoted => {
                return Err(error(start, format!("the metric is named a second time at column {start}")));
            }
            _ => return Err(self.expected("=, !=, =~ or !~")),
        };
        self.advance()?;
        let token = self.token.clone();
        let Kind::String(value) = &token.kind else {
            return Err(self.expected("a string"));
        };
        selector.matchers.push(self.matcher_of(&label, op, value, &token)?);
        self.advance()
    }

    /// Creates a matcher from the token of its value.
    pub(super) fn matcher_of(
        &self,
        label: &str,
        op: MatchOp,
        value: &str,
        token: &Token<'_>,
    ) -> Result<Matcher, ExpressionError> {
        let Token { column, text, .. } = *token;
        let matcher = match placeholder::pieces(text) {
            pieces if pieces.is_empty() => Matcher::new(label, op, value, self.limits.regex),
            pieces => Matcher::open(label, op, pieces, self.limits.regex),
        };
        matcher.map_err(|bad| {
            let text = Escaped::new(text);
            error(column, format!("the regular expression {text} at column {column} is not supported: {bad}"))
        })
    }
}

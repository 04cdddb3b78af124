//! The expression language of `value` for JSON: JSONPaths, each optionally inside one aggregation, and arithmetic on
//! them.
//!
//! ```text
//! sum     = product { ( "+" | "-" ) product }
//! product = factor { ( "*" | "/" ) factor }
//! factor  = number | path | op "(" path ")" | "(" sum ")" | "-" factor
//! ```
//! A name after a dot extends to the next space, so that `$.in-use` is an error whose message says how to quote the
//! name.

use std::fmt;
use std::ops::Range;

use super::arithmetic::{JsonPart, Operand, Sign};
use super::jsonpath::{JsonLimits, Path};
use super::segments::Quotes;
use crate::parse::escape::Escaped;
use crate::parse::value::{ValueAggregation, ValueExprError};

/// The maximum number of paths in an expression; each path searches the page.
const PARTS: usize = 16;

/// The maximum number of numbers, paths and operators in an expression, which is evaluated recursively.
const NODES: usize = 64;

/// The maximum nesting of parentheses and signs.
const DEPTH: usize = 16;

/// A parsed JSON expression; its printed text parses to the same expression.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonExpr {
    root: Operand,
    parts: Vec<JsonPart>,
}

impl JsonExpr {
    /// Parses `text`.
    ///
    /// # Errors
    /// If the text is not an expression of JSONPaths, or exceeds a limit.
    pub fn parse(text: &str, limits: &JsonLimits) -> Result<Self, ValueExprError> {
        ValueExprError::if_longer(text, limits.bytes)?;
        let mut parser = ExprParser { text, at: 0, parts: Vec::new(), nodes: 0 };
        let root = parser.sum(DEPTH)?;
        match parser.next() {
            None if parser.parts.is_empty() => Err(parser.error(0, "expected a JSONPath, which starts with $")),
            None => Ok(Self { root, parts: parser.parts }),
            Some(_) => Err(parser.unexpected("+, -, *, / or the end")),
        }
    }

    /// The paths, in order.
    pub fn parts(&self) -> &[JsonPart] {
        &self.parts
    }

    /// Computes the value from the values of the parts.
    pub(crate) fn value(&self, parts: &[f64]) -> f64 {
        self.root.value(parts)
    }
}

struct ExprParser<'a> {
    text: &'a str,
    at: usize,
    parts: Vec<JsonPart>,
    nodes: usize,
}

impl<'a> ExprParser<'a> {
    fn sum(&mut self, depth: usize) -> Result<Operand, ValueExprError> {
        let mut left = self.product(depth)?;
        while let Some(sign) = self.sign(&[('+', Sign::Plus), ('-', Sign::Minus)])? {
            left = Operand::Binary(sign, Box::new(left), Box::new(self.product(depth)?));
        }
        Ok(left)
    }

    fn product(&mut self, depth: usize) -> Result<Operand, ValueExprError> {
        let mut left = self.factor(depth)?;
        while let Some(sign) = self.sign(&[('*', Sign::Times), ('/', Sign::Over)])? {
            left = Operand::Binary(sign, Box::new(left), Box::new(self.factor(depth)?));
        }
        Ok(left)
    }

    fn factor(&mut self, depth: usize) -> Result<Operand, ValueExprError> {
        let (first, start) = (self.next(), self.at);
        self.count()?;
        let deeper = || depth.checked_sub(1).ok_or(());
        let too_deep =
            |()| ValueExprError::at(self.text, start, &format!("expected at most {DEPTH} levels of nesting"));
        match first {
            Some('$') => self.part(None, self.at..self.path_end()),
            Some('(') => {
                let depth = deeper().map_err(too_deep)?;
                self.at += 1;
                let inside = self.sum(depth)?;
                self.close("the expression")?;
                Ok(inside)
            }
            Some('-') => {
                let depth = deeper().map_err(too_deep)?;
                self.at += 1;
                Ok(Operand::Negate(Box::new(self.factor(depth)?)))
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_ascii_alphabetic() => self.aggregated(),
            _ if start == 0 => Err(self.error(start, "expected a JSONPath, which starts with $")),
            _ => Err(self.unexpected("a JSONPath, which starts with $, or a number")),
        }
    }

    fn aggregated(&mut self) -> Result<Operand, ValueExprError> {
        let start = self.at;
        let word = self.rest().split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let Some(aggregation) = ValueAggregation::from_word(word) else {
            let message = format!(
                "expected sum, avg, min, max, count, first or last of a JSONPath, found {}",
                Escaped::new(word)
            );
            return Err(self.error(start, &message));
        };
        self.at += word.len();
        if self.next() != Some('(') {
            return Err(self.unexpected("( after the name of a function"));
        }
        self.at += 1;
        if self.next() != Some('$') {
            return Err(self.unexpected("a JSONPath, which starts with $,"));
        }
        let part = self.part(Some(aggregation), self.at..self.path_end())?;
        if self.next().is_some_and(|c| c != ')') {
            let message = format!(
                "expected \")\", found {}: write arithmetic outside of {}()",
                Escaped::new(self.rest()),
                aggregation.as_str()
            );
            return Err(self.error(self.at, &message));
        }
        self.close("the path")?;
        Ok(part)
    }

    fn part(&mut self, aggregation: Option<ValueAggregation>, at: Range<usize>) -> Result<Operand, ValueExprError> {
        let path = Path::within(self.text, at.clone())?;
        self.at = at.end;
        // The user may have meant the following characters as part of the path.
        if self.next().is_some_and(|c| !")+-*/".contains(c)) {
            let end = self.text.trim_end().len();
            let end = if aggregation.is_some() && self.text.trim_end().ends_with(')') { end - 1 } else { end };
            Path::within(self.text, at.start..end.max(at.end))?;
        }
        let part = JsonPart { aggregation, path };
        let place = self.parts.iter().position(|known| *known == part).unwrap_or(self.parts.len());
        if place == self.parts.len() {
            if place == PARTS {
                return Err(self.error(at.start, &format!("expected at most {PARTS} JSONPaths, found more")));
            }
            self.parts.push(part);
        }
        Ok(Operand::Part(place))
    }

    fn number(&mut self) -> Result<Operand, ValueExprError> {
        let (start, text) = (self.at, self.rest());
        let digits = |from: usize| {
            let rest = text.get(from..).unwrap_or_default();
            from + rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())
        };
        let mut end = digits(0);
        if text.get(end..).is_some_and(|rest| rest.starts_with('.')) {
            end = digits(end + 1);
        }
        if let Some(exponent) = text.get(end..).and_then(|rest| rest.strip_prefix(['e', 'E'])) {
            end = digits(end + 1 + usize::from(exponent.starts_with(['+', '-'])));
        }
        let number = text.get(..end).and_then(|number| number.parse::<f64>().ok()).filter(|number| number.is_finite());
        let Some(number) = number else { return Err(self.unexpected("a number")) };
        self.at = start + end;
        if self.next().is_some_and(|c| !")+-*/".contains(c)) {
            return Err(self.unexpected("+, -, *, / or the end"));
        }
        Ok(Operand::Number(number))
    }

    /// The end of the path that starts at the current position.
    fn path_end(&self) -> usize {
        let text = self.rest();
        let mut end = 1;
        while let Some(rest) = text.get(end..) {
            let blanks = rest.len() - rest.trim_start().len();
            let rest = rest.trim_start();
            end = match rest.as_bytes() {
                [b'[', ..] => end + blanks + brackets(rest),
                [b'.', ..] => end + blanks + member(rest),
                [b'(', ..] => end + blanks + rest.find(')').map_or(rest.len(), |close| close + 1),
                _ => break,
            };
        }
        self.at + end
    }

    fn close(&mut self, what: &str) -> Result<(), ValueExprError> {
        match self.next() {
            Some(')') => self.at += 1,
            None => return Err(self.error(self.text.len(), &format!("expected \")\" after {what}, found the end"))),
            Some(_) => return Err(self.unexpected("\")\" or an operator")),
        }
        Ok(())
    }

    fn sign(&mut self, signs: &[(char, Sign)]) -> Result<Option<Sign>, ValueExprError> {
        let next = self.next();
        let Some((_, sign)) = signs.iter().find(|(text, _)| Some(*text) == next) else { return Ok(None) };
        self.count()?;
        self.at += 1;
        Ok(Some(*sign))
    }

    fn count(&mut self) -> Result<(), ValueExprError> {
        self.nodes += 1;
        match self.nodes > NODES {
            true => Err(self.error(self.at, &format!("expected at most {NODES} numbers, paths and operators"))),
            false => Ok(()),
        }
    }

    /// Skips whitespace and returns the next character without consuming it.
    fn next(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn unexpected(&self, expected: &str) -> ValueExprError {
        let found = match self.rest() {
            "" => "the end".to_owned(),
            rest => Escaped::new(rest).to_string(),
        };
        self.error(self.at, &format!("expected {expected}, found {found}"))
    }

    fn error(&self, at: usize, what: &str) -> ValueExprError {
        ValueExprError::at(self.text, at, what)
    }
}

/// The length of the brackets at the start of a text; that of the whole text if they are not closed.
fn brackets(text: &str) -> usize {
    let (mut depth, mut quotes) = (0_usize, Quotes::default());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if quotes.holds(byte) => {}
            b'[' | b'(' => depth += 1,
            b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// The length of the dots at the start of a text and the name after them.
fn member(text: &str) -> usize {
    let dots = text.len() - text.trim_start_matches('.').len();
    let name = text.get(dots..).unwrap_or_default();
    if name.starts_with('*') {
        return dots + 1;
    }
    let is_operator = |at: usize| {
        let after = name.get(at + 1..).unwrap_or_default();
        after.is_empty() || after.starts_with(|c: char| c.is_whitespace() || "$()".contains(c))
    };
    let ends = |(at, c): (usize, char)| match c {
        '.' | '[' | '(' | ')' => true,
        '+' | '-' | '*' | '/' => is_operator(at),
        c => c.is_whitespace(),
    };
    dots + name.char_indices().find(|found| ends(*found)).map_or(name.len(), |(at, _)| at)
}

/// Whether a `value` is a JSON expression: only numbers, operators, parentheses and names of aggregations precede the
/// first `$`.
pub(crate) fn looks_like_json(text: &str) -> bool {
    let Some((before, _)) = text.split_once('$') else { return false };
    let is_known =
        |word: &str| word.is_empty() || word.eq_ignore_ascii_case("e") || ValueAggregation::from_word(word).is_some();
    !before.trim_start().starts_with('/')
        && before.split(|c: char| c.is_whitespace() || "0123456789.+-*/()".contains(c)).all(is_known)
}

impl fmt::Display for JsonExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.print(&self.parts, f)
    }
}

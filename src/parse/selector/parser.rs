//! The grammar of selectors.

use super::lexer::{Lexer, Token};
use super::rules::{is_key, is_value};
use super::{Operator, Requirement, SelectorError};
use crate::parse::sort::sort;

/// Parses at most `max` requirements.
pub(super) fn parse(text: &str, max: usize) -> Result<Vec<Requirement>, SelectorError> {
    let mut lexer = Lexer::new(text);
    let mut requirements = Vec::new();
    if lexer.peek().0 == Token::End {
        return Ok(requirements);
    }
    loop {
        let (requirement, expected) = requirement(&mut lexer)?;
        requirements.push(requirement);
        match lexer.next() {
            (Token::End, _) => return Ok(requirements),
            (Token::Special(","), _) if requirements.len() == max => {
                return Err(SelectorError::TooManyRequirements(max));
            }
            (Token::Special(","), _) => {}
            found => return Err(unexpected(expected, found)),
        }
    }
}

/// Parses one requirement; also returns what may follow it, for error messages.
fn requirement(lexer: &mut Lexer<'_>) -> Result<(Requirement, &'static str), SelectorError> {
    const DONE: &str = "\",\" or the end";
    if lexer.take("!") {
        let key = key(lexer, "a label key")?;
        return Ok((Requirement { key, operator: Operator::DoesNotExist, values: Vec::new() }, DONE));
    }
    let key = key(lexer, "a label key or \"!\"")?;
    let operator = match lexer.peek().0 {
        Token::Special("=") => Operator::Equals,
        Token::Special("==") => Operator::DoubleEquals,
        Token::Special("!=") => Operator::NotEquals,
        Token::Special(">") => Operator::GreaterThan,
        Token::Special("<") => Operator::LessThan,
        Token::Word("in") => Operator::In,
        Token::Word("notin") => Operator::NotIn,
        _ => {
            let requirement = Requirement { key, operator: Operator::Exists, values: Vec::new() };
            return Ok((requirement, "an operator, \",\" or the end"));
        }
    };
    lexer.next();
    let values = match operator {
        Operator::In | Operator::NotIn => set(lexer)?,
        Operator::GreaterThan | Operator::LessThan => vec![integer(lexer)?],
        _ => vec![value(lexer)?],
    };
    Ok((Requirement { key, operator, values }, DONE))
}

fn key(lexer: &mut Lexer<'_>, expected: &'static str) -> Result<String, SelectorError> {
    match lexer.next() {
        (Token::Word(word), _) if is_key(word) => Ok(word.to_owned()),
        found => Err(unexpected(expected, found)),
    }
}

/// Parses a value; it may be missing before a comma or the end.
fn value(lexer: &mut Lexer<'_>) -> Result<String, SelectorError> {
    match lexer.peek() {
        (Token::End | Token::Special(","), _) => Ok(String::new()),
        (Token::Word(word), _) if is_value(word) => {
            lexer.next();
            Ok(word.to_owned())
        }
        found => Err(unexpected("a label value", found)),
    }
}

/// Parses a label value that is an integer; label values have no sign.
fn integer(lexer: &mut Lexer<'_>) -> Result<String, SelectorError> {
    match lexer.next() {
        (Token::Word(word), _) if is_value(word) && word.parse::<i64>().is_ok() => Ok(word.to_owned()),
        found => Err(unexpected("an integer", found)),
    }
}

/// Parses values in parentheses; returns them sorted, without duplicates.
fn set(lexer: &mut Lexer<'_>) -> Result<Vec<String>, SelectorError> {
    match lexer.next() {
        (Token::Special("("), _) => {}
        found => return Err(unexpected("\"(\"", found)),
    }
    let mut values = Vec::new();
    loop {
        values.push(match lexer.peek() {
            (Token::Word(word), _) if is_value(word) => {
                lexer.next();
                word.to_owned()
            }
            (Token::Special("," | ")"), _) => String::new(),
            found => return Err(unexpected("a label value", found)),
        });
        match lexer.next() {
            (Token::Special(","), _) => {}
            (Token::Special(")"), _) => break,
            found => return Err(unexpected("\",\" or \")\"", found)),
        }
    }
    sort(&mut values);
    values.dedup();
    Ok(values)
}

fn unexpected(expected: &'static str, (token, at): (Token<'_>, usize)) -> SelectorError {
    SelectorError::Syntax { at, expected, found: token.text().to_owned() }
}

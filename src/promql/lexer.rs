//! Splits text into the tokens of PromQL, as Prometheus does.

use std::fmt;

use super::ExpressionError;
use crate::parse::escape::Escaped;

/// Words that Prometheus never accepts as a metric's name.
const NOT_NAMES: [&str; 8] = ["inf", "nan", "atan2", "bool", "group_left", "group_right", "ignoring", "on"];

/// Brackets, separators and operators; of two with the same start the longer is first.
const SYMBOLS: [&str; 23] = [
    "=~", "==", "=", "!=", "!~", "<=", ">=", "<", ">", "(", ")", "{", "}", "[", "]", ",", "@", "+", "-", "*", "/", "%",
    "^",
];

/// A token and its position.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    /// In characters, from 1.
    pub(super) column: usize,
    /// The text as written, including quotes.
    pub(super) text: &'a str,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    /// A name or keyword; it may contain colons.
    Word(&'a str),
    /// The value of a string literal.
    String(String),
    /// The start of a number or duration.
    Number,
    Symbol(&'static str),
    /// `$` and a name, in templates.
    Variable(&'a str),
    End,
}

/// Splits a text into tokens.
pub(super) struct Lexer<'a> {
    rest: &'a str,
    /// The column of the first character of `rest`.
    column: usize,
    variables: bool,
}

/// Prints a text as a string literal in double quotes.
pub(super) struct Quoted<'a>(pub(super) &'a str);

/// Whether the name of a label needs no quotes.
pub(super) fn is_identifier(text: &str) -> bool {
    is_metric_name_like(text) && !text.contains(':')
}

/// Whether the name of a metric needs no quotes.
pub(super) fn is_metric_name(text: &str) -> bool {
    is_metric_name_like(text) && !NOT_NAMES.iter().any(|word| word.eq_ignore_ascii_case(text))
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, column: 1, variables: false }
    }

    /// A lexer that also recognizes [`Kind::Variable`], which is not part of PromQL.
    pub(super) fn with_variables(text: &'a str) -> Self {
        Self { variables: true, ..Self::new(text) }
    }

    /// The text after the last token.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    /// The next token; at the end of the text always [`Kind::End`].
    pub(super) fn next(&mut self) -> Result<Token<'a>, ExpressionError> {
        self.skip_blanks();
        let column = self.column;
        let Some(first) = self.rest.chars().next() else {
            return Ok(Token { kind: Kind::End, column, text: "" });
        };
        if matches!(first, '"' | '\'' | '`') {
            let (value, text) = self.string(first)?;
            return Ok(Token { kind: Kind::String(value), column, text });
        }
        if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest.starts_with(symbol)) {
            return Ok(Token { kind: Kind::Symbol(symbol), column, text: self.take(symbol.len()) });
        }
        if is_word_start(first) {
            let text = self.take_while(is_word);
            return Ok(Token { kind: Kind::Word(text), column, text });
        }
        if first.is_ascii_digit() || first == '.' {
            return Ok(Token { kind: Kind::Number, column, text: self.number() });
        }
        if first == '$' && self.variables {
            let text =
                self.take(1 + self.rest.get(1..).map_or(0, |rest| rest.find(|c| !is_word(c)).unwrap_or(rest.len())));
            return Ok(Token { kind: Kind::Variable(text), column, text });
        }
        let found = Escaped::new(self.take(first.len_utf8()));
        Err(error(column, format!("unexpected character {found} at column {column}")))
    }

    /// The characters of a number or duration, including the sign of its exponent.
    fn number(&mut self) -> &'a str {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        let end = |from: usize| self.rest.get(from..).and_then(|rest| rest.find(|c| !is_part(c)).map(|at| from + at));
        let mut length = end(0).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(length);
        let decimal = number.strip_suffix(['e', 'E']).is_some_and(|digits| !digits.contains(['x', 'X']));
        if decimal && rest.starts_with(['+', '-']) {
            length = end(length + 1).unwrap_or(self.rest.len());
        }
        self.take(length)
    }

    /// The value of a string literal, and the literal.
    fn string(&mut self, quote: char) -> Result<(String, &'a str), ExpressionError> {
        let (start, start_column) = (self.rest, self.column);
        self.take(quote.len_utf8());
        // Bytes, because a character may be written as several escapes.
        let mut value = Vec::new();
        loop {
            let column = self.column;
            let c = self.rest.chars().next();
            match c {
                Some(c) if c == quote => break,
                Some('\\') if quote != '`' => {
                    self.take(1);
                    self.escape(quote, column, &mut value)?;
                }
                Some(c) if c != '\n' || quote == '`' => value.extend_from_slice(self.take(c.len_utf8()).as_bytes()),
                _ => {
                    let message = format!("the string that starts at column {start_column} has no closing {quote}");
                    return Err(error(start_column, message));
                }
            }
        }
        self.take(quote.len_utf8());
        let text = start.strip_suffix(self.rest).unwrap_or(start);
        match String::from_utf8(value) {
            Ok(value) => Ok((value, text)),
            Err(_) => Err(error(start_column, format!("the string at column {start_column} is not UTF-8"))),
        }
    }

    /// Parses the rest of an escape after the backslash, as in Go.
    fn escape(&mut self, quote: char, column: usize, value: &mut Vec<u8>) -> Result<(), ExpressionError> {
        let unknown = || error(column, format!("the escape at column {column} is not known to PromQL"));
        let c = self.rest.chars().next().ok_or_else(unknown)?;
        let (digits, radix) = match c {
            // An octal escape has no letter before its digits.
            '0'..='7' => (3, 8),
            _ => {
                self.take(c.len_utf8());
                match c {
                    'x' => (2, 16),
                    'u' => (4, 16),
                    'U' => (8, 16),
                    _ => {
                        value.push(simple_escape(c, quote).ok_or_else(unknown)?);
                        return Ok(());
                    }
                }
            }
        };
        let text =
            self.rest.get(..digits).filter(|text| text.chars().all(|c| c.is_digit(radix))).ok_or_else(unknown)?;
        let number = u32::from_str_radix(text, radix).map_err(|_| unknown())?;
        self.take(digits);
        if matches!(c, 'u' | 'U') {
            let c = char::from_u32(number).ok_or_else(unknown)?;
            value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            value.push(u8::try_from(number).map_err(|_| unknown())?);
        }
        Ok(())
    }

    /// Skips whitespace and comments.
    fn skip_blanks(&mut self) {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            if !self.rest.starts_with('#') {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        self.take(self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len()))
    }

    /// Consumes this many bytes, which end at a character boundary.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.column += taken.chars().count();
        self.rest = rest;
        taken
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                '\r' => f.write_str("\\r")?,
                _ if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                _ => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// An error at a column.
pub(super) fn error(column: usize, message: String) -> ExpressionError {
    ExpressionError { column, message }
}

fn simple_escape(c: char, quote: char) -> Option<u8> {
    Some(match c {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' | '\'' if c == quote => u8::try_from(c).ok()?,
        _ => return None,
    })
}

fn is_metric_name_like(text: &str) -> bool {
    text.starts_with(is_word_start) && text.chars().all(is_word)
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

fn is_word(c: char) -> bool {
    is_word_start(c) || c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Result<Vec<(Kind<'_>, usize)>, ExpressionError> {
        let mut lexer = Lexer::new(text);
        let tokens = std::iter::from_fn(|| match lexer.next() {
            Ok(Token { kind: Kind::End, .. }) => None,
            token => Some(token.map(|token| (token.kind, token.column))),
        });
        tokens.collect()
    }

    fn string(value: &str) -> Kind<'static> {
        Kind::String(value.to_owned())
    }

    #[test]
    fn splits_text() {
        use Kind::{Number, Symbol, Word};
        for (text, expected) in [
            ("", vec![]),
            (" \t\r\n# nothing\n#", vec![]),
            (
                "a:b1 {x=~'y'}",
                vec![
                    (Word("a:b1"), 1),
                    (Symbol("{"), 6),
                    (Word("x"), 7),
                    (Symbol("=~"), 8),
                    (string("y"), 10),
                    (Symbol("}"), 13),
                ],
            ),
            ("'é' x#c\ny", vec![(string("é"), 1), (Word("x"), 5), (Word("y"), 9)]),
            ("!~!====", vec![(Symbol("!~"), 1), (Symbol("!="), 3), (Symbol("=="), 5), (Symbol("="), 7)]),
            ("1.5e3 .5 5m :a", vec![(Number, 1), (Number, 7), (Number, 10), (Word(":a"), 13)]),
            (
                "1e-3-2 0xe-3",
                vec![(Number, 1), (Symbol("-"), 5), (Number, 6), (Number, 8), (Symbol("-"), 11), (Number, 12)],
            ),
        ] {
            assert_eq!(kinds(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn reads_strings() {
        for (text, value) in [
            (r#""""#, ""),
            (r#""it's""#, "it's"),
            (r#"'say "x"'"#, r#"say "x""#),
            ("`raw \\n\n\"'`", "raw \\n\n\"'"),
            (r#""\a\b\f\n\r\t\v\\\"""#, "\x07\x08\x0c\n\r\t\x0b\\\""),
            (r"'\''", "'"),
            (r#""\101\x41\u0041\U00000041""#, "AAAA"),
            (r#""\xc3\xa9\u00e9\303\251""#, "ééé"),
        ] {
            assert_eq!(kinds(text).unwrap(), [(string(value), 1)], "{text}");
        }
        for (text, column, message) in [
            ("'a", 1, "the string that starts at column 1 has no closing '"),
            ("x 'a\n'", 3, "the string that starts at column 3 has no closing '"),
            ("'\\", 2, "the escape at column 2 is not known to PromQL"),
            (r#""é\'""#, 3, "the escape at column 3 is not known to PromQL"),
            (r#""\q""#, 2, "the escape at column 2 is not known to PromQL"),
            (r#""\x4""#, 2, "the escape at column 2 is not known to PromQL"),
            (r#""\400""#, 2, "the escape at column 2 is not known to PromQL"),
            (r#""\ud800""#, 2, "the escape at column 2 is not known to PromQL"),
            (r#""\U00110000""#, 2, "the escape at column 2 is not known to PromQL"),
            (r#""\u00é0""#, 2, "the escape at column 2 is not known to PromQL"),
            (r#" "\xff""#, 2, "the string at column 2 is not UTF-8"),
            ("a ☃", 3, r#"unexpected character "☃" at column 3"#),
            ("a;", 2, r#"unexpected character ";" at column 2"#),
        ] {
            assert_eq!(kinds(text).unwrap_err(), error(column, message.to_owned()), "{text}");
        }
    }

    #[test]
    fn quotes_strings_that_parse_to_the_same() {
        for text in ["", "a", "\"'`\\", "\0\x07\n\t\r\x1b\x7f", "é☃\u{85}\u{feff}\u{10ffff}"] {
            assert_eq!(kinds(&Quoted(text).to_string()).unwrap(), [(string(text), 1)]);
        }
    }
}

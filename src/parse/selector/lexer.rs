//! The tokens of a selector: special characters and words.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `,` `(` `)` `!` `=` `==` `!=` `>` `<`
    Special(&'a str),
    /// A key, a value, or one of the operators `in` and `notin`.
    Word(&'a str),
    End,
}

/// Splits a text into tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token and its position in bytes, from 0, without consuming it.
    pub(super) fn peek(&self) -> (Token<'a>, usize) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let word = rest.trim_start_matches(is_blank);
        let at = self.text.len() - word.len();
        let special =
            ["==", "!=", "=", "!", ",", "(", ")", ">", "<"].into_iter().find(|special| word.starts_with(special));
        let end = special.map_or_else(|| word.find(is_end).unwrap_or(word.len()), str::len);
        let token = word.get(..end).unwrap_or_default();
        let token = match special {
            _ if token.is_empty() => Token::End,
            Some(_) => Token::Special(token),
            None => Token::Word(token),
        };
        (token, at)
    }

    /// Consumes the next token.
    pub(super) fn next(&mut self) -> (Token<'a>, usize) {
        let (token, at) = self.peek();
        self.at = at + token.text().len();
        (token, at)
    }

    /// Consumes the next token if it is this special character.
    pub(super) fn take(&mut self, special: &str) -> bool {
        let found = self.peek().0 == Token::Special(special);
        if found {
            self.next();
        }
        found
    }
}

impl<'a> Token<'a> {
    /// The text as written; empty at the end.
    pub(super) fn text(self) -> &'a str {
        match self {
            Self::Special(text) | Self::Word(text) => text,
            Self::End => "",
        }
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_end(c: char) -> bool {
    is_blank(c) || matches!(c, '=' | '!' | ',' | '(' | ')' | '>' | '<')
}

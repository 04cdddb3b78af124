//! The pieces of a URL template: literal text and placeholders.

use std::fmt;

use crate::parse::escape::Escaped;

/// A placeholder in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// `{namespace}`: the namespace of the described object.
    Namespace,
    /// `{resource}`: the object's plural resource, with its group unless that is core.
    Resource,
    /// `{name}`: the object's name.
    Name,
    /// `{metric}`: the metric's name.
    Metric,
    /// `{labelSelector}`: the request's label selector.
    LabelSelector,
}

/// Why a text is not a URL template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The position in characters, from 1.
    pub column: usize,
    /// The complete message, including the column; it never contains a password.
    pub message: String,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Value(Placeholder),
}

impl Placeholder {
    /// All placeholders, in the order of messages.
    pub const ALL: [Self; 5] = [Self::Namespace, Self::Resource, Self::Name, Self::Metric, Self::LabelSelector];

    /// The placeholder as written, including braces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "{namespace}",
            Self::Resource => "{resource}",
            Self::Name => "{name}",
            Self::Metric => "{metric}",
            Self::LabelSelector => "{labelSelector}",
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}

/// Splits a part of a template at its placeholders; `offset` characters precede it.
pub(super) fn pieces(text: &str, offset: usize) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let (literal, from_brace) = rest.split_at(brace);
        let column = offset + text.len() - from_brace.len() + 1;
        let Some(end) = from_brace.find('}').filter(|end| *end > 0) else {
            return Err(error(
                column,
                format!("unmatched brace at column {column}; write a literal brace as %7B or %7D"),
            ));
        };
        let (written, after) = from_brace.split_at(end + 1);
        let Some(placeholder) = Placeholder::ALL.into_iter().find(|known| known.as_str() == written) else {
            let message = format!(
                "expected one of {} at column {column}, found {}",
                Placeholder::ALL.map(Placeholder::as_str).join(" "),
                Escaped::new(written)
            );
            return Err(error(column, message));
        };
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.to_owned()));
        }
        pieces.push(Piece::Value(placeholder));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    Ok(pieces)
}

/// A text with harmless values for placeholders, to validate the surrounding text.
pub(crate) fn literals(pieces: &[Piece]) -> String {
    fn text(piece: &Piece) -> &str {
        match piece {
            Piece::Literal(text) => text,
            Piece::Value(_) => "a",
        }
    }
    pieces.iter().map(text).collect()
}

pub(crate) fn error(column: usize, message: String) -> TemplateError {
    TemplateError { column, message }
}

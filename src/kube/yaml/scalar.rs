//! Chooses the style of a string: plain if that preserves its meaning, otherwise the simplest quotes that do.

use super::plain;

/// The styles of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// A literal block after `|`.
    Literal,
}

/// The style of a text.
pub(super) fn style(text: &str) -> Style {
    let needs_escapes = text.chars().any(|c| !is_printable(c));
    if text.contains('\n') {
        // In a literal block, neither a line nor the text can end with a space.
        let space_before_end = text.contains(" \n") || text.ends_with(' ');
        return if needs_escapes || space_before_end { Style::DoubleQuoted } else { Style::Literal };
    }
    if needs_escapes || !plain::is_text(text) {
        Style::DoubleQuoted
    } else if text.starts_with(' ') || text.ends_with(' ') || has_indicator(text) {
        Style::SingleQuoted
    } else {
        Style::Plain
    }
}

/// Whether a character needs no escape: all characters of YAML except tabs, line breaks other than line feeds and, as
/// in yaml.v2, characters beyond the basic multilingual plane.
pub(super) fn is_printable(c: char) -> bool {
    match c {
        '\u{2028}' | '\u{2029}' | '\u{feff}' => false,
        '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' => true,
        _ => false,
    }
}

/// Whether a text without line breaks contains the start of another node: a list, a mapping, a comment, a document.
fn has_indicator(text: &str) -> bool {
    let begins_alone = text.strip_prefix(['?', ':', '-']).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    text.starts_with(['#', ',', '[', ']', '{', '}', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`'])
        || begins_alone
        || text.starts_with("---")
        || text.starts_with("...")
        || text.contains(": ")
        || text.ends_with(':')
        || text.contains(" #")
}

//! How a string is printed: plain if that has the same meaning, else in the simplest quotes that preserve it.

use super::plain;

/// The styles of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// Lines below a bar.
    Literal,
}

/// The style of a text.
pub(super) fn style(text: &str) -> Style {
    let needs_escapes = text.chars().any(|c| !is_printable(c));
    if text.contains('\n') {
        // A line cannot end with a space there, nor can the text.
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

/// Whether a character may stand there as it is: all that YAML allows but tabs, other line breaks than line feeds, and, as that
/// library reckons, what is beyond the basic plane.
pub(super) fn is_printable(c: char) -> bool {
    match c {
        '\u{2028}' | '\u{2029}' | '\u{feff}' => false,
        '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' => true,
        _ => false,
    }
}

/// Whether a text without line breaks holds what begins something else: a list, a mapping, a comment, a document.
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

//! The syntax of label keys and values.

use crate::parse::dns;

/// `[prefix/]name`: a name, optionally preceded by a lower-case DNS subdomain of at most 253 bytes.
pub(super) fn is_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => dns::is_subdomain(prefix) && is_name(name),
        None => is_name(text),
    }
}

/// Whether a text is empty or a valid name.
pub(super) fn is_value(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

/// At most 63 letters, digits, `-`, `_` and `.`; the first and last characters are letters or digits.
fn is_name(text: &str) -> bool {
    let edge = |b: u8| b.is_ascii_alphanumeric();
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| edge(b) || matches!(b, b'-' | b'_' | b'.'))
        && text.bytes().next().is_some_and(edge)
        && text.bytes().last().is_some_and(edge)
}

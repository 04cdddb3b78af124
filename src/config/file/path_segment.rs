//! Names that occur in request paths.

use crate::parse::escape::Escaped;

/// Whether a text can be one segment of a request's path.
pub(super) fn check(text: &str) -> Result<(), String> {
    let expected = if text.is_empty() {
        "expected a name, found nothing".to_owned()
    } else if text.len() > 253 {
        format!("expected at most 253 bytes, found {}", text.len())
    } else if matches!(text, "." | "..") || text.contains(['/', '%']) || text.chars().any(char::is_control) {
        let message = "expected a name without /, %, control characters, . and .., found";
        format!("{message} {}", Escaped::new(text))
    } else {
        return Ok(());
    };
    Err(expected)
}

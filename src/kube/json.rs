//! JSON of objects in responses of the Kubernetes API.

use serde::Serialize;

/// Appends a value as JSON. Serialization of our own values cannot fail; if it did, nothing would be appended.
pub(crate) fn value(value: &impl Serialize, body: &mut Vec<u8>) {
    let start = body.len();
    if serde_json::to_writer(&mut *body, value).is_err() {
        body.truncate(start);
    }
}

/// Appends a string. Most have nothing to escape, and are copied.
pub(super) fn text(text: &str, body: &mut Vec<u8>) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        return value(&text, body);
    }
    body.push(b'"');
    body.extend_from_slice(text.as_bytes());
    body.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_serde_does() {
        for example in ["", "web-0", "é\u{7f}\u{2028}", "a\"b", "a\\b", "\0", "a\nb", "\u{1f}"] {
            let mut body = Vec::new();
            text(example, &mut body);
            assert_eq!(body, serde_json::to_vec(example).unwrap(), "{example:?}");
        }
    }
}

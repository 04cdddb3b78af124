//! Percent-encoding (RFC 3986 §2.1).

use std::fmt;

/// The meaning of a plus sign: itself in paths, a space in queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plus {
    /// A plus sign.
    Literal,
    /// A space.
    Blank,
}

/// Why a text cannot be percent-decoded.
#[derive(Debug)]
pub(crate) enum DecodeError {
    /// An invalid escape: at most three bytes from the percent sign on.
    Escape(String),
    /// The bytes are not UTF-8.
    NotUtf8,
}

/// Whether a path is the same when decoded and contains neither spaces nor control characters, as most are.
pub(crate) fn is_plain(path: &str) -> bool {
    let mut is_plain = true;
    for byte in path.as_bytes() {
        is_plain &= matches!(byte, b'!'..=b'~') & (*byte != b'%');
    }
    is_plain
}

/// Percent-decodes (RFC 3986 §2.1).
///
/// # Errors
/// If a percent sign is not followed by two hexadecimal digits, or if the result is not UTF-8.
pub(crate) fn decode(raw: &str, plus: Plus) -> Result<String, DecodeError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        decoded.push(match (first, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after;
                hex(*high) << 4 | hex(*low)
            }
            (b'%', _) => {
                let found: Vec<u8> = std::iter::once(*first).chain(after.iter().take(2).copied()).collect();
                return Err(DecodeError::Escape(String::from_utf8_lossy(&found).into_owned()));
            }
            (b'+', _) if plus == Plus::Blank => b' ',
            _ => *first,
        });
    }
    String::from_utf8(decoded).map_err(|_| DecodeError::NotUtf8)
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

/// A text that is percent-encoded when printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoded<'a> {
    text: &'a str,
    /// The bytes that are not encoded, in addition to letters and digits.
    kept: &'static [u8],
}

impl<'a> Encoded<'a> {
    /// Encodes every character that is not allowed in a path segment (RFC 3986 §3.3).
    pub(crate) fn in_segment(text: &'a str) -> Self {
        Self { text, kept: b"-._~!$&'()*+,;=:@" }
    }

    /// Encodes every character that is not unreserved (RFC 3986 §2.3).
    pub(crate) fn unreserved(text: &'a str) -> Self {
        Self { text, kept: b"-._~" }
    }
}

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.bytes().try_for_each(|byte| match byte.is_ascii_alphanumeric() || self.kept.contains(&byte) {
            true => write!(f, "{}", char::from(byte)),
            false => write!(f, "%{byte:02X}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_by_component() {
        let text = "a/b c\u{e9}~+%";
        assert_eq!(Encoded::in_segment(text).to_string(), "a%2Fb%20c%C3%A9~+%25");
        assert_eq!(Encoded::unreserved(text).to_string(), "a%2Fb%20c%C3%A9~%2B%25");
        for encoded in [Encoded::in_segment(text), Encoded::unreserved(text)] {
            assert_eq!(decode(&encoded.to_string(), Plus::Literal).unwrap(), text);
        }
        assert_eq!(decode("a+b", Plus::Blank).unwrap(), "a b");
    }

    #[test]
    fn recognizes_paths_without_escapes() {
        assert!(["", "apis/a+b;c~!", "-._"].into_iter().all(is_plain));
        assert!(["%41", "a b", "a\tb", "\u{e9}", "a\u{7f}", "\u{85}"].into_iter().all(|path| !is_plain(path)));
    }
}

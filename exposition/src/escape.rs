//! Escapes untrusted bytes for messages and log lines.

use std::fmt::{self, Write};

/// The maximum number of characters of untrusted text in a message.
const MAX_SHOWN: usize = 64;

/// Prints untrusted bytes in quotes: printable UTF-8 unchanged, all other bytes as `\n` or `\xNN`, truncated after 64
/// characters.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a [u8]);

impl<'a> Escaped<'a> {
    /// Wraps bytes without copying them.
    pub fn new(bytes: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self(bytes.as_ref())
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        if !escape(self.0, MAX_SHOWN, f)? {
            f.write_char('…')?;
        }
        f.write_char('"')
    }
}

/// Untrusted bytes without quotes, for the detail of a log line, truncated after `max` of them.
pub fn escaped(bytes: &[u8], max: usize) -> String {
    let mut text = String::new();
    // Writing to memory cannot fail.
    let _ = escape(bytes, max, &mut text);
    text
}

/// Escapes at most `max` characters of the input; returns whether these were all. An invalid byte counts as one character.
fn escape(bytes: &[u8], max: usize, to: &mut impl Write) -> Result<bool, fmt::Error> {
    let mut left = max;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let Some(fewer) = left.checked_sub(1) else { return Ok(false) };
            left = fewer;
            match c {
                '"' | '\\' => write!(to, "\\{c}")?,
                _ if is_printable(c) => to.write_char(c)?,
                _ => write!(to, "{}", c.encode_utf8(&mut [0; 4]).as_bytes().escape_ascii())?,
            }
        }
        for byte in chunk.invalid() {
            let Some(fewer) = left.checked_sub(1) else { return Ok(false) };
            left = fewer;
            write!(to, "\\x{byte:02x}")?;
        }
    }
    Ok(true)
}

/// Whether a character is printed unchanged: not a control or format character, which could reorder or hide its
/// neighbours, nor a combining mark.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~') || !c.is_ascii() && c.escape_debug().eq([c])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_untrusted_bytes() {
        let (long, wide) = ("x".repeat(65), "é".repeat(65));
        for (bytes, shown) in [
            (&b""[..], r#""""#),
            (b"web", r#""web""#),
            (b"a\"b\\c'", r#""a\"b\\c'""#),
            (b"\x00\x1b[31m\x7f", r#""\x00\x1b[31m\x7f""#),
            (b"a\r\n\tb", r#""a\r\n\tb""#),
            ("é 日本".as_bytes(), r#""é 日本""#),
            (b"a\xc3\xffb", r#""a\xc3\xffb""#),
            // C1 control, right-to-left override, zero-width space, line separator, combining acute accent
            ("\u{9b}\u{202e}\u{200b}".as_bytes(), r#""\xc2\x9b\xe2\x80\xae\xe2\x80\x8b""#),
            ("\u{2028}e\u{301}".as_bytes(), r#""\xe2\x80\xa8e\xcc\x81""#),
            (long.as_bytes(), &format!("\"{}…\"", "x".repeat(64))),
            (wide.as_bytes(), &format!("\"{}…\"", "é".repeat(64))),
        ] {
            assert_eq!(Escaped::new(bytes).to_string(), shown);
        }
        assert_eq!(escaped("é\n\u{1b}xyz".as_bytes(), 4), "é\\n\\x1bx");
    }
}

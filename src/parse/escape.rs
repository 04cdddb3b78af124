//! Foreign bytes made fit for a message or a log line.

use std::fmt;

/// The most characters of a foreign text that a message shows.
const SHOWN: usize = 64;

/// Shows bytes that came from outside: quoted, control and non-ASCII bytes as `\xNN`, cut after 64 bytes.
///
/// ```
/// use metriclet::parse::escape::Escaped;
/// assert_eq!(Escaped::new(b"a\nb").to_string(), r#""a\nb""#);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a [u8]);

impl<'a> Escaped<'a> {
    /// Wraps any bytes; nothing is copied.
    pub fn new(bytes: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self(bytes.as_ref())
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, cut) = match self.0.get(..SHOWN) {
            Some(head) if self.0.len() > SHOWN => (head, "…"),
            _ => (self.0, ""),
        };
        write!(f, "\"{}{cut}\"", shown.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_foreign_bytes() {
        let long = "x".repeat(65);
        for (bytes, shown) in [
            (&b""[..], r#""""#),
            (b"web", r#""web""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"\x00\x1b[31m", r#""\x00\x1b[31m""#),
            ("é".as_bytes(), r#""\xc3\xa9""#),
            (long.as_bytes(), &format!("\"{}…\"", "x".repeat(64))),
        ] {
            assert_eq!(Escaped::new(bytes).to_string(), shown);
        }
    }
}

//! The tokens of both grammars. Each function takes text, and returns what it read and the rest.

use super::format::Format;

impl Format {
    /// The text after the blanks that may separate tokens: any in 0.0.4, none in OpenMetrics.
    #[inline]
    pub(super) fn blanks(self, text: &str) -> &str {
        match self {
            Self::Prometheus => blanks(text),
            Self::OpenMetrics => text,
        }
    }

    /// Whether a token has ended before `rest`.
    #[inline]
    pub(super) fn ends_token(self, rest: &str) -> bool {
        match rest.bytes().next() {
            None | Some(b' ') => true,
            Some(b'\t') => self == Self::Prometheus,
            Some(_) => false,
        }
    }
}

/// The text after any spaces and tabs.
#[inline]
pub(super) fn blanks(text: &str) -> &str {
    let count = text.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(count..).unwrap_or_default()
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
pub(super) fn metric_name(text: &str) -> Option<(&str, &str)> {
    name(text, METRIC)
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
pub(super) fn label_name(text: &str) -> Option<(&str, &str)> {
    name(text, LABEL)
}

#[inline]
fn name(text: &str, class: u8) -> Option<(&str, &str)> {
    let first = text.bytes().next()?;
    if first.is_ascii_digit() {
        return None;
    }
    let length = text.bytes().position(|byte| !is(byte, class)).unwrap_or(text.len());
    text.split_at_checked(length).filter(|(name, _)| !name.is_empty())
}

/// Bytes of metric names and of label names.
const METRIC: u8 = 1;
const LABEL: u8 = 2;

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, reason = "byte < 256, at compile time")]
        {
            classes[byte] = match byte as u8 {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => METRIC | LABEL,
                b':' => METRIC,
                _ => 0,
            };
        }
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names() {
        for (text, metric, label) in [
            ("", None, None),
            ("up 1", Some(("up", " 1")), Some(("up", " 1"))),
            ("_x9{", Some(("_x9", "{")), Some(("_x9", "{"))),
            ("job:rate5m", Some(("job:rate5m", "")), Some(("job", ":rate5m"))),
            (":a", Some((":a", "")), None),
            ("9a", None, None),
            ("a.b", Some(("a", ".b")), Some(("a", ".b"))),
            ("é", None, None),
            ("aé", Some(("a", "é")), Some(("a", "é"))),
            ("\0", None, None),
        ] {
            assert_eq!(metric_name(text), metric, "{text}");
            assert_eq!(label_name(text), label, "{text}");
        }
    }
}

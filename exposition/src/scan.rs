//! The tokens of both grammars. Each function takes text, and returns a token and the rest.

use super::format::Format;

impl Format {
    /// The text after optional separators between tokens: spaces and tabs in 0.0.4, nothing in OpenMetrics.
    #[inline(always)]
    pub(super) fn blanks(self, text: &str) -> &str {
        match self {
            Self::Prometheus => blanks(text),
            Self::OpenMetrics => text,
        }
    }

    /// Whether a token ends before `rest`.
    #[inline(always)]
    pub(super) fn ends_token(self, rest: &str) -> bool {
        match rest.as_bytes().first() {
            None | Some(b' ') => true,
            Some(b'\t') => self == Self::Prometheus,
            Some(_) => false,
        }
    }
}

/// The text after spaces and tabs.
#[inline(always)]
pub(super) fn blanks(mut text: &str) -> &str {
    while let Some(b' ' | b'\t') = text.as_bytes().first() {
        text = text.get(1..).unwrap_or_default();
    }
    text
}

/// The text after this ASCII byte, if it starts with it. `str::strip_prefix` would be a function call that decodes
/// characters at the program's optimisation level.
#[inline(always)]
pub(super) fn after(text: &str, byte: u8) -> Option<&str> {
    if text.as_bytes().first() == Some(&byte) { text.get(1..) } else { None }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
pub(super) fn metric_name(text: &str) -> Option<(&str, &str)> {
    name(text, METRIC)
}

/// Whether the text starts with a metric name of any length.
#[inline(always)]
pub(super) fn begins_metric_name(text: &str) -> bool {
    text.as_bytes().first().is_some_and(|first| is(*first, METRIC) && !first.is_ascii_digit())
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
pub(super) fn label_name(text: &str) -> Option<(&str, &str)> {
    name(text, LABEL)
}

#[inline(always)]
fn name(text: &str, class: u8) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut length = 0;
    while bytes.get(length).is_some_and(|byte| is(*byte, class)) {
        length += 1;
    }
    if length == 0 || bytes.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    text.split_at_checked(length)
}

/// Classes of bytes: in metric names, and in label names.
const METRIC: u8 = 1;
const LABEL: u8 = 2;

#[inline(always)]
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
            assert_eq!(begins_metric_name(text), metric.is_some(), "{text}");
            assert_eq!(label_name(text), label, "{text}");
        }
    }
}

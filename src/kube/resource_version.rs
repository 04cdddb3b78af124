//! The version of an object or of a list.

use std::fmt;

/// The version of a built-in resource, a number that grows with each change. Comparing versions is part of the API
/// since Kubernetes 1.35; kube-apiserver itself has always done so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceVersion(u64);

impl ResourceVersion {
    /// Parses a version; `None` for 0, which means any version, and for text that is not a number.
    pub fn parse(text: &str) -> Option<Self> {
        let is_canonical = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_canonical).map(Self)
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_numbers_only() {
        for (text, expected) in [
            ("7", Some("7")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("18446744073709551616", None),
            ("0", None),
            ("07", None),
            ("+7", None),
            ("-7", None),
            ("", None),
            ("7a", None),
        ] {
            assert_eq!(ResourceVersion::parse(text).map(|version| version.to_string()).as_deref(), expected, "{text}");
        }
        assert!(ResourceVersion::parse("10") > ResourceVersion::parse("9"));
    }
}

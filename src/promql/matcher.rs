//! Label matchers.

use std::borrow::Cow;
use std::fmt;

use regex_lite::{Captures, Regex, RegexBuilder};

use crate::parse::url_template::piece::{Piece, literals};

/// The label that represents the metric's name.
pub const NAME_LABEL: &str = "__name__";

/// A condition on one label. Matchers are equal if label, operator and value are.
#[derive(Clone, Debug)]
pub struct Matcher {
    label: String,
    op: MatchOp,
    value: String,
    /// The regular expression of `=~` and `!~`, anchored at both ends.
    regex: Option<Regex>,
    /// The value's pieces if it contains placeholders; such a matcher matches nothing.
    pieces: Vec<Piece>,
}

/// The comparison of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`: the whole value matches a regular expression.
    Regex,
    /// `!~`: the regular expression does not match the whole value.
    NotRegex,
}

/// A regular expression that is invalid, or whose compiled size exceeds the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRegex {
    message: String,
}

impl Matcher {
    /// Creates a matcher; `regex_limit` limits the compiled size of a regular expression in bytes.
    ///
    /// # Errors
    /// If the operator needs a regular expression and `value` is not a supported one. RE2 syntax is supported as far as
    /// regex-lite supports it: without `\pL`, and with `(?i)` for ASCII letters only.
    pub fn new(label: &str, op: MatchOp, value: &str, regex_limit: usize) -> Result<Self, BadRegex> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(anchored(value, regex_limit)?),
        };
        Ok(Self { label: label.to_owned(), op, value: value.to_owned(), regex, pieces: Vec::new() })
    }

    /// Creates a matcher whose value contains placeholders.
    ///
    /// # Errors
    /// As for [`Self::new`], with harmless values in place of placeholders.
    pub(crate) fn open(label: &str, op: MatchOp, pieces: Vec<Piece>, regex_limit: usize) -> Result<Self, BadRegex> {
        let closed = Self::new(label, op, &literals(&pieces), regex_limit)?;
        Ok(Self { pieces, ..closed })
    }

    /// The pieces of a value with placeholders; empty for other values.
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The label's name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The operator.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The value to compare with.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with this value matches; an absent label has the value `""`.
    pub fn matches(&self, value: &str) -> bool {
        let same = match &self.regex {
            Some(regex) => regex.is_match(value),
            None => self.value == value,
        };
        self.pieces.is_empty() && same == matches!(self.op, MatchOp::Equal | MatchOp::Regex)
    }

    /// The groups of the regular expression in a value that it matches.
    pub(crate) fn captures<'v>(&self, value: &'v str) -> Option<Captures<'v>> {
        self.regex.as_ref()?.captures(value)
    }

    /// Whether a series of this metric matches; `get` returns the value of a label.
    pub(crate) fn matches_series<'a>(&self, name: &str, get: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        match self.label.as_str() {
            NAME_LABEL => self.matches(name),
            label => self.matches(get(label).as_deref().unwrap_or_default()),
        }
    }
}

impl MatchOp {
    /// The operator in PromQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.label, self.op, &self.value, &self.pieces) == (&other.label, other.op, &other.value, &other.pieces)
    }
}

impl Eq for Matcher {}

impl fmt::Display for BadRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BadRegex {}

/// Compiles a regular expression that must match the whole value; `.` also matches a line end, as in Prometheus.
fn anchored(pattern: &str, limit: usize) -> Result<Regex, BadRegex> {
    if has_word_edge(pattern) {
        let message = r"\< and \> are not supported: in RE2 they mean < and >, write these".to_owned();
        return Err(BadRegex { message });
    }
    let compile = |pattern: &str| {
        let built = RegexBuilder::new(pattern).size_limit(limit).build();
        built.map_err(|error| BadRegex { message: error.to_string() })
    };
    // The pattern is compiled alone first: `a)|(b` would close the group that is added below.
    compile(pattern)?;
    compile(&format!("^(?s:{pattern})$"))
}

/// Whether a pattern contains `\<` or `\>`, which match the edges of a word in regex-lite.
fn has_word_edge(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && matches!(chars.next(), Some('<' | '>')) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 64 * 1024;

    #[test]
    fn matches_whole_values() {
        for (op, value, matching, other) in [
            (MatchOp::Equal, "a", &["a"][..], &["", "b", "aa"][..]),
            (MatchOp::Equal, "", &[""], &["a"]),
            (MatchOp::NotEqual, "a", &["", "b"], &["a"]),
            (MatchOp::Regex, "a|ab", &["a", "ab"], &["abc", "b", ""]),
            (MatchOp::Regex, "", &[""], &["a"]),
            (MatchOp::Regex, "a.c", &["abc", "a\nc", "aéc"], &["abcd", "ac"]),
            (MatchOp::Regex, "(?i)get", &["GET", "get"], &["got"]),
            (MatchOp::Regex, r"[[:digit:]]\\<", &[r"1\<"], &["1<"]),
            (MatchOp::NotRegex, "5..", &["", "200", "5000"], &["500"]),
        ] {
            let matcher = Matcher::new("l", op, value, LIMIT).unwrap();
            assert!(matching.iter().all(|v| matcher.matches(v)), "{matcher}");
            assert!(!other.iter().any(|v| matcher.matches(v)), "{matcher}");
        }
    }

    #[test]
    fn rejects_regular_expressions() {
        for (pattern, message) in [
            ("a)|(b", "found closing ')' without matching '('"),
            ("(", "found open group without closing ')'"),
            ("(?x)a#", "found open group without closing ')'"),
            ("(?=a)", "look-around is not supported"),
            (r"\pL", "Unicode character classes are not supported"),
            (r"\<a", r"\< and \> are not supported: in RE2 they mean < and >, write these"),
        ] {
            assert_eq!(Matcher::new("l", MatchOp::Regex, pattern, LIMIT).unwrap_err().to_string(), message);
        }
        for pattern in ["a{1000}{1000}{1000}", "(?:){4000000000}", "(?:a{0}){4000000000}", "((a*)*)*{4000000000}"] {
            let error = Matcher::new("l", MatchOp::NotRegex, pattern, LIMIT).unwrap_err();
            assert_eq!(error.to_string(), "compiled regex exceeded size limit", "{pattern}");
        }
    }

    #[test]
    fn compares_by_text() {
        let matcher = |label, op, value| Matcher::new(label, op, value, LIMIT).unwrap();
        assert_eq!(matcher("a", MatchOp::Regex, "b"), matcher("a", MatchOp::Regex, "b"));
        assert_ne!(matcher("a", MatchOp::Regex, "b"), matcher("a", MatchOp::Equal, "b"));
        assert_ne!(matcher("a", MatchOp::Regex, "b"), matcher("a", MatchOp::Regex, "c"));
        assert_ne!(matcher("a", MatchOp::Regex, "b"), matcher("c", MatchOp::Regex, "b"));
    }
}

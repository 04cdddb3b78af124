//! The expression language of `value` for text: a regular expression between slashes, optionally inside one aggregation.
//!
//! ```text
//! argument = "/" regular expression "/"
//! ```
//! `^` and `$` match at the ends of lines, which end in LF or CRLF. The number is in the only group, or in the group
//! named `value`. The groups `name` and `namespace` identify the object that the number describes.

use std::fmt;
use std::ops::Range;

use regex_lite::{Captures, Regex, RegexBuilder};

use super::escape::Escaped;
use super::value::{self, ValueAggregation, ValueExprError};

/// The maximum length of a pattern in which the position of an error is searched; the library does not report it.
const SEARCHED: usize = 256;

/// Limits on an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegexLimits {
    /// Length of the text in bytes.
    pub bytes: usize,
    /// Compiled size of the regular expression in bytes.
    pub compiled: usize,
}

/// A parsed expression; its printed text parses to the same expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextExpr {
    /// How several values become one; `None` allows only a single value.
    pub aggregation: Option<ValueAggregation>,
    /// The pattern to search for.
    pub pattern: Pattern,
}

/// A regular expression with groups for the number and its object. Patterns are equal if their texts are.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
    groups: Groups,
}

/// The indices of the groups.
#[derive(Clone, Copy, Debug)]
struct Groups {
    value: usize,
    name: Option<usize>,
    namespace: Option<usize>,
}

/// The content of the groups in one match, without surrounding spaces; `None` for a group that did not take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextMatch<'p> {
    pub value: Option<&'p str>,
    pub name: Option<&'p str>,
    pub namespace: Option<&'p str>,
}

impl TextExpr {
    /// Parses `text`.
    ///
    /// # Errors
    /// If the text is not a regular expression between slashes, or if its groups do not identify the number.
    pub fn parse(text: &str, limits: &RegexLimits) -> Result<Self, ValueExprError> {
        ValueExprError::if_longer(text, limits.bytes)?;
        let (aggregation, at) = value::argument(text, '/', "regular expression")?;
        Ok(Self { aggregation, pattern: Pattern::within(text, at, limits)? })
    }
}

impl Pattern {
    /// Parses the pattern at this range of `text`, including its slashes, ignoring surrounding spaces.
    fn within(text: &str, at: Range<usize>, limits: &RegexLimits) -> Result<Self, ValueExprError> {
        let argument = text.get(at.clone()).unwrap_or_default();
        let opening = at.start + argument.len() - argument.trim_start().len();
        let Some(inside) = argument.trim_start().strip_prefix('/') else {
            return Err(ValueExprError::at(
                text,
                opening,
                "expected a regular expression between slashes, such as /(\\d+)/",
            ));
        };
        let Some((pattern, rest)) = inside.rsplit_once('/') else {
            return Err(ValueExprError::at(text, at.end, "expected / after the regular expression, found the end"));
        };
        let start = opening + 1;
        if !rest.trim().is_empty() {
            let after = start + pattern.len() + 1;
            let found = Escaped::new(rest.trim());
            let what =
                format!("expected the end after the closing /, found {found}; write flags inside the slashes: /(?i)…/");
            return Err(ValueExprError::at(text, after, &what));
        }
        let regex = compile(pattern, limits.compiled)
            .map_err(|message| ValueExprError::at(text, start + place(pattern, &message, limits.compiled), &message))?;
        let groups = Groups::of(&regex)
            .map_err(|(group, what)| ValueExprError::at(text, start + group_start(pattern, &regex, group), &what))?;
        Ok(Self { text: pattern.to_owned(), regex, groups })
    }

    /// Whether a group contains the object's name.
    pub fn names_objects(&self) -> bool {
        self.groups.name.is_some()
    }

    /// Whether a group contains the object's namespace.
    pub fn names_namespaces(&self) -> bool {
        self.groups.namespace.is_some()
    }

    /// All non-overlapping matches on a page, in order.
    pub fn matches<'p>(&self, page: &'p str) -> impl Iterator<Item = TextMatch<'p>> {
        let Groups { value, name, namespace } = self.groups;
        self.regex.captures_iter(page).map(move |captures: Captures<'p>| {
            let group = |at: usize| captures.get(at).map(|found| found.as_str().trim());
            TextMatch { value: group(value), name: name.and_then(group), namespace: namespace.and_then(group) }
        })
    }
}

impl Groups {
    /// Assigns the groups. An error is the index of a group, or 0 for the whole pattern, and a message.
    fn of(regex: &Regex) -> Result<Self, (usize, String)> {
        let (mut unnamed, mut value, mut name, mut namespace) = (None, None, None, None);
        for (at, group) in regex.capture_names().enumerate().skip(1) {
            match group {
                Some("value") => value = Some(at),
                Some("name") => name = Some(at),
                Some("namespace") => namespace = Some(at),
                Some(other) => {
                    let other = Escaped::new(other);
                    return Err((at, format!("unknown group {other}; known are value, name and namespace")));
                }
                None if unnamed.is_some() => return Err((at, "expected one group, found a second one; write (?:…) for groups other than the number, or name the groups (?<value>…) and (?<name>…)".to_owned())),
                None => unnamed = Some(at),
            }
        }
        let named = value.or(name).or(namespace);
        match (unnamed, value) {
            (Some(at), _) if named.is_some() => Err((
                at,
                "expected named groups only, found one without a name; write (?:…), or (?<value>…) if it is the number"
                    .to_owned(),
            )),
            (None, None) => {
                let group = if named.is_some() { "a group (?<value>…)" } else { "a group" };
                Err((0, format!("expected {group} around the number, such as (\\d+), found none")))
            }
            _ if namespace.is_some() && name.is_none() => Err((
                namespace.unwrap_or_default(),
                "expected a group (?<name>…) with (?<namespace>…), found none".to_owned(),
            )),
            (Some(value), _) | (None, Some(value)) => Ok(Self { value, name, namespace }),
        }
    }
}

fn compile(pattern: &str, limit: usize) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).multi_line(true).crlf(true).size_limit(limit).build();
    built.map_err(|error| error.to_string())
}

/// The library's messages for a pattern that is too large, and for one with an unclosed group.
const TOO_LARGE: &str = "compiled regex exceeded size limit";
const OPEN_GROUP: &str = "found open group without closing ')'";

/// The byte at which the pattern first causes this error: the end of its longest prefix that is valid or lacks only
/// closing parentheses.
fn place(pattern: &str, message: &str, limit: usize) -> usize {
    if pattern.len() > SEARCHED || message == TOO_LARGE {
        return 0;
    }
    let is_right = |part: &str| match compile(part, limit) {
        Ok(_) => true,
        Err(error) => error == OPEN_GROUP && message != OPEN_GROUP,
    };
    let ends = pattern.char_indices().map(|(at, _)| at).rev();
    ends.into_iter().find(|end| pattern.get(..*end).is_some_and(is_right)).unwrap_or_default()
}

/// The byte at which a group starts; the start of the pattern if the group cannot be located.
fn group_start(pattern: &str, regex: &Regex, group: usize) -> usize {
    let (mut starts, mut in_class, mut escaped) = (Vec::new(), false, false);
    for (at, byte) in pattern.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'(' if !in_class => {
                let rest = pattern.get(at + 1..).unwrap_or_default();
                if !rest.starts_with('?') || rest.starts_with("?<") || rest.starts_with("?P<") {
                    starts.push(at);
                }
            }
            _ => {}
        }
    }
    let is_whole = starts.len() + 1 == regex.captures_len();
    group.checked_sub(1).filter(|_| is_whole).and_then(|group| starts.get(group)).copied().unwrap_or_default()
}

/// Whether a `value` is a regular expression: it starts with a slash, or with an aggregation whose argument does.
pub(crate) fn looks_like_regex(text: &str) -> bool {
    value::starts_with(text, '/')
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for TextExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = &self.pattern.text;
        match self.aggregation {
            Some(aggregation) => write!(f, "{}(/{pattern}/)", aggregation.as_str()),
            None => write!(f, "/{pattern}/"),
        }
    }
}

#[cfg(test)]
mod tests;

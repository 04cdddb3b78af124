//! One JSONPath (RFC 9535).
//!
//! It may contain two descendant segments (`..`) and eight commas, because each multiplies the number of visited
//! values.

use std::fmt;
use std::ops::Range;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::segments::{self, Quotes};
use crate::parse::escape::Escaped;
use crate::parse::value::ValueExprError;

/// The maximum number of `..` in a path.
const DESCENDANTS: usize = 2;

/// The maximum number of commas in a path, whatever they separate.
const COMMAS: usize = 8;

/// The maximum nesting of brackets and parentheses; the JSONPath parser is recursive.
const NESTING: usize = 16;

/// Limits on an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// Length of the text in bytes.
    pub bytes: usize,
}

/// A JSONPath and its text. Paths are equal if their texts are.
#[derive(Clone, Debug)]
pub struct Path {
    text: String,
    steps: Steps,
    /// For each selection, the path to its container and the path to the selected values.
    selections: Vec<(JsonPath, JsonPath)>,
}

#[derive(Clone, Debug)]
enum Steps {
    Parsed(JsonPath),
    /// One member of the root object; the name needs no parsing.
    Member(String),
}

/// A path matched more values than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// The limit.
    pub max: usize,
}

impl Path {
    /// Parses the text of a JSONPath.
    ///
    /// # Errors
    /// If the text is not a JSONPath, or exceeds a limit.
    pub fn parse(text: &str, limits: &JsonLimits) -> Result<Self, ValueExprError> {
        ValueExprError::if_longer(text, limits.bytes)?;
        Self::within(text, 0..text.len())
    }

    /// Parses the path at this range of `text`, ignoring surrounding whitespace.
    pub(super) fn within(text: &str, at: Range<usize>) -> Result<Self, ValueExprError> {
        let written = text.get(at.clone()).unwrap_or_default();
        let start = at.start + written.len() - written.trim_start().len();
        let written = written.trim();
        if !written.starts_with('$') {
            return Err(ValueExprError::at(text, start, "expected a JSONPath, which starts with $"));
        }
        affordable(written).map_err(|(at, why)| ValueExprError::at(text, start + at, &why))?;
        let path = JsonPath::parse(written).map_err(|error| {
            let at = error.position();
            // The library's message is often only that parsing failed.
            let found = match written.get(at..).unwrap_or_default() {
                "" => "the end".to_owned(),
                rest => Escaped::new(rest).to_string(),
            };
            let hint = segments::quoted(written, at).map(|quoted| format!("; write {quoted}")).unwrap_or_default();
            let is_operator = !hint.is_empty() && found.contains(['+', '-', '*', '/']);
            let hint = if is_operator { format!("{hint}, or spaces around an operator") } else { hint };
            ValueExprError::at(
                text,
                start + at,
                &format!("expected the JSONPath (RFC 9535) to continue, found {found}{hint}"),
            )
        })?;
        let part = |end: usize| JsonPath::parse(written.get(..end)?).ok();
        let selections = segments::selections(written).unwrap_or_default();
        let selections = selections.into_iter().filter_map(|(container, end)| part(container).zip(part(end))).collect();
        Ok(Self { text: written.to_owned(), steps: Steps::Parsed(path), selections })
    }

    /// The path of a member of the root object: `$['name']`.
    pub fn member(name: &str) -> Self {
        Self { text: format!("$['{name}']"), steps: Steps::Member(name.to_owned()), selections: Vec::new() }
    }

    /// Whether a filter compares with a number, or by order.
    pub fn compares_numbers(&self) -> bool {
        segments::compares_numbers(&self.text)
    }

    /// The values that the path selects.
    ///
    /// # Errors
    /// If there are more than `max`.
    pub fn query<'v>(&self, value: &'v Value, max: usize) -> Result<Vec<&'v Value>, TooMany> {
        let found = match &self.steps {
            Steps::Parsed(path) => path.query(value).all(),
            Steps::Member(name) => value.get(name).into_iter().collect(),
        };
        if found.len() > max { Err(TooMany { max }) } else { Ok(found) }
    }

    /// Whether the path selects nothing because an existing container has no matching elements, such as `{"jobs": []}`
    /// for `$.jobs[*]`. A missing member is not such a container.
    pub fn selects_from_empty(&self, value: &Value) -> bool {
        let mut expected = 1;
        for (container, selected) in &self.selections {
            let containers = container.query(value).all();
            if containers.len() != expected || !containers.iter().all(|node| node.is_array() || node.is_object()) {
                return false;
            }
            expected = selected.query(value).all().len();
            if expected == 0 {
                return true;
            }
        }
        false
    }
}

/// Counts the expensive parts of a path and checks that quotes are closed; an error includes its position.
fn affordable(path: &str) -> Result<(), (usize, String)> {
    let (mut descendants, mut commas, mut nesting) = (0, 0, 0_usize);
    let (mut before, mut quotes, mut filters) = (b' ', Quotes::default(), None);
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            _ if quotes.holds(byte) => {}
            b'.' if before == b'.' => descendants += 1,
            b',' => commas += 1,
            b'?' => filters = filters.or(Some(nesting)),
            // The filter would evaluate this path again for each item.
            b'$' if filters.is_some() => {
                let rest = path.get(at + 1..).unwrap_or_default();
                if ["..", "[*]", ".*"].iter().any(|many| rest.starts_with(many)) {
                    let message = "expected a path to one value after $ in a filter, found .. or *, which would search the page \
                                   for each item";
                    return Err((at, message.to_owned()));
                }
            }
            b'[' | b'(' => nesting += 1,
            b']' | b')' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        before = byte;
        for (found, most, what) in
            [(descendants, DESCENDANTS, ".."), (commas, COMMAS, "commas"), (nesting, NESTING, "open brackets")]
        {
            if found > most {
                return Err((at, format!("expected at most {most} {what} in one path, found more")));
            }
        }
    }
    // The library panics on an escape at the end of the text.
    if quotes.is_open() { Err((path.len(), "expected a closing quote, found the end".to_owned())) } else { Ok(()) }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Path {}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the path matches more than {} values", self.max)
    }
}

impl std::error::Error for TooMany {}

//! The labels of a series: validated once, then parsed from the page's bytes on demand.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memchr2;

use super::error::Fault;
use super::format::Format;
use super::scan;

/// Up to this number of labels, names are compared one by one. 64, twice what exporters use; above it a set prevents
/// quadratic time.
const FEW: usize = 64;

/// The labels of a sample, as text of the page.
///
/// In both formats, a label with an empty value is equivalent to no label, and is skipped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Labels<'a> {
    /// The validated text between the braces. It may contain a quoted metric name.
    raw: &'a str,
}

/// The parsed content of braces.
pub(super) struct Braces<'a> {
    pub(super) labels: Labels<'a>,
    /// The metric's name if it is quoted among the labels; still escaped.
    pub(super) metric: Option<&'a str>,
    /// The text after the closing brace.
    pub(super) rest: &'a str,
}

impl<'a> Labels<'a> {
    /// Labels from text that [`Labels::raw`] returned before. Of any other text, it uses the labels up to the first
    /// invalid one.
    pub fn checked(raw: &'a str) -> Self {
        Self { raw }
    }

    /// The text of the labels as in the page, without braces.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Unescaped names and values in the page's order. Names are unique.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        written(self.raw).filter(|label| !label.value.is_empty()).map(|label| (label.name(), unescape(label.value)))
    }

    /// The unescaped value of a label; `None` if the label does not exist or its value is empty.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let label = written(self.raw).find(|label| label.is_named(name))?;
        (!label.value.is_empty()).then(|| unescape(label.value))
    }

    /// The unescaped value of the first of these labels that the series has with a value that is not empty.
    pub fn first_of(&self, names: &[String]) -> Option<Cow<'a, str>> {
        let mut found: Option<(usize, Label<'a>)> = None;
        for label in written(self.raw).filter(|label| !label.value.is_empty()) {
            // Only names that precede the one already found.
            let before = found.as_ref().map_or(names.len(), |(place, _)| *place);
            if let Some(place) = names.iter().take(before).position(|name| label.is_named(name)) {
                found = Some((place, label));
                if place == 0 {
                    break;
                }
            }
        }
        found.map(|(_, label)| unescape(label.value))
    }

    /// The text with a different value of one label; the value must not need escaping.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        let Some(label) = written(self.raw).find(|label| label.is_named(name)) else { return self.raw.to_owned() };
        let at = label.value.as_ptr().addr() - self.raw.as_ptr().addr();
        let (before, after) = self.raw.split_at_checked(at).unwrap_or_default();
        [before, value, after.get(label.value.len()..).unwrap_or_default()].concat()
    }

    /// Validates the content of braces at the start of `text`, which follows the opening brace.
    #[inline]
    pub(super) fn read(text: &'a str, format: Format) -> Result<Braces<'a>, Fault> {
        let mut names = Names::default();
        let mut metric = None;
        let mut rest = format.blanks(text);
        let mut count = 0;
        while !rest.starts_with('}') {
            let before = rest;
            let item;
            (item, rest) = Item::read(rest, format)?;
            match item {
                Item::Label(label) if names.seen(&label.name()) && has(text, before, &label) => {
                    return Err(duplicate(before));
                }
                Item::Label(_) => {}
                Item::Metric(name) => set_metric(&mut metric, name, before)?,
            }
            count += 1;
            if count > FEW {
                return Self::read_many(text, format);
            }
            rest = separated(rest, format)?;
        }
        Ok(Braces::closed(text, metric, rest))
    }

    /// Validates the content with a set of the names.
    #[cold]
    fn read_many(text: &'a str, format: Format) -> Result<Braces<'a>, Fault> {
        let mut names = HashSet::new();
        let mut metric = None;
        let mut rest = format.blanks(text);
        while !rest.starts_with('}') {
            let before = rest;
            let item;
            (item, rest) = Item::read(rest, format)?;
            match item {
                Item::Label(label) if !names.insert(label.name()) => return Err(duplicate(before)),
                Item::Label(_) => {}
                Item::Metric(name) => set_metric(&mut metric, name, before)?,
            }
            rest = separated(rest, format)?;
        }
        Ok(Braces::closed(text, metric, rest))
    }
}

impl<'a> Braces<'a> {
    /// The content of `text` up to a closing brace, with which `rest` starts.
    #[inline(always)]
    fn closed(text: &'a str, metric: Option<&'a str>, rest: &'a str) -> Self {
        let raw = text.get(..text.len() - rest.len()).unwrap_or_default();
        Self { labels: Labels { raw }, metric, rest: rest.get(1..).unwrap_or_default() }
    }
}

/// The text after a label: the next label after a comma, or the closing brace.
#[inline(always)]
fn separated(rest: &str, format: Format) -> Result<&str, Fault> {
    let rest = format.blanks(rest);
    match rest.as_bytes().first() {
        Some(b',') => Ok(format.blanks(rest.get(1..).unwrap_or_default())),
        Some(b'}') => Ok(rest),
        _ => Err(Fault::expected("\",\" or \"}\" after a label", rest)),
    }
}

fn set_metric<'a>(metric: &mut Option<&'a str>, name: &'a str, before: &str) -> Result<(), Fault> {
    match metric.replace(name) {
        Some(_) => Err(Fault::expected("only one metric name", before)),
        None => Ok(()),
    }
}

#[cold]
fn duplicate(before: &str) -> Fault {
    Fault::expected("each label name only once", before)
}

/// A label; name and value are still escaped.
struct Label<'a> {
    name: &'a str,
    /// Whether the name was quoted, and may contain escapes.
    is_quoted: bool,
    value: &'a str,
}

impl<'a> Label<'a> {
    /// Parses a label after its name. `before` is the text from the name on. This is the hottest path of the parser.
    #[inline(always)]
    fn read(
        name: &'a str,
        is_quoted: bool,
        rest: &'a str,
        before: &str,
        format: Format,
    ) -> Result<(Self, &'a str), Fault> {
        if name == "__name__" {
            return Err(Fault::expected("a label name other than __name__", before));
        }
        let rest = format.blanks(rest);
        let rest = scan::after(rest, b'=').ok_or_else(|| Fault::expected("\"=\" after a label name", rest))?;
        let rest = format.blanks(rest);
        let quoted = scan::after(rest, b'"').ok_or_else(|| Fault::expected("a label value in double quotes", rest))?;
        let (value, rest) = until_quote(quoted)?;
        Ok((Self { name, is_quoted, value }, rest))
    }

    #[inline(always)]
    fn name(&self) -> Cow<'a, str> {
        if self.is_quoted { unescape(self.name) } else { Cow::Borrowed(self.name) }
    }

    #[inline(always)]
    fn is_named(&self, name: &str) -> bool {
        self.name == name || (self.is_quoted && unescape(self.name) == name)
    }
}

/// An item between braces.
enum Item<'a> {
    Label(Label<'a>),
    /// A quoted metric name, still escaped.
    Metric(&'a str),
}

impl<'a> Item<'a> {
    #[inline(always)]
    fn read(text: &'a str, format: Format) -> Result<(Self, &'a str), Fault> {
        match scan::label_name(text) {
            Some((name, rest)) => {
                Label::read(name, false, rest, text, format).map(|(label, rest)| (Self::Label(label), rest))
            }
            None => Self::read_quoted(text, format),
        }
    }

    /// Parses an item that does not start with an unquoted name.
    #[cold]
    fn read_quoted(text: &'a str, format: Format) -> Result<(Self, &'a str), Fault> {
        let (name, rest) = quoted_name(text, "a label name or \"}\"")?;
        let rest = format.blanks(rest);
        if rest.is_empty() || rest.starts_with([',', '}']) {
            return Ok((Self::Metric(name), rest));
        }
        Label::read(name, true, rest, text, format).map(|(label, rest)| (Self::Label(label), rest))
    }
}

/// Parses a name in double quotes; returns it still escaped.
#[cold]
pub(super) fn quoted_name<'a>(text: &'a str, expected: &'static str) -> Result<(&'a str, &'a str), Fault> {
    let quoted = text.strip_prefix('"').ok_or_else(|| Fault::expected(expected, text))?;
    let (name, rest) = until_quote(quoted)?;
    if name.is_empty() { Err(Fault::expected("a name between the quotes", text)) } else { Ok((name, rest)) }
}

/// The text before and after a closing quote.
#[inline(always)]
fn until_quote(text: &str) -> Result<(&str, &str), Fault> {
    let end = closing_quote(text.as_bytes()).ok_or_else(|| Fault::expected("a closing quote in the same line", ""))?;
    let (inside, rest) = text.split_at_checked(end).unwrap_or_default();
    Ok((inside, rest.get(1..).unwrap_or_default()))
}

/// The labels of validated text. The more lenient format accepts what either has validated.
// A named iterator type, so that its code is compiled in this crate, which is optimized for speed.
struct ValidatedLabels<'a> {
    rest: &'a str,
}

impl<'a> Iterator for ValidatedLabels<'a> {
    type Item = Label<'a>;

    fn next(&mut self) -> Option<Label<'a>> {
        loop {
            while let Some(b' ' | b'\t' | b',') = self.rest.as_bytes().first() {
                self.rest = self.rest.get(1..).unwrap_or_default();
            }
            if self.rest.is_empty() {
                return None;
            }
            let item;
            (item, self.rest) = Item::read(self.rest, Format::Prometheus).ok()?;
            if let Item::Label(label) = item {
                return Some(label);
            }
        }
    }
}

fn written(text: &str) -> ValidatedLabels<'_> {
    ValidatedLabels { rest: text }
}

/// The position of the first unescaped quote.
#[inline(always)]
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', text.get(from..)?)?;
        match text.get(at) {
            Some(b'"') => return Some(at),
            _ => from = at + 2,
        }
    }
}

/// Replaces `\n`, `\"` and `\\`; any other backslash is literal, as in Prometheus.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    // Most texts are short, so this avoids a function call.
    if !raw.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some(escaped @ ('"' | '\\')) => text.push(escaped),
            other => {
                text.push('\\');
                text.extend(other);
            }
        }
    }
    Cow::Owned(text)
}

/// A set of names that may report false positives.
#[derive(Default)]
struct Names(u64);

impl Names {
    fn seen(&mut self, name: &str) -> bool {
        let bytes = name.as_bytes();
        let ends = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
        let mixed = usize::from(ends.0)
            .wrapping_mul(31)
            .wrapping_add(usize::from(ends.1))
            .wrapping_mul(31)
            .wrapping_add(bytes.len());
        let bit = 1 << (mixed % 64);
        let seen = self.0 & bit != 0;
        self.0 |= bit;
        seen
    }
}

/// Whether one of the labels between `text` and its end `rest` has the same name.
#[cold]
fn has(text: &str, rest: &str, label: &Label<'_>) -> bool {
    let before = text.get(..text.len() - rest.len()).unwrap_or_default();
    let name = label.name();
    written(before).any(|other| other.is_named(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_first_of_several_labels() {
        let labels = Labels::checked(r#"b="2", a="1",empty="",quoted="a\"b","d.e"="5""#);
        let first = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            labels.first_of(&names).map(Cow::into_owned)
        };
        for (names, expected) in [
            (&["a", "b"][..], Some("1")),
            (&["b", "a"], Some("2")),
            (&["x", "b"], Some("2")),
            (&["empty", "a"], Some("1")),
            (&["d.e"], Some("5")),
            (&["quoted", "b"], Some("a\"b")),
            (&["empty", "x"], None),
            (&[], None),
        ] {
            assert_eq!(first(names).as_deref(), expected, "{names:?}");
            let each = names.iter().find_map(|name| labels.get(name));
            assert_eq!(first(names).as_deref(), each.as_deref(), "{names:?}");
        }
    }
}

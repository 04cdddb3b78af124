//! The labels of a series: checked once, then read from the page's own bytes as often as wanted.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::{memchr, memchr2};

use super::error::Fault;
use super::format::Format;
use super::scan;

/// Labels whose names are compared one by one. 64, twice what exporters use; past that a set is kept, so that a series
/// with thousands does not take the square of their number.
const FEW: usize = 64;

/// The labels of one sample, as the page wrote them.
///
/// A label whose value is empty is the same as none, in both formats: it is not shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Labels<'a> {
    /// What stands between the braces, already checked. A quoted metric name may be among it.
    raw: &'a str,
}

/// What an opening brace leads to.
pub(super) struct Braces<'a> {
    pub(super) labels: Labels<'a>,
    /// The metric's name, if it stands among the labels: quoted, and still escaped.
    pub(super) metric: Option<&'a str>,
    /// What follows the closing brace.
    pub(super) rest: &'a str,
}

impl<'a> Labels<'a> {
    /// The labels whose text, what [`Labels::raw`] gave once, was kept aside. Of other text it makes what it can.
    pub fn checked(raw: &'a str) -> Self {
        Self { raw }
    }

    /// Their text as the page wrote it, without braces.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Unescaped names and values in the page's order. Every name comes once.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        self.written()
            .filter(|label| !label.value.is_empty())
            .map(|label| (unescape(label.name), unescape(label.value)))
    }

    /// The unescaped value of one label; nothing if there is no such label or its value is empty.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let label = self.written().find(|label| label.is_named(name))?;
        (!label.value.is_empty()).then(|| unescape(label.value))
    }

    /// Their text with another value of one label, which needs no escaping.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        let Some(label) = self.written().find(|label| label.is_named(name)) else { return self.raw.to_owned() };
        let at = label.value.as_ptr().addr() - self.raw.as_ptr().addr();
        let (before, after) = self.raw.split_at_checked(at).unwrap_or_default();
        [before, value, after.get(label.value.len()..).unwrap_or_default()].concat()
    }

    /// Checks what stands between braces, at the beginning of `text`, which follows the opening one.
    #[inline]
    pub(super) fn read(text: &'a str, format: Format) -> Result<Braces<'a>, Fault> {
        let mut names = Names::default();
        let mut many: Option<Box<HashSet<Cow<'_, str>>>> = None;
        let mut metric = None;
        let mut rest = format.blanks(text);
        let mut count = 0;
        while !rest.starts_with('}') {
            let before = rest;
            let item;
            (item, rest) = Item::read(rest, format)?;
            match item {
                Item::Label(label) => {
                    count += 1;
                    let seen = if count > FEW {
                        let many = many.get_or_insert_with(|| Box::new(names_before(text, before)));
                        !many.insert(unescape(label.name))
                    } else {
                        // What is quoted may be one name escaped in two ways.
                        (names.seen(label.name) || before.starts_with('"')) && has(text, before, label.name)
                    };
                    if seen {
                        return Err(Fault::expected("a label name that this series does not have yet", before));
                    }
                }
                Item::Metric(_) if metric.is_some() => {
                    return Err(Fault::expected("one metric name, and labels", before));
                }
                Item::Metric(name) => metric = Some(name),
            }
            rest = format.blanks(rest);
            match rest.strip_prefix(',') {
                Some(after) => rest = format.blanks(after),
                None if rest.starts_with('}') => {}
                None => return Err(Fault::expected("\",\" or \"}\" after a label", rest)),
            }
        }
        let raw = text.get(..text.len() - rest.len()).unwrap_or_default();
        Ok(Braces { labels: Self { raw }, metric, rest: rest.get(1..).unwrap_or_default() })
    }

    /// All of them, still escaped, those with an empty value included.
    fn written(&self) -> impl Iterator<Item = Label<'a>> + use<'a> {
        written(self.raw)
    }
}

/// One label, still escaped.
struct Label<'a> {
    name: &'a str,
    value: &'a str,
}

impl Label<'_> {
    fn is_named(&self, name: &str) -> bool {
        self.name == name || (self.name.contains('\\') && unescape(self.name) == name)
    }
}

/// What may stand between braces.
enum Item<'a> {
    Label(Label<'a>),
    /// A metric's name in quotes, still escaped.
    Metric(&'a str),
}

impl<'a> Item<'a> {
    #[inline]
    fn read(text: &'a str, format: Format) -> Result<(Self, &'a str), Fault> {
        let (name, rest) = match scan::label_name(text) {
            Some((name, rest)) => (name, format.blanks(rest)),
            None => {
                let (name, rest) = quoted_name(text, "a label name or \"}\"")?;
                let rest = format.blanks(rest);
                if rest.is_empty() || rest.starts_with([',', '}']) {
                    return Ok((Self::Metric(name), rest));
                }
                (name, rest)
            }
        };
        if name == "__name__" {
            return Err(Fault::expected("a label name other than __name__", text));
        }
        let rest = rest.strip_prefix('=').ok_or_else(|| Fault::expected("\"=\" after a label name", rest))?;
        let rest = format.blanks(rest);
        let quoted = rest.strip_prefix('"').ok_or_else(|| Fault::expected("a label value in double quotes", rest))?;
        let (value, rest) = until_quote(quoted)?;
        Ok((Self::Label(Label { name, value }), rest))
    }
}

/// Reads a name in double quotes; gives it still escaped.
#[cold]
pub(super) fn quoted_name<'a>(text: &'a str, expected: &'static str) -> Result<(&'a str, &'a str), Fault> {
    let quoted = text.strip_prefix('"').ok_or_else(|| Fault::expected(expected, text))?;
    let (name, rest) = until_quote(quoted)?;
    if name.is_empty() { Err(Fault::expected("a name between the quotes", text)) } else { Ok((name, rest)) }
}

/// What precedes and what follows a closing quote.
#[inline]
fn until_quote(text: &str) -> Result<(&str, &str), Fault> {
    let end = closing_quote(text.as_bytes()).ok_or_else(|| Fault::expected("a closing quote in the same line", ""))?;
    let (inside, rest) = text.split_at_checked(end).unwrap_or_default();
    Ok((inside, rest.get(1..).unwrap_or_default()))
}

/// The labels of text that was checked. The lenient format reads what either has let pass.
fn written(mut text: &str) -> impl Iterator<Item = Label<'_>> {
    std::iter::from_fn(move || {
        loop {
            let item;
            (item, text) = Item::read(text.trim_start_matches([' ', '\t', ',']), Format::Prometheus).ok()?;
            if let Item::Label(label) = item {
                return Some(label);
            }
        }
    })
}

/// Where the quote stands that is not escaped.
#[inline]
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

/// `\n`, `\"` and `\\` for what they stand for; any other backslash is itself, as in Prometheus.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    if memchr(b'\\', raw.as_bytes()).is_none() {
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

/// A set of names that may say it has seen one when it has not.
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

/// Whether one of the labels of `text` before `rest`, its end, has this name, still escaped.
fn has(text: &str, rest: &str, name: &str) -> bool {
    let name = unescape(name);
    written(before(text, rest)).any(|label| label.is_named(&name))
}

/// The names of the labels of `text` before `rest`, its end.
#[cold]
fn names_before<'a>(text: &'a str, rest: &str) -> HashSet<Cow<'a, str>> {
    written(before(text, rest)).map(|label| unescape(label.name)).collect()
}

fn before<'a>(text: &'a str, rest: &str) -> &'a str {
    text.get(..text.len() - rest.len()).unwrap_or_default()
}

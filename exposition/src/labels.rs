//! The labels of a series: checked once, then read from the page's own bytes as often as wanted.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memchr2;

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
    /// The labels whose text, what [`Labels::raw`] gave once, was kept aside. Of other text it takes the labels up to where
    /// there is none that is whole.
    pub fn checked(raw: &'a str) -> Self {
        Self { raw }
    }

    /// Their text as the page wrote it, without braces.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Unescaped names and values in the page's order. Every name comes once.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        written(self.raw).filter(|label| !label.value.is_empty()).map(|label| (label.name(), unescape(label.value)))
    }

    /// The unescaped value of one label; nothing if there is no such label or its value is empty.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let label = written(self.raw).find(|label| label.is_named(name))?;
        (!label.value.is_empty()).then(|| unescape(label.value))
    }

    /// Their text with another value of one label, which needs no escaping.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        let Some(label) = written(self.raw).find(|label| label.is_named(name)) else { return self.raw.to_owned() };
        let at = label.value.as_ptr().addr() - self.raw.as_ptr().addr();
        let (before, after) = self.raw.split_at_checked(at).unwrap_or_default();
        [before, value, after.get(label.value.len()..).unwrap_or_default()].concat()
    }

    /// Checks what stands between braces, at the beginning of `text`, which follows the opening one.
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

    /// The same with a set of the names.
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
    /// What `text` holds up to a closing brace, with which `rest` begins.
    #[inline(always)]
    fn closed(text: &'a str, metric: Option<&'a str>, rest: &'a str) -> Self {
        let raw = text.get(..text.len() - rest.len()).unwrap_or_default();
        Self { labels: Labels { raw }, metric, rest: rest.get(1..).unwrap_or_default() }
    }
}

/// What follows a label: after a comma the next one, or the closing brace.
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
        Some(_) => Err(Fault::expected("one metric name, and labels", before)),
        None => Ok(()),
    }
}

#[cold]
fn duplicate(before: &str) -> Fault {
    Fault::expected("a label name that this series does not have yet", before)
}

/// One label, still escaped.
struct Label<'a> {
    name: &'a str,
    /// Whether its name was quoted, and may hold escapes.
    is_quoted: bool,
    value: &'a str,
}

impl<'a> Label<'a> {
    /// Reads what follows a label's name. `before` is the text from the name on.
    // Most of every page is read here.
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

/// What may stand between braces.
enum Item<'a> {
    Label(Label<'a>),
    /// A metric's name in quotes, still escaped.
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

    /// Reads what does not begin with a plain name.
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

/// Reads a name in double quotes; gives it still escaped.
#[cold]
pub(super) fn quoted_name<'a>(text: &'a str, expected: &'static str) -> Result<(&'a str, &'a str), Fault> {
    let quoted = text.strip_prefix('"').ok_or_else(|| Fault::expected(expected, text))?;
    let (name, rest) = until_quote(quoted)?;
    if name.is_empty() { Err(Fault::expected("a name between the quotes", text)) } else { Ok((name, rest)) }
}

/// What precedes and what follows a closing quote.
#[inline(always)]
fn until_quote(text: &str) -> Result<(&str, &str), Fault> {
    let end = closing_quote(text.as_bytes()).ok_or_else(|| Fault::expected("a closing quote in the same line", ""))?;
    let (inside, rest) = text.split_at_checked(end).unwrap_or_default();
    Ok((inside, rest.get(1..).unwrap_or_default()))
}

/// The labels of text that was checked. The lenient format reads what either has let pass.
fn written(mut text: &str) -> impl Iterator<Item = Label<'_>> {
    std::iter::from_fn(move || {
        loop {
            while let Some(b' ' | b'\t' | b',') = text.as_bytes().first() {
                text = text.get(1..).unwrap_or_default();
            }
            if text.is_empty() {
                return None;
            }
            let item;
            (item, text) = Item::read(text, Format::Prometheus).ok()?;
            if let Item::Label(label) = item {
                return Some(label);
            }
        }
    })
}

/// Where the quote stands that is not escaped.
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

/// `\n`, `\"` and `\\` for what they stand for; any other backslash is itself, as in Prometheus.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    // Most are short: no call is worth its while.
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

/// Whether one of the labels of `text` before `rest`, its end, has the name of this one.
#[cold]
fn has(text: &str, rest: &str, label: &Label<'_>) -> bool {
    let before = text.get(..text.len() - rest.len()).unwrap_or_default();
    let name = label.name();
    written(before).any(|other| other.is_named(&name))
}

//! The labels of a series: checked once, then read from the page's own bytes as often as wanted.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::error::Fault;
use super::format::Format;
use super::scan;

/// The labels of one sample, as the page wrote them.
///
/// A label whose value is empty is the same as none, in both formats: it is not shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Labels<'a> {
    /// What stands between the braces, already checked.
    raw: &'a str,
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

    /// Names and unescaped values in the page's order. Every name comes once.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> + use<'a> {
        let mut rest = self.raw;
        std::iter::from_fn(move || {
            loop {
                let label;
                (label, rest) = next(rest)?;
                if !label.raw.is_empty() {
                    return Some((label.name, unescape(label.raw)));
                }
            }
        })
    }

    /// The unescaped value of one label; nothing if there is no such label or its value is empty.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.raw;
        loop {
            let label;
            (label, rest) = next(rest)?;
            if label.name == name {
                return (!label.raw.is_empty()).then(|| unescape(label.raw));
            }
        }
    }

    /// Checks the labels at the beginning of `text`, which follows their opening brace. Gives back what follows the
    /// closing one.
    #[inline]
    pub(super) fn read(text: &'a str, format: Format, limit: usize) -> Result<(Self, &'a str), Fault> {
        let mut names = Names::default();
        let mut rest = format.blanks(text);
        let mut count = 0;
        while !rest.starts_with('}') {
            if count == limit {
                return Err(Fault::too_many_labels(limit, rest));
            }
            count += 1;
            let before = rest;
            let label;
            (label, rest) = Label::read(rest, format)?;
            if names.seen(label.name) && has(text, before, label.name) {
                return Err(Fault::expected("a label name that this series does not have yet", before));
            }
            rest = format.blanks(rest);
            match rest.strip_prefix(',') {
                Some(after) => rest = format.blanks(after),
                None if rest.starts_with('}') => {}
                None => return Err(Fault::expected("\",\" or \"}\" after a label", rest)),
            }
        }
        let raw = text.get(..text.len() - rest.len()).unwrap_or_default();
        Ok((Self { raw }, rest.get(1..).unwrap_or_default()))
    }
}

/// One label, its value still escaped.
struct Label<'a> {
    name: &'a str,
    raw: &'a str,
}

impl<'a> Label<'a> {
    #[inline]
    fn read(text: &'a str, format: Format) -> Result<(Self, &'a str), Fault> {
        let (name, rest) = scan::label_name(text).ok_or_else(|| unnamed(text))?;
        if name == "__name__" {
            return Err(Fault::expected("a label name other than __name__", text));
        }
        let rest = format.blanks(rest);
        let rest = rest.strip_prefix('=').ok_or_else(|| Fault::expected("\"=\" after a label name", rest))?;
        let rest = format.blanks(rest);
        let quoted = rest.strip_prefix('"').ok_or_else(|| Fault::expected("a label value in double quotes", rest))?;
        let end =
            closing_quote(quoted.as_bytes()).ok_or_else(|| Fault::expected("a closing quote in the same line", ""))?;
        let (raw, rest) = quoted.split_at_checked(end).unwrap_or_default();
        Ok((Self { name, raw }, rest.get(1..).unwrap_or_default()))
    }
}

#[cold]
fn unnamed(text: &str) -> Fault {
    let expected = if text.starts_with('"') { "a label name without quotes" } else { "a label name or \"}\"" };
    Fault::expected(expected, text)
}

/// The next label of text that was checked. The lenient format reads what either has let pass.
fn next(text: &str) -> Option<(Label<'_>, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    Label::read(text, Format::Prometheus).ok()
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
fn unescape(raw: &str) -> Cow<'_, str> {
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

/// Whether one of the labels of `text` before `rest`, its end, has this name.
fn has(text: &str, rest: &str, name: &str) -> bool {
    let mut before = text.get(..text.len() - rest.len()).unwrap_or_default();
    while let Some((label, after)) = next(before) {
        if label.name == name {
            return true;
        }
        before = after;
    }
    false
}

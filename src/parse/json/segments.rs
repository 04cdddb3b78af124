//! The segments of a JSONPath: which of them select from a container (wildcards, filters and slices), and JSONPaths for
//! paths in other notations.

use serde_json_path::JsonPath;

/// The offsets in a path at which each container's path and its selection end. `None` for a path with a descendant
/// segment or a union, because then it is unknown whether everything that exists was found.
pub(super) fn selections(path: &str) -> Option<Vec<(usize, usize)>> {
    let mut selections = Vec::new();
    let mut at = path.find('$')? + 1;
    while let Some(rest) = path.get(at..) {
        let blanks = rest.len() - rest.trim_start().len();
        let start = at;
        at += blanks;
        let Some(segment) = path.get(at..).filter(|rest| !rest.is_empty()) else { break };
        if segment.starts_with("..") {
            return None;
        }
        if let Some(name) = segment.strip_prefix('.') {
            let name = name.trim_start();
            let length = name.find(['.', '[', ' ', '\t', '\n', '\r']).unwrap_or(name.len());
            at = path.len() - name.len() + length;
            if name.get(..length) == Some("*") {
                selections.push((start, at));
            }
            continue;
        }
        let (inside, length) = brackets(segment)?;
        at += length;
        match inside.trim().as_bytes() {
            [b'\'' | b'"', ..] => {}
            [b'*' | b'?', ..] => selections.push((start, at)),
            slice if slice.contains(&b':') => selections.push((start, at)),
            _ => {}
        }
    }
    Some(selections)
}

/// The path up to the member at which a parser stopped, with the member's name quoted: names that start with a digit or
/// contain characters other than letters, digits and `_` need quotes (RFC 9535 §2.5.1). `None` for other errors.
pub(super) fn quoted(path: &str, at: usize) -> Option<String> {
    let dot = path.get(..at)?.rfind('.')?;
    let (before, after) = (path.get(..dot)?, path.get(dot + 1..)?);
    let name = after.split(['.', '[']).next()?.trim_end();
    let is_syntax = |c: char| c.is_control() || "'\"\\()?@*,:]".contains(c);
    let is_name = !before.contains('?') && !before.ends_with('.') && !name.is_empty() && !name.contains(is_syntax);
    let needs_quotes = JsonPath::parse(path.get(..dot + 1 + name.len())?).is_err();
    let is_index = name.bytes().all(|byte| byte.is_ascii_digit());
    let name = if is_index { format!("[{name}]") } else { format!("['{name}']") };
    (is_name && needs_quotes).then(|| format!("{before}{name}"))
}

/// Converts a path in the dotted notation of GJSON, jq or JavaScript to a JSONPath: `data.result.0`, `.data.result[0]`
/// and `data.result[0]` become `$.data.result[0]`, and GJSON's `jobs.#` becomes `count($.jobs[*])`. `None` if the text
/// is not such a path.
pub(crate) fn from_dots(text: &str) -> Option<String> {
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (text, counts) = match text.strip_suffix(".#") {
        Some(list) => (list, true),
        None => (text, false),
    };
    let mut path = "$".to_owned();
    for part in text.strip_prefix('.').unwrap_or(text).split('.') {
        let (name, index) = part.split_once('[').map_or((part, None), |(name, index)| (name, Some(index)));
        match name {
            "#" => path.push_str("[*]"),
            _ if is_number(name) => path = format!("{path}[{name}]"),
            _ if !is_word(name) => return None,
            _ if name.starts_with(|c: char| c.is_ascii_digit()) => path = format!("{path}['{name}']"),
            _ => path = format!("{path}.{name}"),
        }
        if let Some(index) = index {
            let index = index.strip_suffix(']').filter(|index| is_number(index) || index.is_empty())?;
            path = format!("{path}[{}]", if index.is_empty() { "*" } else { index });
        }
    }
    let selects_more = counts && JsonPath::parse(&path).is_ok();
    match selects_more {
        true => Some(format!("count({path}[*])")),
        false => Some(path).filter(|path| !counts && JsonPath::parse(path).is_ok()),
    }
}

/// Whether a filter of a path compares with a number, or by order; only numbers are compared numerically.
pub(super) fn compares_numbers(path: &str) -> bool {
    let (mut quotes, mut before) = (Quotes::default(), b' ');
    for (at, byte) in path.bytes().enumerate() {
        let is_operator = !quotes.holds(byte) && matches!(byte, b'<' | b'>' | b'=');
        // An operator's second byte belongs to its first, except in `!=`.
        let is_new = !matches!(before, b'<' | b'>' | b'=');
        before = byte;
        if !is_operator || !is_new {
            continue;
        }
        if byte != b'=' {
            return true;
        }
        let left = path.get(..at).unwrap_or_default().trim_end_matches(['!', ' ', '\t', '\n', '\r']);
        let left = left.rsplit([' ', '\t', '\n', '\r', '(', '[', '?', '!', '&', '|', ',']).next().unwrap_or_default();
        let right = path.get(at..).unwrap_or_default().trim_start_matches(['=', ' ', '\t', '\n', '\r']);
        let starts_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let is_number = starts_number(left) && left.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
        if is_number || starts_number(right) {
            return true;
        }
    }
    false
}

/// Tracks string literals (RFC 9535 §2.3.1.1) while a path is scanned byte by byte.
#[derive(Default)]
pub(super) struct Quotes {
    open: Option<u8>,
    escaped: bool,
}

impl Quotes {
    /// Whether the next byte belongs to a string literal, including its quotes.
    pub(super) fn holds(&mut self, byte: u8) -> bool {
        match (self.open, byte) {
            (Some(_), _) if self.escaped => self.escaped = false,
            (Some(_), b'\\') => self.escaped = true,
            (Some(open), _) if byte == open => self.open = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => self.open = Some(byte),
            (None, _) => return false,
        }
        true
    }

    /// Whether a literal is still open.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

/// The content of the brackets at the start of a text, and where they end; `None` for a union or unclosed brackets.
fn brackets(text: &str) -> Option<(&str, usize)> {
    let (mut depth, mut union, mut quotes) = (0, false, Quotes::default());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if quotes.holds(byte) => {}
            b'[' | b'(' => depth += 1,
            b']' | b')' => depth -= 1,
            b',' => union |= depth == 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(1..at).filter(|_| !union).map(|inside| (inside, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_names() {
        for (path, expected) in [
            ("$.active processes", Some("$['active processes']")),
            ("$.a.queue-depth.b", Some("$.a['queue-depth']")),
            ("$.a.9x", Some("$.a['9x']")),
            ("$.a.0", Some("$.a[0]")),
            ("$[0].a-b[1]", Some("$[0]['a-b']")),
            ("$.", None),
            ("$.q[", None),
            ("$..-", None),
            ("$[a b]", None),
            ("$[?@.a-b == 1]", None),
            ("$.a'b", None),
            ("$.a\u{7f}", None),
        ] {
            let at = JsonPath::parse(path).unwrap_err().position();
            let found = quoted(path, at);
            assert_eq!(found.as_deref(), expected, "{path} {at}");
            assert!(found.is_none_or(|found| JsonPath::parse(&found).is_ok()), "{path}");
        }
    }

    #[test]
    fn converts_dots_to_segments() {
        for (text, expected) in [
            ("data.result.0.value.1", Some("$.data.result[0].value[1]")),
            ("queue", Some("$.queue")),
            ("0.a", Some("$[0].a")),
            ("a.9x", Some("$.a['9x']")),
            ("a.#.b", Some("$.a[*].b")),
            ("jobs.#", Some("count($.jobs[*])")),
            ("data.result[0].value", Some("$.data.result[0].value")),
            (".queue.depth", Some("$.queue.depth")),
            (".jobs[].depth", Some("$.jobs[*].depth")),
            ("a[b].c", None),
            ("a.[0]", None),
            ("a..b", None),
            ("sum(a)", None),
            ("", None),
        ] {
            assert_eq!(from_dots(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn finds_comparisons_with_numbers() {
        for (path, expected) in [
            ("$.a", false),
            ("$[5]['a>5']", false),
            ("$[?@.a == '5']", false),
            ("$[?@.a1=='x' && @['b 2'] != \"7\"]", false),
            ("$[?@.a[0] == 'x']", false),
            ("$[?@.a == 'x > 5']", false),
            ("$[?!@.a]", false),
            ("$[?@.a>5]", true),
            ("$[?@.a == 'x' || @.b<= -1.5e3]", true),
            ("$[?@.a != 0]", true),
            ("$[?(1 < @.a)]", true),
            ("$[?0.5e+3 == @.a]", true),
            ("$[?@.a >= '5']", true),
            ("$.b[?@.a==@.c][?@.d == 3]", true),
        ] {
            assert_eq!(compares_numbers(path), expected, "{path}");
            assert!(JsonPath::parse(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn finds_selections_from_containers() {
        for (path, expected) in [
            ("$", Some(&[][..])),
            ("$.a['b c'][\"d.*\"][0].e", Some(&[])),
            ("$.jobs[*]", Some(&[("$.jobs", "$.jobs[*]")])),
            ("$.jobs.*", Some(&[("$.jobs", "$.jobs.*")])),
            ("$[*]", Some(&[("$", "$[*]")])),
            ("$.jobs[?@.state == 'a]b'].n", Some(&[("$.jobs", "$.jobs[?@.state == 'a]b']")])),
            ("$.jobs[?(@.tags[0] == 1)]", Some(&[("$.jobs", "$.jobs[?(@.tags[0] == 1)]")])),
            ("$.a[1:3]", Some(&[("$.a", "$.a[1:3]")])),
            ("$.a[*].b[ * ].c", Some(&[("$.a", "$.a[*]"), ("$.a[*].b", "$.a[*].b[ * ]")])),
            ("$..a", None),
            ("$.a['b', 'c']", None),
            ("$.a[*]..b", None),
        ] {
            let found = selections(path);
            let found: Option<Vec<(&str, &str)>> =
                found.map(|all| all.into_iter().map(|(container, end)| (&path[..container], &path[..end])).collect());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }
}

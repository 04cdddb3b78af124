//! YAML as a small tree that knows where everything stands, over the events of saphyr-parser.
//!
//! A subset of YAML 1.2: one document, plain keys, no anchors, aliases or tags. Scalars stay text, so `no`, `1e3` and
//! `0x10` mean what was written; the reader decides. Duplicate keys are kept: only the reader of a mapping knows which
//! rule they break.

use std::fmt;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

/// Caps on a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct YamlLimits {
    /// Bytes of text.
    pub bytes: usize,
    /// Nesting of sequences and mappings.
    pub depth: usize,
    /// Keys and values altogether.
    pub nodes: usize,
}

/// A stretch of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In characters; 0 for what is not on this line alone.
    pub width: usize,
}

/// A value and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: YamlValue,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum YamlValue {
    /// Text, as yet of no type.
    Scalar {
        /// Unquoted and unfolded.
        text: String,
        /// Whether it was written in quotes or as a block, so that `"null"` is not nothing.
        quoted: bool,
        /// Whether the text stands in the file letter by letter, so that a column within it is one of the file.
        verbatim: bool,
    },
    /// `[a, b]`, or lines that start with a dash.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file, duplicates included.
    Mapping(Vec<(Key, Node)>),
}

/// The key of a mapping's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Where it stands.
    pub span: Span,
    /// Unquoted.
    pub text: String,
}

/// Why a text is not a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YamlError {
    /// Where.
    pub span: Span,
    /// Lower case, one line.
    pub message: String,
}

/// Parses one document; an empty one is an empty plain scalar.
///
/// # Errors
/// The first thing that is not YAML, not in the subset, or past a limit.
pub(crate) fn parse(text: &str, limits: &YamlLimits) -> Result<Node, YamlError> {
    if text.len() > limits.bytes {
        return Err(YamlError::new(Span::START, format!("the file is longer than {} bytes", limits.bytes)));
    }
    let mut builder = Builder { limits, nodes: 0, open: Vec::new(), root: None };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, at) = event.map_err(|error| not_yaml(text, &error))?;
        let multiline = at.end.line() != at.start.line();
        let span = Span { width: if multiline { 0 } else { at.len() }, ..Span::at(at.start) };
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(YamlError::new(span, "expected one document, found a second one (---)".into()));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                refuse_marks(span, anchor, tag.is_some())?;
                builder.scalar(span, text.into_owned(), style)?;
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_marks(span, anchor, tag.is_some())?;
                builder.open(Node { span, value: YamlValue::Sequence(Vec::new()) })?;
            }
            Event::MappingStart(anchor, tag) => {
                refuse_marks(span, anchor, tag.is_some())?;
                builder.open(Node { span, value: YamlValue::Mapping(Vec::new()) })?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(),
            Event::Alias(_) => refuse_marks(span, 1, false)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
    Ok(builder.root.unwrap_or(Node {
        span: Span::START,
        value: YamlValue::Scalar { text: String::new(), quoted: false, verbatim: false },
    }))
}

impl Span {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1, width: 0 };

    fn at(marker: Marker) -> Self {
        Self { line: marker.line().max(1), column: marker.col() + 1, width: 0 }
    }
}

impl Node {
    /// What it is, for messages: "text", "nothing", "a list", "a mapping".
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            YamlValue::Scalar { .. } if self.is_null() => "nothing",
            YamlValue::Scalar { .. } => "text",
            YamlValue::Sequence(_) => "a list",
            YamlValue::Mapping(_) => "a mapping",
        }
    }

    /// Whether nothing was written, or `null` in one of YAML's spellings.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, YamlValue::Scalar { text, quoted: false, .. }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar that is not null.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            YamlValue::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// Where the character at `column` (from 1) of a scalar's text stands; `None` where the file writes it otherwise.
    pub(crate) fn within(&self, column: usize) -> Option<Span> {
        match &self.value {
            YamlValue::Scalar { quoted, verbatim: true, .. } => Some(Span {
                column: self.span.column + usize::from(*quoted) + column.saturating_sub(1),
                width: 0,
                ..self.span
            }),
            _ => None,
        }
    }
}

impl YamlError {
    fn new(span: Span, message: String) -> Self {
        Self { span, message }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.span.line, self.span.column, self.message)
    }
}

impl std::error::Error for YamlError {}

/// The tree while it grows: the sequences and mappings that are still open, each mapping with the key it waits to fill.
struct Builder<'a> {
    limits: &'a YamlLimits,
    nodes: usize,
    open: Vec<(Node, Option<Key>)>,
    root: Option<Node>,
}

impl Builder<'_> {
    fn scalar(&mut self, span: Span, text: String, style: ScalarStyle) -> Result<(), YamlError> {
        self.count(span)?;
        if let Some((Node { value: YamlValue::Mapping(_), .. }, key @ None)) = self.open.last_mut() {
            *key = Some(Key { span, text });
            return Ok(());
        }
        // The parser counts blanks and comments after a closing quote in, so it is the text that tells of escapes.
        let length = text.chars().count();
        let (verbatim, quotes) = match style {
            ScalarStyle::Plain => (span.width == length, 0),
            ScalarStyle::SingleQuoted => (span.width >= length + 2 && !text.contains('\''), 2),
            ScalarStyle::DoubleQuoted => (span.width >= length + 2 && !text.contains(['"', '\\', '\t', '\n']), 2),
            ScalarStyle::Literal | ScalarStyle::Folded => (false, 0),
        };
        let span = Span { width: if verbatim { length + quotes } else { 0 }, ..span };
        self.add(Node { span, value: YamlValue::Scalar { text, quoted: style != ScalarStyle::Plain, verbatim } });
        Ok(())
    }

    fn open(&mut self, node: Node) -> Result<(), YamlError> {
        self.count(node.span)?;
        if self.open.len() >= self.limits.depth {
            return Err(YamlError::new(node.span, format!("nested deeper than {} levels", self.limits.depth)));
        }
        if let Some((Node { value: YamlValue::Mapping(_), .. }, None)) = self.open.last() {
            let message = match node.value {
                YamlValue::Mapping(_) => "expected a key, found a mapping; text with braces must be quoted",
                _ => "expected a key, found a list",
            };
            return Err(YamlError::new(node.span, message.into()));
        }
        self.open.push((node, None));
        Ok(())
    }

    fn close(&mut self) {
        if let Some((node, _)) = self.open.pop() {
            self.add(node);
        }
    }

    /// Puts a whole node where it belongs.
    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((Node { value: YamlValue::Sequence(items), .. }, _)) => items.push(node),
            Some((Node { value: YamlValue::Mapping(entries), .. }, key)) => {
                if let Some(key) = key.take() {
                    entries.push((key, node));
                }
            }
            // Only sequences and mappings are opened.
            Some((Node { value: YamlValue::Scalar { .. }, .. }, _)) => {}
        }
    }

    fn count(&mut self, span: Span) -> Result<(), YamlError> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(YamlError::new(span, format!("more than {} keys and values", self.limits.nodes)));
        }
        Ok(())
    }
}

fn refuse_marks(span: Span, anchor: usize, tag: bool) -> Result<(), YamlError> {
    let message = if anchor != 0 {
        "anchors and aliases (&, *) are refused: a short file of them can stand for an endless one; write the value out"
    } else if tag {
        "tags (!) are refused: the type of every value is known; text that starts with ! must be quoted"
    } else {
        return Ok(());
    };
    Err(YamlError::new(span, message.into()))
}

/// The parser's own words, and the quotes that are missing where those are the likely reason.
fn not_yaml(text: &str, error: &ScanError) -> YamlError {
    let mut span = Span::at(*error.marker());
    let line = match text.lines().nth(span.line - 1) {
        Some(line) => line,
        // The end of the file is past its last line: what is missing is missing there.
        None => {
            let (number, last) =
                text.lines().enumerate().filter(|(_, line)| !line.is_empty()).last().unwrap_or_default();
            span = Span { line: number + 1, column: last.chars().count() + 1, width: 0 };
            last
        }
    };
    let hint = if line.split(['[', ',', ' ', ']']).any(|word| word == "*") {
        r#"; a lone * must be quoted: "*""#
    } else if error.info().contains("mapping values") {
        "; text with a colon and a space must be quoted"
    } else {
        ""
    };
    let info: String = error.info().chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    YamlError::new(span, format!("not YAML: {info}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: YamlLimits = YamlLimits { bytes: 1_000, depth: 4, nodes: 20 };

    /// `line:column+width` before each key and value; `|` marks text that stands in the file letter by letter.
    fn show(node: &Node) -> String {
        let Span { line, column, width } = node.span;
        let value = match &node.value {
            YamlValue::Scalar { text, quoted, verbatim } => {
                let mark = if *verbatim { "|" } else { "" };
                if *quoted { format!("{mark}{text:?}") } else { format!("{mark}{text}") }
            }
            YamlValue::Sequence(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
            YamlValue::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| {
                    format!("{}:{}+{} {} = {}", key.span.line, key.span.column, key.span.width, key.text, show(value))
                });
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        };
        format!("{line}:{column}+{width} {value}")
    }

    #[test]
    fn parses() {
        for (text, tree) in [
            ("", "1:1+0 "),
            ("# only a comment\n", "1:1+0 "),
            ("a: b", "1:1+0 {1:1+1 a = 1:4+1 |b}"),
            ("---\na:\n", "2:1+0 {2:1+1 a = 2:2+0 |}"),
            ("a:  'b c'  # d", "1:1+0 {1:1+1 a = 1:5+5 |\"b c\"}"),
            ("a: 'b'\nc: \"d\"", "1:1+0 {1:1+1 a = 1:4+3 |\"b\", 2:1+1 c = 2:4+3 |\"d\"}"),
            ("a: \"b\\tc\"", "1:1+0 {1:1+1 a = 1:4+0 \"b\\tc\"}"),
            ("a: b  \n", "1:1+0 {1:1+1 a = 1:4+1 |b}"),
            ("é: ü x", "1:1+0 {1:1+1 é = 1:4+3 |ü x}"),
            (
                "a:\n- b\n- c: d\n  e: f\n",
                "1:1+0 {1:1+1 a = 2:3+0 [2:3+1 |b 3:3+0 {3:3+1 c = 3:6+1 |d, 4:3+1 e = 4:6+1 |f}]}",
            ),
            ("a: [b, \"*\"]", "1:1+0 {1:1+1 a = 1:4+1 [1:5+1 |b 1:8+3 |\"*\"]}"),
            ("[[[[a]]]]", "1:1+1 [1:2+1 [1:3+1 [1:4+1 [1:5+1 |a]]]]"),
            ("a: {b: c}\na: d", "1:1+0 {1:1+1 a = 1:4+1 {1:5+1 b = 1:8+1 |c}, 2:1+1 a = 2:4+1 |d}"),
            ("a: |\n  b\n  c\n", "1:1+0 {1:1+1 a = 2:3+0 \"b\\nc\\n\"}"),
            ("a: b\n  c\n", "1:1+0 {1:1+1 a = 1:4+0 b c}"),
        ] {
            assert_eq!(parse(text, &LIMITS).map(|node| show(&node)), Ok(tree.to_owned()), "{text}");
        }
    }

    #[test]
    fn refuses() {
        let anchor = "anchors and aliases (&, *) are refused: a short file of them can stand for an endless one; \
                      write the value out";
        let alias = "not YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character; \
                     a lone * must be quoted: \"*\"";
        let tag = "tags (!) are refused: the type of every value is known; text that starts with ! must be quoted";
        for (text, error) in [
            ("a: &b c", format!("1:4: {anchor}")),
            ("a: &b {c: d}", format!("1:4: {anchor}")),
            ("a: &b [c]\nd: *b", format!("1:4: {anchor}")),
            ("a: !!str b", format!("1:4: {tag}")),
            ("a: !x [b]", format!("1:4: {tag}")),
            ("a: b\n---\nc: d", "2:1: expected one document, found a second one (---)".into()),
            ("a: [*]", format!("1:5: {alias}")),
            ("- *\n", format!("1:3: {alias}")),
            ("a: b: c", "1:5: not YAML: mapping values are not allowed in this context; text with a colon and a space must be quoted".into()),
            ("a:\n\tb: c", "2:2: not YAML: tabs disallowed within this context (block indentation)".into()),
            ("a: [b\n\n", "1:6: not YAML: while parsing a flow sequence, expected ',' or ']'".into()),
            ("a: \"b", "1:4: not YAML: while scanning a quoted scalar, found unexpected end of stream".into()),
            ("a: b\nc", "2:2: not YAML: simple key expected".into()),
            ("{{ .Values.x }}: b", "1:1: expected a key, found a mapping; text with braces must be quoted".into()),
            ("? [a]\n: b", "1:3: expected a key, found a list".into()),
            ("[[[[[a]]]]]", "1:5: nested deeper than 4 levels".into()),
            ("[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9]", "1:40: more than 20 keys and values".into()),
            (&"#".repeat(1_001), "1:1: the file is longer than 1000 bytes".into()),
        ] {
            assert_eq!(parse(text, &LIMITS).map_err(|error| error.to_string()), Err(error), "{text}");
        }
    }
}

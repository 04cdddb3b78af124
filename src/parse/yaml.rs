//! YAML as a small tree with positions, built from the events of saphyr-parser.
//!
//! It accepts a subset of YAML 1.2: one document, plain keys, no anchors, aliases or tags. Scalars remain text, so that
//! `no`, `1e3` and `0x10` are not converted; the consumer decides on their types. Duplicate keys are kept, so that the
//! consumer of a mapping can report them.

mod from_json;
pub(crate) mod page;

use std::fmt;
use std::hash::{Hash, Hasher};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

/// Limits on a document.
#[derive(Clone, Copy, Debug)]
pub struct YamlLimits {
    /// The length of the text in bytes.
    pub bytes: usize,
    /// Nesting of sequences and mappings.
    pub depth: usize,
    /// The total number of keys and values.
    pub nodes: usize,
}

/// A range within one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In characters; 0 for a node that spans lines or is not verbatim.
    pub width: usize,
}

/// A value and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub span: Span,
    pub value: YamlValue,
}

/// Hashes the content, not the position.
impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

/// The content of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum YamlValue {
    /// Text without a type yet.
    Scalar {
        /// Without quotes, escapes and folding.
        text: String,
        /// Whether it was quoted or a block scalar, so that `"null"` is not null.
        quoted: bool,
        /// Whether the text is in the file character by character, so that a column of the text is a column of the
        /// file.
        verbatim: bool,
    },
    /// `[a, b]`, or lines that start with a dash.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file, including duplicates.
    Mapping(Vec<(Key, Node)>),
}

/// The key of an entry in a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub span: Span,
    /// Without quotes.
    pub text: String,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// Why a text is not a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    pub span: Span,
    pub kind: YamlErrorKind,
    /// Lower case, one line.
    pub message: String,
}

/// The kind of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YamlErrorKind {
    /// The text is not YAML.
    Syntax,
    /// The text has several documents.
    Documents,
    /// The text has anchors, aliases or tags.
    Marks,
    /// The text exceeds a limit.
    Limit,
}

/// Parses one document; an empty document is an empty plain scalar.
///
/// # Errors
/// The first part that is not YAML, is outside the subset, or exceeds a limit.
pub fn parse(text: &str, limits: &YamlLimits) -> Result<Node, YamlError> {
    if text.len() > limits.bytes {
        return Err(YamlError::limit(Span::START, format!("the file is longer than {} bytes", limits.bytes)));
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
                    let message = "expected one document, found a second one (---)".into();
                    return Err(YamlError { span, kind: YamlErrorKind::Documents, message });
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
    /// The type of a value for messages: "text", "nothing", "a list", "a mapping".
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            YamlValue::Scalar { .. } if self.is_null() => "nothing",
            YamlValue::Scalar { .. } => "text",
            YamlValue::Sequence(_) => "a list",
            YamlValue::Mapping(_) => "a mapping",
        }
    }

    /// Whether the value is empty, or `null` in one of YAML's spellings.
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

    /// The value at these nested keys; `None` if it is absent or null.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        let found = path.iter().try_fold(self, |node, key| match &node.value {
            YamlValue::Mapping(entries) => entries.iter().find(|(found, _)| found.text == *key).map(|(_, value)| value),
            _ => None,
        });
        found.filter(|node| !node.is_null())
    }

    /// The text at these nested keys.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).and_then(Self::text)
    }

    /// The list at these nested keys; empty if there is none.
    pub(crate) fn items_at(&self, path: &[&str]) -> &[Self] {
        match self.at(path).map(|node| &node.value) {
            Some(YamlValue::Sequence(items)) => items,
            _ => &[],
        }
    }

    /// The position of the character at `column` (from 1) of a scalar's text; `None` if the text is not verbatim.
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
    fn syntax(span: Span, message: String) -> Self {
        Self { span, kind: YamlErrorKind::Syntax, message }
    }

    fn limit(span: Span, message: String) -> Self {
        Self { span, kind: YamlErrorKind::Limit, message }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.span.line, self.span.column, self.message)
    }
}

impl std::error::Error for YamlError {}

/// The tree under construction: the open sequences and mappings, each mapping with the key whose value comes next.
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
        // The parser includes spaces and comments after a closing quote, so escapes are detected by their characters.
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
            return Err(YamlError::limit(node.span, format!("nested deeper than {} levels", self.limits.depth)));
        }
        if let Some((Node { value: YamlValue::Mapping(_), .. }, None)) = self.open.last() {
            let message = match node.value {
                YamlValue::Mapping(_) => "expected a key, found a mapping; text with braces must be quoted",
                _ => "expected a key, found a list",
            };
            return Err(YamlError::syntax(node.span, message.into()));
        }
        self.open.push((node, None));
        Ok(())
    }

    fn close(&mut self) {
        if let Some((mut node, _)) = self.open.pop() {
            // Most lists are short, and their spare capacity takes more memory than their items.
            match &mut node.value {
                YamlValue::Sequence(items) => items.shrink_to_fit(),
                YamlValue::Mapping(entries) => entries.shrink_to_fit(),
                YamlValue::Scalar { .. } => {}
            }
            self.add(node);
        }
    }

    /// Adds a complete node to its parent.
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
            return Err(YamlError::limit(span, format!("more than {} keys and values", self.limits.nodes)));
        }
        Ok(())
    }
}

fn refuse_marks(span: Span, anchor: usize, tag: bool) -> Result<(), YamlError> {
    let message = if anchor != 0 {
        "anchors and aliases (&, *) are not supported, because a short file could expand without limit; repeat the value"
    } else if tag {
        "tags (!) are not supported; text that starts with ! must be quoted"
    } else {
        return Ok(());
    };
    Err(YamlError { span, kind: YamlErrorKind::Marks, message: message.into() })
}

/// The parser's message, with a hint at missing quotes where they are the likely cause.
fn not_yaml(text: &str, error: &ScanError) -> YamlError {
    let mut span = Span::at(*error.marker());
    let line = match text.lines().nth(span.line - 1) {
        Some(line) => line,
        // The end of the file is after its last line; the error is at the end of that line.
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
    } else if error.info().contains("escape") {
        "; text with backslashes belongs in single quotes"
    } else {
        ""
    };
    let info: String = error.info().chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    YamlError::syntax(span, format!("not YAML: {info}{hint}"))
}

#[cfg(test)]
mod tests;

//! Reads one mapping of the file, key by key; problems go into a [`Sink`].

use std::path::PathBuf;
use std::time::Duration;

use super::suggest;
use crate::config::check::Finding;
use crate::config::problem::{Part, Problem, Severity};
use crate::parse::duration;
use crate::parse::escape::Escaped;
use crate::parse::quantity;
use crate::parse::yaml::{Key, Node, Span, YamlValue};

const MEBIBYTE: u64 = 1024 * 1024;

/// The problems of one part of the file.
#[derive(Debug)]
pub(crate) struct Sink {
    part: Part,
    problems: Vec<Problem>,
    repeated: Option<Problem>,
}

impl Sink {
    pub(crate) fn new(part: Part) -> Self {
        Self { part, problems: Vec::new(), repeated: None }
    }

    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.push(span, Severity::Error, message.into());
    }

    pub(crate) fn warning(&mut self, span: Span, message: impl Into<String>) {
        self.push(span, Severity::Warning, message.into());
    }

    /// The first error in the file.
    pub(crate) fn first_error(&self) -> Option<&Problem> {
        let own = self.problems.iter().filter(|problem| problem.is_error()).min_by_key(|problem| problem.span);
        own.or(self.repeated.as_ref())
    }

    /// Adds the problems of another sink.
    pub(crate) fn extend(&mut self, other: Self) {
        self.problems.extend(other.problems);
    }

    /// Records a problem that is already reported elsewhere: it counts as the first error here, and is not reported again.
    pub(crate) fn repeat(&mut self, problem: &Problem) {
        self.repeated = Some(problem.clone());
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Reports a problem once, however many kinds of object it concerns.
    fn push(&mut self, span: Span, severity: Severity, message: String) {
        let problem = Problem { span, severity, part: self.part.clone(), message };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// A mapping with a fixed set of keys. Readers return `None` for a key that is absent or invalid, and report the latter.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    home: Span,
    entries: Vec<(&'a Key, &'a Node)>,
    wrong: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Opens a mapping; `what` is its name in messages, `home` the position for messages about missing keys.
    pub(crate) fn open(node: &'a Node, home: Span, what: &str, known: &[&str], sink: &mut Sink) -> Option<Self> {
        let YamlValue::Mapping(pairs) = &node.value else {
            sink.error(node.span, format!("{what}: expected a mapping, found {}", node.kind()));
            return None;
        };
        let mut entries: Vec<(&Key, &Node)> = Vec::new();
        for (key, value) in pairs {
            if !known.contains(&key.text.as_str()) {
                let hint = match suggest::hint(&key.text, known.iter().copied()) {
                    none if none.is_empty() && known.len() <= 4 => format!("; known are {}", known.join(", ")),
                    hint => hint,
                };
                sink.error(key.span, format!("{what}: unknown key {}{hint}", Escaped::new(&key.text)));
            } else if let Some((first, _)) = entries.iter().find(|(first, _)| first.text == key.text) {
                let line = first.span.line;
                sink.error(key.span, format!("{what}: the key {} is already on line {line}", key.text));
            } else {
                entries.push((key, value));
            }
        }
        Some(Self { home, entries, wrong: Vec::new() })
    }

    /// The position of the mapping itself.
    pub(crate) fn home(&self) -> Span {
        self.home
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(found, _)| found.text == key).map(|(_, value)| *value)
    }

    /// The position of a key's value, or of the mapping without the key.
    pub(crate) fn span(&self, key: &str) -> Span {
        self.entries.iter().find(|(found, _)| found.text == key).map_or(self.home, |(found, value)| {
            // For a value of several lines, or none, the message shows the key.
            if value.span.width == 0 { found.span } else { value.span }
        })
    }

    /// An error about a key's value.
    pub(crate) fn fail(&mut self, key: &'static str, message: &str, sink: &mut Sink) {
        self.fail_at(key, self.span(key), message, sink);
    }

    /// An error about a position within a key's value.
    pub(crate) fn fail_at(&mut self, key: &'static str, span: Span, message: &str, sink: &mut Sink) {
        self.wrong.push(key);
        sink.error(span, format!("{key}: {message}"));
    }

    /// Reports the findings of the cross-checks, except those about a key that could not be read.
    pub(crate) fn report(&self, findings: Vec<Finding>, sink: &mut Sink) {
        for Finding { key, severity, message } in findings {
            if !self.wrong.contains(&key) {
                sink.push(self.span(key), severity, format!("{key}: {message}"));
            }
        }
    }

    pub(crate) fn require(&mut self, key: &'static str, sink: &mut Sink) -> Option<&'a Node> {
        let node = self.get(key);
        if node.is_none() {
            self.fail(key, "required", sink);
        }
        node
    }

    pub(crate) fn text(&mut self, key: &'static str, sink: &mut Sink) -> Option<&'a str> {
        let node = self.get(key)?;
        let text = node.text();
        if text.is_none() {
            let quotes = if matches!(node.value, YamlValue::Mapping(_)) {
                "; text that starts with { must be quoted"
            } else {
                ""
            };
            self.fail(key, &format!("expected text, found {}{quotes}", node.kind()), sink);
        }
        text
    }

    pub(crate) fn required_text(&mut self, key: &'static str, sink: &mut Sink) -> Option<&'a str> {
        self.require(key, sink)?;
        self.text(key, sink)
    }

    /// A text that is not empty and contains no control characters, such as a file's name.
    pub(crate) fn line(&mut self, key: &'static str, sink: &mut Sink) -> Option<&'a str> {
        let text = self.text(key, sink)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            self.fail(key, &format!("expected one line of text, found {}", Escaped::new(text)), sink);
            return None;
        }
        Some(text)
    }

    pub(crate) fn path(&mut self, key: &'static str, sink: &mut Sink) -> Option<PathBuf> {
        self.line(key, sink).map(PathBuf::from)
    }

    /// A duration from more than 0 (or 0 itself if `zero`) to `max`.
    pub(crate) fn duration(
        &mut self,
        key: &'static str,
        zero: bool,
        max: Duration,
        sink: &mut Sink,
    ) -> Option<Duration> {
        let text = self.text(key, sink)?;
        match length(text, zero, max) {
            Ok(duration) => Some(duration),
            Err(message) => {
                self.fail(key, &message, sink);
                None
            }
        }
    }

    /// A number of bytes from 1 to `max`, as a quantity: `64Mi`.
    pub(crate) fn bytes(&mut self, key: &'static str, max: u64, sink: &mut Sink) -> Option<u64> {
        let text = self.text(key, sink)?;
        let bytes = quantity::parse(text).ok().filter(|bytes| bytes.fract() == 0.0);
        match bytes.filter(|bytes| (1.0..=max as f64).contains(bytes)) {
            Some(bytes) => Some(bytes as u64),
            None => {
                let (most, found) = (max / MEBIBYTE, Escaped::new(text));
                self.fail(key, &format!("expected a number of bytes from 1 to {most}Mi, found {found}"), sink);
                None
            }
        }
    }

    pub(crate) fn boolean(&mut self, key: &'static str, sink: &mut Sink) -> Option<bool> {
        let node = self.get(key)?;
        match &node.value {
            YamlValue::Scalar { text, quoted: false, .. } if text == "true" => Some(true),
            YamlValue::Scalar { text, quoted: false, .. } if text == "false" => Some(false),
            YamlValue::Scalar { text, .. } => {
                self.fail(key, &format!("expected true or false, found {}", Escaped::new(text)), sink);
                None
            }
            _ => {
                self.fail(key, &format!("expected true or false, found {}", node.kind()), sink);
                None
            }
        }
    }

    /// One of several words.
    pub(crate) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)], sink: &mut Sink) -> Option<T> {
        let text = self.text(key, sink)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let expected = match known.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                _ => known.concat(),
            };
            self.fail(key, &format!("expected {expected}, found {}", Escaped::new(text)), sink);
        }
        found
    }
}

/// Parses a duration from more than 0 (or 0 itself if `zero`) to `max`.
pub(crate) fn length(text: &str, zero: bool, max: Duration) -> Result<Duration, String> {
    let duration = duration::parse(text).map_err(|error| error.to_string())?;
    if duration.is_zero() && !zero {
        return Err("expected more than 0".into());
    }
    if duration > max {
        return Err(format!("expected at most {}, found {}", duration::format(max), Escaped::new(text)));
    }
    Ok(duration)
}

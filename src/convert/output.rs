//! The configuration in the output: sources and rules as text, parsed again before they are printed.

use super::diagnostics::{Diagnostics, Position};
use crate::config::file;
use crate::config::limits::Limits;
use crate::config::problem::Severity;
use crate::kube::yaml::scalar;

/// The sources and rules so far.
#[derive(Debug, Default)]
pub(super) struct Output {
    sources: Vec<SourceText>,
    rules: Vec<RuleText>,
}

/// A source: its name and lines.
#[derive(Debug, PartialEq, Eq)]
struct SourceText {
    name: String,
    lines: Vec<String>,
}

/// A rule: its name and lines.
#[derive(Debug)]
pub(super) struct RuleText {
    /// The position of its origin in the input.
    pub(super) position: Position,
    /// The name of its source.
    pub(super) source: String,
    pub(super) name: String,
    /// A comment about its origin.
    pub(super) comment: String,
    pub(super) lines: Vec<String>,
}

/// `key: text`
pub(super) fn line(key: &str, text: &str) -> String {
    format!("{key}: {}", scalar(text))
}

/// A text within braces or brackets, where commas and brackets need quotes.
pub(super) fn flow(text: &str) -> String {
    let written = scalar(text);
    match written.starts_with(['\'', '"']) || !text.contains(['[', ']', '{', '}', ',']) {
        true => written,
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

/// `key: [text, text]`
pub(super) fn list(key: &str, texts: &[String]) -> String {
    format!("{key}: [{}]", texts.iter().map(|text| flow(text)).collect::<Vec<_>>().join(", "))
}

impl Output {
    /// The name of the source with these lines: `name`, with a number appended if another source has that name.
    pub(super) fn source(&mut self, name: &str, lines: Vec<String>) -> String {
        if let Some(same) = self.sources.iter().find(|source| source.lines == lines) {
            return same.name.clone();
        }
        let is_taken = |name: &str| self.sources.iter().any(|source| source.name == name);
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !is_taken(name)).unwrap_or_default();
        self.sources.push(SourceText { name: free.clone(), lines });
        free
    }

    pub(super) fn rule(&mut self, rule: RuleText) {
        self.rules.push(rule);
    }

    /// Adds a rule under the first of these names that is free, or reuses an identical rule; returns its name.
    pub(super) fn named(&mut self, names: &[String], rule: RuleText) -> String {
        let is_same = |other: &&RuleText| other.lines == rule.lines && names.contains(&other.name);
        if let Some(same) = self.rules.iter().find(is_same) {
            return same.name.clone();
        }
        let is_free = |name: &&String| !self.rules.iter().any(|other| other.name.eq_ignore_ascii_case(name));
        let numbered = (2..).map(|number| format!("{}-{number}", names.last().map_or("", String::as_str)));
        let name = names.iter().find(is_free).cloned();
        let name = name.or_else(|| numbered.into_iter().find(|name| is_free(&name))).unwrap_or_default();
        self.rules.push(RuleText { name: name.clone(), ..rule });
        name
    }

    /// Whether the output contains a rule of this name.
    pub(super) fn has_rule(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.name == name)
    }

    /// The complete text without invalid rules, which become diagnostics.
    pub(super) fn finish(&mut self, from: &str, limits: &Limits, diagnostics: &mut Diagnostics) -> String {
        loop {
            self.sources.retain(|source| self.rules.iter().any(|rule| rule.source == source.name));
            if self.rules.is_empty() {
                return String::new();
            }
            let (text, starts) = self.text(from);
            let loaded = file::load(text.as_bytes(), limits);
            let mut refused: Vec<(usize, String)> = Vec::new();
            for problem in loaded.problems.into_iter().filter(|problem| problem.severity == Severity::Error) {
                let part = starts.iter().rposition(|start| *start <= problem.span.line).unwrap_or_default();
                match part.checked_sub(self.sources.len()) {
                    Some(rule) => refused.push((rule, problem.message)),
                    // The error is in a source, so all rules on that source are invalid.
                    None => {
                        let name = self.sources.get(part).map(|source| source.name.as_str());
                        let users = self.rules.iter().enumerate().filter(|(_, rule)| Some(&*rule.source) == name);
                        refused.extend(users.map(|(index, _)| (index, problem.message.clone())));
                    }
                }
            }
            if refused.is_empty() {
                return text;
            }
            for (index, message) in &refused {
                if let Some(rule) = self.rules.get(*index) {
                    let name = scalar(&rule.name);
                    diagnostics
                        .error(rule.position, format!("metric {name}: the converted rule would be invalid: {message}"));
                }
            }
            let mut index = 0;
            self.rules.retain(|_| {
                index += 1;
                refused.iter().all(|(refused, _)| refused + 1 != index)
            });
        }
    }

    /// The text, and the line of each source and of each rule.
    fn text(&self, from: &str) -> (String, Vec<usize>) {
        let mut lines = vec![format!("# Converted from {from} by metriclet convert.")];
        let mut starts = Vec::new();
        lines.push("sources:".to_owned());
        for source in &self.sources {
            starts.push(lines.len() + 1);
            lines.push(format!("  {}:", scalar(&source.name)));
            lines.extend(source.lines.iter().map(|line| format!("    {line}")));
        }
        lines.push("metrics:".to_owned());
        for rule in &self.rules {
            starts.push(lines.len() + 1);
            lines.push(format!("  # {}", rule.comment.replace(char::is_control, " ")));
            lines.push(format!("  - {}", line("name", &rule.name)));
            lines.extend(rule.lines.iter().map(|line| format!("    {line}")));
        }
        (lines.join("\n") + "\n", starts)
    }
}

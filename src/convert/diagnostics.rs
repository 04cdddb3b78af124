//! Diagnostics about the input files.

use crate::config::problem::{Part, Problem, Severity};
use crate::parse::yaml::Span;

/// A diagnostic about a position in an input file: an error if that part was not converted, otherwise a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The index of the file.
    pub input: usize,
    pub problem: Problem,
}

/// A position in an input file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) input: usize,
    pub(super) span: Span,
}

/// Diagnostics in the order of discovery.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    diagnostics: Vec<Diagnostic>,
}

impl Position {
    /// A position in a document that starts after this many lines of its file.
    pub(super) fn new(input: usize, before: usize, span: Span) -> Self {
        Self { input, span: Span { line: span.line + before, ..span } }
    }
}

impl Diagnostics {
    /// Reports a part that is not converted.
    pub(super) fn error(&mut self, position: Position, message: impl Into<String>) {
        self.push(position, Severity::Error, message.into());
    }

    /// Reports a part that is converted with a difference.
    pub(super) fn warning(&mut self, position: Position, message: impl Into<String>) {
        self.push(position, Severity::Warning, message.into());
    }

    pub(super) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| (diagnostic.input, diagnostic.problem.span));
        self.diagnostics
    }

    fn push(&mut self, Position { input, span }: Position, severity: Severity, message: String) {
        let diagnostic = Diagnostic { input, problem: Problem { span, severity, part: Part::File, message } };
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }
}

//! Remarks about the input files.

use crate::config::problem::{Part, Problem, Severity};
use crate::parse::yaml::Span;

/// A remark about a position in an input file: an error if that part was not converted, otherwise a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The index of the file.
    pub input: usize,
    pub problem: Problem,
}

/// A position in an input file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) input: usize,
    pub(super) span: Span,
}

/// Remarks in the order of discovery.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    remarks: Vec<Remark>,
}

impl Place {
    /// A position in a document that starts after this many lines of its file.
    pub(super) fn new(input: usize, before: usize, span: Span) -> Self {
        Self { input, span: Span { line: span.line + before, ..span } }
    }
}

impl Remarks {
    /// Reports a part that is not converted.
    pub(super) fn error(&mut self, place: Place, message: impl Into<String>) {
        self.push(place, Severity::Error, message.into());
    }

    /// Reports a part that is converted with a difference.
    pub(super) fn warning(&mut self, place: Place, message: impl Into<String>) {
        self.push(place, Severity::Warning, message.into());
    }

    pub(super) fn into_sorted(mut self) -> Vec<Remark> {
        self.remarks.sort_by_key(|remark| (remark.input, remark.problem.span));
        self.remarks
    }

    fn push(&mut self, Place { input, span }: Place, severity: Severity, message: String) {
        let remark = Remark { input, problem: Problem { span, severity, part: Part::File, message } };
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }
}

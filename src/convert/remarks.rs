//! What is said about the files that were given.

use crate::config::problem::{Part, Problem, Severity};
use crate::parse::yaml::Span;

/// Something about a place in one of the files: an error, if that was not converted, or a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Which file, in the order they were given.
    pub input: usize,
    pub problem: Problem,
}

/// A place in one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) input: usize,
    pub(super) span: Span,
}

/// Remarks, in the order they are found.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    remarks: Vec<Remark>,
}

impl Place {
    /// In a document that stands behind so many lines of its file.
    pub(super) fn new(input: usize, before: usize, span: Span) -> Self {
        Self { input, span: Span { line: span.line + before, ..span } }
    }
}

impl Remarks {
    /// Something is not converted.
    pub(super) fn error(&mut self, place: Place, message: impl Into<String>) {
        self.push(place, Severity::Error, message.into());
    }

    /// Something is converted, and differs.
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

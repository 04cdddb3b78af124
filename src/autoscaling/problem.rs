//! Missing and invalid fields of an HPA.

use crate::parse::yaml::Span;

/// A missing or invalid field, and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HpaProblem {
    pub span: Span,
    pub expected: String,
}

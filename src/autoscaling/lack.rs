//! What an HPA does not say, or not as it has to.

use crate::parse::yaml::Span;

/// What an HPA lacks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HpaLack {
    pub span: Span,
    pub expected: String,
}

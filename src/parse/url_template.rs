//! URLs with placeholders.

/// A parsed URL template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {}

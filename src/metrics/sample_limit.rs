//! The limits on samples over time.

use std::fmt;

/// A bound that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SampleLimit {
    /// Series of one rule.
    Series(usize),
    /// Bytes of all rules together.
    Bytes(usize),
    /// Selections of objects.
    Selections(usize),
    /// Selections of objects of one namespace.
    OfNamespace(usize),
}

impl fmt::Display for SampleLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Series(most) => write!(f, "more than {most} series of a rule over time"),
            Self::Selections(most) => write!(f, "{most} other selections of objects are sampled already"),
            Self::OfNamespace(most) => write!(f, "{most} other selections of this namespace are sampled already"),
            Self::Bytes(most) => write!(f, "more than {} MiB of samples of all rules over time", most >> 20),
        }
    }
}

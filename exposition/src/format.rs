//! The formats, and the limits on their parts.

/// The two text formats, told apart by the Content-Type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`, and what everything else is taken for.
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

/// Caps on what a page may hold.
#[derive(Clone, Copy, Debug)]
pub struct ExpositionLimits {
    /// Bytes of one line that are read, its line feed not counted; of a longer one the metric's name and the labels therein.
    pub line: usize,
}

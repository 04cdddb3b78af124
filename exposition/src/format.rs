//! The formats, and limits on pages.

/// The two text formats, which differ in their Content-Type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`, and every other Content-Type.
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

/// Limits on a page.
#[derive(Clone, Copy, Debug)]
pub struct ExpositionLimits {
    /// The number of bytes of a line that are parsed, without the line feed; of a longer line, the metric's name and
    /// the complete labels within the limit.
    pub line: usize,
}

//! The sink that receives the samples of a page.

use super::family::Kind;
use super::labels::Labels;

/// A sample, borrowed from the page for the duration of one call.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The name as written, including its suffix: `http_requests_total`.
    pub name: &'a str,
    pub labels: Labels<'a>,
    /// The value, which may be NaN or infinite.
    pub value: f64,
    /// The timestamp, if the page contains one, in Unix milliseconds.
    pub timestamp: Option<i64>,
    /// The type of the sample's family.
    pub kind: Kind,
}

/// A receiver of samples.
pub trait Sink {
    /// Whether samples of this name are wanted; others are validated but not converted. The answer must depend on the name
    /// alone, because it is reused for the following lines with the same name. Not called for a line that is too long.
    fn wants(&mut self, name: &str) -> bool;

    /// Receives the name of a sample whose line exceeds the limit, and the complete labels within the limit. There may
    /// be more.
    fn too_long(&mut self, name: &str, labels: Labels<'_>);

    /// Receives a wanted sample. The page may still turn out to be malformed further down; then all its samples must be
    /// discarded.
    fn sample(&mut self, sample: &Sample<'_>);
}

/// Only validates a page.
impl Sink for () {
    fn wants(&mut self, _: &str) -> bool {
        false
    }

    fn too_long(&mut self, _: &str, _: Labels<'_>) {}

    fn sample(&mut self, _: &Sample<'_>) {}
}

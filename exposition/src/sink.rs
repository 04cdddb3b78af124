//! The sink that a page is read into, sample by sample.

use super::family::Kind;
use super::labels::Labels;

/// One sample, borrowed from the page; good for the one call it is passed to.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The name as written, suffix included: `http_requests_total`.
    pub name: &'a str,
    pub labels: Labels<'a>,
    /// Its value; NaN and the infinities are values too.
    pub value: f64,
    /// When it was taken, if the page says so: Unix time in milliseconds.
    pub timestamp: Option<i64>,
    /// The type of the family it belongs to.
    pub kind: Kind,
}

/// What a page is read into.
pub trait Sink {
    /// Whether samples of this name are wanted. Asked once for every sample; those refused are checked but not
    /// converted.
    fn wants(&mut self, name: &str) -> bool;

    /// Learns of a sample whose line is longer than is read: its name, and the labels that are whole in what is read. There
    /// may be more.
    fn too_long(&mut self, name: &str, labels: Labels<'_>);

    /// Takes one sample that was wanted. The page may still turn out to be malformed further down: then all are void.
    fn sample(&mut self, sample: &Sample<'_>);
}

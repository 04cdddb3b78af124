//! The memory budget of samples.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::metrics::sample_limit::SampleLimit;
use crate::promql::evaluate::Labels;
use crate::source::page::Unmatched;

/// The budget in bytes for the samples of all rules together.
#[derive(Debug)]
pub(crate) struct SampleBudget {
    most: usize,
    pub(super) taken: AtomicUsize,
}

/// Approximate sizes in bytes, including the overhead of maps and queues: of an object without series, a series without
/// its labels, a sample, and the time of a page.
pub(super) const OBJECT: usize = 344;
pub(super) const SERIES: usize = 104;
pub(super) const SAMPLE: usize = 16;
pub(super) const TIME: usize = 8;

/// The size of a series without its samples.
pub(super) fn cost(labels: &Labels) -> usize {
    SERIES + labels.bytes()
}

/// The size of selectors without series.
pub(super) fn bytes(unmatched: &[Unmatched]) -> usize {
    unmatched.iter().map(Unmatched::cost).sum()
}

impl SampleBudget {
    /// Creates a budget of this many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0) }
    }

    /// The bytes in use.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// The limit, for messages.
    pub(super) fn bound(&self) -> SampleLimit {
        SampleLimit::Bytes(self.most)
    }

    /// Reserves bytes; `false` if the budget does not allow it.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= self.most);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    pub(super) fn release(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

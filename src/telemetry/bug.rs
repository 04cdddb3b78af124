//! Catches panics in a unit of work, so that its thread continues.

use std::panic::{AssertUnwindSafe, catch_unwind};

use log::error;

use super::counters::Counters;

/// Runs `work`; returns `None` and counts a bug if it panics.
pub(crate) fn caught<T>(counters: &Counters, doing: &str, work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work))
        .inspect_err(|_| {
            counters.panics.increment();
            error!("a bug: panicked while {doing}; see the line above");
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_panics() {
        let counters = Counters::default();
        assert_eq!((caught(&counters, "testing", || 1), counters.panics.get()), (Some(1), 0));
        assert_eq!((caught::<u8>(&counters, "testing", || panic!("as it should")), counters.panics.get()), (None, 1));
    }
}

//! The memory budget for large pages that are held completely, shared by all sources.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A budget of bytes; callers wait until enough are available.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    bytes: u64,
    reserved: Mutex<u64>,
    released: Condvar,
}

/// Bytes that are reserved until this is dropped.
#[derive(Debug)]
pub(super) struct Reservation<'a> {
    budget: &'a MemoryBudget,
    bytes: u64,
}

impl MemoryBudget {
    pub(super) fn new(bytes: u64) -> Self {
        Self { bytes, reserved: Mutex::new(0), released: Condvar::new() }
    }

    /// Reserves bytes, or the whole budget if it is smaller; waits for them at most this long.
    pub(super) fn reserve(&self, bytes: u64, wait: Duration) -> Option<Reservation<'_>> {
        let bytes = bytes.min(self.bytes);
        let (mut reserved, _) = self
            .released
            .wait_timeout_while(self.lock(), wait, |reserved| *reserved + bytes > self.bytes)
            .unwrap_or_else(PoisonError::into_inner);
        if *reserved + bytes > self.bytes {
            return None;
        }
        *reserved += bytes;
        Some(Reservation { budget: self, bytes })
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        *self.budget.lock() -= self.bytes;
        self.budget.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn reserves_at_most_the_available_budget() {
        let budget = MemoryBudget::new(10);
        let first = budget.reserve(6, Duration::ZERO).unwrap();
        let second = budget.reserve(4, Duration::ZERO).unwrap();
        assert!(budget.reserve(1, Duration::ZERO).is_none());
        drop(second);
        assert!(budget.reserve(5, Duration::ZERO).is_none());
        assert!(budget.reserve(4, Duration::ZERO).is_some());
        drop(first);
        let all = budget.reserve(1_000, Duration::ZERO);
        assert!(all.is_some() && budget.reserve(1, Duration::ZERO).is_none());
    }

    #[test]
    fn waits_for_released_budget() {
        let budget = MemoryBudget::new(1);
        let first = budget.reserve(1, Duration::ZERO);
        thread::scope(|scope| {
            let second = scope.spawn(|| budget.reserve(1, Duration::from_secs(600)).is_some());
            drop(first);
            assert!(second.join().unwrap());
        });
    }
}

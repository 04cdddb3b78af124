//! The limit on the pods and bytes of all watches together.

use std::sync::{Arc, Mutex, PoisonError};

use crate::config::limits::WatchLimits;

/// The usage of all watches.
#[derive(Debug)]
pub(super) struct WatchBudget {
    most: Usage,
    used: Mutex<Usage>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    pods: usize,
    bytes: usize,
}

/// The share of one watch, which is released on drop.
#[derive(Debug)]
pub(super) struct WatchShare {
    of: Arc<WatchBudget>,
    own: Usage,
}

impl WatchBudget {
    pub(super) fn new(limits: &WatchLimits) -> Arc<Self> {
        let most = Usage { pods: limits.pods, bytes: limits.bytes };
        Arc::new(Self { most, used: Mutex::default() })
    }

    pub(super) fn share(self: &Arc<Self>) -> WatchShare {
        WatchShare { of: self.clone(), own: Usage::default() }
    }
}

impl WatchShare {
    /// Replaces the share if it fits into the budget; returns whether it does.
    pub(super) fn take(&mut self, pods: usize, bytes: usize) -> bool {
        let mut used = self.of.used.lock().unwrap_or_else(PoisonError::into_inner);
        let new = Usage { pods: used.pods - self.own.pods + pods, bytes: used.bytes - self.own.bytes + bytes };
        let fits = new.pods <= self.of.most.pods && new.bytes <= self.of.most.bytes;
        if fits {
            (*used, self.own) = (new, Usage { pods, bytes });
        }
        fits
    }

    /// The maximum number of pods that this watch may have at present.
    pub(super) fn free_pods(&self) -> usize {
        let used = self.of.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.of.most.pods.saturating_sub(used.pods - self.own.pods)
    }
}

impl Drop for WatchShare {
    fn drop(&mut self) {
        self.take(0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shared_and_released() {
        let budget = WatchBudget::new(&WatchLimits { pods: 10, bytes: 100, ..WatchLimits::default() });
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.take(6, 60) && other.take(4, 40));
        assert_eq!((one.free_pods(), other.free_pods()), (6, 4));
        assert!(!one.take(7, 60) && !one.take(6, 61));
        assert_eq!(other.free_pods(), 4, "what does not fit is not counted");
        assert!(other.take(4, 40) && one.take(6, 60));
        drop(other);
        assert_eq!(one.free_pods(), 10);
        assert!(one.take(10, 100));
    }
}

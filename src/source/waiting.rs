//! What a request waits for, and how long it may.

use std::time::Instant;

use crate::cache::Wait;
use crate::parse::path::Group;

/// What a request waits for. Requests that wait for the same share a bounded part of the blocking workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// A source, by its index in the configuration.
    Source(usize),
    /// Lists of objects from the Kubernetes API.
    KubernetesLists,
    /// SubjectAccessReviews for the users of front proxies.
    FrontProxyReviews,
    /// TokenReviews and SubjectAccessReviews for direct clients. Any client that can connect causes them, so they are
    /// kept apart from those for front proxies.
    DirectReviews,
    /// The status page, of which one is made at a time.
    Status,
    /// Another adapter of this group.
    Forwarded(Group),
}

/// What a request may wait for, and until when.
///
/// A request waits for one at a time, so that a slow source takes no more than its own part of the workers: one that
/// has waited for a review and then needs a page goes back to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    until: Option<Instant>,
    /// One bit for each kind of [`Waiting`]; a request needs at most one source.
    kinds: u8,
}

impl Patience {
    /// Answers from memory only.
    pub const NONE: Self = Self { until: None, kinds: 0 };

    /// Waits for anything until `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self { until: Some(deadline), kinds: u8::MAX }
    }

    /// Waits until `deadline`, but not yet for anything.
    pub fn by(deadline: Instant) -> Self {
        Self { until: Some(deadline), kinds: 0 }
    }

    /// Also waits for this.
    #[must_use]
    pub fn with(self, waiting: Waiting) -> Self {
        Self { kinds: self.kinds | waiting.bit(), ..self }
    }

    /// Whether it may wait for this.
    pub fn includes(self, waiting: Waiting) -> bool {
        self.until.is_some() && self.kinds & waiting.bit() != 0
    }

    /// How long to wait for this.
    pub fn wait_for(self, waiting: Waiting) -> Wait {
        match self.until {
            Some(deadline) if self.includes(waiting) => Wait::Until(deadline),
            _ => Wait::No,
        }
    }
}

impl Waiting {
    /// How many workers requests may occupy for it, of those that one source may occupy.
    pub(crate) fn active(self, most: usize) -> usize {
        if self == Self::Status { 1 } else { self.queued(most) }
    }

    /// How many requests may be queued for it, of those for one source.
    pub(crate) fn queued(self, most: usize) -> usize {
        match self {
            // Both adapters together are like one source.
            Self::Forwarded(_) => most / 2,
            _ => most,
        }
    }

    /// Whether it waits for the Kubernetes API.
    pub(crate) fn is_for_kubernetes(self) -> bool {
        match self {
            Self::Source(_) | Self::Status | Self::Forwarded(_) => false,
            Self::KubernetesLists | Self::FrontProxyReviews | Self::DirectReviews => true,
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Source(_) => 1,
            Self::KubernetesLists => 2,
            Self::FrontProxyReviews => 4,
            Self::DirectReviews => 8,
            Self::Status => 16,
            Self::Forwarded(Group::Custom) => 32,
            Self::Forwarded(Group::External) => 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_adapters_together_are_like_one_source() {
        for (waiting, active, queued) in [
            (Waiting::Source(3), 8, 512),
            (Waiting::Forwarded(Group::Custom), 4, 256),
            (Waiting::Forwarded(Group::External), 4, 256),
            (Waiting::Status, 1, 512),
        ] {
            assert_eq!((waiting.active(8), waiting.queued(512)), (active, queued), "{waiting:?}");
        }
    }

    #[test]
    fn waits_for_what_it_includes() {
        let now = Instant::now();
        let (lists, source) = (Waiting::KubernetesLists, Waiting::Source(3));
        for (patience, expected) in [
            (Patience::NONE, [false, false]),
            (Patience::NONE.with(lists), [false, false]),
            (Patience::by(now), [false, false]),
            (Patience::by(now).with(lists), [true, false]),
            (Patience::by(now).with(lists).with(source), [true, true]),
            (Patience::until(now), [true, true]),
        ] {
            assert_eq!([lists, source].map(|waiting| patience.includes(waiting)), expected, "{patience:?}");
            let waits = [lists, source].map(|waiting| matches!(patience.wait_for(waiting), Wait::Until(_)));
            assert_eq!(waits, expected, "{patience:?}");
        }
    }
}

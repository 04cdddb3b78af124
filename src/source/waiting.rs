//! The resource that a request waits for, and how long it may wait.

use std::time::Instant;

use crate::cache::Wait;
use crate::parse::path::Group;

/// The resource that a request waits for. Requests that wait for the same one share a limited part of the blocking
/// workers.
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
    /// The status page; only one report is made at a time.
    Status,
    /// Another adapter of this group.
    Forwarded(Group),
}

/// The resources that a request may wait for, and until when.
///
/// A request waits for one resource at a time, so that a slow source occupies no more than its share of the workers:
/// after waiting for a review, a request that needs a page goes back to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedWaits {
    until: Option<Instant>,
    /// One bit per kind of [`Waiting`]; a request needs at most one source.
    kinds: u8,
}

impl AllowedWaits {
    /// Answers from memory only.
    pub const NONE: Self = Self { until: None, kinds: 0 };

    /// Waits for anything until `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self { until: Some(deadline), kinds: u8::MAX }
    }

    /// Waits until `deadline`, but for no resource yet.
    pub fn by(deadline: Instant) -> Self {
        Self { until: Some(deadline), kinds: 0 }
    }

    /// Adds a resource to wait for.
    #[must_use]
    pub fn with(self, waiting: Waiting) -> Self {
        Self { kinds: self.kinds | waiting.bit(), ..self }
    }

    /// Whether it may wait for this resource.
    pub fn includes(self, waiting: Waiting) -> bool {
        self.until.is_some() && self.kinds & waiting.bit() != 0
    }

    /// The maximum time to wait for this resource.
    pub fn wait_for(self, waiting: Waiting) -> Wait {
        match self.until {
            Some(deadline) if self.includes(waiting) => Wait::Until(deadline),
            _ => Wait::No,
        }
    }
}

impl Waiting {
    /// The number of workers that requests may occupy for it, from the share of one source.
    pub(crate) fn active(self, most: usize) -> usize {
        if self == Self::Status { 1 } else { self.queued(most) }
    }

    /// The number of requests that may be queued for it, from the share of one source.
    pub(crate) fn queued(self, most: usize) -> usize {
        match self {
            // Both adapters together have the share of one source.
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
    fn other_adapters_share_one_limit() {
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
    fn waits_only_for_the_included_kinds() {
        let now = Instant::now();
        let (lists, source) = (Waiting::KubernetesLists, Waiting::Source(3));
        for (waits, expected) in [
            (AllowedWaits::NONE, [false, false]),
            (AllowedWaits::NONE.with(lists), [false, false]),
            (AllowedWaits::by(now), [false, false]),
            (AllowedWaits::by(now).with(lists), [true, false]),
            (AllowedWaits::by(now).with(lists).with(source), [true, true]),
            (AllowedWaits::until(now), [true, true]),
        ] {
            assert_eq!([lists, source].map(|waiting| waits.includes(waiting)), expected, "{waits:?}");
            let waits = [lists, source].map(|waiting| matches!(waits.wait_for(waiting), Wait::Until(_)));
            assert_eq!(waits, expected, "{waits:?}");
        }
    }
}

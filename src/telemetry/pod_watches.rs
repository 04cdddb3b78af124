//! What is known of the watches of pods.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::counter::Counter;

/// Where answers about pods come from, and the watches.
#[derive(Debug, Default)]
pub struct PodWatches {
    /// Selections of pods that were answered from a watch.
    pub watched: Counter,
    /// Selections of pods that were answered by a list of the Kubernetes API.
    pub listed: Counter,
    by_namespace: Mutex<BTreeMap<String, Arc<PodWatchGauges>>>,
}

/// What is known of the watch of one namespace.
#[derive(Debug, Default)]
pub struct PodWatchGauges {
    /// A [`WatchStanding`] as its number.
    standing: Counter,
    /// When something was last received of the Kubernetes API, in Unix milliseconds; 0 before.
    contact: Counter,
    /// Pods that are kept.
    pub pods: Counter,
    /// Their size, in bytes.
    pub bytes: Counter,
    /// Events received.
    pub events: Counter,
    /// Lists of the whole namespace.
    pub lists: Counter,
}

/// What becomes of the questions about the pods of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchStanding {
    /// They are answered by lists, until the watch has begun.
    #[default]
    Starting,
    /// They are answered from the watch.
    Current,
    /// The watch was interrupted: after a while they are answered by lists.
    Broken,
    /// They are answered by lists, as RBAC does not grant the verb `watch`.
    Denied,
    /// They are answered by lists, as there are too many pods.
    TooLarge,
    /// They are answered by lists, as the Kubernetes API does not number versions.
    Unversioned,
    /// They are answered by lists, as the Kubernetes API has no watches.
    Unsupported,
}

impl WatchStanding {
    const ALL: [Self; 7] = [
        Self::Starting,
        Self::Current,
        Self::Broken,
        Self::Denied,
        Self::TooLarge,
        Self::Unversioned,
        Self::Unsupported,
    ];

    /// As a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Current => "current",
            Self::Broken => "broken",
            Self::Denied => "denied",
            Self::TooLarge => "too_large",
            Self::Unversioned => "unversioned",
            Self::Unsupported => "unsupported",
        }
    }
}

impl PodWatches {
    /// Begins to tell of a namespace.
    pub fn begin(&self, namespace: &str) -> Arc<PodWatchGauges> {
        let gauges = Arc::default();
        let mut all = self.by_namespace.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(namespace.to_owned(), Arc::clone(&gauges));
        gauges
    }

    /// Tells no more of a namespace.
    pub fn end(&self, namespace: &str) {
        self.by_namespace.lock().unwrap_or_else(PoisonError::into_inner).remove(namespace);
    }

    /// All namespaces.
    pub fn all(&self) -> Vec<(String, Arc<PodWatchGauges>)> {
        let all = self.by_namespace.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(namespace, gauges)| (namespace.clone(), gauges.clone())).collect()
    }
}

impl PodWatchGauges {
    /// Sets what becomes of questions.
    pub fn set_standing(&self, standing: WatchStanding) {
        self.standing.set(standing as u64);
    }

    /// What becomes of questions.
    pub fn standing(&self) -> WatchStanding {
        let number = self.standing.get();
        WatchStanding::ALL.into_iter().find(|standing| *standing as u64 == number).unwrap_or_default()
    }

    /// Something was received, in Unix milliseconds.
    pub fn hear(&self, unix_millis: i64) {
        self.contact.set(unix_millis.try_into().unwrap_or_default());
    }

    /// When something was last received, in Unix milliseconds; 0 before.
    pub fn contact(&self) -> u64 {
        self.contact.get()
    }
}

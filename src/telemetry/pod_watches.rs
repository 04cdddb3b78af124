//! The state of the watches of pods.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::counter::Counter;

/// Counters of selections by origin, and the gauges of each watch.
#[derive(Debug, Default)]
pub struct PodWatches {
    /// Selections of pods that were served from a watch.
    pub watched: Counter,
    /// Selections of pods that were served by a list of the Kubernetes API.
    pub listed: Counter,
    by_namespace: Mutex<BTreeMap<String, Arc<PodWatchGauges>>>,
}

/// The gauges of the watch of one namespace.
#[derive(Debug, Default)]
pub struct PodWatchGauges {
    /// The number of the [`WatchState`].
    watch_state: Counter,
    /// The time of the last list, event or bookmark in Unix milliseconds; 0 before the first one.
    contact: Counter,
    /// The pods in memory.
    pub pods: Counter,
    /// The size of the pods in memory, in bytes.
    pub bytes: Counter,
    /// Events received.
    pub events: Counter,
    /// Lists of the whole namespace.
    pub lists: Counter,
}

/// How the pods of a namespace are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchState {
    /// By lists, until the watch has started.
    #[default]
    Starting,
    /// From the watch.
    Current,
    /// The watch was interrupted: by lists after a few seconds.
    Broken,
    /// By lists, because RBAC does not grant the verb `watch`.
    Denied,
    /// By lists, because there are too many pods.
    TooLarge,
    /// By lists, because the Kubernetes API sends no usable resourceVersion.
    Unversioned,
    /// By lists, because the Kubernetes API has no watches.
    Unsupported,
}

impl WatchState {
    const ALL: [Self; 7] = [
        Self::Starting,
        Self::Current,
        Self::Broken,
        Self::Denied,
        Self::TooLarge,
        Self::Unversioned,
        Self::Unsupported,
    ];

    /// The value of the label.
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
    /// Adds the gauges of a namespace.
    pub fn begin(&self, namespace: &str) -> Arc<PodWatchGauges> {
        let gauges = Arc::default();
        let mut all = self.by_namespace.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(namespace.to_owned(), Arc::clone(&gauges));
        gauges
    }

    /// Removes the gauges of a namespace.
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
    /// Sets how the pods are served.
    pub fn set_state(&self, watch_state: WatchState) {
        self.watch_state.set(watch_state as u64);
    }

    /// How the pods are served.
    pub fn watch_state(&self) -> WatchState {
        let number = self.watch_state.get();
        WatchState::ALL.into_iter().find(|watch_state| *watch_state as u64 == number).unwrap_or_default()
    }

    /// Records when a list, event or bookmark was received, in Unix milliseconds.
    pub fn record_contact(&self, unix_millis: i64) {
        self.contact.set(unix_millis.try_into().unwrap_or_default());
    }

    /// The time of the last list, event or bookmark in Unix milliseconds; 0 before the first one.
    pub fn contact(&self) -> u64 {
        self.contact.get()
    }
}

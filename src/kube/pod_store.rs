//! The pods of a namespace, kept up to date by the events of a watch.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::pod::Pod;
use super::pod_labels::PodLabels;
use super::resource_version::ResourceVersion;
use crate::parse::selector::Selector;

/// The pods at a version, by name.
#[derive(Debug)]
pub struct PodStore {
    pods: BTreeSet<ByName>,
    version: ResourceVersion,
    /// Grows with each change of a pod. While it is unchanged, so are all selections.
    changes: u64,
    cost: usize,
    /// The size of the pods that have left the store; earlier selections may still refer to them.
    left: usize,
}

/// A pod, ordered by its name alone.
#[derive(Clone, Debug)]
struct ByName(Arc<Pod>);

impl PodStore {
    /// A store with the pods of a list of this version.
    pub fn new(pods: impl IntoIterator<Item = Pod>, version: ResourceVersion) -> Self {
        let mut store = Self { pods: BTreeSet::new(), version, changes: 0, cost: 0, left: 0 };
        pods.into_iter().for_each(|pod| store.put(pod));
        store
    }

    /// Replaces the pods by those of a later list. Unchanged pods keep their place in memory.
    pub fn replace(&mut self, pods: impl IntoIterator<Item = Pod>, version: ResourceVersion) {
        let before = std::mem::take(&mut self.pods);
        self.left += std::mem::take(&mut self.cost);
        for pod in pods {
            match before.get(pod.name()) {
                Some(known) if *known.0 == pod => {
                    self.left = self.left.saturating_sub(pod.cost());
                    self.insert(known.0.clone());
                }
                _ => {
                    self.changes += 1;
                    self.insert(Arc::new(pod));
                }
            }
        }
        self.changes += u64::from(before.iter().any(|known| !self.pods.contains(known)));
        self.version = version;
    }

    /// Applies the creation or change of a pod at this version, and returns whether the version is new. Events up to
    /// the store's version are ignored, so that it never returns to an earlier state.
    pub fn apply(&mut self, pod: Pod, version: ResourceVersion) -> bool {
        let is_later = self.reach(version);
        if is_later {
            self.put(pod);
        }
        is_later
    }

    /// Deletes a pod at this version, and returns whether the version is new.
    pub fn delete(&mut self, name: &str, version: ResourceVersion) -> bool {
        let is_later = self.reach(version);
        if is_later && let Some(ByName(pod)) = self.pods.take(name) {
            self.changes += 1;
            self.cost -= pod.cost();
            self.left += pod.cost();
        }
        is_later
    }

    /// Advances to this version without a change, and returns whether it is new.
    pub fn reach(&mut self, version: ResourceVersion) -> bool {
        let is_later = self.version < version;
        self.version = self.version.max(version);
        is_later
    }

    fn put(&mut self, pod: Pod) {
        if self.pods.get(pod.name()).is_none_or(|ByName(known)| **known != pod) {
            self.changes += 1;
            self.insert(Arc::new(pod));
        }
    }

    fn insert(&mut self, pod: Arc<Pod>) {
        self.cost += pod.cost();
        if let Some(ByName(before)) = self.pods.replace(ByName(pod)) {
            self.cost -= before.cost();
            self.left += before.cost();
        }
    }

    /// The pods that match, in order of their names, as kube-apiserver lists them.
    pub fn select(&self, selector: &Selector, name: Option<&str>) -> Vec<Arc<Pod>> {
        if let Some(name) = name {
            let pod = self.pods.get(name).filter(|ByName(pod)| selector.matches(|key| pod.labels().get(key)));
            return pod.map(|ByName(pod)| pod.clone()).into_iter().collect();
        }
        // Pods of one workload follow each other and share their labels.
        let mut last: Option<(PodLabels<'_>, bool)> = None;
        let is_shared = !selector.requirements().iter().any(|requirement| PodLabels::may_differ(requirement.key()));
        let mut selected = Vec::new();
        for ByName(pod) in &self.pods {
            let labels = pod.labels();
            let matches = match last {
                Some((known, matches)) if is_shared && known.is_same(labels) => matches,
                _ => selector.matches(|key| labels.get(key)),
            };
            last = Some((labels, matches));
            if matches {
                selected.push(pod.clone());
            }
        }
        selected
    }

    /// The version of the store's state.
    pub fn version(&self) -> ResourceVersion {
        self.version
    }

    /// A number that grows with each change of a pod.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The number of pods.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// The size of the pods that have left the store since the last [`PodStore::forget_left`], in bytes.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Resets [`PodStore::left`] once no selection refers to such pods.
    pub fn forget_left(&mut self) {
        self.left = 0;
    }

    /// Its size in memory, in bytes, without the parts that pods share.
    pub fn cost(&self) -> usize {
        // The leaves of a B-tree are at least half full.
        self.cost + self.pods.len() * 2 * size_of::<ByName>()
    }
}

impl Borrow<str> for ByName {
    fn borrow(&self) -> &str {
        self.0.name()
    }
}

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.name().cmp(other.0.name())
    }
}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for ByName {}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

#[cfg(test)]
mod tests;

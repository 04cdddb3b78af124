//! The pods of selections that are requested repeatedly. While its pods are unchanged, a selection is the same list in
//! memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::error::CallError;
use super::objects::Selection;
use crate::config::limits::WatchLimits;
use crate::kube::pod_list::PodList;
use crate::kube::pod_store::PodStore;
use crate::parse::selector::Selector;

/// The pods of a selection; of the same type as a list, which can fail.
pub(crate) type SelectedPods = Arc<Result<PodList, CallError>>;

/// Selections, by label selector and name.
#[derive(Debug, Default)]
pub(super) struct PodSelections {
    known: HashMap<(String, Option<String>), KnownSelection>,
    /// The total number of pods.
    selected: usize,
}

#[derive(Debug)]
struct KnownSelection {
    selector: Selector,
    pods: SelectedPods,
    /// The store's number of changes when the selection was evaluated.
    changes: u64,
    used: Instant,
}

impl PodSelections {
    /// The pods of a selection. `parse` parses its label selector on first use.
    pub(super) fn pods(
        &mut self,
        store: &PodStore,
        of: Selection<'_>,
        parse: impl FnOnce() -> Option<Selector>,
        limits: &WatchLimits,
        now: Instant,
    ) -> Option<SelectedPods> {
        let key = (of.label_selector.to_owned(), of.name.map(str::to_owned));
        if let Some(known) = self.known.get_mut(&key) {
            known.used = now;
            if known.changes != store.changes() {
                let pods = store.select(&known.selector, of.name);
                known.changes = store.changes();
                if !known.pods.as_ref().as_ref().is_ok_and(|before| before.is_same(&pods)) {
                    self.selected = self.selected + pods.len() - length(&known.pods);
                    known.pods = Arc::new(Ok(pods.into()));
                }
            }
            let pods = known.pods.clone();
            if self.selected > limits.selected {
                self.selected -= length(&pods);
                self.known.remove(&key);
            }
            return Some(pods);
        }
        let selector = parse()?;
        let pods: SelectedPods = Arc::new(Ok(store.select(&selector, of.name).into()));
        self.make_room(length(&pods), limits, now);
        if self.selected + length(&pods) <= limits.selected {
            self.selected += length(&pods);
            let changes = store.changes();
            self.known.insert(key, KnownSelection { selector, pods: pods.clone(), changes, used: now });
        }
        Some(pods)
    }

    /// Removes selections that were not requested recently. Those from before the last change are removed sooner,
    /// because they may keep pods that have left the store.
    pub(super) fn remove_unused(&mut self, changes: u64, limits: &WatchLimits, now: Instant) {
        self.known.retain(|_, known| {
            let unused = now.saturating_duration_since(known.used);
            unused < if known.changes == changes { limits.linger } else { limits.exchange }
        });
        self.selected = self.sum();
    }

    /// Removes all selections from before the last change.
    pub(super) fn forget_outdated(&mut self, changes: u64) {
        self.known.retain(|_, known| known.changes == changes);
        self.selected = self.sum();
    }

    /// Removes unused selections and, if there is no room for `more` pods, the least recently used ones.
    fn make_room(&mut self, more: usize, limits: &WatchLimits, now: Instant) {
        if self.known.len() < limits.selections && self.selected + more <= limits.selected {
            return;
        }
        self.known.retain(|_, known| now.saturating_duration_since(known.used) < limits.linger);
        while self.known.len() >= limits.selections || (self.sum() + more > limits.selected && !self.known.is_empty()) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.used).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.known.remove(&key));
        }
        self.selected = self.sum();
    }

    fn sum(&self) -> usize {
        self.known.values().map(|known| length(&known.pods)).sum()
    }
}

fn length(pods: &SelectedPods) -> usize {
    pods.as_ref().as_ref().map_or(0, PodList::len)
}

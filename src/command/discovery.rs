//! Requests the lists of other adapters in the background, so that discovery always answers from memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use log::{debug, error};

use crate::api::Api;
use crate::config::limits::{ForwardLimits, Limits};
use crate::forward::adapter::Adapter;

/// Requests the lists that are due, in a thread for each round.
pub(super) struct Discovery {
    limits: ForwardLimits,
    lists: Arc<Lists>,
    running: Option<JoinHandle<()>>,
}

/// When the list of each adapter is due; at most one adapter for each group.
#[derive(Default)]
struct Lists(Mutex<Vec<(Arc<Adapter>, Instant)>>);

impl Discovery {
    /// Requests the lists for the first time, and waits for them for a limited time, so that discovery is complete after a
    /// restart.
    pub(super) fn start(api: &Api, limits: &Limits) -> Self {
        let (limits, lists) = (limits.forward.clone(), Arc::new(Lists::default()));
        let until = Instant::now() + limits.start;
        lists.due(api).iter().for_each(|adapter| {
            lists.request(adapter, until.saturating_duration_since(Instant::now()), &limits);
        });
        Self { limits, lists, running: None }
    }

    /// Starts to request the lists that are due.
    pub(super) fn tick(&mut self, api: &Api) {
        if self.running.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        let due = self.lists.due(api);
        if due.is_empty() {
            return;
        }
        let (lists, limits) = (self.lists.clone(), self.limits.clone());
        let request = move || due.iter().for_each(|adapter| lists.request(adapter, adapter.config().timeout, &limits));
        match thread::Builder::new().name("discovery".to_owned()).spawn(request) {
            Ok(running) => self.running = Some(running),
            Err(failure) => error!("cannot start a thread: {failure}"),
        }
    }
}

impl Lists {
    /// The adapters of the current configuration whose lists are due.
    fn due(&self, api: &Api) -> Vec<Arc<Adapter>> {
        let rules = api.metrics().rules();
        let Some(forward) = rules.forward() else { return Vec::new() };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |adapter: &Arc<Adapter>, other: &Arc<Adapter>| Arc::ptr_eq(adapter, other);
        known.retain(|(adapter, _)| forward.adapters().any(|current| is_same(current, adapter)));
        let now = Instant::now();
        let is_due = |adapter: &&Arc<Adapter>| {
            known.iter().find(|(other, _)| is_same(adapter, other)).is_none_or(|(_, due)| now >= *due)
        };
        forward.adapters().filter(is_due).cloned().collect()
    }

    fn request(&self, adapter: &Arc<Adapter>, time: Duration, limits: &ForwardLimits) {
        let listed = adapter.refresh(time);
        if let Err(error) = &listed {
            debug!("cannot list the metrics of adapter {}: {}", adapter.config().address, error.detail());
        }
        let due = Instant::now() + if listed.is_ok() { limits.interval } else { limits.retry };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(other, _)| !Arc::ptr_eq(other, adapter));
        known.push((adapter.clone(), due));
    }
}

//! Lists of objects: requested from the Kubernetes API when a metric request needs one, cached for a moment, and loaded
//! once for all requests that need the same. Pods come from a watch of their namespace while that is current.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::{debug, info, warn};
use once_cell::sync::OnceCell;

use crate::cache::{Cache, Key, Loaded, Outcome, Wait};
use crate::config::limits::Limits;
use crate::config::model::ObjectKind;
use crate::kube::pod::Pod;
use crate::kube::pod_list::PodList;
use crate::kube::pod_selector::PodSelector;
use crate::kube::resource_version::ResourceVersion;
use crate::kube_api::client::Client;
use crate::kube_api::error::{CallError, CallFailure};
use crate::kube_api::objects::{self, Listed, Selection};
use crate::kube_api::pod_selections::SelectedPods;
use crate::kube_api::pod_watches::PodWatches;
use crate::kube_api::selectors;
use crate::telemetry::clock::Clock;
use crate::telemetry::counters::Counters;

/// Lists of objects.
#[derive(Debug)]
pub struct Objects {
    client: Arc<Client>,
    pods: Cache<Result<PodList, CallError>>,
    names: Cache<Result<Vec<String>, CallError>>,
    selectors: Cache<Result<Option<String>, CallError>>,
    limits: Limits,
    /// Only a server has watches: other commands need one list.
    watches: OnceCell<PodWatches>,
    /// Resources and namespaces whose last list failed, so that only changes are logged.
    failing: Mutex<BTreeSet<(String, Option<String>)>>,
}

/// Why there is no list.
#[derive(Debug)]
pub enum ListError {
    /// A list must be requested, and the caller does not wait.
    WouldWait,
    /// The Kubernetes API returned no list; the reason as text.
    Failed(String),
}

/// The names of the objects of a selection.
#[derive(Clone, Debug)]
pub enum ListedNames {
    Listed(Arc<Result<Vec<String>, CallError>>),
    /// The names of pods that a watch knows.
    OfPods(SelectedPods),
}

impl ListedNames {
    /// The names as a set, without copying them.
    pub fn set(&self) -> HashSet<&str> {
        match self {
            Self::Listed(names) => names.iter().flatten().map(String::as_str).collect(),
            Self::OfPods(pods) => pods.iter().flat_map(PodList::iter).map(Pod::name).collect(),
        }
    }
}

impl Objects {
    /// Creates an instance that requests lists with this client.
    pub fn new(client: Arc<Client>, limits: &Limits) -> Self {
        let cache = || Cache::new(limits.objects.cached, limits.objects.cached_bytes);
        Self {
            client,
            pods: cache(),
            names: Cache::new(limits.objects.cached, limits.objects.cached_bytes),
            selectors: Cache::new(limits.objects.cached, limits.objects.cached_bytes),
            limits: limits.clone(),
            watches: OnceCell::new(),
            failing: Mutex::default(),
        }
    }

    /// Watches the pods of namespaces in use from now on. A second call has no effect.
    pub(super) fn watch(&self, clock: Clock, counters: Arc<Counters>) {
        let _ = self.watches.set(PodWatches::new(self.client.clone(), clock, &self.limits, counters));
    }

    /// The pods of a selection.
    ///
    /// # Errors
    /// Why there is no list.
    pub fn pods(&self, of: Selection<'_>, wait: Wait, now: Instant) -> Result<SelectedPods, ListError> {
        if let Some(pods) = self.watched(of, now) {
            return pods;
        }
        let load = |deadline| {
            let value = self.listed(of, |since| objects::pods(&self.client, of, since, &self.limits, deadline));
            let cost = value.as_ref().map_or(0, |pods| pods.iter().map(Pod::cost).sum());
            (value, cost)
        };
        self.call(&self.pods, "list", "pods", of, wait, now, load)
    }

    /// The pods of a selection, if a watch knows them. More pods than a list may have are an error, as without a watch.
    fn watched(&self, of: Selection<'_>, now: Instant) -> Option<Result<SelectedPods, ListError>> {
        let pods = self.watches.get()?.pods(of, now)?;
        self.client.counters().pod_watches.watched.increment();
        if pods.as_ref().as_ref().is_ok_and(|pods| pods.len() > self.limits.objects.count) {
            let error = objects::too_many_pods(&self.client, of, &self.limits);
            return Some(Err(ListError::Failed(failed("list", "pods", &error))));
        }
        Some(Ok(pods))
    }

    /// Lists pods, at a state not older than that of earlier lists, and has their namespace watched.
    fn listed<T>(
        &self,
        of: Selection<'_>,
        list: impl FnOnce(Option<ResourceVersion>) -> Result<Listed<T>, CallError>,
    ) -> Result<T, CallError> {
        self.client.counters().pod_watches.listed.increment();
        let Some(watches) = self.watches.get() else { return list(None).map(|listed| listed.items) };
        let since = watches.since(of);
        let listed = list(since).inspect_err(|error| {
            // The state of this API server is older than the known one.
            if error.is_version_too_large() {
                watches.request_check(of);
            }
            // A narrower selection may be small enough, and the watch has its own limits.
            if error.is_too_large() {
                watches.listed(of, None);
            }
        })?;
        if listed.version.is_some() {
            watches.listed(of, listed.version);
        }
        Ok(listed.items)
    }

    /// Until when this list of a selection's pods is current; `None` if it is outdated. A watch may change it at any moment,
    /// so it is checked again when another list would expire.
    pub(super) fn pods_until(&self, of: Selection<'_>, list: &SelectedPods, now: Instant) -> Option<Instant> {
        let watched = self.watches.get().and_then(|watches| watches.pods(of, now));
        match watched {
            Some(watched) => Arc::ptr_eq(&watched, list).then(|| now + self.limits.objects.ttl),
            None => self.pods.kept_until(&key("pods", of), list),
        }
    }

    /// The time since the watch of a namespace heard from the Kubernetes API; `None` if its pods are listed.
    pub(super) fn watch_age(&self, of: Selection<'_>, now: Instant) -> Option<Duration> {
        self.watches.get()?.age(of, now)
    }

    /// The names of the objects of a selection.
    ///
    /// # Errors
    /// Why there is no list.
    pub fn names(
        &self,
        kind: &ObjectKind,
        of: Selection<'_>,
        wait: Wait,
        now: Instant,
    ) -> Result<ListedNames, ListError> {
        let is_of_pods = kind.resource == "pods";
        if let Some(pods) = is_of_pods.then(|| self.watched(of, now)).flatten() {
            return pods.map(ListedNames::OfPods);
        }
        let load = |deadline| {
            let list = |since| objects::names(&self.client, kind, of, since, &self.limits, deadline);
            let value = if is_of_pods { self.listed(of, list) } else { list(None).map(|listed| listed.items) };
            let cost = value.as_ref().map_or(0, |names| names.iter().map(|name| name.len() + 24).sum());
            (value, cost)
        };
        self.call(&self.names, "list", &kind.resource, of, wait, now, load).map(ListedNames::Listed)
    }

    /// The selector of an object's pods, as canonical text: empty if it selects none, `None` if there is no such object.
    ///
    /// # Errors
    /// Why the selector is not known.
    pub fn selector(
        &self,
        kind: &ObjectKind,
        namespace: &str,
        name: &str,
        wait: Wait,
        now: Instant,
    ) -> Result<Option<String>, ListError> {
        let load = |deadline| {
            let value = selectors::selector(&self.client, kind, namespace, name, &self.limits, deadline);
            let cost = value.as_ref().map_or(0, |selector| selector.as_ref().map_or(0, String::len));
            (value, cost)
        };
        let of = Selection { namespace: Some(namespace), label_selector: "", name: Some(name) };
        let resource =
            format!("{}{}", kind.resource, PodSelector::of(&kind.resource).map_or("", PodSelector::subresource));
        let found = self.call(&self.selectors, "get", &resource, of, wait, now, load)?;
        Ok(found.as_ref().as_ref().ok().cloned().flatten())
    }

    #[expect(clippy::too_many_arguments, reason = "one call of each of three kinds")]
    fn call<T: Send + Sync + 'static>(
        &self,
        cache: &Cache<Result<T, CallError>>,
        verb: &'static str,
        resource: &str,
        of: Selection<'_>,
        wait: Wait,
        now: Instant,
        load: impl FnOnce(Instant) -> (Result<T, CallError>, usize),
    ) -> Result<Arc<Result<T, CallError>>, ListError> {
        let key = key(resource, of);
        let deadline = match wait {
            Wait::No => now,
            Wait::Until(deadline) => deadline,
        };
        let loaded = || {
            let (value, cost) = load(deadline);
            let cut_by_caller = deadline.saturating_duration_since(now) < self.limits.objects.timeout
                && value.as_ref().is_err_and(CallError::is_timeout);
            // A timeout because the request had little time left is not a failure of the Kubernetes API.
            if !cut_by_caller {
                self.log_change(verb, resource, of.namespace, value.as_ref().err());
            }
            let lasts = if value.is_ok() { self.limits.objects.ttl } else { self.limits.cache.failure_ttl };
            Loaded { value, until: Instant::now() + lasts, cost: cost + 256, shared: !cut_by_caller }
        };
        match cache.get(&key, now, wait, |_| true, loaded) {
            Outcome::Value(list) => match &*list {
                Ok(_) => Ok(list),
                Err(error) => Err(ListError::Failed(failed(verb, resource, error))),
            },
            Outcome::WouldWait => Err(ListError::WouldWait),
            Outcome::TimedOut | Outcome::Panicked => {
                Err(ListError::Failed(failed(verb, resource, &self.client.too_slow(verb))))
            }
        }
    }

    fn log_change(&self, verb: &str, resource: &str, namespace: Option<&str>, error: Option<&CallError>) {
        let key = (resource.to_owned(), namespace.map(str::to_owned));
        let place = namespace.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(error) = error else {
            if failing.remove(&key) {
                info!("the Kubernetes API {} {resource}{place} again", if verb == "get" { "shows" } else { "lists" });
            }
            return;
        };
        // Beyond the limit, failures are logged at debug level.
        let is_new = failing.len() < self.limits.objects.cached && failing.insert(key);
        match is_new {
            true => warn!("cannot {verb} {resource}{place}: {}", error.detail()),
            false => debug!("cannot {verb} {resource}{place}: {}", error.detail()),
        }
    }
}

fn key(resource: &str, of: Selection<'_>) -> Key {
    Key::of(&(resource, of.namespace, of.label_selector, of.name))
}

/// The message for a failed call; for a denial, it names the missing permission.
fn failed(verb: &str, resource: &str, error: &CallError) -> String {
    match error.failure {
        CallFailure::Code(403, _) => {
            format!("cannot {verb} {resource}: RBAC does not grant Metriclet the verb {verb} on {resource}")
        }
        _ => format!("cannot {verb} {resource}: {error}"),
    }
}

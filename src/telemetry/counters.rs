//! The program's counters: atomics, defined here and printed by [`super::exposition`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connections::Connections;
pub(crate) use super::counter::Counter;
use super::pod_watches::PodWatches;
use crate::parse::path::{ApiPath, Group, Version};

/// The route of a request, for counting: an enumeration, so no caller can create time series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A metric of objects in a namespace, `/namespaces/{ns}/…` of this version.
    Namespaced(Version),
    /// A metric of cluster-scoped objects of this version.
    RootScoped(Version),
    /// An external metric.
    External,
    /// `/apis` and the lists below it.
    Discovery,
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// `/metrics`.
    OwnMetrics,
    /// `/status`, as HTML or JSON.
    Status,
    /// `/version`, `/` and every unknown path.
    Other,
}

impl Route {
    /// All routes, in the order of the page.
    pub const ALL: [Self; 10] = [
        Self::Namespaced(Version::V1Beta1),
        Self::Namespaced(Version::V1Beta2),
        Self::RootScoped(Version::V1Beta1),
        Self::RootScoped(Version::V1Beta2),
        Self::External,
        Self::Discovery,
        Self::Health,
        Self::OwnMetrics,
        Self::Status,
        Self::Other,
    ];

    /// The route of a path.
    pub fn of(path: &ApiPath) -> Self {
        match path {
            ApiPath::Metric(path) if path.namespace.is_some() || path.resource == "namespaces" => {
                Self::Namespaced(path.version)
            }
            ApiPath::Metric(path) => Self::RootScoped(path.version),
            ApiPath::External(_) => Self::External,
            ApiPath::Groups | ApiPath::Group(_) | ApiPath::Resources(..) | ApiPath::OpenApi(_) => Self::Discovery,
            ApiPath::Health(..) => Self::Health,
            ApiPath::OwnMetrics => Self::OwnMetrics,
            ApiPath::Status(_) => Self::Status,
            ApiPath::Root
            | ApiPath::VersionInfo
            | ApiPath::PeerSamples
            | ApiPath::Unknown
            | ApiPath::UnknownInGroup => Self::Other,
        }
    }
}

/// The HTTP status codes that Metriclet sends; any other code counts as the last, 500.
pub(crate) const CODES: [u16; 13] = [200, 301, 304, 400, 401, 403, 404, 405, 406, 413, 503, 504, 500];

/// Media types of metrics; JSON, the last, is the default.
pub(crate) const ENCODINGS: [&str; 3] = ["application/vnd.kubernetes.protobuf", "application/yaml", "application/json"];

/// Upper bounds of the request duration histogram in seconds.
pub(crate) const BUCKETS: [f64; 9] = [0.0001, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0];

/// Requests of one route.
#[derive(Debug, Default)]
pub struct Requests {
    /// Indexed like [`CODES`].
    pub codes: [Counter; CODES.len()],
    /// Indexed like [`BUCKETS`]; each request counts in one, or in none if it took longer.
    pub buckets: [Counter; BUCKETS.len()],
    /// The sum of durations in microseconds.
    pub micros: Counter,
}

/// Fetches from one source.
#[derive(Debug, Default)]
pub struct Fetches {
    /// Pages read completely.
    pub succeeded: Counter,
    /// Failed fetches.
    pub failed: Counter,
    /// Requests for pages with an outcome, fetched or cached.
    pub requests: Counter,
    /// Bytes of pages.
    pub bytes: Counter,
    /// Pods whose pages were joined.
    pub pods_answered: Counter,
    /// Running pods whose pages were missing in a join.
    pub pods_failed: Counter,
    /// Pages that show that several processes with different pages respond at one URL.
    pub turns: Counter,
}

/// Calls to the Kubernetes API, by code.
#[derive(Debug, Default)]
pub struct Calls {
    codes: [Counter; CALL_CODES.len()],
    failed: Counter,
}

/// Status codes of the Kubernetes API; any other code counts as the last, 500.
const CALL_CODES: [u16; 6] = [200, 401, 403, 404, 429, 500];

impl Calls {
    /// Counts a call with this status code, or one without a response.
    pub fn count(&self, code: Option<u16>) {
        let Some(code) = code else { return self.failed.increment() };
        let at = CALL_CODES.iter().position(|&known| known == code).unwrap_or(CALL_CODES.len() - 1);
        self.codes.get(at).into_iter().for_each(Counter::increment);
    }

    /// Calls by code; those without a response have the code `<error>`, as in Go's servers.
    pub fn all(&self) -> impl Iterator<Item = (String, u64)> {
        let codes = CALL_CODES.iter().map(ToString::to_string).zip(self.codes.iter().map(Counter::get));
        codes.chain([("<error>".to_owned(), self.failed.get())])
    }
}

/// Attempts, by outcome.
#[derive(Debug, Default)]
pub struct Attempts([Counter; 3]);

impl Attempts {
    /// The attempt succeeded, or the request was allowed.
    pub const SUCCESS: usize = 0;
    /// The attempt failed, or the request was denied.
    pub const FAILURE: usize = 1;
    /// The review failed.
    pub const ERROR: usize = 2;

    /// Counts an attempt with this outcome.
    pub fn count(&self, how: usize) {
        self.0.get(how).into_iter().for_each(Counter::increment);
    }

    /// All outcomes, in the order of the constants.
    pub fn all(&self) -> [u64; 3] {
        self.0.each_ref().map(Counter::get)
    }
}

/// All counters. Sources change with the configuration; the rest is fixed.
#[derive(Debug, Default)]
pub struct Counters {
    requests: [Requests; Route::ALL.len()],
    /// Responses with values, indexed like [`ENCODINGS`].
    pub(super) encodings: [Counter; ENCODINGS.len()],
    fetches: Mutex<BTreeMap<String, Arc<Fetches>>>,
    left_out: Mutex<BTreeMap<&'static str, u64>>,
    /// Values served while a source failed: last values, and configured numbers.
    count_fallback: Mutex<BTreeMap<&'static str, u64>>,
    /// Reloads of the configuration that succeeded.
    pub reloads_succeeded: Counter,
    /// Reloads of the configuration that were rejected.
    pub reloads_failed: Counter,
    /// The hash of the configuration file in use, if there is one.
    config: Mutex<Option<String>>,
    /// Gauge: 1 if the latest version of the configuration file is in use.
    pub reload_successful: Counter,
    /// Gauge: rules in the configuration that cannot be served.
    pub broken_rules: Counter,
    /// Gauge: requests waiting for a blocking worker.
    pub queued: Counter,
    /// Requests rejected because that queue was full or the wait too long.
    pub overloaded: Counter,
    /// Bugs, each of which ended one unit of work: a request with response 500, a fetch, a round of samples.
    pub panics: Counter,
    /// Counters of the secure listener.
    pub connections: Connections,
    /// Attempts to authenticate a request.
    pub authentication: Attempts,
    /// Attempts to authorize a request.
    pub authorization: Attempts,
    /// TokenReviews.
    pub token_reviews: Calls,
    /// SubjectAccessReviews.
    pub access_reviews: Calls,
    /// Watches of pods.
    pub pod_watches: PodWatches,
    /// Requests for metrics to other adapters: of objects, and external ones.
    forwarded: [Calls; 2],
}

impl Counters {
    /// Counts a request.
    pub fn request(&self, route: Route, code: u16, took: Duration) {
        let requests = self.requests(route);
        let at = CODES.iter().position(|&known| known == code).unwrap_or(CODES.len() - 1);
        requests.codes.get(at).into_iter().for_each(Counter::increment);
        let at = BUCKETS.iter().position(|&bound| took.as_secs_f64() <= bound);
        at.and_then(|at| requests.buckets.get(at)).into_iter().for_each(Counter::increment);
        requests.micros.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts a response with values in this media type.
    pub fn encoding(&self, media_type: &str) {
        let at = ENCODINGS.iter().position(|&known| known == media_type).unwrap_or(ENCODINGS.len() - 1);
        self.encodings.get(at).into_iter().for_each(Counter::increment);
    }

    /// The requests of a route.
    pub fn requests(&self, route: Route) -> &Requests {
        let [ns1, ns2, root1, root2, external, discovery, health, own, status, other] = &self.requests;
        match route {
            Route::Namespaced(Version::V1Beta1) => ns1,
            Route::Namespaced(Version::V1Beta2) => ns2,
            Route::RootScoped(Version::V1Beta1) => root1,
            Route::RootScoped(Version::V1Beta2) => root2,
            Route::External => external,
            Route::Discovery => discovery,
            Route::Health => health,
            Route::OwnMetrics => own,
            Route::Status => status,
            Route::Other => other,
        }
    }

    /// Requests for metrics of a group to another adapter.
    pub fn forwarded(&self, group: Group) -> &Calls {
        let [custom, external] = &self.forwarded;
        match group {
            Group::Custom => custom,
            Group::External => external,
        }
    }

    /// The counters of a source; the same name always has the same counters.
    pub fn fetches(&self, source: &str) -> Arc<Fetches> {
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        fetches.entry(source.to_owned()).or_default().clone()
    }

    /// Removes sources that are in no configuration any more.
    pub fn retain_sources(&self, keep: impl Fn(&str) -> bool) {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).retain(|source, _| keep(source));
    }

    /// All sources and their counters.
    pub fn sources(&self) -> Vec<(String, Arc<Fetches>)> {
        let fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        fetches.iter().map(|(source, fetches)| (source.clone(), fetches.clone())).collect()
    }

    /// Sets the hash of the configuration file in use.
    pub fn set_config(&self, hash: String) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Some(hash);
    }

    /// The hash of the configuration file in use.
    pub fn config(&self) -> Option<String> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts an object that was left out of a response for `*`.
    pub fn left_out(&self, reason: &'static str) {
        *self.left_out.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    /// Values served while a source failed, by kind.
    pub fn all_stood_in(&self) -> Vec<(&'static str, u64)> {
        let count_fallback = self.count_fallback.lock().unwrap_or_else(PoisonError::into_inner);
        count_fallback.iter().map(|(&kind, &count)| (kind, count)).collect()
    }

    /// Counts a value that was served while its source failed.
    pub fn count_fallback(&self, kind: &'static str) {
        *self.count_fallback.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    /// Objects left out, by reason.
    pub fn all_left_out(&self) -> Vec<(&'static str, u64)> {
        let left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        left_out.iter().map(|(&reason, &count)| (reason, count)).collect()
    }
}

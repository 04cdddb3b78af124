//! Counters: atomics, named here and printed by [`super::exposition`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connections::Connections;
pub(crate) use super::counter::Counter;
use crate::parse::path::{ApiPath, Group, Version};

/// What a request was for, as far as counting goes: a closed set, so that no caller can make it grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A metric of objects in a namespace, `/namespaces/{ns}/…` of this version.
    Namespaced(Version),
    /// A metric of root-scoped objects of this version.
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
    /// `/version`, `/` and every path that is none.
    Other,
}

impl Route {
    /// All of them, in the order they are printed.
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

    /// What a request for this path counts as.
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

/// HTTP codes that we answer; anything else counts as the last, 500.
pub(crate) const CODES: [u16; 13] = [200, 301, 304, 400, 401, 403, 404, 405, 406, 413, 503, 504, 500];

/// Media types of metrics; JSON, the last, is the default.
pub(crate) const ENCODINGS: [&str; 3] = ["application/vnd.kubernetes.protobuf", "application/yaml", "application/json"];

/// Upper bounds of the request duration histogram in seconds.
pub(crate) const BUCKETS: [f64; 9] = [0.0001, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0];

/// Requests of one route.
#[derive(Debug, Default)]
pub struct Requests {
    /// By position in [`CODES`].
    pub codes: [Counter; CODES.len()],
    /// By position in [`BUCKETS`], each request in one; the slower ones in none.
    pub buckets: [Counter; BUCKETS.len()],
    /// Their durations in microseconds.
    pub micros: Counter,
}

/// Fetches of one source.
#[derive(Debug, Default)]
pub struct Fetches {
    /// Pages read to their end.
    pub succeeded: Counter,
    /// Everything else.
    pub failed: Counter,
    /// Requests for pages that had an outcome, fetched or cached.
    pub requests: Counter,
    /// Bytes of pages.
    pub bytes: Counter,
    /// Pods whose pages were joined.
    pub pods_answered: Counter,
    /// Pods that run, and whose pages were missing then.
    pub pods_failed: Counter,
    /// Pages that show that processes with different pages take turns behind a URL.
    pub turns: Counter,
}

/// Calls to the Kubernetes API, by code.
#[derive(Debug, Default)]
pub struct Calls {
    codes: [Counter; CALL_CODES.len()],
    failed: Counter,
}

/// Codes of the Kubernetes API; anything else counts as the last, 500.
const CALL_CODES: [u16; 6] = [200, 401, 403, 404, 429, 500];

impl Calls {
    /// One call answered with this code, or not at all.
    pub fn count(&self, code: Option<u16>) {
        let Some(code) = code else { return self.failed.increment() };
        let at = CALL_CODES.iter().position(|&known| known == code).unwrap_or(CALL_CODES.len() - 1);
        self.codes.get(at).into_iter().for_each(Counter::increment);
    }

    /// Calls by code; without one they are called `<error>`, as in Go's servers.
    pub fn all(&self) -> impl Iterator<Item = (String, u64)> {
        let codes = CALL_CODES.iter().map(ToString::to_string).zip(self.codes.iter().map(Counter::get));
        codes.chain([("<error>".to_owned(), self.failed.get())])
    }
}

/// Attempts at something, by how they ended.
#[derive(Debug, Default)]
pub struct Attempts([Counter; 3]);

impl Attempts {
    /// It came off, or it was allowed.
    pub const SUCCESS: usize = 0;
    /// It did not, or it was not.
    pub const FAILURE: usize = 1;
    /// It could not be reviewed.
    pub const ERROR: usize = 2;

    /// One attempt ended so.
    pub fn count(&self, how: usize) {
        self.0.get(how).into_iter().for_each(Counter::increment);
    }

    /// All of them, in the order of the constants.
    pub fn all(&self) -> [u64; 3] {
        self.0.each_ref().map(Counter::get)
    }
}

/// Everything that is counted. Sources come and go with the configuration; the rest is fixed.
#[derive(Debug, Default)]
pub struct Counters {
    requests: [Requests; Route::ALL.len()],
    /// Answers with values, by position in [`ENCODINGS`].
    pub(super) encodings: [Counter; ENCODINGS.len()],
    fetches: Mutex<BTreeMap<String, Arc<Fetches>>>,
    left_out: Mutex<BTreeMap<&'static str, u64>>,
    /// Values that stand for those of sources that failed: the last ones, and numbers.
    stood_in: Mutex<BTreeMap<&'static str, u64>>,
    /// Reloads of the configuration that were taken over.
    pub reloads_succeeded: Counter,
    /// Reloads of the configuration that were refused.
    pub reloads_failed: Counter,
    /// The hash of the configuration file in force, if there is one.
    config: Mutex<Option<String>>,
    /// Gauge: 1 if the configuration file as it was last read is in use.
    pub reload_successful: Counter,
    /// Gauge: rules in the configuration that cannot be served.
    pub broken_rules: Counter,
    /// Gauge: requests waiting for a worker that may wait for a source.
    pub queued: Counter,
    /// Requests refused because that queue was full or took too long.
    pub overloaded: Counter,
    /// Bugs, each of which ended one piece of work: a request answered 500, a fetch, a round of samples.
    pub panics: Counter,
    /// The secure listener's.
    pub connections: Connections,
    /// Attempts to authenticate a request.
    pub authentication: Attempts,
    /// Attempts to authorize a request.
    pub authorization: Attempts,
    /// TokenReviews.
    pub token_reviews: Calls,
    /// SubjectAccessReviews.
    pub access_reviews: Calls,
    /// Requests for metrics to other adapters: of objects, and external ones.
    forwarded: [Calls; 2],
}

impl Counters {
    /// One request answered.
    pub fn request(&self, route: Route, code: u16, took: Duration) {
        let requests = self.requests(route);
        let at = CODES.iter().position(|&known| known == code).unwrap_or(CODES.len() - 1);
        requests.codes.get(at).into_iter().for_each(Counter::increment);
        let at = BUCKETS.iter().position(|&bound| took.as_secs_f64() <= bound);
        at.and_then(|at| requests.buckets.get(at)).into_iter().for_each(Counter::increment);
        requests.micros.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// One answer with values, in this media type.
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

    /// The counters of a source, the same ones for the same name.
    pub fn fetches(&self, source: &str) -> Arc<Fetches> {
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        fetches.entry(source.to_owned()).or_default().clone()
    }

    /// Forgets sources that no configuration holds any more.
    pub fn retain_sources(&self, keep: impl Fn(&str) -> bool) {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).retain(|source, _| keep(source));
    }

    /// All sources with their counters.
    pub fn sources(&self) -> Vec<(String, Arc<Fetches>)> {
        let fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        fetches.iter().map(|(source, fetches)| (source.clone(), fetches.clone())).collect()
    }

    /// The configuration file with this hash is in force.
    pub fn set_config(&self, hash: String) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Some(hash);
    }

    /// The hash of the configuration file in force.
    pub fn config(&self) -> Option<String> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An object was left out of an answer for `*`, and why.
    pub fn left_out(&self, reason: &'static str) {
        *self.left_out.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    /// Values that stood for others so far, by kind.
    pub fn all_stood_in(&self) -> Vec<(&'static str, u64)> {
        let stood_in = self.stood_in.lock().unwrap_or_else(PoisonError::into_inner);
        stood_in.iter().map(|(&kind, &count)| (kind, count)).collect()
    }

    /// A value stands for one whose source failed.
    pub fn stood_in(&self, kind: &'static str) {
        *self.stood_in.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    /// Objects left out so far, by reason.
    pub fn all_left_out(&self) -> Vec<(&'static str, u64)> {
        let left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        left_out.iter().map(|(&reason, &count)| (reason, count)).collect()
    }
}

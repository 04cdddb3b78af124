//! Another adapter: requests to it, its list of metrics, and its state.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use super::error::ForwardError;
use super::listed::Listed;
use super::state::{AdapterState, Change};
use crate::cache::{Cache, Key, Loaded, Outcome, Wait};
use crate::config::limits::Limits;
use crate::config::model::OtherAdapter;
use crate::http::address::{AllowedAddresses, Reserved};
use crate::http::client::{Client, Options, Request, RequestBody, Response};
use crate::http::credentials::{Credentials, SecretSource};
use crate::http::error::{FetchError, Phase, printable};
use crate::http::resolve::Resolver;
use crate::kube::received::{self, Received, ReceivedStatus};
use crate::parse::certificate_name::CertificateName;
use crate::parse::path::Group;
use crate::telemetry::clock::Clock;
use crate::telemetry::counters::{Calls, Counters};

/// The header field that identifies requests from another Metriclet (RFC 9110 §7.6.3).
pub(crate) const VIA: &str = "Via";

/// The value of `Via`.
pub(crate) const VIA_METRICLET: &str = "1.1 metriclet";

/// The approximate size of a value in memory, without its texts.
const VALUE: usize = 256;

/// A response of another adapter.
#[derive(Debug)]
pub(crate) struct AdapterAnswer {
    /// The code of the response.
    pub(crate) code: u16,
    pub(crate) received: Received,
    /// The length of its body.
    bytes: usize,
}

/// Another adapter of one group.
#[derive(Debug)]
pub struct Adapter {
    group: Group,
    config: OtherAdapter,
    /// Whether it is Metriclet itself.
    is_own: bool,
    url: String,
    client: Client,
    answers: Cache<Result<Arc<AdapterAnswer>, ForwardError>>,
    listed: RwLock<Arc<Listed>>,
    state: Mutex<AdapterState>,
    limits: Limits,
    clock: Clock,
    counters: Arc<Counters>,
}

/// The dependencies of an adapter, except its configuration.
pub(super) struct Parts<'a> {
    pub(super) is_own: bool,
    pub(super) identity: Option<&'a Credentials>,
    pub(super) resolver: &'a Arc<Resolver>,
    pub(super) limits: &'a Limits,
    pub(super) clock: &'a Clock,
    pub(super) counters: &'a Arc<Counters>,
}

impl Adapter {
    pub(super) fn new(group: Group, config: &OtherAdapter, parts: &Parts<'_>) -> Self {
        let limits = parts.limits;
        // Metriclet's own credentials, never the caller's, whose rights were reviewed before.
        let (bearer, certificate) =
            parts.identity.map(|own| (own.bearer.clone(), own.certificate.clone())).unwrap_or_default();
        let credentials = Credentials {
            bearer,
            certificate,
            headers: vec![(VIA.to_owned(), SecretSource::Inline("via", VIA_METRICLET.as_bytes().to_vec()))],
            authorities: config.ca_file.clone().map(SecretSource::File),
            server_name: config.server_name.clone().or_else(|| name_of(config)),
            insecure: config.insecure,
            ..Credentials::default()
        };
        let options =
            Options { reach: AllowedAddresses::Anywhere, tls: true, keep_alive: false, gzip: true, proxy: None };
        Self {
            group,
            config: config.clone(),
            is_own: parts.is_own,
            url: config.address.url(),
            client: Client::new(options, credentials, limits, parts.resolver.clone(), Arc::new(Reserved::default())),
            answers: Cache::new(limits.forward.cached, limits.forward.cached_bytes),
            listed: RwLock::default(),
            state: Mutex::default(),
            limits: limits.clone(),
            clock: parts.clock.clone(),
            counters: parts.counters.clone(),
        }
    }

    /// Its configuration.
    pub fn config(&self) -> &OtherAdapter {
        &self.config
    }

    /// The group that it serves.
    pub fn group(&self) -> Group {
        self.group
    }

    /// Its list of metrics, as far as known.
    pub fn listed(&self) -> Arc<Listed> {
        self.listed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its state.
    pub fn state(&self) -> AdapterState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counters of its requests.
    pub(crate) fn counters(&self) -> &Calls {
        self.counters.forwarded(self.group)
    }

    /// The path of a metric, in the version that the adapter serves; `below` is the part after the version.
    pub(crate) fn path(&self, below: &dyn std::fmt::Display) -> String {
        format!("/apis/{}/{}/{below}", self.group.as_str(), self.listed().version.as_str())
    }

    /// The adapter's answer to a request. For a shadowed rule (`is_shadowed`), it gets less time, and is skipped while away.
    ///
    /// # Errors
    /// Why there is no answer. A Status is an answer.
    pub(crate) fn request(
        &self,
        path: &str,
        is_shadowed: bool,
        wait: Wait,
    ) -> Result<Arc<AdapterAnswer>, ForwardError> {
        let now = self.clock.now().monotonic;
        if is_shadowed && self.is_away(now) {
            return Err(ForwardError::Away);
        }
        let limits = &self.limits.forward;
        let full = if is_shadowed { self.config.timeout.min(limits.shadowed) } else { self.config.timeout };
        let time = match wait {
            Wait::Until(deadline) => full.min(deadline.saturating_duration_since(now).saturating_sub(limits.margin)),
            Wait::No => full,
        };
        let load = || {
            let answer = self.fetch(path, time, limits.answer);
            let is_cut = time < full && matches!(answer, Err(ForwardError::Fetch(FetchError::Timeout(_))));
            self.counters().count(answer.as_ref().map(|answer| answer.code).ok());
            // An error of one metric does not affect the adapter's state.
            if !is_cut && answer.as_ref().err().is_none_or(ForwardError::is_outage) {
                self.note(answer.as_ref().map(|_| ()));
            }
            let cost = path.len() + answer.as_ref().map_or(VALUE, AdapterAnswer::cost);
            Loaded {
                value: answer.map(Arc::new),
                until: self.clock.now().monotonic + limits.cached_for,
                cost,
                shared: !is_cut,
            }
        };
        // A caller waits for another caller's request for as long as for its own.
        let wait = match wait {
            Wait::Until(deadline) => Wait::Until(deadline.min(now + full + limits.margin)),
            Wait::No => Wait::No,
        };
        match self.answers.get(&Key::of(path), now, wait, |_| true, load) {
            Outcome::Value(answer) => (*answer).clone(),
            Outcome::WouldWait => Err(ForwardError::WouldWait),
            Outcome::TimedOut => Err(ForwardError::Busy),
            Outcome::Panicked => Err(ForwardError::Bug),
        }
    }

    /// Requests its list of metrics; the previous list stays in use if that fails.
    ///
    /// # Errors
    /// Why there is no list.
    pub(crate) fn refresh(&self, time: Duration) -> Result<(), ForwardError> {
        let outcome = self.list(self.clock.now().monotonic + time);
        self.note(outcome.as_ref().map(|_| ()));
        let listed = outcome?;
        if !self.listed().is_same(&listed) {
            let count = listed.metrics().len();
            debug!("{} lists {count} metrics of {}", self.config.address, self.group.as_str());
            *self.listed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(listed);
        }
        Ok(())
    }

    /// Its list in the newest version that it serves.
    fn list(&self, deadline: Instant) -> Result<Listed, ForwardError> {
        for &version in self.group.versions() {
            let path = format!("/apis/{}/{}", self.group.as_str(), version.as_str());
            let time = deadline.saturating_duration_since(self.clock.now().monotonic).min(self.config.timeout);
            match self.fetch(&path, time, self.limits.forward.discovery)? {
                AdapterAnswer { code: 200, received: Received::Resources(resources), .. } => {
                    return match resources.len() > self.limits.forward.metrics {
                        true => Err(ForwardError::TooMany(self.limits.forward.metrics)),
                        false => Ok(Listed::new(self.group, version, resources)),
                    };
                }
                // The adapter does not serve this version.
                AdapterAnswer { code: 404, .. } => {}
                AdapterAnswer { code, .. } => return Err(ForwardError::Code(code)),
            }
        }
        Err(ForwardError::Code(404))
    }

    fn fetch(&self, path: &str, time: Duration, most: u64) -> Result<AdapterAnswer, ForwardError> {
        if self.is_own {
            return Err(ForwardError::Own);
        }
        let url = &format!("{}{path}", self.url);
        let request = Request { url, accept: "application/json", body: RequestBody::None, timeout: time };
        let refusal = self.limits.forward.refusal;
        self.client.exchange(&request, |response: &mut Response| {
            let code = response.status();
            let most = if code == 200 { most } else { refusal };
            let mut bytes = Vec::new();
            let mut body = response.body()?.take(most + 1);
            match body.read_to_end(&mut bytes) {
                Ok(_) if body.limit() == 0 => return Err(FetchError::BodyTooLarge(most).into()),
                Ok(_) => {}
                Err(_) => return Err(FetchError::Closed(Phase::Body).into()),
            }
            let (received, bytes) = (received::read(&bytes), bytes.len());
            let answer = |received| Ok(AdapterAnswer { code, received, bytes });
            match (code, received) {
                // These concern Metriclet's rights, not the caller's.
                (401, _) => Err(ForwardError::Unauthorized),
                (403, received) => Err(ForwardError::Forbidden(message(received))),
                (200, Ok(Received::Failure(_))) => Err(ForwardError::Answer("a Status with the code 200".to_owned())),
                (200, Ok(received @ (Received::Custom(..) | Received::External(..))))
                    if received.values() > self.limits.forward.values =>
                {
                    Err(ForwardError::Answer(format!("more than {} values", self.limits.forward.values)))
                }
                (200, Ok(received)) => answer(received),
                (200, Err(why)) => Err(ForwardError::Answer(printable(&why))),
                (400..=599, Ok(Received::Failure(status))) => answer(Received::Failure(status)),
                _ => Err(ForwardError::Code(code)),
            }
        })
    }

    fn is_away(&self, now: Instant) -> bool {
        let away = self.state.lock().unwrap_or_else(PoisonError::into_inner).away();
        away.is_some_and(|since| now.saturating_duration_since(since) < self.limits.forward.skip)
    }

    /// Records the outcome of a request, and logs changes of the state.
    fn note(&self, outcome: Result<(), &ForwardError>) {
        let change = self.state.lock().unwrap_or_else(PoisonError::into_inner).note(outcome, self.clock.now());
        let (address, group) = (&self.config.address, self.group.as_str());
        match (change, outcome) {
            (Change::Fails, Err(error)) => warn!("adapter {address} of {group}: {}", error.summary()),
            (Change::Answers, _) => info!("adapter {address} of {group}: answers again"),
            (_, Err(error)) => debug!("adapter {address} of {group}: {}", error.detail()),
            (_, Ok(())) => {}
        }
    }
}

/// The name to verify: a Service's certificate is for the Service's name.
fn name_of(config: &OtherAdapter) -> Option<CertificateName> {
    use crate::config::model::AdapterAddress::{Service, Url};

    match &config.address {
        Service { namespace, name, .. } => CertificateName::host(&format!("{name}.{namespace}.svc")),
        Url(_) => None,
    }
}

/// The message of a Status.
fn message(received: Result<Received, String>) -> String {
    match received {
        Ok(Received::Failure(status)) => {
            let ReceivedStatus { message, .. } = *status;
            printable(&message)
        }
        _ => String::new(),
    }
}

impl AdapterAnswer {
    /// The approximate size in memory; texts are not longer than the body.
    fn cost(&self) -> usize {
        self.bytes + VALUE * (self.received.values() + 1)
    }
}

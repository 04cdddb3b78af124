//! Turns a request into its reply: routing, authentication and authorization, then the metric's values or a Status with
//! the reason why there are none. With `AllowedWaits::NONE` it answers from memory; otherwise it may block its thread until the
//! request's deadline.

pub(crate) mod access;
pub(crate) mod auth;
pub(crate) mod discovery;
pub(crate) mod failure;
pub(crate) mod health;
pub(crate) mod identity;
pub(crate) mod message;
pub(crate) mod negotiate;
mod openapi;
pub(crate) mod peer;
mod peer_samples;
mod reply_cache;
mod selectors;
mod status_page;
mod values;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use once_cell::sync::OnceCell;

use crate::config::limits::Limits;
use crate::forward::adapter::{VIA, VIA_METRICLET};
use crate::kube::status::Status;
use crate::metrics::Metrics;
use crate::metrics::trace::Trace;
use crate::parse::head::HeadError;
use crate::parse::path::{self, ApiPath, Group, OpenApi};
use crate::parse::query::{self, Query};
use crate::source::shared::Shared;
use crate::source::waiting::{AllowedWaits, Waiting};
use crate::status::answers::MetricClient;
use crate::status::page::StatusPage;
use crate::telemetry::clock::{Clock, Now};
use crate::telemetry::connections::ClientClass;
use crate::telemetry::counters::{Counters, Route};
use crate::telemetry::exposition;
use crate::telemetry::process::Process;
use auth::{AuthFilter, Authorized, Rejection};
use discovery::Listing;
use failure::Failures;
use health::Health;
use message::{Encoding, JSON, Origin, Reply, Request};
use negotiate::Transforms;
use openapi::{DocumentRequest, NoDocument};
use peer::Peer;
use reply_cache::ReplyCache;

/// The API behind every listener.
#[derive(Debug)]
pub struct Api {
    metrics: Metrics,
    replies: ReplyCache,
    health: Health,
    /// Whether other replicas may read the samples.
    shares: AtomicBool,
    status: StatusPage,
    auth: OnceCell<AuthFilter>,
    counters: Arc<Counters>,
    limits: Limits,
    clock: Clock,
    started: Now,
}

/// The outcome of a request.
#[derive(Debug)]
pub enum Answer {
    Reply(Reply),
    /// The request would have to wait for this, and the caller does not wait.
    WouldWait(Waiting),
}

/// Why a route has no reply: a Status, or the need to wait.
enum RouteError {
    Status(Status),
    WouldWait(Waiting),
}

/// The parts of a request that routes need in addition to its path.
#[derive(Clone, Copy)]
struct RequestContext {
    client: MetricClient,
    waits: AllowedWaits,
    now: Now,
    pretty: bool,
    /// Whether another Metriclet has forwarded it.
    is_forwarded: bool,
}

impl From<Status> for RouteError {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl Api {
    /// An API without a configuration, which [`Metrics::install`] sets.
    pub fn unconfigured(limits: &Limits, clock: &Clock) -> Self {
        let counters = Arc::new(Counters::default());
        Self {
            metrics: Metrics::new(Shared::new(limits.clone(), clock.clone(), counters.clone())),
            replies: ReplyCache::new(limits),
            health: Health::default(),
            shares: AtomicBool::new(false),
            status: StatusPage::new(limits, clock.now()),
            auth: OnceCell::new(),
            counters,
            limits: limits.clone(),
            clock: clock.clone(),
            started: clock.now(),
        }
    }

    /// The served metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The health checks.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The data of the status page.
    pub(crate) fn status(&self) -> &StatusPage {
        &self.status
    }

    /// Sets the filter that authenticates and authorizes requests over the network; without it they are all rejected. A
    /// second call has no effect.
    pub fn set_auth(&self, auth: AuthFilter) {
        let _ = self.auth.set(auth);
    }

    /// The filter that authenticates and authorizes requests over the network.
    pub fn auth(&self) -> Option<&AuthFilter> {
        self.auth.get()
    }

    /// The class of a client that presented these certificates.
    pub fn client_class(&self, peer: Option<&Peer>) -> ClientClass {
        let identity = self.auth.get().map(|auth| &auth.identity);
        identity.map_or(ClientClass::Unverified, |identity| identity.client_class(peer, self.clock.now()))
    }

    /// The current time of the API's clock.
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A shared reference to the counters.
    pub fn shared_counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Answers a request that arrived at `since`, waiting only as `waits` allows.
    pub fn answer(&self, request: &Request<'_>, waits: AllowedWaits, since: Now, trace: &mut Trace) -> Answer {
        // A request that does not wait is answered when it comes in.
        let is_immediate = waits == AllowedWaits::NONE;
        let now = if is_immediate { since } else { self.clock.now() };
        if is_immediate
            && !trace.is_on()
            && let Some((cached, authorized)) = self.cached_reply(request, now)
        {
            let reply = cached.reply(client(authorized), now);
            return self.answered(reply, Route::of(&cached.path), &Ok(authorized), since);
        }
        let (raw_path, raw_query) = query::split(request.target);
        let path = path::parse(raw_path, self.limits.request.path);
        let query = query::parse(raw_query, self.limits.request.query);
        let pretty =
            negotiate::pretty(query.as_ref().ok().and_then(|query| query.pretty), request.header("User-Agent"));
        let route = path.as_ref().map_or(Route::Other, Route::of);
        let authorized = self.authorize(request, path.as_ref().ok(), waits, now);
        let result = match (&authorized, &path, &query) {
            (Err(Rejection::WouldWait(waiting)), ..) => Err(RouteError::WouldWait(*waiting)),
            (Err(rejection), ..) => Err(self.failures().rejection(rejection).into()),
            (Ok(_), Err(error), _) => Err(self.failures().bad_request(error).into()),
            (Ok(_), _, Err(error)) => Err(self.failures().bad_request(error).into()),
            (Ok(authorized), Ok(path), Ok(query)) => {
                // Cached replies may have expired while the request waited for a review.
                let now = if is_immediate { now } else { self.clock.now() };
                let is_forwarded = is_forwarded(request);
                let context = RequestContext { client: client(*authorized), waits, now, pretty, is_forwarded };
                self.route(path, query, request, context, trace)
            }
        };
        let reply = match result {
            Ok(reply) => reply,
            Err(RouteError::Status(status)) => {
                self.note_error(request.target, path.as_ref().ok(), &authorized, &status);
                status_reply(&status, status_encoding(request, pretty))
            }
            Err(RouteError::WouldWait(waiting)) => return Answer::WouldWait(waiting),
        };
        self.answered(reply, route, &authorized, since)
    }

    /// Counts a request and its reply.
    fn answered(&self, reply: Reply, route: Route, authorized: &Result<Authorized, Rejection>, since: Now) -> Answer {
        auth::count(authorized, &self.counters);
        self.counters.request(route, reply.code, self.took(since));
        if reply.code == 200 && matches!(route, Route::Namespaced(_) | Route::RootScoped(_) | Route::External) {
            self.counters.encoding(reply.media_type);
        }
        Answer::Reply(reply)
    }

    fn took(&self, since: Now) -> Duration {
        self.clock.monotonic().saturating_duration_since(since.monotonic)
    }

    /// Sets the number of requests that wait for a worker.
    pub fn queued(&self, count: usize) {
        self.counters.queued.set(count as u64);
    }

    /// The reply to a request whose deadline passed, or whose queue was full, while it waited.
    pub fn overloaded(&self, request: &Request<'_>, waiting: Waiting, since: Now) -> Reply {
        self.counters.overloaded.increment();
        self.failed(request, &self.failures().overloaded(waiting), since)
    }

    /// The reply to a request that a bug in Metriclet aborted.
    pub fn bug(&self, request: &Request<'_>, since: Now) -> Reply {
        self.counters.panics.increment();
        self.failed(request, &self.failures().bug(), since)
    }

    /// The reply to a request that the listener rejects.
    pub fn refused(&self, request: &Request<'_>, why: &str, since: Now) -> Reply {
        self.failed(request, &self.failures().bad_request(&why), since)
    }

    /// The reply to a request whose head cannot be read, so that its route is not known.
    pub fn refused_head(&self, error: &HeadError) -> Reply {
        let status = self.failures().head(error);
        self.counters.request(Route::Other, status.code(), Duration::ZERO);
        status_reply(&status, Encoding::Json { pretty: false })
    }

    /// Counts a failure under the route of its request, so that alerts on failing metric requests see it.
    fn failed(&self, request: &Request<'_>, status: &Status, since: Now) -> Reply {
        let (path, _) = query::split(request.target);
        let route = path::parse(path, self.limits.request.path).as_ref().map_or(Route::Other, Route::of);
        self.counters.request(route, status.code(), self.took(since));
        status_reply(status, status_encoding(request, false))
    }

    /// Authenticates and authorizes a request.
    fn authorize(
        &self,
        request: &Request<'_>,
        path: Option<&ApiPath>,
        waits: AllowedWaits,
        now: Now,
    ) -> Result<Authorized, Rejection> {
        let Origin::Network(peer) = request.origin else { return Ok(Authorized::AlwaysAllowed) };
        match self.auth.get() {
            Some(auth) => auth.authorize(request, peer, path, waits, now),
            None => Err(Rejection::NotAuthenticated("no authority to trust is known yet".to_owned())),
        }
    }

    fn route(
        &self,
        path: &ApiPath,
        query: &Query,
        request: &Request<'_>,
        context: RequestContext,
        trace: &mut Trace,
    ) -> Result<Reply, RouteError> {
        let pretty = context.pretty;
        match path {
            ApiPath::Root => Ok(discovery::root(200, pretty)),
            ApiPath::Unknown => Ok(discovery::root(404, pretty)),
            ApiPath::UnknownInGroup => Err(Status::no_such_route().into()),
            ApiPath::Health(probe, check) => Ok(self.health.answer(*probe, check.as_deref(), query)),
            ApiPath::OwnMetrics => Ok(self.own_metrics()),
            ApiPath::PeerSamples => self.peer_samples(query, request, context.waits),
            ApiPath::OpenApi(route) => self.openapi(route, query, request, pretty),
            ApiPath::VersionInfo => {
                self.check(request, &[JSON], Transforms::Ignored)?;
                Ok(discovery::version())
            }
            ApiPath::Groups if request.method == "GET" && negotiate::prefers_aggregated(request.header("Accept")) => {
                let (rules, is_merged) = (self.metrics.rules(), !context.is_forwarded);
                let listing = Listing { rules: &rules, is_merged };
                Ok(discovery::aggregated(listing, request.header("If-None-Match"), pretty))
            }
            ApiPath::Groups | ApiPath::Group(_) | ApiPath::Resources(..) => {
                let media_type = self.check(request, Encoding::OFFERED, Transforms::Ignored)?;
                let encoding = Encoding::new(media_type, pretty);
                Ok(match path {
                    ApiPath::Group(group) => discovery::group(*group, encoding),
                    ApiPath::Resources(group, version) => {
                        let (rules, is_merged) = (self.metrics.rules(), !context.is_forwarded);
                        discovery::resources(*group, *version, Listing { rules: &rules, is_merged }, encoding)
                    }
                    _ => discovery::groups(encoding),
                })
            }
            ApiPath::Metric(metric) => self.values(request, path, context, trace, &|encoding, trace| {
                self.metric(metric, query, context, encoding, trace)
            }),
            ApiPath::External(metric) => self.values(request, path, context, trace, &|encoding, trace| {
                self.external_metric(metric, query, context, encoding, trace)
            }),
            ApiPath::Status(format) => self.status_page(*format, request, context),
        }
    }

    /// The media type of the reply. Only GET is allowed, and the caller must accept one of the media types `offered`.
    fn check<'o>(&self, request: &Request<'_>, offered: &[&'o str], transforms: Transforms) -> Result<&'o str, Status> {
        if request.method != "GET" {
            return Err(self.failures().method());
        }
        let chosen = negotiate::negotiate(request.header("Accept"), offered, transforms);
        chosen.ok_or_else(|| self.failures().not_acceptable(offered))
    }

    fn openapi(
        &self,
        route: &OpenApi,
        query: &Query,
        request: &Request<'_>,
        pretty: bool,
    ) -> Result<Reply, RouteError> {
        if request.method != "GET" {
            return Err(self.failures().method().into());
        }
        let rules = self.metrics.rules();
        let groups: Vec<_> = Group::ALL.into_iter().filter(|group| rules.uses(*group)).collect();
        let document_request = DocumentRequest {
            groups: &groups,
            accept: request.header("Accept"),
            if_none_match: request.header("If-None-Match"),
            hash: query.hash.as_deref(),
            unix_millis: self.clock.now().unix_millis,
        };
        match openapi::reply(route, &document_request) {
            Ok(reply) => Ok(reply),
            Err(NoDocument::NotAcceptable(offered)) => Err(self.failures().not_acceptable(&offered).into()),
            Err(NoDocument::NotFound) => Ok(discovery::root(404, pretty)),
        }
    }

    fn own_metrics(&self) -> Reply {
        let mut page = exposition::page(&self.counters, &Process::read(), self.started, env!("CARGO_PKG_VERSION"));
        page += &self.status.failing_rules(self.clock.now());
        page += &self.metrics.adapters().shadows.exposition(self.clock.now());
        Reply::new(200, exposition::CONTENT_TYPE, page)
    }

    fn failures(&self) -> Failures {
        Failures { max: self.limits.answer.message }
    }
}

/// The encoding of a Status: that of other objects, or JSON for callers that accept none of their media types.
fn status_encoding(request: &Request<'_>, pretty: bool) -> Encoding {
    let chosen = negotiate::negotiate(request.header("Accept"), Encoding::OFFERED, Transforms::Refused);
    Encoding::new(chosen.unwrap_or(JSON), pretty)
}

fn status_reply(status: &Status, encoding: Encoding) -> Reply {
    let reply = Reply::object(status.code(), status, encoding);
    match status.code() {
        // RFC 9110 §15.5.6 requires it.
        405 => reply.with_header("Allow", "GET"),
        _ => reply,
    }
}

/// Whether another Metriclet has forwarded a request (RFC 9110 §7.6.3).
fn is_forwarded(request: &Request<'_>) -> bool {
    let through = |via: &str| via.split(',').any(|intermediary| intermediary.trim() == VIA_METRICLET);
    request.header(VIA).is_some_and(through)
}

/// The client of a metric request.
fn client(authorized: Authorized) -> MetricClient {
    match authorized {
        Authorized::Granted { is_hpa_controller: true } => MetricClient::HpaController,
        Authorized::Granted { .. } | Authorized::AlwaysAllowed => MetricClient::Other,
    }
}

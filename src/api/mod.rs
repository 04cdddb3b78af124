//! One request from its path to its reply: routing, authentication and authorization, then the metric's values or a
//! Status with the reason why there are none.

pub(crate) mod access;
pub(crate) mod auth;
pub(crate) mod discovery;
pub(crate) mod failure;
pub(crate) mod health;
pub(crate) mod identity;
mod kept;
pub(crate) mod message;
pub(crate) mod negotiate;
mod openapi;
pub(crate) mod peer;
mod selectors;

use std::sync::Arc;

use once_cell::sync::OnceCell;

use crate::config::limits::Limits;
use crate::kube::custom_metrics::MetricValueList;
use crate::kube::external_metrics::ExternalMetricValueList;
use crate::kube::status::Status;
use crate::metrics::failure::Failure;
use crate::metrics::trace::Trace;
use crate::metrics::{ExternalRequest, MetricRequest, Metrics};
use crate::parse::head::HeadError;
use crate::parse::path::{self, ApiPath, ExternalPath, Group, MetricPath, OpenApi};
use crate::parse::query::{self, Query};
use crate::parse::selector::Selector;
use crate::source::shared::Shared;
use crate::source::waiting::{Patience, Waiting};
use crate::telemetry::clock::{Clock, Now};
use crate::telemetry::connections::ClientClass;
use crate::telemetry::counters::{Counters, Route};
use crate::telemetry::exposition;
use crate::telemetry::process::Process;
use auth::{AuthFilter, Authorized, Rejection};
use failure::Failures;
use health::Health;
use kept::{Answered, KeptReplies};
use message::{Encoding, JSON, Origin, Reply, Request};
use negotiate::Transforms;
use openapi::{Asked, NoDocument};
use peer::Peer;

/// The API behind every listener.
#[derive(Debug)]
pub struct Api {
    metrics: Metrics,
    kept: KeptReplies,
    health: Health,
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
    /// The request has to wait for this, and the caller does not wait.
    WouldWait(Waiting),
}

/// A route's result: a reply, a Status, or the need to wait.
enum Stop {
    Status(Status),
    WouldWait(Waiting),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl Api {
    /// An API without a configuration: [`Metrics::install`] brings one.
    pub fn unconfigured(limits: &Limits, clock: &Clock) -> Self {
        let counters = Arc::new(Counters::default());
        Self {
            metrics: Metrics::new(Shared::new(limits.clone(), clock.clone(), counters.clone())),
            kept: KeptReplies::new(limits),
            health: Health::default(),
            auth: OnceCell::new(),
            counters,
            limits: limits.clone(),
            clock: clock.clone(),
            started: clock.now(),
        }
    }

    /// The metrics that it serves.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Its health checks.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Sets the filter that authenticates and authorizes requests over the network; without it all of them are
    /// rejected. A second call has no effect.
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

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A shared reference to the counters.
    pub fn shared_counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Answers a request, waiting only as `patience` allows. `since` is when it came in.
    pub fn answer(&self, request: &Request<'_>, patience: Patience, since: Now, trace: &mut Trace) -> Answer {
        let (raw_path, raw_query) = match request.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.target, None),
        };
        let path = path::parse(raw_path, self.limits.request.path);
        let query = query::parse(raw_query, self.limits.request.query);
        let pretty =
            negotiate::pretty(query.as_ref().ok().and_then(|query| query.pretty), request.header("User-Agent"));
        let route = path.as_ref().map_or(Route::Other, counted_as);
        let authorized = self.authorize(request, path.as_ref().ok(), patience, self.clock.now());
        let result = match (&authorized, &path, &query) {
            (Err(Rejection::WouldWait(waiting)), ..) => Err(Stop::WouldWait(*waiting)),
            (Err(rejection), ..) => Err(self.failures().rejection(rejection).into()),
            (Ok(_), Err(error), _) => Err(self.failures().bad_request(error).into()),
            (Ok(_), _, Err(error)) => Err(self.failures().bad_request(error).into()),
            (Ok(_), Ok(path), Ok(query)) => self.route(path, query, request, patience, pretty, trace),
        };
        let reply = match result {
            Ok(reply) => reply,
            Err(Stop::Status(status)) => status_reply(&status, status_encoding(request, pretty)),
            Err(Stop::WouldWait(waiting)) => return Answer::WouldWait(waiting),
        };
        auth::count(&authorized, &self.counters);
        let took = self.clock.now().monotonic.saturating_duration_since(since.monotonic);
        self.counters.request(route, reply.code, took);
        if reply.code == 200 && matches!(route, Route::Namespaced(_) | Route::RootScoped(_) | Route::External) {
            self.counters.encoding(reply.media_type);
        }
        Answer::Reply(reply)
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
        self.counters.request(Route::Other, status.code(), std::time::Duration::ZERO);
        status_reply(&status, Encoding::Json { pretty: false })
    }

    /// Counts a failure under the route of its request, so that alerts on failing metric requests see it.
    fn failed(&self, request: &Request<'_>, status: &Status, since: Now) -> Reply {
        let path = request.target.split('?').next().unwrap_or_default();
        let route = path::parse(path, self.limits.request.path).as_ref().map_or(Route::Other, counted_as);
        let took = self.clock.now().monotonic.saturating_duration_since(since.monotonic);
        self.counters.request(route, status.code(), took);
        status_reply(status, status_encoding(request, false))
    }

    /// Authenticates and authorizes a request.
    fn authorize(
        &self,
        request: &Request<'_>,
        path: Option<&ApiPath>,
        patience: Patience,
        now: Now,
    ) -> Result<Authorized, Rejection> {
        let Origin::Network(peer) = request.origin else { return Ok(Authorized::Open) };
        match self.auth.get() {
            Some(auth) => auth.authorize(request, peer, path, patience, now),
            None => Err(Rejection::NotAuthenticated("no authority to trust is known yet".to_owned())),
        }
    }

    fn route(
        &self,
        path: &ApiPath,
        query: &Query,
        request: &Request<'_>,
        patience: Patience,
        pretty: bool,
        trace: &mut Trace,
    ) -> Result<Reply, Stop> {
        match path {
            ApiPath::Root => Ok(discovery::root(200, pretty)),
            ApiPath::Unknown => Ok(discovery::root(404, pretty)),
            ApiPath::UnknownInGroup => Err(Status::no_such_route().into()),
            ApiPath::Health(probe, check) => Ok(self.health.answer(*probe, check.as_deref(), query)),
            ApiPath::OwnMetrics => Ok(self.own_metrics()),
            ApiPath::OpenApi(route) => self.openapi(route, query, request, pretty),
            ApiPath::VersionInfo => {
                self.check(request, &[JSON], Transforms::Ignored)?;
                Ok(discovery::version())
            }
            ApiPath::Groups if request.method == "GET" && negotiate::asks_for_aggregated(request.header("Accept")) => {
                Ok(discovery::aggregated(&self.metrics.rules(), request.header("If-None-Match"), pretty))
            }
            ApiPath::Groups | ApiPath::Group(_) | ApiPath::Resources(..) => {
                let media_type = self.check(request, Encoding::OFFERED, Transforms::Ignored)?;
                let encoding = Encoding::new(media_type, pretty);
                Ok(match path {
                    ApiPath::Group(group) => discovery::group(*group, encoding),
                    ApiPath::Resources(group, version) => {
                        discovery::resources(*group, *version, &self.metrics.rules(), encoding)
                    }
                    _ => discovery::groups(encoding),
                })
            }
            ApiPath::Metric(path) => {
                let media_type = self.check(request, Encoding::OFFERED, Transforms::Refused)?;
                let encoding = Encoding::new(media_type, pretty);
                self.kept(request.target, encoding, trace, |trace| self.metric(path, query, patience, encoding, trace))
            }
            ApiPath::External(path) => {
                let media_type = self.check(request, Encoding::OFFERED, Transforms::Refused)?;
                let encoding = Encoding::new(media_type, pretty);
                let answer = |trace: &mut Trace| self.external_metric(path, query, patience, encoding, trace);
                self.kept(request.target, encoding, trace, answer)
            }
        }
    }

    /// A cached reply, or a new one; a traced one is always new.
    fn kept(
        &self,
        target: &str,
        encoding: Encoding,
        trace: &mut Trace,
        answer: impl FnOnce(&mut Trace) -> Result<Answered, Stop>,
    ) -> Result<Reply, Stop> {
        match trace.is_on() {
            true => answer(trace).map(|(reply, _)| reply),
            false => self.kept.reply(target, encoding, &self.metrics.rules(), self.clock.now(), || answer(trace)),
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

    fn metric(
        &self,
        path: &MetricPath,
        query: &Query,
        patience: Patience,
        encoding: Encoding,
        trace: &mut Trace,
    ) -> Result<Answered, Stop> {
        let label_selector = self.selector("labelSelector", query.label_selector.as_deref())?;
        let metric_selector = self.selector("metricLabelSelector", query.metric_label_selector.as_deref())?;
        selectors::check_field_selector(path, query, self.failures())?;
        let ask = MetricRequest { path, label_selector: &label_selector, metric_selector: &metric_selector };
        let answer = match self.metrics.answer(ask, patience, trace) {
            Ok(answer) => answer,
            Err(Failure::WouldWait(waiting)) => return Err(Stop::WouldWait(waiting)),
            Err(failure) => return Err(self.failures().metric(&failure).into()),
        };
        let (selector, items) = (answer.selector.as_ref(), &answer.items);
        let list = MetricValueList { version: path.version, metric: &path.metric, selector, items };
        Ok((Reply::object(200, &list, encoding), answer.lasting))
    }

    fn external_metric(
        &self,
        path: &ExternalPath,
        query: &Query,
        patience: Patience,
        encoding: Encoding,
        trace: &mut Trace,
    ) -> Result<Answered, Stop> {
        if query.watch == Some(true) {
            return Err(self.failures().watch().into());
        }
        let selector = self.selector("labelSelector", query.label_selector.as_deref())?;
        let values = match self.metrics.answer_external(ExternalRequest { path, selector: &selector }, patience, trace)
        {
            Ok(values) => values,
            Err(Failure::WouldWait(waiting)) => return Err(Stop::WouldWait(waiting)),
            Err(failure) => return Err(self.failures().metric(&failure).into()),
        };
        let list = ExternalMetricValueList { metric: &values.metric, items: &values.items };
        Ok((Reply::object(200, &list, encoding), values.lasting))
    }

    fn selector(&self, parameter: &str, text: Option<&str>) -> Result<Selector, Status> {
        selectors::selector(parameter, text, &self.limits.request, self.failures())
    }

    fn openapi(&self, route: &OpenApi, query: &Query, request: &Request<'_>, pretty: bool) -> Result<Reply, Stop> {
        if request.method != "GET" {
            return Err(self.failures().method().into());
        }
        let rules = self.metrics.rules();
        let groups: Vec<_> = Group::ALL.into_iter().filter(|group| rules.uses(*group)).collect();
        let asked = Asked {
            groups: &groups,
            accept: request.header("Accept"),
            if_none_match: request.header("If-None-Match"),
            hash: query.hash.as_deref(),
            unix_millis: self.clock.now().unix_millis,
        };
        match openapi::reply(route, &asked) {
            Ok(reply) => Ok(reply),
            Err(NoDocument::NotAcceptable(offered)) => Err(self.failures().not_acceptable(&offered).into()),
            Err(NoDocument::NotFound) => Ok(discovery::root(404, pretty)),
        }
    }

    fn own_metrics(&self) -> Reply {
        let page = exposition::page(&self.counters, &Process::read(), self.started, env!("CARGO_PKG_VERSION"));
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

fn counted_as(path: &ApiPath) -> Route {
    match path {
        ApiPath::Metric(path) if path.namespace.is_some() || path.resource == "namespaces" => {
            Route::Namespaced(path.version)
        }
        ApiPath::Metric(path) => Route::RootScoped(path.version),
        ApiPath::External(_) => Route::External,
        ApiPath::Groups | ApiPath::Group(_) | ApiPath::Resources(..) | ApiPath::OpenApi(_) => Route::Discovery,
        ApiPath::Health(..) => Route::Health,
        ApiPath::OwnMetrics => Route::OwnMetrics,
        ApiPath::Root | ApiPath::VersionInfo | ApiPath::Unknown | ApiPath::UnknownInGroup => Route::Other,
    }
}

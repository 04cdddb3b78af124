//! Calls to the Kubernetes API over persistent connections, each within its caller's deadline.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde::Deserialize;

use super::error::{CallError, CallFailure};
use super::session::Session;
use super::target::Target;
use crate::config::limits::Limits;
use crate::http::client::{Client as HttpClient, Request, RequestBody, Response};
use crate::http::error::{FetchError, printable};
use crate::kube::review::{self, SubjectAccessReviewSpec, SubjectAccessReviewStatus, TokenReviewStatus};
use crate::telemetry::counters::{Calls, Counters};

/// The pause before the first retry; it doubles with each retry.
const BACK_OFF: Duration = Duration::from_millis(50);

/// The media type of most responses.
const JSON: &str = "application/json";

/// The media type of a merge patch (RFC 7396).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// The maximum number of bytes of an error response that are read for the log.
const MAX_REFUSAL: u64 = 256;

/// A client of the Kubernetes API.
#[derive(Debug)]
pub struct Client {
    session: Session,
    limits: Limits,
    counters: Arc<Counters>,
    /// The `Date` of the last response in Unix seconds; 0 if there was none.
    server_time: AtomicI64,
}

/// Reads the body of a response; called again for each retry. It is not generic, so that a call is compiled only once.
type ReadAnswer<'r> = &'r mut dyn FnMut(&mut dyn Read) -> Result<(), String>;

struct Call<'a> {
    name: &'static str,
    path: &'a str,
    accept: &'a str,
    body: RequestBody<'a>,
    /// The maximum size of a response in bytes.
    most: u64,
    longest: Duration,
    counted: Option<&'a Calls>,
}

impl Client {
    /// A client of this API server. It makes no call yet.
    pub fn new(target: Target, limits: &Limits, counters: Arc<Counters>) -> Self {
        Self { session: Session::new(target, limits), limits: limits.clone(), counters, server_time: AtomicI64::new(0) }
    }

    /// Ensures that there are credentials; this may run a credential plugin.
    ///
    /// # Errors
    /// Why there are none.
    pub(crate) fn log_in(&self) -> Result<(), String> {
        self.session.logged_in().map(drop)
    }

    /// The counters of calls.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The URL of the server.
    pub fn server(&self) -> &str {
        self.session.server()
    }

    /// The server's time in its last response, in Unix seconds, if it was sent.
    pub(crate) fn server_time(&self) -> Option<i64> {
        Some(self.server_time.load(Ordering::Relaxed)).filter(|time| *time != 0)
    }

    /// Reviews a bearer token.
    ///
    /// # Errors
    /// If there is no response by the deadline.
    pub fn token_review(&self, token: &str, deadline: Instant) -> Result<TokenReviewStatus, CallError> {
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let body = review::token_review(token);
        let counted = Some(&self.counters.token_reviews);
        self.status(&self.post("TokenReview", path, &body, counted), deadline)
    }

    /// Reviews whether a user is allowed to make a request.
    ///
    /// # Errors
    /// If there is no response by the deadline.
    pub fn access_review(
        &self,
        spec: &SubjectAccessReviewSpec,
        deadline: Instant,
    ) -> Result<SubjectAccessReviewStatus, CallError> {
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let body = review::access_review(spec);
        let counted = Some(&self.counters.access_reviews);
        self.status(&self.post("SubjectAccessReview", path, &body, counted), deadline)
    }

    /// The error of a caller that waited too long for another caller's identical call.
    pub fn too_slow(&self, call: &'static str) -> CallError {
        self.error(call, CallFailure::Timeout)
    }

    /// The response body of a GET.
    pub(super) fn get(&self, name: &'static str, path: &str, deadline: Instant) -> Result<Vec<u8>, CallError> {
        let (most, longest) = (self.limits.page.json as u64, self.limits.review.timeout);
        let call = Call { name, path, accept: JSON, body: RequestBody::None, most, longest, counted: None };
        self.call(&call, deadline, &|body: &mut dyn Read| {
            let mut bytes = Vec::new();
            body.read_to_end(&mut bytes).map(|_| bytes).map_err(|error| error.to_string())
        })
    }

    /// The status code and body of a GET, for commands.
    ///
    /// # Errors
    /// If there is no response in time.
    pub(crate) fn look(&self, path: &str) -> Result<(u16, Vec<u8>), CallError> {
        let fail = |failure| self.error("GET", failure);
        let logged_in = self.session.logged_in().map_err(|why| fail(CallFailure::Login(why)))?;
        let (most, timeout) = (self.limits.page.json as u64, self.limits.objects.timeout);
        let url = format!("{}{path}", self.server());
        let request = Request { url: &url, accept: JSON, body: RequestBody::None, timeout };
        let answer = logged_in.http.exchange(&request, |response: &mut Response| {
            let code = response.status();
            let (mut limited, mut bytes) = (response.body()?.take(most + 1), Vec::new());
            let read = limited.read_to_end(&mut bytes);
            match limited.limit() {
                0 => Err(FetchError::BodyTooLarge(most).into()),
                _ => read.map(|_| (code, bytes)).map_err(|why| CallFailure::Answer(printable(&why))),
            }
        });
        answer.map_err(fail)
    }

    /// Changes an object by a merge patch. An attempt whose response is lost is repeated, so the patch must be
    /// idempotent or name the version that it changes.
    pub(super) fn patch(
        &self,
        name: &'static str,
        path: &str,
        patch: &[u8],
        deadline: Instant,
    ) -> Result<(), CallError> {
        let (most, longest) = (self.limits.page.json as u64, self.limits.review.timeout);
        let body = RequestBody::Patch(MERGE_PATCH, patch);
        let call = Call { name, path, accept: JSON, body, most, longest, counted: None };
        self.call(&call, deadline, &|body: &mut dyn Read| {
            std::io::copy(body, &mut std::io::sink()).map(drop).map_err(|error| error.to_string())
        })
    }

    /// Lists objects. `read` is called for each attempt; each attempt takes at most `longest`.
    pub(super) fn list<T>(
        &self,
        path: &str,
        accept: &str,
        most: u64,
        longest: Duration,
        deadline: Instant,
        read: impl Fn(&mut dyn Read) -> Result<T, String>,
    ) -> Result<T, CallError> {
        let call = Call { name: "list", path, accept, body: RequestBody::None, most, longest, counted: None };
        self.call(&call, deadline, &read)
    }

    /// Reads a stream of events with limits on time and bytes, without retries.
    pub(super) fn watch(
        &self,
        path: &str,
        most: u64,
        longest: Duration,
        read: ReadAnswer<'_>,
    ) -> Result<(), CallError> {
        let call = Call { name: "watch", path, accept: JSON, body: RequestBody::None, most, longest, counted: None };
        self.once(&call, Instant::now() + longest, read)
    }

    fn post<'a>(&self, name: &'static str, path: &'a str, body: &'a [u8], counted: Option<&'a Calls>) -> Call<'a> {
        let (most, longest) = (self.limits.page.json as u64, self.limits.review.timeout);
        Call { name, path, accept: JSON, body: RequestBody::Bytes(JSON, body), most, longest, counted }
    }

    /// The error for a response of another form.
    pub(super) fn unexpected(&self, name: &'static str, why: &impl ToString) -> CallError {
        self.error(name, CallFailure::Answer(printable(why)))
    }

    fn status<T: for<'de> Deserialize<'de>>(&self, call: &Call<'_>, deadline: Instant) -> Result<T, CallError> {
        self.call(call, deadline, &|body: &mut dyn Read| {
            let mut bytes = Vec::new();
            body.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            review::status(&bytes, call.name).map_err(|error| error.to_string())
        })
    }

    /// Retries until there is a response or the deadline has passed.
    fn call<T>(
        &self,
        call: &Call<'_>,
        deadline: Instant,
        read: &dyn Fn(&mut dyn Read) -> Result<T, String>,
    ) -> Result<T, CallError> {
        let mut answer = None;
        self.try_until(call, deadline, &mut |body| read(body).map(|read| answer = Some(read)))?;
        answer.ok_or_else(|| self.too_slow(call.name))
    }

    fn try_until(&self, call: &Call<'_>, deadline: Instant, read: ReadAnswer<'_>) -> Result<(), CallError> {
        let mut pause = BACK_OFF;
        let mut cause: Option<CallError> = None;
        loop {
            let error = match self.once(call, deadline, read) {
                Ok(()) => return Ok(()),
                // The last attempt had little time, so the previous error says more than its timeout.
                Err(error) if error.is_timeout() => cause.take().unwrap_or(error),
                Err(error) => error,
            };
            if error.is_final() || Instant::now() + pause >= deadline {
                return Err(error);
            }
            cause = Some(error);
            thread::sleep(pause);
            pause *= 2;
        }
    }

    fn once(&self, call: &Call<'_>, deadline: Instant, read: ReadAnswer<'_>) -> Result<(), CallError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.error(call.name, CallFailure::Timeout));
        }
        let timeout = left.min(call.longest);
        let outcome = self.send(call, timeout, read);
        if let Some(calls) = call.counted {
            calls.count(match &outcome {
                Ok(_) => Some(200),
                Err(CallFailure::Code(code, _)) => Some(*code),
                Err(_) => None,
            });
        }
        outcome.map_err(|failure| self.error(call.name, failure))
    }

    fn send(&self, call: &Call<'_>, timeout: Duration, read: ReadAnswer<'_>) -> Result<(), CallFailure> {
        let logged_in = self.session.logged_in().map_err(CallFailure::Login)?;
        let outcome = self.exchange(&logged_in.http, call, timeout, read);
        let is_refused = matches!(outcome, Err(CallFailure::Code(401, _)));
        if !self.session.note(&logged_in, !is_refused) {
            return outcome;
        }
        let logged_in = self.session.logged_in().map_err(CallFailure::Login)?;
        self.exchange(&logged_in.http, call, timeout, read)
    }

    fn exchange(
        &self,
        http: &HttpClient,
        call: &Call<'_>,
        timeout: Duration,
        read: ReadAnswer<'_>,
    ) -> Result<(), CallFailure> {
        let url = format!("{}{}", self.server(), call.path);
        let request = Request { url: &url, accept: call.accept, body: call.body, timeout };
        http.exchange(&request, |response: &mut Response| {
            let time = response.date().and_then(|date| date.duration_since(UNIX_EPOCH).ok());
            let time = time.map_or(0, |since| since.as_secs().try_into().unwrap_or_default());
            self.server_time.store(time, Ordering::Relaxed);
            match response.status() {
                200 | 201 => {
                    let body = response.body()?;
                    // One extra byte shows that a body is too long.
                    let mut limited = body.take(call.most + 1);
                    let read = read(&mut limited);
                    match limited.limit() {
                        0 => Err(FetchError::BodyTooLarge(call.most).into()),
                        _ => read.map_err(|why| CallFailure::Answer(printable(&why))),
                    }
                }
                code => {
                    let text = response.prefix(MAX_REFUSAL);
                    Err(CallFailure::Code(code, printable(&String::from_utf8_lossy(&text))))
                }
            }
        })
    }

    fn error(&self, call: &'static str, failure: CallFailure) -> CallError {
        CallError { call, to: self.server().to_owned(), failure }
    }
}

//! Delegated authentication, as in Kubernetes: by the headers of a front proxy, by a client certificate, or by a bearer
//! token. The first method that succeeds counts. If none succeeds and one failed, the answer is 401; without any
//! credentials, the user is anonymous.

pub(super) mod headers;
mod subject;
pub(crate) mod trust;
mod user;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use log::debug;
use ring::digest;

use self::headers::NamedUser;
use self::subject::subject;
use self::trust::{RemoteHeaders, Trust};
pub(crate) use self::user::KnownUser;
pub use self::user::{AuthenticationMethod, User};
use super::message::Request;
use super::peer::{Peer, Verified};
use crate::cache::{Cache, Key, Loaded, Outcome, Wait};
use crate::config::limits::Limits;
use crate::kube::review::{TokenReviewStatus, UserInfo};
use crate::kube_api::client::Client;
use crate::kube_api::error::CallError;
use crate::parse::head::Header;
use crate::parse::sort;
use crate::telemetry::clock::Now;
use crate::telemetry::connections::ClientClass;

/// Why a certificate authenticates no user.
const UNTRUSTED: &str = "the client's certificate names no user or is signed by no trusted authority";

/// Authenticates requests.
pub struct Identity {
    trust: RwLock<Arc<Trust>>,
    rejections: RejectedCertificates,
    reviewer: Option<Arc<Client>>,
    /// Cached TokenReviews by the token's SHA-256, so that no token is kept.
    tokens: Cache<Result<Reviewed, CallError>>,
    limits: Limits,
}

/// The cached result of a TokenReview.
struct Reviewed {
    /// `None` if the token is invalid.
    user: Option<Arc<KnownUser>>,
    /// Why the token could not be reviewed.
    error: String,
}

/// Why a request cannot be authenticated.
#[derive(Debug)]
pub enum AuthenticationError {
    /// Its credentials are invalid: 401. The text is for the log alone.
    Unauthorized(String),
    /// The Kubernetes API did not respond.
    Unavailable(CallError),
    /// The Kubernetes API has to be called, and the caller does not wait.
    WouldWait,
}

/// Signals that a certificate was rejected: the authorities may have changed.
#[derive(Debug, Default)]
struct RejectedCertificates {
    rejected: Mutex<bool>,
    changed: Condvar,
}

impl Identity {
    /// Trusts no authority yet; `reviewer` reviews tokens.
    pub fn new(reviewer: Option<Arc<Client>>, limits: &Limits) -> Self {
        Self {
            trust: RwLock::default(),
            rejections: RejectedCertificates::default(),
            reviewer,
            tokens: Cache::new(limits.review.cached_tokens, limits.review.cached_bytes),
            limits: limits.clone(),
        }
    }

    /// Replaces the trusted authorities, also for open connections.
    pub fn install(&self, trust: Trust) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
    }

    /// The authorities that it trusts.
    pub fn trust(&self) -> Arc<Trust> {
        self.trust.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a certificate is rejected, at most for `longest`; whether one was.
    pub fn wait_for_rejection(&self, longest: Duration) -> bool {
        let rejected = self.rejections.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rejected, _) = self
            .rejections
            .changed
            .wait_timeout_while(rejected, longest, |rejected| !*rejected)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut rejected)
    }

    /// The class of a client that presented these certificates.
    pub fn client_class(&self, peer: Option<&Peer>, now: Now) -> ClientClass {
        match peer.map(|peer| self.verified(&self.trust(), peer, now)) {
            Some(verified) if verified.front_proxy => ClientClass::FrontProxy,
            Some(verified) if verified.client.is_some() => ClientClass::Verified,
            _ => ClientClass::Unverified,
        }
    }

    /// The user of a request.
    ///
    /// # Errors
    /// If its credentials are invalid or cannot be reviewed; see [`AuthenticationError`].
    pub fn authenticate(
        &self,
        request: &Request<'_>,
        peer: Option<&Peer>,
        wait: Wait,
        now: Now,
    ) -> Result<User, AuthenticationError> {
        let mut failed = None;
        if let Some(peer) = peer {
            let trust = self.trust();
            let verified = self.verified(&trust, peer, now);
            if verified.front_proxy {
                let names = trust.front_proxy.as_ref().map(|front_proxy| &front_proxy.headers);
                match names.map(|names| named(names, request.headers, &verified)) {
                    Some(Ok(Some(info))) => return Ok(User { info, method: AuthenticationMethod::FrontProxy }),
                    Some(Ok(None)) | None => {}
                    Some(Err(headers::NotUtf8)) => failed = Some("a header of the front proxy is not UTF-8"),
                }
            }
            match &verified.client {
                Some(info) if !info.username.is_empty() => {
                    return Ok(User { info: info.clone(), method: AuthenticationMethod::Direct });
                }
                // A client with an invalid certificate is not treated as anonymous.
                _ => failed = failed.or(Some(UNTRUSTED)),
            }
        }
        if let Some(token) = request.header("Authorization").and_then(bearer) {
            match self.review(token, wait, now)? {
                Some(info) => return Ok(User { info, method: AuthenticationMethod::Direct }),
                None => failed = Some("invalid bearer token"),
            }
        }
        match failed {
            Some(why) => Err(AuthenticationError::Unauthorized(why.to_owned())),
            None => Ok(User::anonymous()),
        }
    }

    /// Verifies a client's certificates, unless they have just been verified with the same authorities.
    fn verified(&self, trust: &Arc<Trust>, peer: &Peer, now: Now) -> Arc<Verified> {
        peer.verified(trust, now, || {
            let verified = verify(trust, &peer.chain, now);
            if !verified.signed {
                *self.rejections.rejected.lock().unwrap_or_else(PoisonError::into_inner) = true;
                self.rejections.changed.notify_all();
            }
            verified
        })
    }

    /// The user of a token: reviewed by the Kubernetes API, or cached; `None` if the token is invalid.
    fn review(&self, token: &str, wait: Wait, now: Now) -> Result<Option<Arc<KnownUser>>, AuthenticationError> {
        let Some(reviewer) = &self.reviewer else {
            return Err(AuthenticationError::Unauthorized("TokenReview needs the Kubernetes API".to_owned()));
        };
        let key = Key::of(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let deadline = match wait {
            Wait::No => now.monotonic,
            Wait::Until(deadline) => deadline,
        };
        let load = || {
            let value = reviewer.token_review(token, deadline).map(Reviewed::new);
            let lasts = match &value {
                Ok(answer) if answer.error.is_empty() => self.limits.review.ttl,
                _ => Duration::ZERO,
            };
            let cut_by_caller = deadline.saturating_duration_since(now.monotonic) < self.limits.review.timeout
                && value.as_ref().is_err_and(CallError::is_timeout);
            Loaded { cost: cost(&value), value, until: Instant::now() + lasts, shared: !cut_by_caller }
        };
        match self.tokens.get(&key, now.monotonic, wait, |_| true, load) {
            Outcome::Value(answer) => match &*answer {
                Ok(answer) => {
                    if !answer.error.is_empty() {
                        debug!("a token was not taken: {}", answer.error.escape_debug());
                    }
                    Ok(answer.user.clone())
                }
                Err(error) => Err(AuthenticationError::Unavailable(error.clone())),
            },
            Outcome::WouldWait => Err(AuthenticationError::WouldWait),
            Outcome::TimedOut | Outcome::Panicked => {
                Err(AuthenticationError::Unavailable(reviewer.too_slow("TokenReview")))
            }
        }
    }
}

/// Approximate size of a cached result in bytes.
fn cost(answer: &Result<Reviewed, CallError>) -> usize {
    answer.as_ref().ok().and_then(|answer| answer.user.as_deref()).map_or(0, |user| size(user)) + 128
}

/// Bytes of the texts that describe a user.
pub(super) fn size(user: &UserInfo) -> usize {
    let texts = |texts: &[String]| texts.iter().map(|text| text.len() + 24).sum::<usize>();
    let extra: usize = user.extra.iter().map(|(key, values)| key.len() + 24 + texts(values)).sum();
    user.username.len() + user.uid.len() + texts(&user.groups) + extra
}

impl Reviewed {
    fn new(answer: TokenReviewStatus) -> Self {
        let TokenReviewStatus { authenticated, user, error } = answer;
        Self { user: (authenticated && !user.username.is_empty()).then(|| KnownUser::authenticated(user)), error }
    }
}

/// The user in the headers of a front proxy; if the headers are the same as before, the last user is reused.
fn named(
    names: &RemoteHeaders,
    headers: &[Header<'_>],
    verified: &Verified,
) -> Result<Option<Arc<KnownUser>>, headers::NotUtf8> {
    let last = verified.named.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(last) = last.filter(|last| last.is_in(names, headers)) {
        return Ok(Some(last.info.clone()));
    }
    let Some(info) = headers::user(names, headers)?.map(KnownUser::authenticated) else { return Ok(None) };
    let new = NamedUser::new(names, headers, info.clone());
    *verified.named.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(new));
    Ok(Some(info))
}

/// Verifies a client's chain of certificates.
fn verify(trust: &Trust, chain: &[Vec<u8>], now: Now) -> Verified {
    let Some(subject) = chain.first().and_then(|der| subject(der)) else { return Verified::default() };
    let by_front_proxies = trust.front_proxy.as_ref().is_some_and(|front_proxy| {
        let named = |name: &String| *name == subject.common_name;
        (front_proxy.allowed_names.is_empty() || front_proxy.allowed_names.iter().any(named))
            && front_proxy.pool.signed(chain, now.unix_millis)
    });
    let by_clients = trust.clients.as_ref().is_some_and(|clients| clients.signed(chain, now.unix_millis));
    let client = by_clients.then(|| {
        let hash = chain.first().map(|der| digest::digest(&digest::SHA256, der));
        let hash: String = hash.iter().flat_map(AsRef::as_ref).map(|byte| format!("{byte:02x}")).collect();
        let id = ("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("X509SHA256={hash}")]);
        KnownUser::authenticated(UserInfo {
            username: subject.common_name,
            uid: subject.uid,
            groups: subject.organizations,
            extra: sort::map([id]),
        })
    });
    Verified { front_proxy: by_front_proxies, signed: by_front_proxies || by_clients, client, named: Mutex::default() }
}

/// The token of an Authorization header (RFC 6750 §2.1), the scheme in any case.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty())
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("reviewer", &self.reviewer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

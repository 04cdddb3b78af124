//! Who is asking (protocol facts from Kubernetes' delegated authentication): a front proxy's word, a client certificate, a
//! bearer token, or else nobody in particular. The first that succeeds counts; if none does and one failed, it is 401.

mod headers;
mod subject;
pub mod trust;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use log::debug;
use ring::digest;

use self::subject::subject;
use self::trust::Trust;
use super::message::{Peer, Request};
use crate::config::limits::Limits;
use crate::kube::review::{TokenReviewStatus, UserInfo};
use crate::kube_api::client::Client;
use crate::kube_api::error::CallError;
use crate::source::cache::{Cache, Loaded, Outcome, Wait};
use crate::telemetry::clock::Now;
use crate::telemetry::connections::ClientClass;

const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// How long a verified certificate counts as such. 1 s: its time runs out, and clocks are set, while connections are open.
const VERIFIED: Duration = Duration::from_secs(1);

/// Tells who asks.
pub struct Identity {
    trust: RwLock<Arc<Trust>>,
    doubt: Doubt,
    reviewer: Option<Arc<Client>>,
    /// By the token's SHA-256, so that no token is kept.
    tokens: Cache<[u8; 32], Result<TokenReviewStatus, CallError>>,
    limits: Limits,
}

/// Somebody, and how we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As Kubernetes has it.
    pub info: UserInfo,
    /// How we know.
    pub via: Via,
}

/// How somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// By the word of a front proxy, which has asked for access already.
    FrontProxy,
    /// By a certificate or token of their own.
    Direct,
    /// Not at all.
    Anonymous,
}

/// Why nobody can say who asks.
#[derive(Debug)]
pub enum AuthenticationError {
    /// What was presented is not good: 401. The text is for the log alone.
    Unauthorized(String),
    /// The Kubernetes API did not answer.
    Unavailable(CallError),
    /// It would have to be asked, and the caller does not wait.
    WouldWait,
}

/// A peer's certificates as they were verified last.
#[derive(Clone, Debug)]
pub struct Checked {
    trust: Arc<Trust>,
    at: Now,
    verified: Arc<Verified>,
}

/// What a peer's certificates are worth.
#[derive(Debug, Default)]
struct Verified {
    /// Whether it may speak for others.
    front_proxy: bool,
    /// Who it is by itself.
    client: Option<UserInfo>,
    /// Whether an authority of ours has signed it at all.
    signed: bool,
}

/// Tells whoever follows the authorities that a certificate was not taken: they may have changed.
#[derive(Debug, Default)]
struct Doubt {
    doubted: Mutex<bool>,
    changed: Condvar,
}

impl Identity {
    /// Trusts nobody yet; `reviewer` is asked about tokens.
    pub fn new(reviewer: Option<Arc<Client>>, limits: &Limits) -> Self {
        Self {
            trust: RwLock::default(),
            doubt: Doubt::default(),
            reviewer,
            tokens: Cache::new(limits.review.cached_tokens, limits.review.cached_bytes),
            limits: limits.clone(),
        }
    }

    /// Trusts these from now on, on open connections too.
    pub fn install(&self, trust: Trust) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
    }

    /// Whom it trusts now.
    pub fn trust(&self) -> Arc<Trust> {
        self.trust.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a certificate was not taken, for so long at most; whether one was not.
    pub fn wait_for_doubt(&self, longest: Duration) -> bool {
        let doubted = self.doubt.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut doubted, _) = self
            .doubt
            .changed
            .wait_timeout_while(doubted, longest, |doubted| !*doubted)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut doubted)
    }

    /// What a client is that presented these certificates.
    pub fn client_class(&self, peer: Option<&Peer>, now: Now) -> ClientClass {
        match peer.map(|peer| self.verified(peer, now)) {
            Some(verified) if verified.front_proxy => ClientClass::FrontProxy,
            Some(verified) if verified.client.is_some() => ClientClass::Verified,
            _ => ClientClass::Unverified,
        }
    }

    /// Who asks.
    ///
    /// # Errors
    /// If nobody can say; see [`AuthenticationError`].
    pub fn authenticate(
        &self,
        request: &Request<'_>,
        peer: Option<&Peer>,
        wait: Wait,
        now: Now,
    ) -> Result<User, AuthenticationError> {
        let mut failed = None;
        if let Some(peer) = peer {
            let verified = self.verified(peer, now);
            if verified.front_proxy {
                let trust = self.trust();
                let names = trust.front_proxy.as_ref().map(|front_proxy| &front_proxy.headers);
                match names.map(|names| headers::user(names, request.headers)) {
                    Some(Ok(Some(info))) => return Ok(User::known(info, Via::FrontProxy)),
                    Some(Ok(None)) | None => {}
                    Some(Err(headers::NotUtf8)) => failed = Some("a header of the front proxy is not UTF-8"),
                }
            }
            match &verified.client {
                Some(info) if !info.username.is_empty() => return Ok(User::known(info.clone(), Via::Direct)),
                // Whoever shows a certificate wants to be somebody.
                _ => failed = failed.or(Some("the client's certificate names nobody whom we trust")),
            }
        }
        if let Some(token) = request.header("Authorization").and_then(bearer) {
            match self.review(token, wait, now)? {
                Some(info) => return Ok(User::known(info, Via::Direct)),
                None => failed = Some("invalid bearer token"),
            }
        }
        match failed {
            Some(why) => Err(AuthenticationError::Unauthorized(why.to_owned())),
            None => Ok(User::anonymous()),
        }
    }

    /// The certificates' worth, looked into anew when whom we trust or the time has moved on.
    fn verified(&self, peer: &Peer, now: Now) -> Arc<Verified> {
        let trust = self.trust();
        let mut checked = peer.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(checked) = checked.as_ref().filter(|checked| checked.holds(&trust, now)) {
            return checked.verified.clone();
        }
        let verified = Arc::new(Verified::new(&trust, &peer.chain, now));
        if !verified.signed {
            *self.doubt.doubted.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.doubt.changed.notify_all();
        }
        *checked = Some(Checked { trust, at: now, verified: verified.clone() });
        verified
    }

    /// Whose token it is: asked of the Kubernetes API, or remembered for a moment; `None` if nobody's.
    fn review(&self, token: &str, wait: Wait, now: Now) -> Result<Option<UserInfo>, AuthenticationError> {
        let Some(reviewer) = &self.reviewer else {
            return Err(AuthenticationError::Unauthorized("TokenReview needs the Kubernetes API".to_owned()));
        };
        let mut key = [0; 32];
        key.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let deadline = match wait {
            Wait::No => now.monotonic,
            Wait::Until(deadline) => deadline,
        };
        let load = || {
            let value = reviewer.token_review(token, deadline);
            let lasts = match &value {
                Ok(answer) if answer.error.is_empty() => self.limits.review.ttl,
                _ => Duration::ZERO,
            };
            let hurried = deadline.saturating_duration_since(now.monotonic) < self.limits.review.timeout
                && value.as_ref().is_err_and(CallError::is_timeout);
            Loaded { cost: cost(&value), value, until: Instant::now() + lasts, shared: !hurried }
        };
        match self.tokens.get(&key, now.monotonic, wait, |_| true, load) {
            Outcome::Value(answer) => match &*answer {
                Ok(answer) if answer.authenticated && !answer.user.username.is_empty() => Ok(Some(answer.user.clone())),
                Ok(answer) => {
                    if !answer.error.is_empty() {
                        debug!("a token was not taken: {}", answer.error.escape_debug());
                    }
                    Ok(None)
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

/// Bytes that an answer takes, roughly.
fn cost(answer: &Result<TokenReviewStatus, CallError>) -> usize {
    answer.as_ref().map_or(0, |answer| size(&answer.user)) + 128
}

/// Bytes of the texts that somebody is described by.
pub(super) fn size(user: &UserInfo) -> usize {
    let texts = |texts: &[String]| texts.iter().map(|text| text.len() + 24).sum::<usize>();
    let extra: usize = user.extra.iter().map(|(key, values)| key.len() + 24 + texts(values)).sum();
    user.username.len() + user.uid.len() + texts(&user.groups) + extra
}

impl User {
    /// Somebody who is known, whom Kubernetes counts among the authenticated.
    fn known(mut info: UserInfo, via: Via) -> Self {
        if !info.groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED) {
            info.groups.push(AUTHENTICATED.to_owned());
        }
        Self { info, via }
    }

    fn anonymous() -> Self {
        let groups = vec![UNAUTHENTICATED.to_owned()];
        let info = UserInfo { username: "system:anonymous".to_owned(), groups, ..UserInfo::default() };
        Self { info, via: Via::Anonymous }
    }

    /// Whether they are of this group.
    pub fn is_of(&self, group: &str) -> bool {
        self.info.groups.iter().any(|known| known == group)
    }

    /// Whether anybody vouches for them.
    pub fn is_authenticated(&self) -> bool {
        self.is_of(AUTHENTICATED)
    }
}

impl Checked {
    fn holds(&self, trust: &Arc<Trust>, now: Now) -> bool {
        let age = now.monotonic.saturating_duration_since(self.at.monotonic);
        // A clock that was set is seen by how far it moved beside the one that cannot be.
        let moved = now.unix_millis.abs_diff(self.at.unix_millis);
        Arc::ptr_eq(&self.trust, trust) && age < VERIFIED && u128::from(moved) < 2 * VERIFIED.as_millis()
    }
}

impl Verified {
    fn new(trust: &Trust, chain: &[Vec<u8>], now: Now) -> Self {
        let Some(subject) = chain.first().and_then(|der| subject(der)) else { return Self::default() };
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
            UserInfo {
                username: subject.common_name,
                uid: subject.uid,
                groups: subject.organizations,
                extra: BTreeMap::from([id]),
            }
        });
        Self { front_proxy: by_front_proxies, signed: by_front_proxies || by_clients, client }
    }
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

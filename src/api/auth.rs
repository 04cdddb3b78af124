//! The auth filter: a request over the network is served only if its client is authenticated and authorized.

use log::debug;

use super::access::{Access, AuthorizationError, Forbidden};
use super::identity::{AuthenticationError, AuthenticationMethod, Identity};
use super::message::Request;
use super::peer::Peer;
use crate::parse::path::ApiPath;
use crate::parse::query;
use crate::source::waiting::{AllowedWaits, Waiting};
use crate::telemetry::clock::Now;
use crate::telemetry::counters::{Attempts, Counters};

/// Authentication and authorization.
#[derive(Debug)]
pub struct AuthFilter {
    /// Authenticates.
    pub identity: Identity,
    /// Authorizes.
    pub access: Access,
}

/// Why a request is authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorized {
    /// It needs no authorization: its path is always allowed, or it did not come over the network.
    AlwaysAllowed,
    /// Its user is authorized.
    Granted {
        /// Whether the user is the HPA controller.
        is_hpa_controller: bool,
    },
}

/// Why a request is rejected.
#[derive(Debug)]
pub enum Rejection {
    /// 401
    Unauthorized,
    /// 403
    Forbidden(Box<Forbidden>),
    /// 503: authentication failed for the reason given.
    NotAuthenticated(String),
    /// 503: authorization failed for the reason given.
    NotAuthorized(String),
    /// A review is needed, and the caller does not wait.
    WouldWait(Waiting),
}

impl AuthFilter {
    /// Authenticates and authorizes a request. `path` is `None` if the target is not a path of the API.
    ///
    /// # Errors
    /// Why it is rejected.
    pub fn authorize(
        &self,
        request: &Request<'_>,
        peer: Option<&Peer>,
        path: Option<&ApiPath>,
        waits: AllowedWaits,
        now: Now,
    ) -> Result<Authorized, Rejection> {
        let (target, _) = query::split(request.target);
        if self.access.is_always_allowed(target) {
            return Ok(Authorized::AlwaysAllowed);
        }
        let wait = waits.wait_for(Waiting::DirectReviews);
        let user = match self.identity.authenticate(request, peer, wait, now) {
            Ok(user) => user,
            Err(AuthenticationError::WouldWait) => return Err(Rejection::WouldWait(Waiting::DirectReviews)),
            Err(AuthenticationError::Unauthorized(why)) => {
                debug!("not authenticated: {why}");
                return Err(Rejection::Unauthorized);
            }
            Err(AuthenticationError::Unavailable(error)) => {
                debug!("cannot authenticate a request: {}", error.detail());
                return Err(Rejection::NotAuthenticated(error.to_string()));
            }
        };
        let waiting = match user.method {
            AuthenticationMethod::FrontProxy => Waiting::FrontProxyReviews,
            AuthenticationMethod::Direct | AuthenticationMethod::Anonymous => Waiting::DirectReviews,
        };
        match self.access.authorize(&user, request.method, target, path, waits.wait_for(waiting), now) {
            Ok(()) => Ok(Authorized::Granted { is_hpa_controller: user.info.is_hpa_controller() }),
            Err(AuthorizationError::WouldWait) => Err(Rejection::WouldWait(waiting)),
            Err(AuthorizationError::Forbidden(forbidden)) => Err(Rejection::Forbidden(forbidden)),
            Err(AuthorizationError::Unavailable(error)) => Err(Rejection::NotAuthorized(error)),
        }
    }
}

/// Counts the outcome of a request over the network once, even if it was checked several times.
pub(crate) fn count(outcome: &Result<Authorized, Rejection>, counters: &Counters) {
    let (authentication, authorization) = match outcome {
        Ok(Authorized::AlwaysAllowed) | Err(Rejection::WouldWait(_)) => return,
        Ok(Authorized::Granted { .. }) => (Attempts::SUCCESS, Some(Attempts::SUCCESS)),
        Err(Rejection::Unauthorized) => (Attempts::FAILURE, None),
        Err(Rejection::NotAuthenticated(_)) => (Attempts::ERROR, None),
        Err(Rejection::Forbidden(_)) => (Attempts::SUCCESS, Some(Attempts::FAILURE)),
        Err(Rejection::NotAuthorized(_)) => (Attempts::SUCCESS, Some(Attempts::ERROR)),
    };
    counters.authentication.count(authentication);
    authorization.into_iter().for_each(|outcome| counters.authorization.count(outcome));
}

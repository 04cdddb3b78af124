//! Nobody comes in over the network unless somebody can say who they are and that they may.

use log::debug;

use super::access::{Access, Forbidden, Refusal};
use super::identity::{Identity, Unknown, Via};
use super::message::{Peer, Request};
use crate::parse::path::ApiPath;
use crate::source::waiting::{Patience, Waiting};
use crate::telemetry::clock::Now;
use crate::telemetry::counters::{Attempts, Counters};

/// Both questions.
#[derive(Debug)]
pub struct Guard {
    /// Who asks.
    pub identity: Identity,
    /// May they.
    pub access: Access,
}

/// How somebody comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// As anybody may.
    Anybody,
    /// As somebody who is known, and who may.
    Somebody,
}

/// Why somebody does not come in.
#[derive(Debug)]
pub enum Turned {
    /// 401
    Unauthorized,
    /// 403
    Forbidden(Box<Forbidden>),
    /// 503: nobody can say who asks, and why.
    Unknown(String),
    /// 503: nobody can say whether they may, and why.
    Unchecked(String),
    /// It takes a review to know, and the caller does not wait for it.
    WouldWait(Waiting),
}

impl Guard {
    /// Lets a request pass, or says why not. `path` is `None` where it names nothing.
    ///
    /// # Errors
    /// Why it does not pass.
    pub fn admit(
        &self,
        request: &Request<'_>,
        peer: Option<&Peer>,
        path: Option<&ApiPath>,
        patience: Patience,
        now: Now,
    ) -> Result<Admitted, Turned> {
        let target = request.target.split('?').next().unwrap_or_default();
        if self.access.is_open(target) {
            return Ok(Admitted::Anybody);
        }
        let user = match self.identity.who(request, peer, patience.wait_for(Waiting::DirectReviews), now) {
            Ok(user) => user,
            Err(Unknown::WouldWait) => return Err(Turned::WouldWait(Waiting::DirectReviews)),
            Err(Unknown::Unauthorized(why)) => {
                debug!("not authenticated: {why}");
                return Err(Turned::Unauthorized);
            }
            Err(Unknown::Unavailable(error)) => {
                debug!("cannot tell who asks: {}", error.detail());
                return Err(Turned::Unknown(error.to_string()));
            }
        };
        let waiting = match user.via {
            Via::FrontProxy => Waiting::FrontProxyReviews,
            Via::Direct | Via::Anonymous => Waiting::DirectReviews,
        };
        match self.access.check(&user, request.method, target, path, patience.wait_for(waiting), now) {
            Ok(()) => Ok(Admitted::Somebody),
            Err(Refusal::WouldWait) => Err(Turned::WouldWait(waiting)),
            Err(Refusal::Forbidden(forbidden)) => Err(Turned::Forbidden(forbidden)),
            Err(Refusal::Unavailable(error)) => Err(Turned::Unchecked(error)),
        }
    }
}

/// Counts what came of a request over the network; once, however often it was asked before it was answered.
pub fn count(admitted: &Result<Admitted, Turned>, counters: &Counters) {
    let (who, may) = match admitted {
        Ok(Admitted::Anybody) | Err(Turned::WouldWait(_)) => return,
        Ok(Admitted::Somebody) => (Attempts::SUCCESS, Some(Attempts::SUCCESS)),
        Err(Turned::Unauthorized) => (Attempts::FAILURE, None),
        Err(Turned::Unknown(_)) => (Attempts::ERROR, None),
        Err(Turned::Forbidden(_)) => (Attempts::SUCCESS, Some(Attempts::FAILURE)),
        Err(Turned::Unchecked(_)) => (Attempts::SUCCESS, Some(Attempts::ERROR)),
    };
    counters.authentication.count(who);
    may.into_iter().for_each(|may| counters.authorization.count(may));
}

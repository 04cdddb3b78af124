//! Nobody comes in over the network unless somebody can say who they are and that they may.

use log::debug;

use super::access::{Access, Forbidden, Refusal};
use super::identity::{Identity, Unknown};
use super::message::{Peer, Request};
use crate::cluster::error::CallError;
use crate::parse::path::ApiPath;
use crate::source::cache::Wait;
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

/// Why somebody does not come in.
#[derive(Debug)]
pub enum Turned {
    /// 401
    Unauthorized,
    /// 403
    Forbidden(Box<Forbidden>),
    /// 503: nobody can say; which question, and why.
    Unavailable(&'static str, String),
    /// The Kubernetes API would have to be asked, and the caller does not wait.
    WouldWait,
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
        wait: Wait,
        now: Now,
        counters: &Counters,
    ) -> Result<(), Turned> {
        let target = request.target.split('?').next().unwrap_or_default();
        if self.access.is_open(target) {
            return Ok(());
        }
        let user = match self.identity.who(request, peer, wait, now) {
            Ok(user) => user,
            Err(Unknown::WouldWait) => return Err(Turned::WouldWait),
            Err(Unknown::Unauthorized(why)) => {
                counters.authentication.count(Attempts::FAILURE);
                debug!("not authenticated: {why}");
                return Err(Turned::Unauthorized);
            }
            Err(Unknown::Unavailable(error)) => {
                counters.authentication.count(Attempts::ERROR);
                return Err(unavailable("cannot tell who asks", &error));
            }
        };
        let admitted = self.access.check(&user, request.method, target, path, wait, now);
        if !matches!(admitted, Err(Refusal::WouldWait)) {
            counters.authentication.count(Attempts::SUCCESS);
        }
        match admitted {
            Ok(()) => {
                counters.authorization.count(Attempts::SUCCESS);
                Ok(())
            }
            Err(Refusal::WouldWait) => Err(Turned::WouldWait),
            Err(Refusal::Forbidden(forbidden)) => {
                counters.authorization.count(Attempts::FAILURE);
                Err(Turned::Forbidden(forbidden))
            }
            Err(Refusal::Unavailable(error)) => {
                counters.authorization.count(Attempts::ERROR);
                Err(Turned::Unavailable("cannot tell whether access is granted", error))
            }
        }
    }
}

fn unavailable(what: &'static str, error: &CallError) -> Turned {
    debug!("{what}: {}", error.detail());
    Turned::Unavailable(what, error.to_string())
}

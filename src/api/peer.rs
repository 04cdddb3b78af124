//! The certificates of a client, and their last verification.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::identity::KnownUser;
use super::identity::headers::NamedUser;
use super::identity::trust::Trust;
use crate::telemetry::clock::Now;

/// How long a verification holds. 1 s: certificates expire, and clocks are set, while connections are open.
pub(super) const VERIFIED: Duration = Duration::from_secs(1);

/// The certificates that a client presented in its handshake. It has proved to have the key of the first one.
#[derive(Debug)]
pub struct Peer {
    /// DER, the client's own first.
    pub chain: Vec<Vec<u8>>,
    last: Mutex<Option<Verification>>,
}

/// A verification of certificates, with the trusted authorities and the time that it depends on.
#[derive(Debug)]
struct Verification {
    trust: Arc<Trust>,
    at: Now,
    verified: Arc<Verified>,
}

/// The result of a verification.
#[derive(Debug, Default)]
pub(super) struct Verified {
    /// Whether the client is a front proxy, whose headers name the user.
    pub(super) front_proxy: bool,
    /// The user that the certificate names.
    pub(super) client: Option<Arc<KnownUser>>,
    /// Whether any trusted authority has signed the client's certificate.
    pub(super) signed: bool,
    /// The last user in the headers of a front proxy.
    pub(super) named: Mutex<Option<Arc<NamedUser>>>,
}

impl Peer {
    /// A client with these certificates.
    pub fn new(chain: Vec<Vec<u8>>) -> Self {
        Self { chain, last: Mutex::new(None) }
    }

    /// The last verification while it holds, or a new one by `verify`.
    pub(super) fn verified(&self, trust: &Arc<Trust>, now: Now, verify: impl FnOnce() -> Verified) -> Arc<Verified> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref().filter(|last| last.holds(trust, now)) {
            return last.verified.clone();
        }
        let verified = Arc::new(verify());
        *last = Some(Verification { trust: trust.clone(), at: now, verified: verified.clone() });
        verified
    }
}

impl Verification {
    fn holds(&self, trust: &Arc<Trust>, now: Now) -> bool {
        let age = now.monotonic.saturating_duration_since(self.at.monotonic);
        // If the wall clock was set, it has moved by another amount than the monotonic clock.
        let moved = now.unix_millis.abs_diff(self.at.unix_millis);
        Arc::ptr_eq(&self.trust, trust) && age < VERIFIED && u128::from(moved) < 2 * VERIFIED.as_millis()
    }
}

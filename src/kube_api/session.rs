//! The HTTP client of the Kubernetes API with current credentials.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::exec::{Cluster, Issued};
use super::target::Target;
use crate::config::limits::{CacheLimits, Limits};
use crate::http::address::AllowedAddresses;
use crate::http::client::{Client, Options};
use crate::http::credentials::Credentials;
use crate::http::resolve::Resolver;

/// The time before they expire from which credentials are no longer used.
const MARGIN: Duration = Duration::from_secs(10);

/// HTTP clients, each used until its credentials expire.
pub(super) struct Session {
    target: Target,
    limits: Limits,
    resolver: Arc<Resolver>,
    current: Mutex<Option<Arc<LoggedIn>>>,
}

/// A client with credentials.
pub(super) struct LoggedIn {
    pub(super) http: Client,
    expires: Option<SystemTime>,
    /// Whether the server has accepted the credentials.
    proved: AtomicBool,
}

impl Session {
    /// A session that has not connected yet.
    pub(super) fn new(target: Target, limits: &Limits) -> Self {
        // Calls are retried within milliseconds, so a failed DNS lookup is not cached.
        let cache = CacheLimits { failure_ttl: Duration::ZERO, ..limits.cache.clone() };
        let resolver = Arc::new(Resolver::new(&Limits { cache, ..limits.clone() }));
        Self { target, limits: limits.clone(), resolver, current: Mutex::default() }
    }

    pub(super) fn server(&self) -> &str {
        &self.target.server
    }

    /// The current client. It may run a credential plugin.
    ///
    /// # Errors
    /// Why there are no credentials.
    pub(super) fn logged_in(&self) -> Result<Arc<LoggedIn>, String> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = |known: &Arc<LoggedIn>| known.expires.is_none_or(|at| SystemTime::now() + MARGIN < at);
        if let Some(known) = current.clone().filter(lasts) {
            return Ok(known);
        }
        let Target { server, credentials, exec } = &self.target;
        let (credentials, expires) = match exec {
            None => (credentials.clone(), None),
            Some(exec) => {
                let Issued { bearer, certificate, expires } =
                    exec.run(Cluster { server, credentials }, &self.limits.exec)?;
                (Credentials { bearer, certificate, ..credentials.clone() }, expires)
            }
        };
        let tls = server.starts_with("https://");
        let options = Options { reach: AllowedAddresses::Anywhere, tls, keep_alive: true, gzip: false, proxy: None };
        let http = Client::new(options, credentials, &self.limits, self.resolver.clone(), Arc::default());
        Ok(current.insert(Arc::new(LoggedIn { http, expires, proved: AtomicBool::new(false) })).clone())
    }

    /// Records whether the server accepted the credentials. Returns whether new credentials may help: if a plugin makes
    /// them, and the server accepted these before.
    pub(super) fn note(&self, used: &Arc<LoggedIn>, taken: bool) -> bool {
        if taken {
            used.proved.store(true, Ordering::Relaxed);
            return false;
        }
        let is_worth_it = self.target.exec.is_some() && used.proved.load(Ordering::Relaxed);
        if is_worth_it {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            *current = current.take().filter(|known| !Arc::ptr_eq(known, used));
        }
        is_worth_it
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("server", &self.target.server).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube_api::exec::{Exec, ExecVersion, Interactive};

    fn session(status: &str) -> Session {
        let printed = format!(
            "echo '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{{status}}}}}'"
        );
        let exec = Exec {
            command: "/bin/sh".into(),
            args: vec!["-c".into(), printed],
            env: Vec::new(),
            version: ExecVersion::V1,
            interactive: Interactive::Never,
            hint: None,
            provides_cluster: false,
        };
        let target = Target { server: "https://k".into(), credentials: Credentials::default(), exec: Some(exec) };
        Session::new(target, &Limits::default())
    }

    #[test]
    fn runs_again_when_credentials_expire_or_are_rejected() {
        let freshness = session(r#""token":"t""#);
        let first = freshness.logged_in().unwrap();
        assert!(Arc::ptr_eq(&first, &freshness.logged_in().unwrap()));
        assert!(!freshness.note(&first, false), "the server never took it");
        assert!(!freshness.note(&first, true));
        assert!(freshness.note(&first, false));
        assert!(!Arc::ptr_eq(&first, &freshness.logged_in().unwrap()));
        let ended = session(r#""token":"t","expirationTimestamp":"2020-01-01T00:00:00Z""#);
        assert!(!Arc::ptr_eq(&ended.logged_in().unwrap(), &ended.logged_in().unwrap()));
    }
}

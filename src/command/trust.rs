//! Follows the authorities that the secure listener trusts: the files in flags, or else the ConfigMap in which
//! kube-apiserver publishes its authorities.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::{error, info, warn};

use crate::api::Api;
use crate::api::identity::trust::{FrontProxy, Pool, RemoteHeaders, Trust};
use crate::config::cli::Access;
use crate::config::limits::Limits;
use crate::config::read::read;
use crate::config::watch::Watched;
use crate::kube_api::client::Client;
use crate::kube_api::trust::{Published, published};

/// How often files are checked.
const TICK: Duration = Duration::from_secs(1);

/// The first pause after the ConfigMap could not be read; each further pause is twice as long, up to the usual interval.
const RETRY: Duration = Duration::from_secs(1);

/// Follows the files and the ConfigMap.
pub(super) struct Follower {
    api: Arc<Api>,
    flags: Access,
    limits: Limits,
    client: Option<Arc<Client>>,
    files: Vec<Watched>,
    /// The ConfigMap as last read; empty if there is none.
    published: Option<Published>,
    /// The currently trusted authorities, so that only changes are logged.
    parts: Option<Parts>,
    failing: bool,
}

/// The sources of trusted authorities.
#[derive(Clone, Debug, Default, PartialEq)]
struct Parts {
    front_proxy: Option<FrontProxy>,
    clients: Option<Pool>,
}

impl Follower {
    /// Reads everything once. Files must be valid; the Kubernetes API may still be unreachable.
    ///
    /// # Errors
    /// The problem of a file.
    pub(super) fn start(
        api: Arc<Api>,
        flags: Access,
        client: Option<Arc<Client>>,
        limits: &Limits,
    ) -> Result<Self, String> {
        let named = [&flags.client_ca_file, &flags.front_proxy_ca_file];
        let mut files: Vec<Watched> = named.into_iter().flatten().cloned().map(Watched::new).collect();
        files.iter_mut().for_each(|file| _ = file.changed());
        let wanted = flags.client_ca_file.is_none() || flags.front_proxy_ca_file.is_none();
        let client = client.filter(|_| wanted);
        let limits = limits.clone();
        let mut follower = Self { api, flags, limits, client, files, published: None, parts: None, failing: false };
        follower.install()?;
        match follower.client {
            None => follower.api.health().set_trusted(),
            // Until the ConfigMap is read, only the files count.
            Some(_) => _ = follower.poll(follower.limits.review.timeout),
        }
        Ok(follower)
    }

    /// Follows until the process ends.
    pub(super) fn follow(mut self) -> std::io::Result<()> {
        thread::Builder::new().name("trust".to_owned()).spawn(move || {
            let mut retry = RETRY;
            let mut read = Instant::now();
            let mut due = read + if self.failing { retry } else { self.limits.trust.poll };
            loop {
                if self.client.is_some() && Instant::now() >= due {
                    read = Instant::now();
                    let is_read = self.poll(self.limits.answer.deadline);
                    due = read + if is_read { self.limits.trust.poll } else { retry };
                    retry = if self.failing { next_pause(retry, self.limits.trust.poll) } else { RETRY };
                }
                if self.rejected() {
                    due = due.min(read + self.limits.trust.retry);
                }
                self.check_files();
            }
        })?;
        Ok(())
    }

    /// Waits for a tick; returns whether a certificate was rejected meanwhile.
    fn rejected(&self) -> bool {
        self.api.auth().is_some_and(|auth| auth.identity.wait_for_rejection(TICK))
    }

    fn check_files(&mut self) {
        let changed: Vec<bool> = self.files.iter_mut().map(Watched::changed).collect();
        if !changed.contains(&true) {
            return;
        }
        match self.install() {
            Ok(changed) => log_change(changed),
            Err(why) => error!("{why}; the previous authorities stay trusted"),
        }
    }

    /// Reads the ConfigMap within this time; returns whether that succeeded.
    fn poll(&mut self, longest: Duration) -> bool {
        let Some(client) = &self.client else { return true };
        let outcome = match published(client, Instant::now() + longest) {
            // Deleting the ConfigMap revokes no trust: an accidental deletion must not lock out kube-apiserver.
            Ok(None) if self.published.as_ref().is_some_and(|before| *before != Published::default()) => {
                Err("the ConfigMap does not exist any more".to_owned())
            }
            Ok(published) => Ok(published.unwrap_or_default()),
            Err(failure) => Err(failure.detail().to_string()),
        };
        match outcome {
            Ok(published) => {
                if std::mem::take(&mut self.failing) {
                    info!("extension-apiserver-authentication can be read again");
                }
                self.published = Some(published);
                match self.install() {
                    Ok(changed) => {
                        self.api.health().set_trusted();
                        log_change(changed);
                    }
                    Err(why) => error!(
                        "authorities in extension-apiserver-authentication: {why}; the previous ones stay trusted"
                    ),
                }
                true
            }
            Err(why) => {
                if !std::mem::replace(&mut self.failing, true) {
                    error!("cannot read extension-apiserver-authentication: {why}");
                }
                false
            }
        }
    }

    /// Combines files and ConfigMap; files take precedence. Returns whether the trusted authorities changed.
    fn install(&mut self) -> Result<bool, String> {
        let (front_proxy, clients) = (self.front_proxy()?, self.clients()?);
        let parts = Parts { front_proxy: front_proxy.filter(|proxy| self.is_distinguishable(proxy)), clients };
        if self.parts.as_ref() == Some(&parts) {
            return Ok(false);
        }
        let first = self.parts.replace(parts.clone()).is_none();
        let Some(auth) = self.api.auth() else { return Ok(false) };
        let (trust, open) = Trust::new(parts.front_proxy, parts.clients);
        if open {
            warn!(
                "one authority signs for front proxies and for clients, and no names of front proxies are configured: \
                 no front proxy is trusted, because every client could act as one; set --requestheader-allowed-names \
                 of the kube-apiserver"
            );
        }
        auth.identity.install(trust);
        Ok(!first)
    }

    /// Whether front proxies can be distinguished from clients, by names or by the authority of the clients.
    fn is_distinguishable(&self, proxy: &FrontProxy) -> bool {
        !proxy.allowed_names.is_empty()
            || self.flags.client_ca_file.is_some()
            || self.published.is_some()
            || self.client.is_none()
    }

    fn clients(&self) -> Result<Option<Pool>, String> {
        match &self.flags.client_ca_file {
            Some(path) => self.file(path).map(Some),
            None => self.published.as_ref().map_or(Ok(None), |published| text(&published.client_ca, "client-ca-file")),
        }
    }

    fn front_proxy(&self) -> Result<Option<FrontProxy>, String> {
        let Some(path) = &self.flags.front_proxy_ca_file else {
            let Some(published) = self.published.clone() else { return Ok(None) };
            let pool = text(&published.front_proxy_ca, "requestheader-client-ca-file")?;
            let headers = RemoteHeaders {
                username: published.username_headers,
                uid: published.uid_headers,
                group: published.group_headers,
                extra_prefix: published.extra_prefixes,
            };
            return Ok(pool.map(|pool| FrontProxy { pool, allowed_names: published.allowed_names, headers }));
        };
        let usual = RemoteHeaders::usual();
        let or = |given: &[String], usual: Vec<String>| if given.is_empty() { usual } else { given.to_vec() };
        let headers = RemoteHeaders {
            username: or(&self.flags.username_headers, usual.username),
            uid: or(&self.flags.uid_headers, usual.uid),
            group: or(&self.flags.group_headers, usual.group),
            extra_prefix: or(&self.flags.extra_prefixes, usual.extra_prefix),
        };
        Ok(Some(FrontProxy { pool: self.file(path)?, allowed_names: self.flags.allowed_names.clone(), headers }))
    }

    fn file(&self, path: &Path) -> Result<Pool, String> {
        let pem = read(path, self.limits.config.certificates).map_err(|why| format!("{}: {why}", path.display()))?;
        Pool::from_pem(&pem).map_err(|why| format!("{} {why}", path.display()))
    }
}

/// The pause after the next failure; the maximum matters in long outages.
fn next_pause(retry: Duration, longest: Duration) -> Duration {
    retry.saturating_mul(2).min(longest)
}

/// Logs a change of the trusted authorities.
fn log_change(changed: bool) {
    if changed {
        info!("trusted authorities have changed");
    }
}

/// The pool in a key of the ConfigMap, if present.
fn text(pem: &str, key: &str) -> Result<Option<Pool>, String> {
    match pem.trim() {
        "" => Ok(None),
        pem => Pool::from_pem(pem.as_bytes()).map(Some).map_err(|why| format!("{key} {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_usual_poll_and_no_further() {
        let poll = Duration::from_secs(60);
        let mut pauses: Vec<_> =
            std::iter::successors(Some(RETRY), |pause| Some(next_pause(*pause, poll))).take(10_000).collect();
        assert_eq!(pauses.pop(), Some(poll));
        assert_eq!(pauses[..8].iter().map(Duration::as_secs).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}

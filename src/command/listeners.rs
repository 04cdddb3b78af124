//! The listeners of `metriclet serve`: started together, checked each second, stopped in order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use log::{error, info, warn};

use super::event::Event;
use super::kubernetes;
use super::peers::Peers;
use super::trust::Follower;
use crate::api::auth::AuthFilter;
use crate::api::identity::Identity;
use crate::api::{Api, access};
use crate::config::cli::{self, Access, Listen, Serve};
use crate::config::limits::Limits;
use crate::kube_api::kubeconfig::KubeconfigUse;
use crate::server::plain::Plain;
use crate::server::secure::Secure;
use crate::server::secure::certificates::{self, Certificate};
use crate::server::signals::Signal;
use crate::server::workers::{Threads, Workers};
use crate::telemetry::clock::Clock;

/// The listeners and the workers that they share.
pub(super) struct Listeners {
    api: Arc<Api>,
    limits: Limits,
    clock: Clock,
    threads: Threads,
    plain: Option<Plain>,
    secure: Option<SecureWithFiles>,
    heartbeat: Heartbeat,
}

/// The last time that the loop that runs every second ran.
struct Heartbeat(Instant);

/// The secure listener and the files of its certificate.
struct SecureWithFiles {
    secure: Secure,
    files: certificates::Follower,
}

/// Why the listeners cannot start.
pub(super) enum StartError {
    /// A file in the flags is invalid.
    File(String),
    /// The system denied a resource.
    System(String),
}

impl Listeners {
    pub(super) fn start(
        serve: &Serve,
        api: &Arc<Api>,
        limits: &Limits,
        clock: &Clock,
        events: &Sender<Event>,
    ) -> Result<Self, StartError> {
        let threads = Workers::start(api.clone(), limits, clock.clone())
            .map_err(|failure| StartError::System(format!("cannot start workers: {failure}")))?;
        let on_failure = |listener: &'static str| {
            let events = events.clone();
            move |why: String| drop(events.send(Event::ListenerFailed(format!("{listener} listener: {why}"))))
        };
        let secure = match &serve.secure {
            Some(flags) => {
                let kubeconfig = serve.kubeconfig.as_ref();
                Some(SecureWithFiles::start(flags, kubeconfig, api, &threads.workers(), on_failure("secure"))?)
            }
            None => {
                // Requests come only from this machine.
                api.health().set_trusted();
                None
            }
        };
        let plain = match serve.listen {
            Listen::At(address) => Some(
                Plain::start(address, threads.workers())
                    .map_err(|failure| StartError::System(format!("cannot listen on {address}: {failure}")))?,
            ),
            Listen::Off => None,
        };
        let (api, limits, clock, heartbeat) =
            (api.clone(), limits.clone(), clock.clone(), Heartbeat(clock.now().monotonic));
        Ok(Self { api, limits, clock, threads, plain, secure, heartbeat })
    }

    /// The address of the plain listener.
    pub(super) fn plain_address(&self) -> Option<SocketAddr> {
        self.plain.as_ref().map(Plain::address)
    }

    /// Logs the addresses of the listeners.
    pub(super) fn announce(&self) {
        if let Some(plain) = &self.plain {
            info!("listening on http://{}", plain.address());
        }
        if let Some(SecureWithFiles { secure, .. }) = &self.secure {
            info!("listening on https://{}", secure.address());
        }
    }

    /// Checks health, and reloads certificates.
    pub(super) fn tick(&mut self) {
        let alive = self.threads.workers().is_alive();
        let serving = self.secure.as_ref().is_none_or(|followed| followed.secure.is_alive());
        // After the process was suspended, the threads need time for a heartbeat.
        if !self.heartbeat.is_overdue(self.clock.now().monotonic, self.limits.workers.stall / 2) {
            self.api.health().set_stuck(!(alive && serving));
        }
        if let Some(followed) = &mut self.secure {
            followed.follow(&self.api, self.clock.now().unix_millis.div_euclid(1_000));
        }
    }

    /// Keeps serving for the shutdown delay, then finishes the requests in progress. A second signal ends the delay.
    pub(super) fn stop(self, inbox: &Receiver<Event>) {
        let Self { api, limits, threads, plain, secure, .. } = self;
        api.health().set_stopping();
        if let Some(SecureWithFiles { secure, .. }) = secure.as_ref().filter(|_| !limits.shutdown.delay.is_zero()) {
            secure.leave();
            info!("stopping: still serving while clients move to other replicas");
            let until = Instant::now() + limits.shutdown.delay;
            loop {
                match inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(Event::Signal(Signal::Reload)) => {}
                    Ok(Event::Signal(Signal::Stop) | Event::ListenerFailed(_)) | Err(RecvTimeoutError::Timeout) => {
                        break;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        }
        info!("stopping: finishing requests in progress");
        let deadline = Instant::now() + limits.shutdown.drain;
        // The workers stop last, because listeners wait for their answers.
        let finished = [
            secure.is_none_or(|followed| followed.secure.stop(deadline)),
            plain.is_none_or(|plain| plain.stop(deadline)),
            threads.stop(deadline),
        ];
        if finished.contains(&false) {
            warn!("stopping: some requests were not finished in time");
        }
    }
}

impl Heartbeat {
    /// Whether the loop has not run for longer than `long`.
    fn is_overdue(&mut self, now: Instant, long: Duration) -> bool {
        now.saturating_duration_since(std::mem::replace(&mut self.0, now)) > long
    }
}

impl SecureWithFiles {
    fn start(
        flags: &cli::Secure,
        kubeconfig: Option<&PathBuf>,
        api: &Arc<Api>,
        workers: &Arc<Workers>,
        on_failure: impl Fn(String) + Clone + Send + 'static,
    ) -> Result<Self, StartError> {
        let limits = workers.limits();
        let files = certificates::Follower::new(flags.cert_file.clone(), flags.key_file.clone(), limits);
        let now = workers.now().unix_millis.div_euclid(1_000);
        let certificate = Certificate::load(&flags.cert_file, &flags.key_file, now, limits)
            .map_err(|error| StartError::File(error.to_string()))?;
        auth(&flags.access, kubeconfig, api, limits)?;
        if let Some(service) = &flags.peers {
            match kubernetes::target(kubeconfig, KubeconfigUse::Server, limits).map_err(StartError::File)? {
                Some(target) => {
                    Peers::new(service, target, api, limits).start().map_err(|failure| no_thread(&failure))?;
                }
                None => warn!("--peer-service needs the Kubernetes API: no samples are shared"),
            }
        }
        let secure = Secure::start(
            &flags.addresses,
            &certificate,
            flags.min_version,
            workers.clone(),
            api.shared_counters(),
            on_failure,
        )
        .map_err(|failure| {
            let addresses: Vec<_> = flags.addresses.iter().map(ToString::to_string).collect();
            StartError::System(format!("cannot listen on {}: {failure}", addresses.join(" or ")))
        })?;
        Ok(Self { secure, files })
    }

    fn follow(&mut self, api: &Api, now: i64) {
        let counters = &api.counters().connections;
        match self.files.follow(now) {
            None => {}
            Some(Ok(certificate)) => match self.secure.install(&certificate) {
                Ok(()) => {
                    info!("a new serving certificate is in use");
                    counters.certificates_loaded.increment();
                }
                Err(failure) => error!("a bug: a verified certificate does not work for TLS: {failure}"),
            },
            Some(Err(why)) => {
                error!("serving certificate: {why}; the previous one stays in use");
                counters.certificates_refused.increment();
            }
        }
    }
}

/// Sets up authentication and authorization for the secure listener, and follows the trusted authorities.
fn auth(flags: &Access, kubeconfig: Option<&PathBuf>, api: &Arc<Api>, limits: &Limits) -> Result<(), StartError> {
    let client =
        |own: &Option<PathBuf>| kubernetes::client(own.as_ref().or(kubeconfig), KubeconfigUse::Server, api, limits);
    let authentication = client(&flags.authentication_kubeconfig).map_err(StartError::File)?;
    let authorization = client(&flags.authorization_kubeconfig).map_err(StartError::File)?;
    let open = flags.always_allowed();
    let shut = authorization.is_none() && !open.iter().any(|path| path == "/*");
    let access = access::Access::new(authorization, open, limits);
    api.set_auth(AuthFilter { identity: Identity::new(authentication.clone(), limits), access });
    let follower = Follower::start(api.clone(), flags.clone(), authentication, limits).map_err(StartError::File)?;
    if shut {
        warn!(
            "no Kubernetes API is configured: over HTTPS front proxies get discovery only, and no client gets metrics"
        );
    }
    follower.follow().map_err(|failure| no_thread(&failure))
}

fn no_thread(failure: &std::io::Error) -> StartError {
    StartError::System(format!("cannot start a thread: {failure}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detects_a_suspended_process() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat(start);
        let is_overdue = [1, 6, 60, 61].map(|seconds| heartbeat.is_overdue(at(seconds), Duration::from_secs(5)));
        assert_eq!(is_overdue, [false, false, true, false]);
    }
}

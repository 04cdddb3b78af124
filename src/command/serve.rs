//! `metriclet serve`: serves until a signal, and reloads the configuration.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use ::log::{debug, error};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::discovery::Discovery;
use super::event::Event;
use super::kubernetes;
use super::listeners::{Listeners, StartError};
use super::origin::Live;
use super::{exit, fail, print};
use crate::api::Api;
use crate::config::cli::{Listen, Origin, Serve, Tuning};
use crate::config::limits::Limits;
use crate::kube_api::kubeconfig::KubeconfigUse;
use crate::parse::path::CUSTOM_METRICS;
use crate::server::signals::{self, Signal};
use crate::telemetry::clock::Clock;
use crate::telemetry::log;

/// How often the configuration file and the queue are checked.
const TICK: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) fn run(serve: &Serve, limits: &Limits, clock: &Clock) -> ExitCode {
    log::start(serve.verbosity, false, clock.clone());
    if serve.listen == Listen::Off && serve.secure.is_none() {
        return fail(
            exit::USAGE,
            &"--listen off disables the only listener; HTTPS needs --tls-cert-file and --tls-private-key-file",
        );
    }
    let in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if serve.origin == Origin::ByDefault && (in_cluster || serve.listen == Listen::Off) {
        let place = if in_cluster { "in a cluster" } else { "with --listen off" };
        return fail(exit::USAGE, &format_args!("{place}, serve needs --config FILE or --upstream URL"));
    }
    let limits = &tuned(limits, &serve.tuning);
    allow_files(limits.kept.files);
    let api = Arc::new(Api::unconfigured(limits, clock));
    if let Err(why) = kubernetes::connect(serve.kubeconfig.as_ref(), KubeconfigUse::Server, &api, limits) {
        return fail(exit::CONFIG, &why);
    }
    api.metrics().watch_pods();
    let (events, inbox) = mpsc::channel();
    let to_main = events.clone();
    if let Err(failure) = signals::catch(move |signal| drop(to_main.send(Event::Signal(signal)))) {
        return fail(exit::SOFTWARE, &format_args!("cannot catch signals: {failure}"));
    }
    if let Some(peers) = serve.secure.as_ref().and_then(|secure| secure.peers.as_ref()) {
        api.metrics().adapters().set_own_service(&peers.namespace, &peers.service);
    }
    // The configuration and the authorities are loaded before clients can connect.
    let start = |origin: &Origin| Live::start(&api, origin, limits);
    let early = match (serve.origin != Origin::ByDefault).then(|| start(&serve.origin)).transpose() {
        Ok(early) => early,
        Err(stop) => return stop,
    };
    let mut discovery = Discovery::start(&api, limits);
    let mut listeners = match Listeners::start(serve, &api, limits, clock, &events) {
        Ok(listeners) => listeners,
        Err(StartError::File(why)) => return fail(exit::CONFIG, &why),
        Err(StartError::System(why)) => return fail(exit::UNAVAILABLE, &why),
    };
    let by_default = listeners.plain_address().filter(|_| serve.origin == Origin::ByDefault);
    let origin = by_default.map_or_else(|| serve.origin.clone(), own_page);
    let mut live = match early.map_or_else(|| start(&origin), Ok) {
        Ok(live) => live,
        Err(stop) => return stop,
    };
    listeners.announce();
    if let Some(address) = by_default {
        print(&welcome(address));
    }
    match wait(&inbox, &mut live, &mut discovery, &api, &mut listeners) {
        Some(why) => {
            error!("{why}");
            ExitCode::from(exit::UNAVAILABLE)
        }
        None => {
            listeners.stop(&inbox);
            ExitCode::SUCCESS
        }
    }
}

/// Raises the soft limit of open files up to this number, as far as the hard limit permits. It is low for programs that cannot
/// use more.
fn allow_files(most: u64) {
    let now = getrlimit(Resource::Nofile);
    let wanted = now.maximum.map_or(most, |hard| hard.min(most));
    if now.current.is_some_and(|soft| soft < wanted)
        && let Err(failure) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..now })
    {
        debug!("cannot raise the limit of open files to {wanted}: {failure}");
    }
}

/// The limits, changed by flags.
fn tuned(limits: &Limits, tuning: &Tuning) -> Limits {
    let mut limits = limits.clone();
    limits.connection.count = tuning.connections.unwrap_or(limits.connection.count);
    limits.shutdown.delay = tuning.shutdown_delay.unwrap_or(limits.shutdown.delay);
    limits.workers.fast = tuning.workers.unwrap_or(limits.workers.fast);
    limits
}

/// Checks listeners and configuration until a signal, or until a listener fails, which is logged.
fn wait(
    inbox: &Receiver<Event>,
    live: &mut Live,
    discovery: &mut Discovery,
    api: &Api,
    listeners: &mut Listeners,
) -> Option<String> {
    loop {
        match inbox.recv_timeout(TICK) {
            Ok(Event::Signal(Signal::Stop)) => return None,
            Ok(Event::Signal(Signal::Reload)) => live.reload(api),
            Ok(Event::ListenerFailed(why)) => return Some(why),
            Err(RecvTimeoutError::Timeout) => live.follow(api),
            Err(RecvTimeoutError::Disconnected) => return Some("the event channel closed".to_owned()),
        }
        listeners.tick();
        discovery.tick(api);
        api.metrics().close_old_connections();
    }
}

/// Metriclet's own metrics page as the upstream, for a first try without a source.
fn own_page(address: SocketAddr) -> Origin {
    Origin::Upstream { url: format!("http://{address}/metrics"), describes: None }
}

fn welcome(address: SocketAddr) -> String {
    format!(
        "Metriclet serves its own /metrics page as custom metrics. Try:\n\n  \
         curl http://{address}/apis/{CUSTOM_METRICS}/v1beta2/namespaces/default/metrics/process_resident_memory_bytes\n\n\
         With a page of yours: metriclet --upstream URL; metriclet --help says more.\n"
    )
}

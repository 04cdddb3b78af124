//! `metriclet serve`: listens until told to stop, and follows the configuration.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ::log::{error, info, warn};

use super::origin::Live;
use super::{exit, fail, print};
use crate::api::Api;
use crate::app;
use crate::config::cli::{Listen, Origin, Serve};
use crate::config::limits::Limits;
use crate::parse::path::GROUP;
use crate::server::plain::Plain;
use crate::server::signals::{self, Signal};
use crate::server::workers::Workers;
use crate::telemetry::clock::Clock;
use crate::telemetry::log;

/// How often the configuration file and the queue are looked at.
const TICK: Duration = Duration::from_secs(1);

/// What the main thread waits for.
enum Event {
    Signal(Signal),
    ListenerFailed(String),
}

/// Runs the command.
pub fn run(serve: &Serve, limits: &Limits, clock: &Clock) -> ExitCode {
    log::start(serve.verbosity, false, clock.clone());
    let Listen::At(address) = serve.listen else {
        return fail(exit::USAGE, &"--listen off leaves nothing to serve on");
    };
    let in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if serve.origin == Origin::ByDefault && in_cluster {
        return fail(exit::USAGE, &"in a cluster, say what to serve: --config FILE or --upstream URL");
    }
    let api = Arc::new(app::api(limits, clock));
    let (events, inbox) = mpsc::channel();
    let (to_main, from_listener) = (events.clone(), events);
    if let Err(failure) = signals::catch(move |signal| drop(to_main.send(Event::Signal(signal)))) {
        return fail(exit::SOFTWARE, &format_args!("cannot catch signals: {failure}"));
    }
    let on_failure = move |why| drop(from_listener.send(Event::ListenerFailed(why)));
    let threads = match Workers::start(api.clone(), limits, clock.clone()) {
        Ok(threads) => threads,
        Err(failure) => return fail(exit::UNAVAILABLE, &format_args!("cannot start workers: {failure}")),
    };
    let plain = match Plain::start(address, threads.workers(), on_failure) {
        Ok(plain) => plain,
        Err(failure) => return fail(exit::UNAVAILABLE, &format_args!("cannot listen on {address}: {failure}")),
    };
    let origin = match &serve.origin {
        Origin::ByDefault => own_page(plain.address()),
        origin => origin.clone(),
    };
    let mut live = match Live::start(&api, &origin, limits) {
        Ok(live) => live,
        Err(stop) => return stop,
    };
    api.health().set_configured();
    info!("listening on http://{}", plain.address());
    if serve.origin == Origin::ByDefault {
        print(&welcome(plain.address()));
    }
    let ended = wait(&inbox, &mut live, &api, &threads.workers());
    api.health().set_stopping();
    match ended {
        Some(why) => {
            error!("the listener stopped: {why}");
            ExitCode::from(exit::UNAVAILABLE)
        }
        None => {
            info!("stopping: finishing requests under way");
            let deadline = Instant::now() + limits.drain;
            if !(plain.stop(deadline) && threads.stop(deadline)) {
                warn!("stopping: some requests were not finished in time");
            }
            ExitCode::SUCCESS
        }
    }
}

/// Follows the configuration until a signal, or until the listener fails, which is told.
fn wait(inbox: &Receiver<Event>, live: &mut Live, api: &Api, workers: &Workers) -> Option<String> {
    loop {
        match inbox.recv_timeout(TICK) {
            Ok(Event::Signal(Signal::Stop)) => return None,
            Ok(Event::Signal(Signal::Reload)) => live.reload(api),
            Ok(Event::ListenerFailed(why)) => return Some(why),
            Err(RecvTimeoutError::Timeout) => live.follow(api),
            Err(RecvTimeoutError::Disconnected) => return Some("nobody is left to say why".to_owned()),
        }
        workers.observe();
    }
}

/// Our own page of metrics as the upstream, so that there is something to see without anything else.
fn own_page(address: SocketAddr) -> Origin {
    Origin::Upstream { url: format!("http://{address}/metrics"), describes: None }
}

fn welcome(address: SocketAddr) -> String {
    format!(
        "Metriclet serves its own /metrics page as custom metrics. Try:\n\n  \
         curl http://{address}/apis/{GROUP}/v1beta2/namespaces/default/metrics/process_resident_memory_bytes\n\n\
         With a page of yours: metriclet --upstream URL; metriclet --help says more.\n"
    )
}

//! ureq's agents, and the hooks that tell which phase an exchange is in.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ArrayVec, ResolvedSocketAddrs, Resolver as UreqResolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport};
use ureq::{Agent, Error};

use super::address::{Reach, Reserved};
use super::error::{FetchError, Phase};
use super::resolve::{LookupTime, Resolver};
use super::tls::Tls;
use crate::config::limits::Limits;

/// The most addresses of one host that are tried: as many as ureq has room for.
const ADDRESSES: usize = 16;

/// Connections that an agent keeps open while no exchange uses them: as many as ureq does by default for one host.
const IDLE: usize = 3;

/// The first bytes of an alert in any version of TLS.
const TLS_ALERT: &[u8] = &[21, 3];

/// How agents are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// The addresses that may be reached.
    pub reach: Reach,
    /// Whether the scheme is `https`, which takes longer to connect.
    pub tls: bool,
    /// Whether connections are kept for further requests.
    pub keep_alive: bool,
    /// Whether compressed bodies are requested.
    pub gzip: bool,
}

/// The exchange on this thread. ureq calls our hooks on the thread that called it, but passes them nothing of ours, and
/// its own errors do not tell the phase.
#[derive(Debug)]
struct Progress {
    phase: Phase,
    /// Why there is no address; ureq's errors cannot carry it.
    refused: Option<FetchError>,
    /// Whether bytes were left when the connection was closed.
    excess: bool,
    /// Whether the server answered `http://` with TLS.
    is_answered_in_tls: bool,
}

thread_local! {
    static PROGRESS: RefCell<Progress> =
        const { RefCell::new(Progress::BEGINNING) };
}

impl Progress {
    const BEGINNING: Self = Self { phase: Phase::Resolve, refused: None, excess: false, is_answered_in_tls: false };
}

/// Begins an exchange on this thread.
pub(super) fn begin() {
    PROGRESS.set(Progress::BEGINNING);
}

/// The head is there, the body begins.
pub(super) fn head_received() {
    enter(Phase::Body);
}

/// Why the exchange on this thread failed.
pub(super) fn failure(error: Error) -> FetchError {
    let (refused, phase, is_answered_in_tls) =
        PROGRESS.with_borrow_mut(|progress| (progress.refused.take(), progress.phase, progress.is_answered_in_tls));
    match refused {
        Some(refused) => refused,
        None if is_answered_in_tls => FetchError::tls_expected(&error),
        None => explain(error, phase),
    }
}

/// Whether bytes had come after the end of the body when the connection was closed.
pub(super) fn excess() -> bool {
    PROGRESS.with_borrow(|progress| progress.excess)
}

/// An agent with these trusted certificates and this client certificate.
pub(super) fn new(
    options: &Options,
    tls: Tls,
    limits: &Limits,
    resolver: Arc<Resolver>,
    reserved: Arc<Reserved>,
) -> Agent {
    let connect = if options.tls { limits.fetch.connect_tls } else { limits.fetch.connect };
    let idle = if options.keep_alive { IDLE } else { 0 };
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(idle)
        .max_idle_connections_per_host(idle)
        // A proxy named by the environment would see every credential, and the address filter only its address.
        .proxy(None)
        .timeout_resolve(Some(limits.resolve.timeout))
        .timeout_connect(Some(connect))
        .max_response_header_size(limits.fetch.response_head)
        .user_agent(concat!("metriclet/", env!("CARGO_PKG_VERSION")))
        .build();
    let connector = ().chain(TcpConnector::default()).chain(Connected).chain(tls).chain(Ready);
    Agent::with_parts(config, connector, Names { resolver, reserved, reach: options.reach })
}

fn enter(phase: Phase) {
    PROGRESS.with_borrow_mut(|progress| progress.phase = phase);
}

/// Looks up the host of the exchange on this thread.
#[derive(Debug)]
struct Names {
    resolver: Arc<Resolver>,
    reserved: Arc<Reserved>,
    reach: Reach,
}

impl UreqResolver for Names {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let time = LookupTime { longest: *timeout.after, is_full: matches!(timeout.reason, ureq::Timeout::Resolve) };
        match self.addresses(host, port, time) {
            Ok(addresses) => {
                enter(Phase::Connect);
                Ok(addresses)
            }
            Err(error) => {
                PROGRESS.with_borrow_mut(|progress| progress.refused = Some(error));
                Err(Error::HostNotFound)
            }
        }
    }
}

impl Names {
    fn addresses(&self, host: &str, port: u16, time: LookupTime) -> Result<ResolvedSocketAddrs, FetchError> {
        let mut addresses: ResolvedSocketAddrs = ArrayVec::from_fn(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        let mut refused = None;
        for &ip in self.resolver.look_up(host, time)?.iter() {
            let to = SocketAddr::new(ip, port);
            match self.reach.refuses(to, &self.reserved, &self.resolver, time) {
                Some(kind) => refused = Some(kind),
                None if addresses.len() < ADDRESSES => addresses.push(to),
                None => {}
            }
        }
        match refused {
            Some(kind) if addresses.is_empty() => Err(FetchError::Address(kind)),
            _ => Ok(addresses),
        }
    }
}

/// Stands between TCP and TLS.
#[derive(Debug)]
struct Connected;

impl<In: Transport> Connector<In> for Connected {
    type Out = In;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<In>, Error> {
        enter(if details.needs_tls() { Phase::Handshake } else { Phase::Response });
        Ok(chained)
    }
}

/// Stands after TLS.
#[derive(Debug)]
struct Ready;

impl<In: Transport> Connector<In> for Ready {
    type Out = Audited<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Audited<In>>, Error> {
        enter(Phase::Response);
        Ok(chained.map(Audited))
    }
}

/// A connection that tells whether bytes were left when it was closed: then the length that the server gave was a
/// lie, and what looks like a whole page may be the first half of one.
#[derive(Debug)]
struct Audited<T: Transport>(T);

impl<T: Transport> Transport for Audited<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        // A connection that was kept open has neither connected nor shaken hands.
        enter(Phase::Response);
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let has_input = self.0.await_input(timeout)?;
        // An alert, from a server that took the request for a handshake (RFC 8446 §5.1, §6).
        if !self.0.is_tls() && self.0.buffers().input().starts_with(TLS_ALERT) {
            PROGRESS.with_borrow_mut(|progress| progress.is_answered_in_tls = progress.phase == Phase::Response);
        }
        Ok(has_input)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

impl<T: Transport> Drop for Audited<T> {
    fn drop(&mut self) {
        let left = !self.0.buffers().input().is_empty();
        // The thread may be on its way out, and its locals gone.
        let _ = PROGRESS.try_with(|progress| {
            if let Ok(mut progress) = progress.try_borrow_mut() {
                progress.excess |= left;
            }
        });
    }
}

/// Our words for ureq's error in this phase.
fn explain(error: Error, phase: Phase) -> FetchError {
    match error {
        Error::Timeout(_) => FetchError::Timeout(phase),
        Error::HostNotFound => FetchError::host_not_found(&error),
        Error::ConnectionFailed => FetchError::Connect(std::io::ErrorKind::NotConnected),
        Error::LargeResponseHeader(_, cap) => FetchError::HeadTooLarge(cap),
        Error::BadUri(_) => FetchError::Url("not one that can be fetched"),
        Error::Tls(cause) => FetchError::Tls { cause, detail: String::new() },
        Error::Io(error) => explain_io(&error, phase),
        Error::Protocol(error) if phase == Phase::Body => FetchError::broken_body(&error),
        Error::Protocol(error) => FetchError::not_http(&error),
        Error::BodyStalled => FetchError::Closed(phase),
        other if phase == Phase::Body => FetchError::broken_body(&other),
        other => FetchError::not_http(&other),
    }
}

fn explain_io(error: &std::io::Error, phase: Phase) -> FetchError {
    use std::io::ErrorKind;

    if let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        return FetchError::tls(error);
    }
    match (error.kind(), phase) {
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => FetchError::Timeout(phase),
        (kind, Phase::Connect) => FetchError::Connect(kind),
        _ => FetchError::Closed(phase),
    }
}

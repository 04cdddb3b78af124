//! ureq's agents, with hooks that note which phase an exchange is in.

use std::net::SocketAddr;
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ArrayVec, ResolvedSocketAddrs, Resolver as UreqResolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Agent, Error};

use super::address::{AllowedAddresses, Reserved};
use super::error::{FetchError, Phase};
use super::kept::KeptConnections;
use super::progress::{self, enter, refuse};
use super::proxy::Tunnel;
use super::resolve::{LookupTime, Resolver};
use super::tcp::Tcp;
use super::tls::Tls;
use crate::config::limits::Limits;
use crate::config::model::Proxy;

/// The maximum number of addresses of one host that are tried: as many as ureq has room for.
const ADDRESSES: usize = 16;

/// The maximum number of idle connections that an agent keeps: ureq's default for one host.
const IDLE: usize = 3;

/// The first bytes of an alert in any version of TLS.
const TLS_ALERT: &[u8] = &[21, 3];

/// The settings of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The addresses that may be reached.
    pub reach: AllowedAddresses,
    /// Whether the scheme is `https`, which takes longer to connect.
    pub tls: bool,
    /// Whether a few connections are kept for further requests, to the one server that it is for.
    pub keep_alive: bool,
    /// Whether compressed bodies are requested.
    pub gzip: bool,
    /// The proxy, if any; its address is not restricted.
    pub proxy: Option<Proxy>,
}

/// An agent with these trusted certificates and this client certificate, for request heads of at most `head` bytes.
pub(super) fn new(
    options: &Options,
    tls: Tls,
    limits: &Limits,
    head: usize,
    resolver: Arc<Resolver>,
    reserved: Arc<Reserved>,
    kept: Option<Arc<KeptConnections>>,
) -> Agent {
    let idle = if options.keep_alive { IDLE } else { 0 };
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(idle)
        .max_idle_connections_per_host(idle)
        // A proxy from the environment would see every credential, and the address filter would check only the proxy's
        // address. A configured proxy has its own connector.
        .proxy(None)
        .timeout_resolve(Some(limits.resolve.timeout))
        .timeout_connect(Some(limits.fetch.connecting(options.tls, options.proxy.is_some())))
        .max_response_header_size(limits.fetch.response_head)
        // Bodies pass through this buffer in pieces; a head must fit, plus a byte that shows that it is too long.
        .input_buffer_size(limits.fetch.response_head + 1)
        .output_buffer_size(head)
        .user_agent(concat!("metriclet/", env!("CARGO_PKG_VERSION")))
        .build();
    let tunnel = Tunnel { is_used: options.proxy.is_some() };
    let connector = ().chain(Tcp { kept }).chain(tunnel).chain(Connected).chain(tls).chain(Ready);
    Agent::with_parts(
        config,
        connector,
        FilteringResolver { resolver, reserved, reach: options.reach, proxy: options.proxy.clone() },
    )
}

/// Looks up the host of the exchange on this thread.
#[derive(Debug)]
struct FilteringResolver {
    resolver: Arc<Resolver>,
    reserved: Arc<Reserved>,
    reach: AllowedAddresses,
    proxy: Option<Proxy>,
}

impl UreqResolver for FilteringResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        // With a proxy, the connection goes to one of the proxy's addresses.
        let (host, port) = match &self.proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (uri.host().unwrap_or_default(), port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let time = LookupTime { longest: *timeout.after, is_full: matches!(timeout.reason, ureq::Timeout::Resolve) };
        match self.addresses(host, port, time) {
            Ok(addresses) => {
                enter(Phase::Connect);
                Ok(addresses)
            }
            Err(error) => Err(refuse(error)),
        }
    }
}

impl FilteringResolver {
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

/// The connector between TCP and TLS, which records the start of the handshake.
#[derive(Debug)]
struct Connected;

impl<In: Transport> Connector<In> for Connected {
    type Out = In;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<In>, Error> {
        enter(if details.needs_tls() { Phase::Handshake } else { Phase::Response });
        Ok(chained)
    }
}

/// The connector after TLS, which records that the connection is ready.
#[derive(Debug)]
struct Ready;

impl<In: Transport> Connector<In> for Ready {
    type Out = ExcessDetector<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<ExcessDetector<In>>, Error> {
        enter(Phase::Response);
        Ok(chained.map(ExcessDetector))
    }
}

/// A connection that records whether bytes were left when it was closed: then the declared length was wrong, and the
/// page may be incomplete.
#[derive(Debug)]
struct ExcessDetector<T: Transport>(T);

impl<T: Transport> Transport for ExcessDetector<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        // A reused connection has no phases for connecting and the handshake.
        enter(Phase::Response);
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let has_input = self.0.await_input(timeout)?;
        // An alert, from a server that took the request for a handshake (RFC 8446 §5.1, §6).
        if !self.0.is_tls() && self.0.buffers().input().starts_with(TLS_ALERT) {
            progress::answered_in_tls();
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

impl<T: Transport> Drop for ExcessDetector<T> {
    fn drop(&mut self) {
        let left = !self.0.buffers().input().is_empty();
        progress::add_excess(left);
    }
}

//! TLS over ureq's connections, with our own verifier, which ureq's connector does not accept.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// Makes TLS connections to a server.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

/// A TLS connection.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

/// A TLS configuration that lacks only its client certificate.
///
/// # Errors
/// If the crypto provider does not support the default protocol versions; it does.
pub(super) fn builder(
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    Ok(builder.with_safe_default_protocol_versions()?.dangerous().with_custom_certificate_verifier(verifier))
}

impl Tls {
    /// `name` is the server name to send and verify, if it is not the URL's host.
    pub(super) fn new(mut config: ClientConfig, name: Option<ServerName<'static>>) -> Self {
        // A resumed session would accept a certificate after its expiry.
        config.resumption = Resumption::disabled();
        Self { config: Arc::new(config), name }
    }
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let name = match &self.name {
            Some(name) => name.clone(),
            None => host(details).ok_or(Error::Tls("no certificate can be for the URL's host"))?,
        };
        let mut connection = ClientConnection::new(self.config.clone(), name).map_err(broken)?;
        let mut socket = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        socket.set_timeout(left(details));
        connection.complete_io(&mut socket)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream: StreamOwned { conn: connection, sock: socket } })))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The URL's host as a name in certificates.
fn host(details: &ConnectionDetails<'_>) -> Option<ServerName<'static>> {
    let host = details.uri.host()?.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host).ok().map(|name| name.to_owned())
}

/// The time that remains after connecting.
pub(super) fn left(details: &ConnectionDetails<'_>) -> NextTimeout {
    let after = match (details.timeout.after, details.now, (details.current_time)()) {
        (Duration::Exact(all), Instant::Exact(start), Instant::Exact(now)) => {
            Duration::Exact(all.saturating_sub(now.saturating_duration_since(start)))
        }
        (after, _, _) => after,
    };
    NextTimeout { after, ..details.timeout }
}

fn broken(error: rustls::Error) -> Error {
    Error::Io(io::Error::other(error))
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        Ok(self.stream.write_all(output)?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}

//! The TLS configuration: versions, no resumption, and optional client certificates, which only prove possession of
//! their key.

use std::cell::Cell;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::config::cli::TlsVersion;

/// The configuration for this key, with this minimum version.
///
/// # Errors
/// If rustls rejects the combination, which does not happen.
pub(super) fn config(key: Arc<CertifiedKey>, from: TlsVersion) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let versions = match from {
        TlsVersion::Tls12 => &[&TLS13, &TLS12][..],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let possession = Arc::new(Possession::new(&provider));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(possession)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    // HTTP/1.0 serves clients that offer nothing else.
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
    // A resumed session would keep a client certificate valid after its authority was removed.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

thread_local! {
    /// Whether the client of the handshake on this thread proved possession of its certificate's key. rustls calls the
    /// verifier on the thread that reads the client's bytes, but passes it no context.
    static PROVED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `read`, which reads from the client; also returns whether the client proved possession of its certificate's key.
pub(super) fn proves<T>(read: impl FnOnce() -> T) -> (T, bool) {
    PROVED.set(false);
    let result = read();
    (result, PROVED.replace(false))
}

/// Accepts every certificate, and records whether the client proved possession of its key. Without proof, the
/// certificate is ignored, because the client may send a bearer token instead. Its chain is verified elsewhere.
#[derive(Debug)]
struct Possession {
    algorithms: WebPkiSupportedAlgorithms,
}

impl Possession {
    fn new(provider: &CryptoProvider) -> Self {
        Self { algorithms: provider.signature_verification_algorithms }
    }
}

/// The handshake continues in any case.
fn noted(proof: &Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
    PROVED.set(proof.is_ok());
    Ok(HandshakeSignatureValid::assertion())
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        noted(&verify_tls12_signature(message, certificate, signed, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        noted(&verify_tls13_signature(message, certificate, signed, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

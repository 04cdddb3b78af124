//! Verifies the certificates of servers.
//!
//! A certificate is trusted if it has a chain to an authority, as WebPKI verifies it (RFC 5280 §6), or if `caFile`
//! contains it, byte for byte: such a certificate is pinned, and needs no chain. This is how curl, Go and Python trust
//! the certificate that `openssl req -x509` writes, which is its own authority (CA:TRUE). In either case it must be
//! within its validity period, be for servers, and have the expected name (RFC 9525 §6) or SPIFFE ID (X509-SVID §5);
//! and the handshake must prove that the server has its key.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::Lazy;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{self, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::refusal::{self, Refusal};
use crate::parse::certificate::Certificate;
use crate::parse::certificate_name::SpiffeId;
use crate::parse::extensions::Extensions;
use crate::parse::pem::{self, PemError};

/// The sizes of RSA keys in bits with which ring verifies signatures.
const RSA_BITS: RangeInclusive<usize> = 2_048..=8_192;

/// Mozilla's authorities: one copy for all sources.
static BUILT_IN: Lazy<Arc<RootCertStore>> =
    Lazy::new(|| Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }));

/// Verifies certificates.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Certificates that may sign others.
    roots: Arc<RootCertStore>,
    /// The certificates of `caFile`, each of which is trusted as a server's own.
    pinned: Vec<CertificateDer<'static>>,
    /// The name that the certificate must have instead of the host.
    spiffe_id: Option<SpiffeId>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A server's own certificate, parsed.
struct EndEntity<'a> {
    certificate: Certificate<'a>,
    extensions: Extensions<'a>,
}

impl Verifier {
    /// Trusts these certificates.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub(super) fn new(trusted: Vec<CertificateDer<'static>>, spiffe_id: Option<SpiffeId>) -> Result<Self, PemError> {
        Ok(Self { roots: authorities(&trusted)?.into(), pinned: trusted, spiffe_id, algorithms: algorithms() })
    }

    /// Trusts Mozilla's authorities.
    pub(super) fn with_built_in_roots(spiffe_id: Option<SpiffeId>) -> Self {
        Self { roots: BUILT_IN.clone(), pinned: Vec::new(), spiffe_id, algorithms: algorithms() }
    }

    /// Whether the certificate has a chain or is pinned, and is usable now.
    fn verify_trust(
        &self,
        own: Option<&EndEntity<'_>>,
        end_entity: &CertificateDer<'_>,
        parsed: &ParsedCertificate<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let (roots, all) = (&self.roots, self.algorithms.all);
        match (verify_server_cert_signed_by_trust_anchor(parsed, roots, intermediates, now, all), own) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(own)) if self.pinned.contains(end_entity) => own.verify_as_pinned(now),
            (Err(error), Some(own)) => Err(self.explain(error, own, intermediates)),
            (Err(error), None) => Err(error),
        }
    }

    /// Whether the certificate is for the intended server.
    fn verify_name(
        &self,
        own: Option<&EndEntity<'_>>,
        parsed: &ParsedCertificate<'_>,
        server_name: &ServerName<'_>,
    ) -> Result<(), Error> {
        match (&self.spiffe_id, own) {
            (Some(id), Some(own)) => own.verify_spiffe_id(id),
            (Some(_), None) => Err(CertificateError::BadEncoding.into()),
            (None, own) => verify_server_name(parsed, server_name)
                .map_err(|error| own.and_then(EndEntity::why_no_host).map_or(error, Error::from)),
        }
    }

    /// A more specific cause than WebPKI's, if there is one.
    fn explain(&self, error: Error, own: &EndEntity<'_>, intermediates: &[CertificateDer<'_>]) -> Error {
        match &error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::Other(_)) => {
                if own.certificate.is_self_issued {
                    Refusal::new(refusal::SELF_SIGNED, "").into()
                } else if own.extensions.is_authority {
                    Refusal::new(refusal::AUTHORITY, "").into()
                } else {
                    error
                }
            }
            // An unsupported key also fails to verify signatures.
            Error::InvalidCertificate(CertificateError::BadSignature) => {
                let weak = intermediates.iter().chain(&self.pinned).find_map(|der| why_weak(der));
                weak.unwrap_or_else(|| Refusal::new(refusal::ISSUER_NAME_COLLISION, "")).into()
            }
            _ => error,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // A certificate that WebPKI can parse but we cannot is not pinned, and gets no more specific cause.
        let own = EndEntity::read(end_entity);
        if let Some(own) = own.as_ref().filter(|own| own.certificate.version < 3) {
            return Err(Refusal::new(refusal::OLD_VERSION, format!("version {}", own.certificate.version)).into());
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        self.verify_trust(own.as_ref(), end_entity, &parsed, intermediates, now)?;
        self.verify_name(own.as_ref(), &parsed, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
            .map_err(|error| why_weak(certificate).map_or(error, Error::from))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
            .map_err(|error| why_weak(certificate).map_or(error, Error::from))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl<'a> EndEntity<'a> {
    fn read(der: &'a CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let extensions = Extensions::of(&certificate).ok()?;
        Some(Self { certificate, extensions })
    }

    /// The parts of a certificate that WebPKI verifies in addition to its chain: the validity period (RFC 5280
    /// §4.1.2.5) and the purpose (§4.2.1.12).
    fn verify_as_pinned(&self, now: UnixTime) -> Result<(), Error> {
        let Certificate { not_before, not_after, .. } = self.certificate;
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        if now.as_secs() < not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before: at(not_before) }.into());
        }
        if now.as_secs() > not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after: at(not_after) }.into());
        }
        match self.extensions.is_for_servers {
            Some(false) => Err(CertificateError::InvalidPurpose.into()),
            _ => Ok(()),
        }
    }

    /// Whether the certificate satisfies X509-SVID §5.2 and has this ID.
    fn verify_spiffe_id(&self, id: &SpiffeId) -> Result<(), Error> {
        let uris = self.uris();
        let refused = |cause| Err(Refusal::new(cause, listed(uris)).into());
        match uris {
            _ if self.extensions.has_rights_to_sign() => refused(refusal::NO_SVID),
            [] => refused(refusal::NO_SPIFFE_ID),
            [uri] if id.is(uri) => Ok(()),
            [_] => refused(refusal::OTHER_SPIFFE_ID),
            _ => refused(refusal::NO_SVID),
        }
    }

    /// Why the certificate cannot be for any host (RFC 9525 §6.3: the subject does not name one).
    fn why_no_host(&self) -> Option<Refusal> {
        match &self.extensions.names {
            None => Some(Refusal::new(refusal::NO_NAMES, "")),
            Some(names) if names.hosts.is_empty() && !names.uris.is_empty() => {
                Some(Refusal::new(refusal::SPIFFE_ONLY, listed(&names.uris)))
            }
            Some(_) => None,
        }
    }

    fn uris(&self) -> &[&'a [u8]] {
        self.extensions.names.as_ref().map_or(&[], |names| &names.uris)
    }
}

/// The certificates that may sign others (RFC 5280 §4.2.1.9): WebPKI would accept any as an authority, even a server's
/// own. Those of version 1 have no extension for this, and may sign.
fn authorities(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    for der in certificates {
        let EndEntity { certificate, extensions } = EndEntity::read(der).ok_or(PemError::UnreadableCertificate)?;
        let single = pem::authorities(std::slice::from_ref(der))?;
        if certificate.version < 3 || extensions.may_sign_certificates() {
            roots.extend(single.roots);
        }
    }
    Ok(roots)
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    ring::default_provider().signature_verification_algorithms
}

fn why_weak(der: &CertificateDer<'_>) -> Option<Refusal> {
    let bits = Certificate::from_der(der).ok()?.rsa_bits().filter(|bits| !RSA_BITS.contains(bits))?;
    Some(Refusal::new(refusal::WEAK_KEY, format!("{bits} bits")))
}

/// The URIs for the log, which escapes them.
fn listed(uris: &[&[u8]]) -> String {
    uris.iter().map(|uri| String::from_utf8_lossy(uri)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

//! The authorities in a bundle, such as `ca.crt` and `caBundle`.

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;

use super::issue::{self, pem};
use crate::parse;
use crate::parse::certificate::Certificate;
use crate::parse::pem::PemError;

/// An authority's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    der: CertificateDer<'static>,
    /// The last second of its validity, in Unix seconds.
    ends: i64,
    is_ours: bool,
}

/// Reads a bundle.
///
/// # Errors
/// If there is no certificate, or one that clients do not accept as an authority.
pub(super) fn authorities(bundle: &[u8]) -> Result<Vec<Authority>, PemError> {
    let certificates = parse::pem::certificates(bundle)?;
    parse::pem::authorities(&certificates)?;
    certificates.into_iter().map(Authority::new).collect()
}

/// Prints a bundle.
pub(super) fn bundle<'a>(authorities: impl IntoIterator<Item = &'a Authority>) -> String {
    authorities.into_iter().map(|authority| pem("CERTIFICATE", &authority.der)).collect()
}

/// Whether a client that trusts these authorities accepts this server certificate.
pub(super) fn verifies(own: &CertificateDer<'_>, trusted: &[Authority], now: i64) -> bool {
    // WebPKI does not check whether a trust anchor has expired; kube-apiserver does.
    let unexpired: Vec<_> =
        trusted.iter().filter(|authority| authority.is_unexpired(now)).map(|authority| authority.der.clone()).collect();
    let (Ok(own), Ok(roots)) = (ParsedCertificate::try_from(own), parse::pem::authorities(&unexpired)) else {
        return false;
    };
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(now).unwrap_or_default()));
    let all = ring::default_provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&own, &roots, &[], now, all).is_ok()
}

impl Authority {
    fn new(der: CertificateDer<'static>) -> Result<Self, PemError> {
        let read = Certificate::from_der(&der).map_err(|_| PemError::UnreadableCertificate)?;
        let ends = i64::try_from(read.not_after).unwrap_or(i64::MAX);
        let is_ours = read.subject.iter().any(|(_, value)| value.value().starts_with(issue::AUTHORITY.as_bytes()));
        Ok(Self { der, ends, is_ours })
    }

    /// Whether it has not expired.
    pub(super) fn is_unexpired(&self, now: i64) -> bool {
        self.ends >= now
    }

    /// Whether `metriclet certs` made it.
    pub(super) fn is_ours(&self) -> bool {
        self.is_ours
    }
}

//! A new authority and the one certificate that it signs. The authority's key is thrown away: nobody can sign another
//! one with it, and the next certificate comes with the next authority.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

/// How long before now certificates begin, as the clocks of two machines differ.
const SKEW: Duration = Duration::hours(1);

/// Certificates and a key, PEM.
pub(super) struct Issued {
    /// The authority's.
    pub(super) ca: String,
    /// The server's.
    pub(super) certificate: String,
    /// The server's key, PKCS#8.
    pub(super) key: String,
}

/// Issues a certificate for these names, valid for so many days from `now`.
///
/// # Errors
/// If a name cannot stand in a certificate, or the system has no randomness.
pub(super) fn issue(names: Vec<String>, days: u32, now: OffsetDateTime) -> Result<Issued, rcgen::Error> {
    let common_name = names.first().cloned().unwrap_or_default();
    let valid = |mut params: CertificateParams| {
        params.not_before = now - SKEW;
        params.not_after = now + Duration::days(days.into());
        params
    };
    let mut authority = valid(CertificateParams::new(Vec::new())?);
    // Distinct names keep verifiers from confusing one authority with the next while both are trusted.
    authority.distinguished_name.push(DnType::CommonName, format!("metriclet-ca-{}", now.unix_timestamp()));
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let ca = authority.self_signed(&authority_key)?;

    let mut server = valid(CertificateParams::new(names)?);
    // A common name has room for 64 characters; the names that count stand in the extension.
    server.distinguished_name.push(DnType::CommonName, common_name.chars().take(64).collect::<String>());
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let server_key = KeyPair::generate()?;
    let certificate = server.signed_by(&server_key, &Issuer::new(authority, authority_key))?;
    Ok(Issued { ca: ca.pem(), certificate: certificate.pem(), key: server_key.serialize_pem() })
}

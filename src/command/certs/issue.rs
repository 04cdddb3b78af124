//! Issues a new authority and one certificate that it signs. The authority's key is discarded, so no other certificate
//! can be signed with it; the next certificate comes with the next authority.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{DateTime, Encode, Tag, TagNumber};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// How many seconds certificates are backdated, because the clocks of machines differ.
const SKEW: i64 = 3_600;
const DAY: i64 = 86_400;

/// The prefix of each authority's name; the time of its creation follows.
pub(super) const AUTHORITY: &str = "metriclet-ca-";

/// The maximum length of a common name (RFC 5280).
const COMMON_NAME: usize = 64;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

/// Certificates and a key, PEM.
pub(super) struct Issued {
    /// The authority's certificate.
    pub(super) ca: String,
    /// The server's certificate.
    pub(super) certificate: String,
    /// The server's key, PKCS#8.
    pub(super) key: String,
}

/// Why no certificate was issued.
#[derive(Debug)]
pub(super) enum IssueError {
    /// A value cannot be encoded in a certificate, probably a date.
    Encoding(der::Error),
    /// A name is not ASCII.
    Name,
    /// The system has no randomness.
    Random,
}

type Result<T> = std::result::Result<T, IssueError>;

/// Issues a certificate for these names, valid for `days` from `now`.
///
/// # Errors
/// If a name or date cannot be encoded in a certificate, or the system has no randomness.
pub(super) fn issue(names: &[String], days: u32, now: i64) -> Result<Issued> {
    let validity = sequence(&[&time(now - SKEW)?, &time(now + i64::from(days) * DAY)?])?;
    // Distinct names keep verifiers from confusing one authority with the next while both are trusted.
    let authority = common_name(&format!("{AUTHORITY}{now}"))?;
    let authority_key = Key::generate()?;
    // keyCertSign and cRLSign; path length 0.
    let of_authority = [
        extension("2.5.29.15", true, &bits(1, &[0b0000_0110])?)?,
        extension("2.5.29.14", false, &element(Tag::OctetString, &[authority_key.id()])?)?,
        extension(
            "2.5.29.19",
            true,
            &sequence(&[&element(Tag::Boolean, &[&[0xff]])?, &element(Tag::Integer, &[&[0]])?])?,
        )?,
    ];
    let ca = certificate(&authority, &authority_key, &validity, &authority, &authority_key, &of_authority)?;

    let key = Key::generate()?;
    let first: String = names.first().map(|name| name.chars().take(COMMON_NAME).collect()).unwrap_or_default();
    let alternative = names.iter().map(|name| alternative(name)).collect::<Result<Vec<_>>>()?;
    // digitalSignature, serverAuth.
    let of_server = [
        extension("2.5.29.35", false, &sequence(&[&element(context(0, false), &[authority_key.id()])?])?)?,
        extension("2.5.29.17", false, &sequence(&[&alternative.concat()])?)?,
        extension("2.5.29.15", true, &bits(7, &[0b1000_0000])?)?,
        extension("2.5.29.37", false, &sequence(&[&oid("1.3.6.1.5.5.7.3.1").to_der()?])?)?,
    ];
    let own = certificate(&authority, &authority_key, &validity, &common_name(&first)?, &key, &of_server)?;
    Ok(Issued {
        ca: pem("CERTIFICATE", &ca),
        certificate: pem("CERTIFICATE", &own),
        key: pem("PRIVATE KEY", &key.pkcs8),
    })
}

/// Converts DER to PEM.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    // 48 bytes become 64 characters.
    for line in der.chunks(48) {
        STANDARD.encode_string(line, &mut pem);
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

/// A key on P-256, which every client supports.
struct Key {
    pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
    /// SubjectPublicKeyInfo.
    public: Vec<u8>,
    digest: ring::digest::Digest,
}

impl Key {
    fn generate() -> Result<Self> {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| IssueError::Random)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).map_err(|_| IssueError::Random)?;
        let kind = sequence(&[&oid("1.2.840.10045.2.1").to_der()?, &oid("1.2.840.10045.3.1.7").to_der()?])?;
        let public = sequence(&[&kind, &bits(0, pair.public_key().as_ref())?])?;
        let digest = digest(&SHA256, &public);
        Ok(Self { pkcs8: pkcs8.as_ref().to_vec(), pair, public, digest })
    }

    /// The key's identifier, also used as its certificate's serial number, which has at most 20 bytes.
    fn id(&self) -> &[u8] {
        self.digest.as_ref().get(..20).unwrap_or_default()
    }
}

/// A signed certificate, version 3.
fn certificate(
    issuer: &[u8],
    issuer_key: &Key,
    validity: &[u8],
    subject: &[u8],
    key: &Key,
    extensions: &[Vec<u8>],
) -> Result<Vec<u8>> {
    let version = element(context(0, true), &[&element(Tag::Integer, &[&[2]])?])?;
    // The first byte must not be negative or redundant.
    let serial = element(Tag::Integer, &[&[1], key.id().get(1..).unwrap_or_default()])?;
    let algorithm = sequence(&[&oid("1.2.840.10045.4.3.2").to_der()?])?;
    let extensions = element(context(3, true), &[&sequence(&[&extensions.concat()])?])?;
    let signed = sequence(&[&version, &serial, &algorithm, issuer, validity, subject, &key.public, &extensions])?;
    let signature = issuer_key.pair.sign(&SystemRandom::new(), &signed).map_err(|_| IssueError::Random)?;
    sequence(&[&signed, &algorithm, &bits(0, signature.as_ref())?])
}

/// A distinguished name with only a common name.
fn common_name(text: &str) -> Result<Vec<u8>> {
    let attribute = sequence(&[&oid("2.5.4.3").to_der()?, &element(Tag::Utf8String, &[text.as_bytes()])?])?;
    sequence(&[&element(Tag::Set, &[&attribute])?])
}

/// A subject alternative name.
fn alternative(name: &str) -> Result<Vec<u8>> {
    match name.parse() {
        Ok(IpAddr::V4(address)) => element(context(7, false), &[&address.octets()]),
        Ok(IpAddr::V6(address)) => element(context(7, false), &[&address.octets()]),
        Err(_) if name.is_ascii() => element(context(2, false), &[name.as_bytes()]),
        Err(_) => Err(IssueError::Name),
    }
}

fn extension(kind: &str, critical: bool, value: &[u8]) -> Result<Vec<u8>> {
    let critical = if critical { element(Tag::Boolean, &[&[0xff]])? } else { Vec::new() };
    sequence(&[&oid(kind).to_der()?, &critical, &element(Tag::OctetString, &[value])?])
}

/// A time: UTCTime until 2049, GeneralizedTime after that.
fn time(unix: i64) -> Result<Vec<u8>> {
    let since = Duration::from_secs(u64::try_from(unix).unwrap_or_default());
    let time = DateTime::from_unix_duration(since)?;
    Ok(match UtcTime::from_date_time(time) {
        Ok(time) => time.to_der()?,
        Err(_) => GeneralizedTime::from_date_time(time).to_der()?,
    })
}

fn bits(unused: u8, bytes: &[u8]) -> Result<Vec<u8>> {
    element(Tag::BitString, &[&[unused], bytes])
}

fn sequence(parts: &[&[u8]]) -> Result<Vec<u8>> {
    element(Tag::Sequence, parts)
}

fn context(number: u8, constructed: bool) -> Tag {
    Tag::ContextSpecific { constructed, number: TagNumber::new(number) }
}

/// An element with this tag and the concatenated parts as its content.
fn element(tag: Tag, parts: &[&[u8]]) -> Result<Vec<u8>> {
    Ok(AnyRef::new(tag, &parts.concat())?.to_der()?)
}

impl From<der::Error> for IssueError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error)
    }
}

impl std::fmt::Display for IssueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Encoding(error) => write!(f, "{error}"),
            Self::Name => f.write_str("a name is not ASCII"),
            Self::Random => f.write_str("the system has no randomness"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;
    use crate::parse::certificate::Certificate;

    #[test]
    fn has_the_requested_validity() {
        // Within the range of UTCTime, across its end, and beyond it.
        for now in [1_800_000_000, 2_524_600_000, 4_000_000_000] {
            let issued = issue(&["a.example".to_owned()], 30, now).unwrap();
            for pem in [issued.ca, issued.certificate] {
                let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
                let certificate = Certificate::from_der(&der).unwrap();
                let span = [certificate.not_before, certificate.not_after];
                assert_eq!(span.map(u64::cast_signed), [now - 3_600, now + 30 * 86_400]);
            }
        }
    }
}

//! Certificates and private keys in PEM (RFC 7468).

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a text does not contain what was expected. It is printed after the name of a file, and contains no bytes of the
/// file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemError {
    /// A block is truncated or is not base64.
    Malformed,
    /// The text is DER, not PEM.
    Der,
    /// There is no certificate.
    NoCertificate,
    /// There is no private key.
    NoKey,
    /// The key is encrypted.
    EncryptedKey,
    /// A block is not an X.509 certificate (RFC 5280 §4.1).
    UnreadableCertificate,
}

/// The certificates of a text, in order, as DER; other PEM blocks are skipped.
///
/// # Errors
/// If there is none, or if one is malformed.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| PemError::Malformed)?;
    match certificates.is_empty() {
        true if is_der(pem) => Err(PemError::Der),
        true => Err(PemError::NoCertificate),
        false => Ok(certificates),
    }
}

/// The first private key of a text (PKCS#8, PKCS#1 or SEC1); other PEM blocks are skipped.
///
/// # Errors
/// If there is none, or it is malformed.
pub fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        _ if is_encrypted(pem) => PemError::EncryptedKey,
        Error::NoItemsFound if is_der(pem) => PemError::Der,
        Error::NoItemsFound => PemError::NoKey,
        _ => PemError::Malformed,
    })
}

/// Converts certificates to trust anchors for rustls; it does not check that they are authorities.
///
/// # Errors
/// If one of them cannot be parsed.
pub(crate) fn authorities(certificates: &[CertificateDer<'_>]) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone().into_owned()).map_err(|_| PemError::UnreadableCertificate)?;
    }
    Ok(roots)
}

/// Whether the bytes start with a long SEQUENCE in DER, as certificates and keys do.
fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x81..=0x84, ..])
}

/// Whether the key is encrypted, as marked in PKCS#8, or in PKCS#1 and SEC1 (RFC 1421 §4.6.1.1).
fn is_encrypted(pem: &[u8]) -> bool {
    let marks = [&b"-----BEGIN ENCRYPTED PRIVATE KEY-----"[..], b"Proc-Type: 4,ENCRYPTED"];
    pem.split(|byte| *byte == b'\n').any(|line| marks.iter().any(|mark| line.starts_with(mark)))
}

impl PemError {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "holds malformed PEM",
            Self::Der => "holds DER, expected PEM (openssl x509 and openssl pkey convert it)",
            Self::NoCertificate => "holds no certificate (PEM)",
            Self::NoKey => "holds no private key (PEM: PKCS#8, PKCS#1 or SEC1, not encrypted)",
            Self::EncryptedKey => "holds an encrypted private key, expected one without a password",
            Self::UnreadableCertificate => "holds a certificate that cannot be read",
        }
    }
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for PemError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: &str, base64: &str) -> String {
        format!("-----BEGIN {kind}-----\n{base64}\n-----END {kind}-----\n")
    }

    #[test]
    fn finds_certificates_among_other_blocks() {
        let text = format!(
            "CN=me\n{}{}\n{}",
            block("CERTIFICATE", "AAEC"),
            block("PRIVATE KEY", "AwQF"),
            block("CERTIFICATE", "BgcI")
        );
        let read = |text: &[u8]| certificates(text).map(|all| all.iter().map(|der| der.to_vec()).collect::<Vec<_>>());
        assert_eq!(read(text.as_bytes()), Ok(vec![vec![0, 1, 2], vec![6, 7, 8]]));
        for (text, why) in [
            (&b""[..], PemError::NoCertificate),
            (block("PRIVATE KEY", "AwQF").as_bytes(), PemError::NoCertificate),
            (block("CERTIFICATE", "?").as_bytes(), PemError::Malformed),
            (b"-----BEGIN CERTIFICATE-----\nAAEC\n", PemError::Malformed),
            (b"\x30\x82\x01\x00\x30\x81", PemError::Der),
            (b"0", PemError::NoCertificate),
        ] {
            assert_eq!(read(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn finds_private_keys_among_other_blocks() {
        for (kind, is_read) in [
            ("PRIVATE KEY", true),
            ("RSA PRIVATE KEY", true),
            ("EC PRIVATE KEY", true),
            ("PUBLIC KEY", false),
            ("OPENSSH PRIVATE KEY", false),
        ] {
            let text = block("CERTIFICATE", "AAEC") + &block(kind, "AwQF");
            let read = private_key(text.as_bytes()).map(|key| key.secret_der().to_vec());
            assert_eq!(read, if is_read { Ok(vec![3, 4, 5]) } else { Err(PemError::NoKey) }, "{kind}");
        }
        for (text, why) in [
            (&b""[..], PemError::NoKey),
            (block("ENCRYPTED PRIVATE KEY", "AwQF").as_bytes(), PemError::EncryptedKey),
            (
                block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAwQF").as_bytes(),
                PemError::EncryptedKey,
            ),
            (block("PRIVATE KEY", "?").as_bytes(), PemError::Malformed),
            (b"-----BEGIN PRIVATE KEY-----\nAwQF\n", PemError::Malformed),
            (b"\x30\x81\x87\x02", PemError::Der),
        ] {
            assert_eq!(private_key(text).map(|_| ()), Err(why), "{text:?}");
        }
    }

    #[test]
    fn reads_authorities() {
        let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone();
        let roots = authorities(&[certificate.clone(), certificate.clone()]).unwrap();
        assert_eq!(roots.len(), 2);
        let cut = CertificateDer::from(certificate[..100].to_vec());
        assert_eq!(authorities(&[certificate, cut]).map(|_| ()), Err(PemError::UnreadableCertificate));
    }
}

//! Certificates in PEM (RFC 7468).

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The certificates in a text, in order, as DER; other PEM blocks are skipped.
///
/// # Errors
/// If there is none, or one is cut short or no base64. The words fit behind the name of a file.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| "holds malformed PEM")?;
    if certificates.is_empty() { Err("holds no certificate (PEM)") } else { Ok(certificates) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_certificates_among_other_things() {
        let block = |kind: &str, base64: &str| format!("-----BEGIN {kind}-----\n{base64}\n-----END {kind}-----\n");
        let text = format!(
            "CN=me\n{}{}\n{}",
            block("CERTIFICATE", "AAEC"),
            block("PRIVATE KEY", "AwQF"),
            block("CERTIFICATE", "BgcI")
        );
        let read = |text: &str| certificates(text.as_bytes()).map(|all| all.iter().map(|der| der.to_vec()).collect());
        assert_eq!(read(&text), Ok(vec![vec![0, 1, 2], vec![6, 7, 8]]));
        for (text, why) in [
            ("", "holds no certificate (PEM)"),
            (&block("PRIVATE KEY", "AwQF"), "holds no certificate (PEM)"),
            (&block("CERTIFICATE", "?"), "holds malformed PEM"),
            ("-----BEGIN CERTIFICATE-----\nAAEC\n", "holds malformed PEM"),
        ] {
            assert_eq!(read(text), Err(why), "{text}");
        }
    }
}

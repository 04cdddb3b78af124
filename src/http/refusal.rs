//! Why TLS with a server failed. docs/troubleshooting.md lists these messages with their fixes.

use std::fmt;
use std::sync::Arc;

use rustls::{AlertDescription as Alert, CertificateError, Error, OtherError};

/// A cause that rustls does not distinguish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// A text that does not change from one handshake to the next.
    pub(super) cause: &'static str,
    /// The text in the certificate for the log, unescaped.
    pub(super) found: String,
}

/// Version 1 certificates are what `openssl x509 -req` writes without `-extfile`.
pub(super) const OLD_VERSION: &str =
    "the server's certificate is older than X.509 version 3, so it has no subjectAltName";
/// The authority is found by its name, and the signature verified with its key (RFC 5280 §6.1.3).
pub(super) const ISSUER_NAME_COLLISION: &str =
    "the server's certificate is signed by another authority with the name of a trusted one";
pub(super) const SELF_SIGNED: &str = "the server's certificate is self-signed and not among the trusted ones";
pub(super) const AUTHORITY: &str = "the server's certificate is for an authority (CA:TRUE), not for a server";
pub(super) const NO_NAMES: &str = "the server's certificate has no subjectAltName; a common name is not verified";
pub(super) const SPIFFE_ONLY: &str = "the server's certificate has a URI, but no DNS name or address";
pub(super) const NO_SPIFFE_ID: &str = "the server's certificate has no SPIFFE ID";
pub(super) const OTHER_SPIFFE_ID: &str = "the server's certificate has another SPIFFE ID";
pub(super) const NO_SVID: &str = "the server's certificate is no workload's SVID: it has several URIs or may sign";
pub(super) const WEAK_KEY: &str =
    "the server's certificate or its authority has an RSA key that is not of 2048 to 8192 bits";

impl Refusal {
    pub(super) fn new(cause: &'static str, found: impl Into<String>) -> Self {
        Self { cause, found: found.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        CertificateError::Other(OtherError(Arc::new(refusal))).into()
    }
}

/// The cause, and details for the log, which may contain bytes from the server.
pub(super) fn explain(error: &Error) -> (&'static str, String) {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => match other.0.downcast_ref::<Refusal>() {
            Some(Refusal { cause, found }) => (cause, found.clone()),
            None => (certificate_cause(&CertificateError::Other(other.clone())), error.to_string()),
        },
        Error::InvalidCertificate(certificate) => (certificate_cause(certificate), error.to_string()),
        Error::AlertReceived(alert) => (alert_cause(*alert), error.to_string()),
        Error::PeerIncompatible(
            rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13
            | rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => (OLD_TLS, error.to_string()),
        Error::InvalidMessage(_) => ("the server does not speak TLS", error.to_string()),
        _ => ("handshake failed", error.to_string()),
    }
}

const OLD_TLS: &str = "the server speaks neither TLS 1.2 nor 1.3";

fn certificate_cause(error: &CertificateError) -> &'static str {
    use CertificateError as Cert;

    match error {
        Cert::UnknownIssuer => "the server's certificate is signed by an authority that is not trusted",
        Cert::NotValidForName | Cert::NotValidForNameContext { .. } => "the server's certificate is for other names",
        Cert::Expired | Cert::ExpiredContext { .. } => "the server's certificate has expired",
        Cert::NotValidYet | Cert::NotValidYetContext { .. } => "the server's certificate is not valid yet",
        Cert::InvalidPurpose | Cert::InvalidPurposeContext { .. } => {
            "the server's certificate is not for servers (extendedKeyUsage)"
        }
        Cert::UnsupportedSignatureAlgorithmContext { .. }
        | Cert::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the server's certificate has a signature of a kind that is not accepted"
        }
        // The signature of the handshake; a bad signature in the chain is a [`ISSUER_NAME_COLLISION`].
        Cert::BadSignature => "the server does not prove that it holds the key of its certificate",
        _ => "the server's certificate is not valid",
    }
}

fn alert_cause(alert: Alert) -> &'static str {
    match alert {
        Alert::CertificateRequired
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => "the server wants a client certificate, or another one",
        Alert::ProtocolVersion => OLD_TLS,
        Alert::UnrecognisedName => "the server has no certificate for the name",
        _ => "the server refused the handshake",
    }
}

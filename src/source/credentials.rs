//! Credentials from files, read again whenever these change, so that a rotated token or certificate needs no restart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use ureq::http::{HeaderName, HeaderValue, header};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::config::limits::Limits;
use crate::config::model::{Basic, Credentials};
use crate::config::read::read;
use crate::config::watch::Stamp;
use crate::parse::pem;

/// A file with a credential that cannot be used. It prints without a byte of what is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialError {
    path: PathBuf,
    what: &'static str,
}

/// The credentials of one source, remembered until a file changes.
pub struct Secrets {
    credentials: Credentials,
    secret: usize,
    ca: usize,
    seen: Mutex<Option<Seen>>,
}

/// What all files together came to, at one time.
struct Seen {
    stamps: Vec<Option<Stamp>>,
    current: Result<Arc<Current>, CredentialError>,
}

/// Credentials as a request needs them.
pub struct Current {
    /// Header fields to send, marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whom to trust and who we are.
    pub tls: TlsConfig,
}

impl Secrets {
    /// Of one source; reads nothing yet.
    pub fn new(credentials: Credentials, limits: &Limits) -> Self {
        Self { credentials, secret: limits.config.secret, ca: limits.config.certificates, seen: Mutex::new(None) }
    }

    /// The credentials as the files have them now; the same `Arc` for as long as no file changes.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold what it should.
    pub fn current(&self) -> Result<Arc<Current>, CredentialError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Stamps come first: a file that changes while it is read has another stamp next time.
        let stamps: Vec<_> = self.files().map(|path| Stamp::of(path).ok()).collect();
        if let Some(seen) = seen.as_ref().filter(|seen| seen.stamps == stamps) {
            return seen.current.clone();
        }
        let current = self.load().map(Arc::new);
        *seen = Some(Seen { stamps, current: current.clone() });
        current
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let Credentials { bearer_token_file, basic, headers, ca_file, cert_file, key_file, server_name: _ } =
            &self.credentials;
        let password = basic.as_ref().map(|basic| &basic.password_file);
        let single = [bearer_token_file.as_ref(), password, ca_file.as_ref(), cert_file.as_ref(), key_file.as_ref()];
        single.into_iter().flatten().chain(headers.iter().map(|(_, path)| path))
    }

    fn load(&self) -> Result<Current, CredentialError> {
        let mut headers = Vec::new();
        if let Some(path) = &self.credentials.bearer_token_file {
            let token = self.line(path)?;
            headers.push((header::AUTHORIZATION, sensitive(path, &format!("Bearer {token}"))?));
        }
        if let Some(Basic { username, password_file }) = &self.credentials.basic {
            let pair = format!("{username}:{}", self.line(password_file)?);
            let value = format!("Basic {}", STANDARD.encode(pair));
            headers.push((header::AUTHORIZATION, sensitive(password_file, &value)?));
        }
        for (name, path) in &self.credentials.headers {
            let field = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| CredentialError { path: path.clone(), what: "is for a header with an impossible name" })?;
            headers.push((field, sensitive(path, &self.line(path)?)?));
        }
        Ok(Current { headers, tls: self.tls()? })
    }

    fn tls(&self) -> Result<TlsConfig, CredentialError> {
        let mut tls = TlsConfig::builder();
        if let Some(path) = &self.credentials.ca_file {
            let certificates = certificates(path, self.ca)?;
            trusted(path, &certificates)?;
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        if let (Some(cert_file), Some(key_file)) = (&self.credentials.cert_file, &self.credentials.key_file) {
            let chain = certificates(cert_file, self.secret)?;
            let pem = bytes(key_file, self.secret)?;
            let key = PrivateKey::from_pem(&pem).map_err(|_| CredentialError {
                path: key_file.clone(),
                what: "holds no private key (PEM: PKCS#8, PKCS#1 or SEC1)",
            })?;
            fits(key_file, &chain, &pem)?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(tls.build())
    }

    /// The one line that a file holds, without the line end that editors add.
    fn line(&self, path: &Path) -> Result<String, CredentialError> {
        let wrong = |what| CredentialError { path: path.to_owned(), what };
        let text =
            String::from_utf8(bytes(path, self.secret)?).map_err(|_| wrong("holds something that is not text"))?;
        let line = text.trim_ascii_end();
        if line.is_empty() {
            return Err(wrong("empty"));
        }
        Ok(line.to_owned())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "credential file {}: {}", self.path.display(), self.what)
    }
}

impl std::error::Error for CredentialError {}

fn bytes(path: &Path, max: usize) -> Result<Vec<u8>, CredentialError> {
    read(path, max).map_err(|why| CredentialError { path: path.to_owned(), what: why.as_str() })
}

fn certificates(path: &Path, max: usize) -> Result<Vec<Certificate<'static>>, CredentialError> {
    let wrong = |what| CredentialError { path: path.to_owned(), what };
    let certificates = pem::certificates(&bytes(path, max)?).map_err(wrong)?;
    Ok(certificates.iter().map(|der| Certificate::from_der(der).to_owned()).collect())
}

/// Whether the certificates can be roots: ureq would pass over those that cannot, and then trust nobody.
fn trusted(path: &Path, certificates: &[Certificate<'_>]) -> Result<(), CredentialError> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate.der().to_vec().into())
            .map_err(|_| CredentialError { path: path.to_owned(), what: "holds a certificate that cannot be read" })?;
    }
    Ok(())
}

/// Whether key and certificate belong together: ureq would panic at the first handshake.
fn fits(key_file: &Path, chain: &[Certificate<'_>], pem: &[u8]) -> Result<(), CredentialError> {
    let wrong = |what| CredentialError { path: key_file.to_owned(), what };
    let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| wrong("holds no private key"))?;
    let chain = chain.iter().map(|certificate| certificate.der().to_vec().into()).collect();
    let provider = rustls::crypto::ring::default_provider();
    match rustls::sign::CertifiedKey::from_der(chain, der, &provider) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(wrong("does not belong to the certificate in certFile")),
        Err(_) => Err(wrong("holds a key or certFile a certificate that cannot be used")),
    }
}

/// A header value that no library will print.
fn sensitive(path: &Path, text: &str) -> Result<HeaderValue, CredentialError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| CredentialError { path: path.to_owned(), what: "holds characters that no header may hold" })?;
    value.set_sensitive(true);
    Ok(value)
}

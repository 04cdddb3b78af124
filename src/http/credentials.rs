//! Credentials and trusted certificates, read again whenever their files change, so that a rotation needs no restart.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use ureq::http::{HeaderName, HeaderValue, header};

use super::tls::{self, Tls};
use super::unverified::Unverified;
use super::verifier::Verifier;
use crate::config::limits::Limits;
use crate::config::read::read;
use crate::config::watch::Stamp;
use crate::parse::certificate_name::CertificateName;
use crate::parse::pem;
use crate::parse::percent::Encoded;

/// A secret or a certificate.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The value itself is in the configuration, under this key.
    Inline(&'static str, Vec<u8>),
    /// The value is in a file that is read again when it changes.
    File(PathBuf),
}

/// The credentials that a client sends, and the certificates that it trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Bearer token.
    pub bearer: Option<SecretSource>,
    /// User name and password (RFC 7617).
    pub basic: Option<(String, SecretSource)>,
    /// Whether user name and password are form-encoded, as OAuth 2 requires (RFC 6749 §2.3.1).
    pub encodes_basic: bool,
    /// Fields of forms, and their values.
    pub form: Vec<(String, SecretSource)>,
    /// Header fields and their values.
    pub headers: Vec<(String, SecretSource)>,
    /// Parameters of the URL's query, and their values.
    pub query: Vec<(String, SecretSource)>,
    /// PEM bundle that replaces the built-in roots: authorities, and certificates of servers.
    pub authorities: Option<SecretSource>,
    /// PEM client certificate chain, and its private key.
    pub certificate: Option<(SecretSource, SecretSource)>,
    /// The name in the server's certificate, if it is not the URL's host.
    pub server_name: Option<CertificateName>,
    /// Skips the verification of the server's certificate.
    pub insecure: bool,
}

/// A credential that cannot be used. Its text does not contain the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialError {
    place: Place,
    what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Inline(&'static str),
    File(PathBuf),
}

/// Credentials, loaded and cached until a file changes.
pub(super) struct Secrets {
    credentials: Credentials,
    max_secret: usize,
    max_authorities: usize,
    seen: Mutex<Option<Seen>>,
}

/// The outcome of loading files with these stamps.
struct Seen {
    stamps: Vec<Option<Stamp>>,
    current: Result<Arc<Current>, CredentialError>,
}

/// Credentials as an exchange needs them.
pub(super) struct Current {
    /// Header fields to send, marked as sensitive.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// The parameters to add to the query of the URL, encoded; they contain secrets.
    pub(super) query: String,
    /// The fields to add to a form; they contain secrets.
    pub(super) form: Vec<(String, String)>,
    /// The trusted certificates, and the client certificate.
    pub(super) tls: Tls,
}

impl Current {
    /// The number of bytes that the credentials add to the head of a request.
    pub(super) fn length(&self) -> usize {
        let line = |(name, value): &(HeaderName, HeaderValue)| name.as_str().len() + value.len() + 4;
        self.query.len() + 1 + self.headers.iter().map(line).sum::<usize>()
    }
}

impl Secrets {
    /// Creates credentials, without reading files.
    pub(super) fn new(credentials: Credentials, limits: &Limits) -> Self {
        let (max_secret, max_authorities) = (limits.config.secret, limits.config.certificates);
        Self { credentials, max_secret, max_authorities, seen: Mutex::new(None) }
    }

    /// The current credentials; the same `Arc` as long as no file changes.
    ///
    /// # Errors
    /// If a file cannot be read or has the wrong content.
    pub(super) fn current(&self) -> Result<Arc<Current>, CredentialError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Stamps are taken first, so that a file that changes while it is read has another stamp next time.
        let stamps: Vec<_> = self.credentials.files().map(|path| Stamp::of(path).ok()).collect();
        if let Some(seen) = seen.as_ref().filter(|seen| seen.stamps == stamps) {
            return seen.current.clone();
        }
        let current = self.load().map(Arc::new);
        *seen = Some(Seen { stamps, current: current.clone() });
        current
    }

    fn load(&self) -> Result<Current, CredentialError> {
        let mut headers = Vec::new();
        if let Some(token) = &self.credentials.bearer {
            headers.push((header::AUTHORIZATION, sensitive(token, &format!("Bearer {}", self.line(token)?))?));
        }
        if let Some((username, password)) = &self.credentials.basic {
            let line = self.line(password)?;
            let pair = match self.credentials.encodes_basic {
                true => format!("{}:{}", Encoded::unreserved(username), Encoded::unreserved(&line)),
                false => format!("{username}:{line}"),
            };
            let value = format!("Basic {}", STANDARD.encode(pair));
            headers.push((header::AUTHORIZATION, sensitive(password, &value)?));
        }
        for (name, value) in &self.credentials.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| value.error("is for a header with an impossible name"))?;
            headers.push((name, sensitive(value, &self.line(value)?)?));
        }
        let mut query = Vec::new();
        for (name, value) in &self.credentials.query {
            let line = self.line(value)?;
            query.push(format!("{}={}", Encoded::unreserved(name), Encoded::unreserved(&line)));
        }
        let form = self.credentials.form.iter().map(|(name, value)| Ok((name.clone(), self.line(value)?)));
        let form = form.collect::<Result<_, CredentialError>>()?;
        Ok(Current { headers, query: query.join("&"), form, tls: self.tls()? })
    }

    fn tls(&self) -> Result<Tls, CredentialError> {
        let unusable = |_| CredentialError { place: Place::Inline("tls"), what: "no version of TLS can be used" };
        let builder = tls::builder(self.verifier()?).map_err(unusable)?;
        let config = match &self.credentials.certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate, self.max_authorities)?;
                let private_key =
                    pem::private_key(&key.bytes(self.max_secret)?).map_err(|why| key.error(why.as_str()))?;
                builder.with_client_auth_cert(chain, private_key).map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => key.error("does not belong to the client certificate"),
                    _ => key.error("cannot be used with the client certificate"),
                })?
            }
        };
        let name = match &self.credentials.server_name {
            Some(CertificateName::Host(name)) => Some(name.clone()),
            Some(CertificateName::Spiffe(_)) | None => None,
        };
        Ok(Tls::new(config, name))
    }

    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, CredentialError> {
        let Credentials { authorities, server_name, insecure, .. } = &self.credentials;
        let spiffe_id = match server_name {
            Some(CertificateName::Spiffe(id)) => Some(id.clone()),
            Some(CertificateName::Host(_)) | None => None,
        };
        let verifier = match authorities {
            None => Verifier::with_built_in_roots(spiffe_id),
            Some(material) => {
                let trusted = certificates(material, self.max_authorities)?;
                Verifier::new(trusted, spiffe_id).map_err(|why| material.error(why.as_str()))?
            }
        };
        Ok(if *insecure { Arc::new(Unverified) } else { Arc::new(verifier) })
    }

    /// Reads a secret of one line, without the line end that editors add.
    fn line(&self, material: &SecretSource) -> Result<String, CredentialError> {
        let text = String::from_utf8(material.bytes(self.max_secret)?)
            .map_err(|_| material.error("holds something that is not text"))?;
        let line = text.trim_ascii();
        if line.is_empty() {
            return Err(material.error("empty"));
        }
        Ok(line.to_owned())
    }
}

impl Credentials {
    /// All files that contain credentials.
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let Self { bearer, basic, form, headers, query, authorities, certificate, .. } = self;
        let single = [bearer.as_ref(), basic.as_ref().map(|(_, password)| password), authorities.as_ref()];
        let pair = certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
        let named = headers.iter().chain(query).chain(form).map(|(_, value)| value);
        let all = single.into_iter().flatten().chain(pair).chain(named);
        all.filter_map(|material| match material {
            SecretSource::Inline(..) => None,
            SecretSource::File(path) => Some(path),
        })
    }
}

impl SecretSource {
    fn bytes(&self, max: usize) -> Result<Vec<u8>, CredentialError> {
        match self {
            Self::Inline(_, bytes) => Ok(bytes.clone()),
            Self::File(path) => read(path, max).map_err(|why| self.error(why.as_str())),
        }
    }

    fn error(&self, what: &'static str) -> CredentialError {
        let place = match self {
            Self::Inline(key, _) => Place::Inline(key),
            Self::File(path) => Place::File(path.clone()),
        };
        CredentialError { place, what }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(key, _) => f.debug_tuple("Inline").field(key).finish_non_exhaustive(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Inline(key) => write!(f, "{key}: {}", self.what),
            Place::File(path) => write!(f, "credential file {}: {}", path.display(), self.what),
        }
    }
}

impl std::error::Error for CredentialError {}

fn certificates(material: &SecretSource, max: usize) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
    pem::certificates(&material.bytes(max)?).map_err(|why| material.error(why.as_str()))
}

/// A header value that no library prints.
fn sensitive(material: &SecretSource, text: &str) -> Result<HeaderValue, CredentialError> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| material.error("holds characters that no header may hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_no_secret() {
        let material = SecretSource::Inline("token", b"s3cret".to_vec());
        assert_eq!(format!("{material:?}"), "Inline(\"token\", ..)");
        assert_eq!(material.error("empty").to_string(), "token: empty");
    }
}

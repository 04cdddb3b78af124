//! The serving certificate and its key: always a valid pair, reloaded when the files change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::Error;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;

use crate::config::limits::Limits;
use crate::config::read::read;
use crate::config::watch::Watched;
use crate::kube::meta::Time;
use crate::parse::certificate::Certificate as X509;
use crate::parse::pem::{self, PemError};

/// A chain, its key, and its expiry time.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    key: Arc<CertifiedKey>,
    not_after: u64,
}

/// The reason why a pair of files is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateError {
    path: PathBuf,
    what: String,
}

/// Two files that are checked periodically.
#[derive(Debug)]
pub(crate) struct Follower {
    certificate: Watched,
    key: Watched,
    limits: Limits,
    /// A failure is retried once before it is logged, because the two files of a pair do not change at the same time.
    failing: Option<Failing>,
}

#[derive(Debug)]
struct Failing {
    error: CertificateError,
    reported: bool,
}

impl Certificate {
    /// Reads a pair that is valid at `now` (Unix seconds).
    ///
    /// # Errors
    /// If a file cannot be read or has the wrong content, if key and certificate do not match, or if the certificate is
    /// not valid now.
    pub(crate) fn load(certificate: &Path, key: &Path, now: i64, limits: &Limits) -> Result<Self, CertificateError> {
        let wrong =
            |path: &Path, what: &dyn fmt::Display| CertificateError { path: path.to_owned(), what: what.to_string() };
        let pem = read(certificate, limits.config.certificates).map_err(|why| wrong(certificate, &why))?;
        let chain = pem::certificates(&pem).map_err(|why| wrong(certificate, &why))?;
        let parsed = X509::from_der(chain.first().map_or(&[], |own| own))
            .map_err(|_| wrong(certificate, &PemError::UnreadableCertificate))?;
        let (from, to) = (parsed.not_before, parsed.not_after);
        let pem = read(key, limits.config.secret).map_err(|why| wrong(key, &why))?;
        let private = pem::private_key(&pem).map_err(|why| wrong(key, &why))?;
        let pair = CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                wrong(key, &format_args!("does not belong to the certificate in {}", certificate.display()))
            }
            Error::InvalidCertificate(_) => wrong(certificate, &"holds a certificate that cannot be used"),
            _ => wrong(key, &"holds a key that cannot be used; RSA of 2048 to 8192 bits, P-256, P-384 and Ed25519 can"),
        })?;
        let date = |seconds: u64| Time(i64::try_from(seconds).unwrap_or(i64::MAX));
        match u64::try_from(now).unwrap_or_default() {
            now if now < from => Err(wrong(certificate, &format_args!("is not valid before {}", date(from)))),
            now if now > to => Err(wrong(certificate, &format_args!("has expired at {}", date(to)))),
            _ => Ok(Self { key: Arc::new(pair), not_after: to }),
        }
    }

    /// The pair for rustls.
    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        self.key.clone()
    }

    /// The expiry in Unix seconds.
    pub(crate) fn not_after(&self) -> u64 {
        self.not_after
    }
}

impl Follower {
    /// Follows two files, which count as loaded just now.
    pub(crate) fn new(certificate: PathBuf, key: PathBuf, limits: &Limits) -> Self {
        let (mut certificate, mut key) = (Watched::new(certificate), Watched::new(key));
        certificate.changed();
        key.changed();
        Self { certificate, key, limits: limits.clone(), failing: None }
    }

    /// A new pair, or the reason why it cannot be used, returned once; `None` if nothing has changed.
    pub(crate) fn follow(&mut self, now: i64) -> Option<Result<Certificate, CertificateError>> {
        // Both files are checked, even if the first one has changed.
        let changed = [self.certificate.changed(), self.key.changed()].contains(&true);
        if !changed && self.failing.is_none() {
            return None;
        }
        match Certificate::load(self.certificate.path(), self.key.path(), now, &self.limits) {
            Ok(certificate) => {
                self.failing = None;
                Some(Ok(certificate))
            }
            Err(error) => match &mut self.failing {
                Some(failing) if failing.error == error => {
                    (!std::mem::replace(&mut failing.reported, true)).then_some(Err(error))
                }
                failing => {
                    *failing = Some(Failing { error, reported: false });
                    None
                }
            },
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path.display(), self.what)
    }
}

impl std::error::Error for CertificateError {}

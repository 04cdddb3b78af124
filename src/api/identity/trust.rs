//! Trusted authorities, in two pools: a client with a certificate from one may name users in headers; a certificate
//! from the other identifies only its own user.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::parse::pem;
use crate::parse::sort::sort;

/// Both pools.
#[derive(Debug, Default)]
pub struct Trust {
    /// Front proxies, which may name users in headers.
    pub front_proxy: Option<FrontProxy>,
    /// Authorities whose certificates name users.
    pub clients: Option<Pool>,
}

/// Front proxies, and the headers in which they name users.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontProxy {
    /// Authorities that sign for front proxies.
    pub pool: Pool,
    /// Common names that a front proxy may have; any if empty.
    pub allowed_names: Vec<String>,
    /// Headers that it uses.
    pub headers: RemoteHeaders,
}

/// Names of headers; the first header with a value is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteHeaders {
    /// `X-Remote-User`
    pub username: Vec<String>,
    /// `X-Remote-Uid`
    pub uid: Vec<String>,
    /// `X-Remote-Group`; all values are used.
    pub group: Vec<String>,
    /// `X-Remote-Extra-`
    pub extra_prefix: Vec<String>,
}

/// Authorities that sign certificates of clients.
#[derive(Clone)]
pub struct Pool {
    verifier: Arc<dyn ClientCertVerifier>,
    /// The public keys of the authorities.
    keys: Vec<Vec<u8>>,
}

/// Why a PEM text is not a pool of authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolError(&'static str);

impl Trust {
    /// Joins the two pools. If one authority signs for both and any common name is allowed, every client could act as a
    /// front proxy: then none may, and the second value is true.
    pub fn new(front_proxy: Option<FrontProxy>, clients: Option<Pool>) -> (Self, bool) {
        let open = front_proxy.as_ref().is_some_and(|front_proxy| {
            front_proxy.allowed_names.is_empty()
                && clients.as_ref().is_some_and(|clients| front_proxy.pool.shares(clients))
        });
        (Self { front_proxy: front_proxy.filter(|_| !open), clients }, open)
    }
}

impl RemoteHeaders {
    /// The default headers of kube-apiserver.
    pub fn usual() -> Self {
        let one = |name: &str| vec![name.to_owned()];
        Self {
            username: one("X-Remote-User"),
            uid: Vec::new(),
            group: one("X-Remote-Group"),
            extra_prefix: one("X-Remote-Extra-"),
        }
    }
}

impl Pool {
    /// Reads certificates (PEM).
    ///
    /// # Errors
    /// If there is none, or one that cannot be read.
    pub fn from_pem(text: &[u8]) -> Result<Self, PoolError> {
        let read = pem::certificates(text).and_then(|certificates| pem::authorities(&certificates));
        let roots = read.map_err(|why| PoolError(why.as_str()))?;
        let mut keys: Vec<Vec<u8>> = roots.roots.iter().map(|root| root.subject_public_key_info.to_vec()).collect();
        sort(&mut keys);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), ring::default_provider().into())
            .build()
            .map_err(|_| PoolError("holds certificates that cannot be used"))?;
        Ok(Self { verifier, keys })
    }

    /// Whether an authority of this pool has signed the chain, which starts with the client's own certificate, and
    /// whether it is within its validity period and for clients.
    pub(super) fn signed(&self, chain: &[Vec<u8>], unix_millis: i64) -> bool {
        let since_1970 = Duration::from_millis(u64::try_from(unix_millis).unwrap_or_default());
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        chain.split_first().is_some_and(|(own, intermediates)| {
            let now = UnixTime::since_unix_epoch(since_1970);
            self.verifier.verify_client_cert(own, intermediates, now).is_ok()
        })
    }

    fn shares(&self, other: &Self) -> bool {
        self.keys.iter().any(|key| other.keys.contains(key))
    }
}

/// Pools are equal if they have the same authorities.
impl PartialEq for Pool {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool of {}", self.keys.len())
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for PoolError {}

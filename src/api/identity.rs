//! Who is asking. So far: whether a client's certificates lead to an authority that we were told to trust.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::message::Peer;
use crate::telemetry::connections::Standing;

/// The authorities that are trusted, which can change while connections are open.
#[derive(Debug, Default)]
pub struct Identity {
    trust: RwLock<Arc<Trust>>,
}

/// Two pools of authorities, kept apart: who may speak for others, and who may only speak for themselves.
#[derive(Debug, Default)]
pub struct Trust {
    /// Of `--requestheader-client-ca-file`.
    pub front_proxies: Option<Pool>,
    /// Of `--client-ca-file`.
    pub clients: Option<Pool>,
}

/// Authorities that sign certificates of clients.
#[derive(Clone, Debug)]
pub struct Pool(Arc<dyn ClientCertVerifier>);

/// Why a file is no pool of authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolError(&'static str);

impl Identity {
    /// Trusts these from now on.
    pub fn install(&self, trust: Trust) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
    }

    /// What a client is that presented these certificates, at a time in Unix milliseconds.
    pub fn standing(&self, peer: Option<&Peer>, unix_millis: i64) -> Standing {
        let trust = self.trust.read().unwrap_or_else(PoisonError::into_inner).clone();
        let signed =
            |pool: &Option<Pool>| peer.zip(pool.as_ref()).is_some_and(|(peer, pool)| pool.signed(peer, unix_millis));
        if signed(&trust.front_proxies) {
            Standing::FrontProxy
        } else if signed(&trust.clients) {
            Standing::Client
        } else {
            Standing::Stranger
        }
    }
}

impl Pool {
    /// Reads a file of certificates (PEM).
    ///
    /// # Errors
    /// If it holds none, or one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, PoolError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| PoolError("holds malformed PEM"))?;
            roots.add(certificate).map_err(|_| PoolError("holds a certificate that cannot be read"))?;
        }
        if roots.is_empty() {
            return Err(PoolError("holds no certificate (PEM)"));
        }
        WebPkiClientVerifier::builder_with_provider(roots.into(), ring::default_provider().into())
            .build()
            .map(Self)
            .map_err(|_| PoolError("holds certificates that cannot be used"))
    }

    /// Whether the chain leads here, is within its time, and is for clients.
    fn signed(&self, peer: &Peer, unix_millis: i64) -> bool {
        let since_1970 = Duration::from_millis(u64::try_from(unix_millis).unwrap_or_default());
        let chain: Vec<_> = peer.chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        chain.split_first().is_some_and(|(own, intermediates)| {
            self.0.verify_client_cert(own, intermediates, UnixTime::since_unix_epoch(since_1970)).is_ok()
        })
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for PoolError {}

//! Authorities, certificates, and an HTTPS server whose certificate can change while it runs.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use super::upstream::read_head;

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate chain, the leaf first, and its key, in PEM.
#[derive(Clone)]
pub struct Identity {
    pub chain: String,
    pub key: String,
}

/// An HTTPS server on a free port of 127.0.0.1. Its thread ends with the test process.
pub struct TlsUpstream {
    pub address: SocketAddr,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A request to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The server name that the client sent (SNI).
    pub server_name: Option<String>,
    /// Whether the client resumed a session, without verifying the certificate again.
    pub is_resumed: bool,
    pub head: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// An authority with changed parameters.
    pub fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (authority(name), KeyPair::generate().unwrap());
        change(&mut params);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// An intermediate authority signed by this one.
    pub fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub fn pem(&self) -> String {
        self.pem.clone()
    }

    /// The authority's own key.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        roots
    }

    /// A certificate for a host, or for a client with this name.
    pub fn issue(&self, name: &str) -> Identity {
        self.issue_with(name, &KeyPair::generate().unwrap(), |_| {})
    }

    /// A certificate with changed parameters.
    pub fn issue_with(&self, name: &str, key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        Identity { chain: certificate.pem(), key: key.serialize_pem() }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Identity {
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.chain.as_bytes()).map(Result::unwrap).collect()
    }

    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}

impl TlsUpstream {
    /// Always sends these bytes, including the head.
    pub fn start(identity: &Identity, clients: Option<&Authority>, answer: Vec<u8>) -> Self {
        Self::with_config(config(identity, clients), answer)
    }

    /// Starts the server with any TLS configuration.
    pub fn with_config(config: Arc<ServerConfig>, answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (config, asked) = (Arc::new(Mutex::new(config)), Arc::new(Mutex::new(Vec::new())));
        let (current, answer, requests) = (config.clone(), Arc::new(answer), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(current.lock().unwrap().clone()).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                let (answer, requests) = (answer.clone(), requests.clone());
                thread::spawn(move || {
                    // A client that rejects our certificate closes the connection.
                    if let Some(head) = read_head(&mut stream) {
                        let server_name = stream.conn.server_name().map(str::to_owned);
                        let is_resumed = stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
                        requests.lock().unwrap().push(Asked { server_name, is_resumed, head });
                        let _ = stream.write_all(&answer);
                        stream.conn.send_close_notify();
                        let _ = stream.flush();
                    }
                });
            }
        });
        Self { address, config, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// From now on uses this certificate, and accepts only clients of this authority.
    pub fn change(&self, identity: &Identity, clients: Option<&Authority>) {
        *self.config.lock().unwrap() = config(identity, clients);
    }
}

/// A configuration with this certificate and key, which need not match, in one version of TLS.
pub fn presenting(identity: &Identity, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
    let provider = rustls::crypto::ring::default_provider();
    let key = provider.key_provider.load_private_key(identity.private_key()).unwrap();
    let pair = SingleCertAndKey::from(CertifiedKey::new(identity.certificates(), key));
    let builder = ServerConfig::builder_with_provider(provider.into()).with_protocol_versions(&[version]).unwrap();
    Arc::new(builder.with_no_client_auth().with_cert_resolver(Arc::new(pair)))
}

fn config(identity: &Identity, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let roots = Arc::new(authority.roots());
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    Arc::new(builder.with_single_cert(identity.certificates(), identity.private_key()).unwrap())
}

/// The output of `openssl`, which creates certificates that libraries refuse to create.
pub fn openssl(args: &[&str]) -> String {
    let output = Command::new("openssl").args(args).output().unwrap_or_else(|why| panic!("openssl: {why}"));
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

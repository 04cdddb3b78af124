//! Authorities, certificates, and an HTTPS server whose identity can change while it runs.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::upstream::read_head;

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate with its key.
pub struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

/// An HTTPS server on a free port of 127.0.0.1. Its thread ends with the test's process.
pub struct TlsUpstream {
    pub address: SocketAddr,
    config: Arc<Mutex<Arc<ServerConfig>>>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for a host, or a client of that name.
    pub fn issue(&self, name: &str) -> Identity {
        self.sign(&CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// Whatever certificate, with a key of its own.
    pub fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate, key }
    }
}

impl Identity {
    pub fn certificate(&self) -> String {
        self.certificate.pem()
    }

    pub fn key(&self) -> String {
        self.key.serialize_pem()
    }
}

impl TlsUpstream {
    /// Always answers with these bytes, head included.
    pub fn start(identity: &Identity, clients: Option<&Authority>, answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::new(Mutex::new(config(identity, clients)));
        let (current, answer) = (config.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(current.lock().unwrap().clone()).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                let answer = answer.clone();
                thread::spawn(move || {
                    // A client that does not like our certificate hangs up.
                    if read_head(&mut stream).is_some() {
                        let _ = stream.write_all(&answer);
                        stream.conn.send_close_notify();
                        let _ = stream.flush();
                    }
                });
            }
        });
        Self { address, config }
    }

    /// From now on this identity, and clients of this authority only.
    pub fn change(&self, identity: &Identity, clients: Option<&Authority>) {
        *self.config.lock().unwrap() = config(identity, clients);
    }
}

fn config(identity: &Identity, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
    Arc::new(builder.with_single_cert(vec![identity.certificate.der().clone()], key).unwrap())
}

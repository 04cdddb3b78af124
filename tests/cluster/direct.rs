//! Whatever bytes over TLS, as no well-behaved client would send them.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::common::tls::Identity;
use crate::common::{Answer, PATIENCE};

/// Connects to a server that one of these authorities (PEM) vouches for.
pub fn connect(
    address: SocketAddr,
    name: &str,
    authorities: &[u8],
    client: Option<&Identity>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    CertificateDer::pem_slice_iter(authorities).for_each(|authority| roots.add(authority.unwrap()).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let certificate = CertificateDer::from_pem_slice(identity.certificate().as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(identity.key().as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(connection, stream)
}

/// Sends this and reads to the end of the connection.
pub fn ask(address: SocketAddr, name: &str, authorities: &[u8], client: Option<&Identity>, request: &str) -> Answer {
    let mut stream = connect(address, name, authorities, client);
    stream.write_all(request.as_bytes()).unwrap();
    Answer::read(stream)
}

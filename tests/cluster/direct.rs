//! Arbitrary bytes over TLS.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::common::Answer;
use crate::common::secure::{Client, trusting};
use crate::common::tls::Identity;

/// Sends bytes to a server whose certificate one of these authorities (PEM) signed, and reads to the end of the connection.
pub fn ask(address: SocketAddr, name: &str, authorities: &[u8], client: Option<&Identity>, request: &str) -> Answer {
    try_ask(address, name, authorities, client, request).unwrap()
}

/// Like [`ask`], for a server that may be unreachable.
pub fn try_ask(
    address: SocketAddr,
    name: &str,
    authorities: &[u8],
    client: Option<&Identity>,
    request: &str,
) -> io::Result<Answer> {
    let mut roots = RootCertStore::empty();
    CertificateDer::pem_slice_iter(authorities).for_each(|authority| roots.add(authority.unwrap()).unwrap());
    let mut stream = Client::new(address, trusting(roots, client)).try_connect(name)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(Answer::parse(&answer))
}

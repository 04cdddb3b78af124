//! Certificates for one run, and TLS clients that use them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::Result;

/// A CA, a server certificate and a client certificate, in a directory that is removed when this is dropped.
pub struct Certificates {
    directory: PathBuf,
}

/// A client connection.
pub struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Certificates {
    /// Creates the certificates.
    pub fn new() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("metriclet-bench-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let this = Self { directory };
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(this.path("ca.crt"), params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        for (who, name) in [("server", "127.0.0.1"), ("client", "client")] {
            let key = KeyPair::generate()?;
            let certificate = CertificateParams::new([name.to_owned()])?.signed_by(&key, &issuer)?;
            fs::write(this.path(&format!("{who}.crt")), certificate.pem())?;
            fs::write(this.path(&format!("{who}.key")), key.serialize_pem())?;
        }
        Ok(this)
    }

    /// The path of a file in the directory: `ca.crt`, `server.crt`, `server.key`, or a new one.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a kubeconfig for a Kubernetes API on this port of 127.0.0.1; returns its path.
    pub fn kubeconfig(&self, port: u16) -> Result<PathBuf> {
        let path = self.path("kubeconfig");
        let text = format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: k}}}}]\nclusters:\n\
             - {{name: k, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: ca.crt}}}}\n"
        );
        fs::write(&path, text)?;
        Ok(path)
    }

    /// The TLS configuration of clients, with or without the client's certificate.
    pub fn client(&self, certificate: bool) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        for root in certificates(&self.path("ca.crt"))? {
            roots.add(root)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = if certificate {
            builder.with_client_auth_cert(certificates(&self.path("client.crt"))?, key(&self.path("client.key"))?)?
        } else {
            builder.with_no_client_auth()
        };
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The certificates of a PEM file.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_file_iter(path)?.collect::<std::result::Result<_, _>>()?)
}

/// The private key of a PEM file.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    Ok(PrivateKeyDer::from_pem_file(path)?)
}

impl Client {
    /// Connects and performs the handshake.
    pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let name = ServerName::from(address.ip());
        let mut stream = StreamOwned::new(ClientConnection::new(config.clone(), name)?, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        // Lines are short, and thousands of these buffers are idle.
        Ok(Self(BufReader::with_capacity(512, stream)))
    }

    /// Sends a GET request.
    pub fn send(&mut self, path: &str) -> Result<()> {
        self.send_with(path, "")
    }

    /// Sends a GET request with additional header lines, each ended by CRLF.
    pub fn send_with(&mut self, path: &str, headers: &str) -> Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes())?;
        Ok(stream.flush()?)
    }

    /// Reads a response: its status code and body.
    pub fn receive(&mut self) -> Result<(u16, Vec<u8>)> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let code = line.split(' ').nth(1).ok_or("an answer without a code")?.parse()?;
        let mut length = 0;
        loop {
            line.clear();
            if self.0.read_line(&mut line)? <= 2 {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("Content-Length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((code, body))
    }

    /// Requests a path; the response must be 200.
    pub fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        self.get_with(path, "")
    }

    /// Like [`Self::get`], with additional header lines.
    pub fn get_with(&mut self, path: &str, headers: &str) -> Result<Vec<u8>> {
        self.send_with(path, headers)?;
        match self.receive()? {
            (200, body) => Ok(body),
            (code, body) => Err(format!("{path}: expected 200, found {code}: {}", body.escape_ascii()).into()),
        }
    }

    /// Whether all received bytes have been read.
    pub fn is_waiting(&self) -> Result<bool> {
        let socket = &self.0.get_ref().sock;
        socket.set_nonblocking(true)?;
        let peeked = socket.peek(&mut [0]);
        socket.set_nonblocking(false)?;
        Ok(peeked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock))
    }
}

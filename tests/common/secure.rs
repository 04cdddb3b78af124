//! The secure listener under test, and TLS clients for it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::tls::{Authority, Identity};
use super::upstream::Upstream;
use super::{Answer, PATIENCE, Server, file, metriclet};

/// The authorities that clients trust, and those that the server trusts.
pub static SERVING: LazyLock<Authority> = LazyLock::new(|| Authority::new("serving"));
pub static CLIENTS: LazyLock<Authority> = LazyLock::new(|| Authority::new("clients"));
pub static FRONT_PROXIES: LazyLock<Authority> = LazyLock::new(|| Authority::new("front proxies"));

pub const DISCOVERY: &str = "/apis/custom.metrics.k8s.io/v1beta2";
pub const METRIC: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/a";
/// Headers that claim membership of system:masters.
pub const MASTER: &str = "X-Remote-User: root\r\nX-Remote-Group: system:masters\r\n";

/// A server that listens only for HTTPS.
pub struct Secure {
    pub server: Server,
    pub cert: PathBuf,
    pub key: PathBuf,
}

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Opens connections to a server.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

/// The resources of a process, which a failure must not leak.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    pub files: usize,
    pub threads: usize,
}

impl Secure {
    /// Starts a server with one metric from one page.
    pub fn start(args: &[&str]) -> Self {
        Self::with_config(&config(&Upstream::text("a 1\n")), args)
    }

    pub fn with_config(config: &str, args: &[&str]) -> Self {
        Self::with_identity(&SERVING.issue("localhost"), config, args)
    }

    pub fn with_identity(identity: &Identity, config: &str, args: &[&str]) -> Self {
        let (cert, key) = (file("tls.crt", &identity.chain), file("tls.key", &identity.key));
        let (clients, front_proxies) = (file("ca.crt", &CLIENTS.pem()), file("ca.crt", &FRONT_PROXIES.pem()));
        let config = file("metrics.yaml", config);
        let mut command = metriclet(&["--listen", "off", "--bind-address", "127.0.0.1", "--secure-port", "0"]);
        command.arg("--tls-cert-file").arg(&cert).arg("--tls-private-key-file").arg(&key);
        command.arg("--client-ca-file").arg(clients).arg("--requestheader-client-ca-file").arg(front_proxies);
        // Authorization is tested elsewhere.
        command.arg("--authorization-always-allow-paths=/*").arg("--config").arg(config).args(args);
        Self { server: Server::spawn(command), cert, key }
    }

    /// A client without a certificate.
    pub fn client(&self) -> Client {
        self.client_of(client_config(None))
    }

    /// A client with a certificate of the authority for clients.
    pub fn known_client(&self) -> Client {
        self.client_of(client_config(Some(&CLIENTS.issue("client"))))
    }

    pub fn client_of(&self, config: ClientConfig) -> Client {
        Client::new(self.server.address, config)
    }

    /// A connection without TLS, for arbitrary bytes.
    pub fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A value from the server's own metrics page.
    pub fn own(&self, series: &str) -> f64 {
        own(&self.client().get("/metrics").body, series)
    }

    pub fn held(&self) -> Held {
        let process = PathBuf::from(format!("/proc/{}", self.server.pid()));
        let count = |directory| std::fs::read_dir(process.join(directory)).unwrap().count();
        Held { files: count("fd"), threads: count("task") }
    }

    /// The resident set in bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }

    /// Waits until the process has released all resources acquired since `before`.
    pub fn back_to(&self, before: &Held) {
        eventually(|| match self.held() {
            now if now == *before => Ok(()),
            now => Err(format!("holds {now:?}, before {before:?}")),
        });
    }
}

impl Client {
    /// A client of any server.
    pub fn new(address: SocketAddr, config: ClientConfig) -> Self {
        Self { address, config: Arc::new(config) }
    }

    /// A connection after the handshake.
    pub fn connect(&self) -> Stream {
        self.try_connect("localhost").unwrap()
    }

    pub fn try_connect(&self, name: &str) -> io::Result<Stream> {
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut tls = ClientConnection::new(self.config.clone(), name).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        while tls.wants_write() {
            tls.write_tls(&mut socket)?;
        }
        Ok(StreamOwned::new(tls, socket))
    }

    /// Sends a GET request on a new connection.
    pub fn get(&self, target: &str) -> Answer {
        self.try_get(target).unwrap()
    }

    pub fn try_get(&self, target: &str) -> io::Result<Answer> {
        let mut stream = self.try_connect("localhost")?;
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(Answer::parse(&answer))
    }

    /// Sends bytes, and reads to the end of the connection, which must be an orderly one.
    pub fn converse(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        read_to_end(&mut stream)
    }
}

/// Trusts the authority of servers, and never resumes a session.
pub fn client_config(identity: Option<&Identity>) -> ClientConfig {
    trusting(SERVING.roots(), identity)
}

/// Trusts these authorities, and never resumes a session.
pub fn trusting(roots: RootCertStore, identity: Option<&Identity>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(identity.certificates(), identity.private_key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config
}

/// A configuration with one rule for one page.
pub fn config(upstream: &Upstream) -> String {
    let url = upstream.url();
    format!(
        "sources:\n  app: {{url: '{url}', namespaces: [shop]}}\nmetrics:\n  \
         - {{name: a, object: services, source: app, describes: {{namespace: shop, name: web}}}}\n"
    )
}

/// A configuration whose page is fetched only once, so that a test covers only authentication and authorization.
pub fn page() -> String {
    config(&Upstream::text("a 1\n"))
        .replace("namespaces", "cache: 1h, namespaces")
        .replace("describes", "maxAge: 1h, describes")
}

/// Sends a GET request and leaves the connection open.
pub fn get(stream: &mut (impl Read + Write), target: &str) -> Answer {
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    read_answer(stream).unwrap()
}

/// Reads one of several responses on a connection.
pub fn read_answer(stream: &mut impl Read) -> io::Result<Answer> {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    let parsed = Answer::parse(&answer);
    if parsed.code == 304 {
        return Ok(parsed);
    }
    let length: usize = parsed.header("content-length").unwrap().parse().unwrap();
    let head = answer.len();
    answer.resize(head + length, 0);
    stream.read_exact(&mut answer[head..])?;
    Ok(Answer::parse(&answer))
}

pub fn read_to_end(stream: &mut impl Read) -> String {
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    String::from_utf8(received).unwrap()
}

/// A value from a metrics page.
pub fn own(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {page}")).parse().unwrap()
}

/// Repeats `look` until it succeeds.
pub fn eventually<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < deadline, "{why}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

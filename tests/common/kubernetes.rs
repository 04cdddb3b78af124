//! A Kubernetes API over TLS. A test sets its responses, valid or not; the API records its requests.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;

use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::pod_history::PodHistory;
use super::secure::{CLIENTS, FRONT_PROXIES, SERVING, Secure, eventually};
use super::tls::Authority;
use super::upstream::{Gate, read_head};
use super::{Server, file, metriclet};

/// Signs the certificates of the API server and of its own clients.
pub static KUBERNETES: LazyLock<Authority> = LazyLock::new(|| Authority::new("kubernetes"));

pub const TOKENS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
pub const ACCESS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
pub const CONFIG_MAP: &str = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";

/// An API server on a free port of 127.0.0.1. Its threads end with the test process.
#[derive(Clone)]
pub struct Kubernetes {
    pub address: SocketAddr,
    state: Arc<State>,
}

/// A request to the API server.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub path: String,
    /// Header lines; names are in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The client's certificate, if it presented one.
    pub certificate: Option<CertificateDer<'static>>,
    /// The number of the connection.
    pub connection: usize,
}

/// The server's reaction to a request.
#[derive(Clone)]
pub enum Reply {
    /// The response of a correct API server.
    Good,
    /// This status code and body.
    Say(u16, String),
    /// These bytes including the head, then the end of the connection.
    Raw(String),
    /// These bytes; the connection stays open until the gate opens.
    Stuck(String, Gate),
    /// The end of the connection.
    Drop,
    /// The response of a correct API server, after the gate opens.
    Late(Gate),
}

type Script = Box<dyn FnMut(&Call) -> Reply + Send>;
type Policy = Box<dyn Fn(&Value) -> Value + Send>;

struct State {
    tls: Arc<ServerConfig>,
    calls: Mutex<Vec<Call>>,
    script: Mutex<Script>,
    config_map: Mutex<BTreeMap<String, String>>,
    tokens: Mutex<BTreeMap<String, Value>>,
    policy: Mutex<Policy>,
    /// The objects of each list, by its path.
    objects: Mutex<BTreeMap<String, Vec<Value>>>,
    history: PodHistory,
    /// Single objects, by path.
    singles: Mutex<BTreeMap<String, Value>>,
}

impl Kubernetes {
    /// Starts a server that publishes the usual authorities, accepts no token, and allows every request.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            tls: tls(),
            calls: Mutex::default(),
            script: Mutex::new(Box::new(|_| Reply::Good)),
            config_map: Mutex::new(published(&FRONT_PROXIES.pem(), &["front-proxy-client"], &CLIENTS.pem())),
            tokens: Mutex::default(),
            policy: Mutex::new(Box::new(|_| json!({"allowed": true}))),
            objects: Mutex::default(),
            history: PodHistory::default(),
            singles: Mutex::default(),
        });
        let kubernetes = Self { address, state: state.clone() };
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (state, stream) = (state.clone(), stream.unwrap());
                thread::spawn(move || state.serve(stream, connection));
            }
        });
        kubernetes
    }

    /// Sets the reaction to all requests from now on.
    pub fn script(&self, script: impl FnMut(&Call) -> Reply + Send + 'static) {
        *lock(&self.state.script) = Box::new(script);
    }

    /// Sets the reactions to the next requests for this path; later requests get the correct response.
    pub fn does(&self, path: &'static str, replies: impl IntoIterator<Item = Reply, IntoIter: Send + 'static>) {
        let mut replies = replies.into_iter();
        self.script(move |call| match call.path == path {
            true => replies.next().unwrap_or(Reply::Good),
            false => Reply::Good,
        });
    }

    /// Sets the `status` of a SubjectAccessReview, computed from its `spec`.
    pub fn policy(&self, policy: impl Fn(&Value) -> Value + Send + 'static) {
        *lock(&self.state.policy) = Box::new(policy);
    }

    /// Sets the user of a token; `null` makes the token invalid.
    pub fn token(&self, token: &str, user: Value) {
        lock(&self.state.tokens).insert(token.to_owned(), user);
    }

    pub fn publish(&self, data: BTreeMap<String, String>) {
        *lock(&self.state.config_map) = data;
    }

    pub fn calls(&self, path: &str) -> Vec<Call> {
        lock(&self.state.calls).iter().filter(|call| call.path == path).cloned().collect()
    }

    /// All calls.
    pub fn all(&self) -> Vec<Call> {
        lock(&self.state.calls).clone()
    }

    /// Sets the objects of a list, such as `/api/v1/namespaces/shop/pods`.
    pub fn set(&self, path: &str, objects: Vec<Value>) {
        let mut all = lock(&self.state.objects);
        let before = all.get(path).map_or(&[][..], Vec::as_slice);
        let after = self.state.history.replace(path, before, objects);
        all.insert(path.to_owned(), after);
    }

    /// The changes of listed objects, and the watches, which are denied until granted.
    pub fn history(&self) -> &PodHistory {
        &self.state.history
    }

    /// The requests for watches of a list.
    pub fn watches(&self, path: &str) -> Vec<Call> {
        let of = |call: &&Call| call.path.split('?').next() == Some(path) && call.is_watch();
        lock(&self.state.calls).iter().filter(of).cloned().collect()
    }

    /// Sets the object at a path, such as `/api/v1/namespaces/shop/services/web`.
    pub fn put(&self, path: &str, object: Value) {
        lock(&self.state.singles).insert(path.to_owned(), object);
    }

    /// The requests for a list, with any query.
    pub fn lists(&self, path: &str) -> Vec<Call> {
        let of = |call: &&Call| call.path.split('?').next() == Some(path) && !call.is_watch();
        lock(&self.state.calls).iter().filter(of).cloned().collect()
    }

    /// The `spec` of every SubjectAccessReview so far.
    pub fn asked(&self) -> Vec<Value> {
        let body = |call: &Call| serde_json::from_str::<Value>(&call.body).unwrap()["spec"].take();
        self.calls(ACCESS).iter().map(body).collect()
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Writes a kubeconfig whose user has these credentials (YAML in one line); returns its path.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        let ca = file("kubernetes.crt", &KUBERNETES.pem());
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- {{name: c, context: {{cluster: k, user: u}}}}\n\
             clusters:\n- {{name: k, cluster: {{server: '{}', certificate-authority: '{}'}}}}\n\
             users:\n- {{name: u, user: {user}}}\n",
            self.url(),
            ca.display()
        );
        file("kubeconfig", &text)
    }

    /// Starts a server that uses this API, also for the trusted authorities.
    pub fn secure(&self, config: &str, args: &[&str]) -> Secure {
        let kubeconfig = self.kubeconfig("{token: own-token}");
        let mut secure = secure(config, &[&["--kubeconfig", kubeconfig.to_str().unwrap()], args].concat());
        secure.server.said("trusted authorities have changed");
        secure
    }
}

/// Starts a server that trusts only the authorities in its further arguments.
pub fn secure(config: &str, args: &[&str]) -> Secure {
    let identity = SERVING.issue("localhost");
    let (cert, key) = (file("tls.crt", &identity.chain), file("tls.key", &identity.key));
    let config = file("metrics.yaml", config);
    let mut command = metriclet(&["--listen", "off", "--bind-address", "127.0.0.1", "--secure-port", "0"]);
    command.arg("--tls-cert-file").arg(&cert).arg("--tls-private-key-file").arg(&key);
    command.arg("--config").arg(config).args(args);
    Secure { server: Server::spawn(command), cert, key }
}

/// The data of the ConfigMap with authorities.
pub fn published(front_proxy_ca: &str, names: &[&str], client_ca: &str) -> BTreeMap<String, String> {
    let one = |name: &str| json!([name]).to_string();
    [
        ("client-ca-file", client_ca.to_owned()),
        ("requestheader-client-ca-file", front_proxy_ca.to_owned()),
        ("requestheader-allowed-names", json!(names).to_string()),
        ("requestheader-username-headers", one("X-Remote-User")),
        ("requestheader-uid-headers", one("X-Remote-Uid")),
        ("requestheader-group-headers", one("X-Remote-Group")),
        ("requestheader-extra-headers-prefix", one("X-Remote-Extra-")),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

impl State {
    fn serve(&self, mut socket: TcpStream, connection: usize) {
        let mut tls = ServerConnection::new(self.tls.clone()).unwrap();
        // A client that rejects our certificate closes the connection.
        while tls.is_handshaking() {
            if tls.complete_io(&mut socket).is_err() {
                return;
            }
        }
        let certificate = tls.peer_certificates().map(|chain| chain[0].clone().into_owned());
        let mut stream = StreamOwned::new(tls, socket);
        while let Some(mut call) = read(&mut stream, connection) {
            call.certificate.clone_from(&certificate);
            lock(&self.calls).push(call.clone());
            let reply = (lock(&self.script))(&call);
            let bytes = match reply {
                Reply::Good if call.is_watch() && self.history.is_granted() => {
                    let (path, query) = call.parts();
                    match self.history.serve(path, &query, &mut stream) {
                        Ok(true) => continue,
                        _ => return,
                    }
                }
                Reply::Good => self.good(&call),
                Reply::Late(gate) => {
                    gate.wait();
                    self.good(&call)
                }
                Reply::Say(code, body) => answer(code, &body),
                Reply::Raw(bytes) => {
                    let _ = stream.write_all(bytes.as_bytes()).and_then(|()| stream.flush());
                    return;
                }
                Reply::Stuck(bytes, gate) => {
                    let _ = stream.write_all(bytes.as_bytes()).and_then(|()| stream.flush());
                    return gate.wait();
                }
                Reply::Drop => return,
            };
            if stream.write_all(bytes.as_bytes()).and_then(|()| stream.flush()).is_err() {
                return;
            }
        }
    }

    fn good(&self, call: &Call) -> String {
        let review: Value = serde_json::from_str(&call.body).unwrap_or_default();
        let (code, body) = match (call.method.as_str(), call.path.as_str()) {
            ("POST", TOKENS) => {
                let user = lock(&self.tokens).get(review["spec"]["token"].as_str().unwrap()).cloned();
                let status = match user {
                    Some(Value::Null) | None => json!({"user": {}, "authenticated": false}),
                    Some(user) => json!({"user": user, "authenticated": true}),
                };
                (201, json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status}))
            }
            ("POST", ACCESS) => {
                let status = lock(&self.policy)(&review["spec"]);
                (201, json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "status": status}))
            }
            ("GET", CONFIG_MAP) => {
                let data = &*lock(&self.config_map);
                (200, json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {}, "data": data}))
            }
            ("GET", _) if call.is_watch() => {
                (403, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403}))
            }
            ("GET", path) if lock(&self.singles).contains_key(path) => (200, lock(&self.singles)[path].clone()),
            ("GET", path) if lock(&self.objects).contains_key(path.split('?').next().unwrap()) => {
                (200, self.list(call))
            }
            _ => (404, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})),
        };
        answer(code, &body.to_string())
    }
}

impl State {
    /// A list or a page of it, with complete objects or only their metadata.
    fn list(&self, call: &Call) -> Value {
        let (path, query) = call.parts();
        let text = |key: &str| query.get(key).map_or("", String::as_str);
        let objects = lock(&self.objects);
        let metadata = |object: &Value, key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let picked = |object: &&Value| {
            let name = text("fieldSelector").strip_prefix("metadata.name=");
            name.is_none_or(|name| metadata(object, "name") == name) && labelled(object, text("labelSelector"))
        };
        let picked: Vec<&Value> = objects[path].iter().filter(picked).collect();
        let from = text("continue").parse().unwrap_or(0);
        let limit = text("limit").parse().unwrap_or(usize::MAX);
        let page: Vec<&Value> = picked.iter().copied().skip(from).take(limit).collect();
        let next = if from + page.len() < picked.len() { (from + page.len()).to_string() } else { String::new() };
        let items: Vec<Value> =
            match call.header("accept").is_some_and(|accept| accept.contains("PartialObjectMetadata")) {
                true => page.iter().map(|object| json!({"metadata": object["metadata"]})).collect(),
                false => page.into_iter().cloned().collect(),
            };
        let kind = match call.header("accept") {
            Some(accept) if accept.contains("PartialObjectMetadataList") => "PartialObjectMetadataList",
            _ if path.ends_with("/endpointslices") => "EndpointSliceList",
            _ if path.ends_with("/horizontalpodautoscalers") => "HorizontalPodAutoscalerList",
            _ => "PodList",
        };
        let version = self.history.version().to_string();
        // Go encodes an empty list of metadata as null.
        let items = if items.is_empty() && kind != "PodList" { Value::Null } else { Value::Array(items) };
        json!({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": version, "continue": next}, "items": items})
    }
}

/// Whether an object's labels match a selector with `key=value` and `key in (…)`.
fn labelled(object: &Value, selector: &str) -> bool {
    let label = |key: &str| object["metadata"]["labels"][key].as_str().unwrap_or_default().to_owned();
    let mut rest = selector;
    while !rest.is_empty() {
        let end = rest.find([',', '(']).unwrap_or(rest.len());
        let end = if rest[end..].starts_with('(') { rest.find(')').unwrap() + 1 } else { end };
        let matches = match rest[..end].split_once(" in (") {
            Some((key, values)) => values.trim_end_matches(')').split(',').any(|value| value == label(key)),
            None => rest[..end].split_once('=').is_some_and(|(key, value)| label(key) == value),
        };
        if !matches {
            return false;
        }
        rest = rest[end..].trim_start_matches(',');
    }
    true
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

fn answer(code: u16, body: &str) -> String {
    format!("HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn read(stream: &mut impl Read, connection: usize) -> Option<Call> {
    let head = read_head(stream)?;
    let mut lines = head.trim_end().lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers: Vec<_> = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse().unwrap());
    let mut body = vec![0; length.unwrap_or_default()];
    stream.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(Call { method, path, headers, body, certificate: None, connection })
}

impl Call {
    /// The path, and the parameters of its query.
    fn parts(&self) -> (&str, BTreeMap<&str, String>) {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        (path, pairs.map(|(key, value)| (key, decoded(value))).collect())
    }

    pub fn is_watch(&self) -> bool {
        self.parts().1.get("watch").is_some_and(|value| value == "true")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The server's TLS configuration; client certificates of its own authority are optional.
fn tls() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(KUBERNETES.roots()), provider.clone())
        .allow_unauthenticated()
        .build()
        .unwrap();
    let identity = KUBERNETES.issue("localhost");
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_client_cert_verifier(verifier);
    Arc::new(builder.with_single_cert(identity.certificates(), identity.private_key()).unwrap())
}

/// A failing test must not make the threads of its servers panic too.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends a request to the secure listener.
pub fn ask(stream: &mut (impl Read + Write), method: &str, target: &str, headers: &str) -> super::Answer {
    stream.write_all(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes()).unwrap();
    super::secure::read_answer(stream).unwrap()
}

/// Waits until this many requests for a path have arrived.
pub fn arrived(kubernetes: &Kubernetes, path: &str, count: usize) {
    eventually(|| match kubernetes.calls(path).len() {
        now if now >= count => Ok(()),
        now => Err(format!("{now} calls of {path}, not {count}")),
    });
}

//! A fake Kubernetes API over TLS for the benchmarks: it lists pods, sends their changes to watches, and allows every access.
//! bench/hyper includes this file as a module, too.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::http::{self, Request};

/// The number of environment variables per pod. They make the object 4 KiB, as large as a typical small pod.
const VARIABLES: usize = 55;
/// The number of changes kept. A watch from an older version gets 410 Expired.
const CHANGES: usize = 20_000;
/// A watch sends a bookmark this long before its end.
const LAST: Duration = Duration::from_secs(2);

/// The watch event for a version that is no longer kept.
const EXPIRED: &str =
    r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}}"#;

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// A running API, until this process ends.
pub struct Kubernetes {
    /// On 127.0.0.1.
    pub port: u16,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    reviews: AtomicU64,
}

/// The objects that the API serves.
pub trait Cluster: Send + Sync + 'static {
    /// The body of the response to a request that is not a watch.
    fn answer(&self, request: &Request) -> Cow<'_, str>;

    /// The changes that watches send; `None` if nothing ever changes.
    fn changes(&self) -> Option<&Changes> {
        None
    }
}

/// A cluster without pods.
impl Cluster for () {
    fn answer(&self, request: &Request) -> Cow<'_, str> {
        other(request).into()
    }
}

/// The response to requests other than for pods: every access is allowed, and no CAs are published.
pub fn other(request: &Request) -> &'static str {
    const REVIEW: &str = r#"{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{},"spec":{},
        "status":{"allowed":true}}"#;
    match request.path() {
        _ if request.is_post() => REVIEW,
        "/api" => r#"{"kind":"APIVersions","versions":["v1"]}"#,
        "/apis" => r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[]}"#,
        "/api/v1" => {
            r#"{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"v1","resources":[
                {"name":"namespaces","singularName":"namespace","namespaced":false,"kind":"Namespace","verbs":["get","list"]},
                {"name":"pods","singularName":"pod","namespaced":true,"kind":"Pod","verbs":["get","list","watch"]}]}"#
        }
        _ => r#"{"kind":"ConfigMap","apiVersion":"v1","data":{}}"#,
    }
}

impl Kubernetes {
    /// Starts an API with this certificate and key.
    pub fn start(chain: &Path, key: &Path, cluster: impl Cluster) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let chain: Vec<_> = CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect::<Result<_, _>>)
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
        let tls = tls.and_then(|tls| tls.with_no_client_auth().with_single_cert(chain, key));
        let tls = Arc::new(tls.map_err(io::Error::other)?);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let this = Self { port: listener.local_addr()?.port(), counts: Arc::default() };
        let (cluster, counts) = (Arc::new(cluster), this.counts.clone());
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (tls, cluster, counts) = (tls.clone(), cluster.clone(), counts.clone());
                // An error means that the client disconnected.
                thread::spawn(move || drop(serve(tls, socket, &*cluster, &counts)));
            }
        });
        Ok(this)
    }

    /// The number of body bytes sent.
    pub fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::Relaxed)
    }

    /// The number of reviews answered.
    pub fn reviews(&self) -> u64 {
        self.counts.reviews.load(Ordering::Relaxed)
    }
}

fn serve(tls: Arc<ServerConfig>, socket: TcpStream, cluster: &impl Cluster, counts: &Counts) -> io::Result<()> {
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut stream: Stream = BufReader::new(StreamOwned::new(connection, socket));
    while let Some(request) = Request::read(&mut stream)? {
        if request.query("watch") == Some("true") {
            watch(stream.get_mut(), &request, cluster.changes(), &counts.sent)?;
            continue;
        }
        if request.is_post() {
            counts.reviews.fetch_add(1, Ordering::Relaxed);
        }
        let body = cluster.answer(&request);
        counts.sent.fetch_add(body.len() as u64, Ordering::Relaxed);
        http::answer(stream.get_mut(), "application/json", &body)?;
    }
    Ok(())
}

/// A watch of `timeoutSeconds`, with a bookmark two seconds before its end, as from kube-apiserver.
fn watch(stream: &mut impl Write, request: &Request, changes: Option<&Changes>, sent: &AtomicU64) -> io::Result<()> {
    let number = |name: &str| request.query(name).and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_secs(number("timeoutSeconds").unwrap_or(30));
    // Version 0 means any version.
    let version = number("resourceVersion").filter(|version| *version > 0);
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    stream.flush()?;
    let mut send = |event: &str| {
        sent.fetch_add(event.len() as u64, Ordering::Relaxed);
        write!(stream, "{:x}\r\n{event}\n\r\n", event.len() + 1)?;
        stream.flush()
    };
    if let Some(changes) = changes {
        let mut from = version.unwrap_or_else(|| changes.version());
        for (until, has_bookmark) in [(end.checked_sub(LAST).unwrap_or(end), true), (end, false)] {
            while let Some(event) = changes.next(from, until) {
                send(&event)?;
                from += 1;
            }
            if has_bookmark {
                send(&bookmark(from))?;
            }
        }
    } else {
        thread::sleep(end.saturating_duration_since(Instant::now()).saturating_sub(LAST));
        send(&bookmark(version.unwrap_or(1)))?;
        thread::sleep(end.saturating_duration_since(Instant::now()));
    }
    write!(stream, "0\r\n\r\n")?;
    stream.flush()
}

fn bookmark(version: u64) -> String {
    format!(
        r#"{{"type":"BOOKMARK","object":{{"kind":"Pod","apiVersion":"v1","metadata":{{"resourceVersion":"{version}"}}}}}}"#
    )
}

/// The newest changes of pods.
pub struct Changes {
    log: Mutex<Log>,
    arrived: Condvar,
}

struct Log {
    version: u64,
    events: VecDeque<Arc<str>>,
}

impl Changes {
    /// No changes since this version.
    pub fn new(version: u64) -> Self {
        Self { log: Mutex::new(Log { version, events: VecDeque::new() }), arrived: Condvar::new() }
    }

    /// The version of the newest change.
    pub fn version(&self) -> u64 {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).version
    }

    /// Adds a change of this type; `object` gets the change's version.
    pub fn add(&self, kind: &str, object: impl FnOnce(u64) -> String) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.version += 1;
        let version = log.version;
        let event = format!("{{\"type\":\"{kind}\",\"object\":{}}}", object(version));
        log.events.push_back(event.into());
        if log.events.len() > CHANGES {
            log.events.pop_front();
        }
        self.arrived.notify_all();
    }

    /// The change after a version; `None` if there is none before `until`. If that change is no longer kept, this is an error
    /// event, after which clients list the pods again.
    fn next(&self, version: u64, until: Instant) -> Option<Arc<str>> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = until.saturating_duration_since(Instant::now());
        let waited = self.arrived.wait_timeout_while(log, waits, |log| log.version <= version);
        let (log, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if log.version <= version {
            return None;
        }
        // Each change has a version of its own.
        let back = usize::try_from(log.version - version).unwrap_or(usize::MAX);
        let at = log.events.len().checked_sub(back);
        Some(at.and_then(|at| log.events.get(at)).map_or_else(|| EXPIRED.into(), Arc::clone))
    }
}

/// A list of pods. Like a list from the API server's cache, it is complete and ignores `limit`.
pub fn list(version: u64, pods: &[impl AsRef<str>]) -> String {
    let pods: Vec<&str> = pods.iter().map(AsRef::as_ref).collect();
    format!(
        r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"resourceVersion":"{version}"}},"items":[{}]}}"#,
        pods.join(",")
    )
}

/// A running pod. Its number determines its uid and address, its labels are JSON.
pub fn pod(namespace: &str, name: &str, labels: &str, number: usize, version: u64) -> String {
    let variables: Vec<String> = (0..VARIABLES)
        .map(|at| format!(r#"{{"name":"VARIABLE_{at}","value":"https://service-{at}.shop.svc.cluster.local"}}"#))
        .collect();
    format!(
        "{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\",\"namespace\":\"{namespace}\",\
         \"resourceVersion\":\"{version}\",\"uid\":\"3f0c9a52-6f1e-4c38-9a55-{number:012}\",\"labels\":{{{labels}}}}},\
         \"spec\":{{\"containers\":[{{\"name\":\"app\",\"env\":[{}]}}]}},\"status\":{{\"phase\":\"Running\",\
         \"podIP\":\"{}\",\"startTime\":\"2026-08-18T02:35:04Z\",\"containerStatuses\":[{{\"restartCount\":0}}]}}}}",
        variables.join(","),
        address(number)
    )
}

/// The address of the pod with this number.
pub fn address(number: usize) -> Ipv4Addr {
    let [.., high, low] = u32::try_from(number).unwrap_or_default().to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

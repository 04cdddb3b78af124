//! A Kubernetes API with pods in namespaces: it lists those of a selector, watches without changes, and allows every access.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use metriclet_bench_hyper::Result;
use metriclet_bench_hyper::tls::{Certificates, certificates, key};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::pods::address;

/// At most so many namespaces.
const NAMESPACES: usize = 20;
/// Environment variables of a pod, which bring it to the 4 KiB that pods take at least.
const VARIABLES: usize = 55;
const REVIEW: &str = r#"{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{},"spec":{},
    "status":{"allowed":true}}"#;

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

pub struct Kubernetes {
    pub kubeconfig: PathBuf,
    sent: Arc<AtomicU64>,
}

struct Cluster {
    hpas: usize,
    pods: usize,
    sent: Arc<AtomicU64>,
}

/// The namespace of an HPA, and of its pods.
pub fn namespace(hpa: usize) -> String {
    format!("team-{}", hpa % NAMESPACES)
}

/// What the HPA's pods are labelled with.
pub fn app(hpa: usize) -> String {
    format!("app-{hpa}")
}

impl Kubernetes {
    /// One with so many pods in equal parts for so many HPAs.
    pub fn start(files: &Certificates, hpas: usize, pods: usize) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?.with_no_client_auth();
        let tls = tls.with_single_cert(certificates(&files.path("server.crt"))?, key(&files.path("server.key"))?)?;
        let tls = Arc::new(tls);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let sent = Arc::new(AtomicU64::new(0));
        let cluster = Arc::new(Cluster { hpas, pods, sent: sent.clone() });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, cluster) = (tls.clone(), cluster.clone());
                // A client that hangs up is done.
                thread::spawn(move || drop(cluster.serve(tls, stream)));
            }
        });
        let kubeconfig = files.path("kubeconfig");
        fs::write(
            &kubeconfig,
            format!(
                "current-context: c\ncontexts: [{{name: c, context: {{cluster: k}}}}]\nclusters:\n\
                 - {{name: k, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: ca.crt}}}}\n"
            ),
        )?;
        Ok(Self { kubeconfig, sent })
    }

    /// Bytes of bodies sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Cluster {
    fn serve(&self, tls: Arc<ServerConfig>, socket: TcpStream) -> Result<()> {
        let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(tls)?, socket));
        loop {
            let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
            stream.read_line(&mut first)?;
            while stream.read_line(&mut line)? > 2 {
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("Content-Length")
                {
                    length = value.trim().parse()?;
                }
                line.clear();
            }
            if first.is_empty() {
                return Ok(());
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body)?;
            let target = first.split(' ').nth(1).unwrap_or_default();
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            if query.contains("watch=true") {
                let seconds = query.split('&').find_map(|pair| pair.strip_prefix("timeoutSeconds="));
                self.watch(&mut stream, seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(30))?;
                continue;
            }
            let answer = match path.split('/').collect::<Vec<_>>()[..] {
                ["", "api", "v1", "namespaces", namespace, "pods"] => self.list(namespace, query),
                ["", "api"] => r#"{"kind":"APIVersions","versions":["v1"]}"#.to_owned(),
                ["", "apis"] => r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[]}"#.to_owned(),
                _ if first.starts_with("POST ") => REVIEW.to_owned(),
                _ => r#"{"kind":"ConfigMap","apiVersion":"v1","data":{}}"#.to_owned(),
            };
            self.sent.fetch_add(answer.len() as u64, Ordering::Relaxed);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
            write!(stream.get_mut(), "{head}{}\r\n\r\n{answer}", answer.len())?;
            stream.get_mut().flush()?;
        }
    }

    /// Whole whatever the limit, as from the API server's cache.
    fn list(&self, wanted: &str, query: &str) -> String {
        let selector = query.split('&').find_map(|pair| pair.strip_prefix("labelSelector="));
        let is_wanted = |hpa: &usize| {
            let is_selected = |selector: &str| selector.split_once("%3D").is_some_and(|(_, value)| value == app(*hpa));
            namespace(*hpa) == wanted && selector.is_none_or(is_selected)
        };
        let each = self.pods / self.hpas;
        let pods = (0..self.hpas).filter(is_wanted).flat_map(|hpa| (0..each).map(move |at| pod(hpa, hpa * each + at)));
        let items: Vec<String> = pods.collect();
        format!("{{\"kind\":\"PodList\",\"metadata\":{{\"resourceVersion\":\"1\"}},\"items\":[{}]}}", items.join(","))
    }

    /// A watch of so many seconds, with a bookmark two seconds before its end, as of kube-apiserver.
    fn watch(&self, stream: &mut Stream, seconds: u64) -> Result<()> {
        let event = "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\
                     \"metadata\":{\"resourceVersion\":\"1\"}}}\n";
        let (stream, last) = (stream.get_mut(), seconds.min(2));
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        stream.flush()?;
        thread::sleep(Duration::from_secs(seconds - last));
        write!(stream, "{:x}\r\n{event}\r\n", event.len())?;
        stream.flush()?;
        self.sent.fetch_add(event.len() as u64, Ordering::Relaxed);
        thread::sleep(Duration::from_secs(last));
        write!(stream, "0\r\n\r\n")?;
        Ok(stream.flush()?)
    }
}

fn pod(hpa: usize, number: usize) -> String {
    let variables: Vec<String> = (0..VARIABLES)
        .map(|at| format!("{{\"name\":\"VARIABLE_{at}\",\"value\":\"https://service-{at}.shop.svc.cluster.local\"}}"))
        .collect();
    format!(
        "{{\"metadata\":{{\"name\":\"{}-{number:05}\",\"namespace\":\"{}\",\"resourceVersion\":\"1\",\
         \"uid\":\"3f0c9a52-6f1e-4c38-9a55-{number:012}\",\"labels\":{{\"app\":\"{}\"}}}},\
         \"spec\":{{\"containers\":[{{\"name\":\"app\",\"env\":[{}]}}]}},\"status\":{{\"phase\":\"Running\",\
         \"podIP\":\"{}\",\"startTime\":\"2026-08-18T02:35:04Z\",\"containerStatuses\":[{{\"restartCount\":0}}]}}}}",
        app(hpa),
        namespace(hpa),
        app(hpa),
        variables.join(","),
        address(number)
    )
}

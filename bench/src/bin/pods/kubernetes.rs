//! A Kubernetes API that lists and watches pods, which never change, and has a Service of them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use metriclet_bench::Result;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::pages::address;

/// Environment variables of a pod, which make its object as large as a typical small one, 4 KiB.
const VARIABLES: usize = 55;

/// Starts an API with this number of pods; returns the path of a kubeconfig for it.
pub fn start(binary: &str, directory: &Path, count: usize) -> Result<PathBuf> {
    let certs = directory.join("certs");
    let made = Command::new(binary).args(["certs", "--out"]).arg(&certs).stdout(Stdio::null()).status()?;
    if !made.success() {
        return Err("no certificates could be made".into());
    }
    let chain = CertificateDer::pem_file_iter(certs.join("tls.crt"))?.collect::<std::result::Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(certs.join("tls.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = Arc::new(tls.with_no_client_auth().with_single_cert(chain, key)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let items: Vec<String> = (0..count).map(pod).collect();
    // Complete whatever the limit, as from the API server's cache.
    let list = Arc::new(format!(
        "{{\"kind\":\"PodList\",\"metadata\":{{\"resourceVersion\":\"7\"}},\"items\":[{}]}}",
        items.join(",")
    ));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (tls, list) = (tls.clone(), list.clone());
            // The client has closed the connection.
            thread::spawn(move || drop(answer(tls, stream, &list)));
        }
    });
    let kubeconfig = directory.join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
         clusters: [{{name: k, cluster: {{server: 'https://localhost:{port}', insecure-skip-tls-verify: true}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\n"
    );
    fs::write(&kubeconfig, text)?;
    Ok(kubeconfig)
}

fn pod(number: usize) -> String {
    let variables: Vec<String> = (0..VARIABLES)
        .map(|at| format!("{{\"name\":\"VARIABLE_{at}\",\"value\":\"https://service-{at}.shop.svc.cluster.local\"}}"))
        .collect();
    format!(
        "{{\"metadata\":{{\"name\":\"web-{number:04}\",\"namespace\":\"shop\",\
         \"uid\":\"3f0c9a52-6f1e-4c38-9a55-{number:012}\",\"labels\":{{\"app\":\"web\"}}}},\
         \"spec\":{{\"containers\":[{{\"name\":\"app\",\"env\":[{}]}}]}},\"status\":{{\"phase\":\"Running\",\
         \"podIP\":\"{}\",\"startTime\":\"2026-08-18T02:35:04Z\",\"containerStatuses\":[{{\"restartCount\":0}}]}}}}",
        variables.join(","),
        address(number)
    )
}

/// Selects all pods.
const SERVICE: &str = r#"{"kind":"Service","metadata":{"name":"web"},"spec":{"selector":{"app":"web"}}}"#;

/// What ends each watch.
const BOOKMARK: &str =
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"7\"}}}\n";

/// A watch of so many seconds, with a bookmark two seconds before its end.
fn watch(stream: &mut impl Write, seconds: u64) -> Result<()> {
    let last = seconds.min(2);
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    stream.flush()?;
    thread::sleep(Duration::from_secs(seconds - last));
    write!(stream, "{:x}\r\n{BOOKMARK}\r\n", BOOKMARK.len())?;
    stream.flush()?;
    thread::sleep(Duration::from_secs(last));
    write!(stream, "0\r\n\r\n")?;
    Ok(stream.flush()?)
}

/// Responds to every request with the same list, except to watches and to requests for a Service.
fn answer(tls: Arc<ServerConfig>, stream: TcpStream, list: &str) -> Result<()> {
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(tls)?, stream));
    loop {
        let (mut first, mut line) = (String::new(), String::new());
        stream.read_line(&mut first)?;
        while stream.read_line(&mut line)? > 2 {
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        if first.contains("watch=true") {
            let seconds = first.split("timeoutSeconds=").nth(1).and_then(|rest| rest.split(['&', ' ']).next());
            watch(stream.get_mut(), seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(30))?;
            continue;
        }
        let body = if first.contains("/services/") { SERVICE } else { list };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
        write!(stream.get_mut(), "{head}{}\r\n\r\n{body}", body.len())?;
        stream.get_mut().flush()?;
    }
}

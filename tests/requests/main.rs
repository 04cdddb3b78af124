//! The requests to a source: method, body, headers and parameters, and where their secrets may appear.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "../common/mod.rs"]
mod common;
mod oauth2;
mod plugins;
mod posts;
mod proxies;
mod refresh;
mod servers;
mod settings;

use std::io::Write;
use std::sync::{Arc, Mutex};

use common::upstream::{Upstream, page, read_body};
use common::{Server, file};

/// A server that records heads and bodies of requests.
struct Recorder {
    upstream: Upstream,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Recorder {
    /// Responds to each request with a page that depends on its body.
    fn start(content_type: &'static str, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let upstream = Upstream::start(move |head, stream| {
            let body = read_body(head, stream);
            let answer = answer(&body);
            seen.lock().unwrap().push((head.to_owned(), body));
            let _ = stream.write_all(&page(content_type, &answer));
        });
        Self { upstream, requests }
    }

    fn url(&self) -> String {
        format!("http://{}", self.upstream.address)
    }

    fn requests(&self) -> Vec<(String, String)> {
        self.requests.lock().unwrap().clone()
    }

    /// Head and body of the last request.
    fn last(&self) -> (String, String) {
        self.requests().pop().unwrap()
    }
}

/// The first line of a head.
fn line(head: &str) -> &str {
    head.lines().next().unwrap()
}

/// All values of a header field.
fn values<'a>(head: &'a str, field: &str) -> Vec<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, value)| value).collect()
}

/// A configuration of one source and one rule on services, both written as YAML flow mappings.
fn config(source: &str, rule: &str) -> String {
    let namespaces = if source.contains("namespaces:") { "" } else { "namespaces: [shop, bank], " };
    format!(
        "sources:\n  app: {{{namespaces}{source}}}\nmetrics:\n  - {{name: depth, object: services, source: app{rule}}}\n"
    )
}

fn serve(source: &str, rule: &str) -> Server {
    Server::with_config(&config(source, rule))
}

fn ask(server: &Server, namespace: &str, name: &str) -> String {
    server.metric(&format!("namespaces/{namespace}/services/{name}/depth")).values()
}

/// The output of `get -vv`, both streams.
fn get(source: &str, rule: &str, name: &str) -> String {
    let config = file("metrics.yaml", &config(source, rule));
    let path = format!("namespaces/shop/services/{name}/depth");
    let (_, stdout, stderr) = common::run(&["get", "-vv", "-c", config.to_str().unwrap(), &path]);
    stdout + &stderr
}

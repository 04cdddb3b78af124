//! A server with prepared responses, which records its requests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crate::common::Server;
use crate::common::upstream::Upstream;

/// The posted parameters, by name.
pub(crate) type Form = Vec<(String, String)>;

pub(crate) struct Scripted {
    upstream: Upstream,
    forms: Arc<Mutex<Vec<Form>>>,
}

impl Scripted {
    /// Passes each connection to `handle` after reading the request.
    pub(crate) fn start(handle: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let forms = Arc::new(Mutex::new(Vec::new()));
        let asked = forms.clone();
        let upstream = Upstream::start(move |head, stream| {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
            });
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).unwrap();
            asked.lock().unwrap().push(form(&String::from_utf8(body).unwrap()));
            handle(stream);
        });
        Self { upstream, forms }
    }

    /// Always responds with this code and body.
    pub(crate) fn says(code: u16, body: &str) -> Self {
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        Self::start(move |stream| drop(stream.write_all(answer.as_bytes())))
    }

    /// Always responds with these elements at the current time: labels as JSON, and values.
    pub(crate) fn vector(elements: &[(&str, &str)]) -> Self {
        let element = |(labels, value): &(&str, &str)| {
            format!("{{\"metric\":{{{labels}}},\"value\":[{}.5,\"{value}\"]}}", now() / 1000)
        };
        let elements: Vec<_> = elements.iter().map(element).collect();
        Self::says(200, &vector(&elements.join(",")))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.upstream.address)
    }

    /// A Metriclet with a rule on this server; `source` and `rule` continue YAML flow mappings.
    pub(crate) fn with_rule(&self, source: &str, rule: &str) -> Server {
        Server::with_config(&config(&self.url(), source, rule))
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.upstream.heads()
    }

    /// The posted forms.
    pub(crate) fn forms(&self) -> Vec<Form> {
        self.forms.lock().unwrap().clone()
    }

    /// The posted queries.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.forms().into_iter().map(|form| form[0].1.clone()).collect()
    }
}

pub(crate) fn config(url: &str, source: &str, rule: &str) -> String {
    format!(
        "sources:\n  prom: {{prometheus: '{url}', namespaces: [shop, bank]{source}}}\nmetrics:\n  \
         - {{name: hits, source: prom, {rule}}}\n"
    )
}

/// The body of a response with these elements.
pub(crate) fn vector(elements: &str) -> String {
    format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{elements}]}}}}")
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

fn form(body: &str) -> Form {
    let pairs = body.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

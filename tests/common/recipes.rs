//! The recipes in `docs/recipes`, and the pages in `tests/fixtures/pages` that real programs served for them.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::documents::blocks;
use super::file;
use super::upstream::{read_body, read_head};

/// A recipe.
pub struct Recipe {
    /// The program, which is the name of the file.
    pub name: String,
    pub text: String,
    /// The configuration in the recipe.
    pub config: String,
}

/// What a source of a configuration requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Url,
    Pods,
    Prometheus,
}

impl Recipe {
    pub fn all() -> Vec<Self> {
        let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes")).unwrap();
        let mut paths: Vec<_> =
            files.map(|file| file.unwrap().path()).filter(|path| !path.ends_with("README.md")).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    pub fn named(name: &str) -> Self {
        Self::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes").join(format!("{name}.md")))
    }

    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let configs = blocks(&text).into_iter().filter(|(_, _, block)| block.starts_with("sources:"));
        let [(_, _, config)] = configs.collect::<Vec<_>>().try_into().unwrap_or_else(|found: Vec<_>| {
            panic!("{}: expected one configuration, found {}", path.display(), found.len())
        });
        Self { name: path.file_stem().unwrap().to_str().unwrap().to_owned(), text, config }
    }

    /// The names of its metrics.
    pub fn metrics(&self) -> Vec<&str> {
        self.config.lines().filter_map(|line| line.strip_prefix("  - name: ")).map(value).collect()
    }

    /// The names and kinds of its sources.
    pub fn sources(&self) -> Vec<(&str, Kind)> {
        let mut sources = Vec::new();
        let mut name = "";
        for line in self.config.lines().take_while(|line| *line != "metrics:") {
            match line.strip_prefix("    ") {
                None => name = value(line.trim()).trim_end_matches(':'),
                Some(key) if key.starts_with("url: ") => sources.push((name, Kind::Url)),
                Some(key) if key.starts_with("pods: {") => sources.push((name, Kind::Pods)),
                Some(key) if key.starts_with("prometheus: ") => sources.push((name, Kind::Prometheus)),
                Some(_) => {}
            }
        }
        sources
    }

    /// Namespace, label and label value of each fixed set of pods.
    pub fn pod_sets(&self) -> Vec<(&str, &str, &str)> {
        let sets = self.config.lines().filter_map(|line| line.strip_prefix("    pods: {namespace: "));
        sets.map(|set| {
            let (namespace, rest) = set.split_once(", selector: ").unwrap();
            let (label, value) = rest.split(", ").next().unwrap().split_once('=').unwrap();
            (namespace, label, value)
        })
        .collect()
    }

    /// The configuration with other addresses for each source, its proxy and its token endpoint; paths, queries and
    /// rules remain unchanged. Credential files are replaced by existing files.
    pub fn at(&self, address: impl Fn(&str) -> SocketAddr) -> String {
        let mut name = "";
        let mut config = String::new();
        for line in self.config.lines() {
            if line.starts_with("  ") && !line.starts_with("   ") {
                name = value(line.trim()).trim_end_matches(':');
            }
            let (key, rest) = line.split_once(": ").unwrap_or((line, ""));
            config += &match key {
                "    url" | "    prometheus" | "      tokenUrl" => {
                    format!("{key}: {}", moved(value(rest), address(name)))
                }
                "    proxy" => format!("{key}: http://{}", address(name)),
                // Pages are served without TLS.
                _ if TLS_KEYS.contains(&key.trim()) => continue,
                "    pods" => {
                    let (before, port) = rest.split_once("port: ").unwrap();
                    let (_, after) = port.split_at(port.find([',', '}']).unwrap());
                    format!("{key}: {before}port: {}{after}\n    dangerAllowLoopback: true", address(name).port())
                }
                _ if key.ends_with("File") || rest.contains("{file: ") || rest.contains("passwordFile: ") => {
                    let (before, path) = line.rsplit_once(": ").unwrap();
                    let end = if path.ends_with('}') { "}" } else { "" };
                    format!("{before}: {}{end}", file("credential", "secret\n").display())
                }
                _ => line.to_owned(),
            };
            config.push('\n');
        }
        config
    }
}

/// Keys that are invalid on a source with `http://`.
const TLS_KEYS: [&str; 4] = ["caFile", "certFile", "keyFile", "serverName"];

/// The value without a comment.
fn value(text: &str) -> &str {
    text.split(" #").next().unwrap().trim()
}

/// Replaces the address in a URL. The value of a placeholder in the host is moved to the query.
fn moved(url: &str, address: SocketAddr) -> String {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let query = match (host.contains('{'), path.contains('?')) {
        (false, _) => String::new(),
        (true, false) => format!("?host={host}"),
        (true, true) => format!("&host={host}"),
    };
    format!("http://{address}{path}{query}")
}

/// The folder with a program's pages.
pub struct Fixture(PathBuf);

impl Fixture {
    pub fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pages")
    }

    pub fn of(recipe: &str) -> Self {
        Self(Self::folder().join(recipe))
    }

    /// The page for a source: `SOURCE.page` if it exists, otherwise `page`.
    pub fn page(&self, source: &str) -> Page {
        let read = |name: &str| {
            let own = self.0.join(format!("{source}.{name}"));
            fs::read(if own.exists() { own } else { self.0.join(name) })
        };
        let told = |name: &str| read(name).unwrap_or_else(|error| panic!("{}/{name}: {error}", self.0.display()));
        let head = String::from_utf8(told("head")).unwrap().trim_end().replace('\n', "\r\n");
        let token = fs::read(self.0.join("token")).ok();
        Page { head, body: told("page"), before: read("before").ok(), token }
    }

    /// Paths as arguments of `metriclet get`, and the expected values.
    pub fn expected(&self) -> Vec<(String, String)> {
        expected(&self.0.join("expected"))
    }
}

/// Lines of a path and a value; lines that start with `#` are comments.
pub fn expected(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').map(|(path, value)| (path.to_owned(), value.to_owned())).unwrap()).collect()
}

/// A page that a program served.
#[derive(Clone)]
pub struct Page {
    head: String,
    pub body: Vec<u8>,
    /// The page a minute earlier, for values over time.
    pub before: Option<Vec<u8>>,
    /// The response of the OAuth 2 server, if the program requires tokens.
    token: Option<Vec<u8>>,
}

impl Page {
    /// Serves a body with the page's head.
    pub fn serve(&self, request: &str, body: &[u8], stream: &mut TcpStream) {
        if request.starts_with("CONNECT ") {
            // The program acts as its own proxy.
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let Some(request) = read_head(stream) else { return };
            return self.serve(&request, body, stream);
        }
        read_body(request, stream);
        let (head, body) = match &self.token {
            Some(token) if request.starts_with("POST ") => (self.head.as_str(), token.clone()),
            Some(token) if !is_authorized(request, token) => ("HTTP/1.1 401 Unauthorized", Vec::new()),
            _ => (self.head.as_str(), made_now(request, body)),
        };
        let _ = write!(stream, "{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = stream.write_all(&body);
    }
}

/// Whether a request contains the issued token.
fn is_authorized(request: &str, issued: &[u8]) -> bool {
    let issued: Value = serde_json::from_slice(issued).unwrap();
    let token = issued["access_token"].as_str().unwrap();
    request.lines().any(|line| line.eq_ignore_ascii_case(&format!("authorization: Bearer {token}")))
}

/// The body with current times in place of recorded ones: those of a Prometheus server's evaluation, and those of
/// pushes.
fn made_now(request: &str, body: &[u8]) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    if request.lines().next().is_some_and(|line| line.contains("/api/v1/query")) {
        let text = std::str::from_utf8(body).unwrap();
        let mut parts = text.split("\"value\":[");
        let mut whole = parts.next().unwrap().to_owned();
        for part in parts {
            whole += &format!("\"value\":[{now}{}", &part[part.find(',').unwrap()..]);
        }
        return whole.into_bytes();
    }
    let mut lines: Vec<Vec<u8>> = body.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for line in lines.iter_mut().filter(|line| line.starts_with(b"push_time_seconds{")) {
        line.truncate(line.iter().rposition(|byte| *byte == b' ').unwrap() + 1);
        line.extend(now.to_string().bytes());
    }
    lines.join(&b'\n')
}

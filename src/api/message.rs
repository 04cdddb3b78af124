//! A request as it reaches the API, and the reply: plain values, the same for every listener.

use std::ops::Deref;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::peer::Peer;
use crate::kube::protobuf::{self, Object};
use crate::kube::{json, yaml};
use crate::parse::head::{Header, is_named};
use crate::parse::json::indent;

#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET`.
    pub method: &'a str,
    /// Path and query as they stood in the request line.
    pub target: &'a str,
    /// Header lines in the order they were sent.
    pub headers: &'a [Header<'a>],
    /// Where it comes from.
    pub origin: Origin<'a>,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// The loopback listener, which authenticates no client.
    Loopback,
    /// The network, with the client's certificates if it presented some and proved possession of the key.
    Network(Option<&'a Peer>),
}

impl<'a> Request<'a> {
    /// A GET from this machine without headers.
    pub fn get(target: &'a str) -> Self {
        Self { method: "GET", target, headers: &[], origin: Origin::Loopback }
    }

    /// The first header line of this name, if its value is UTF-8.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let line = self.headers.iter().find(|(line, _)| is_named(line, name));
        line.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }
}

/// A reply, complete in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status code.
    pub code: u16,
    /// The body's media type, with its parameters.
    pub media_type: &'static str,
    /// The Cache-Control (RFC 9111 §5.2.2).
    pub cache_control: &'static str,
    /// The header fields specific to this reply; see [`Reply::headers`].
    pub extra_headers: Vec<(&'static str, String)>,
    pub body: Body,
}

/// The bytes of a reply.
#[derive(Clone, Debug)]
pub enum Body {
    /// Of this reply alone.
    Own(Vec<u8>),
    /// Serialized once for several replies.
    Shared(Arc<[u8]>),
}

/// `application/json`, without charset, as Kubernetes sends it.
pub const JSON: &str = "application/json";

/// `application/yaml`.
pub const YAML: &str = "application/yaml";

/// The encoding that the HPA controller prefers.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The encodings of an object of the Kubernetes API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    Json {
        /// Whether the JSON is indented.
        pretty: bool,
    },
    Yaml,
    Protobuf,
}

impl Encoding {
    /// All media types, the default first.
    pub(crate) const OFFERED: &[&str] = &[JSON, YAML, PROTOBUF];

    /// The encoding of a media type; `pretty` applies to JSON.
    pub(crate) fn new(media_type: &str, pretty: bool) -> Self {
        match media_type {
            YAML => Self::Yaml,
            PROTOBUF => Self::Protobuf,
            _ => Self::Json { pretty },
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json { .. } => JSON,
            Self::Yaml => YAML,
            Self::Protobuf => PROTOBUF,
        }
    }
}
/// The aggregated form of discovery.
pub(crate) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The media type of messages between replicas.
pub(crate) const BYTES: &str = "application/octet-stream";

/// Capacity for a response about one object without reallocation.
const ROOM: usize = 1024;

/// Plain text of health checks.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

impl Body {
    /// The same bytes, for several replies.
    pub(crate) fn into_shared(self) -> Arc<[u8]> {
        match self {
            Self::Own(bytes) => bytes.into(),
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Body {}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Own(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Own(text.into_bytes())
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self::Own(text.as_bytes().to_vec())
    }
}

impl From<Arc<[u8]>> for Body {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::Shared(bytes)
    }
}

impl Reply {
    /// A body of this media type.
    pub fn new(code: u16, media_type: &'static str, body: impl Into<Body>) -> Self {
        Self { code, media_type, cache_control: "no-cache, private", extra_headers: Vec::new(), body: body.into() }
    }

    /// An object in one of its encodings.
    pub(crate) fn object(code: u16, object: &impl Object, encoding: Encoding) -> Self {
        if encoding == Encoding::Protobuf {
            return Self::new(code, PROTOBUF, protobuf::encode(object));
        }
        let mut body = Vec::with_capacity(ROOM);
        object.json(&mut body);
        match encoding {
            Encoding::Json { pretty } => Self::of_json(code, body, pretty),
            // As in Kubernetes, YAML is converted from JSON.
            _ => Self::new(code, YAML, yaml::print(&serde_json::from_slice(&body).unwrap_or(Value::Null))),
        }
    }

    /// JSON with one newline at its end; indented by two spaces if `pretty`.
    pub fn json(code: u16, value: &impl Serialize, pretty: bool) -> Self {
        let mut body = Vec::with_capacity(ROOM);
        json::value(value, &mut body);
        Self::of_json(code, body, pretty)
    }

    fn of_json(code: u16, mut body: Vec<u8>, pretty: bool) -> Self {
        if pretty {
            body = indent(&body);
        }
        body.push(b'\n');
        Self::new(code, JSON, body)
    }

    /// Plain text.
    pub fn text(code: u16, body: impl Into<Body>) -> Self {
        Self::new(code, TEXT, body)
    }

    /// Adds a header field.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.extra_headers.push((name, value.into()));
        self
    }

    /// Adds an entity tag, which all encodings of a document share.
    pub fn tagged(self, etag: &str) -> Self {
        self.with_header("ETag", etag).with_header("Vary", "Accept")
    }

    /// Sets the Cache-Control.
    pub fn cached(self, cache_control: &'static str) -> Self {
        Self { cache_control, ..self }
    }

    /// 304: the client already has the document. Listeners send no body.
    pub fn not_modified(self) -> Self {
        Self { code: 304, ..self }
    }

    /// The header fields that every listener sends in addition to those of the connection. Like Kubernetes' own
    /// servers, they forbid caching of everything except discovery, and content sniffing of text.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let content_type = (self.code != 304).then_some(("Content-Type", self.media_type));
        let no_sniff = self.media_type.starts_with("text/").then_some(("X-Content-Type-Options", "nosniff"));
        content_type
            .into_iter()
            .chain([("Cache-Control", self.cache_control)])
            .chain(no_sniff)
            .chain(self.extra_headers.iter().map(|(name, value)| (*name, value.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_headers_by_media_type() {
        let headers = |reply: &Reply| {
            reply.headers().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(
            headers(&Reply::json(405, &(), false).with_header("Allow", "GET")),
            "Content-Type: application/json; Cache-Control: no-cache, private; Allow: GET"
        );
        assert_eq!(
            headers(&Reply::text(200, "ok")),
            "Content-Type: text/plain; charset=utf-8; Cache-Control: no-cache, private; X-Content-Type-Options: nosniff"
        );
        assert_eq!(
            headers(&Reply::json(200, &(), false).cached("public").tagged("\"x\"").not_modified()),
            "Cache-Control: public; ETag: \"x\"; Vary: Accept"
        );
    }
}

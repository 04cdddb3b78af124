//! `/openapi/v2` and `/openapi/v3`: descriptions of the API. The documents do not depend on the configuration, so
//! `scripts/openapi` generates them during development, and `tests/openapi` checks that they match the responses.

use std::io::Read;
use std::sync::Arc;

use flate2::bufread::DeflateDecoder;
use once_cell::sync::Lazy;

use super::message::{JSON, Reply};
use super::negotiate::{Transforms, negotiate};
use crate::parse::etag;
use crate::parse::path::{Group, OpenApi};
use crate::telemetry::clock::http_date;

/// All documents, compressed (RFC 1951): see [`read`].
const DEFLATED: &[u8] = include_bytes!("openapi/documents.deflate");

/// The media types of each version: JSON, and two names of protobuf, of which the last is specific to the version.
const V2: [&str; 3] = [
    JSON,
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
];
const V3: [&str; 3] = [
    JSON,
    "application/com.github.proto-openapi.spec.v3@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v3.v1.0+protobuf",
];

/// How long a document requested with the right hash may be cached: a year, in milliseconds.
const EXPIRES: i64 = 365 * 24 * 60 * 60 * 1_000;

/// One document in both encodings.
struct Document {
    /// As in paths: `apis/custom.metrics.k8s.io/v1beta2`; empty for version 2, which has only one document.
    name: String,
    json: Arc<[u8]>,
    protobuf: Arc<[u8]>,
    /// The hash of the JSON, used for both encodings. (Vary distinguishes them.)
    etag: String,
}

/// The parts of a request to these routes other than its path.
pub(super) struct DocumentRequest<'a> {
    pub accept: Option<&'a str>,
    pub if_none_match: Option<&'a str>,
    /// The hash in the list of documents.
    pub hash: Option<&'a str>,
    /// The groups to list: kube-apiserver publishes every listed document, even for a group that another server serves.
    pub groups: &'a [Group],
    pub unix_millis: i64,
}

/// Why there is no document.
pub(super) enum NoDocument {
    /// The request accepts none of these media types, which are offered.
    NotAcceptable([&'static str; 3]),
    /// There is no document of that name.
    NotFound,
}

static DOCUMENTS: Lazy<Vec<Document>> = Lazy::new(|| read(DEFLATED).unwrap_or_default());

/// The reply to a request for one of the documents, or for the list of those of version 3.
pub(super) fn reply(route: &OpenApi, request: &DocumentRequest<'_>) -> Result<Reply, NoDocument> {
    let (name, media_types) = match route {
        OpenApi::V3 => return Ok(root(request)),
        OpenApi::V2 => ("", V2),
        OpenApi::Document(name) => (name.as_str(), V3),
    };
    // Kubernetes accepts a wildcard here, unlike elsewhere.
    let accept = request.accept.map(|accept| accept.replace("application/*", "*/*"));
    let chosen = negotiate(accept.as_deref(), &media_types, Transforms::Ignored);
    let chosen = chosen.ok_or(NoDocument::NotAcceptable(media_types))?;
    let document = DOCUMENTS.iter().find(|document| document.name == name).ok_or(NoDocument::NotFound)?;
    let [json, _, protobuf] = media_types;
    let reply = match chosen == json {
        true => Reply::new(200, json, document.json.clone()),
        false => Reply::new(200, protobuf, document.protobuf.clone()),
    };
    let hash = request.hash.filter(|hash| !hash.is_empty() && *route != OpenApi::V2);
    Ok(match hash {
        None => unless_known(reply, &document.etag, request),
        Some(hash) if hash == document.hash() => {
            let expires = http_date(request.unix_millis.saturating_add(EXPIRES));
            let reply = reply.cached("public, immutable").with_header("Expires", expires);
            unless_known(reply, &document.etag, request)
        }
        Some(_) => Reply::new(301, json, "").with_header("Location", document.url()).tagged(&document.etag),
    })
}

/// `/openapi/v3`: the list of the documents of version 3.
fn root(request: &DocumentRequest<'_>) -> Reply {
    let is_listed = |document: &&Document| request.groups.iter().any(|group| document.is_of(*group));
    let listed: Vec<_> = DOCUMENTS.iter().filter(is_listed).map(Document::listed).collect();
    let body = format!(r#"{{"paths":{{{}}}}}"#, listed.join(","));
    let etag = etag::of(body.as_bytes());
    unless_known(Reply::new(200, JSON, body), &etag, request)
}

/// Adds the entity tag, or returns 304 if the client has the document.
fn unless_known(reply: Reply, tag: &str, request: &DocumentRequest<'_>) -> Reply {
    let reply = reply.tagged(tag);
    if request.if_none_match.is_some_and(|header| etag::has(header, tag)) { reply.not_modified() } else { reply }
}

impl Document {
    fn is_of(&self, group: Group) -> bool {
        self.name.split('/').nth(1) == Some(group.as_str())
    }

    /// The entity tag without its quotes.
    fn hash(&self) -> &str {
        self.etag.trim_matches('"')
    }

    /// The URL of this version of the document. Names and hashes need no escaping.
    fn url(&self) -> String {
        format!("/openapi/v3/{}?hash={}", self.name, self.hash())
    }

    /// The document's entry in the list.
    fn listed(&self) -> String {
        format!(r#""{}":{{"serverRelativeURL":"{}"}}"#, self.name, self.url())
    }
}

/// Parses the documents: name and JSON of each, then protobuf of each, each preceded by its length in four bytes,
/// little-endian. `None` if the data is invalid.
fn read(deflated: &[u8]) -> Option<Vec<Document>> {
    let mut inflated = Vec::new();
    DeflateDecoder::new(deflated).read_to_end(&mut inflated).ok()?;
    let (mut parts, mut rest) = (Vec::new(), inflated.as_slice());
    while let Some((length, after)) = rest.split_first_chunk() {
        let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        parts.push(part);
        rest = after;
    }
    let (texts, encoded) = parts.split_at_checked(parts.len() / 3 * 2)?;
    let document = |(texts, protobuf): (&[&[u8]], &&[u8])| match *texts {
        [name, json] => {
            let name = String::from_utf8(name.to_vec()).ok()?;
            Some(Document { name, json: json.into(), protobuf: (*protobuf).into(), etag: etag::of(json) })
        }
        _ => None,
    };
    texts.chunks(2).zip(encoded).map(document).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_invalid_documents() {
        let names: Vec<_> = DOCUMENTS.iter().map(|document| document.name.as_str()).collect();
        let custom = ["apis/custom.metrics.k8s.io/v1beta1", "apis/custom.metrics.k8s.io/v1beta2"];
        assert_eq!(names, ["", custom[0], custom[1], "apis/external.metrics.k8s.io/v1beta1"]);
        for document in DOCUMENTS.iter() {
            assert!(serde_json::from_slice::<serde_json::Value>(&document.json).unwrap().is_object());
            // The first field of version 2.0 and 3.0 is the version.
            let version: &[u8] = if document.name.is_empty() { b"\x0a\x032.0" } else { b"\x0a\x053.0.0" };
            assert!(document.protobuf.starts_with(version), "{}", document.name);
        }
        assert!(read(DEFLATED.split_last().unwrap().1).is_none());
        assert!(read(b"no deflate").is_none());
    }

    #[test]
    fn expires_in_a_year_at_any_time() {
        let route = OpenApi::Document("apis/external.metrics.k8s.io/v1beta1".to_owned());
        let hash = DOCUMENTS.last().map(Document::hash);
        for (unix_millis, expires) in [
            (1_787_020_504_000, "Wed, 18 Aug 2027 02:35:04 GMT"),
            (i64::MIN, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (i64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            let request = DocumentRequest { accept: None, if_none_match: None, hash, groups: &[], unix_millis };
            let Ok(reply) = reply(&route, &request) else { panic!("no document") };
            assert!(reply.headers().any(|header| header == ("Expires", expires)), "{reply:?}");
        }
    }
}

//! Request paths: the route and, for a metric route, its parameters. One parse returns the route and the attributes for
//! authorization, so that the two cannot disagree.
//!
//! As in Kubernetes, the whole path is percent-decoded before it is split, so that `%2F` is a slash; trailing slashes
//! are ignored, and empty segments elsewhere are not.

mod error;

use std::fmt;

pub(crate) use self::error::PathError;
use super::bytes::split_at;
pub(crate) use super::group::Group;
pub use super::group::Version;
pub(crate) use super::group::{CUSTOM_METRICS, EXTERNAL_METRICS};
use super::percent::{DecodeError, Encoded, Plus, decode, is_plain};

/// A health endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `healthz`, the older name of the others.
    Healthz,
    /// `livez`
    Livez,
    /// `readyz`
    Readyz,
}

/// The format of the status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFormat {
    Html,
    Json,
}

/// OpenAPI documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenApi {
    /// Swagger 2.0
    V2,
    /// The list of the documents of version 3.
    V3,
    /// The document of version 3 for `apis/{group}/{version}`.
    Document(String),
}

/// The requested objects of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectName {
    /// `*`: all objects that match the label selector.
    All,
    /// The object with this name.
    One(String),
}

/// The route of a metric of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricPath {
    /// The API version, which the response repeats.
    pub version: Version,
    /// `None` for cluster-scoped objects, including namespaces.
    pub namespace: Option<String>,
    /// Plural resource, with its group unless that is core: `pods`, `deployments.apps`.
    pub resource: String,
    pub name: ObjectName,
    pub metric: String,
}

/// The route of an external metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalPath {
    /// The namespace of the request, which is that of the HPA.
    pub namespace: String,
    /// The metric's name; clients send it in lower case.
    pub metric: String,
}

/// The attributes of a metric route for authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes<'a> {
    pub group: Group,
    pub version: Version,
    /// `None` for cluster-wide access.
    pub namespace: Option<&'a str>,
    /// `pods`; `metrics` for a namespace's own metric; or the name of an external metric.
    pub resource: &'a str,
    /// The metric's name, unless `name` or `resource` is the metric's name.
    pub subresource: Option<&'a str>,
    /// The object's name or `*`; for a namespace's own metric, the metric's name; `None` for external metrics.
    pub name: Option<&'a str>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiPath {
    /// `/` and `/index.html`: the list of paths.
    Root,
    /// `/version`
    VersionInfo,
    /// `/openapi/v2`, `/openapi/v3` and paths below
    OpenApi(OpenApi),
    /// A health endpoint such as `/readyz`, or one check of it: `/readyz/config`.
    Health(Probe, Option<String>),
    /// `/metrics`: Metriclet's own metrics.
    OwnMetrics,
    /// `/peers/samples`: samples over time, for other replicas.
    PeerSamples,
    /// `/status`, the status page, and `/status.json`.
    Status(StatusFormat),
    /// `/apis`
    Groups,
    /// `/apis/custom.metrics.k8s.io`
    Group(Group),
    /// `/apis/custom.metrics.k8s.io/v1beta2`
    Resources(Group, Version),
    /// A metric of objects.
    Metric(MetricPath),
    /// An external metric.
    External(ExternalPath),
    /// Any other path below a group.
    UnknownInGroup,
    /// Any other path.
    Unknown,
}

/// Parses a path from the request line, without its query, of at most `max` bytes.
///
/// # Errors
/// If the path is malformed or cannot name anything, which is the client's mistake.
pub fn parse(raw: &str, max: usize) -> Result<ApiPath, PathError> {
    if raw.len() > max {
        return Err(PathError::TooLong(max));
    }
    // Like Go, this checks the raw path: an encoded slash does not make a path absolute.
    let raw = raw.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
    if is_plain(raw) {
        return decoded(raw);
    }
    let path = decode(raw, Plus::Literal).map_err(|error| match error {
        DecodeError::Escape(found) => PathError::BadEscape(found),
        DecodeError::NotUtf8 => PathError::NotUtf8,
    })?;
    if path.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    decoded(&path)
}

fn decoded(path: &str) -> Result<ApiPath, PathError> {
    let path = path.trim_end_matches('/');
    let (mut segments, mut rest) = (Vec::with_capacity(MAX_SEGMENTS), path);
    while let Some((segment, after)) = split_at(rest, b'/') {
        segments.push(segment);
        rest = after;
    }
    segments.push(rest);
    if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
        return Err(PathError::DotSegment);
    }
    route(&segments)
}

/// The number of segments of the longest route.
const MAX_SEGMENTS: usize = 9;

fn route(segments: &[&str]) -> Result<ApiPath, PathError> {
    Ok(match *segments {
        [""] | ["index.html"] => ApiPath::Root,
        ["version"] => ApiPath::VersionInfo,
        ["openapi", "v2"] => ApiPath::OpenApi(OpenApi::V2),
        ["openapi", "v3"] => ApiPath::OpenApi(OpenApi::V3),
        ["openapi", "v3", "apis", group, version] => {
            ApiPath::OpenApi(OpenApi::Document(format!("apis/{group}/{version}")))
        }
        ["metrics"] => ApiPath::OwnMetrics,
        ["peers", "samples"] => ApiPath::PeerSamples,
        ["status"] => ApiPath::Status(StatusFormat::Html),
        ["status.json"] => ApiPath::Status(StatusFormat::Json),
        ["apis"] => ApiPath::Groups,
        ["apis", group, ref rest @ ..] => match Group::parse(group) {
            Some(group) => in_group(group, rest)?,
            None => ApiPath::Unknown,
        },
        [first, ref check @ ..] => match (Probe::parse(first), check) {
            (Some(probe), []) => ApiPath::Health(probe, None),
            (Some(probe), [check]) => ApiPath::Health(probe, Some((*check).to_owned())),
            _ => ApiPath::Unknown,
        },
        [] => ApiPath::Unknown,
    })
}

/// Parses the segments below a group.
fn in_group(group: Group, segments: &[&str]) -> Result<ApiPath, PathError> {
    let Some((version, rest)) = segments.split_first() else { return Ok(ApiPath::Group(group)) };
    let Some(version) = group.versions().iter().copied().find(|known| known.as_str() == *version) else {
        return Ok(ApiPath::UnknownInGroup);
    };
    Ok(match (group, rest) {
        (_, []) => ApiPath::Resources(group, version),
        _ if rest.contains(&"") => ApiPath::UnknownInGroup,
        (Group::Custom, _) => metric(version, rest)?,
        (Group::External, ["namespaces", namespace, metric]) if *namespace != "*" && !is_reserved(metric) => {
            ApiPath::External(ExternalPath { namespace: (*namespace).to_owned(), metric: (*metric).to_owned() })
        }
        (Group::External, _) => ApiPath::UnknownInGroup,
    })
}

/// Whether a name cannot be that of an external metric: Kubernetes takes this lower-case path segment for a subresource
/// of the namespace.
pub(crate) fn is_reserved(metric: &str) -> bool {
    ["status", "finalize"].iter().any(|word| metric.eq_ignore_ascii_case(word))
}

/// Parses the segments below a version of custom metrics.
fn metric(version: Version, segments: &[&str]) -> Result<ApiPath, PathError> {
    let path = |namespace: Option<&str>, resource: &str, name: &str, metric: &str| {
        ApiPath::Metric(MetricPath {
            version,
            namespace: namespace.map(str::to_owned),
            resource: resource.to_owned(),
            name: if name == "*" { ObjectName::All } else { ObjectName::One(name.to_owned()) },
            metric: metric.to_owned(),
        })
    };
    Ok(match *segments {
        // A namespace's own metric; Kubernetes ignores a fifth segment there. Requests for all namespaces at once are
        // invalid.
        ["namespaces", "*", ..] if segments.len() > 2 => return Err(PathError::Invalid),
        ["namespaces", namespace, "metrics", metric] | ["namespaces", namespace, "metrics", metric, _] => {
            path(None, "namespaces", namespace, metric)
        }
        ["namespaces", _, _] => return Err(PathError::Invalid),
        ["namespaces", namespace, resource, name, metric] => path(Some(namespace), resource, name, metric),
        [resource, name, metric] => path(None, resource, name, metric),
        _ => ApiPath::UnknownInGroup,
    })
}

impl Probe {
    /// The name in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthz => "healthz",
            Self::Livez => "livez",
            Self::Readyz => "readyz",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Healthz, Self::Livez, Self::Readyz].into_iter().find(|probe| probe.as_str() == text)
    }
}

impl ObjectName {
    /// The name, or `*`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::All => "*",
            Self::One(name) => name,
        }
    }
}

impl MetricPath {
    /// The attributes for authorization.
    pub fn attributes(&self) -> Attributes<'_> {
        let (group, version) = (Group::Custom, self.version);
        match &self.name {
            ObjectName::One(namespace) if self.is_namespace() => Attributes {
                group,
                version,
                namespace: Some(namespace),
                resource: "metrics",
                subresource: None,
                name: Some(&self.metric),
            },
            name => Attributes {
                group,
                version,
                namespace: self.namespace.as_deref(),
                resource: &self.resource,
                subresource: Some(&self.metric),
                name: Some(name.as_str()),
            },
        }
    }

    fn is_namespace(&self) -> bool {
        self.resource == "namespaces" && self.namespace.is_none()
    }
}

impl ExternalPath {
    /// The attributes for authorization: to Kubernetes the metric is a resource, and the verb is list.
    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            group: Group::External,
            version: Version::V1Beta1,
            namespace: Some(&self.namespace),
            resource: &self.metric,
            subresource: None,
            name: None,
        }
    }
}

/// Prints the path below the version, percent-encoded; it parses to the same value.
impl fmt::Display for ExternalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (namespace, metric) = (Encoded::in_segment(&self.namespace), Encoded::in_segment(&self.metric));
        write!(f, "namespaces/{namespace}/{metric}")
    }
}

/// Prints the path below the version, percent-encoded; it parses to the same value.
impl fmt::Display for MetricPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, metric) = (Encoded::in_segment(self.name.as_str()), Encoded::in_segment(&self.metric));
        if self.is_namespace() {
            return write!(f, "namespaces/{name}/metrics/{metric}");
        }
        if let Some(namespace) = &self.namespace {
            write!(f, "namespaces/{}/", Encoded::in_segment(namespace))?;
        }
        write!(f, "{}/{name}/{metric}", Encoded::in_segment(&self.resource))
    }
}

impl ApiPath {
    /// The attributes of a metric for authorization; `None` for all other paths.
    pub fn attributes(&self) -> Option<Attributes<'_>> {
        match self {
            Self::Metric(path) => Some(path.attributes()),
            Self::External(path) => Some(path.attributes()),
            _ => None,
        }
    }
}

/// Prints the path. An unknown route prints as an arbitrary unknown path.
impl fmt::Display for ApiPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("/"),
            Self::VersionInfo => f.write_str("/version"),
            Self::OpenApi(OpenApi::V2) => f.write_str("/openapi/v2"),
            Self::OpenApi(OpenApi::V3) => f.write_str("/openapi/v3"),
            Self::OpenApi(OpenApi::Document(name)) => {
                f.write_str("/openapi/v3")?;
                name.split('/').try_for_each(|segment| write!(f, "/{}", Encoded::in_segment(segment)))
            }
            Self::Health(probe, None) => write!(f, "/{}", probe.as_str()),
            Self::Health(probe, Some(check)) => write!(f, "/{}/{}", probe.as_str(), Encoded::in_segment(check)),
            Self::PeerSamples => f.write_str("/peers/samples"),
            Self::OwnMetrics => f.write_str("/metrics"),
            Self::Status(StatusFormat::Html) => f.write_str("/status"),
            Self::Status(StatusFormat::Json) => f.write_str("/status.json"),
            Self::Groups => f.write_str("/apis"),
            Self::Group(group) => write!(f, "/apis/{}", group.as_str()),
            Self::Resources(group, version) => write!(f, "/apis/{}/{}", group.as_str(), version.as_str()),
            Self::Metric(path) => write!(f, "/apis/{CUSTOM_METRICS}/{}/{path}", path.version.as_str()),
            Self::External(path) => write!(f, "/apis/{EXTERNAL_METRICS}/{}/{path}", Version::V1Beta1.as_str()),
            Self::UnknownInGroup => write!(f, "/apis/{CUSTOM_METRICS}/unknown"),
            Self::Unknown => f.write_str("/unknown"),
        }
    }
}

#[cfg(test)]
mod tests;

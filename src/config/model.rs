//! The configuration as the rest of the program uses it: sources and rules, parsed and checked.

mod forward;
mod namespaces;
mod oauth2;
mod request;
mod rule;

use std::path::PathBuf;
use std::time::Duration;

use crate::parse::body_template::BodyTemplate;
use crate::parse::certificate_name::CertificateName;
use crate::parse::sort;
use crate::parse::url_template::{Placeholder, Template};

pub(crate) use self::forward::{AdapterAddress, Forward, OtherAdapter};
pub(crate) use self::namespaces::Namespaces;
pub(crate) use self::oauth2::{ClientAuth, ClientCredentials};
pub(crate) use self::request::{Method, Proxy, Setting};
pub(crate) use self::rule::{
    BrokenRule, DescribedObject, ItemText, LabelledItems, NamespaceLabels, ObjectKind, ObjectMapping, OnMissing, OnNan,
    Rule, Value,
};

/// A whole configuration. Broken rules are kept beside valid ones, so that each fails alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Sources; a [`Rule`] refers to one by its index.
    pub sources: Vec<Source>,
    /// Rules that can be served.
    pub rules: Vec<Rule>,
    /// Rules that cannot be served, with the reason.
    pub broken: Vec<BrokenRule>,
    /// Set with `--upstream`: every metric of source 0 is served under its own name.
    pub implicit: Option<ImplicitRules>,
    /// The other adapters, which serve requests that no rule serves.
    pub forward: Option<Forward>,
}

impl Config {
    /// The number of rules in the file: one for several kinds of objects is stored as several.
    pub fn written_rules(&self) -> usize {
        sort::set(self.rules.iter().map(|rule| (rule.line, &rule.name))).len()
    }
}

/// The rules of `--upstream URL`: each gauge or untyped series under its own name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImplicitRules {
    /// `--describes RESOURCE/NAMESPACE/NAME`: the object that every series describes.
    pub describes: Option<Bound>,
}

/// An object in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The plural resource, with its group unless that is core: `services`, `deployments.apps`.
    pub resource: String,
    /// `None` for a root-scoped object such as a node.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

/// An endpoint that pages are fetched from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The key under `sources:`; `upstream` for `--upstream`.
    pub name: String,
    /// The location of the pages.
    pub target: Target,
    /// The format of a page; `None`: as in its Content-Type.
    pub format: Option<Format>,
    /// The maximum size of a page; `None`: the default of its format.
    pub max_bytes: Option<u64>,
    /// The compression to request.
    pub compression: Option<Compression>,
    /// The namespaces whose objects a page may describe.
    pub namespaces: Namespaces,
    /// The total time for one fetch.
    pub timeout: Duration,
    /// How long a page is cached.
    pub cache: Duration,
    /// The interval of fetches in the background, while there are requests.
    pub refresh: Option<Duration>,
    /// How `labelSelector` is applied in requests for `*`.
    pub label_selector: SelectorMode,
    /// Credentials and trusted authorities.
    pub credentials: Credentials,
    /// Whether a URL whose host contains a placeholder may reach loopback addresses.
    pub danger_allow_loopback: bool,
    /// Whether a single process serves the URL, so that its counters can be sampled over time; `None` if the user
    /// has not set it.
    pub single: Option<bool>,
    /// The method of requests.
    pub method: Method,
    /// The body of a POST.
    pub body: Option<BodyTemplate>,
    /// The proxy that connects to the server.
    pub proxy: Option<Proxy>,
}

/// The location of a source's pages.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A URL, which may depend on the request.
    Url(Template),
    /// Pods.
    Pods(Pods),
    /// A server that evaluates queries, with Prometheus' HTTP API: the URL of queries. Its query string may contain `{namespace}`.
    Prometheus(Template),
}

/// The pods to scrape, with port and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pods {
    /// The pods whose pages are joined for every rule; `None`: those of a rule's objects.
    pub set: Option<PodSet>,
    pub port: PodPort,
    /// `/metrics`
    pub path: String,
    /// Whether pages are requested over HTTPS.
    pub https: bool,
    /// Whether pods on the host network are scraped, where another process may use the port.
    pub host_network: bool,
}

/// The pods in one namespace that match a label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSet {
    pub namespace: String,
    /// The canonical text of the selector; never empty.
    pub selector: String,
}

/// The port of a pod's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodPort {
    /// A port number.
    Number(u16),
    /// The name of a container's port.
    Name(String),
    /// From the annotations `prometheus.io/port`, `prometheus.io/path` and `prometheus.io/scheme`.
    Annotations,
}

/// The format of a source's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0 text.
    OpenMetrics,
    /// JSON, read by JSONPath.
    Json,
    /// YAML, likewise.
    Yaml,
    /// CSV with a header, likewise.
    Csv,
    /// Any text, read by regular expressions.
    Text,
    /// One bare number.
    Number,
}

impl Format {
    /// Whether the whole page is held in memory, rather than parsed as it streams in.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Json | Self::Yaml | Self::Csv | Self::Text)
    }
}

/// The compression of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
}

/// How a source applies `labelSelector` in requests for `*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelectorMode {
    /// To the objects, as listed by the Kubernetes API.
    #[default]
    Kubernetes,
    /// To the labels of the series.
    Labels,
    /// By passing it on in the request, which contains `{labelSelector}`.
    Url,
}

/// Credentials of a source; secrets are in files, which are read again when they change.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub bearer_token_file: Option<PathBuf>,
    /// Basic authentication.
    pub basic: Option<Basic>,
    /// A token fetched from an OAuth 2 server.
    pub oauth2: Option<ClientCredentials>,
    /// Header fields: names and values.
    pub headers: Vec<(String, Setting)>,
    /// Parameters of the URL's query: names and values.
    pub query: Vec<(String, Setting)>,
    /// A PEM bundle that replaces the built-in roots.
    pub ca_file: Option<PathBuf>,
    /// The PEM client certificate chain.
    pub cert_file: Option<PathBuf>,
    /// The PEM private key of the client certificate.
    pub key_file: Option<PathBuf>,
    /// The name in the server's certificate, if it is not the URL's host.
    pub server_name: Option<CertificateName>,
}

/// Basic authentication (RFC 7617).
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    /// The user name.
    pub username: String,
    pub password_file: PathBuf,
}

impl Source {
    /// Whether the URL or the body contains this placeholder.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        matches!(&self.target, Target::Url(url) if url.uses(placeholder))
            || self.body.as_ref().is_some_and(|body| body.uses(placeholder))
    }

    /// Whether other users can influence the address: by an object's name, or by a pod's address.
    pub fn is_open(&self) -> bool {
        match &self.target {
            Target::Url(url) => url.host_is_templated(),
            Target::Pods(_) => true,
            Target::Prometheus(_) => false,
        }
    }

    /// Whether TLS is used, for all requests or some.
    pub fn is_https(&self) -> bool {
        match &self.target {
            Target::Url(url) | Target::Prometheus(url) => url.is_https(),
            Target::Pods(pods) => pods.https || pods.port == PodPort::Annotations,
        }
    }

    /// Whether a single process serves its URL.
    pub fn is_single(&self) -> bool {
        self.single == Some(true)
    }

    /// Whether its host is a Service, unless the user has set `single`.
    pub fn is_behind_a_service(&self) -> bool {
        let namespaces = match &self.namespaces {
            Namespaces::All => &[][..],
            Namespaces::Only(names) => names.as_slice(),
        };
        self.shared_url().is_some_and(|url| url.is_of_a_service(namespaces))
    }

    /// The URL of its pages, if several processes may alternate behind it and the user has not set `single`.
    pub fn shared_url(&self) -> Option<&Template> {
        match &self.target {
            Target::Url(url) if self.single.is_none() => Some(url),
            _ => None,
        }
    }

    /// The namespaces whose requests a rule on this source answers.
    pub fn namespaces_of<'a>(&'a self, rule: &'a Rule) -> &'a Namespaces {
        rule.namespaces.as_ref().unwrap_or(&self.namespaces)
    }

    /// Whether its pages are on pods.
    pub fn is_of_pods(&self) -> bool {
        matches!(self.target, Target::Pods(_))
    }

    /// Whether its pages have a URL.
    pub fn is_url(&self) -> bool {
        matches!(self.target, Target::Url(_))
    }

    /// Whether the objects of a rule determine which pods are scraped.
    pub fn is_of_any_pods(&self) -> bool {
        matches!(self.target, Target::Pods(Pods { set: None, .. }))
    }

    /// The pods whose pages are joined for every rule.
    pub fn pod_set(&self) -> Option<&PodSet> {
        match &self.target {
            Target::Pods(pods) => pods.set.as_ref(),
            _ => None,
        }
    }

    /// Whether a rule on this source is evaluated over the joined pages of several pods.
    pub fn joins_pages_for(&self, rule: &Rule) -> bool {
        self.pod_set().is_some() || rule.mapping == ObjectMapping::PodSelector
    }

    /// Whether it is a server with Prometheus' HTTP API.
    pub fn is_prometheus(&self) -> bool {
        matches!(self.target, Target::Prometheus(_))
    }
}

/// Whether a header field contains a credential (RFC 9110 §11.6.2, RFC 6265 §4.2).
pub(crate) fn is_secret(header: &str) -> bool {
    ["authorization", "cookie"].iter().any(|secret| header.eq_ignore_ascii_case(secret))
}

impl Credentials {
    /// Whether any credential is sent.
    pub fn secret(&self) -> bool {
        let header = |(name, value): &(String, Setting)| value.is_file() || is_secret(name);
        self.bearer_token_file.is_some()
            || self.basic.is_some()
            || self.oauth2.is_some()
            || self.headers.iter().any(header)
            || self.query.iter().any(|(_, value)| value.is_file())
            || self.cert_file.is_some()
    }
}

/// Prints which credentials are set, never their values.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("secret", &self.secret()).finish_non_exhaustive()
    }
}

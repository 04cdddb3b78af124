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
    BrokenRule, DescribedObject, Identity, ItemText, LabelledItems, NamespaceLabels, ObjectKind, OnMissing, OnNan,
    Rule, Value,
};

/// A whole configuration. Broken rules are kept beside valid ones, so that each fails alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Sources by position; a [`Rule`] names one by its index.
    pub sources: Vec<Source>,
    /// Rules that can be served.
    pub rules: Vec<Rule>,
    /// Rules that cannot, and why.
    pub broken: Vec<BrokenRule>,
    /// Whether any metric name is served from source 0 under its own name (`--upstream`, without a file).
    pub implicit: Option<ImplicitRules>,
    /// Where requests go that no rule serves.
    pub forward: Option<Forward>,
}

impl Config {
    /// How many rules were written: one for several kinds of objects is held as several.
    pub fn written_rules(&self) -> usize {
        sort::set(self.rules.iter().map(|rule| (rule.line, &rule.name))).len()
    }
}

/// The simple case, `--upstream URL`: each gauge or untyped series under its own name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImplicitRules {
    /// `--describes RESOURCE/NAMESPACE/NAME`: the one object that every series describes.
    pub describes: Option<Bound>,
}

/// One object that something is bound to by configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Plural resource with its group if that is not core: `services`, `deployments.apps`.
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
    /// Where the pages are.
    pub target: Target,
    /// What a page is; `None`: as its Content-Type says.
    pub format: Option<Format>,
    /// The most bytes of a page; `None`: as many as its format has by default.
    pub max_bytes: Option<u64>,
    /// The compression that is requested.
    pub compression: Option<Compression>,
    /// Whose objects a page may describe.
    pub namespaces: Namespaces,
    /// The whole time for one fetch.
    pub timeout: Duration,
    /// How long a page answers further requests.
    pub cache: Duration,
    /// How often it is fetched in the background, while somebody asks.
    pub refresh: Option<Duration>,
    /// How `labelSelector` is honoured for `*`.
    pub label_selector: SelectorMode,
    /// Credentials to send, and authorities to trust.
    pub credentials: Credentials,
    /// Lets a URL whose host holds a placeholder reach loopback addresses.
    pub danger_allow_loopback: bool,
    /// Whether one process alone is behind a URL, so that its counters can be followed over time; `None` if the user
    /// does not say.
    pub single: Option<bool>,
    /// How pages or results are requested.
    pub method: Method,
    /// What is posted for a page.
    pub body: Option<BodyTemplate>,
    /// What connects to the server.
    pub proxy: Option<Proxy>,
}

/// Where the pages of a source are.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// At a URL, which may depend on the request.
    Url(Template),
    /// On pods.
    Pods(Pods),
    /// A server that evaluates queries, with Prometheus' HTTP API: the URL of queries. Its query may hold `{namespace}`.
    Prometheus(Template),
}

/// Which pods have pages, and where on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pods {
    /// The pods whose pages are joined for every rule; `None`: a rule's objects say which.
    pub set: Option<PodSet>,
    pub port: PodPort,
    /// `/metrics`
    pub path: String,
    /// Whether it is behind HTTPS.
    pub https: bool,
    /// Whether pods on the host network are scraped, where another process may have the port.
    pub host_network: bool,
}

/// Pods of one namespace that a label selector selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSet {
    pub namespace: String,
    /// Canonical text; never empty.
    pub selector: String,
}

/// The port of a pod's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodPort {
    /// This one.
    Number(u16),
    /// The container's port of this name.
    Name(String),
    /// As the annotations `prometheus.io/port`, `prometheus.io/path` and `prometheus.io/scheme` say.
    Annotations,
}

/// What a page of a source is.
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
    /// Whether a page of it is held whole, rather than read as it streams in.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Json | Self::Yaml | Self::Csv | Self::Text)
    }
}

/// How pages may be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
}

/// How a source honours `labelSelector` in requests for `*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelectorMode {
    /// By listing the objects through the Kubernetes API.
    #[default]
    Kubernetes,
    /// Against the labels of the series themselves.
    Labels,
    /// Passed on in the URL, which holds `{labelSelector}`.
    Url,
}

/// Credentials of a source; the values are read from files, again whenever these change.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub bearer_token_file: Option<PathBuf>,
    /// Basic authentication.
    pub basic: Option<Basic>,
    /// A token that is fetched.
    pub oauth2: Option<ClientCredentials>,
    /// Names of header fields, and their values.
    pub headers: Vec<(String, Setting)>,
    /// Parameters of the URL's query, and their values.
    pub query: Vec<(String, Setting)>,
    /// PEM bundle that replaces the built-in roots.
    pub ca_file: Option<PathBuf>,
    /// PEM client certificate chain.
    pub cert_file: Option<PathBuf>,
    /// PEM private key of the client certificate.
    pub key_file: Option<PathBuf>,
    /// The name in the server's certificate, if it is not the URL's host.
    pub server_name: Option<CertificateName>,
}

/// Basic authentication (RFC 7617).
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    /// Written in the configuration.
    pub username: String,
    pub password_file: PathBuf,
}

impl Source {
    /// Whether the URL or the body depends on this of a request.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        matches!(&self.target, Target::Url(url) if url.uses(placeholder))
            || self.body.as_ref().is_some_and(|body| body.uses(placeholder))
    }

    /// Whether others choose the address: by an object's name, or by a pod's address.
    pub fn is_open(&self) -> bool {
        match &self.target {
            Target::Url(url) => url.host_is_templated(),
            Target::Pods(_) => true,
            Target::Prometheus(_) => false,
        }
    }

    /// Whether TLS is spoken, always or sometimes.
    pub fn is_https(&self) -> bool {
        match &self.target {
            Target::Url(url) | Target::Prometheus(url) => url.is_https(),
            Target::Pods(pods) => pods.https || pods.port == PodPort::Annotations,
        }
    }

    /// Whether one process alone is behind its URL.
    pub fn is_single(&self) -> bool {
        self.single == Some(true)
    }

    /// Whether its pages are behind a Service, for all that the user says.
    pub fn is_behind_a_service(&self) -> bool {
        let namespaces = match &self.namespaces {
            Namespaces::All => &[][..],
            Namespaces::Only(names) => names.as_slice(),
        };
        self.shared_url().is_some_and(|url| url.is_of_a_service(namespaces))
    }

    /// The URL of its pages, if processes may take turns behind it for all that the user says.
    pub fn shared_url(&self) -> Option<&Template> {
        match &self.target {
            Target::Url(url) if self.single.is_none() => Some(url),
            _ => None,
        }
    }

    /// The namespaces whose requests a rule on it answers.
    pub fn namespaces_of<'a>(&'a self, rule: &'a Rule) -> &'a Namespaces {
        rule.namespaces.as_ref().unwrap_or(&self.namespaces)
    }

    /// Whether its pages are on pods.
    pub fn is_of_pods(&self) -> bool {
        matches!(self.target, Target::Pods(_))
    }

    /// Whether its pages are at a URL.
    pub fn is_url(&self) -> bool {
        matches!(self.target, Target::Url(_))
    }

    /// Whether the objects of a rule say which pods have its pages.
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

    /// Whether a rule on it is evaluated over the joined pages of several pods.
    pub fn joins_pages_for(&self, rule: &Rule) -> bool {
        self.pod_set().is_some() || rule.identity == Identity::Selected
    }

    /// Whether it is a server that evaluates queries.
    pub fn is_prometheus(&self) -> bool {
        matches!(self.target, Target::Prometheus(_))
    }
}

/// Whether a header field holds a credential (RFC 9110 §11.6.2, RFC 6265 §4.2).
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

/// Names which credentials there are, never what is in them.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("secret", &self.secret()).finish_non_exhaustive()
    }
}

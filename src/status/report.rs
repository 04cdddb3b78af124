//! The report: the content of the status page and of `/status.json`. Times are RFC 3339 or Unix milliseconds,
//! depending on their names; texts are unescaped.

use serde::Serialize;

use super::answers::Point;
use super::hpa::HpasStatus;
use crate::kube::meta::Time;

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) process: ProcessStatus,
    pub(crate) configuration: ConfigurationStatus,
    pub(crate) rules: Vec<RuleStatus>,
    /// Requests of the last hour that no rule serves.
    pub(crate) unserved: Vec<RequestStatus>,
    /// The HPAs of the cluster; none without a Kubernetes API.
    pub(crate) hpas: Option<HpasStatus>,
    /// Other adapters.
    pub(crate) adapters: Vec<AdapterStatus>,
    pub(crate) sources: Vec<SourceStatus>,
}

/// The process.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessStatus {
    pub(crate) version: &'static str,
    pub(crate) time: Option<Time>,
    pub(crate) started: Option<Time>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) threads: Option<u64>,
    /// Requests waiting for a worker.
    pub(crate) queued: u64,
    pub(crate) connections: Vec<Count>,
    /// Requests and connections rejected since the start, by reason.
    pub(crate) refused: Vec<Count>,
    pub(crate) pod_watches: Vec<PodWatchStatus>,
    /// The expiry of the serving certificate; none without HTTPS.
    pub(crate) certificate_expires: Option<Time>,
    pub(crate) certificate_days_left: Option<i64>,
    /// Whether the certificate expires soon.
    pub(crate) is_certificate_expiring: bool,
}

/// The watch of the pods of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodWatchStatus {
    pub(crate) namespace: String,
    /// As a label on `/metrics`.
    pub(crate) state: &'static str,
    pub(crate) pods: u64,
    /// When something was last received; none before.
    pub(crate) last_contact: Option<Time>,
}

/// A named count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Count {
    pub(crate) name: String,
    pub(crate) count: u64,
}

/// The configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigurationStatus {
    /// None with `--upstream`.
    pub(crate) file: Option<String>,
    /// When the configuration in use was loaded.
    pub(crate) loaded: Option<Time>,
    /// Whether a newer file was rejected, so that the previous configuration is in use.
    pub(crate) is_rejected: bool,
    /// Problems of the file as last read, with line and column.
    pub(crate) problems: Vec<String>,
}

/// A rule and its requests.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuleStatus {
    /// Unique, and stable across reloads that keep the order of the rules for a metric.
    pub(crate) id: String,
    pub(crate) metric: String,
    pub(crate) is_external: bool,
    pub(crate) resources: Vec<String>,
    /// `namespace/name` of the objects that it lists.
    pub(crate) objects: Vec<String>,
    pub(crate) source: Option<String>,
    pub(crate) value: Option<String>,
    /// Line in the file.
    pub(crate) line: Option<usize>,
    /// Why it is not served.
    pub(crate) problem: Option<String>,
    /// The comparison with another adapter, whose values are served instead of the rule's.
    pub(crate) shadow: Option<ShadowStatus>,
    pub(crate) requests: Vec<RequestStatus>,
}

/// The comparison of a rule with another adapter, since the start.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShadowStatus {
    /// The largest relative difference in the last one or two minutes.
    pub(crate) difference: Option<f64>,
    /// Requests by outcome.
    pub(crate) outcomes: Vec<Count>,
    /// The rule's error in the last comparison, if any.
    pub(crate) error: Option<String>,
}

/// Another adapter, and the requests of the last hour that only it served.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdapterStatus {
    /// `monitoring/prometheus-adapter`, or a URL.
    pub(crate) name: String,
    /// `custom.metrics.k8s.io`
    pub(crate) group: &'static str,
    /// The number of metrics that it lists.
    pub(crate) metrics: usize,
    pub(crate) is_failing: bool,
    /// Since when all requests to it have succeeded, or all have failed.
    pub(crate) since: Option<Time>,
    pub(crate) last_answer: Option<Time>,
    pub(crate) error: Option<ErrorStatus>,
    /// Requests for metrics since the start, by status code.
    pub(crate) codes: Vec<Count>,
    pub(crate) requests: Vec<RequestStatus>,
}

/// A request for a metric, and its answers.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestStatus {
    /// Path and query, as for `metriclet get`.
    pub(crate) path: String,
    pub(crate) namespace: Option<String>,
    /// The object's name, or `*`; none for an external metric.
    pub(crate) object: Option<String>,
    pub(crate) client: &'static str,
    pub(crate) asked: Time,
    pub(crate) value: Option<f64>,
    pub(crate) items: usize,
    pub(crate) measured: Option<Time>,
    pub(crate) left_out: Vec<Count>,
    pub(crate) error: Option<ErrorStatus>,
    /// One point for each 15 s of the last hour: a value, `null`, or `"error"`.
    pub(crate) history: Vec<Point>,
}

/// An error in the HPA's view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorStatus {
    pub(crate) time: Time,
    pub(crate) code: Option<u16>,
    pub(crate) message: String,
    /// The fix from docs/troubleshooting.md.
    pub(crate) fix: Option<&'static str>,
}

/// A source and its URLs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceStatus {
    pub(crate) name: String,
    /// `page`, `pods` or `prometheus`.
    pub(crate) kind: &'static str,
    pub(crate) fetched: u64,
    pub(crate) failed: u64,
    /// Requests answered from its cache.
    pub(crate) cached: u64,
    pub(crate) bytes: u64,
    /// Pods that responded, of those whose pages were joined.
    pub(crate) pods_answered: u64,
    pub(crate) pods_joined: u64,
    pub(crate) urls: Vec<UrlStatus>,
}

/// The state of a URL.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UrlStatus {
    /// The URL without its query, which may contain a key.
    pub(crate) url: String,
    pub(crate) is_failing: bool,
    /// Since when all fetches have succeeded, or all have failed.
    pub(crate) since: Time,
    pub(crate) last_success: Option<Time>,
    pub(crate) error: Option<ErrorStatus>,
    /// The time of the last success.
    pub(crate) milliseconds: u64,
    pub(crate) bytes: u64,
    pub(crate) samples: u64,
}

impl RequestStatus {
    pub(crate) fn is_failing(&self) -> bool {
        self.error.is_some()
    }
}

impl RuleStatus {
    /// Whether something is wrong with it.
    pub(crate) fn is_failing(&self) -> bool {
        self.problem.is_some()
            || self.requests.iter().any(RequestStatus::is_failing)
            || self.shadow.as_ref().is_some_and(|shadow| shadow.error.is_some())
    }
}

impl AdapterStatus {
    /// Whether something is wrong with it.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing || self.requests.iter().any(RequestStatus::is_failing)
    }
}

impl SourceStatus {
    /// Whether one of its URLs is failing.
    pub(crate) fn is_failing(&self) -> bool {
        self.urls.iter().any(|url| url.is_failing)
    }
}

impl Report {
    /// The number of rules, HPAs, sources, requests without a rule, and parts of the process with problems.
    pub(crate) fn failing(&self) -> usize {
        let rules = self.rules.iter().filter(|rule| rule.is_failing()).count();
        let sources = self.sources.iter().filter(|source| source.is_failing()).count();
        let configuration = usize::from(self.configuration.is_rejected || !self.configuration.problems.is_empty());
        let hpas = self.hpas.as_ref().map_or(0, |hpas| hpas.wrong);
        let adapters = self.adapters.iter().filter(|adapter| adapter.is_failing()).count();
        let certificate = usize::from(self.process.is_certificate_expiring);
        rules + hpas + sources + adapters + self.unserved.len() + configuration + certificate
    }
}

impl Serialize for Point {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            // In thousandths, like served values.
            Self::Value(value) => serializer.serialize_f64((f64::from(*value) * 1000.0).round() / 1000.0),
            Self::Error => serializer.serialize_str("error"),
        }
    }
}

//! The account's parts: facts about an HPA and its metrics, and the source of responses.

use crate::autoscaling::calculator::{NoProposal, Proposal, Values, Workload};
use crate::autoscaling::decision::ZeroSupport;
use crate::autoscaling::manifest::{Hpa, MetricSpec, MetricTarget, ObjectRef};
use crate::config::hpa::{may_describe, rules};
use crate::config::model::Config;
use crate::parse::selector::SelectorLimits;

/// A source of responses to requests.
pub(super) trait Answers {
    /// The response for a path.
    fn answer(&self, path: &str) -> Answered;

    /// The version of custom metrics that the controller requests.
    fn version(&self) -> String;

    /// The resource of a kind that is not built in, and whether it is namespaced.
    fn resource(&self, object: &ObjectRef<'_>) -> Option<(String, bool)>;
}

/// A response and its origin.
#[derive(Default)]
pub(super) struct Answered {
    /// The HTTP status code; 0 if there is no response, and the body then contains the reason.
    pub code: u16,
    pub body: Vec<u8>,
    /// The server behind the APIService, and whether that is available.
    pub server: Option<String>,
    /// Events during the request, each with its topic.
    pub events: Vec<(&'static str, String)>,
}

/// Facts about the workload.
pub(super) struct Facts {
    pub namespace: String,
    pub workload: Workload,
    /// The selector of its pods; `None` if unknown.
    pub selector: Option<String>,
    /// Whether [`Workload::pods`] are the pods of a cluster.
    pub has_pods: bool,
    pub zero: ZeroSupport,
    /// The origin of assumed replicas.
    pub assumption: Option<String>,
    /// Warnings about the workload.
    pub warnings: Vec<String>,
    /// The conditions set by the controller, one per line.
    pub conditions: Vec<String>,
    /// `status.desiredReplicas`.
    pub controller: Option<i32>,
    pub selector_limits: SelectorLimits,
}

/// The account of a metric.
pub(super) struct MetricAccount {
    /// `Object`
    pub kind: &'static str,
    pub name: String,
    /// `Service web`; empty for metrics without an object.
    pub object: String,
    pub target: Option<MetricTarget>,
    pub path: Option<String>,
    pub server: Option<String>,
    /// The rule's position and its source, if the configuration is known.
    pub place: Option<String>,
    pub events: Vec<(&'static str, String)>,
    /// `None` for CPU and memory.
    pub values: Option<Result<Values, Refused>>,
    /// The replicas that the metric asks for, if it has values.
    pub proposal: Option<Result<Proposal, NoProposal>>,
    pub warnings: Vec<String>,
}

/// Why there are no values.
pub(super) struct Refused {
    /// The HTTP status code; 0 without a response.
    pub code: u16,
    pub message: String,
}

/// A configuration and its file.
pub(super) struct ConfigFile {
    pub name: String,
    pub config: Config,
}

impl ConfigFile {
    /// The position of the rule for a metric, and its source.
    pub(super) fn place(&self, spec: &MetricSpec<'_>, hpa: &Hpa<'_>) -> Option<String> {
        let rule = rules(spec, &self.config).into_iter().find(|rule| may_describe(rule, spec.kind, hpa.namespace))?;
        let source = self.config.sources.get(rule.source)?;
        Some(format!("source {} ({}:{})", source.name, self.name, rule.line))
    }
}

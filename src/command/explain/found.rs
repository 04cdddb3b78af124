//! What is found of an HPA and its metrics, and who finds it.

use crate::autoscaling::calculator::{NoProposal, Proposal, Values, Workload};
use crate::autoscaling::decision::ZeroSupport;
use crate::autoscaling::manifest::{Hpa, MetricSpec, MetricTarget, ObjectRef};
use crate::config::hpa::{may_describe, rules};
use crate::config::model::Config;
use crate::parse::selector::SelectorLimits;

/// Answers requests.
pub(super) trait Answers {
    /// The answer to a path.
    fn answer(&self, path: &str) -> Answered;

    /// The version of custom metrics that the controller asks for.
    fn version(&self) -> String;

    /// The resource of a kind that is not built in, and whether its objects are in namespaces.
    fn resource(&self, object: &ObjectRef<'_>) -> Option<(String, bool)>;
}

/// An answer, and where it comes from.
#[derive(Default)]
pub(super) struct Answered {
    /// The HTTP status code; 0 if there is no answer, and the body says why.
    pub code: u16,
    pub body: Vec<u8>,
    /// The APIService that leads to the server, and whether that is available.
    pub server: Option<String>,
    /// What happened on the way, each with its topic.
    pub events: Vec<(&'static str, String)>,
}

/// What is known of the workload.
pub(super) struct Facts {
    pub namespace: String,
    pub workload: Workload,
    /// The selector of its pods; `None` if that is not known.
    pub selector: Option<String>,
    /// Whether [`Workload::pods`] are the real ones.
    pub has_pods: bool,
    pub zero: ZeroSupport,
    /// How the replicas are known, where they are assumed.
    pub assumption: Option<String>,
    /// What is odd about the workload.
    pub warnings: Vec<String>,
    /// What the controller itself says, a line for each condition.
    pub conditions: Vec<String>,
    /// `status.desiredReplicas`.
    pub controller: Option<i32>,
    pub selector_limits: SelectorLimits,
}

/// All that is found of a metric.
pub(super) struct MetricAccount {
    /// `Object`
    pub kind: &'static str,
    pub name: String,
    /// `Service web`; empty for those that are of no object.
    pub object: String,
    pub target: Option<MetricTarget>,
    pub path: Option<String>,
    pub server: Option<String>,
    /// The rule's place and its source, where the configuration is known.
    pub place: Option<String>,
    pub events: Vec<(&'static str, String)>,
    /// `None` for CPU and memory.
    pub values: Option<Result<Values, Refused>>,
    /// What the metric asks for, if it has values.
    pub proposal: Option<Result<Proposal, NoProposal>>,
    pub warnings: Vec<String>,
}

/// Why there are no values.
pub(super) struct Refused {
    /// The HTTP status code; 0 without an answer.
    pub code: u16,
    pub message: String,
}

/// A configuration, and the file that it is in.
pub(super) struct ConfigFile {
    pub name: String,
    pub config: Config,
}

impl ConfigFile {
    /// Where the rule for a metric stands, and its source.
    pub(super) fn place(&self, spec: &MetricSpec<'_>, hpa: &Hpa<'_>) -> Option<String> {
        let rule = rules(spec, &self.config).into_iter().find(|rule| may_describe(rule, spec.kind, hpa.namespace))?;
        let source = self.config.sources.get(rule.source)?;
        Some(format!("source {} ({}:{})", source.name, self.name, rule.line))
    }
}

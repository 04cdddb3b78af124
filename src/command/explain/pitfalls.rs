//! Common mistakes in HPAs on metrics from adapters.

use super::found::{Answers, Facts, MetricAccount};
use crate::autoscaling::calculator::{Basis, NoProposal};
use crate::autoscaling::manifest::{Hpa, MetricKind, MetricSpec, MetricTarget};
use crate::autoscaling::request_path;
use crate::parse::escape::Escaped;

/// Words in metric names that indicate waiting work, which all pods share regardless of their number.
const BACKLOGS: [&str; 9] = ["queue", "backlog", "lag", "depth", "pending", "waiting", "messages", "jobs", "unacked"];

/// Warnings about a metric.
pub(super) fn of_metric(
    spec: &MetricSpec<'_>,
    hpa: &Hpa<'_>,
    account: &MetricAccount,
    answers: &dyn Answers,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let name = spec.name.to_ascii_lowercase();
    if let (true, Ok(MetricTarget::Value(_))) = (spec.kind.can_scale_from_zero(), &spec.target)
        && BACKLOGS.iter().any(|word| name.contains(word))
    {
        warnings.push(
            "a target of type Value multiplies the replicas, so a long queue multiplies them again at each sync; with AverageValue, \
             the replicas are value / averageValue"
                .to_owned(),
        );
    }
    if let Some((_, other)) = spec.other_namespace.filter(|(_, other)| !hpa.is_in(other)) {
        warnings.push(format!(
            "describedObject has no namespace in autoscaling/v2: {} is ignored, and the HPA's own namespace is used",
            Escaped::new(other)
        ));
    }
    if let MetricKind::Object(object) = spec.kind {
        let is_namespaced = match request_path::builtin(&object) {
            Some(kind) => Some(kind.namespaced || request_path::is_namespace(&object)),
            None => answers.resource(&object).map(|(_, namespaced)| namespaced),
        };
        if is_namespaced == Some(false) {
            warnings.push(format!(
                "{} is cluster-scoped, but an HPA requests every object in its own namespace, so this metric cannot be served; a \
                 rule with external: true can serve the number",
                object.kind
            ));
        }
        if request_path::is_namespace(&object) && hpa.namespace.is_some_and(|namespace| namespace != object.name) {
            warnings.push(format!(
                "for a Namespace, the controller always requests the HPA's own, not {}",
                Escaped::new(object.name)
            ));
        }
    }
    if spec.kind == MetricKind::External && spec.name != spec.name.to_lowercase() {
        warnings.push(format!(
            "clients send this name in lower case, {}: a Role must contain that name, and other adapters may not find the metric",
            Escaped::new(&spec.name.to_lowercase())
        ));
    }
    match &account.proposal {
        Some(Ok(proposal)) if proposal.is_beyond => warnings.push(
            "the number of replicas exceeds 32 bits, so the controller's result depends on its CPU: on amd64 it \
             may scale down"
                .to_owned(),
        ),
        Some(Ok(proposal)) if proposal.basis == Basis::Ready(0) && proposal.kept.is_none() => {
            warnings.push("no pod is ready, so the controller multiplies by 0".to_owned());
        }
        Some(Err(NoProposal::NoPods)) => warnings.push("the workload's selector selects no pods".to_owned()),
        _ => {}
    }
    warnings
}

/// Warnings about an HPA as a whole.
pub(super) fn of_hpa(hpa: &Hpa<'_>, facts: &Facts) -> Vec<String> {
    let mut warnings: Vec<String> =
        hpa.problems.iter().map(|problem| format!("expected {}", problem.expected)).collect();
    if hpa.metrics.is_empty() && hpa.problems.is_empty() {
        warnings.push("without metrics, the HPA scales on 80 % of the CPU that pods request".to_owned());
    }
    if hpa.zero.is_some() && !hpa.can_scale_from_zero() {
        warnings.push(
            "minReplicas: 0 needs a metric of type Object or External; at zero there are no pods to measure".to_owned(),
        );
    }
    warnings.extend(facts.warnings.iter().cloned());
    warnings
}

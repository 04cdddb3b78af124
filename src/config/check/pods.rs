//! Checks of rules on sources of pods: which pods' pages a rule reads, and whether it joins them.

use super::{Finding, error, warning};
use crate::config::model::{ObjectKind, Rule, Source};
use crate::kube::pod_selector::PodSelector;
use crate::parse::escape::Escaped;

/// A set of pods as it is written.
pub(super) const EXAMPLE: &str = "pods: {namespace: shop, selector: app=web, port: metrics}";

/// Whether an object of this kind has pods, on a source that has their pages.
pub(super) fn object(object: &ObjectKind, source: &Source, findings: &mut Vec<Finding>) {
    let resource = &object.resource;
    if resource != "pods" && (!object.namespaced || PodSelector::of(resource).is_none()) {
        let name = Escaped::new(&source.name);
        let message = format!(
            "{resource} select no pods, and source {name} scrapes the pods that an object selects; a fixed set of pods \
             may describe other objects: {EXAMPLE}"
        );
        findings.push(error("object", message));
    }
}

/// Whether part of the pages is enough.
pub(super) fn coverage(rule: &Rule, source: &Source, findings: &mut Vec<Finding>) {
    if rule.min_coverage == 100 {
        return;
    }
    findings.push(match source.joins_pages_for(rule) {
        true => warning(
            "minCoverage",
            "below 100%, a value is served although some pods did not respond: a sum is then too low, and so are the \
             replicas",
        ),
        false => error("minCoverage", "applies to joined pages of several pods, and this rule joins none"),
    });
}

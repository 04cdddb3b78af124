//! Checks of rules on sources of pods: which pods' pages a rule reads, and whether it joins them.

use super::{Finding, error, warning};
use crate::config::model::{ObjectKind, ObjectMapping, Rule, Source, Value};
use crate::kube::pod_selector::PodSelector;
use crate::parse::escape::Escaped;
use crate::parse::value::ValueAggregation;
use crate::promql::{Expr, Function};

/// An example of a fixed set of pods.
pub(super) const EXAMPLE: &str = "pods: {namespace: shop, selector: app=web, port: metrics}";

/// Checks that an object of this kind selects pods, for a source that scrapes the pods of an object.
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

/// Checks that a request for all pods, as from an HPA, can be answered.
pub(super) fn at_once(rule: &Rule, source: &Source, findings: &mut Vec<Finding>) {
    if source.is_of_any_pods() || rule.objects.iter().all(|object| object.resource != "pods") {
        return;
    }
    let found = match rule.mapping {
        ObjectMapping::Requested => Some(("source", "{name} in its requests")),
        ObjectMapping::InQuery { .. } => Some(("value", "{name}")),
        _ => None,
    };
    if let Some((key, found)) = found {
        let message = format!(
            "{found} identifies one pod, and an HPA of type Pods requests all pods at once, which is then an error; \
             use a label \
             that names the pod, or a source with pods:"
        );
        findings.push(warning(key, message));
    }
}

/// Checks `minCoverage`.
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

/// Checks that the pages of several pods result in one number.
pub(super) fn value(rule: &Rule, source: &Source, findings: &mut Vec<Finding>) {
    if !source.joins_pages_for(rule) {
        return;
    }
    let aggregations: Vec<Option<ValueAggregation>> = match &rule.value {
        Value::Json(expr) => expr.parts().iter().map(|part| part.aggregation).collect(),
        Value::Text(expr) => vec![expr.aggregation],
        _ => Vec::new(),
    };
    let ends = [ValueAggregation::First, ValueAggregation::Last];
    if aggregations.iter().flatten().any(|aggregation| ends.contains(aggregation)) {
        let message = "pods have no order, so first() and last() are errors if several have values; use sum(), max(), \
                       min() or avg()";
        findings.push(warning("value", message));
    }
    let is_of_each = match &rule.value {
        Value::Series(expr) => is_of_each(expr),
        Value::Number => true,
        _ => aggregations.contains(&None),
    };
    // In a fixed set, names of objects or labels distinguish the values.
    if rule.mapping == ObjectMapping::PodSelector && is_of_each {
        let message =
            "has one number for each pod, which is an error for several pods; use sum(), max(), min() or avg()";
        findings.push(warning("value", message));
    }
}

/// Whether an expression has a value for each pod because it does not aggregate.
fn is_of_each(expr: &Expr) -> bool {
    match expr {
        Expr::Selector(selector) => selector.matchers.is_empty(),
        Expr::Aggregate(..) | Expr::Call(Function::Absent | Function::Scalar, _) => false,
        _ => expr.children().iter().any(is_of_each),
    }
}

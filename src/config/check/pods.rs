//! Checks of rules on sources of pods: which pods' pages a rule reads, and whether it joins them.

use super::{Finding, error, warning};
use crate::config::model::{Identity, ObjectKind, Rule, Source, Value};
use crate::kube::pod_selector::PodSelector;
use crate::parse::escape::Escaped;
use crate::parse::value::ValueAggregation;
use crate::promql::{Expr, Function};

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

/// Whether all pods can be asked for at once, as an HPA does.
pub(super) fn at_once(rule: &Rule, source: &Source, findings: &mut Vec<Finding>) {
    if source.is_of_any_pods() || rule.objects.iter().all(|object| object.resource != "pods") {
        return;
    }
    let found = match rule.identity {
        Identity::Url => Some(("source", "{name} in its requests")),
        Identity::Value { .. } => Some(("value", "{name}")),
        _ => None,
    };
    if let Some((key, found)) = found {
        let message = format!(
            "{found} stands for one pod, and an HPA of type Pods requests all at once, which is then an error; use a label \
             that names the pod, or a source with pods:"
        );
        findings.push(warning(key, message));
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

/// Whether the pages of several pods come to one number.
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
        let message = "pods are in no order, so first() and last() are errors once several have values; use sum(), max(), \
                       min() or avg()";
        findings.push(warning("value", message));
    }
    let is_of_each = match &rule.value {
        Value::Series(expr) => is_of_each(expr),
        Value::Number => true,
        _ => aggregations.contains(&None),
    };
    // What names objects, or labels, tells the values of a fixed set apart.
    if rule.identity == Identity::Selected && is_of_each {
        let message = "is one number for each pod, and an error once there are several pods; sum(), max(), min() or avg() \
                       makes one of all";
        findings.push(warning("value", message));
    }
}

/// Whether an expression has a value for each pod, as it neither aggregates nor selects.
fn is_of_each(expr: &Expr) -> bool {
    match expr {
        Expr::Selector(selector) => selector.matchers.is_empty(),
        Expr::Aggregate(..) | Expr::Call(Function::Absent | Function::Scalar, _) => false,
        _ => expr.children().iter().any(is_of_each),
    }
}

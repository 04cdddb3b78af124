//! The rules of `--upstream`: each gauge or untyped series under its own name.

use std::sync::Arc;

use super::active_rule::ActiveRule;
use crate::config::model::{
    Bound, DescribedObject, ImplicitRules, NamespaceLabels, ObjectKind, ObjectMapping, OnMissing, OnNan, Rule, Value,
};
use crate::kube::kinds;
use crate::parse::url_template::Placeholder;
use crate::source::upstream::Upstream;

/// The rule for a metric: the gauge of that name, for the objects that its labels name.
pub(super) fn rule(
    resource: &str,
    metric: &str,
    upstream: &Arc<Upstream>,
    implicit: &ImplicitRules,
) -> Option<(Arc<ActiveRule>, Arc<ObjectKind>)> {
    let kind = ObjectKind::from(kinds::lookup(resource)?);
    let per_object = upstream.source().uses(Placeholder::Name);
    let mapping = match &implicit.describes {
        Some(Bound { resource: bound, .. }) if bound != resource => return None,
        Some(Bound { namespace, name, .. }) => {
            ObjectMapping::Described(DescribedObject { namespace: namespace.clone(), name: name.clone() })
        }
        None if per_object => ObjectMapping::Requested,
        None => ObjectMapping::Labels { namespace: NamespaceLabels::First(Vec::new()), name: Vec::new() },
    };
    Some((active(metric, vec![kind.clone()], mapping, upstream), Arc::new(kind)))
}

/// The rule for an external metric: the gauge of that name, each series with its labels.
pub(super) fn external_rule(
    metric: &str,
    upstream: &Arc<Upstream>,
    implicit: &ImplicitRules,
) -> Option<Arc<ActiveRule>> {
    let source = upstream.source();
    if implicit.describes.is_some() || source.uses(Placeholder::Name) || source.uses(Placeholder::Resource) {
        return None;
    }
    let mapping = ObjectMapping::External { namespace: NamespaceLabels::First(Vec::new()), items: None };
    Some(active(metric, Vec::new(), mapping, upstream))
}

fn active(metric: &str, objects: Vec<ObjectKind>, mapping: ObjectMapping, upstream: &Arc<Upstream>) -> Arc<ActiveRule> {
    let rule = Rule {
        name: metric.to_owned(),
        objects,
        source: upstream.index(),
        value: Value::Named(metric.to_owned()),
        mapping,
        name_pattern: None,
        namespaces: None,
        on_missing: OnMissing::Error,
        on_unavailable: OnMissing::Error,
        age_from: None,
        on_nan: OnNan::Error,
        allow_negative: false,
        min_coverage: 100,
        shadow: false,
        max_age: upstream.max_age(),
        line: 0,
        definition: 0,
    };
    let number = upstream.source().uses(Placeholder::Metric) || !matches!(rule.mapping, ObjectMapping::Labels { .. });
    let want = upstream.want_named(metric, number);
    Arc::new(ActiveRule {
        rule,
        upstream: upstream.clone(),
        want,
        last: None,
        sampling: None,
        is_open: false,
        template: None,
        implicit: true,
    })
}

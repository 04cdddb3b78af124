//! The path that the HPA controller requests for a metric, letter by letter as Go's client writes it.

use super::manifest::{MetricKind, MetricSpec, ObjectRef};
use crate::kube::kinds;
use crate::parse::path::{CUSTOM_METRICS, EXTERNAL_METRICS};
use crate::parse::percent::Encoded;

/// The version of custom metrics that is preferred where both are registered.
pub(crate) const PREFERRED: &str = "v1beta2";

/// The path for a metric of an HPA in `namespace`; `None` for CPU and memory. `resource` is that of a described object, and
/// `pods` the selector of the workload's pods; selectors are canonical.
pub(crate) fn path(
    metric: &MetricSpec<'_>,
    version: &str,
    namespace: &str,
    resource: &str,
    pods: &str,
    metric_selector: &str,
) -> Option<String> {
    // Go's client writes resources in lower case, and an external metric is one.
    let (namespace, resource) = (Encoded::in_segment(namespace), resource.to_lowercase());
    let resource = Encoded::in_segment(&resource);
    let name = Encoded::in_segment(metric.name);
    let custom = format!("/apis/{CUSTOM_METRICS}/{version}/namespaces/{namespace}");
    Some(match metric.kind {
        MetricKind::Resource => return None,
        MetricKind::Pods => {
            let query = [("labelSelector", pods), ("metricLabelSelector", metric_selector)];
            format!("{custom}/pods/*/{name}{}", query_string(&query))
        }
        // The controller leaves out the namespace's own name: it is the HPA's.
        MetricKind::Object(object) if is_namespace(&object) => {
            format!("{custom}/metrics/{name}{}", query_string(&[("metricLabelSelector", metric_selector)]))
        }
        MetricKind::Object(object) => {
            let of = Encoded::in_segment(object.name);
            let query = query_string(&[("metricLabelSelector", metric_selector)]);
            format!("{custom}/{resource}/{of}/{name}{query}")
        }
        MetricKind::External => {
            let name = metric.name.to_lowercase();
            let query = query_string(&[("labelSelector", metric_selector)]);
            format!("/apis/{EXTERNAL_METRICS}/v1beta1/namespaces/{namespace}/{}{query}", Encoded::in_segment(&name))
        }
    })
}

/// Whether an object is the namespace.
pub(crate) fn is_namespace(object: &ObjectRef<'_>) -> bool {
    object.kind == "Namespace" && object.group().is_empty()
}

/// The resource of a built-in kind: `services`, `deployments.apps`.
pub(crate) fn builtin(object: &ObjectRef<'_>) -> Option<&'static kinds::Kind> {
    let group_of = |kind: &kinds::Kind| kind.api_version.rsplit_once('/').map_or("", |(group, _)| group);
    kinds::all().find(|kind| kind.kind == object.kind && group_of(kind) == object.group())
}

/// As Go writes a query; empty values are left out.
fn query_string(pairs: &[(&str, &str)]) -> String {
    let mut query = String::new();
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        query.push(if query.is_empty() { '?' } else { '&' });
        query += &format!("{key}={}", Encoded::unreserved(value)).replace("%20", "+");
    }
    query
}

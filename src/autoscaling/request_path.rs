//! Builds the path of the HPA controller's request for a metric, exactly as Go's client encodes it.

use super::manifest::{MetricKind, MetricSpec, ObjectRef};
use crate::kube::kinds;
use crate::parse::path::{CUSTOM_METRICS, EXTERNAL_METRICS};
use crate::parse::percent::Encoded;

/// The preferred version of custom metrics if both are registered.
pub(crate) const PREFERRED: &str = "v1beta2";

/// The path for a metric of an HPA in `namespace`; `None` for CPU and memory. `resource` is the resource of a described
/// object, `pods` the selector for the workload's pods; selectors are in canonical form.
pub(crate) fn path(
    metric: &MetricSpec<'_>,
    version: &str,
    namespace: &str,
    resource: &str,
    pods: &str,
    metric_selector: &str,
) -> Option<String> {
    // Go's client sends resources in lower case, and to it an external metric is a resource.
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
        // The controller omits the name of a namespace, because it is the HPA's own.
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

/// Whether an object is a namespace.
pub(crate) fn is_namespace(object: &ObjectRef<'_>) -> bool {
    object.kind == "Namespace" && object.group().is_empty()
}

/// The built-in kind of an object: `services`, `deployments.apps`.
pub(crate) fn builtin(object: &ObjectRef<'_>) -> Option<&'static kinds::Kind> {
    let group_of = |kind: &kinds::Kind| kind.api_version.rsplit_once('/').map_or("", |(group, _)| group);
    kinds::all().find(|kind| kind.kind == object.kind && group_of(kind) == object.group())
}

/// Encodes a query as Go does, without empty values.
fn query_string(pairs: &[(&str, &str)]) -> String {
    let mut query = String::new();
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        query.push(if query.is_empty() { '?' } else { '&' });
        query += &format!("{key}={}", Encoded::unreserved(value)).replace("%20", "+");
    }
    query
}

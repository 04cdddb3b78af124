//! The discovery documents: `meta/v1` APIGroupList, APIGroup, APIResourceList and RootPaths.

use serde::Serialize;

use crate::parse::path::{GROUP, Version};

/// Versions served, the preferred one first.
pub(crate) const VERSIONS: [Version; 2] = [Version::V1Beta2, Version::V1Beta1];

/// `GET /apis`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiGroupList {
    kind: &'static str,
    api_version: &'static str,
    groups: [ApiGroup; 1],
}

/// `GET /apis/custom.metrics.k8s.io`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiGroup {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    name: &'static str,
    versions: Vec<GroupVersion>,
    preferred_version: GroupVersion,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupVersion {
    group_version: String,
    version: &'static str,
}

/// `GET /apis/custom.metrics.k8s.io/{version}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiResourceList {
    kind: &'static str,
    api_version: &'static str,
    group_version: String,
    resources: Vec<ApiResource>,
}

/// One resource of an [`ApiResourceList`]: `pods/http_requests`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiResource {
    name: String,
    singular_name: &'static str,
    namespaced: bool,
    kind: &'static str,
    verbs: [&'static str; 1],
}

/// `GET /`, and the body of a 404 outside the API.
#[derive(Debug, Serialize)]
pub(crate) struct RootPaths {
    paths: Vec<String>,
}

impl ApiGroupList {
    /// The one group that we serve.
    pub(crate) fn new() -> Self {
        let group = ApiGroup { kind: None, api_version: None, ..ApiGroup::new() };
        Self { kind: "APIGroupList", api_version: "v1", groups: [group] }
    }
}

impl Default for ApiGroupList {
    fn default() -> Self {
        Self::new()
    }
}

impl ApiGroup {
    /// `custom.metrics.k8s.io` with both versions.
    pub(crate) fn new() -> Self {
        Self {
            kind: Some("APIGroup"),
            api_version: Some("v1"),
            name: GROUP,
            versions: VERSIONS.iter().map(|&version| GroupVersion::new(version)).collect(),
            preferred_version: GroupVersion::new(Version::V1Beta2),
        }
    }
}

impl Default for ApiGroup {
    fn default() -> Self {
        Self::new()
    }
}

impl GroupVersion {
    fn new(version: Version) -> Self {
        Self { group_version: group_version(version), version: version.as_str() }
    }
}

impl ApiResourceList {
    /// The list of one version. It is never empty: an empty one makes kubectl report a broken API, so one fixed
    /// placeholder stands in where configuration names no metric.
    pub(crate) fn new(version: Version, mut resources: Vec<ApiResource>) -> Self {
        if resources.is_empty() {
            resources.push(ApiResource::new("namespaces", "custommetrics", false));
        }
        resources.sort_unstable();
        resources.dedup();
        Self { kind: "APIResourceList", api_version: "v1", group_version: group_version(version), resources }
    }
}

impl ApiResource {
    /// A metric of a resource. `namespaced` follows from the resource's kind alone: two entries of one resource that
    /// differ in it would make the aggregator drop the whole version.
    pub(crate) fn new(resource: &str, metric: &str, namespaced: bool) -> Self {
        let name = format!("{resource}/{metric}");
        Self { name, singular_name: "", namespaced, kind: "MetricValueList", verbs: ["get"] }
    }
}

impl RootPaths {
    /// Every path that holds no metric.
    pub(crate) fn new() -> Self {
        let group = format!("/apis/{GROUP}");
        let versions = VERSIONS.iter().map(|version| format!("{group}/{}", version.as_str()));
        let fixed =
            ["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned);
        let mut paths: Vec<_> = ["/apis".to_owned(), group.clone()].into_iter().chain(versions).chain(fixed).collect();
        paths.sort_unstable();
        Self { paths }
    }
}

impl Default for RootPaths {
    fn default() -> Self {
        Self::new()
    }
}

fn group_version(version: Version) -> String {
    format!("{GROUP}/{}", version.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn has_the_shapes_of_kubernetes() {
        assert_eq!(
            json(&ApiGroupList::new()),
            r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"custom.metrics.k8s.io","versions":[{"groupVersion":"custom.metrics.k8s.io/v1beta2","version":"v1beta2"},{"groupVersion":"custom.metrics.k8s.io/v1beta1","version":"v1beta1"}],"preferredVersion":{"groupVersion":"custom.metrics.k8s.io/v1beta2","version":"v1beta2"}}]}"#
        );
        assert!(
            json(&ApiGroup::new())
                .starts_with(r#"{"kind":"APIGroup","apiVersion":"v1","name":"custom.metrics.k8s.io","#)
        );
        let resources = vec![
            ApiResource::new("pods", "http_requests", true),
            ApiResource::new("namespaces", "quota", false),
            ApiResource::new("pods", "http_requests", true),
        ];
        assert_eq!(
            json(&ApiResourceList::new(Version::V1Beta1, resources)),
            r#"{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"custom.metrics.k8s.io/v1beta1","resources":[{"name":"namespaces/quota","singularName":"","namespaced":false,"kind":"MetricValueList","verbs":["get"]},{"name":"pods/http_requests","singularName":"","namespaced":true,"kind":"MetricValueList","verbs":["get"]}]}"#
        );
    }

    #[test]
    fn is_never_empty() {
        let list = json(&ApiResourceList::new(Version::V1Beta2, Vec::new()));
        assert!(list.contains(r#""resources":[{"name":"namespaces/custommetrics","#), "{list}");
    }

    #[test]
    fn lists_the_known_paths() {
        assert_eq!(
            json(&RootPaths::new()),
            r#"{"paths":["/apis","/apis/custom.metrics.k8s.io","/apis/custom.metrics.k8s.io/v1beta1","/apis/custom.metrics.k8s.io/v1beta2","/healthz","/livez","/metrics","/openapi/v2","/openapi/v3","/readyz","/version"]}"#
        );
    }
}

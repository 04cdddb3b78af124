//! The discovery documents: `meta/v1` APIGroupList, APIGroup, APIResourceList and RootPaths.

use serde::Serialize;

use super::json;
use super::protobuf::{Fields, Message, Object, TypeMeta};
use crate::parse::path::{Group, Version};
use crate::parse::sort::sort;

/// `GET /apis`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiGroupList {
    kind: &'static str,
    api_version: &'static str,
    groups: Vec<ApiGroup>,
}

/// `GET /apis/{group}`.
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

/// `GET /apis/{group}/{version}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiResourceList {
    kind: &'static str,
    api_version: &'static str,
    group_version: String,
    resources: Vec<ApiResource>,
}

/// One resource of an [`ApiResourceList`]: `pods/http_requests`, or the external metric `queue_depth`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiResource {
    pub(super) name: String,
    pub(super) singular_name: &'static str,
    pub(super) namespaced: bool,
    pub(super) kind: &'static str,
    pub(super) verbs: [&'static str; 1],
}

/// `GET /`, and the body of a 404 outside the API.
#[derive(Debug, Serialize)]
pub(crate) struct RootPaths {
    paths: Vec<String>,
}

impl ApiGroupList {
    /// The list of all groups.
    pub(crate) fn new() -> Self {
        let group = |group| ApiGroup { kind: None, api_version: None, ..ApiGroup::new(group) };
        Self { kind: "APIGroupList", api_version: "v1", groups: Group::ALL.into_iter().map(group).collect() }
    }
}

impl Default for ApiGroupList {
    fn default() -> Self {
        Self::new()
    }
}

impl ApiGroup {
    /// The group with all its versions.
    pub(crate) fn new(group: Group) -> Self {
        let versions: Vec<_> = group.versions().iter().map(|&version| GroupVersion::new(group, version)).collect();
        let preferred = group.versions().first().copied().unwrap_or(Version::V1Beta1);
        Self {
            kind: Some("APIGroup"),
            api_version: Some("v1"),
            name: group.as_str(),
            versions,
            preferred_version: GroupVersion::new(group, preferred),
        }
    }
}

impl GroupVersion {
    fn new(group: Group, version: Version) -> Self {
        Self { group_version: group_version(group, version), version: version.as_str() }
    }
}

impl ApiResourceList {
    /// The resource list of one version.
    pub(crate) fn new(group: Group, version: Version, resources: Vec<ApiResource>) -> Self {
        let (group_version, resources) = (group_version(group, version), listed(group, resources));
        Self { kind: "APIResourceList", api_version: "v1", group_version, resources }
    }
}

impl ApiResource {
    /// A metric of a resource. `namespaced` depends only on the resource's kind: if two entries of one resource
    /// differed in it, the aggregator would drop the whole version.
    pub(crate) fn new(resource: &str, metric: &str, namespaced: bool) -> Self {
        let name = format!("{resource}/{metric}");
        Self { name, singular_name: "", namespaced, kind: "MetricValueList", verbs: ["get"] }
    }

    /// An external metric; clients treat it as a resource.
    pub(crate) fn external(metric: &str) -> Self {
        let name = metric.to_owned();
        Self { name, singular_name: "", namespaced: true, kind: "ExternalMetricValueList", verbs: ["get"] }
    }
}

impl RootPaths {
    /// All paths except those of metrics.
    pub(crate) fn new() -> Self {
        let versions = |group: Group| {
            let path = format!("/apis/{}", group.as_str());
            let versions: Vec<_> =
                group.versions().iter().map(|version| format!("{path}/{}", version.as_str())).collect();
            std::iter::once(path).chain(versions)
        };
        let fixed =
            ["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned);
        let mut paths: Vec<_> =
            std::iter::once("/apis".to_owned()).chain(Group::ALL.into_iter().flat_map(versions)).chain(fixed).collect();
        sort(&mut paths);
        Self { paths }
    }
}

impl Default for RootPaths {
    fn default() -> Self {
        Self::new()
    }
}

/// The resources in every form of discovery, without duplicates. The list is never empty, because kubectl reports an
/// empty one as a broken API: without configured metrics it contains a fixed placeholder.
pub(crate) fn listed(group: Group, mut resources: Vec<ApiResource>) -> Vec<ApiResource> {
    if resources.is_empty() {
        resources.push(match group {
            Group::Custom => ApiResource::new("namespaces", "custommetrics", false),
            Group::External => ApiResource::external("externalmetrics"),
        });
    }
    sort(&mut resources);
    resources.dedup();
    resources
}

fn group_version(group: Group, version: Version) -> String {
    format!("{}/{}", group.as_str(), version.as_str())
}

/// The type of the `meta/v1` objects below.
fn type_meta(kind: &'static str) -> TypeMeta {
    TypeMeta { kind, group: "", version: "v1" }
}

impl Object for ApiGroupList {
    fn type_meta(&self) -> TypeMeta {
        type_meta(self.kind)
    }

    fn json(&self, body: &mut Vec<u8>) {
        json::value(self, body);
    }
}

impl Message for ApiGroupList {
    fn fields(&self, fields: &mut Fields) {
        for group in &self.groups {
            fields.message(1, group);
        }
    }
}

impl Object for ApiGroup {
    fn type_meta(&self) -> TypeMeta {
        type_meta("APIGroup")
    }

    fn json(&self, body: &mut Vec<u8>) {
        json::value(self, body);
    }
}

impl Message for ApiGroup {
    fn fields(&self, fields: &mut Fields) {
        fields.string(1, self.name);
        for version in &self.versions {
            fields.message(2, version);
        }
        fields.message(3, &self.preferred_version);
    }
}

impl Message for GroupVersion {
    fn fields(&self, fields: &mut Fields) {
        fields.string(1, &self.group_version);
        fields.string(2, self.version);
    }
}

impl Object for ApiResourceList {
    fn type_meta(&self) -> TypeMeta {
        type_meta(self.kind)
    }

    fn json(&self, body: &mut Vec<u8>) {
        json::value(self, body);
    }
}

impl Message for ApiResourceList {
    fn fields(&self, fields: &mut Fields) {
        fields.string(1, &self.group_version);
        for resource in &self.resources {
            fields.message(2, resource);
        }
    }
}

/// Includes the fields that are never set: group, version and storageVersionHash.
impl Message for ApiResource {
    fn fields(&self, fields: &mut Fields) {
        fields.string(1, &self.name);
        fields.bool(2, self.namespaced);
        fields.string(3, self.kind);
        fields.message(4, &Verbs(&self.verbs));
        fields.string(6, self.singular_name);
        for field in 8..=10 {
            fields.string(field, "");
        }
    }
}

/// `verbs`, which is a separate message.
struct Verbs<'a>(&'a [&'static str]);

impl Message for Verbs<'_> {
    fn fields(&self, fields: &mut Fields) {
        fields.strings(1, self.0);
    }
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
            r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"custom.metrics.k8s.io","versions":[{"groupVersion":"custom.metrics.k8s.io/v1beta2","version":"v1beta2"},{"groupVersion":"custom.metrics.k8s.io/v1beta1","version":"v1beta1"}],"preferredVersion":{"groupVersion":"custom.metrics.k8s.io/v1beta2","version":"v1beta2"}},{"name":"external.metrics.k8s.io","versions":[{"groupVersion":"external.metrics.k8s.io/v1beta1","version":"v1beta1"}],"preferredVersion":{"groupVersion":"external.metrics.k8s.io/v1beta1","version":"v1beta1"}}]}"#
        );
        assert!(
            json(&ApiGroup::new(Group::Custom))
                .starts_with(r#"{"kind":"APIGroup","apiVersion":"v1","name":"custom.metrics.k8s.io","#)
        );
        let resources = vec![
            ApiResource::new("pods", "http_requests", true),
            ApiResource::new("namespaces", "quota", false),
            ApiResource::new("pods", "http_requests", true),
        ];
        assert_eq!(
            json(&ApiResourceList::new(Group::Custom, Version::V1Beta1, resources)),
            r#"{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"custom.metrics.k8s.io/v1beta1","resources":[{"name":"namespaces/quota","singularName":"","namespaced":false,"kind":"MetricValueList","verbs":["get"]},{"name":"pods/http_requests","singularName":"","namespaced":true,"kind":"MetricValueList","verbs":["get"]}]}"#
        );
    }

    #[test]
    fn is_never_empty() {
        let list = json(&ApiResourceList::new(Group::Custom, Version::V1Beta2, Vec::new()));
        assert!(list.contains(r#""resources":[{"name":"namespaces/custommetrics","#), "{list}");
        assert_eq!(
            json(&ApiResourceList::new(Group::External, Version::V1Beta1, Vec::new())),
            r#"{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"external.metrics.k8s.io/v1beta1","resources":[{"name":"externalmetrics","singularName":"","namespaced":true,"kind":"ExternalMetricValueList","verbs":["get"]}]}"#
        );
    }

    #[test]
    fn lists_the_known_paths() {
        assert_eq!(
            json(&RootPaths::new()),
            r#"{"paths":["/apis","/apis/custom.metrics.k8s.io","/apis/custom.metrics.k8s.io/v1beta1","/apis/custom.metrics.k8s.io/v1beta2","/apis/external.metrics.k8s.io","/apis/external.metrics.k8s.io/v1beta1","/healthz","/livez","/metrics","/openapi/v2","/openapi/v3","/readyz","/version"]}"#
        );
    }
}

//! `apidiscovery.k8s.io/v2` APIGroupDiscoveryList: one document with the content of all other discovery documents.

use std::collections::BTreeMap;

use serde::Serialize;

use super::discovery::ApiResource;
use super::status::Empty;
use crate::parse::path::{Group, Version};

/// `GET /apis` for clients that request aggregated discovery.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiGroupDiscoveryList<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    items: Vec<ApiGroupDiscovery<'a>>,
}

/// A group with the resources of each of its versions; see [`super::discovery::listed`].
pub(crate) struct GroupResources<'a> {
    pub group: Group,
    pub resources: &'a [ApiResource],
}

#[derive(Debug, Serialize)]
struct ApiGroupDiscovery<'a> {
    metadata: GroupMeta,
    versions: Vec<ApiVersionDiscovery<'a>>,
}

/// `meta/v1` ObjectMeta, reduced to the key in use.
#[derive(Debug, Serialize)]
struct GroupMeta {
    name: &'static str,
}

#[derive(Debug, Serialize)]
struct ApiVersionDiscovery<'a> {
    version: &'static str,
    resources: Vec<ApiResourceDiscovery<'a>>,
    freshness: &'static str,
}

/// A resource. It may belong to another group, like `pods`, and then has only subresources here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResourceDiscovery<'a> {
    resource: &'a str,
    response_kind: GroupVersionKind,
    scope: &'static str,
    singular_resource: &'static str,
    verbs: &'a [&'static str],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subresources: Vec<ApiSubresourceDiscovery<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiSubresourceDiscovery<'a> {
    subresource: &'a str,
    response_kind: GroupVersionKind,
    verbs: &'a [&'static str],
}

/// Empty for a resource that cannot be requested. An empty group or version means that of the list.
#[derive(Debug, Default, Serialize)]
struct GroupVersionKind {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
}

impl<'a> ApiGroupDiscoveryList<'a> {
    pub(crate) fn new(groups: &[GroupResources<'a>]) -> Self {
        let version = |of: &GroupResources<'a>, version: Version| ApiVersionDiscovery {
            version: version.as_str(),
            resources: resources(of, version),
            freshness: "Current",
        };
        let group = |of: &GroupResources<'a>| ApiGroupDiscovery {
            metadata: GroupMeta { name: of.group.as_str() },
            versions: of.group.versions().iter().map(|&name| version(of, name)).collect(),
        };
        Self {
            kind: "APIGroupDiscoveryList",
            api_version: "apidiscovery.k8s.io/v2",
            metadata: Empty {},
            items: groups.iter().map(group).collect(),
        }
    }
}

/// Each resource once, with its subresources.
fn resources<'a>(of: &GroupResources<'a>, version: Version) -> Vec<ApiResourceDiscovery<'a>> {
    let mut resources = BTreeMap::new();
    for listed in of.resources {
        let (resource, subresource) = match listed.name.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource)),
            None => (listed.name.as_str(), None),
        };
        let entry = resources.entry(resource).or_insert_with(|| ApiResourceDiscovery {
            resource,
            response_kind: GroupVersionKind::default(),
            // The resource's kind determines the scope of all its subresources.
            scope: if listed.namespaced { "Namespaced" } else { "Cluster" },
            singular_resource: listed.singular_name,
            verbs: &[],
            subresources: Vec::new(),
        });
        match subresource {
            Some(subresource) => {
                let response_kind = GroupVersionKind { kind: listed.kind, ..GroupVersionKind::default() };
                let verbs = &listed.verbs;
                entry.subresources.push(ApiSubresourceDiscovery { subresource, response_kind, verbs });
            }
            None => {
                let (group, version) = (of.group.as_str(), version.as_str());
                entry.response_kind = GroupVersionKind { group, version, kind: listed.kind };
                entry.verbs = &listed.verbs;
            }
        }
    }
    resources.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_shape_of_kubernetes() {
        let custom = ["pods/b", "pods/a", "pods.metrics.k8s.io/a", "namespaces/quota"].map(|name| {
            let (resource, metric) = name.split_once('/').unwrap();
            ApiResource::new(resource, metric, resource != "namespaces")
        });
        let external = [ApiResource::external("queue_depth")];
        let groups = [
            GroupResources { group: Group::Custom, resources: &custom },
            GroupResources { group: Group::External, resources: &external },
        ];
        let parent = r#""responseKind":{"group":"","version":"","kind":""}"#;
        let of_metric = |name| {
            let kind = r#""responseKind":{"group":"","version":"","kind":"MetricValueList"}"#;
            format!(r#"{{"subresource":"{name}",{kind},"verbs":["get"]}}"#)
        };
        let resource = |name, scope, subresources: &[String]| {
            let subresources = subresources.join(",");
            format!(
                r#"{{"resource":"{name}",{parent},"scope":"{scope}","singularResource":"","verbs":[],"subresources":[{subresources}]}}"#
            )
        };
        let custom = [
            resource("namespaces", "Cluster", &[of_metric("quota")]),
            resource("pods", "Namespaced", &[of_metric("b"), of_metric("a")]),
            resource("pods.metrics.k8s.io", "Namespaced", &[of_metric("a")]),
        ];
        let external = r#"{"resource":"queue_depth","responseKind":{"group":"external.metrics.k8s.io","version":"v1beta1","kind":"ExternalMetricValueList"},"scope":"Namespaced","singularResource":"","verbs":["get"]}"#;
        let version = |name: &str, resources: &str| {
            format!(r#"{{"version":"{name}","resources":[{resources}],"freshness":"Current"}}"#)
        };
        let group = |name: &str, versions: &[String]| {
            format!(r#"{{"metadata":{{"name":"{name}"}},"versions":[{}]}}"#, versions.join(","))
        };
        let items = [
            group("custom.metrics.k8s.io", &["v1beta2", "v1beta1"].map(|name| version(name, &custom.join(",")))),
            group("external.metrics.k8s.io", &[version("v1beta1", external)]),
        ];
        assert_eq!(
            serde_json::to_string(&ApiGroupDiscoveryList::new(&groups)).unwrap(),
            format!(
                r#"{{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{{}},"items":[{}]}}"#,
                items.join(",")
            )
        );
    }
}

//! A Pod as the Kubernetes API sends it, reduced to the fields that are needed to scrape it; and the metadata of any object.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A Pod (`core/v1`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PodObject {
    /// Its name, uid and annotations.
    pub metadata: Metadata,
    /// The Pod's spec.
    pub spec: Spec,
    /// The Pod's status.
    pub status: PodStatus,
}

/// `metadata` of any object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The object's name. A later object may have the same name.
    pub name: String,
    /// The object's uid, which is never reused.
    pub uid: String,
    /// Changes with each change of the object.
    pub resource_version: String,
    #[serde(deserialize_with = "or_none")]
    pub labels: BTreeMap<String, String>,
    /// Set while the object is being deleted.
    pub deletion_timestamp: Option<String>,
    /// Only the `prometheus.io/*` annotations for scraping are kept.
    #[serde(deserialize_with = "scraped")]
    pub annotations: Annotations,
    /// The object's controller: `ReplicaSet web-5d4f`.
    #[serde(rename = "ownerReferences", deserialize_with = "controller")]
    pub owner: Option<String>,
}

/// The `prometheus.io/*` annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Annotations {
    /// `prometheus.io/scrape`
    pub scrape: Option<String>,
    /// `prometheus.io/port`
    pub port: Option<String>,
    /// `prometheus.io/path`
    pub path: Option<String>,
    /// `prometheus.io/scheme`
    pub scheme: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// The name of its node; empty until it is scheduled.
    pub node_name: String,
    /// Whether the pod uses its node's network.
    pub host_network: bool,
    /// In the order of the spec.
    pub containers: Vec<Container>,
    /// Init containers; only sidecars (restartPolicy `Always`) matter here.
    pub init_containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    pub name: String,
    /// `Always` makes an init container a sidecar.
    pub restart_policy: Option<String>,
    /// In the order of the spec.
    pub ports: Vec<Port>,
}

/// A port of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    /// May be empty.
    pub name: String,
    /// The default is `TCP`.
    pub protocol: String,
    pub container_port: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Running`
    pub phase: String,
    /// `podIP`; empty until assigned.
    #[serde(rename = "podIP")]
    pub pod_ip: String,
    /// The time at which the kubelet accepted the pod.
    pub start_time: String,
    /// Whether the condition `Ready` is true.
    #[serde(rename = "conditions", deserialize_with = "ready")]
    pub is_ready: bool,
    pub container_statuses: Vec<ContainerStatus>,
    /// The status of each init container, including sidecars.
    pub init_container_statuses: Vec<ContainerStatus>,
}

/// The status of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// The number of restarts.
    pub restart_count: u64,
}

/// Any object, reduced to its metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    /// Its name, uid and annotations.
    pub metadata: Metadata,
}

/// A list, or one page of it.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(crate) struct List<T> {
    /// `PodList`
    #[serde(default)]
    pub kind: String,
    /// The metadata of the list, with the token for the next page.
    #[serde(default)]
    pub metadata: ListMetadata,
    #[serde(default = "Vec::new", deserialize_with = "or_none")]
    pub items: Vec<T>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListMetadata {
    /// The state of the cluster that the list is of.
    pub resource_version: String,
    /// The token for the next page; empty on the last page.
    pub r#continue: String,
}

/// `null`, which Go writes for an empty list or map, means none.
fn or_none<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// Keeps the four annotations in use.
fn scraped<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Annotations, D::Error> {
    let mut all = Option::<BTreeMap<String, String>>::deserialize(from)?.unwrap_or_default();
    let mut take = |name: &str| all.remove(name);
    Ok(Annotations {
        scrape: take("prometheus.io/scrape"),
        port: take("prometheus.io/port"),
        path: take("prometheus.io/path"),
        scheme: take("prometheus.io/scheme"),
    })
}

/// An owner reference or a condition, reduced to the keys in use.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Noted {
    kind: String,
    name: String,
    controller: bool,
    r#type: String,
    status: String,
}

/// Keeps the owner that is the controller.
fn controller<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let owners: Vec<Noted> = or_none(from)?;
    Ok(owners.into_iter().find(|owner| owner.controller).map(|owner| format!("{} {}", owner.kind, owner.name)))
}

/// Keeps the condition `Ready`.
fn ready<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let conditions: Vec<Noted> = or_none(from)?;
    Ok(conditions.iter().any(|condition| condition.r#type == "Ready" && condition.status == "True"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_list_without_items() {
        for text in [r#"{"kind":"PartialObjectMetadataList","items":null}"#, r#"{"kind":"PartialObjectMetadataList"}"#]
        {
            let list: List<Named> = serde_json::from_str(text).unwrap();
            assert_eq!((&*list.kind, list.items.len()), ("PartialObjectMetadataList", 0));
        }
    }
}

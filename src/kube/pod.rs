//! The fields of a Pod that are needed to scrape it, and the metadata of any object.

use core::net::IpAddr;
use std::collections::BTreeMap;

use serde::Deserialize;

/// A Pod (`core/v1`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Pod {
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// The items; `null`, which Go writes for an empty list, means none.
    #[serde(default = "Vec::new", deserialize_with = "or_none")]
    pub items: Vec<T>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListMetadata {
    /// The token for the next page; empty on the last page.
    pub r#continue: String,
}

impl Pod {
    /// The pod's IP address, if it is valid.
    pub fn address(&self) -> Option<IpAddr> {
        self.status.pod_ip.parse().ok()
    }

    /// The number of the port with this name: the first TCP port in the order of the spec.
    pub fn port(&self, name: &str) -> Option<u16> {
        self.ports().find(|(_, port)| port.name == name).map(|(_, port)| port.container_port)
    }

    /// The TCP ports with their containers, in the order of the spec.
    pub fn ports(&self) -> impl Iterator<Item = (&Container, &Port)> {
        let beside = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
        let containers = self.spec.init_containers.iter().filter(beside).chain(&self.spec.containers);
        let ports = containers.flat_map(|container| container.ports.iter().map(move |port| (container, port)));
        ports.filter(|(_, port)| port.protocol.is_empty() || port.protocol == "TCP")
    }

    /// An identifier that changes when a pod with the same name or address replaces this one, and when a container
    /// restarts.
    pub fn incarnation(&self) -> String {
        let PodStatus { container_statuses, init_container_statuses, .. } = &self.status;
        let containers = container_statuses.iter().chain(init_container_statuses);
        let restarts = containers.fold(0, |sum: u64, container| sum.saturating_add(container.restart_count));
        format!("{}@{}+{restarts}", self.metadata.uid, self.status.start_time)
    }

    /// The approximate size in memory, in bytes.
    pub fn cost(&self) -> usize {
        let ports = |containers: &[Container]| containers.iter().map(|c| 112 + 80 * c.ports.len()).sum::<usize>();
        576 + ports(&self.spec.containers) + ports(&self.spec.init_containers)
    }
}

fn or_none<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
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
    fn reads_what_matters() {
        let list = br#"{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"next"},"items":[{
            "metadata":{"name":"web-0","uid":"u","ownerReferences":[{"kind":"Node","name":"n"},{"kind":"ReplicaSet","name":"web-5d","controller":true}],"labels":{"app":"web"},"annotations":{"prometheus.io/port":"9","x":"y"}},
            "spec":{"hostNetwork":true,"initContainers":[
                {"name":"once","ports":[{"name":"metrics","containerPort":1}]},
                {"name":"sidecar","restartPolicy":"Always","ports":[{"name":"proxy","containerPort":2}]}],
              "containers":[{"ports":[{"name":"metrics","protocol":"UDP","containerPort":3},{"name":"metrics","protocol":"TCP","containerPort":4}]}]},
            "status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"podIP":"fd00::1","startTime":"2026-08-18T02:35:04Z",
              "containerStatuses":[{"restartCount":2}],"initContainerStatuses":[{"restartCount":0},{"restartCount":1}]}},
            {"metadata":{"name":"new","deletionTimestamp":"2026-08-18T02:35:04Z","annotations":null}}]}"#;
        let list: List<Pod> = serde_json::from_slice(list).unwrap();
        let [web, new] = &list.items[..] else { panic!("{list:?}") };
        assert_eq!(list.metadata.r#continue, "next");
        assert_eq!(web.address(), Some("fd00::1".parse().unwrap()));
        assert_eq!((web.port("metrics"), web.port("proxy"), web.port("x")), (Some(4), Some(2), None));
        assert_eq!((web.metadata.annotations.port.as_deref(), &*web.status.phase), (Some("9"), "Running"));
        assert!(web.spec.host_network && new.metadata.deletion_timestamp.is_some());
        assert_eq!(web.incarnation(), "u@2026-08-18T02:35:04Z+3");
        assert_eq!((web.metadata.owner.as_deref(), web.status.is_ready), (Some("ReplicaSet web-5d"), true));
        assert_eq!((new.address(), new.port("metrics")), (None, None));
        assert_eq!((new.metadata.owner.as_deref(), new.status.is_ready), (None, false));
    }

    #[test]
    fn takes_a_list_without_items() {
        for text in [r#"{"kind":"PartialObjectMetadataList","items":null}"#, r#"{"kind":"PartialObjectMetadataList"}"#]
        {
            let list: List<Named> = serde_json::from_str(text).unwrap();
            assert_eq!((&*list.kind, list.items.len()), ("PartialObjectMetadataList", 0));
        }
    }
}

//! A Pod as the Kubernetes API sends it, reduced to the fields that scraping needs; and the metadata of any object.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A Pod (`core/v1`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PodObject {
    /// Its name, uid and annotations.
    #[serde(deserialize_with = "or_none")]
    pub metadata: Metadata,
    /// The Pod's spec.
    #[serde(deserialize_with = "or_none")]
    pub spec: Spec,
    /// The Pod's status.
    #[serde(deserialize_with = "or_none")]
    pub status: PodStatus,
}

/// `metadata` of any object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The object's name. A later object may have the same name.
    #[serde(deserialize_with = "or_none")]
    pub name: String,
    /// The object's uid, which is never reused.
    #[serde(deserialize_with = "or_none")]
    pub uid: String,
    /// The resource version, which changes with each change of the object.
    #[serde(deserialize_with = "or_none")]
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
    #[serde(deserialize_with = "or_none")]
    pub node_name: String,
    /// Whether the pod uses its node's network.
    #[serde(deserialize_with = "or_none")]
    pub host_network: bool,
    /// In the order of the spec.
    #[serde(deserialize_with = "or_none")]
    pub containers: Vec<Container>,
    /// Init containers; only sidecars (restartPolicy `Always`) matter here.
    #[serde(deserialize_with = "or_none")]
    pub init_containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    #[serde(deserialize_with = "or_none")]
    pub name: String,
    /// `Always` makes an init container a sidecar.
    pub restart_policy: Option<String>,
    /// In the order of the spec.
    #[serde(deserialize_with = "or_none")]
    pub ports: Vec<Port>,
}

/// A port of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    /// May be empty.
    #[serde(deserialize_with = "or_none")]
    pub name: String,
    /// The default is `TCP`.
    #[serde(deserialize_with = "or_none")]
    pub protocol: String,
    #[serde(deserialize_with = "or_none")]
    pub container_port: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Running`
    #[serde(deserialize_with = "or_none")]
    pub phase: String,
    /// `podIP`; empty until assigned.
    #[serde(rename = "podIP", deserialize_with = "or_none")]
    pub pod_ip: String,
    /// The time at which the kubelet accepted the pod.
    #[serde(deserialize_with = "or_none")]
    pub start_time: String,
    /// Whether the condition `Ready` is true.
    #[serde(rename = "conditions", deserialize_with = "ready")]
    pub is_ready: bool,
    #[serde(deserialize_with = "or_none")]
    pub container_statuses: Vec<ContainerStatus>,
    /// The status of each init container, including sidecars.
    #[serde(deserialize_with = "or_none")]
    pub init_container_statuses: Vec<ContainerStatus>,
}

/// The status of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// The number of restarts.
    #[serde(deserialize_with = "count")]
    pub restart_count: u64,
}

/// Any object, reduced to its metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    /// Its name, uid and annotations.
    #[serde(deserialize_with = "or_none")]
    pub metadata: Metadata,
}

/// `null`, which Go writes for an empty list or map, means none, and the default of any other field.
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
struct OwnerOrCondition {
    #[serde(deserialize_with = "or_none")]
    kind: String,
    #[serde(deserialize_with = "or_none")]
    name: String,
    #[serde(deserialize_with = "or_none")]
    controller: bool,
    #[serde(deserialize_with = "or_none")]
    r#type: String,
    #[serde(deserialize_with = "or_none")]
    status: String,
}

/// Keeps the owner that is the controller.
fn controller<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let owners: Vec<OwnerOrCondition> = or_none(from)?;
    Ok(owners.into_iter().find(|owner| owner.controller).map(|owner| format!("{} {}", owner.kind, owner.name)))
}

/// Keeps the condition `Ready`.
fn ready<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let conditions: Vec<OwnerOrCondition> = or_none(from)?;
    Ok(conditions.iter().any(|condition| condition.r#type == "Ready" && condition.status == "True"))
}

/// `-1`, which no kubelet writes, must not make the whole list unreadable.
fn count<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let count = Option::<i64>::deserialize(from)?;
    Ok(count.and_then(|count| count.try_into().ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Each field may be null, at any depth, as if it were absent.
    #[test]
    fn reads_null_as_absent() {
        let whole = json!({"metadata": {"name": "web-0", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"},
            "deletionTimestamp": "t", "annotations": {"prometheus.io/port": "9"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": true}]},
            "spec": {"nodeName": "n1", "hostNetwork": true,
                "containers": [{"name": "app", "restartPolicy": "Always",
                    "ports": [{"name": "metrics", "protocol": "TCP", "containerPort": 80}]}],
                "initContainers": [{"name": "proxy", "ports": [{"name": "x"}]}]},
            "status": {"phase": "Running", "podIP": "10.0.0.1", "startTime": "t",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"restartCount": 1}], "initContainerStatuses": [{"restartCount": 2}]}});
        let mut fields = Vec::new();
        find(&whole, "", &mut fields);
        assert!(fields.len() > 25, "{fields:?}");
        for field in fields {
            let (mut null, mut absent) = (whole.clone(), whole.clone());
            *null.pointer_mut(&field).unwrap() = Value::Null;
            let (parent, key) = field.rsplit_once('/').unwrap();
            absent.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
            let read = |value| serde_json::from_value::<PodObject>(value);
            assert_eq!(read(null).expect(&field), read(absent).unwrap(), "{field}");
        }
    }

    /// The JSON pointers of all fields, except for keys that are data.
    fn find(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields.iter().filter(|_| !at.ends_with("labels") && !at.ends_with("annotations")) {
                    found.push(format!("{at}/{key}"));
                    find(value, &format!("{at}/{key}"), found);
                }
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, item)| find(item, &format!("{at}/{n}"), found));
            }
            _ => {}
        }
    }

    #[test]
    fn reads_negative_counts_as_zero() {
        for (text, expected) in [("-1", 0), ("0", 0), ("7", 7), ("null", 0)] {
            let status: ContainerStatus = serde_json::from_str(&format!(r#"{{"restartCount":{text}}}"#)).unwrap();
            assert_eq!(status.restart_count, expected, "{text}");
        }
    }
}

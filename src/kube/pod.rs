//! A Pod in few bytes: the fields that scraping needs. Pods of one workload share the parts that they have in common.

use core::net::IpAddr;
use std::fmt::{self, Write};
use std::sync::Arc;

use super::pod_labels::PodLabels;
use super::pod_object::{Annotations, Container, PodObject};

/// A Pod. A `PodPool` makes it from a [`PodObject`].
#[derive(Clone, PartialEq, Eq)]
pub struct Pod {
    /// Name, uid and start time, concatenated.
    text: Box<str>,
    name_end: u32,
    uid_end: u32,
    restarts: u32,
    address: Option<IpAddr>,
    phase: PodPhase,
    is_ready: bool,
    is_terminating: bool,
    node: Arc<str>,
    /// As [`PodLabels`] reads it.
    labels: Arc<str>,
    template: Arc<PodTemplate>,
}

/// `status.phase` of a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodPhase {
    Pending,
    Running,
    Succeeded,
    Failed,
    /// Any other phase, or none.
    Unknown,
}

/// The maximum number of ports that are kept of a pod: ten times as many as media servers declare. An object of 1.5 MiB
/// may have 50,000.
const MAX_PORTS: usize = 1_000;

/// The fields that pods take from the template of their workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PodTemplate {
    annotations: Annotations,
    /// `ReplicaSet web-5d4f`
    owner: Option<Box<str>>,
    host_network: bool,
    /// In the order of the spec.
    ports: Box<[PodPort]>,
}

/// A TCP port of a container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodPort {
    /// The name of its container.
    pub container: Box<str>,
    /// May be empty.
    pub name: Box<str>,
    pub number: u16,
}

/// The parts that pods may share.
pub(super) struct SharedParts {
    pub(super) node: Arc<str>,
    /// As `PodLabels` writes it.
    pub(super) labels: Arc<str>,
    pub(super) template: Arc<PodTemplate>,
}

impl Pod {
    /// Reduces an object, except for the shared parts.
    pub(super) fn new(object: &PodObject, parts: SharedParts) -> Self {
        let PodObject { metadata, status, .. } = object;
        let text = [&*metadata.name, &metadata.uid, &status.start_time].concat();
        let end = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let containers = status.container_statuses.iter().chain(&status.init_container_statuses);
        let restarts = containers.fold(0, |sum: u64, container| sum.saturating_add(container.restart_count));
        let SharedParts { node, labels, template } = parts;
        Self {
            text: text.into(),
            name_end: end(metadata.name.len()),
            uid_end: end(metadata.name.len() + metadata.uid.len()),
            restarts: u32::try_from(restarts).unwrap_or(u32::MAX),
            address: status.pod_ip.parse().ok(),
            phase: PodPhase::named(&status.phase),
            is_ready: status.is_ready,
            is_terminating: metadata.deletion_timestamp.is_some(),
            node,
            labels,
            template,
        }
    }

    /// Its name, which a later pod may reuse.
    pub fn name(&self) -> &str {
        self.text.get(..self.name_end as usize).unwrap_or_default()
    }

    /// Its IP address, if it has a valid one.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Its phase.
    pub fn phase(&self) -> PodPhase {
        self.phase
    }

    /// Whether its condition `Ready` is true.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether it is being deleted.
    pub fn is_terminating(&self) -> bool {
        self.is_terminating
    }

    /// The name of its node; empty until it is scheduled.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Its labels.
    pub fn labels(&self) -> PodLabels<'_> {
        PodLabels::new(&self.labels, self.name())
    }

    /// Its annotations about scraping.
    pub fn annotations(&self) -> &Annotations {
        &self.template.annotations
    }

    /// Its controller: `ReplicaSet web-5d4f`.
    pub fn owner(&self) -> Option<&str> {
        self.template.owner.as_deref()
    }

    /// Whether it uses its node's network.
    pub fn is_on_host_network(&self) -> bool {
        self.template.host_network
    }

    /// The TCP ports of its containers and sidecars, in the order of the spec.
    pub fn ports(&self) -> &[PodPort] {
        &self.template.ports
    }

    /// The number of the port with this name: the first one in the order of the spec.
    pub fn port(&self, name: &str) -> Option<u16> {
        self.ports().iter().find(|port| &*port.name == name).map(|port| port.number)
    }

    /// An identifier that changes when a pod with the same name or address replaces this one, and when a container
    /// restarts.
    pub fn incarnation(&self) -> String {
        let mut text = String::new();
        // Writing to memory cannot fail.
        let _ = self.write_incarnation(&mut text);
        text
    }

    /// Writes [`Self::incarnation`].
    pub(crate) fn write_incarnation(&self, to: &mut impl Write) -> fmt::Result {
        let uid = self.text.get(self.name_end as usize..self.uid_end as usize).unwrap_or_default();
        let start = self.text.get(self.uid_end as usize..).unwrap_or_default();
        let mut buffer = itoa::Buffer::new();
        let restarts = buffer.format(self.restarts);
        [uid, "@", start, "+", restarts].iter().try_for_each(|part| to.write_str(part))
    }

    /// The pod's size in memory in bytes, including the allocator's headers, without the shared parts.
    pub fn cost(&self) -> usize {
        // The Arc and its text: an allocator header of two words each, and rounding.
        size_of::<Self>() + self.text.len() + 16 + 2 * 16 + 2 * 8
    }
}

impl PodPhase {
    fn named(phase: &str) -> Self {
        match phase {
            "Pending" => Self::Pending,
            "Running" => Self::Running,
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            _ => Self::Unknown,
        }
    }

    /// The phase as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

impl PodTemplate {
    pub(super) fn of(object: &mut PodObject) -> Self {
        let beside = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
        let spec = &object.spec;
        let containers = spec.init_containers.iter().filter(beside).chain(&spec.containers);
        let ports = containers.flat_map(|container| {
            let tcp = container.ports.iter().filter(|port| port.protocol.is_empty() || port.protocol == "TCP");
            tcp.map(|port| PodPort {
                container: (*container.name).into(),
                name: (*port.name).into(),
                number: port.container_port,
            })
        });
        Self {
            ports: ports.take(MAX_PORTS).collect(),
            host_network: spec.host_network,
            annotations: std::mem::take(&mut object.metadata.annotations),
            owner: object.metadata.owner.take().map(String::into_boxed_str),
        }
    }

    /// Its approximate size in memory, in bytes.
    pub(super) fn cost(&self) -> usize {
        let ports = self.ports.iter().map(|port| size_of::<PodPort>() + port.container.len() + port.name.len() + 32);
        let Annotations { scrape, port, path, scheme } = &self.annotations;
        let texts = [scrape, port, path, scheme].map(|text| text.as_ref().map_or(0, |text| text.len() + 16));
        let owner = self.owner.as_ref().map_or(0, |owner| owner.len() + 16);
        size_of::<Self>() + 32 + owner + texts.iter().sum::<usize>() + ports.sum::<usize>()
    }
}

impl fmt::Debug for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pod({} {} {})", self.name(), self.incarnation(), self.phase.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeSeed;

    use super::*;
    use crate::kube::object_list::ObjectList;

    #[test]
    fn reads_the_fields_in_use() {
        let list = br#"{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"next"},"items":[{
            "metadata":{"name":"web-0","uid":"u","resourceVersion":"5","ownerReferences":[{"kind":"Node","name":"n"},{"kind":"ReplicaSet","name":"web-5d","controller":true}],"labels":{"app":"web"},"annotations":{"prometheus.io/port":"9","x":"y"}},
            "spec":{"hostNetwork":true,"nodeName":"n1","initContainers":[
                {"name":"once","ports":[{"name":"metrics","containerPort":1}]},
                {"name":"sidecar","restartPolicy":"Always","ports":[{"name":"proxy","containerPort":2}]}],
              "containers":[{"ports":[{"name":"metrics","protocol":"UDP","containerPort":3},{"name":"metrics","protocol":"TCP","containerPort":4}]}]},
            "status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"podIP":"fd00::1","startTime":"2026-08-18T02:35:04Z",
              "containerStatuses":[{"restartCount":2}],"initContainerStatuses":[{"restartCount":0},{"restartCount":1}]}},
            {"metadata":{"name":"new","deletionTimestamp":"2026-08-18T02:35:04Z","annotations":null,"labels":null}}]}"#;
        let mut pods: Vec<Pod> = Vec::new();
        let mut take = |object: PodObject| {
            pods.push(Pod::from(object));
            true
        };
        let list = ObjectList(&mut take).deserialize(&mut serde_json::Deserializer::from_slice(list)).unwrap();
        assert_eq!((&*list.metadata.r#continue, &*list.metadata.resource_version), ("next", "7"));
        let [web, new] = &pods[..] else { panic!("{pods:?}") };
        assert_eq!((web.name(), new.name()), ("web-0", "new"));
        assert_eq!(web.address(), Some("fd00::1".parse().unwrap()));
        assert_eq!((web.port("metrics"), web.port("proxy"), web.port("x")), (Some(4), Some(2), None));
        assert_eq!((web.annotations().port.as_deref(), web.phase()), (Some("9"), PodPhase::Running));
        assert!(web.is_on_host_network() && new.is_terminating() && !web.is_terminating());
        assert_eq!((web.incarnation(), new.incarnation()), ("u@2026-08-18T02:35:04Z+3".into(), "@+0".into()));
        assert_eq!((web.owner(), web.is_ready(), web.node()), (Some("ReplicaSet web-5d"), true, "n1"));
        assert_eq!((web.labels().get("app"), new.labels().get("app")), (Some("web"), None));
        assert_eq!((new.address(), new.port("metrics"), new.phase()), (None, None, PodPhase::Unknown));
        assert_eq!((new.owner(), new.is_ready(), new.node()), (None, false, ""));
    }
}

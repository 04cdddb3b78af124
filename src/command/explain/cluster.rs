//! The state of a cluster: HPAs, scales, pods, APIServices, the configuration of the server in it, and responses.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::found::{Answered, Answers, ConfigFile};
use crate::autoscaling::calculator::{Phase, PodState, Workload};
use crate::autoscaling::decision::ZeroSupport;
use crate::autoscaling::manifest::ObjectRef;
use crate::autoscaling::request_path;
use crate::command::local_answer::printable;
use crate::config::file;
use crate::config::limits::Limits;
use crate::kube::pod::Pod;
use crate::kube::pod_list::PodList;
use crate::kube_api::client::Client;
use crate::kube_api::objects::{self, Selection};
use crate::parse::path::CUSTOM_METRICS;
use crate::parse::percent::Encoded;

/// The ConfigMap of the manifests, and the key of its configuration.
const CONFIG_MAP: (&str, &str) = ("custom-metrics-config", "metrics.yaml");

/// The minor version of Kubernetes that scales to zero with the condition `ScaledToZero`.
const SCALES_TO_ZERO: u32 = 37;

/// A cluster.
pub(super) struct Cluster<'a> {
    client: Arc<Client>,
    limits: &'a Limits,
}

/// The workload of an HPA.
pub(super) struct Scaled {
    pub workload: Workload,
    pub selector: String,
    /// Pods that match the selector, but are controlled by another workload.
    pub foreign_pods: Vec<String>,
}

impl<'a> Cluster<'a> {
    pub(super) fn new(client: Arc<Client>, limits: &'a Limits) -> Self {
        Self { client, limits }
    }

    /// An object as JSON; `None` if it does not exist.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn object(&self, path: &str) -> Result<Option<Value>, String> {
        let (code, body) = self.client.look(path).map_err(|error| error.detail())?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        match code {
            200 => Ok(Some(body)),
            404 => Ok(None),
            code => {
                let message = body.get("message").and_then(Value::as_str).unwrap_or_default();
                Err(format!("GET {path}: {code}: {}", printable(message)))
            }
        }
    }

    /// An HPA as JSON, without managedFields and annotations.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn hpa(&self, namespace: &str, name: &str) -> Result<Option<String>, String> {
        let path = format!(
            "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/{}",
            Encoded::in_segment(name)
        );
        let mut hpa = self.object(&path)?;
        if let Some(metadata) = hpa.as_mut().and_then(|hpa| hpa.get_mut("metadata")).and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            metadata.remove("annotations");
        }
        Ok(hpa.map(|hpa| hpa.to_string()))
    }

    /// The workload of an HPA.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn scaled(&self, namespace: &str, target: &ObjectRef<'_>) -> Result<Scaled, String> {
        let (resource, _) = match request_path::builtin(target) {
            Some(kind) => (kind.resource.to_owned(), true),
            None => self.resource(target).ok_or_else(|| format!("the API server has no kind {}", target.kind))?,
        };
        let plural = resource.split('.').next().unwrap_or_default();
        let (root, name) = (root(target.api_version), Encoded::in_segment(target.name));
        let path = format!("{root}/namespaces/{namespace}/{plural}/{name}/scale");
        let scale = self.object(&path)?.ok_or_else(|| format!("{} {} does not exist", target.kind, target.name))?;
        let count =
            |pointer| scale.pointer(pointer).and_then(Value::as_i64).and_then(|count| i32::try_from(count).ok());
        let selector = scale.pointer("/status/selector").and_then(Value::as_str).unwrap_or_default().to_owned();
        let deadline = Instant::now() + self.limits.objects.timeout * 2;
        let selection = Selection { namespace: Some(namespace), label_selector: &selector, name: None };
        let pods = match selector.is_empty() {
            true => PodList::default(),
            false => {
                let listed = objects::pods(&self.client, selection, None, self.limits, deadline);
                listed.map_err(|error| error.detail())?.items
            }
        };
        let is_foreign = |owner: &str| match target.kind {
            "Deployment" => {
                owner.strip_prefix("ReplicaSet ").and_then(|name| name.rsplit_once('-')).map(|(of, _)| of)
                    != Some(target.name)
            }
            "ReplicaSet" | "StatefulSet" => owner != format!("{} {}", target.kind, target.name),
            _ => false,
        };
        let foreign_pods = pods.iter().filter(|pod| pod.owner().is_none_or(is_foreign));
        let foreign_pods = foreign_pods.map(|pod| match pod.owner() {
            Some(owner) => format!("{} of {owner}", pod.name()),
            None => pod.name().to_owned(),
        });
        let foreign_pods = foreign_pods.collect();
        let state = |pod: &Pod| PodState {
            phase: Phase::named(pod.phase().as_str()),
            is_terminating: pod.is_terminating(),
            is_ready: pod.is_ready(),
            name: pod.name().to_owned(),
        };
        let workload = Workload {
            replicas: count("/spec/replicas").unwrap_or_default(),
            present: count("/status/replicas").unwrap_or_default(),
            pods: pods.iter().map(state).collect(),
        };
        Ok(Scaled { workload, selector, foreign_pods })
    }

    /// The support for scaling to zero in the cluster's version.
    pub(super) fn zero(&self) -> ZeroSupport {
        let version = self.object("/version").ok().flatten().unwrap_or_default();
        let minor = version.get("minor").and_then(Value::as_str).unwrap_or_default();
        let minor = minor.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u32>();
        match minor.is_ok_and(|minor| minor < SCALES_TO_ZERO) {
            true => ZeroSupport::Gate,
            false => ZeroSupport::Condition,
        }
    }

    /// The configuration of the server in the cluster, if it was installed from Metriclet's manifests and may be read.
    pub(super) fn config(&self) -> Option<ConfigFile> {
        let service = self.api_service(CUSTOM_METRICS, request_path::PREFERRED).ok().flatten()?;
        let namespace = service.pointer("/spec/service/namespace")?.as_str()?;
        let (name, key) = CONFIG_MAP;
        let map = self.object(&format!("/api/v1/namespaces/{namespace}/configmaps/{name}")).ok().flatten()?;
        let text = map.get("data")?.get(key)?.as_str()?;
        let config = file::load(text.as_bytes(), self.limits).config;
        Some(ConfigFile { name: format!("ConfigMap {namespace}/{name}"), config })
    }

    fn api_service(&self, group: &str, version: &str) -> Result<Option<Value>, String> {
        self.object(&format!("/apis/apiregistration.k8s.io/v1/apiservices/{version}.{group}"))
    }

    /// The server of a path.
    fn server(&self, path: &str) -> Option<String> {
        let mut segments = path.split('/').skip(2);
        let (group, version) = (segments.next()?, segments.next()?);
        let name = format!("{version}.{group}");
        let service = match self.api_service(group, version) {
            Ok(Some(service)) => service,
            Ok(None) => return Some(format!("no server: APIService {name} does not exist")),
            Err(why) => return Some(format!("APIService {name}: {why}")),
        };
        let text = |pointer| service.pointer(pointer).and_then(Value::as_str);
        let of = match (text("/spec/service/namespace"), text("/spec/service/name")) {
            (Some(namespace), Some(service)) => format!("Service {namespace}/{service}"),
            _ => "kube-apiserver itself".to_owned(),
        };
        let conditions = service.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        let available =
            conditions.into_iter().find(|condition| condition.get("type").is_some_and(|it| it == "Available"));
        let text = |key| available.and_then(|condition| condition.get(key)).and_then(Value::as_str).unwrap_or_default();
        let state = match text("status") {
            "True" => "available".to_owned(),
            _ => format!("not available: {} {}", text("reason"), text("message")),
        };
        Some(format!("{of}, through APIService {name}, {state}"))
    }
}

impl Answers for Cluster<'_> {
    fn answer(&self, path: &str) -> Answered {
        let server = self.server(path);
        match self.client.look(path) {
            Ok((code, body)) => Answered { code, body, server, events: Vec::new() },
            Err(error) => Answered { code: 0, body: error.detail().into_bytes(), server, events: Vec::new() },
        }
    }

    fn version(&self) -> String {
        let group = self.object(&format!("/apis/{CUSTOM_METRICS}")).ok().flatten().unwrap_or_default();
        let preferred = group.pointer("/preferredVersion/version").and_then(Value::as_str);
        preferred.unwrap_or(request_path::PREFERRED).to_owned()
    }

    fn resource(&self, object: &ObjectRef<'_>) -> Option<(String, bool)> {
        let list = self.object(&root(object.api_version)).ok().flatten()?;
        let is_it = |resource: &&Value| {
            let text = |key| resource.get(key).and_then(Value::as_str).unwrap_or_default();
            text("kind") == object.kind && !text("name").contains('/')
        };
        let resource = list.get("resources")?.as_array()?.iter().find(is_it)?;
        let name = resource.get("name")?.as_str()?;
        let group = object.group();
        let whole = if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") };
        Some((whole, resource.get("namespaced")?.as_bool()?))
    }
}

/// The path of an API version: `/apis/apps/v1`, `/api/v1`.
fn root(api_version: &str) -> String {
    let root = if api_version.contains('/') { "/apis" } else { "/api" };
    format!("{root}/{}", if api_version.is_empty() { "v1" } else { api_version })
}

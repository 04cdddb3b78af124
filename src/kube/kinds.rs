//! Kubernetes' built-in kinds, so that discovery needs no call to the API server.
//!
//! The list contains all kinds of the core and apps groups (Kubernetes 1.36), and those of four more groups that HPAs
//! use.

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Plural resource, with its group unless that is core: `services`, `deployments.apps`.
    pub resource: &'static str,
    /// `Service`, `Deployment`.
    pub kind: &'static str,
    /// `v1`, `apps/v1`.
    pub api_version: &'static str,
    /// Whether the kind is namespaced.
    pub namespaced: bool,
    /// `service`, `deployment`; also the label that exporters use for the object's name.
    pub singular: &'static str,
}

/// The kind of a fully qualified resource: `services`, `deployments.apps`.
pub(crate) fn lookup(resource: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.resource == resource)
}

/// All kinds.
pub(crate) fn all() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter()
}

/// The kind that was probably meant by a singular, a kind's name, or a plural with a missing or wrong group.
pub(crate) fn suggest(written: &str) -> Option<&'static Kind> {
    let written = written.to_ascii_lowercase();
    let word = written.split('.').next().unwrap_or_default();
    KINDS.iter().find(|kind| word == kind.singular || word == kind.plural())
}

impl Kind {
    /// The label that names an object of this kind on a page of metrics.
    ///
    /// A Job has none, because the label `job` is that of the scrape job.
    pub fn label(&self) -> Option<&'static str> {
        (self.kind != "Job").then_some(self.singular)
    }

    fn plural(&self) -> &'static str {
        self.resource.split('.').next().unwrap_or_default()
    }
}

const fn namespaced(
    resource: &'static str,
    kind: &'static str,
    api_version: &'static str,
    singular: &'static str,
) -> Kind {
    Kind { resource, kind, api_version, namespaced: true, singular }
}

const fn root(resource: &'static str, kind: &'static str, api_version: &'static str, singular: &'static str) -> Kind {
    Kind { resource, kind, api_version, namespaced: false, singular }
}

const KINDS: &[Kind] = &[
    namespaced("bindings", "Binding", "v1", "binding"),
    root("componentstatuses", "ComponentStatus", "v1", "componentstatus"),
    namespaced("configmaps", "ConfigMap", "v1", "configmap"),
    namespaced("endpoints", "Endpoints", "v1", "endpoints"),
    namespaced("events", "Event", "v1", "event"),
    namespaced("limitranges", "LimitRange", "v1", "limitrange"),
    root("namespaces", "Namespace", "v1", "namespace"),
    root("nodes", "Node", "v1", "node"),
    namespaced("persistentvolumeclaims", "PersistentVolumeClaim", "v1", "persistentvolumeclaim"),
    root("persistentvolumes", "PersistentVolume", "v1", "persistentvolume"),
    namespaced("pods", "Pod", "v1", "pod"),
    namespaced("podtemplates", "PodTemplate", "v1", "podtemplate"),
    namespaced("replicationcontrollers", "ReplicationController", "v1", "replicationcontroller"),
    namespaced("resourcequotas", "ResourceQuota", "v1", "resourcequota"),
    namespaced("secrets", "Secret", "v1", "secret"),
    namespaced("serviceaccounts", "ServiceAccount", "v1", "serviceaccount"),
    namespaced("services", "Service", "v1", "service"),
    namespaced("controllerrevisions.apps", "ControllerRevision", "apps/v1", "controllerrevision"),
    namespaced("daemonsets.apps", "DaemonSet", "apps/v1", "daemonset"),
    namespaced("deployments.apps", "Deployment", "apps/v1", "deployment"),
    namespaced("replicasets.apps", "ReplicaSet", "apps/v1", "replicaset"),
    namespaced("statefulsets.apps", "StatefulSet", "apps/v1", "statefulset"),
    namespaced("cronjobs.batch", "CronJob", "batch/v1", "cronjob"),
    namespaced("jobs.batch", "Job", "batch/v1", "job"),
    namespaced("ingresses.networking.k8s.io", "Ingress", "networking.k8s.io/v1", "ingress"),
    namespaced(
        "horizontalpodautoscalers.autoscaling",
        "HorizontalPodAutoscaler",
        "autoscaling/v2",
        "horizontalpodautoscaler",
    ),
    namespaced("poddisruptionbudgets.policy", "PodDisruptionBudget", "policy/v1", "poddisruptionbudget"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_up() {
        for (resource, expected) in [
            ("services", Some(("Service", "v1", true, Some("service")))),
            ("nodes", Some(("Node", "v1", false, Some("node")))),
            ("deployments.apps", Some(("Deployment", "apps/v1", true, Some("deployment")))),
            ("jobs.batch", Some(("Job", "batch/v1", true, None))),
            ("cronjobs.batch", Some(("CronJob", "batch/v1", true, Some("cronjob")))),
            ("deployments", None),
            ("Services", None),
            ("service", None),
            ("", None),
        ] {
            let found = lookup(resource).map(|kind| (kind.kind, kind.api_version, kind.namespaced, kind.label()));
            assert_eq!(found, expected, "{resource}");
        }
    }

    #[test]
    fn suggests() {
        for (written, meant) in [
            ("deployments", Some("deployments.apps")),
            ("deployment", Some("deployments.apps")),
            ("Deployment", Some("deployments.apps")),
            ("deployments.extensions", Some("deployments.apps")),
            ("service", Some("services")),
            ("services.core", Some("services")),
            ("ingress", Some("ingresses.networking.k8s.io")),
            ("endpoint", None),
            ("foos", None),
            ("", None),
        ] {
            assert_eq!(suggest(written).map(|kind| kind.resource), meant, "{written}");
        }
    }

    /// Each api_version has the resource's group, and each kind has the letters of the singular.
    #[test]
    fn is_consistent() {
        for kind in KINDS {
            let group = kind.resource.split_once('.').map_or("", |(_, group)| group);
            assert_eq!(kind.api_version.rsplit_once('/').map_or("", |(group, _)| group), group, "{kind:?}");
            assert_eq!(kind.kind.to_ascii_lowercase(), kind.singular, "{kind:?}");
            assert_eq!(lookup(kind.resource), Some(kind));
        }
    }
}

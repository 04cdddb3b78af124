//! HorizontalPodAutoscalers for the status page, read from the Kubernetes API.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::autoscaling::manifest::{Condition, Hpa, MetricKind, MetricSpec, MetricTarget, ObjectRef};
use crate::kube::meta::Time;
use crate::parse::quantity::Milli;
use crate::parse::yaml::Node;

/// The HPAs on custom and external metrics; those with problems come first.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HpasStatus {
    /// The time of the list; none without a list.
    pub(crate) listed: Option<Time>,
    /// Why there is no list, or no recent one.
    pub(crate) problem: Option<String>,
    /// The number of HPAs with problems, of all that were listed.
    pub(crate) wrong: usize,
    /// The number of HPAs that are left out because there are too many.
    pub(crate) left_out: usize,
    pub(crate) items: Vec<HpaStatus>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HpaStatus {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The scaled workload.
    pub(crate) target: Option<ObjectStatus>,
    pub(crate) min_replicas: i32,
    pub(crate) max_replicas: Option<i32>,
    pub(crate) current_replicas: Option<i32>,
    pub(crate) desired_replicas: Option<i32>,
    /// The metrics, without CPU and memory.
    pub(crate) metrics: Vec<HpaMetricStatus>,
    pub(crate) conditions: Vec<ConditionStatus>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HpaMetricStatus {
    /// `Pods`, `Object` or `External`.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    /// The object that the metric describes, of type `Object`.
    pub(crate) object: Option<ObjectStatus>,
    /// The label selector of the metric; empty without one.
    pub(crate) selector: String,
    pub(crate) target: Option<f64>,
    /// Whether the target is an average per pod.
    pub(crate) is_average: bool,
    /// The value that the HPA controller last compared with the target.
    pub(crate) current: Option<f64>,
    /// The `id` of the rule that serves it.
    pub(crate) rule: Option<String>,
    /// Why no rule serves it.
    pub(crate) problem: Option<String>,
}

/// A reference to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectStatus {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ConditionStatus {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// An item of a list of HPAs; `None` for an HPA on CPU and memory only.
pub(super) struct ListedHpa(pub(super) Option<Box<HpaStatus>>);

impl<'de> Deserialize<'de> for ListedHpa {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        // These are more than half of an object.
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            metadata.remove("annotations");
        }
        Ok(Self(HpaStatus::read(&Hpa::read(&Node::from(value))).map(Box::new)))
    }
}

impl HpaStatus {
    fn read(hpa: &Hpa<'_>) -> Option<Self> {
        let metrics = hpa.metrics.iter().filter(|metric| metric.kind != MetricKind::Resource);
        let metrics: Vec<_> = metrics.map(|metric| HpaMetricStatus::read(metric, hpa)).collect();
        if metrics.is_empty() {
            return None;
        }
        Some(Self {
            namespace: hpa.namespace.unwrap_or_default().to_owned(),
            name: hpa.name.unwrap_or_default().to_owned(),
            target: hpa.target.map(ObjectStatus::new),
            min_replicas: hpa.min,
            max_replicas: hpa.max,
            current_replicas: hpa.status.current,
            desired_replicas: hpa.status.desired,
            metrics,
            conditions: hpa.status.conditions.iter().map(ConditionStatus::new).collect(),
        })
    }

    /// Whether it has a problem.
    pub(crate) fn is_failing(&self) -> bool {
        self.metrics.iter().any(|metric| metric.problem.is_some())
            || self.conditions.iter().any(ConditionStatus::is_failing)
    }
}

impl HpaMetricStatus {
    fn read(metric: &MetricSpec<'_>, hpa: &Hpa<'_>) -> Self {
        let number = |value: Milli| value.0 as f64 / 1000.0;
        let (target, is_average) = match metric.target {
            Ok(MetricTarget::Value(value)) => (Some(number(value)), false),
            Ok(MetricTarget::AverageValue(value)) => (Some(number(value)), true),
            Ok(MetricTarget::Utilization(_)) | Err(_) => (None, false),
        };
        let object = if let MetricKind::Object(object) = metric.kind { Some(object) } else { None };
        Self {
            kind: metric.kind.name(),
            name: metric.name.to_owned(),
            object: object.map(ObjectStatus::new),
            selector: metric.selector.clone(),
            target,
            is_average,
            current: hpa.current(metric).map(number),
            rule: None,
            problem: None,
        }
    }

    /// Its type, to find its rule.
    pub(super) fn metric_kind(&self) -> MetricKind<'_> {
        match &self.object {
            Some(ObjectStatus { api_version, kind, name }) => MetricKind::Object(ObjectRef { api_version, kind, name }),
            None if self.kind == MetricKind::Pods.name() => MetricKind::Pods,
            None => MetricKind::External,
        }
    }
}

impl ObjectStatus {
    fn new(object: ObjectRef<'_>) -> Self {
        let ObjectRef { api_version, kind, name } = object;
        Self { api_version: api_version.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
    }
}

impl ConditionStatus {
    fn new(condition: &Condition<'_>) -> Self {
        let [kind, status, reason, message] =
            [condition.kind, condition.status, condition.reason, condition.message].map(str::to_owned);
        Self { kind, status, reason, message }
    }

    /// Whether it prevents scaling. `ScalingDisabled` means that a user has set the replicas to 0.
    pub(crate) fn is_failing(&self) -> bool {
        matches!(&*self.kind, "AbleToScale" | "ScalingActive")
            && self.status == "False"
            && self.reason != "ScalingDisabled"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(hpa: Value) -> Option<HpaStatus> {
        let ListedHpa(hpa) = serde_json::from_value(hpa).unwrap();
        hpa.map(|hpa| *hpa)
    }

    fn hpa(metrics: &Value, status: &Value) -> Option<HpaStatus> {
        read(json!({
            "metadata": {"name": "web", "namespace": "shop", "managedFields": [{}], "annotations": {"a": "b"}},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "minReplicas": 2, "maxReplicas": 10, "metrics": metrics,
            },
            "status": status,
        }))
    }

    fn cpu() -> Value {
        json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}})
    }

    #[test]
    fn reads_targets_and_current_values() {
        let object = json!({"describedObject": {"apiVersion": "v1", "kind": "Service", "name": "web"},
            "metric": {"name": "depth"}, "target": {"type": "Value", "value": "1500m"}});
        let external = json!({"metric": {"name": "lag", "selector": {"matchLabels": {"queue": "mail"}}},
            "target": {"type": "AverageValue", "averageValue": "10"}});
        let pods = json!({"metric": {"name": "jobs"}, "target": {"type": "AverageValue", "averageValue": "1k"}});
        let metrics = json!([
            cpu(), {"type": "Object", "object": object}, {"type": "External", "external": external},
            {"type": "Pods", "pods": pods},
        ]);
        let status = json!({
            "currentReplicas": 3, "desiredReplicas": 4,
            "currentMetrics": [
                {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 5}}},
                {"type": "Object", "object": {"metric": {"name": "depth"}, "current": {"value": "2"}}},
                {"type": ""},
                // The status still lists the previous metric.
                {"type": "Pods", "pods": {"metric": {"name": "others"}, "current": {"averageValue": "7"}}},
            ],
        });
        let hpa = hpa(&metrics, &status).unwrap();
        assert_eq!(
            (hpa.min_replicas, hpa.max_replicas, hpa.current_replicas, hpa.desired_replicas),
            (2, Some(10), Some(3), Some(4))
        );
        let found = hpa.metrics.iter().map(|metric| {
            (
                metric.kind,
                metric.name.as_str(),
                metric.target,
                metric.is_average,
                metric.current,
                metric.selector.as_str(),
            )
        });
        assert_eq!(
            found.collect::<Vec<_>>(),
            [
                ("Object", "depth", Some(1.5), false, Some(2.0), ""),
                ("External", "lag", Some(10.0), true, None, "queue=mail"),
                ("Pods", "jobs", Some(1000.0), true, None, ""),
            ]
        );
    }

    #[test]
    fn keeps_only_hpas_on_metrics_of_adapters() {
        assert_eq!(hpa(&json!([cpu()]), &json!({})), None);
        assert_eq!(hpa(&Value::Null, &Value::Null), None);
        assert_eq!(read(json!({})), None);
        assert!(serde_json::from_value::<ListedHpa>(json!([1])).is_ok_and(|ListedHpa(hpa)| hpa.is_none()));
    }

    #[test]
    fn conditions_show_problems() {
        for (kind, status, reason, expected) in [
            ("ScalingActive", "True", "ValidMetricFound", false),
            ("ScalingActive", "False", "FailedGetObjectMetric", true),
            ("ScalingActive", "False", "ScalingDisabled", false),
            ("AbleToScale", "False", "FailedGetScale", true),
            ("ScalingLimited", "True", "TooManyReplicas", false),
            ("ScalingLimited", "False", "DesiredWithinRange", false),
            ("ScaledToZero", "False", "", false),
        ] {
            let [kind, status, reason] = [kind, status, reason].map(str::to_owned);
            let condition = ConditionStatus { kind, status, reason, message: String::new() };
            assert_eq!(condition.is_failing(), expected, "{condition:?}");
        }
    }
}

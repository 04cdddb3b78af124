//! A HorizontalPodAutoscaler of `autoscaling/v2`, parsed from YAML or JSON, with the positions of its fields.

use std::fmt;

use super::behavior::Behavior;
use super::problem::HpaProblem;
use crate::parse::decimal::Decimal;
use crate::parse::quantity::Milli;
use crate::parse::yaml::{Node, Span, YamlValue};

/// A HorizontalPodAutoscaler.
#[derive(Clone, Debug)]
pub struct Hpa<'a> {
    pub name: Option<&'a str>,
    /// `None` if `kubectl apply --namespace` sets it.
    pub namespace: Option<&'a str>,
    /// The workload that it scales.
    pub target: Option<ObjectRef<'a>>,
    /// `minReplicas`, by default 1.
    pub min: i32,
    /// `maxReplicas`; `None` if it is missing or invalid.
    pub max: Option<i32>,
    /// The position of `minReplicas: 0`, if present.
    pub zero: Option<Span>,
    pub metrics: Vec<MetricSpec<'a>>,
    /// `behavior`, if present.
    pub behavior: Option<Behavior>,
    /// Whether the condition `ScaledToZero` is true; only on an HPA from a cluster that sets it.
    pub scaled_to_zero: Option<bool>,
    /// The status from the controller; only on an HPA from a cluster.
    pub status: HpaStatus<'a>,
    /// The complete document.
    pub node: &'a Node,
    /// The position of the HPA.
    pub span: Span,
    /// Missing and invalid fields.
    pub problems: Vec<HpaProblem>,
}

/// The parts of `status` that are displayed.
#[derive(Clone, Debug, Default)]
pub struct HpaStatus<'a> {
    /// `currentReplicas`
    pub current: Option<i32>,
    /// `desiredReplicas`
    pub desired: Option<i32>,
    pub conditions: Vec<Condition<'a>>,
}

/// A condition; prints as one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition<'a> {
    pub kind: &'a str,
    pub status: &'a str,
    pub reason: &'a str,
    pub message: &'a str,
}

/// A reference to an object in the HPA's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectRef<'a> {
    /// `apps/v1`; empty for the core group.
    pub api_version: &'a str,
    pub kind: &'a str,
    pub name: &'a str,
}

/// A metric of an HPA.
#[derive(Clone, Debug)]
pub struct MetricSpec<'a> {
    pub kind: MetricKind<'a>,
    /// The metric's name, or the name of a resource: `cpu`.
    pub name: &'a str,
    /// The position of the name.
    pub span: Span,
    /// The index in `spec.metrics`.
    pub index: usize,
    /// The label selector as unparsed text; may be empty.
    pub selector: String,
    /// The target of the metric.
    pub target: Result<MetricTarget, HpaProblem>,
    /// The position and name of an object's namespace, if it is another one; the controller ignores it.
    pub other_namespace: Option<(Span, &'a str)>,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind<'a> {
    Pods,
    Object(ObjectRef<'a>),
    External,
    /// CPU or memory, which adapters do not serve.
    Resource,
}

/// The target of a metric, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricTarget {
    /// The value itself.
    Value(Milli),
    /// The value for each pod.
    AverageValue(Milli),
    /// A percentage of the pods' resource requests.
    Utilization(i32),
}

/// The non-empty documents of a file, each with the number of lines before it.
pub fn documents(text: &str) -> Vec<(usize, &str)> {
    let (mut documents, mut start, mut at, mut first) = (Vec::new(), 0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        // This line starts the next document, whose content may follow on the same line.
        if line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            documents.push((first, text.get(start..at).unwrap_or_default()));
            (start, first) = (at, number);
        }
        at += line.len();
    }
    documents.push((first, text.get(start..).unwrap_or_default()));
    let is_blank = |line: &str| {
        let line = line.strip_prefix("---").unwrap_or(line).trim();
        line.is_empty() || line == "..." || line.starts_with('#')
    };
    documents.retain(|(_, document)| !document.lines().all(is_blank));
    documents
}

/// The HPAs in a document, which may be a list.
pub fn hpas(root: &Node) -> Vec<Hpa<'_>> {
    match root.text_at(&["kind"]) {
        Some("HorizontalPodAutoscaler") => vec![Hpa::read(root)],
        Some(kind @ ("List" | "HorizontalPodAutoscalerList")) => {
            let items = root.items_at(&["items"]).iter();
            let is_hpa = |item: &&Node| item.text_at(&["kind"]).is_none_or(|kind| kind == "HorizontalPodAutoscaler");
            items
                .filter(|item| is_hpa(item) && (kind != "List" || item.at(&["kind"]).is_some()))
                .map(Hpa::read)
                .collect()
        }
        _ => Vec::new(),
    }
}

impl<'a> Hpa<'a> {
    /// Parses an HPA.
    pub fn read(root: &'a Node) -> Self {
        let spec = |path: &[&str]| root.at(&[&["spec"], path].concat());
        let min = spec(&["minReplicas"]);
        // The kind may be missing in a draft.
        let target = spec(&["scaleTargetRef"]).and_then(|node| {
            let text = |key| node.text_at(&[key]).unwrap_or_default();
            Some(ObjectRef { api_version: text("apiVersion"), kind: text("kind"), name: node.text_at(&["name"])? })
        });
        let (mut metrics, mut problems) = (Vec::new(), Vec::new());
        if target.is_none() {
            problems.push(HpaProblem { span: root.span, expected: "spec.scaleTargetRef.name".to_owned() });
        }
        for (index, node) in root.items_at(&["spec", "metrics"]).iter().enumerate() {
            match MetricSpec::read(node, index) {
                Ok(metric) => metrics.push(metric),
                Err(what) => problems.push(what),
            }
        }
        let integer = |node: Option<&Node>| node.and_then(Node::text).and_then(|text| text.parse().ok());
        let (fewest, max) = (integer(min).unwrap_or(1), spec(&["maxReplicas"]));
        if integer(max).is_none_or(|max| max < fewest.max(1)) {
            let span = max.map_or(root.span, |node| node.span);
            let expected = match fewest {
                ..=1 => "spec.maxReplicas of 1 or more".to_owned(),
                _ => format!("spec.maxReplicas of {fewest} (minReplicas) or more"),
            };
            problems.push(HpaProblem { span, expected });
        }
        if fewest < 0 {
            let span = min.map_or(root.span, |node| node.span);
            problems.push(HpaProblem { span, expected: "spec.minReplicas of 0 or more".to_owned() });
        }
        let behavior = match spec(&["behavior"]).map(Behavior::read) {
            None => None,
            Some(Ok(behavior)) => Some(behavior),
            Some(Err(what)) => {
                problems.push(what);
                None
            }
        };
        let conditions: Vec<Condition<'_>> =
            root.items_at(&["status", "conditions"]).iter().filter_map(Condition::read).collect();
        let replicas = |key| integer(root.at(&["status", key]));
        let (current, desired) = (replicas("currentReplicas"), replicas("desiredReplicas"));
        let scaled_to_zero = conditions.iter().find(|it| it.kind == "ScaledToZero").map(|it| it.status == "True");
        Self {
            name: root.text_at(&["metadata", "name"]),
            namespace: root.text_at(&["metadata", "namespace"]),
            target,
            min: fewest,
            max: integer(max),
            zero: min.filter(|node| node.text() == Some("0")).map(|node| node.span),
            metrics,
            behavior,
            scaled_to_zero,
            status: HpaStatus { current, desired, conditions },
            node: root,
            span: root.span,
            problems,
        }
    }

    /// Whether the HPA may be in this namespace.
    pub fn is_in(&self, namespace: &str) -> bool {
        self.namespace.is_none_or(|own| own == namespace)
    }

    /// The value of a metric that the controller compared with its target last. `status.currentMetrics` has the order of
    /// `spec.metrics`, and an empty element for each metric without a value.
    pub fn current(&self, metric: &MetricSpec<'_>) -> Option<Milli> {
        let (key, kind) = (metric.kind.key(), metric.kind.name());
        let status = self.node.items_at(&["status", "currentMetrics"]).get(metric.index)?;
        let is_its = status.text_at(&["type"]) == Some(kind);
        let is_named = status.text_at(&[key, "metric", "name"]) == Some(metric.name);
        let field = match metric.target.as_ref().ok()? {
            MetricTarget::Value(_) => "value",
            MetricTarget::AverageValue(_) => "averageValue",
            MetricTarget::Utilization(_) => return None,
        };
        let text = status.text_at(&[key, "current", field]).filter(|_| is_its && is_named)?;
        Some(Decimal::parse(text).ok()?.milli())
    }

    /// The problems of the HPA and of the targets of its metrics.
    pub(crate) fn all_problems(&self) -> impl Iterator<Item = &HpaProblem> {
        self.problems.iter().chain(self.metrics.iter().filter_map(|metric| metric.target.as_ref().err()))
    }

    /// Whether a metric can scale the workload up from zero replicas.
    pub fn can_scale_from_zero(&self) -> bool {
        self.metrics.iter().any(|metric| metric.kind.can_scale_from_zero())
    }
}

impl<'a> Condition<'a> {
    fn read(node: &'a Node) -> Option<Self> {
        let text = |key| node.text_at(&[key]).unwrap_or_default();
        let kind = node.text_at(&["type"])?;
        Some(Self { kind, status: text("status"), reason: text("reason"), message: text("message") })
    }
}

impl fmt::Display for Condition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, status, reason, message } = self;
        write!(f, "{kind} {status}: {reason}: {message}")
    }
}

impl<'a> ObjectRef<'a> {
    fn read(node: &'a Node) -> Option<Self> {
        let text = |key| node.text_at(&[key]);
        Some(Self { api_version: text("apiVersion").unwrap_or("v1"), kind: text("kind")?, name: text("name")? })
    }

    /// The API group of the kind; empty for core.
    pub fn group(&self) -> &'a str {
        self.api_version.rsplit_once('/').map_or("", |(group, _)| group)
    }
}

impl MetricKind<'_> {
    /// Whether such a metric has values at zero replicas.
    pub fn can_scale_from_zero(self) -> bool {
        matches!(self, Self::Object(_) | Self::External)
    }

    /// The type in an HPA; `ContainerResource` is reported as `Resource`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pods => "Pods",
            Self::Object(_) => "Object",
            Self::External => "External",
            Self::Resource => "Resource",
        }
    }

    /// The field that contains the metric.
    fn key(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Object(_) => "object",
            Self::External => "external",
            Self::Resource => "resource",
        }
    }
}

impl<'a> MetricSpec<'a> {
    fn read(node: &'a Node, index: usize) -> Result<Self, HpaProblem> {
        let problem = |span: Span, expected: String| HpaProblem { span, expected };
        let kind = node.at(&["type"]);
        let (key, kind) = match kind.and_then(Node::text) {
            Some("Pods") => ("pods", MetricKind::Pods),
            Some("Object") => {
                let object = node.at(&["object", "describedObject"]).and_then(ObjectRef::read);
                let object = object.ok_or_else(|| {
                    problem(node.span, "object.describedObject with kind and name, as in autoscaling/v2".to_owned())
                })?;
                ("object", MetricKind::Object(object))
            }
            Some("External") => ("external", MetricKind::External),
            Some("Resource") => ("resource", MetricKind::Resource),
            Some("ContainerResource") => ("containerResource", MetricKind::Resource),
            _ => {
                let expected = "type: Pods, Object, External, Resource or ContainerResource".to_owned();
                return Err(problem(kind.map_or(node.span, |kind| kind.span), expected));
            }
        };
        let (name, selector) = match kind {
            MetricKind::Resource => (node.at(&[key, "name"]), None),
            _ => (node.at(&[key, "metric", "name"]), node.at(&[key, "metric", "selector"])),
        };
        let target = node.at(&[key, "target"]);
        let name = name.and_then(|name| Some((name.text()?, name.span)));
        let (name, span) = match (name, kind) {
            (Some(name), _) => name,
            (None, MetricKind::Resource) => ("", node.span),
            (None, _) => return Err(problem(node.span, format!("{key}.metric.name, as in autoscaling/v2"))),
        };
        let other_namespace = node.at(&[key, "describedObject", "namespace"]);
        Ok(Self {
            kind,
            name,
            span,
            index,
            selector: selector.map(selector_text).unwrap_or_default(),
            target: MetricTarget::read(kind, target)
                .ok_or_else(|| problem(target.map_or(node.span, |target| target.span), expected_target(kind))),
            other_namespace: other_namespace.and_then(|node| Some((node.span, node.text()?))),
        })
    }
}

/// The target required for a metric of this type.
fn expected_target(kind: MetricKind<'_>) -> String {
    let fields = match kind {
        MetricKind::Pods => "type: AverageValue and averageValue",
        MetricKind::Object(_) | MetricKind::External => "type: Value and value, or type: AverageValue and averageValue",
        MetricKind::Resource => "type: Utilization and averageUtilization, or type: AverageValue and averageValue",
    };
    format!("a target above zero with {fields}")
}

impl MetricTarget {
    fn read(kind: MetricKind<'_>, node: Option<&Node>) -> Option<Self> {
        let quantity = |key| {
            let milli = Decimal::parse(node?.text_at(&[key])?).ok()?.milli();
            (milli > Milli(0)).then_some(milli)
        };
        let value = || quantity("value").map(Self::Value);
        let average = || quantity("averageValue").map(Self::AverageValue);
        match (kind, node?.text_at(&["type"])) {
            (MetricKind::Pods, _) => average(),
            // The controller uses whichever is present, averageValue first.
            (MetricKind::External, _) => average().or_else(value),
            (MetricKind::Object(_), Some("Value")) => value(),
            (MetricKind::Object(_), Some("AverageValue")) => average(),
            (MetricKind::Object(_), _) => None,
            (MetricKind::Resource, _) => {
                let percent = || node?.text_at(&["averageUtilization"])?.parse().ok().map(Self::Utilization);
                average().or_else(percent)
            }
        }
    }
}

/// Prints a LabelSelector as text.
fn selector_text(node: &Node) -> String {
    let mut parts = Vec::new();
    if let Some(YamlValue::Mapping(labels)) = node.at(&["matchLabels"]).map(|node| &node.value) {
        parts.extend(labels.iter().map(|(key, value)| format!("{}={}", key.text, value.text().unwrap_or_default())));
    }
    for expression in node.items_at(&["matchExpressions"]) {
        let key = expression.text_at(&["key"]).unwrap_or_default();
        let values: Vec<&str> = expression.items_at(&["values"]).iter().filter_map(Node::text).collect();
        let list = values.join(",");
        parts.push(match expression.text_at(&["operator"]) {
            Some("In") => format!("{key} in ({list})"),
            Some("NotIn") => format!("{key} notin ({list})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}

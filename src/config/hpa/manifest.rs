//! Manifests of HorizontalPodAutoscalers, as far as they matter to metrics.

use crate::config::limits::Limits;
use crate::parse::yaml::{Node, Span, YamlLimits, YamlValue};

/// A HorizontalPodAutoscaler of `autoscaling/v2`.
pub(crate) struct Hpa<'a> {
    /// As it is written.
    pub node: &'a Node,
    /// `None` where `kubectl apply --namespace` says it.
    pub namespace: Option<&'a str>,
    pub name: Option<&'a str>,
    /// The name of the workload.
    pub target: Option<&'a str>,
    /// Where `minReplicas: 0` stands, if it does.
    pub zero: Option<Span>,
    pub metrics: Vec<Metric<'a>>,
    pub lacks: Vec<HpaLack>,
}

/// What an HPA lacks, and where.
pub(crate) struct HpaLack {
    pub span: Span,
    pub expected: String,
}

/// A metric that an adapter serves.
pub(crate) struct Metric<'a> {
    pub kind: MetricKind<'a>,
    pub name: &'a str,
    /// Where its name stands.
    pub span: Span,
    /// `metric.selector`, unless it is empty.
    pub selector: Option<&'a Node>,
}

#[derive(Clone, Copy)]
pub(crate) enum MetricKind<'a> {
    Pods,
    /// Of an object of this kind and name; the kind is of the core group where none is written.
    Object {
        api_version: &'a str,
        kind: &'a str,
        name: &'a str,
    },
    External,
}

/// The limits on a manifest.
pub(crate) fn limits(limits: &Limits) -> YamlLimits {
    YamlLimits { bytes: limits.config.bytes, depth: limits.expression.depth, nodes: limits.config.nodes }
}

/// The documents of a file that hold anything, each with the number of lines before it.
pub(crate) fn documents(text: &str) -> Vec<(usize, &str)> {
    let (mut documents, mut start, mut at, mut first) = (Vec::new(), 0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        // It begins the next document, which may go on behind it.
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

/// The HPAs of a document, which may be a list.
pub(crate) fn hpas(root: &Node) -> Vec<Hpa<'_>> {
    match text(root, &["kind"]) {
        Some("HorizontalPodAutoscaler") => vec![Hpa::read(root)],
        Some(kind @ ("List" | "HorizontalPodAutoscalerList")) => {
            let items = items(root, &["items"]).iter();
            let is_hpa = |item: &&Node| text(item, &["kind"]).is_none_or(|kind| kind == "HorizontalPodAutoscaler");
            items
                .filter(|item| is_hpa(item) && (kind != "List" || get(item, &["kind"]).is_some()))
                .map(Hpa::read)
                .collect()
        }
        _ => Vec::new(),
    }
}

impl<'a> Hpa<'a> {
    fn read(root: &'a Node) -> Self {
        let zero = get(root, &["spec", "minReplicas"]).filter(|node| node.text() == Some("0"));
        let target = text(root, &["spec", "scaleTargetRef", "name"]);
        let (mut metrics, mut lacks) = (Vec::new(), Vec::new());
        if target.is_none() {
            lacks.push(HpaLack { span: root.span, expected: "spec.scaleTargetRef.name".to_owned() });
        }
        for node in items(root, &["spec", "metrics"]) {
            match Metric::read(node) {
                Ok(metric) => metrics.extend(metric),
                Err(what) => lacks.push(what),
            }
        }
        let [namespace, name] = ["namespace", "name"].map(|key| text(root, &["metadata", key]));
        Self { node: root, namespace, name, target, zero: zero.map(|node| node.span), metrics, lacks }
    }

    /// Whether it is in this namespace, for all that the file says.
    pub(crate) fn is_in(&self, namespace: &str) -> bool {
        self.namespace.is_none_or(|own| own == namespace)
    }
}

impl<'a> Metric<'a> {
    /// `None` for what no adapter serves: CPU and memory.
    fn read(node: &'a Node) -> Result<Option<Self>, HpaLack> {
        let lacks = |span: Span, expected: String| HpaLack { span, expected };
        let kind = get(node, &["type"]);
        let (key, kind) = match kind.and_then(Node::text) {
            Some("Pods") => ("pods", MetricKind::Pods),
            Some("Object") => {
                let object = |member| text(node, &["object", "describedObject", member]);
                let (kind, name) = object("kind").zip(object("name")).ok_or_else(|| {
                    lacks(node.span, "object.describedObject with kind and name, as in autoscaling/v2".to_owned())
                })?;
                ("object", MetricKind::Object { api_version: object("apiVersion").unwrap_or("v1"), kind, name })
            }
            Some("External") => ("external", MetricKind::External),
            Some("Resource" | "ContainerResource") => return Ok(None),
            _ => {
                let expected = "type: Pods, Object, External, Resource or ContainerResource".to_owned();
                return Err(lacks(kind.map_or(node.span, |kind| kind.span), expected));
            }
        };
        let name = get(node, &[key, "metric", "name"]);
        let selector = get(node, &[key, "metric", "selector"]).filter(|selector| match &selector.value {
            YamlValue::Mapping(entries) => !entries.is_empty(),
            _ => !selector.is_null(),
        });
        let named = name.and_then(|node| Some(Self { kind, name: node.text()?, span: node.span, selector }));
        named.map(Some).ok_or_else(|| lacks(node.span, format!("{key}.metric.name, as in autoscaling/v2")))
    }
}

pub(crate) fn get<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| match &node.value {
        YamlValue::Mapping(entries) => entries.iter().find(|(found, _)| found.text == *key).map(|(_, value)| value),
        _ => None,
    })
}

pub(crate) fn text<'a>(node: &'a Node, path: &[&str]) -> Option<&'a str> {
    get(node, path).and_then(Node::text)
}

pub(crate) fn items<'a>(node: &'a Node, path: &[&str]) -> &'a [Node] {
    match get(node, path).map(|node| &node.value) {
        Some(YamlValue::Sequence(items)) => items,
        _ => &[],
    }
}

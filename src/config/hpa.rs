//! HPAs beside a configuration: metrics that no rule serves, and workloads that would stay at zero replicas.

use super::limits::Limits;
use super::model::{Config, Pods, Rule, Source, Target};
use super::problem::{Part, Problem, Severity};
use crate::parse::escape::Escaped;
use crate::parse::url_template::Placeholder;
use crate::parse::yaml::{self, Node, Span, YamlValue};

/// A HorizontalPodAutoscaler of `autoscaling/v2`, as far as it matters here.
struct Hpa<'a> {
    /// `None` where `kubectl apply --namespace` says it.
    namespace: Option<&'a str>,
    /// The name of the workload.
    target: Option<&'a str>,
    /// Where `minReplicas: 0` stands, if it does.
    zero: Option<Span>,
    metrics: Vec<Metric<'a>>,
    lacks: Vec<HpaLack>,
}

/// What an HPA lacks, and where.
struct HpaLack {
    span: Span,
    expected: String,
}

/// A metric that an adapter serves.
struct Metric<'a> {
    kind: MetricKind<'a>,
    name: &'a str,
    /// Where its name stands.
    span: Span,
}

enum MetricKind<'a> {
    Pods,
    /// Of an object of this kind and name.
    Object {
        kind: &'a str,
        name: &'a str,
    },
    External,
}

/// What is wrong with the HPAs in a file of one or more documents.
pub fn check(file: &[u8], config: &Config, limits: &Limits) -> Vec<Problem> {
    let text = String::from_utf8_lossy(file);
    let mut findings = Findings { problems: Vec::new(), before: 0 };
    let mut found = false;
    for (before, document) in documents(&text) {
        findings.before = before;
        let yaml_limits =
            yaml::YamlLimits { bytes: limits.config.bytes, depth: limits.expression.depth, nodes: limits.config.nodes };
        match yaml::parse(document, &yaml_limits) {
            Ok(root) => {
                for hpa in hpas(&root) {
                    found = true;
                    findings.hpa(&hpa, config);
                }
            }
            Err(error) => findings.push(error.span, Severity::Error, error.message),
        }
    }
    if !found && findings.problems.is_empty() {
        let start = Span { line: 1, column: 1, width: 0 };
        findings.before = 0;
        findings.push(
            start,
            Severity::Error,
            "expected a HorizontalPodAutoscaler of autoscaling/v2, found none".into(),
        );
    }
    findings.problems
}

/// The documents of a file that hold anything, each with the number of lines before it.
fn documents(text: &str) -> Vec<(usize, &str)> {
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
fn hpas(root: &Node) -> Vec<Hpa<'_>> {
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
        let namespace = text(root, &["metadata", "namespace"]);
        Self { namespace, target, zero: zero.map(|node| node.span), metrics, lacks }
    }

    /// Whether it is in this namespace, for all that the file says.
    fn is_in(&self, namespace: &str) -> bool {
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
                ("object", MetricKind::Object { kind, name })
            }
            Some("External") => ("external", MetricKind::External),
            Some("Resource" | "ContainerResource") => return Ok(None),
            _ => {
                let expected = "type: Pods, Object, External, Resource or ContainerResource".to_owned();
                return Err(lacks(kind.map_or(node.span, |kind| kind.span), expected));
            }
        };
        let name = get(node, &[key, "metric", "name"]);
        let named = name.and_then(|node| Some(Self { kind, name: node.text()?, span: node.span }));
        named.map(Some).ok_or_else(|| lacks(node.span, format!("{key}.metric.name, as in autoscaling/v2")))
    }

    /// The rule that serves it, if there is one.
    fn rule<'c>(&self, config: &'c Config) -> Option<&'c Rule> {
        config.rules.iter().find(|rule| match self.kind {
            MetricKind::Pods => rule.name == self.name && rule.objects.iter().any(|object| object.resource == "pods"),
            MetricKind::Object { kind, .. } => {
                rule.name == self.name && rule.objects.iter().any(|object| object.kind == kind)
            }
            MetricKind::External => rule.is_external() && rule.name.eq_ignore_ascii_case(self.name),
        })
    }
}

struct Findings {
    problems: Vec<Problem>,
    /// Lines before the document.
    before: usize,
}

impl Findings {
    fn hpa(&mut self, hpa: &Hpa<'_>, config: &Config) {
        let wakes = |metric: &Metric<'_>| !matches!(metric.kind, MetricKind::Pods);
        if let Some(span) = hpa.zero.filter(|_| hpa.lacks.is_empty() && !hpa.metrics.iter().any(wakes)) {
            let message =
                "minReplicas: 0 needs a metric of type Object or External; at zero there are no pods to measure";
            self.push(span, Severity::Warning, message.to_owned());
        }
        for HpaLack { span, expected } in &hpa.lacks {
            self.push(*span, Severity::Error, format!("expected {expected}"));
        }
        for metric in &hpa.metrics {
            self.metric(metric, hpa, config);
        }
    }

    fn metric(&mut self, metric: &Metric<'_>, hpa: &Hpa<'_>, config: &Config) {
        let name = Escaped::new(metric.name);
        let Some(rule) = metric.rule(config) else {
            if config.broken.iter().all(|broken| !broken.name.eq_ignore_ascii_case(metric.name)) {
                let what = match metric.kind {
                    MetricKind::Pods => "for object: pods".to_owned(),
                    MetricKind::Object { kind, .. } => format!("for an object of kind {}", Escaped::new(kind)),
                    MetricKind::External => "with external: true".to_owned(),
                };
                self.push(metric.span, Severity::Warning, format!("metric {name}: there is no rule {what}"));
            }
            return;
        };
        let Some(source) = config.sources.get(rule.source) else { return };
        if let Some(namespace) = hpa.namespace.filter(|namespace| !source.namespaces_of(rule).allow(namespace)) {
            let namespace = Escaped::new(namespace);
            let message =
                format!("metric {name}: namespace {namespace} is not among the namespaces of its rule or source");
            self.push(metric.span, Severity::Warning, message);
        }
        if hpa.zero.is_some() && !matches!(metric.kind, MetricKind::Pods) && dies(source, metric, hpa) {
            let message = format!(
                "metric {name}: its source {} is the scaled workload itself: at zero replicas it is gone, the metric fails, \
                 and the workload stays at zero",
                Escaped::new(&source.name)
            );
            self.push(metric.span, Severity::Warning, message);
        }
    }

    fn push(&mut self, span: Span, severity: Severity, message: String) {
        let span = Span { line: span.line + self.before, ..span };
        self.problems.push(Problem { span, severity, part: Part::File, message });
    }
}

/// Whether a source is gone with the pods of the workload: its host or the object that selects its pods has the workload's
/// name, or a label of its pods.
fn dies(source: &Source, metric: &Metric<'_>, hpa: &Hpa<'_>) -> bool {
    let is_of_the_workload = || matches!(metric.kind, MetricKind::Object { name, .. } if Some(name) == hpa.target);
    let url = match &source.target {
        Target::Pods(Pods { set: None, .. }) => return is_of_the_workload(),
        Target::Pods(Pods { set: Some(set), .. }) => {
            let has_its_name = |label: &str| label.split_once('=').is_some_and(|(_, value)| Some(value) == hpa.target);
            return hpa.is_in(&set.namespace) && set.selector.split(',').any(has_its_name);
        }
        Target::Prometheus(_) => return false,
        Target::Url(url) => url,
    };
    if url.host_is_templated() && url.uses(Placeholder::Name) {
        return is_of_the_workload();
    }
    let Some(host) = url.fixed_host() else { return false };
    let mut labels = host.split('.');
    let (service, namespace) = (labels.next(), labels.next());
    hpa.target.is_some() && service == hpa.target && namespace.is_some_and(|namespace| hpa.is_in(namespace))
}

fn get<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| match &node.value {
        YamlValue::Mapping(entries) => entries.iter().find(|(found, _)| found.text == *key).map(|(_, value)| value),
        _ => None,
    })
}

fn text<'a>(node: &'a Node, path: &[&str]) -> Option<&'a str> {
    get(node, path).and_then(Node::text)
}

fn items<'a>(node: &'a Node, path: &[&str]) -> &'a [Node] {
    match get(node, path).map(|node| &node.value) {
        Some(YamlValue::Sequence(items)) => items,
        _ => &[],
    }
}

#[cfg(test)]
mod tests;

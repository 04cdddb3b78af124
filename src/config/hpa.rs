//! HPAs beside a configuration: metrics that no rule serves, and workloads that would stay at zero replicas.

use super::limits::Limits;
use super::model::{Config, Pods, Rule, Source, Target};
use super::problem::{Part, Problem, Severity};
use crate::parse::escape::Escaped;
use crate::parse::url_template::Placeholder;
use crate::parse::yaml::{self, Node, Span, YamlValue};

/// A HorizontalPodAutoscaler of `autoscaling/v2`, as far as it matters here.
struct Hpa<'a> {
    namespace: &'a str,
    /// The name of the workload.
    target: &'a str,
    /// Where `minReplicas: 0` stands, if it does.
    zero: Option<Span>,
    metrics: Vec<Metric<'a>>,
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
pub(crate) fn check(file: &[u8], config: &Config, limits: &Limits) -> Vec<Problem> {
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
        if line.trim_end() == "---" {
            documents.push((first, text.get(start..at).unwrap_or_default()));
            (start, first) = (at + line.len(), number + 1);
        }
        at += line.len();
    }
    documents.push((first, text.get(start..).unwrap_or_default()));
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    documents.retain(|(_, document)| !document.lines().all(is_blank));
    documents
}

/// The HPAs of a document, which may be a list.
fn hpas(root: &Node) -> Vec<Hpa<'_>> {
    match text(root, &["kind"]) {
        Some("HorizontalPodAutoscaler") => Hpa::read(root).into_iter().collect(),
        Some("List" | "HorizontalPodAutoscalerList") => items(root, &["items"]).iter().filter_map(Hpa::read).collect(),
        _ => Vec::new(),
    }
}

impl<'a> Hpa<'a> {
    fn read(root: &'a Node) -> Option<Self> {
        let zero = get(root, &["spec", "minReplicas"]).filter(|node| node.text() == Some("0"));
        Some(Self {
            namespace: text(root, &["metadata", "namespace"]).unwrap_or("default"),
            target: text(root, &["spec", "scaleTargetRef", "name"])?,
            zero: zero.map(|node| node.span),
            metrics: items(root, &["spec", "metrics"]).iter().filter_map(Metric::read).collect(),
        })
    }
}

impl<'a> Metric<'a> {
    fn read(node: &'a Node) -> Option<Self> {
        let (key, kind) = match text(node, &["type"])? {
            "Pods" => ("pods", MetricKind::Pods),
            "Object" => {
                let object = |member| text(node, &["object", "describedObject", member]);
                ("object", MetricKind::Object { kind: object("kind")?, name: object("name")? })
            }
            "External" => ("external", MetricKind::External),
            _ => return None,
        };
        let name = get(node, &[key, "metric", "name"])?;
        Some(Self { kind, name: name.text()?, span: name.span })
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
        if let Some(span) = hpa.zero.filter(|_| !hpa.metrics.iter().any(wakes)) {
            let message =
                "minReplicas: 0 needs a metric of type Object or External; at zero there are no pods to measure";
            self.push(span, Severity::Warning, message.to_owned());
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
        if !source.namespaces_of(rule).allow(hpa.namespace) {
            let namespace = Escaped::new(hpa.namespace);
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
    let is_of_the_workload = || matches!(metric.kind, MetricKind::Object { name, .. } if name == hpa.target);
    let url = match &source.target {
        Target::Pods(Pods { set: None, .. }) => return is_of_the_workload(),
        Target::Pods(Pods { set: Some(set), .. }) => {
            let has_its_name = |label: &str| label.split_once('=').is_some_and(|(_, value)| value == hpa.target);
            return set.namespace == hpa.namespace && set.selector.split(',').any(has_its_name);
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
    service == Some(hpa.target) && namespace == Some(hpa.namespace)
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
mod tests {
    use super::*;
    use crate::config::file;

    const CONFIG: &str = "\
sources:
  broker: {url: 'http://broker.mq.svc/q', format: json, namespaces: [shop]}
  self: {url: 'http://web.shop.svc:8080/metrics', namespaces: [shop], single: true}
  each: {url: 'http://{name}.{namespace}.svc/metrics', namespaces: [shop]}
  app: {pods: {port: 80}}
  mine: {pods: {namespace: shop, selector: app=web, port: 80}}
  other: {pods: {namespace: mq, selector: app=web, port: 80}, namespaces: [shop]}
metrics:
  - {name: depth, object: services, source: broker, value: $.depth, describes: {namespace: shop, name: web}}
  - {name: busy, object: services, source: self, value: sum(busy)}
  - {name: level, object: deployments.apps, source: each}
  - {name: load, object: pods, source: app}
  - {name: waiting, object: [services, deployments.apps], source: app}
  - {name: seen, object: services, source: mine}
  - {name: queued, object: services, source: other}
  - {name: Queue_Lag, external: true, source: broker, value: $.lag}
";

    fn hpa(min: u32, metrics: &str) -> String {
        format!(
            "# HPAs\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web, namespace: shop}}\n\
             spec:\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\n  minReplicas: {min}\n  metrics:\n{metrics}"
        )
    }

    fn object(kind: &str, name: &str, metric: &str) -> String {
        format!(
            "    - {{type: Object, object: {{describedObject: {{kind: {kind}, name: {name}}}, metric: {{name: {metric}}}}}}}\n"
        )
    }

    fn messages(file: &str) -> Vec<String> {
        let config = file::load(CONFIG.as_bytes(), &Limits::default()).config;
        check(file.as_bytes(), &config, &Limits::default()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn finds_what_stays_at_zero() {
        let pods = "    - {type: Pods, pods: {metric: {name: load}}}\n";
        let external = "    - {type: External, external: {metric: {name: queue_lag}}}\n";
        let dies = |column: usize, metric: &str, source: &str| {
            format!(
                "10:{column}: warning: metric \"{metric}\": its source \"{source}\" is the scaled workload itself: at zero \
                 replicas it is gone, the metric fails, and the workload stays at zero"
            )
        };
        for (min, metrics, expected) in [
            (0, object("Service", "web", "depth"), vec![]),
            (0, external.to_owned(), vec![]),
            (0, object("Service", "web", "busy"), vec![dies(91, "busy", "self")]),
            (1, object("Service", "web", "busy"), vec![]),
            (0, object("Deployment", "web", "level"), vec![dies(94, "level", "each")]),
            (0, object("Deployment", "broker", "level"), vec![]),
            (0, format!("{external}{pods}"), vec![]),
            (0, object("Deployment", "web", "waiting"), vec![dies(94, "waiting", "app")]),
            (0, object("Service", "queue", "waiting"), vec![]),
            (0, object("Service", "web", "seen"), vec![dies(91, "seen", "mine")]),
            (0, object("Service", "web", "queued"), vec![]),
            (
                0,
                pods.to_owned(),
                vec![
                    "8:16: warning: minReplicas: 0 needs a metric of type Object or External; at zero there are no pods to measure"
                        .to_owned(),
                ],
            ),
        ] {
            assert_eq!(messages(&hpa(min, &metrics)), expected, "{metrics}");
        }
    }

    #[test]
    fn finds_metrics_without_a_rule() {
        let unknown = object("Service", "web", "dept");
        assert_eq!(
            messages(&hpa(1, &unknown)),
            ["10:91: warning: metric \"dept\": there is no rule for an object of kind \"Service\""]
        );
        let elsewhere = hpa(1, &object("Service", "web", "depth")).replace("namespace: shop", "namespace: bank");
        assert_eq!(
            messages(&elsewhere),
            ["10:91: warning: metric \"depth\": namespace \"bank\" is not among the namespaces of its rule or source"]
        );
        let list = "kind: List\nitems:\n  - kind: HorizontalPodAutoscaler\n    spec: {scaleTargetRef: {name: w}, metrics: [{type: \
                    External, external: {metric: {name: x}}}]}\n";
        assert_eq!(messages(list), ["4:92: warning: metric \"x\": there is no rule with external: true"]);
        assert_eq!(
            messages("kind: Service\n"),
            ["1:1: error: expected a HorizontalPodAutoscaler of autoscaling/v2, found none"]
        );
        assert!(messages("---\na: [\n")[0].contains("error: "), "{:?}", messages("---\na: [\n"));
    }
}

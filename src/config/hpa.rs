//! HPAs beside a configuration: metrics that no rule serves, and workloads that would stay at zero replicas.

pub(crate) mod manifest;

use self::manifest::{Hpa, HpaLack, Metric, MetricKind, documents, hpas};
use super::limits::Limits;
use super::model::{Config, Identity, Pods, Rule, Source, Target};
use super::problem::{Part, Problem, Severity};
use crate::parse::escape::Escaped;
use crate::parse::url_template::Placeholder;
use crate::parse::yaml::{self, Span};

/// What is wrong with the HPAs in a file of one or more documents.
pub fn check(file: &[u8], config: &Config, limits: &Limits) -> Vec<Problem> {
    let text = String::from_utf8_lossy(file);
    let mut findings = Findings { problems: Vec::new(), before: 0 };
    let mut found = false;
    for (before, document) in documents(&text) {
        findings.before = before;
        match yaml::parse(document, &manifest::limits(limits)) {
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

/// The rules that serve a metric for some object.
fn rules<'c>(metric: &Metric<'_>, config: &'c Config) -> Vec<&'c Rule> {
    let serves = |rule: &&Rule| match metric.kind {
        MetricKind::Pods => rule.name == metric.name && rule.objects.iter().any(|object| object.resource == "pods"),
        MetricKind::Object { kind, .. } => {
            rule.name == metric.name && rule.objects.iter().any(|object| object.kind == kind)
        }
        MetricKind::External => rule.is_external() && rule.name.eq_ignore_ascii_case(metric.name),
    };
    config.rules.iter().filter(serves).collect()
}

/// Whether a rule describes the object of a metric, for all that the file says.
fn describes(rule: &Rule, metric: &Metric<'_>, hpa: &Hpa<'_>) -> bool {
    match (&rule.identity, &metric.kind) {
        (Identity::Fixed(object), MetricKind::Object { name, .. }) => {
            object.name == *name && object.namespace.as_deref().is_none_or(|namespace| hpa.is_in(namespace))
        }
        _ => true,
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
        let rules = rules(metric, config);
        let Some(rule) = rules.iter().find(|rule| describes(rule, metric, hpa)) else {
            if config.broken.iter().all(|broken| !broken.name.eq_ignore_ascii_case(metric.name)) {
                let what = match metric.kind {
                    MetricKind::Object { kind, name, .. } if !rules.is_empty() => {
                        format!("that describes {} {}", Escaped::new(kind), Escaped::new(name))
                    }
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

#[cfg(test)]
mod tests;

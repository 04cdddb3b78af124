//! Checks HPAs against a configuration: metrics that no rule serves, and workloads that would stay at zero replicas.

use super::limits::Limits;
use super::model::{Config, ObjectMapping, Pods, Rule, Source, Target};
use super::problem::{Part, Problem, Severity};
use crate::autoscaling::manifest::{self, Hpa, MetricKind, MetricSpec, ObjectRef};
use crate::autoscaling::problem::HpaProblem;
use crate::autoscaling::request_path;
use crate::parse::escape::Escaped;
use crate::parse::path::Group;
use crate::parse::url_template::Placeholder;
use crate::parse::yaml::{self, Span};

/// The problems of the HPAs in a file of one or more documents.
pub fn check(file: &[u8], config: &Config, limits: &Limits) -> Vec<Problem> {
    let text = String::from_utf8_lossy(file);
    let mut findings = Findings { problems: Vec::new(), before: 0 };
    let mut found = false;
    for (before, document) in manifest::documents(&text) {
        findings.before = before;
        match yaml::parse(document, &limits.document()) {
            Ok(root) => {
                for hpa in manifest::hpas(&root) {
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

/// The rules for a metric, in the order of the file: several if they list different objects.
pub(crate) fn rules<'c>(metric: &MetricSpec<'_>, config: &'c Config) -> Vec<&'c Rule> {
    config.rules.iter().filter(|rule| is_for(rule, metric.kind, metric.name)).collect()
}

/// Whether a rule is for metrics of this type and name.
fn is_for(rule: &Rule, kind: MetricKind<'_>, name: &str) -> bool {
    match kind {
        MetricKind::Pods => rule.name == name && rule.objects.iter().any(|object| object.resource == "pods"),
        MetricKind::Object(ObjectRef { kind, .. }) => {
            rule.name == name && rule.objects.iter().any(|object| object.kind == kind)
        }
        MetricKind::External => rule.is_external() && rule.name.eq_ignore_ascii_case(name),
        MetricKind::Resource => false,
    }
}

/// Whether a rule may describe the object of a metric, as far as the HPA's namespace is known.
pub(crate) fn may_describe(rule: &Rule, kind: MetricKind<'_>, namespace: Option<&str>) -> bool {
    match (&rule.mapping, kind) {
        (ObjectMapping::Described(described), MetricKind::Object(object)) => {
            let is_here = described.namespace.as_deref().is_none_or(|own| namespace.is_none_or(|of| of == own));
            is_here && (described.name == object.name || request_path::is_namespace(&object))
        }
        _ => true,
    }
}

/// The positions of the rules that serve a metric to an HPA in this namespace, or the reason why none does.
pub(crate) fn serving(
    kind: MetricKind<'_>,
    name: &str,
    namespace: Option<&str>,
    rules: &[(&Rule, &Source)],
) -> Result<Vec<usize>, String> {
    let all = rules.iter().enumerate().filter(|(_, (rule, _))| is_for(rule, kind, name));
    let all: Vec<_> = all.map(|(place, (rule, source))| (place, *rule, *source)).collect();
    let describing: Vec<_> = all.iter().filter(|(_, rule, _)| may_describe(rule, kind, namespace)).collect();
    if describing.is_empty() {
        let what = match kind {
            MetricKind::Object(object) if !all.is_empty() => {
                format!("that describes {} {}", Escaped::new(object.kind), Escaped::new(object.name))
            }
            MetricKind::Pods => "for object: pods".to_owned(),
            MetricKind::Object(object) => format!("for an object of kind {}", Escaped::new(object.kind)),
            MetricKind::External | MetricKind::Resource => "with external: true".to_owned(),
        };
        return Err(format!("there is no rule {what}"));
    }
    let allows = |rule: &Rule, source: &Source| namespace.is_none_or(|of| source.namespaces_of(rule).allow(of));
    let allowed = describing.into_iter().filter(|(_, rule, source)| allows(rule, source));
    let allowed: Vec<usize> = allowed.map(|(place, ..)| *place).collect();
    if allowed.is_empty() {
        let namespace = Escaped::new(namespace.unwrap_or_default());
        return Err(format!("namespace {namespace} is not among the namespaces of its rule or source"));
    }
    Ok(allowed)
}

/// The group of the API from which the HPA controller requests metrics of this type.
pub(crate) fn group(kind: MetricKind<'_>) -> Group {
    match kind {
        MetricKind::External => Group::External,
        MetricKind::Pods | MetricKind::Object(_) | MetricKind::Resource => Group::Custom,
    }
}

struct Findings {
    problems: Vec<Problem>,
    /// The number of lines before the document.
    before: usize,
}

impl Findings {
    fn hpa(&mut self, hpa: &Hpa<'_>, config: &Config) {
        if let Some(span) = hpa.zero.filter(|_| hpa.problems.is_empty() && !hpa.can_scale_from_zero()) {
            let message =
                "minReplicas: 0 needs a metric of type Object or External; at zero there are no pods to measure";
            self.push(span, Severity::Warning, message.to_owned());
        }
        for HpaProblem { span, expected } in hpa.all_problems() {
            self.push(*span, Severity::Error, format!("expected {expected}"));
        }
        for metric in hpa.metrics.iter().filter(|metric| metric.kind != MetricKind::Resource) {
            for message in metric_problems(metric, hpa, config) {
                let message = format!("metric {}: {message}", Escaped::new(metric.name));
                self.push(metric.span, Severity::Warning, message);
            }
        }
    }

    fn push(&mut self, span: Span, severity: Severity, message: String) {
        let span = Span { line: span.line + self.before, ..span };
        self.problems.push(Problem { span, severity, part: Part::File, message });
    }
}

/// The problems of a metric with a configuration; none for CPU and memory.
pub(crate) fn metric_problems(metric: &MetricSpec<'_>, hpa: &Hpa<'_>, config: &Config) -> Vec<String> {
    let rules = config.rules.iter().filter_map(|rule| Some((rule, config.sources.get(rule.source)?)));
    let all: Vec<(&Rule, &Source)> = rules.collect();
    let allowed = match serving(metric.kind, metric.name, hpa.namespace, &all) {
        Ok(allowed) => allowed.into_iter().filter_map(|place| all.get(place)),
        Err(_) if config.forward.as_ref().is_some_and(|forward| forward.covers(group(metric.kind), metric.name)) => {
            return Vec::new();
        }
        Err(why) => {
            let is_broken = config.broken.iter().any(|broken| broken.name.eq_ignore_ascii_case(metric.name));
            return if is_broken { Vec::new() } else { vec![why] };
        }
    };
    let may_disappear = hpa.zero.is_some() && metric.kind.can_scale_from_zero();
    let disappearing = allowed.filter(|(_, source)| may_disappear && disappears(source, metric, hpa)).map(|(_, source)| {
        format!(
            "its source {} is the scaled workload itself: at zero replicas it is gone, the metric fails, and the workload stays \
             at zero",
            Escaped::new(&source.name)
        )
    });
    disappearing.collect()
}

/// Whether a source disappears with the pods of the workload: its host, or the object that selects its pods, has the name of
/// the workload or a label of its pods.
fn disappears(source: &Source, metric: &MetricSpec<'_>, hpa: &Hpa<'_>) -> bool {
    let Some(workload) = hpa.target.map(|target| target.name) else { return false };
    let is_of_the_workload = || matches!(metric.kind, MetricKind::Object(object) if object.name == workload);
    let url = match &source.target {
        Target::Pods(Pods { set: None, .. }) => return is_of_the_workload(),
        Target::Pods(Pods { set: Some(set), .. }) => {
            let has_its_name = |label: &str| label.split_once('=').is_some_and(|(_, value)| value == workload);
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
    service == Some(workload) && namespace.is_some_and(|namespace| hpa.is_in(namespace))
}

#[cfg(test)]
mod tests;

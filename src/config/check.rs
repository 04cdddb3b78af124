//! Checks across keys and rules: errors for contradictions, warnings for likely unexpected_values.

mod credentials;
mod external;
mod placeholders;
mod pods;
mod unexpected_values;

use std::time::Duration;

use super::limits::{Limits, SamplingLimits};
use super::model::{DescribedObject, Format, Namespaces, ObjectKind, ObjectMapping, Rule, SelectorMode, Source, Value};
use super::problem::Severity;
use crate::parse::duration;
use crate::parse::escape::Escaped;
use crate::parse::json::segments::from_dots;
use crate::parse::name_pattern::NamePattern;
use crate::parse::url_template::Placeholder;
use crate::promql::{Scope, VectorSelector, Window};

const MEBIBYTE: u64 = 1024 * 1024;

/// The end of a message about a URL that several processes may serve.
pub(crate) const REPLICAS_HINT: &str = ", so each fetch may reach another replica: use pods: if their pages differ, \
                                     single: true if there is only one, single: false if all serve the same page";

/// The default period of the HPA controller.
const HPA_SYNC: Duration = Duration::from_secs(15);

/// A problem of a source or rule, and the key that causes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The key as written in the file: `certFile`.
    pub key: &'static str,
    /// Whether the source or rule cannot be served.
    pub severity: Severity,
    /// Lower case, one line, without the key.
    pub message: String,
}

/// Checks a source by itself.
pub(crate) fn source(source: &Source, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    let most = match source.format {
        Some(Format::Text) => limits.page.max_text,
        _ => limits.page.max_json,
    } as u64;
    if source.format.is_some_and(Format::is_held) && source.max_bytes.is_some_and(|bytes| bytes > most) {
        let found = source.max_bytes.unwrap_or_default();
        let message = format!(
            "expected at most {}Mi with format: {}, whose pages are held in memory; found {found}",
            most / MEBIBYTE,
            source.format.map_or("json", word)
        );
        findings.push(error("maxBytes", message));
    }
    credentials::check(source, &mut findings);
    // A pod's page describes only that pod and the objects that select it; a Prometheus server labels each series with its
    // target.
    if source.namespaces == Namespaces::All && !source.is_of_any_pods() && !source.is_prometheus() {
        findings.push(warning(
            "namespaces",
            r#""*" lets the program that serves this page scale objects of every namespace"#,
        ));
    }
    if source.cache > HPA_SYNC {
        findings.push(warning("cache", "longer than the 15s between two HPA syncs, so an HPA may see stale values"));
    }
    if let Some(refresh) = source.refresh.filter(|refresh| *refresh < limits.refresh.shortest) {
        let [least, found] = [limits.refresh.shortest, refresh].map(duration::format);
        findings.push(error("refresh", format!("expected at least {least}, found {found}")));
    }
    if source.danger_allow_loopback {
        findings.push(warning(
            "dangerAllowLoopback",
            match source.is_open() {
                true => "anyone who can name an object, or run a pod, can reach servers on this machine's loopback",
                false => "has no effect: the URL's host has no placeholder",
            },
        ));
    }
    let placeholders = [
        Placeholder::Namespace,
        Placeholder::Resource,
        Placeholder::Name,
        Placeholder::Metric,
        Placeholder::LabelSelector,
    ];
    if source.proxy.is_some() && source.is_open() {
        let message =
            "a proxy resolves hosts itself, so the addresses of pods and of hosts with placeholders cannot be checked";
        findings.push(error("proxy", message));
    }
    if source.is_behind_a_service() {
        findings.push(warning("url", format!("the host is a Service{REPLICAS_HINT}")));
    }
    if source.is_single() && (source.is_of_pods() || placeholders.iter().any(|placeholder| source.uses(*placeholder))) {
        findings.push(error("single", "is for one process behind a URL without placeholders; remove it"));
    }
    findings
}

/// Checks a rule and the source that it uses.
pub(crate) fn rule(rule: &Rule, source: &Source, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    shape(rule, source, &mut findings);
    query(rule, source, &mut findings);
    for object in &rule.objects {
        scope(object, rule, source, &mut findings);
    }
    external::check(rule, source, &mut findings);
    placeholders::check(rule, &mut findings);
    ranges(rule, source, limits, &mut findings);
    pods::coverage(rule, source, &mut findings);
    pods::value(rule, source, &mut findings);
    pods::at_once(rule, source, &mut findings);
    unexpected_values::check(rule, source, &mut findings);
    findings
}

/// Checks that one query can return the values of all objects, with a label that names each.
fn query(rule: &Rule, source: &Source, findings: &mut Vec<Finding>) {
    if !source.is_prometheus() {
        if let Value::QueryTemplate(_) = rule.value {
            findings.push(error("value", "$matchers and $by are for prometheus: sources"));
        }
        return;
    }
    let label = match &rule.mapping {
        ObjectMapping::Labels { name, .. } => name.first(),
        _ => None,
    };
    match (&rule.value, label) {
        (Value::Series(expr), Some(label)) => {
            if let Err(dropped) = expr.inject(&Scope { matchers: Vec::new(), by: Some(label.clone()) }) {
                findings.push(error("value", dropped.to_string()));
            }
        }
        (Value::QueryTemplate(written), Some(_)) => {
            if let Some(column) = written.mixes() {
                findings
                    .push(error("value", format!("the aggregation at column {column} mixes objects; add by ($by)")));
            }
        }
        (Value::QueryTemplate(written), None) => {
            if let Some(column) = written.by() {
                let message =
                    format!("$by at column {column} has no meaning with describes: or {{name}}, which name one object");
                findings.push(error("value", message));
            }
        }
        (Value::Series(_), None) => {}
        _ => findings.push(error("value", format!("source {} requires PromQL", Escaped::new(&source.name)))),
    }
}

/// A range needs earlier samples of one process. Those of pods are kept; behind a URL, several processes may alternate.
fn ranges(rule: &Rule, source: &Source, limits: &Limits, findings: &mut Vec<Finding>) {
    let Value::Series(expr) = &rule.value else { return };
    if source.is_prometheus() {
        return;
    }
    let windows: Vec<Window> = expr.selectors().filter_map(VectorSelector::window).collect();
    let Some(longest) = windows.iter().copied().max_by_key(|window| window.reach()) else { return };
    let Some(shortest) = Window::shortest(&windows) else { return };
    if !source.is_single() && !source.is_of_pods() {
        let message = format!(
            "{longest} needs samples over time, which only sources with pods:, prometheus: or single: true have"
        );
        findings.push(error("value", message));
        return;
    }
    if source.refresh.is_some() {
        findings.push(error(
            "value",
            "a value over time is sampled at its own interval, so the source cannot have refresh:",
        ));
        return;
    }
    let interval = limits.sampling.interval_for(shortest.reach());
    if !shortest.range.is_zero() && shortest.range < 2 * interval {
        let interval = duration::format(interval);
        let message = format!("{shortest} never contains two samples, which are taken at most every {interval}");
        findings.push(error("value", message));
    }
    let (samples, most) = (SamplingLimits::samples_for(longest.reach(), interval), limits.sampling.samples);
    if samples > most {
        let interval = duration::format(interval);
        let message = format!(
            "{longest} takes up to {samples} samples of a series, as {shortest} is sampled every {interval}; expected \
             at most {most}"
        );
        findings.push(error("value", message));
    }
}

fn error(key: &'static str, message: impl Into<String>) -> Finding {
    Finding { key, severity: Severity::Error, message: message.into() }
}

fn warning(key: &'static str, message: impl Into<String>) -> Finding {
    Finding { key, severity: Severity::Warning, message: message.into() }
}

/// Checks that the value can be read from a page in this format.
fn shape(rule: &Rule, source: &Source, findings: &mut Vec<Finding>) {
    let name = Escaped::new(&source.name);
    match (&rule.value, source.format) {
        (Value::Json(_), Some(format @ (Format::Prometheus | Format::OpenMetrics | Format::Number))) => {
            let message = format!("a JSONPath, but the format of source {name} is {}", word(format));
            findings.push(error("value", message));
        }
        (Value::Series(expr), Some(format @ (Format::Json | Format::Yaml | Format::Csv | Format::Number))) => {
            let has_paths = format != Format::Number;
            let path = Some(expr.to_string()).filter(|_| has_paths).and_then(|text| from_dots(&text));
            let hint = path.map(|path| format!("; as a JSONPath it is {path}")).unwrap_or_default();
            let message = format!("PromQL, but the format of source {name} is {}{hint}", word(format));
            findings.push(error("value", message));
        }
        (Value::Json(expr), Some(Format::Csv)) => {
            let items = match &rule.mapping {
                ObjectMapping::Items { items, .. } => Some(("items", items)),
                _ => None,
            };
            let paths = expr.parts().iter().map(|part| ("value", &part.path)).chain(items);
            for (key, _) in paths.filter(|(_, path)| path.compares_numbers()) {
                findings.push(error(
                    key,
                    "a filter compares numbers, and all fields of CSV are text: compare with a \
                                          string such as '5', by == or !=",
                ));
            }
        }
        (Value::Text(_), None) => {
            findings.push(error("value", format!("a regular expression needs format: text on source {name}")));
        }
        (Value::Text(_), Some(format)) if format != Format::Text => {
            let message = format!("a regular expression, but the format of source {name} is {}", word(format));
            findings.push(error("value", message));
        }
        _ => {}
    }
    if source.label_selector == SelectorMode::Labels && !matches!(rule.value, Value::Series(_) | Value::Named(_)) {
        let message =
            format!("labelSelector: labels of source {name} needs series with labels, and this value has none");
        findings.push(error("source", message));
    }
}

/// Checks that a value identifies its object, and that the page may describe that object.
fn scope(object: &ObjectKind, rule: &Rule, source: &Source, findings: &mut Vec<Finding>) {
    let name = Escaped::new(&source.name);
    let resource = &object.resource;
    if source.is_of_any_pods() {
        return pods::object(object, source, findings);
    }
    let in_url = source.uses(Placeholder::Namespace);
    let is_namespace = resource == "namespaces";
    if !object.namespaced && !is_namespace {
        if in_url {
            let message =
                format!("the requests of source {name} contain {{namespace}}, but {resource} are cluster-scoped");
            findings.push(error("source", message));
        }
        let message =
            format!("no HPA can request a metric of {resource}: it requests objects of its own namespace only");
        findings.push(warning("object", message));
        return;
    }
    let namespaces = source.namespaces_of(rule);
    if *namespaces == Namespaces::Only(Vec::new()) {
        let message = format!("source {name} needs namespaces:, the namespaces whose {resource} its page may describe");
        findings.push(error("source", message));
        return;
    }
    let one = in_url || namespaces.single().is_some();
    let in_name = rule.name_pattern.as_ref().is_some_and(NamePattern::names_namespaces);
    let several = match &rule.mapping {
        ObjectMapping::Requested if !one && !is_namespace => Some("put {namespace} into the URL"),
        ObjectMapping::Items { namespace_from: None, .. } if !one && !is_namespace && !in_name => {
            Some("add namespaceFrom:")
        }
        ObjectMapping::CaptureGroups { namespace: false } if !one && !is_namespace => {
            Some("add a group (?<namespace>…)")
        }
        ObjectMapping::Namespace if !one => Some("put {namespace} into the URL"),
        _ => None,
    };
    if let Some(cure) = several {
        let message = format!("source {name} has one page for several namespaces; list one namespace, or {cure}");
        findings.push(error("source", message));
    }
    if let ObjectMapping::Described(DescribedObject { namespace, name: object }) = &rule.mapping {
        let described = namespace.as_deref().or(is_namespace.then_some(object.as_str()));
        if let Some(outside) = described.filter(|described| !source.namespaces.allow(described)) {
            let message = format!("{} is not among the namespaces of source {name}", Escaped::new(outside));
            findings.push(error("describes", message));
        }
    }
}

/// A format as written in the file.
fn word(format: Format) -> &'static str {
    match format {
        Format::Prometheus => "prometheus",
        Format::OpenMetrics => "openmetrics",
        Format::Json => "json",
        Format::Yaml => "yaml",
        Format::Csv => "csv",
        Format::Text => "text",
        Format::Number => "number",
    }
}

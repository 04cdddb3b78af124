//! Converts kube-metrics-adapter's annotations on HPAs to rules, and to HPAs without these annotations.

use serde_json::Value;

use super::annotations::{self, Annotated, Setting};
use super::collected::{self, Collected, Settings};
use super::diagnostics::{Diagnostics, Position};
use super::hpas::{self, shown};
use super::manifest::{self, json, remove_annotations, strip};
use super::output::{Output, RuleText, line};
use super::written::{self, WrittenHpa};
use super::{Converted, Input, Known};
use crate::autoscaling::manifest::{Hpa, MetricKind, MetricSpec};
use crate::config::limits::Limits;
use crate::parse::escape::Escaped;
use crate::parse::yaml::{Key, Node, YamlValue};

const NOTES: &[&str] = &[
    "kube-metrics-adapter collects values at intervals and serves the last for minutes; here they are fetched on request, and \
     a value that cannot be fetched is an error",
    "kube-metrics-adapter uses ready pods; here all running pods count, and the HPA controller itself handles unready ones",
    "kube-metrics-adapter truncates values to thousandths; here they are rounded, and no other value becomes 0",
    "negative values are an error here without allowNegative: true",
];

/// Converts the annotations of the HPAs in `hpas`.
pub fn convert(hpas: &[Input<'_>], known: &Known<'_>, limits: &Limits) -> Converted {
    let mut diagnostics = Diagnostics::default();
    let mut output = Output::default();
    let mut written = Vec::new();
    for (index, input) in hpas.iter().enumerate() {
        hpas::each(*input, index, limits, &mut diagnostics, |hpa, before, diagnostics| {
            let converter = HpaConverter { hpa, input: index, before, known, limits };
            written.extend(converter.hpa(&mut output, diagnostics));
        });
    }
    let config = output.finish("kube-metrics-adapter's annotations", limits, &mut diagnostics);
    let hpas = written::print(written, &output, limits, &mut diagnostics);
    let notes = if config.is_empty() { Vec::new() } else { NOTES.to_vec() };
    Converted { config, hpas, diagnostics: diagnostics.into_sorted(), notes }
}

struct HpaConverter<'a> {
    hpa: &'a Hpa<'a>,
    input: usize,
    before: usize,
    known: &'a Known<'a>,
    limits: &'a Limits,
}

impl HpaConverter<'_> {
    /// The HPA without the annotations; `None` (and diagnostics) if a part of it cannot be converted.
    fn hpa(&self, output: &mut Output, diagnostics: &mut Diagnostics) -> Option<WrittenHpa> {
        let (hpa, input, before) = (self.hpa, self.input, self.before);
        for problem in &hpa.problems {
            diagnostics.error(Position::new(input, before, problem.span), format!("expected {}", problem.expected));
        }
        let namespace = hpas::namespace_of(hpa, self.known.namespace, input, before, diagnostics)?;
        let mut annotated = annotations::read(hpa.node, input, before, diagnostics)?;
        if !hpa.problems.is_empty() || hpa.metrics.is_empty() && annotated.is_empty() {
            return None;
        }
        let version = hpa.node.at(&["apiVersion"]);
        if !matches!(version.and_then(Node::text), Some("autoscaling/v2" | "autoscaling/v2beta2")) {
            let span = version.map_or(hpa.node.span, |version| version.span);
            let message =
                "expected autoscaling/v2 or autoscaling/v2beta2; kubectl get hpa.v2.autoscaling prints autoscaling/v2";
            diagnostics.error(Position::new(input, before, span), message);
            return None;
        }
        let mut object = json(hpa.node);
        let mut rules = Vec::new();
        let mut is_whole = true;
        for metric in hpa.metrics.iter().filter(|metric| metric.kind != MetricKind::Resource) {
            match self.metric(metric, &namespace, &mut annotated, diagnostics) {
                Some(collected) => {
                    let name = self.rule(metric, &namespace, collected, output, diagnostics);
                    rename(&mut object, metric.index, &name);
                    rules.push(name);
                }
                None => is_whole = false,
            }
        }
        for left in &annotated {
            if let Some(setting) = left.settings.first() {
                let message = format!("the HPA has no metric {} of this type", Escaped::new(&left.metric));
                diagnostics.warning(setting.position, message);
            }
        }
        if !is_whole {
            return None;
        }
        strip(&mut object);
        remove_annotations(&mut object, |key| key.starts_with(annotations::PREFIX));
        if let Some(members) = object.as_object_mut() {
            // Both versions have the same fields.
            members.insert("apiVersion".to_owned(), manifest::text("autoscaling/v2"));
            // The items of a typed list may lack it.
            members.insert("kind".to_owned(), manifest::text("HorizontalPodAutoscaler"));
        }
        if let Some(metadata) = manifest::member(&mut object, "metadata") {
            metadata.insert("namespace".to_owned(), Value::String(namespace));
        }
        Some(WrittenHpa { object, rules, position: Position::new(input, before, hpa.span) })
    }

    /// The source and rule of a metric.
    fn metric(
        &self,
        metric: &MetricSpec<'_>,
        namespace: &str,
        annotated: &mut Vec<Annotated>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Collected> {
        let position = Position::new(self.input, self.before, metric.span);
        let kind = match metric.kind {
            MetricKind::Pods => "pods",
            MetricKind::Object(_) => "object",
            MetricKind::External | MetricKind::Resource => "external",
        };
        let found = annotated.iter().position(|other| other.kind == kind && other.metric == metric.name);
        let own = found.map(|index| annotated.remove(index));
        let written = self.hpa.node.items_at(&["spec", "metrics"]).get(metric.index);
        let selector =
            written.and_then(|node| node.at(&[kind, "metric", "selector"])).filter(|_| !metric.selector.is_empty());
        let labels = match selector.map(|selector| self.labels(selector)) {
            None => Vec::new(),
            Some(Some(labels)) if kind != "pods" => labels,
            Some(_) => {
                let message = format!("metric {}: its selector cannot be converted", Escaped::new(metric.name));
                diagnostics.error(position, message);
                return None;
            }
        };
        // The collector of an external metric is in the label `type` or, in old versions, is the metric's name.
        let labelled = labels.iter().find(|label| label.key == "type").map(|label| label.value.clone());
        let collector = match (&own, kind) {
            (_, "external") => labelled.unwrap_or_else(|| metric.name.to_owned()),
            (Some(own), _) => own.collector.clone(),
            (None, _) => String::new(),
        };
        // Annotations take precedence over labels.
        let mut settings = own.map(|own| own.settings).unwrap_or_default();
        for label in labels.into_iter().filter(|label| label.key != "type") {
            if !settings.iter().any(|setting| setting.key == label.key) {
                settings.push(label);
            }
        }
        let settings = Settings { metric: metric.name, position, settings, known: self.known, limits: self.limits };
        collected::collect(settings, metric.kind, namespace, &collector, diagnostics)
    }

    /// Adds the rule for a metric and returns its name: the metric's own or, if that is taken, a longer one.
    fn rule(
        &self,
        metric: &MetricSpec<'_>,
        namespace: &str,
        collected: Collected,
        output: &mut Output,
        diagnostics: &mut Diagnostics,
    ) -> String {
        let hpa = self.hpa.name.unwrap_or_default();
        let position = Position::new(self.input, self.before, metric.span);
        let source = output.source(collected.source_name, collected.source);
        let mut lines = collected.lines;
        lines.insert(1, line("source", &source));
        let wanted = collected.name.unwrap_or_else(|| metric.name.to_owned());
        let names = [wanted.clone(), format!("{hpa}-{wanted}"), format!("{namespace}-{hpa}-{wanted}")];
        let comment = format!("metric {} of HPA {namespace}/{}", shown(metric.name), shown(hpa));
        let name = output.named(&names, RuleText { position, source, name: String::new(), comment, lines });
        if name != metric.name {
            let message = format!("metric {}: its name in the new HPA is {}", Escaped::new(metric.name), shown(&name));
            diagnostics.warning(position, message);
        }
        name
    }

    /// The labels of a selector; `None` if it contains anything else.
    fn labels(&self, selector: &Node) -> Option<Vec<Setting>> {
        let YamlValue::Mapping(entries) = &selector.value else { return None };
        let [(key, labels)] = entries.as_slice() else { return None };
        let YamlValue::Mapping(labels) = &labels.value else { return None };
        let setting = |(key, node): &(Key, Node)| Setting {
            key: key.text.clone(),
            value: node.text().unwrap_or_default().to_owned(),
            position: Position::new(self.input, self.before, node.span),
        };
        (key.text == "matchLabels").then(|| labels.iter().map(setting).collect())
    }
}

/// Sets the metric's name in the new HPA, and removes the selector, which was for the adapter.
fn rename(object: &mut Value, index: usize, name: &str) {
    for kind in ["pods", "object", "external"] {
        let identifier = object.pointer_mut(&format!("/spec/metrics/{index}/{kind}/metric"));
        if let Some(members) = identifier.and_then(Value::as_object_mut) {
            members.insert("name".to_owned(), manifest::text(name));
            members.remove("selector");
        }
    }
}

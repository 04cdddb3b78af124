//! Converts KEDA's ScaledObjects to rules and HPAs.

use serde_json::Value;

use super::diagnostics::{Diagnostics, Position};
use super::hpas::shown;
use super::keda_metadata::{Fallback, Target, TriggerContext};
use super::keda_triggers::Trigger;
use super::manifest::{json, object, text};
use super::output::{Output, RuleText, line};
use super::written::{self, WrittenHpa};
use super::{Converted, Input, Known};
use crate::autoscaling::manifest;
use crate::config::file::fields::{Fields, Sink};
use crate::config::limits::Limits;
use crate::config::problem::Part;
use crate::parse::dns;
use crate::parse::escape::Escaped;
use crate::parse::yaml::{self, Node, Span, YamlValue};

const NOTES: &[&str] = &[
    "remove the ScaledObject before you apply the HPA: KEDA's own HPA for it would scale the same workload",
    "KEDA serves negative values as 0; here they are an error without allowNegative: true",
    "minReplicas: 0 needs Kubernetes 1.37, or the feature gate HPAScaleToZero",
    "KEDA polls every pollingInterval; an HPA requests its metrics every 15s",
];

const SPEC: &[&str] = &[
    "scaleTargetRef",
    "pollingInterval",
    "initialCooldownPeriod",
    "cooldownPeriod",
    "idleReplicaCount",
    "minReplicaCount",
    "maxReplicaCount",
    "advanced",
    "triggers",
    "fallback",
];

/// The default of `cooldownPeriod`, and of an HPA's `stabilizationWindowSeconds` for scaling down.
const COOLDOWN: u32 = 300;
/// The maximum of `stabilizationWindowSeconds`.
const LONGEST_WINDOW: u32 = 3_600;
/// The default of `maxReplicaCount`.
const MAX_REPLICAS: u32 = 100;

/// Converts the ScaledObjects in files.
pub fn convert(files: &[Input<'_>], known: &Known<'_>, limits: &Limits) -> Converted {
    let mut diagnostics = Diagnostics::default();
    let mut output = Output::default();
    let mut written = Vec::new();
    for (input, file) in files.iter().enumerate() {
        let text = String::from_utf8_lossy(file.bytes);
        let mut found = false;
        for (before, document) in manifest::documents(&text) {
            let root = match yaml::parse(document, &limits.document()) {
                Ok(root) => root,
                Err(error) => {
                    found = true;
                    diagnostics.error(Position::new(input, before, error.span), error.message);
                    continue;
                }
            };
            for node in scaled(&root) {
                found = true;
                let mut sink = Sink::new(Part::File);
                let object = ScaledObject { node, known, limits };
                let converted = object.read(&mut sink);
                let is_good = sink.first_error().is_none();
                for problem in sink.into_problems() {
                    let position = Position::new(input, before, problem.span);
                    match problem.is_error() {
                        true => diagnostics.error(position, problem.message),
                        false => diagnostics.warning(position, problem.message),
                    }
                }
                if let Some(scaled) = converted.filter(|_| is_good) {
                    let (object, rules) = scaled.write(input, before, &mut output);
                    written.push(WrittenHpa { object, rules, position: Position::new(input, before, node.span) });
                }
            }
        }
        if !found {
            diagnostics
                .error(Position::new(input, 0, Span::START), "expected a ScaledObject of keda.sh/v1alpha1, found none");
        }
    }
    let config = output.finish("KEDA's ScaledObjects", limits, &mut diagnostics);
    let hpas = written::print(written, &output, limits, &mut diagnostics);
    let notes = if hpas.is_empty() { Vec::new() } else { NOTES.to_vec() };
    Converted { config, hpas, diagnostics: diagnostics.into_sorted(), notes }
}

/// The ScaledObjects and ScaledJobs in a document, which may be a list.
fn scaled(root: &Node) -> Vec<&Node> {
    let is_scaled = |node: &&Node| matches!(node.text_at(&["kind"]), Some("ScaledObject" | "ScaledJob"));
    match root.text_at(&["kind"]) {
        Some("List" | "ScaledObjectList") => root.items_at(&["items"]).iter().filter(is_scaled).collect(),
        _ => Some(root).into_iter().filter(is_scaled).collect(),
    }
}

struct ScaledObject<'a> {
    node: &'a Node,
    known: &'a Known<'a>,
    limits: &'a Limits,
}

/// A parsed ScaledObject.
struct Scaled {
    name: String,
    hpa_name: String,
    namespace: String,
    target: Value,
    min: u32,
    max: u32,
    behavior: Option<Value>,
    triggers: Vec<(Trigger, Span)>,
}

impl<'a> ScaledObject<'a> {
    fn read(&self, sink: &mut Sink) -> Option<Scaled> {
        let node = self.node;
        let name = node.text_at(&["metadata", "name"]).filter(|name| dns::is_name(name));
        let Some(name) = name else {
            sink.error(node.span, "expected metadata.name, a name such as worker");
            return None;
        };
        if node.text_at(&["kind"]) == Some("ScaledJob") {
            sink.error(node.span, format!("ScaledJob {name}: an HPA cannot scale Jobs; keep KEDA for it"));
            return None;
        }
        let namespace = node.text_at(&["metadata", "namespace"]).or(self.known.namespace);
        let Some(namespace) = namespace.filter(|namespace| dns::is_label(namespace)) else {
            let message = format!("ScaledObject {name} has no metadata.namespace; --namespace NAME sets it");
            sink.error(node.span, message);
            return None;
        };
        self.annotations(name, sink);
        let what = format!("ScaledObject {name}");
        let spec = node.at(&["spec"])?;
        let mut spec = Fields::open(spec, node.span, &what, SPEC, sink)?;
        let target = target(&mut spec, sink);
        let min = number("minReplicaCount", &mut spec, sink)?.unwrap_or(0);
        let max = number("maxReplicaCount", &mut spec, sink)?.unwrap_or(MAX_REPLICAS);
        if spec.has("idleReplicaCount") {
            let message = "an HPA has no such count; it keeps minReplicas, or scales to zero with minReplicas: 0";
            spec.fail("idleReplicaCount", message, sink);
        }
        for key in ["pollingInterval", "initialCooldownPeriod"] {
            if spec.has(key) {
                sink.warning(spec.span(key), format!("{key}: an HPA has no equivalent"));
            }
        }
        let (hpa_name, behavior) = self.advanced(&mut spec, min, sink)?;
        let fallback = fallback(&mut spec, sink)?;
        let triggers = match spec.require("triggers", sink).map(|node| &node.value) {
            Some(YamlValue::Sequence(items)) => items.as_slice(),
            _ => &[],
        };
        let mut read = Vec::new();
        let context = TriggerContext { namespace, min, fallback, limits: self.limits };
        for (index, node) in triggers.iter().enumerate() {
            let trigger = Trigger::read(node, index, &context, sink);
            read.extend(trigger.map(|trigger| (trigger, node.span)));
        }
        let is_whole = read.len() == triggers.len();
        if triggers.is_empty() {
            spec.fail("triggers", "expected a list of triggers", sink);
        }
        let min = match read.iter().any(|(trigger, _)| trigger.rule.is_some()) {
            true => min,
            false if min == 0 && is_whole => {
                sink.warning(spec.span("triggers"), "minReplicas: 0 needs an external metric, so it becomes 1");
                1
            }
            false => min,
        };
        let [name, namespace] = [name, namespace].map(str::to_owned);
        let hpa_name = hpa_name.unwrap_or_else(|| name.clone());
        Some(Scaled { name, hpa_name, namespace, target: target?, min, max, behavior, triggers: read })
    }

    /// Reports annotations that pause it.
    fn annotations(&self, name: &str, sink: &mut Sink) {
        let annotations = self.node.at(&["metadata", "annotations"]);
        let Some(YamlValue::Mapping(entries)) = annotations.map(|node| &node.value) else { return };
        for (key, _) in entries.iter().filter(|(key, _)| key.text.starts_with("autoscaling.keda.sh/paused")) {
            sink.error(key.span, format!("ScaledObject {name} is paused, but an HPA cannot be paused"));
        }
    }

    /// The HPA's name and behavior.
    fn advanced(&self, spec: &mut Fields<'a>, min: u32, sink: &mut Sink) -> Option<(Option<String>, Option<Value>)> {
        let cooldown = number("cooldownPeriod", spec, sink)?.filter(|_| min == 0).unwrap_or(COOLDOWN);
        let (mut name, mut behavior) = (None, None);
        if let Some(node) = spec.get("advanced") {
            let keys = ["horizontalPodAutoscalerConfig", "restoreToOriginalReplicaCount", "scalingModifiers"];
            let mut advanced = Fields::open(node, spec.span("advanced"), "advanced", &keys, sink)?;
            if advanced.has("scalingModifiers") {
                let message = "a formula over several triggers has no equivalent; an HPA uses the metric that needs the most replicas";
                advanced.fail("scalingModifiers", message, sink);
            }
            if advanced.has("restoreToOriginalReplicaCount") {
                let key = "restoreToOriginalReplicaCount";
                sink.warning(advanced.span(key), format!("{key}: replicas remain unchanged when an HPA is deleted"));
            }
            if let Some(node) = advanced.get("horizontalPodAutoscalerConfig") {
                let home = advanced.span("horizontalPodAutoscalerConfig");
                let mut config =
                    Fields::open(node, home, "horizontalPodAutoscalerConfig", &["name", "behavior"], sink)?;
                name = config.line("name", sink).map(str::to_owned);
                behavior = config.get("behavior").filter(|node| !node.is_null()).map(json);
            }
        }
        if cooldown == COOLDOWN {
            return Some((name, behavior));
        }
        let window = cooldown.min(LONGEST_WINDOW);
        if window < cooldown {
            sink.warning(
                spec.span("cooldownPeriod"),
                format!("cooldownPeriod: an HPA waits at most {LONGEST_WINDOW}s"),
            );
        }
        let mut all = behavior.unwrap_or_else(|| object([]));
        if let Some(members) = all.as_object_mut() {
            let down = members.entry("scaleDown").or_insert_with(|| object([]));
            if let Some(down) = down.as_object_mut() {
                if down.contains_key("stabilizationWindowSeconds") {
                    let message = "cooldownPeriod: scaleDown.stabilizationWindowSeconds of behavior is kept; it applies to every \
                                   scale-down, including that of the last replica";
                    sink.warning(spec.span("cooldownPeriod"), message);
                } else {
                    let message = "cooldownPeriod becomes stabilizationWindowSeconds, which applies to every scale-down, not only that of \
                                   the last replica";
                    sink.warning(spec.span("cooldownPeriod"), message);
                    down.insert("stabilizationWindowSeconds".to_owned(), Value::from(window));
                }
            }
        }
        Some((name, Some(all)))
    }
}

/// The replicas while a trigger fails; `Some(None)` if they remain unchanged.
fn fallback(spec: &mut Fields<'_>, sink: &mut Sink) -> Option<Option<Fallback>> {
    let Some(node) = spec.get("fallback") else { return Some(None) };
    let keys = ["failureThreshold", "replicas", "behavior"];
    let mut fallback = Fields::open(node, spec.span("fallback"), "fallback", &keys, sink)?;
    let replicas = number("replicas", &mut fallback, sink)?;
    number("failureThreshold", &mut fallback, sink)?;
    match fallback.text("behavior", sink) {
        None | Some("static") => {}
        // This is what an HPA does without a value.
        Some("currentReplicas") => return Some(None),
        Some(other) => {
            let message =
                format!("expected static or currentReplicas, found {}, which has no equivalent", Escaped::new(other));
            fallback.fail("behavior", &message, sink);
        }
    }
    let message = "fallback: onUnavailable serves it from the first failure on, not after failureThreshold failures";
    sink.warning(spec.span("fallback"), message);
    let Some(replicas) = replicas else {
        fallback.fail("replicas", "required", sink);
        return None;
    };
    Some(Some(Fallback { replicas }))
}

/// The HPA's `scaleTargetRef`.
fn target(spec: &mut Fields<'_>, sink: &mut Sink) -> Option<Value> {
    let node = spec.require("scaleTargetRef", sink)?;
    let keys = ["apiVersion", "kind", "name", "envSourceContainerName"];
    let mut target = Fields::open(node, spec.span("scaleTargetRef"), "scaleTargetRef", &keys, sink)?;
    let name = target.required_text("name", sink)?;
    let api_version = target.text("apiVersion", sink).unwrap_or("apps/v1");
    let kind = target.text("kind", sink).unwrap_or("Deployment");
    Some(object([("apiVersion", text(api_version)), ("kind", text(kind)), ("name", text(name))]))
}

/// A count; `None` (and a problem) if it is invalid, `Some(None)` if it is missing.
fn number(key: &'static str, fields: &mut Fields<'_>, sink: &mut Sink) -> Option<Option<u32>> {
    let Some(node) = fields.get(key) else { return Some(None) };
    match node.text().and_then(|text| text.parse().ok()) {
        Some(number) => Some(Some(number)),
        None => {
            fields.fail(key, "expected a number of 0 or more", sink);
            None
        }
    }
}

impl Scaled {
    /// Adds the rules; returns the HPA and the names of the rules.
    fn write(self, input: usize, before: usize, output: &mut Output) -> (Value, Vec<String>) {
        let Self { name, hpa_name, namespace, target, min, max, behavior, triggers } = self;
        let (mut metrics, mut rules) = (Vec::new(), Vec::new());
        for (trigger, span) in triggers {
            let Some(rule) = trigger.rule else {
                metrics.extend(trigger.resource);
                continue;
            };
            let position = Position::new(input, before, span);
            let source = output.source(rule.source_name, rule.source);
            let mut lines = rule.lines;
            lines.insert(1, line("source", &source));
            let names = [format!("{name}-{}", rule.name), format!("{namespace}-{name}-{}", rule.name)];
            let comment = format!("{} of ScaledObject {namespace}/{}", rule.comment, shown(&name));
            let rule_name = output.named(&names, RuleText { position, source, name: String::new(), comment, lines });
            metrics.push(metric(&rule_name, rule.service.as_deref(), rule.target));
            rules.push(rule_name);
        }
        let metadata = object([("name", text(&hpa_name)), ("namespace", text(&namespace))]);
        let mut spec = object([
            ("scaleTargetRef", target),
            ("minReplicas", Value::from(min)),
            ("maxReplicas", Value::from(max)),
            ("metrics", Value::Array(metrics)),
        ]);
        if let (Some(behavior), Some(members)) = (behavior, spec.as_object_mut()) {
            members.insert("behavior".to_owned(), behavior);
        }
        let hpa = object([
            ("apiVersion", text("autoscaling/v2")),
            ("kind", text("HorizontalPodAutoscaler")),
            ("metadata", metadata),
            ("spec", spec),
        ]);
        (hpa, rules)
    }
}

/// A metric in an HPA: of a Service, or an external one.
fn metric(name: &str, service: Option<&str>, target: Target) -> Value {
    let Target { is_average, value } = target;
    let (kind, key) = if is_average { ("AverageValue", "averageValue") } else { ("Value", "value") };
    let target = object([("type", text(kind)), (key, text(&value.to_string()))]);
    let metric = object([("name", text(name))]);
    match service {
        None => object([("type", text("External")), ("external", object([("metric", metric), ("target", target)]))]),
        Some(service) => {
            let described = object([("apiVersion", text("v1")), ("kind", text("Service")), ("name", text(service))]);
            let of_object = object([("describedObject", described), ("metric", metric), ("target", target)]);
            object([("type", text("Object")), ("object", of_object)])
        }
    }
}

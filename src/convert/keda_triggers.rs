//! The triggers of KEDA's ScaledObjects that can be converted: Prometheus servers, metrics APIs, CPU and memory.

use serde_json::Value;

use super::keda_metadata::{MetadataReader, TriggerContext, TriggerRule};
use super::manifest::{object, text};
use super::{keda_auth, keda_metrics_api, keda_prometheus};
use crate::config::file::fields::{Fields, Sink};
use crate::parse::escape::Escaped;
use crate::parse::yaml::Node;

const KEYS: &[&str] = &["type", "name", "useCachedMetrics", "metadata", "authenticationRef", "metricType"];

/// A trigger, converted to a rule or to a metric of CPU or memory.
#[derive(Debug)]
pub(super) struct Trigger {
    pub(super) rule: Option<TriggerRule>,
    pub(super) resource: Option<Value>,
}

impl Trigger {
    /// Converts a trigger; `None` (and a problem) if that is not possible.
    pub(super) fn read(node: &Node, index: usize, context: &TriggerContext<'_>, sink: &mut Sink) -> Option<Self> {
        let what = format!("triggers[{index}]");
        let mut fields = Fields::open(node, node.span, &what, KEYS, sink)?;
        let kind = fields.required_text("type", sink)?;
        if fields.boolean("useCachedMetrics", sink) == Some(true) {
            sink.warning(fields.span("useCachedMetrics"), "useCachedMetrics: use cache: on the source instead");
        }
        let is_average = match fields.text("metricType", sink) {
            None | Some("AverageValue") => Some(true),
            Some("Value") => Some(false),
            Some(_) => None,
        };
        let metadata = fields.require("metadata", sink)?;
        let home = fields.span("metadata");
        let known = match kind {
            "prometheus" => keda_prometheus::KEYS,
            "metrics-api" => keda_metrics_api::KEYS,
            "cpu" | "memory" => &["type", "value", "containerName"],
            _ => {
                let message = format!("trigger {} has no equivalent here; keep KEDA for it", Escaped::new(kind));
                fields.fail("type", &message, sink);
                return None;
            }
        };
        let metadata = Fields::open(metadata, home, &format!("metadata of {kind}"), known, sink)?;
        if matches!(kind, "cpu" | "memory") {
            let resource = resource(kind, is_average, metadata, &mut fields, sink)?;
            return Some(Self { rule: None, resource: Some(resource) });
        }
        let Some(is_average) = is_average else {
            fields.fail("metricType", "expected AverageValue or Value", sink);
            return None;
        };
        if !is_average && context.fallback.is_some() {
            fields.fail(
                "metricType",
                "fallback is a number of replicas, which is possible with AverageValue only",
                sink,
            );
        }
        let name = match fields.text("name", sink) {
            Some(name) => name.to_ascii_lowercase(),
            None => format!("{kind}-{index}"),
        };
        let mut reader = MetadataReader { metadata, context, is_average, activation: None };
        let mut rule = match kind {
            "prometheus" => reader.prometheus(sink)?,
            _ => reader.metrics_api(sink)?,
        };
        if let Some(node) = fields.get("authenticationRef") {
            let name = node.text_at(&["name"]).unwrap_or_default();
            let modes = reader.optional("authModes", sink).or_else(|| reader.optional("authMode", sink));
            let (message, lines) = keda_auth::hint(name, modes.unwrap_or_default());
            sink.warning(fields.span("authenticationRef"), message);
            rule.source.extend(lines);
        }
        rule.name = name;
        rule.comment = what;
        Some(Self { rule: Some(rule), resource: None })
    }
}

/// A metric of CPU or memory.
fn resource(
    kind: &str,
    is_average: Option<bool>,
    mut metadata: Fields<'_>,
    fields: &mut Fields<'_>,
    sink: &mut Sink,
) -> Option<Value> {
    let value = metadata.required_text("value", sink)?;
    let metric_type = fields.text("metricType", sink).or_else(|| metadata.text("type", sink));
    let target = match (metric_type, value.parse::<u32>()) {
        (Some("Utilization"), Ok(percent)) => {
            object([("type", text("Utilization")), ("averageUtilization", Value::from(percent))])
        }
        (Some("Utilization"), Err(_)) => {
            metadata.fail("value", &format!("expected a percentage, found {}", Escaped::new(value)), sink);
            return None;
        }
        (Some("AverageValue"), _) if is_average == Some(true) || !fields.has("metricType") => {
            object([("type", text("AverageValue")), ("averageValue", text(value))])
        }
        _ => {
            fields.fail("metricType", "expected Utilization or AverageValue", sink);
            return None;
        }
    };
    Some(match metadata.text("containerName", sink) {
        None => object([("type", text("Resource")), ("resource", object([("name", text(kind)), ("target", target)]))]),
        Some(container) => {
            let of = object([("name", text(kind)), ("container", text(container)), ("target", target)]);
            object([("type", text("ContainerResource")), ("containerResource", of)])
        }
    })
}

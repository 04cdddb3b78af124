//! Prints accounts as JSON.

use serde_json::{Value, json};

use super::account::Account;
use super::found::MetricAccount;
use super::words;
use crate::autoscaling::calculator::Values;
use crate::autoscaling::decision::DecisionReason;
use crate::autoscaling::manifest::MetricTarget;
use crate::parse::json::indent;

/// All accounts as one document.
pub(super) fn document(accounts: &[Account]) -> String {
    let accounts: Vec<Value> = accounts.iter().map(account).collect();
    let document = json!({"hpas": accounts}).to_string();
    String::from_utf8(indent(document.as_bytes())).unwrap_or_default()
}

fn account(account: &Account) -> Value {
    let (asked, limited) = match account.decision.reason {
        DecisionReason::Metric { asked, limit, .. } => (Some(asked), limit.is_some()),
        _ => (None, false),
    };
    let lines =
        |lines: Vec<words::Line>| lines.into_iter().map(|(topic, text)| json!([topic, text])).collect::<Vec<_>>();
    let metrics: Vec<Value> = account
        .metrics
        .iter()
        .map(|metric| {
            let steps = words::of_metric(metric, &account.facts.workload, account.tolerances);
            self::metric(metric, &lines(steps))
        })
        .collect();
    json!({
        "namespace": account.facts.namespace,
        "name": account.name,
        "scales": account.target,
        "replicas": account.facts.workload.replicas,
        "minReplicas": account.min,
        "maxReplicas": account.max,
        "tolerance": {"scaleUp": account.tolerances.up, "scaleDown": account.tolerances.down},
        "metrics": metrics,
        "recommendation": asked,
        "isLimited": limited,
        "desiredReplicas": account.decision.replicas,
        "steps": lines(words::of_hpa(account)),
        "status": {"desiredReplicas": account.facts.controller, "conditions": account.facts.conditions},
        "warnings": account.warnings,
    })
}

fn metric(metric: &MetricAccount, steps: &[Value]) -> Value {
    let (kind, target) = match metric.target {
        Some(MetricTarget::Value(value)) => ("Value", value.to_string()),
        Some(MetricTarget::AverageValue(value)) => ("AverageValue", value.to_string()),
        Some(MetricTarget::Utilization(percent)) => ("Utilization", percent.to_string()),
        None => ("", String::new()),
    };
    let named = |name: &str, value: String| json!({"name": name, "value": value});
    let (values, refused): (Vec<Value>, Value) = match &metric.values {
        None => (Vec::new(), Value::Null),
        Some(Err(refused)) => (Vec::new(), json!({"code": refused.code, "message": refused.message})),
        Some(Ok(Values::Object(value))) => (vec![json!({"value": value.to_string()})], Value::Null),
        Some(Ok(Values::External(values))) => {
            (values.iter().map(|value| json!({"value": value.to_string()})).collect(), Value::Null)
        }
        Some(Ok(Values::Pods(values))) => {
            (values.iter().map(|(pod, value)| named(pod, value.to_string())).collect(), Value::Null)
        }
    };
    let proposal = metric.proposal.as_ref().and_then(|proposal| proposal.as_ref().ok());
    let events: Vec<Value> = metric.events.iter().map(|(topic, text)| json!([topic, text])).collect();
    json!({
        "type": metric.kind,
        "name": metric.name,
        "object": metric.object,
        "target": {"type": kind, "value": target},
        "request": metric.path,
        "server": metric.server,
        "rule": metric.place,
        "events": events,
        "values": values,
        "error": refused,
        "ratio": proposal.map(|proposal| proposal.ratio).filter(|ratio| ratio.is_finite()),
        "replicas": proposal.map(|proposal| proposal.replicas),
        "steps": steps,
        "warnings": metric.warnings,
    })
}

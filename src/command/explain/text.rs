//! Prints an account as text: a paragraph for each metric, and a topic for each line, as in the events of `get -v`.

use super::account::Account;
use super::found::MetricAccount;
use super::words::{self, Line, counted_replicas};
use crate::autoscaling::manifest::MetricTarget;
use crate::command::local_answer::printable;

/// The width of a topic.
const TOPIC: usize = 9;

/// Prints the account.
pub(super) fn page(account: &Account) -> String {
    let mut page = heading(account);
    for metric in &account.metrics {
        page.push_str("\n\n");
        page.push_str(&printable(&title(metric)));
        metric_lines(metric, account).iter().for_each(|line| push(&mut page, line));
    }
    page.push('\n');
    let mut lines = words::of_hpa(account);
    lines.extend(account.facts.controller.map(|replicas| ("status", format!("desiredReplicas {replicas}"))));
    lines.extend(account.facts.conditions.iter().map(|condition| ("status", condition.clone())));
    lines.extend(account.warnings.iter().map(|warning| ("warning", warning.clone())));
    lines.iter().for_each(|line| push(&mut page, line));
    page
}

fn heading(account: &Account) -> String {
    let replicas = counted_replicas(account.facts.workload.replicas);
    let assumed = account.facts.assumption.as_ref().map_or(String::new(), |how| format!(" ({how})"));
    let max = account.max.map_or_else(|| "?".to_owned(), |max| max.to_string());
    printable(&format!(
        "HorizontalPodAutoscaler {}/{} scales {} from {} to {max}; now {replicas}{assumed}",
        account.facts.namespace, account.name, account.target, account.min
    ))
}

/// The heading of a metric: `queue_depth of Service web, target value 20`.
fn title(metric: &MetricAccount) -> String {
    let of = if metric.object.is_empty() { String::new() } else { format!(" of {}", metric.object) };
    let target = match metric.target {
        Some(MetricTarget::Value(value)) => format!(", value {value}"),
        Some(MetricTarget::AverageValue(value)) => format!(", averageValue {value}"),
        Some(MetricTarget::Utilization(percent)) => format!(", averageUtilization {percent}"),
        None => String::new(),
    };
    format!("{} {}{of}{target}", metric.kind, metric.name)
}

fn metric_lines(metric: &MetricAccount, account: &Account) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(metric.path.iter().map(|path| ("request", format!("GET {path}"))));
    lines.extend(metric.server.iter().map(|server| ("server", server.clone())));
    for event in &metric.events {
        lines.push(event.clone());
        if event.0 == "rule" {
            lines.extend(metric.place.iter().map(|place| ("", place.clone())));
        }
    }
    if metric.events.is_empty() {
        lines.extend(metric.place.iter().map(|place| ("rule", place.clone())));
    }
    lines.extend(words::of_metric(metric, &account.facts.workload, account.tolerances));
    lines.extend(metric.warnings.iter().map(|warning| ("warning", warning.clone())));
    lines
}

fn push(page: &mut String, (topic, text): &Line) {
    page.push_str(format!("\n  {topic:<TOPIC$} {}", printable(text)).trim_end());
}

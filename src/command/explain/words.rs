//! Describes the controller's calculation, one line per step.

use super::account::Account;
use super::found::MetricAccount;
use crate::autoscaling::behavior::{self, Direction, Limit, ScalingRules, SelectPolicy, Tolerances};
use crate::autoscaling::calculator::{Basis, Filled, Kept, NoProposal, Proposal, Values, Workload};
use crate::autoscaling::decision::{DecisionReason, ZeroSupport};
use crate::autoscaling::manifest::MetricTarget;
use crate::command::counted;
use crate::parse::duration;
use crate::parse::quantity::Milli;

/// A line with its topic.
pub(super) type Line = (&'static str, String);

/// The controller's default sync period in seconds.
const SYNC: u32 = 15;

/// The calculation of the replicas for a metric.
pub(super) fn of_metric(metric: &MetricAccount, workload: &Workload, tolerances: Tolerances) -> Vec<Line> {
    let mut lines = Vec::new();
    match &metric.values {
        None => {
            let what = "not computed here: the kubelet measures it, and no adapter serves it";
            return vec![("value", what.to_owned())];
        }
        Some(Err(refused)) => {
            let code = if refused.code == 0 { String::new() } else { format!(" ({})", refused.code) };
            return vec![("no value", format!("{}{code}", refused.message))];
        }
        Some(Ok(Values::Object(value))) => lines.push(("value", value.to_string())),
        Some(Ok(Values::External(values))) => lines.push(("value", listed(values.iter().map(Milli::to_string)))),
        Some(Ok(Values::Pods(values))) => {
            lines.push(("value", listed(values.iter().map(|(pod, value)| format!("{pod} {value}")))));
        }
    }
    match (&metric.proposal, metric.target) {
        (Some(Ok(proposal)), Some(target)) => lines.extend(arithmetic(proposal, target, workload, tolerances)),
        (Some(Err(why)), _) => lines.push(("replicas", format!("none: {}", no_proposal(*why)))),
        _ => lines.push(("replicas", "none: the target is invalid".to_owned())),
    }
    lines
}

fn no_proposal(why: NoProposal) -> &'static str {
    match why {
        NoProposal::NoPods => "the workload's selector selects no pods",
        NoProposal::NoValues => "none of the pods that count has a value",
        NoProposal::NoTarget => "the type of its target does not apply to such metrics",
    }
}

fn arithmetic(proposal: &Proposal, target: MetricTarget, workload: &Workload, tolerances: Tolerances) -> Vec<Line> {
    let (MetricTarget::Value(target) | MetricTarget::AverageValue(target)) = target else { return Vec::new() };
    let (usage, ratio) = (proposal.usage, number(proposal.ratio));
    let (low, high) = (number(1.0 - tolerances.down), number(1.0 + tolerances.up));
    let band = |is_kept| match is_kept {
        true => format!(", within the tolerance from {low} to {high}"),
        false => format!(", outside the tolerance from {low} to {high}"),
    };
    let is_tolerated = proposal.kept == Some(Kept::Tolerance);
    let stays = |current: i32| ("replicas", format!("unchanged: {current}"));
    let product = |ratio: f64, pods: usize, of: &str| {
        let product = ratio * pods as f64;
        ("replicas", format!("{} × {} = {}{}", number(ratio), counted(pods, of), number(product), rounded(product)))
    };
    match &proposal.basis {
        Basis::Zero => vec![
            ("ratio", format!("{usage} / {target} = {ratio}")),
            ("replicas", format!("at zero the ratio is the number of replicas{}", rounded(proposal.ratio))),
        ],
        Basis::Ready(ready) => {
            let first = ("ratio", format!("{usage} / {target} = {ratio}{}", band(is_tolerated)));
            vec![
                first,
                if is_tolerated { stays(proposal.replicas) } else { product(proposal.ratio, *ready, "ready pod") },
            ]
        }
        Basis::Division if workload.present == 0 => {
            let quotient = usage.0 as f64 / target.0 as f64;
            vec![("replicas", format!("{usage} / {target} = {}{}", number(quotient), rounded(quotient)))]
        }
        Basis::Division => {
            let quotient = usage.0 as f64 / target.0 as f64;
            let pods = counted(usize::try_from(workload.present).unwrap_or_default(), "replica");
            let first = ("ratio", format!("{usage} / ({target} × {pods}) = {ratio}{}", band(is_tolerated)));
            let second = format!("{usage} / {target} = {}{}", number(quotient), rounded(quotient));
            vec![first, if is_tolerated { stays(proposal.replicas) } else { ("replicas", second) }]
        }
        Basis::Pods(pods) => {
            let first = ("ratio", format!("average {usage} / {target} = {ratio}{}", band(is_tolerated)));
            vec![first, if is_tolerated { stays(proposal.replicas) } else { product(proposal.ratio, *pods, "pod") }]
        }
        Basis::Filled(filled) => {
            let mut lines = vec![("ratio", format!("average {usage} / {target} = {ratio}"))];
            lines.extend(fill(filled, proposal.ratio));
            let second = number(filled.ratio);
            let kept = proposal.kept.map(|kept| match kept {
                Kept::Tolerance => band(true),
                Kept::Direction => ", which would scale in the other direction".to_owned(),
            });
            let pods = counted(filled.counted, "pod");
            lines.push(("ratio", format!("with {pods}: {second}{}", kept.unwrap_or_else(|| band(false)))));
            lines.push(match proposal.kept {
                Some(_) => stays(proposal.replicas),
                None => product(filled.ratio, filled.counted, "pod"),
            });
            lines
        }
    }
}

/// Pods that count although they have no value.
fn fill(filled: &Filled, ratio: f64) -> Vec<Line> {
    let mut lines = Vec::new();
    if !filled.missing.is_empty() {
        let pods = listed(filled.missing.iter().cloned());
        let counts = match filled.missing_value {
            Some(Milli(0)) => "count as 0, to scale up carefully".to_owned(),
            Some(value) => format!("count as the target, {value}, to scale down carefully"),
            None => "do not count".to_owned(),
        };
        lines.push(("no value", format!("{pods}: {counts}")));
    }
    if !filled.pending.is_empty() {
        let counts = if ratio > 1.0 { "count as 0, to scale up carefully" } else { "do not count" };
        lines.push(("pending", format!("{}: {counts}", listed(filled.pending.iter().cloned()))));
    }
    lines
}

/// The calculation of the replicas for the HPA.
pub(super) fn of_hpa(account: &Account) -> Vec<Line> {
    let (decision, current) = (account.decision, account.facts.workload.replicas);
    let max = account.max.unwrap_or_default();
    let mut lines = Vec::new();
    let why = match decision.reason {
        DecisionReason::Disabled => disabled(account),
        DecisionReason::AboveMax => format!("there are {current}, more than maxReplicas: metrics are ignored"),
        DecisionReason::BelowMin => format!("there are {current}, fewer than minReplicas: metrics are ignored"),
        DecisionReason::Failed if account.metrics.len() > 1 => {
            "unchanged: a metric has no value, and no other asks for more".to_owned()
        }
        DecisionReason::Failed => "unchanged: the metric has no value".to_owned(),
        DecisionReason::Unknown => "unknown: adapters serve none of the metrics".to_owned(),
        DecisionReason::Metric { index, asked, limit } => {
            let name = account.metrics.get(index).map_or("", |metric| metric.name.as_str());
            let asks = format!("{name} asks for {asked}");
            match limit {
                None if account.metrics.len() > 1 => format!("{asks}, the highest number of all metrics"),
                None => asks,
                Some(Limit::Min) => format!("{asks}; minReplicas is {}", account.min),
                Some(Limit::Max) => format!("{asks}; maxReplicas is {max}"),
                Some(Limit::Rate(direction)) => format!("{asks}; {}", rate(account, direction, decision.replicas)),
            }
        }
    };
    lines.push(("desired", format!("{}: {why}", counted_replicas(decision.replicas))));
    if account.metrics.iter().any(|metric| metric.values.is_none()) && decision.reason != DecisionReason::Unknown {
        lines
            .push(("at least", "CPU and memory may ask for more: the highest number of all metrics counts".to_owned()));
    }
    if let DecisionReason::Metric { .. } = decision.reason {
        lines.extend(over_time(account));
    }
    lines
}

/// Why scaling is disabled at zero.
fn disabled(account: &Account) -> String {
    let unscaled = "scaling is disabled at zero";
    match (account.facts.zero, account.min) {
        (ZeroSupport::Gate, _) => format!("{unscaled}: this Kubernetes does not scale from zero"),
        (ZeroSupport::Condition, 0) if !account.metrics.iter().any(|metric| metric.kind != "Pods") => {
            format!("{unscaled}: no metric of type Object or External can wake the workload")
        }
        (ZeroSupport::Condition, _) => format!(
            "{unscaled}: the HPA did not scale the workload to zero itself (its condition ScaledToZero is not True), so it does \
             not scale it up; kubectl scale --replicas=1 returns it to the HPA"
        ),
    }
}

/// The limit from the policies of a direction.
fn rate(account: &Account, direction: Direction, replicas: i32) -> String {
    let rules = account.behavior.as_ref().map(|behavior| match direction {
        Direction::Up => (&behavior.up, "scaleUp"),
        Direction::Down => (&behavior.down, "scaleDown"),
    });
    match rules {
        Some((rules, name)) if rules.select == SelectPolicy::Disabled => format!("{name} is disabled"),
        Some((_, name)) => format!("the policies of {name} allow {replicas} at once"),
        None => "one sync sets at most twice the replicas, or 4".to_owned(),
    }
}

/// Limits from earlier recommendations and changes.
fn over_time(account: &Account) -> Vec<Line> {
    let (replicas, current) = (account.decision.replicas, account.facts.workload.replicas);
    let DecisionReason::Metric { asked, .. } = account.decision.reason else { return Vec::new() };
    let direction = if asked > current { Direction::Up } else { Direction::Down };
    if asked == current || replicas == current {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let window = behavior::window(account.behavior.as_ref(), direction);
    if window > 0 {
        let text = match direction {
            Direction::Up => "the lowest recommendation of the last {} counts, so replicas increase once none is lower",
            Direction::Down => {
                "the highest recommendation of the last {} counts, so replicas decrease once none is higher"
            }
        };
        lines.push(("later", text.replace("{}", &seconds(window))));
    }
    let rules = account.behavior.as_ref().map(|behavior| match direction {
        Direction::Up => &behavior.up,
        Direction::Down => &behavior.down,
    });
    let period = rules.map_or(0, ScalingRules::longest_period);
    if period > SYNC {
        let text =
            "this assumes that the workload was not scaled within the last {}, the longest period of the policies";
        lines.push(("later", text.replace("{}", &seconds(period))));
    }
    lines
}

fn seconds(count: u32) -> String {
    duration::format(std::time::Duration::from_secs(count.into()))
}

/// `1 replica`, `3 replicas`.
pub(super) fn counted_replicas(count: i32) -> String {
    format!("{count} replica{}", if count == 1 { "" } else { "s" })
}

/// The first items, and the number of further ones.
pub(super) fn listed(items: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 10;
    let items: Vec<String> = items.collect();
    let shown = items
        .iter()
        .take(SHOWN)
        .map(|item| crate::command::local_answer::printable(item))
        .collect::<Vec<_>>()
        .join(", ");
    match items.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `, so 5`, unless the number is already whole.
fn rounded(number: f64) -> String {
    if number.fract() == 0.0 { String::new() } else { format!(", so {}", number.ceil() as i64) }
}

/// A number with at most four decimals.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

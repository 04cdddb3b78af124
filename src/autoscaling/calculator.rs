//! Replicas from the values of one metric, as the HPA controller computes them: values are thousandths in 64 bits, ratios are
//! floats, and every ratio within the tolerance of 1 changes nothing.

use std::collections::BTreeMap;

use super::behavior::Tolerances;
use super::manifest::{MetricKind, MetricTarget};
use crate::parse::quantity::Milli;

/// What is scaled, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// `spec.replicas` of its scale.
    pub replicas: i32,
    /// `status.replicas` of its scale: what is there, wanted or not.
    pub present: i32,
    /// The pods that its selector selects.
    pub pods: Vec<PodState>,
}

/// A pod, as far as the controller looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodState {
    pub name: String,
    pub phase: Phase,
    /// Whether it is to go.
    pub is_leaving: bool,
    /// Its condition `Ready`.
    pub is_ready: bool,
}

/// The phase of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    Pending,
    #[default]
    Running,
    Failed,
    /// `Succeeded`, `Unknown`.
    Other,
}

impl Phase {
    /// The phase of this name.
    pub fn named(name: &str) -> Self {
        match name {
            "Pending" => Self::Pending,
            "Running" => Self::Running,
            "Failed" => Self::Failed,
            _ => Self::Other,
        }
    }
}

/// The values of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Of pods, by their names.
    Pods(Vec<(String, Milli)>),
    /// Of an object.
    Object(Milli),
    /// Of an external metric, which are added up.
    External(Vec<Milli>),
}

/// What a metric asks for, and how that came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub replicas: i32,
    /// What is compared with the target: the value, the sum, or the average of the pods.
    pub usage: Milli,
    /// How much the usage is of what the target allows.
    pub ratio: f64,
    /// What the replicas are made of.
    pub basis: Basis,
    /// Why they stay, if they do.
    pub kept: Option<Kept>,
    /// Whether the number is beyond 32 bits, where the controller's own result depends on its processor.
    pub is_beyond: bool,
}

/// What the replicas are made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Basis {
    /// The ratio is multiplied by the pods that are ready.
    Ready(usize),
    /// The value is divided by the target.
    Division,
    /// At zero replicas, the ratio is the number.
    Zero,
    /// The ratio is multiplied by the pods that have a value.
    Pods(usize),
    /// Likewise, after pods without a value or not yet running were given one.
    Filled(Filled),
}

/// Pods that were given a value, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled {
    /// Without a value.
    pub missing: Vec<String>,
    /// What these were given, if the ratio was not 1.
    pub missing_value: Option<Milli>,
    /// Pending: they count as 0 to scale up, and not at all else.
    pub pending: Vec<String>,
    /// How many are counted in the end.
    pub counted: usize,
    /// The ratio with them.
    pub ratio: f64,
}

/// Why the replicas stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The ratio is within the tolerance.
    Tolerance,
    /// With the pods that were given a value, it would be the other direction.
    Direction,
}

/// Why a metric asks for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProposal {
    /// The workload's selector selects no pods.
    NoPods,
    /// None of the pods that count has a value.
    NoValues,
    /// The type of its target is not for such metrics.
    NoTarget,
}

/// What a metric asks for.
///
/// # Errors
/// Why the controller cannot use it.
pub fn propose(
    kind: MetricKind<'_>,
    target: MetricTarget,
    values: &Values,
    workload: &Workload,
    tolerances: Tolerances,
) -> Result<Proposal, NoProposal> {
    match (kind, values, target) {
        (MetricKind::Pods, Values::Pods(values), MetricTarget::AverageValue(target)) => {
            of_pods(values, target, workload, tolerances)
        }
        (MetricKind::Object(_), Values::Object(value), MetricTarget::Value(target)) => {
            by_ratio(*value, target, workload, tolerances)
        }
        (MetricKind::Object(_), Values::Object(value), MetricTarget::AverageValue(target)) => {
            Ok(by_division(*value, target, workload, tolerances))
        }
        (MetricKind::External, Values::External(values), MetricTarget::Value(target)) => {
            by_ratio(sum(values), target, workload, tolerances)
        }
        (MetricKind::External, Values::External(values), MetricTarget::AverageValue(target)) => {
            Ok(by_division(sum_without_negatives(values), target, workload, tolerances))
        }
        _ => Err(NoProposal::NoTarget),
    }
}

/// The sum of an external metric's values: once it is beyond 64 bits, the largest number.
fn sum(values: &[Milli]) -> Milli {
    let added = |sum: i64, value: i64| match value > 0 && sum > i64::MAX - value {
        true => Err(i64::MAX),
        false => Ok(sum.wrapping_add(value)),
    };
    sum_by(values, added)
}

/// The same for a target of type AverageValue, where the controller takes any sum below zero for such an overflow.
fn sum_without_negatives(values: &[Milli]) -> Milli {
    let added = |sum: i64, value| Some(sum.wrapping_add(value)).filter(|sum| *sum >= 0).ok_or(i64::MAX);
    sum_by(values, added)
}

fn sum_by(values: &[Milli], added: impl Fn(i64, i64) -> Result<i64, i64>) -> Milli {
    Milli(values.iter().try_fold(0, |sum, value| added(sum, value.0)).unwrap_or_else(|beyond| beyond))
}

/// A target of type Value: the ratio is multiplied by the pods that are ready, or is the number itself at zero.
fn by_ratio(value: Milli, target: Milli, workload: &Workload, tolerances: Tolerances) -> Result<Proposal, NoProposal> {
    let ratio = value.0 as f64 / target.0 as f64;
    let proposal = |replicas: f64, basis, kept| Proposal {
        replicas: replicas as i32,
        usage: value,
        ratio,
        basis,
        kept,
        is_beyond: is_beyond(replicas),
    };
    if workload.replicas == 0 {
        return Ok(proposal(ratio.ceil(), Basis::Zero, None));
    }
    let ready = workload.pods.iter().filter(|pod| pod.phase == Phase::Running && pod.is_ready).count();
    if tolerances.allow(ratio) {
        return Ok(proposal(workload.replicas.into(), Basis::Ready(ready), Some(Kept::Tolerance)));
    }
    if workload.pods.is_empty() {
        return Err(NoProposal::NoPods);
    }
    Ok(proposal((ratio * ready as f64).ceil(), Basis::Ready(ready), None))
}

/// A target of type AverageValue for a metric that is not of pods: the value is divided by it.
fn by_division(value: Milli, target: Milli, workload: &Workload, tolerances: Tolerances) -> Proposal {
    let ratio = value.0 as f64 / (target.0 as f64 * f64::from(workload.present));
    let is_kept = tolerances.allow(ratio);
    let replicas = if is_kept { workload.present.into() } else { (value.0 as f64 / target.0 as f64).ceil() };
    Proposal {
        replicas: replicas as i32,
        usage: value,
        ratio,
        basis: Basis::Division,
        kept: is_kept.then_some(Kept::Tolerance),
        is_beyond: is_beyond(replicas),
    }
}

/// A metric of pods: the average of those that count.
fn of_pods(
    values: &[(String, Milli)],
    target: Milli,
    workload: &Workload,
    tolerances: Tolerances,
) -> Result<Proposal, NoProposal> {
    if workload.pods.is_empty() {
        return Err(NoProposal::NoPods);
    }
    // Values of pods that the selector does not select are averaged in, too, as the controller does not look for them.
    let mut averaged: BTreeMap<&str, i64> = values.iter().map(|(pod, value)| (pod.as_str(), value.0)).collect();
    let (mut pending, mut missing, mut counted) = (Vec::new(), Vec::new(), 0_usize);
    for pod in &workload.pods {
        let (name, is_gone) = (pod.name.as_str(), pod.is_leaving || pod.phase == Phase::Failed);
        if is_gone || pod.phase == Phase::Pending {
            averaged.remove(name);
        }
        match (pod.phase, averaged.contains_key(name)) {
            _ if is_gone => {}
            (Phase::Pending, _) => pending.push(name),
            (_, true) => counted += 1,
            (_, false) => missing.push(name),
        }
    }
    if averaged.is_empty() {
        return Err(NoProposal::NoValues);
    }
    let average = |values: &BTreeMap<&str, i64>| {
        let sum = values.values().fold(0_i64, |sum, value| sum.wrapping_add(*value));
        sum / i64::try_from(values.len()).unwrap_or(1)
    };
    let usage = average(&averaged);
    let ratio = usage as f64 / target.0 as f64;
    let current = workload.replicas;
    let proposal = |replicas: f64, basis, kept| Proposal {
        replicas: replicas as i32,
        usage: Milli(usage),
        ratio,
        basis,
        kept,
        is_beyond: is_beyond(replicas),
    };
    let counts_pending = !pending.is_empty() && ratio > 1.0;
    if !counts_pending && missing.is_empty() {
        let basis = Basis::Pods(counted);
        return Ok(match tolerances.allow(ratio) {
            true => proposal(current.into(), basis, Some(Kept::Tolerance)),
            false => proposal((ratio * counted as f64).ceil(), basis, None),
        });
    }
    let missing_value = if ratio < 1.0 {
        Some(target.0)
    } else if ratio > 1.0 {
        Some(0)
    } else {
        None
    };
    for (value, names) in [(missing_value, &missing), (counts_pending.then_some(0), &pending)] {
        averaged.extend(value.into_iter().flat_map(|value| names.iter().map(move |name| (*name, value))));
    }
    let second = average(&averaged) as f64 / target.0 as f64;
    let basis = Basis::Filled(Filled {
        missing_value: missing_value.filter(|_| !missing.is_empty()).map(Milli),
        missing: missing.into_iter().map(str::to_owned).collect(),
        pending: pending.into_iter().map(str::to_owned).collect(),
        counted: averaged.len(),
        ratio: second,
    });
    if tolerances.allow(second) {
        return Ok(proposal(current.into(), basis, Some(Kept::Tolerance)));
    }
    let replicas = (second * averaged.len() as f64).ceil();
    let turns = (ratio < 1.0 && second > 1.0) || (ratio > 1.0 && second < 1.0);
    let is_against = (second < 1.0 && replicas as i32 > current) || (second > 1.0 && (replicas as i32) < current);
    Ok(match turns || is_against {
        true => proposal(current.into(), basis, Some(Kept::Direction)),
        false => proposal(replicas, basis, None),
    })
}

/// Whether a number of replicas does not fit into the controller's 32 bits.
fn is_beyond(replicas: f64) -> bool {
    !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&replicas)
}

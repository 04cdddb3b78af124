//! Computes replicas from the values of one metric as the HPA controller does: values are thousandths in 64 bits,
//! ratios are floats, and a ratio within the tolerance of 1 changes nothing.

use std::collections::BTreeMap;

use super::behavior::Tolerances;
use super::manifest::{MetricKind, MetricTarget};
use crate::parse::quantity::Milli;

/// The current state of the scaled workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// `spec.replicas` of the scale subresource.
    pub replicas: i32,
    /// `status.replicas` of the scale subresource: the number of existing pods.
    pub present: i32,
    /// The pods that match the workload's selector.
    pub pods: Vec<PodState>,
}

/// The state of a pod, as far as the controller uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodState {
    pub name: String,
    pub phase: Phase,
    /// Whether the pod is being deleted.
    pub is_terminating: bool,
    /// Whether the condition `Ready` is true.
    pub is_ready: bool,
}

/// The phase of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    Pending,
    #[default]
    Running,
    Failed,
    /// `Succeeded` or `Unknown`.
    Other,
}

impl Phase {
    /// The phase with this name.
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
    /// The values of pods, by name.
    Pods(Vec<(String, Milli)>),
    /// The value of an object.
    Object(Milli),
    /// The values of an external metric, which are added up.
    External(Vec<Milli>),
}

/// The replicas that a metric asks for, and how they are computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub replicas: i32,
    /// The number compared with the target: the value, the sum, or the average of the pods.
    pub usage: Milli,
    /// The usage divided by the target.
    pub ratio: f64,
    /// The calculation of the replicas.
    pub basis: Basis,
    /// Why the replicas remain unchanged, if they do.
    pub kept: Option<Kept>,
    /// Whether the number exceeds 32 bits; the controller's result then depends on its CPU.
    pub is_beyond: bool,
}

/// The calculation of the replicas.
#[derive(Clone, Debug, PartialEq)]
pub enum Basis {
    /// The ratio times the number of ready pods.
    Ready(usize),
    /// The value divided by the target.
    Division,
    /// At zero replicas: the ratio itself.
    Zero,
    /// The ratio times the number of pods with a value.
    Pods(usize),
    /// The ratio times the number of pods, after pods without a value or not yet running were assigned one.
    Filled(Filled),
}

/// Pods that were assigned a value, and the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled {
    /// Pods without a value.
    pub missing: Vec<String>,
    /// The value assigned to these pods, if the ratio was not 1.
    pub missing_value: Option<Milli>,
    /// Pending pods: they count as 0 for scaling up, and are ignored otherwise.
    pub pending: Vec<String>,
    /// The number of pods in the calculation.
    pub counted: usize,
    /// The ratio including these pods.
    pub ratio: f64,
}

/// Why the replicas remain unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The ratio is within the tolerance.
    Tolerance,
    /// Including the pods with an assigned value, the ratio points in the other direction.
    Direction,
}

/// Why a metric makes no proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProposal {
    /// The workload's selector matches no pods.
    NoPods,
    /// No pod in the calculation has a value.
    NoValues,
    /// The type of the target does not apply to such metrics.
    NoTarget,
}

/// The replicas that a metric asks for.
///
/// # Errors
/// Why the controller cannot use the metric.
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

/// The sum of an external metric's values; on overflow, the largest number.
fn sum(values: &[Milli]) -> Milli {
    let added = |sum: i64, value: i64| match value > 0 && sum > i64::MAX - value {
        true => Err(i64::MAX),
        false => Ok(sum.wrapping_add(value)),
    };
    sum_by(values, added)
}

/// The sum for a target of type AverageValue, where the controller treats every negative sum as an overflow.
fn sum_without_negatives(values: &[Milli]) -> Milli {
    let added = |sum: i64, value| Some(sum.wrapping_add(value)).filter(|sum| *sum >= 0).ok_or(i64::MAX);
    sum_by(values, added)
}

fn sum_by(values: &[Milli], added: impl Fn(i64, i64) -> Result<i64, i64>) -> Milli {
    Milli(values.iter().try_fold(0, |sum, value| added(sum, value.0)).unwrap_or_else(|beyond| beyond))
}

/// A target of type Value: the ratio is multiplied by the ready pods or, at zero replicas, is the result itself.
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

/// A target of type AverageValue for a metric that does not describe pods: the value is divided by the target.
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

/// A metric of pods: the average of the pods in the calculation.
fn of_pods(
    values: &[(String, Milli)],
    target: Milli,
    workload: &Workload,
    tolerances: Tolerances,
) -> Result<Proposal, NoProposal> {
    if workload.pods.is_empty() {
        return Err(NoProposal::NoPods);
    }
    // The average includes values of pods that do not match the selector, because the controller does not check that.
    let mut averaged: BTreeMap<&str, i64> = values.iter().map(|(pod, value)| (pod.as_str(), value.0)).collect();
    let (mut pending, mut missing, mut counted) = (Vec::new(), Vec::new(), 0_usize);
    for pod in &workload.pods {
        let (name, is_gone) = (pod.name.as_str(), pod.is_terminating || pod.phase == Phase::Failed);
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

/// Whether a number of replicas exceeds the controller's 32 bits.
fn is_beyond(replicas: f64) -> bool {
    !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&replicas)
}

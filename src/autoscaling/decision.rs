//! Computes the replicas that the controller sets from the proposals of all metrics.

use super::behavior::{self, Limit, Tolerances};
use super::calculator::{self, NoProposal, Proposal, Values, Workload};
use super::manifest::{Hpa, MetricKind};

/// The contribution of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vote {
    /// The metric asks for this number of replicas.
    Replicas(i32),
    /// The controller cannot use the metric.
    Failed,
    /// The value is unknown here, because it is CPU or memory.
    Unknown,
}

/// The result of one sync of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The replicas that it sets, unless an earlier recommendation within the stabilization window prevents that.
    pub replicas: i32,
    pub reason: DecisionReason,
}

/// The reason for the number of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionReason {
    /// The workload is at zero, but the HPA did not scale it there: the HPA does nothing.
    Disabled,
    /// More replicas than `maxReplicas`: metrics are ignored.
    AboveMax,
    /// Fewer replicas than `minReplicas`: metrics are ignored.
    BelowMin,
    /// A metric failed, and no other asks for more replicas: nothing changes.
    Failed,
    /// No metric has a known value.
    Unknown,
    /// The proposal of this metric, which is the highest.
    Metric { index: usize, asked: i32, limit: Option<Limit> },
}

/// The cluster's support for scaling to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroSupport {
    /// Kubernetes 1.37 and newer: the condition `ScaledToZero` says whether the HPA itself scaled to zero.
    Condition,
    /// Older versions with a feature gate: every workload at zero with `minReplicas: 0` is scaled.
    Gate,
}

/// The proposal of each metric that has values, and the decision of a sync. `values` contains the values of each
/// metric.
pub fn predict(
    hpa: &Hpa<'_>,
    workload: &Workload,
    values: &[Option<&Values>],
    zero: ZeroSupport,
) -> (Vec<Option<Result<Proposal, NoProposal>>>, Decision) {
    let tolerances = Tolerances::of(hpa.behavior.as_ref());
    let proposals: Vec<_> = hpa
        .metrics
        .iter()
        .zip(values)
        .map(|(metric, values)| {
            let target = *metric.target.as_ref().ok()?;
            Some(calculator::propose(metric.kind, target, (*values)?, workload, tolerances))
        })
        .collect();
    let vote = |(metric, proposal): (_, &Option<Result<Proposal, NoProposal>>)| match (metric, proposal) {
        (MetricKind::Resource, _) => Vote::Unknown,
        (_, Some(Ok(proposal))) => Vote::Replicas(proposal.replicas),
        _ => Vote::Failed,
    };
    let votes: Vec<Vote> = hpa.metrics.iter().map(|metric| metric.kind).zip(&proposals).map(vote).collect();
    let decision = decide(hpa, workload, &votes, zero);
    (proposals, decision)
}

/// The decision of a sync with these votes, one per metric.
fn decide(hpa: &Hpa<'_>, workload: &Workload, votes: &[Vote], zero: ZeroSupport) -> Decision {
    let (min, max, current) = (hpa.min, hpa.max.unwrap_or(i32::MAX), workload.replicas);
    let was_scaled = zero == ZeroSupport::Condition && hpa.scaled_to_zero == Some(true);
    if current == 0 {
        let is_active = match zero {
            ZeroSupport::Condition => was_scaled && (min != 0 || hpa.can_scale_from_zero()),
            ZeroSupport::Gate => min == 0,
        };
        if !is_active {
            return Decision { replicas: 0, reason: DecisionReason::Disabled };
        }
    } else if current > max {
        return Decision { replicas: max, reason: DecisionReason::AboveMax };
    } else if current < min {
        return Decision { replicas: min, reason: DecisionReason::BelowMin };
    }
    let mut highest: Option<(usize, i32)> = None;
    for (index, vote) in votes.iter().enumerate() {
        if let Vote::Replicas(asked) = *vote
            && highest.is_none_or(|(_, replicas)| replicas == 0 || asked > replicas)
        {
            highest = Some((index, asked));
        }
    }
    let has_failed = votes.contains(&Vote::Failed);
    let Some((index, asked)) = highest.filter(|(_, asked)| !has_failed || *asked >= current) else {
        let reason = if has_failed { DecisionReason::Failed } else { DecisionReason::Unknown };
        return Decision { replicas: current, reason };
    };
    let asked = asked.max(0);
    let (mut replicas, limit) = behavior::limited(hpa.behavior.as_ref(), min, max, current, asked);
    if current == 0 && was_scaled {
        replicas = replicas.max(min);
    }
    Decision { replicas, reason: DecisionReason::Metric { index, asked, limit } }
}

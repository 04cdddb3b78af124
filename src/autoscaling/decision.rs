//! From what each metric asks for to the replicas that the controller sets.

use super::behavior::{self, Limit, Tolerances};
use super::calculator::{self, NoProposal, Proposal, Values, Workload};
use super::manifest::{Hpa, MetricKind};

/// What a metric contributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vote {
    /// It asks for so many replicas.
    Replicas(i32),
    /// The controller cannot use it.
    Failed,
    /// It is not known here, as it is CPU or memory.
    Unknown,
}

/// What a sync of the controller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The replicas that it sets, if no recommendation of the past holds it back.
    pub replicas: i32,
    pub how: How,
}

/// How the replicas came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// At zero, where it did not scale to: it does nothing.
    Disabled,
    /// More than `maxReplicas`: no metric is looked at.
    AboveMax,
    /// Fewer than `minReplicas`: likewise.
    BelowMin,
    /// A metric fails, and no other asks for more than there are: nothing changes.
    Failed,
    /// No metric is known.
    Unknown,
    /// The highest vote, of this metric.
    Metric { index: usize, asked: i32, limit: Option<Limit> },
}

/// How a cluster scales to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroSupport {
    /// Kubernetes 1.37 and newer: the condition `ScaledToZero` says whether the HPA itself did so.
    Condition,
    /// Older: with a feature gate, whatever stands at zero with `minReplicas: 0` is scaled.
    Gate,
}

/// What each metric asks for, if it has values, and what a sync makes of it. `values` has those of each metric.
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

/// What a sync does with these votes, one for each metric.
fn decide(hpa: &Hpa<'_>, workload: &Workload, votes: &[Vote], zero: ZeroSupport) -> Decision {
    let (min, max, current) = (hpa.min, hpa.max.unwrap_or(i32::MAX), workload.replicas);
    let was_scaled = zero == ZeroSupport::Condition && hpa.scaled_to_zero == Some(true);
    if current == 0 {
        let is_active = match zero {
            ZeroSupport::Condition => was_scaled && (min != 0 || hpa.can_wake()),
            ZeroSupport::Gate => min == 0,
        };
        if !is_active {
            return Decision { replicas: 0, how: How::Disabled };
        }
    } else if current > max {
        return Decision { replicas: max, how: How::AboveMax };
    } else if current < min {
        return Decision { replicas: min, how: How::BelowMin };
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
        let how = if has_failed { How::Failed } else { How::Unknown };
        return Decision { replicas: current, how };
    };
    let asked = asked.max(0);
    let (mut replicas, limit) = behavior::limited(hpa.behavior.as_ref(), min, max, current, asked);
    if current == 0 && was_scaled {
        replicas = replicas.max(min);
    }
    Decision { replicas, how: How::Metric { index, asked, limit } }
}

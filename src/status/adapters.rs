//! The state of other adapters, and their comparisons with rules.

use super::fixes;
use super::report::{AdapterStatus, Count, ErrorStatus, RuleStatus, ShadowStatus};
use crate::forward::adapter::Adapter;
use crate::forward::adapters::Forwarding;
use crate::forward::shadow_log::{ShadowLog, ShadowOutcome};
use crate::kube::meta::Time;
use crate::metrics::rules::Rules;
use crate::telemetry::clock::Now;

/// The other adapters, without their requests.
pub(super) fn all(rules: &Rules) -> Vec<AdapterStatus> {
    let adapters = rules.forward().into_iter().flat_map(Forwarding::adapters);
    adapters.map(|adapter| status(adapter)).collect()
}

fn status(adapter: &Adapter) -> AdapterStatus {
    let state = adapter.state();
    let error = state.last_error.as_ref().filter(|_| state.is_failing()).map(|(at, error)| {
        let message = error.to_string();
        ErrorStatus { time: Time::from_millis(*at), code: None, fix: fixes::fix(&message), message }
    });
    let codes = adapter.counters().all().filter(|(_, count)| *count > 0);
    AdapterStatus {
        name: adapter.config().address.to_string(),
        group: adapter.group().as_str(),
        metrics: adapter.listed().metrics().len(),
        is_failing: state.is_failing(),
        since: state.since.map(Time::from_millis),
        last_answer: state.last_answer.map(Time::from_millis),
        error,
        codes: codes.map(|(name, count)| Count { name, count }).collect(),
        requests: Vec::new(),
    }
}

/// Adds comparisons to rules: to one rule for each metric and resource.
pub(super) fn add_shadows(rules: &mut [RuleStatus], shadows: &ShadowLog, now: Now) {
    for (metric, resource, counts, difference) in shadows.all(now) {
        let is_its = |rule: &&mut RuleStatus| {
            let is_of = || rule.resources.contains(&resource) && !rule.is_external;
            rule.metric == metric && rule.problem.is_none() && (resource.is_empty() && rule.is_external || is_of())
        };
        let outcomes = ShadowOutcome::ALL.iter().zip(counts.outcomes).filter(|(_, count)| *count > 0);
        let outcomes = outcomes.map(|(outcome, count)| Count { name: outcome.as_str().to_owned(), count }).collect();
        if let Some(rule) = rules.iter_mut().find(is_its) {
            rule.shadow = Some(ShadowStatus { difference, outcomes, error: counts.error });
        }
    }
}

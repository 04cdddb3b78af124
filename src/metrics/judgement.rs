//! Turns the value that was found into the response, by the settings of the rule; good values are remembered for
//! `onMissing: last`.

use super::active_rule::ActiveRule;
use super::last::ValueKey;
use super::outcome::{Finding, Policy, ServedValue, Verdict, judge, judge_unavailable};
use super::reason::MissingReason;
use super::trace::{Event, Trace};
use crate::config::model::{ItemText, ObjectMapping, OnMissing, Value};
use crate::kube::pod::Pod;
use crate::source::page::Unmatched;
use crate::source::shared::Shared;

/// The scrape that a value comes from.
#[derive(Clone, Copy)]
pub(super) struct Scrape<'a> {
    /// The time of the scrape in Unix milliseconds.
    pub(super) at: i64,
    /// The pod that served the page, if it is a pod's.
    pub(super) pod: Option<&'a Pod>,
    /// Whether a value that was not found is known to be absent, so that `onMissing` applies.
    pub(super) complete: bool,
    /// Selectors of the rule that match nothing on the page, with suggestions.
    pub(super) unmatched: &'a [Unmatched],
    /// Whether pods were to be scraped, but there were none.
    pub(super) has_no_pods: bool,
}

/// Judges the values that were found for a rule.
#[derive(Clone, Copy)]
pub(super) struct Judgement<'a> {
    pub(super) served: &'a ActiveRule,
    pub(super) shared: &'a Shared,
    pub(super) scrape: Scrape<'a>,
    /// The current time in Unix milliseconds.
    pub(super) now: i64,
}

impl Scrape<'_> {
    /// The scrape of a complete page that was read at this time.
    pub(super) fn of_page(at: i64) -> Self {
        Self { at, pod: None, complete: true, unmatched: &[], has_no_pods: false }
    }
}

impl Judgement<'_> {
    /// Decides on the response for the object that a trace calls `shown` and that is remembered by `key`.
    pub(super) fn of(
        self,
        shown: &str,
        finding: Finding,
        key: impl FnOnce() -> ValueKey,
        trace: &mut Trace,
    ) -> Verdict {
        let Self { served: ActiveRule { rule, last, .. }, shared, scrape, now } = self;
        let mut policy = Policy::of(rule, shared.limits().freshness.max_future);
        if !scrape.complete {
            policy.on_missing = OnMissing::Error;
        }
        let memory = last.as_ref().map(|last| (last, key()));
        let finding = match finding {
            Finding::Nothing(reason) => Finding::Nothing(self.worded(reason)),
            other => other,
        };
        let is_number = matches!(finding, Finding::Number(_));
        let traced = trace.is_on().then(|| finding.clone());
        let verdict = judge(finding, &policy, scrape.at, now, memory.as_ref().and_then(|(last, key)| last.get(key)));
        if let Some(finding) = traced {
            trace.record(|| Event::Judged { object: shown.to_owned(), finding, verdict: verdict.clone() });
        }
        let age = rule.on_missing.remembers().max(rule.on_unavailable.remembers());
        if let (Verdict::Serve(value), Some((last, key)), true, Some(age)) = (&verdict, memory, is_number, age) {
            last.set(key, *value, now.saturating_sub_unsigned(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
        }
        verdict
    }

    /// The value that `onUnavailable` provides, if any.
    pub(super) fn unavailable(
        self,
        shown: &str,
        key: impl FnOnce() -> ValueKey,
        trace: &mut Trace,
    ) -> Option<ServedValue> {
        let Self { served: ActiveRule { rule, last, .. }, now, .. } = self;
        let last = last.as_ref().and_then(|last| last.get(&key()));
        let value = judge_unavailable(rule.on_unavailable, now, last)?;
        self.trace_fallback(shown, value, trace);
        Some(value)
    }

    /// Counts and records a value that `onUnavailable` provides.
    pub(super) fn trace_fallback(self, shown: &str, value: ServedValue, trace: &mut Trace) {
        let kind = if self.served.rule.on_unavailable.remembers().is_some() { "last" } else { "number" };
        self.shared.counters().count_fallback(kind);
        trace.record(|| Event::StoodIn { object: shown.to_owned(), value, kind });
    }

    /// The reason in terms of the rule and its source: text has no series, and a query has no page.
    pub(super) fn worded(self, reason: MissingReason) -> MissingReason {
        let value = &self.served.rule.value;
        match reason {
            _ if self.scrape.has_no_pods => MissingReason::NoPods,
            MissingReason::NoSeries | MissingReason::OtherObjects if self.served.upstream.source().is_prometheus() => {
                MissingReason::NoResult
            }
            MissingReason::NoSeries if matches!(value, Value::Text(_)) => MissingReason::NoMatch,
            MissingReason::NoSeries if matches!(value, Value::Json(_)) => MissingReason::NoValue,
            MissingReason::OtherObjects if matches!(value, Value::Text(_)) => MissingReason::OtherMatches,
            MissingReason::OtherObjects if matches!(value, Value::Json(_)) => MissingReason::OtherItems,
            MissingReason::NoObjectLabel(labels) if labels.is_empty() => match &self.served.rule.mapping {
                ObjectMapping::Items { name_from: ItemText::Path(path), .. } => {
                    MissingReason::NoItemName(path.to_string())
                }
                _ => MissingReason::NoObjectLabel(labels),
            },
            MissingReason::NoSeries => match self.scrape.unmatched {
                [Unmatched { hint, .. }, ..] => MissingReason::NoSeriesBut(hint.clone()),
                [] => MissingReason::NoSeries,
            },
            MissingReason::NoOperand(selector, _) => {
                let hint = self.scrape.unmatched.iter().find(|unmatched| unmatched.selector == selector);
                MissingReason::NoOperand(selector, hint.map(|unmatched| unmatched.hint.clone()))
            }
            reason => reason,
        }
    }
}

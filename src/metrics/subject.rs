//! A request with the rule and the kind that answer it: selects what describes an object, and judges what was found.

use std::sync::Arc;

use super::failure::{About, Failure};
use super::last::ValueKey;
use super::member::Member;
use super::naming;
use super::objects::Objects;
use super::outcome::{Finding, Policy, ServedValue, Verdict, judge};
use super::reason::MissingReason;
use super::request::MetricRequest;
use super::rules::{self, ActiveRule};
use super::scrape::Scraper;
use super::select::{MembersByObject, Wanted, select};
use super::trace::{Event, Trace};
use crate::config::model::{ObjectKind, OnMissing, Value};
use crate::kube::custom_metrics::MetricValue;
use crate::kube::meta::{LabelSelector, ObjectReference, Time};
use crate::parse::escape::Escaped;
use crate::parse::path::{MetricPath, ObjectName};
use crate::parse::selector::Selector;
use crate::source::page::Unmatched;
use crate::source::shared::Shared;
use crate::telemetry::clock::Steady;

/// A request with the rule and the kind that answer it.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) request: MetricRequest<'a>,
    pub(super) served: &'a Arc<ActiveRule>,
    pub(super) kind: &'a ObjectKind,
    pub(super) services: Services<'a>,
}

/// What answers of every kind use.
#[derive(Clone, Copy)]
pub(super) struct Services<'a> {
    pub(super) shared: &'a Shared,
    /// `None` without a Kubernetes API.
    pub(super) objects: Option<&'a Objects>,
    pub(super) scraper: &'a Arc<Scraper>,
    pub(super) steady: Steady,
}

/// The scrape that a finding comes from.
#[derive(Clone, Copy)]
pub(super) struct Scrape<'a> {
    /// Unix milliseconds.
    pub(super) at: i64,
    /// The pod incarnation that served the page; empty for a page that is not a pod's.
    pub(super) incarnation: &'a str,
    /// Whether what was not found is known not to exist, so that `onMissing` applies.
    pub(super) complete: bool,
    /// Selectors of the rule that match nothing on the page, as far as it tells what may be meant.
    pub(super) unmatched: &'a [Unmatched],
}

impl Scrape<'_> {
    /// Of a page that was read at this time, whole.
    pub(super) fn of_page(at: i64) -> Self {
        Self { at, incarnation: "", complete: true, unmatched: &[] }
    }
}

impl<'a> Subject<'a> {
    pub(super) fn about(&self) -> About<'_> {
        let ActiveRule { rule, upstream, implicit, .. } = &**self.served;
        About { path: self.request.path, rule, source: &upstream.source().name, implicit: *implicit }
    }

    /// The same for the one object of another path.
    pub(super) fn of_path<'b>(&self, path: &'b MetricPath) -> Subject<'b>
    where
        'a: 'b,
    {
        Subject { request: MetricRequest { path, ..self.request }, ..*self }
    }

    /// The object's namespace must be one that the source may describe, whatever its page says.
    pub(super) fn check_namespace(&self) -> Result<(), Failure> {
        let namespace = match &self.request.path.name {
            ObjectName::One(name) if self.kind.resource == "namespaces" => Some(name.as_str()),
            _ => self.request.path.namespace.as_deref(),
        };
        if rules::allowed(&self.served.upstream.source().namespaces, namespace) {
            Ok(())
        } else {
            Err(self.about().foreign_namespace())
        }
    }

    /// `metricLabelSelector` as the answer echoes it; `None` without one.
    pub(super) fn metric_selector(&self) -> Result<Option<LabelSelector>, Failure> {
        let selector = self.request.metric_selector;
        if selector.is_everything() {
            return Ok(None);
        }
        if matches!(self.served.rule.value, Value::Json(_) | Value::Text(_) | Value::Number) {
            let why = "metricLabelSelector needs series with labels, and the rule reads none";
            return Err(self.about().bad_request(&why));
        }
        match LabelSelector::from_selector(selector) {
            Ok(object) => Ok(Some(object)),
            Err(key) => {
                let why = format!("metricLabelSelector: > and < are not supported, found on {}", Escaped::new(key));
                Err(self.about().bad_request(&why))
            }
        }
    }

    /// Sorts members to the objects that the request is for.
    pub(super) fn select<'p, T: Member>(&self, members: &[&'p T], label_selector: &Selector) -> MembersByObject<'p, T> {
        let MetricPath { namespace, name, .. } = self.request.path;
        // A query holds metricLabelSelector already.
        let everything = Selector::everything();
        let is_query = self.served.upstream.source().is_prometheus();
        let wanted = Wanted {
            namespace: namespace.as_deref(),
            name: match name {
                ObjectName::One(name) => Some(name),
                ObjectName::All => None,
            },
            metric_selector: if is_query { &everything } else { self.request.metric_selector },
            label_selector,
        };
        select(members.iter().copied(), &naming::of(self.request.path, self.served, self.kind), &wanted)
    }

    /// The answer for a named object.
    pub(super) fn named<T: Member>(
        &self,
        name: &str,
        members: &[&T],
        scrape: Scrape<'_>,
        trace: &mut Trace,
    ) -> Result<Vec<MetricValue>, Failure> {
        match self.named_verdict(name, members, scrape, trace) {
            Verdict::Serve(value) => Ok(vec![self.item(name, value)]),
            Verdict::Missing(reason) => Err(self.about().missing(&reason)),
            Verdict::Refuse(reason) => Err(self.about().refused(&reason)),
        }
    }

    /// The verdict on a named object.
    pub(super) fn named_verdict<T: Member>(
        &self,
        name: &str,
        members: &[&T],
        scrape: Scrape<'_>,
        trace: &mut Trace,
    ) -> Verdict {
        let finding = match self.select(members, &Selector::everything()) {
            Err(reason) => Finding::Nothing(reason),
            Ok(mut objects) => match objects.remove(name) {
                None => Finding::Nothing(MissingReason::OtherObjects),
                Some(Err(reason)) => Finding::Unusable(reason),
                Some(Ok(members)) => T::evaluate(&members, self.served, scrape.at),
            },
        };
        self.judge(name, finding, scrape, trace)
    }

    /// The reason in the terms of the rule and its source: text has no series, and a query has no page.
    pub(super) fn worded(&self, reason: MissingReason, scrape: Scrape<'_>) -> MissingReason {
        match reason {
            MissingReason::NoSeries | MissingReason::OtherObjects if self.served.upstream.source().is_prometheus() => {
                MissingReason::NoResult
            }
            MissingReason::NoSeries if matches!(self.served.rule.value, Value::Text(_)) => MissingReason::NoMatch,
            MissingReason::NoSeries if matches!(self.served.rule.value, Value::Json(_)) => MissingReason::NoValue,
            MissingReason::OtherObjects if matches!(self.served.rule.value, Value::Text(_)) => {
                MissingReason::OtherMatches
            }
            MissingReason::OtherObjects if matches!(self.served.rule.value, Value::Json(_)) => {
                MissingReason::OtherItems
            }
            MissingReason::NoSeries => match scrape.unmatched {
                [Unmatched { hint, .. }, ..] => MissingReason::NoSeriesBut(hint.clone()),
                [] => MissingReason::NoSeries,
            },
            MissingReason::NoOperand(selector, _) => {
                let hint = scrape.unmatched.iter().find(|unmatched| unmatched.selector == selector);
                MissingReason::NoOperand(selector, hint.map(|unmatched| unmatched.hint.clone()))
            }
            reason => reason,
        }
    }

    /// Decides what is answered for one object, and remembers a good value for `onMissing: last`.
    pub(super) fn judge(&self, name: &str, finding: Finding, scrape: Scrape<'_>, trace: &mut Trace) -> Verdict {
        let ActiveRule { rule, last, .. } = &**self.served;
        let Services { shared, .. } = self.services;
        let now = shared.clock().now().unix_millis;
        let mut policy = Policy::of(rule, shared.limits().freshness.max_future);
        if !scrape.complete {
            policy.on_missing = OnMissing::Error;
        }
        let memory = last.as_ref().map(|last| {
            let object = format!("{}{name}{}", self.object_prefix(), scrape.incarnation);
            (last, ValueKey { object, selector: self.request.metric_selector.to_string() })
        });
        let finding = match finding {
            Finding::Nothing(reason) => Finding::Nothing(self.worded(reason, scrape)),
            other => other,
        };
        let is_number = matches!(finding, Finding::Number(_));
        let shown = trace.is_on().then(|| finding.clone());
        let verdict = judge(finding, &policy, scrape.at, now, memory.as_ref().and_then(|(last, key)| last.get(key)));
        if let Some(finding) = shown {
            trace.record(|| Event::Judged { object: name.to_owned(), finding, verdict: verdict.clone() });
        }
        if let (Verdict::Serve(value), Some((last, key)), true, OnMissing::Last(age)) =
            (&verdict, memory, is_number, rule.on_missing)
        {
            last.set(key, *value, now.saturating_sub_unsigned(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
        }
        verdict
    }

    /// Objects that `onMissing: last` remembers. Their labels are not remembered, so a selector selects none of them.
    pub(super) fn remembered(&self) -> Vec<String> {
        match &self.served.last {
            Some(last) if self.request.label_selector.is_everything() => {
                last.objects(&self.object_prefix(), &self.request.metric_selector.to_string())
            }
            _ => Vec::new(),
        }
    }

    fn object_prefix(&self) -> String {
        format!("{}/{}/", self.kind.resource, self.request.path.namespace.as_deref().unwrap_or_default())
    }

    pub(super) fn item(&self, name: &str, value: ServedValue) -> MetricValue {
        MetricValue {
            described_object: ObjectReference {
                kind: self.kind.kind.clone(),
                namespace: self.request.path.namespace.clone(),
                name: name.to_owned(),
                api_version: self.kind.api_version.clone(),
            },
            timestamp: Time::from_millis(value.at),
            window_seconds: value.span.map(|millis| (millis + 500) / 1_000),
            value: value.value,
        }
    }
}

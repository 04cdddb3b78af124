//! One request with its rule: the way from there to values.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::failure::{About, Failure};
use super::last::Key;
use super::member::Member;
use super::objects::{Objects, Unlisted};
use super::outcome::{self, Finding, MissingReason, Policy, Verdict, judge, nothing_left};
use super::rules::{self, ActiveRule};
use super::scrape::Scraper;
use super::select::{self, Selected, Wanted, select};
use super::trace::Trace;
use super::{Answer, MetricRequest, over_time, pods, prometheus};
use crate::config::model::{ObjectKind, OnMissing, SelectorMode, Target, Value};
use crate::kube::custom_metrics::MetricValue;
use crate::kube::meta::{LabelSelector, ObjectReference, Time};
use crate::kube_api::objects::Selection;
use crate::parse::escape::Escaped;
use crate::parse::path::{MetricPath, ObjectName};
use crate::parse::selector::Selector;
use crate::parse::url_template::{Placeholder, Template, Values};
use crate::source::error::SourceError;
use crate::source::page::{Found, JsonItem, Page, Series};
use crate::source::upstream::Shared;
use crate::source::waiting::{Patience, Waiting};
use crate::telemetry::clock::Steady;

/// One request with its rule: the way from there to values.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) ask: MetricRequest<'a>,
    pub(super) served: &'a Arc<ActiveRule>,
    pub(super) kind: &'a ObjectKind,
    pub(super) shared: &'a Shared,
    pub(super) objects: Option<&'a Objects>,
    pub(super) scraper: &'a Arc<Scraper>,
    pub(super) steady: Steady,
    /// Who the object is, where another may get its name; else empty.
    pub(super) incarnation: &'a str,
    /// Whether what is not there is known not to be there, so that `onMissing` counts.
    pub(super) healthy: bool,
}

/// What is on a page for a rule.
enum Members<'p> {
    Number(JsonItem),
    Items(&'p [JsonItem]),
    Series(Vec<&'p Series>),
}

/// Which objects `labelSelector` picks.
enum Picked {
    All,
    /// Those whose series it matches.
    ByLabels,
    /// These.
    Listed(HashSet<String>),
}

impl Request<'_> {
    pub(super) fn answer(&self, patience: Patience, trace: &mut Trace) -> Result<Answer, Failure> {
        let ActiveRule { rule, upstream, .. } = &**self.served;
        trace.note("rule", || format!("{} of {}, value {}", rule.name, self.kind.resource, self.about().value()));
        self.check_namespace()?;
        let selector = self.metric_selector()?;
        let items = match &upstream.source().target {
            Target::Pods(of) => pods::answer(self, of, patience, trace)?,
            Target::Url(template) => self.behind_url(template, patience, trace)?,
            Target::Prometheus(_) => prometheus::answer(self, patience, trace)?,
        };
        Ok(Answer { items, selector })
    }

    fn behind_url(
        &self,
        template: &Template,
        patience: Patience,
        trace: &mut Trace,
    ) -> Result<Vec<MetricValue>, Failure> {
        let ActiveRule { upstream, want, .. } = &**self.served;
        let url = self.url(template)?;
        trace.note("url", || url.clone());
        if let Some(sampling) = &self.served.sampling {
            return over_time::of_page(self, sampling, patience, trace);
        }
        let waiting = Waiting::Source(upstream.index());
        let page = match upstream.page(&url, want, patience.wait_for(waiting)) {
            Ok(page) => page,
            Err(SourceError::WouldWait) => return Err(Failure::WouldWait(waiting)),
            Err(error) => {
                trace.note("failed", || error.detail());
                return Err(self.about().source(&error));
            }
        };
        trace.note("page", || page.describe());
        self.values(&page, patience, trace)
    }

    pub(super) fn about(&self) -> About<'_> {
        let ActiveRule { rule, upstream, by_name, .. } = &**self.served;
        About { path: self.ask.path, rule, source: &upstream.source().name, by_name: *by_name }
    }

    /// The object's namespace must be one that the source may describe, whatever its page says.
    fn check_namespace(&self) -> Result<(), Failure> {
        let namespace = match &self.ask.path.name {
            ObjectName::One(name) if self.kind.resource == "namespaces" => Some(name.as_str()),
            _ => self.ask.path.namespace.as_deref(),
        };
        if rules::allowed(&self.served.upstream.source().namespaces, namespace) {
            Ok(())
        } else {
            Err(self.about().foreign_namespace())
        }
    }

    /// Honoured as matchers on series, or refused.
    fn metric_selector(&self) -> Result<Option<LabelSelector>, Failure> {
        let selector = self.ask.metric_selector;
        if selector.is_everything() {
            return Ok(None);
        }
        if matches!(self.served.rule.value, Value::Json(_) | Value::Number) {
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

    /// The page's address for this request.
    fn url(&self, template: &Template) -> Result<String, Failure> {
        let MetricPath { namespace, resource, name, metric, .. } = self.ask.path;
        let (name, selector) = match name {
            ObjectName::One(name) => (Some(name.as_str()), String::new()),
            ObjectName::All if template.uses(Placeholder::Name) => {
                let why = "its source has one page an object, so * is not served; ask for one by name";
                return Err(self.about().bad_request(&why));
            }
            ObjectName::All => (None, self.ask.label_selector.to_string()),
        };
        // The Namespace object stands in its own namespace as far as URLs go.
        let namespace = if resource == "namespaces" { name } else { namespace.as_deref() };
        let values = Values { namespace, resource, name, metric, label_selector: &selector };
        template.expand(&values).map_err(|error| self.about().bad_request(&error))
    }

    fn values(&self, page: &Page, patience: Patience, trace: &mut Trace) -> Result<Vec<MetricValue>, Failure> {
        match &self.ask.path.name {
            ObjectName::One(name) => self.named(name, self.verdict(page, trace)?),
            ObjectName::All => match self.members(page, trace)? {
                Members::Number(item) => self.all(&[&item], page.at, patience, trace),
                Members::Items(items) => self.all(&items.iter().collect::<Vec<_>>(), page.at, patience, trace),
                Members::Series(series) => self.all(&series, page.at, patience, trace),
            },
        }
    }

    /// The answer for one object.
    pub(super) fn named(&self, name: &str, verdict: Verdict) -> Result<Vec<MetricValue>, Failure> {
        match verdict {
            Verdict::Serve(value) => Ok(vec![self.item(name, value)]),
            Verdict::Missing(absence) => Err(self.about().missing(&absence)),
            Verdict::Refuse(fault) => Err(self.about().refused(&fault)),
        }
    }

    /// What becomes of the one object that is asked for by name.
    pub(super) fn verdict(&self, page: &Page, trace: &mut Trace) -> Result<Verdict, Failure> {
        Ok(match self.members(page, trace)? {
            Members::Number(item) => self.one(&[&item], page.at, trace),
            Members::Items(items) => self.one(&items.iter().collect::<Vec<_>>(), page.at, trace),
            Members::Series(series) => self.one(&series, page.at, trace),
        })
    }

    /// What the page holds for the rule.
    fn members<'p>(&self, page: &'p Page, trace: &mut Trace) -> Result<Members<'p>, Failure> {
        match page.found(self.served.want.id) {
            None => Err(self.about().page(&"its page was read for other rules")),
            Some(Found::Refused(refusal)) => {
                trace.note("refused", || refusal.to_string());
                Err(self.about().page(refusal))
            }
            Some(Found::Number(value)) => {
                Ok(Members::Number(JsonItem { values: vec![Ok(*value)], ..JsonItem::default() }))
            }
            Some(Found::Json(items)) => Ok(Members::Items(items)),
            Some(Found::Series(positions)) => {
                let mut series: Vec<&Series> = page.series(positions).collect();
                trace.note("series", || format!("{} match", series.len()));
                if self.own_objects_only() {
                    series.retain(|series| !select::names_an_object(series));
                }
                Ok(Members::Series(series))
            }
        }
    }

    /// By name, a namespace is described by series that name no other object.
    fn own_objects_only(&self) -> bool {
        self.served.by_name && self.kind.resource == "namespaces"
    }

    /// What belongs to which of the objects asked for.
    fn select<'p, T: Member>(&self, members: &[&'p T], label_selector: &Selector) -> Selected<'p, T> {
        let MetricPath { namespace, name, .. } = self.ask.path;
        // A query holds it already.
        let everything = Selector::everything();
        let asked = self.served.upstream.source().is_prometheus();
        let wanted = Wanted {
            namespace: namespace.as_deref(),
            name: match name {
                ObjectName::One(name) => Some(name),
                ObjectName::All => None,
            },
            metric_selector: if asked { &everything } else { self.ask.metric_selector },
            label_selector,
        };
        select(members.iter().copied(), &self.naming(), &wanted)
    }

    /// The objects that `labelSelector` picks, as far as their own labels tell; `None` for all.
    fn picked<T: Member>(&self, members: &[&T], patience: Patience) -> Result<Picked, Failure> {
        let selector = self.ask.label_selector;
        if selector.is_everything() {
            return Ok(Picked::All);
        }
        let about = self.about();
        match self.served.upstream.source().label_selector {
            SelectorMode::Url => Ok(Picked::All),
            SelectorMode::Labels => match select::unknown_key(selector, members) {
                None => Ok(Picked::ByLabels),
                Some((key, seen)) => Err(about.bad_request(&format!(
                    "labelSelector: no series carries the label {}; they carry {}",
                    Escaped::new(key),
                    if seen.is_empty() { "none".to_owned() } else { seen.join(", ") }
                ))),
            },
            SelectorMode::Kubernetes => self.listed(patience).map(Picked::Listed),
        }
    }

    /// The names of those that the Kubernetes API lists for `labelSelector`.
    fn listed(&self, patience: Patience) -> Result<HashSet<String>, Failure> {
        let about = self.about();
        let Some(objects) = self.objects else {
            let source = &self.served.upstream.source().name;
            return Err(about.bad_request(&format!(
                "labelSelector is not supported without the Kubernetes API, which knows the labels of objects; --kubeconfig \
                 names one, labelSelector: labels on source {source} matches the labels of its series, and \
                 {{labelSelector}} in its url passes it on"
            )));
        };
        let label_selector = self.ask.label_selector.to_string();
        let namespace = self.ask.path.namespace.as_deref();
        let selection = Selection { namespace, label_selector: &label_selector, name: None };
        match objects.names(
            self.kind,
            selection,
            patience.wait_for(Waiting::KubernetesLists),
            self.shared.clock().now().monotonic,
        ) {
            Ok(names) => Ok(names.iter().flatten().cloned().collect()),
            Err(Unlisted::WouldWait) => Err(Failure::WouldWait(Waiting::KubernetesLists)),
            Err(Unlisted::Failed(why)) => Err(about.page(&why)),
        }
    }

    pub(super) fn one<T: Member>(&self, members: &[&T], at: i64, trace: &mut Trace) -> Verdict {
        let name = self.ask.path.name.as_str();
        let finding = match self.select(members, &Selector::everything()) {
            Err(absence) => Finding::Nothing(self.worded(absence)),
            Ok(mut objects) => match objects.remove(name) {
                None => Finding::Nothing(self.worded(MissingReason::OtherObjects)),
                Some(Err(fault)) => Finding::Unusable(fault),
                Some(Ok(members)) => T::evaluate(&members, self.served, at),
            },
        };
        self.judge(name, finding, at, trace)
    }

    /// Where a server was asked there is no page.
    fn worded(&self, absence: MissingReason) -> MissingReason {
        match absence {
            MissingReason::NoSeries | MissingReason::OtherObjects if self.served.upstream.source().is_prometheus() => {
                MissingReason::NoResult
            }
            absence => absence,
        }
    }

    pub(super) fn all<T: Member>(
        &self,
        members: &[&T],
        at: i64,
        patience: Patience,
        trace: &mut Trace,
    ) -> Result<Vec<MetricValue>, Failure> {
        let picked = self.picked(members, patience)?;
        let everything = Selector::everything();
        let by_labels = if matches!(picked, Picked::ByLabels) { self.ask.label_selector } else { &everything };
        let (mut objects, why_none) = match self.select(members, by_labels) {
            Ok(objects) => (objects, self.worded(MissingReason::OtherObjects)),
            Err(absence) => (BTreeMap::new(), self.worded(absence)),
        };
        if let Picked::Listed(names) = &picked {
            trace.note("objects", || format!("{} are picked by labelSelector", names.len()));
            objects.retain(|name, _| names.contains(name));
        }
        let mut findings: Vec<(String, Finding)> = self
            .remembered()
            .into_iter()
            .filter(|name| !objects.contains_key(name))
            .map(|name| (name, Finding::Nothing(self.worded(MissingReason::NoSeries))))
            .collect();
        findings.extend(objects.into_iter().map(|(name, members)| match members {
            Ok(members) => {
                let finding = T::evaluate(&members, self.served, at);
                (name, finding)
            }
            Err(fault) => (name, Finding::Unusable(fault)),
        }));
        findings.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (mut items, mut left_out) = (Vec::with_capacity(findings.len()), Vec::new());
        for (name, finding) in findings {
            match self.judge(&name, finding, at, trace) {
                Verdict::Serve(value) => items.push(self.item(&name, value)),
                verdict => {
                    self.shared.counters().left_out(verdict.as_str());
                    left_out.push(verdict);
                }
            }
        }
        if !items.is_empty() {
            return Ok(items);
        }
        match nothing_left(left_out) {
            Some(Verdict::Refuse(fault)) => Err(self.about().refused(&fault)),
            Some(Verdict::Missing(absence)) => Err(self.about().missing(&absence)),
            Some(Verdict::Serve(_)) | None => Err(self.about().missing(&why_none)),
        }
    }

    /// Objects that only the memory of `onMissing: last` knows. With a selector nobody can say whether they match it.
    fn remembered(&self) -> Vec<String> {
        match &self.served.last {
            Some(last) if self.ask.label_selector.is_everything() => {
                last.objects(&self.object_prefix(), &self.ask.metric_selector.to_string())
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn judge(&self, name: &str, finding: Finding, scraped: i64, trace: &mut Trace) -> Verdict {
        let ActiveRule { rule, last, .. } = &**self.served;
        let now = self.shared.clock().now().unix_millis;
        let mut policy = Policy::of(rule, self.shared.limits().freshness.max_future);
        if !self.healthy {
            policy.on_missing = OnMissing::Error;
        }
        let key = last.as_ref().map(|_| Key {
            object: format!("{}{name}{}", self.object_prefix(), self.incarnation),
            selector: self.ask.metric_selector.to_string(),
        });
        let good = matches!(finding, Finding::Number(_));
        let shown = trace.listens().then(|| finding.to_string());
        let verdict =
            judge(finding, &policy, scraped, now, last.as_ref().zip(key.as_ref()).and_then(|(l, k)| l.get(k)));
        trace.note("object", || format!("{name}: found {}, answer {verdict}", shown.unwrap_or_default()));
        if let (Verdict::Serve(value), Some(last), Some(key), true) = (&verdict, last, key, good) {
            let OnMissing::Last(age) = rule.on_missing else { return verdict };
            last.set(key, *value, now.saturating_sub_unsigned(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
        }
        verdict
    }

    fn object_prefix(&self) -> String {
        format!("{}/{}/", self.kind.resource, self.ask.path.namespace.as_deref().unwrap_or_default())
    }

    pub(super) fn item(&self, name: &str, value: outcome::ServedValue) -> MetricValue {
        MetricValue {
            described_object: ObjectReference {
                kind: self.kind.kind.clone(),
                namespace: self.ask.path.namespace.clone(),
                name: name.to_owned(),
                api_version: self.kind.api_version.clone(),
            },
            timestamp: Time::from_millis(value.at),
            window_seconds: value.span.map(|millis| (millis + 500) / 1_000),
            value: value.value,
        }
    }
}

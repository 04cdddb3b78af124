//! External metrics: values that belong to no object, each with its labels. The HPA controller adds them up, so a
//! response contains all of them or is an error.

mod query;
mod samples;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::active_rule::ActiveRule;
use super::failure::{About, Failure, MetricReference};
use super::freshness::Freshness;
use super::judgement::{Judgement, Scrape};
use super::last::ValueKey;
use super::naming;
use super::outcome::{Finding, Number, ServedValue, Verdict, judge_unavailable};
use super::page_members;
use super::reason::{MissingReason, RefusalReason};
use super::request::{ExternalRequest, ExternalValues};
use super::select::{self, Describes};
use super::subject::Services;
use super::trace::{Event, Trace};
use super::{fleet, over_time, url};
use crate::config::model::{NamespaceLabels, ObjectMapping, PodSet, Pods, SelectorMode, Target};
use crate::kube::external_metrics::ExternalMetricValue;
use crate::kube::meta::Time;
use crate::parse::selector::Selector;
use crate::parse::sort;
use crate::parse::url_template::Values;
use crate::promql::NAME_LABEL;
use crate::promql::evaluate::{Element, Labels};
use crate::source::page_request::PageRequest;
use crate::source::waiting::AllowedWaits;

/// A request for an external metric, with the rule that answers it.
#[derive(Clone, Copy)]
pub(super) struct ExternalSubject<'a> {
    pub(super) request: ExternalRequest<'a>,
    pub(super) served: &'a Arc<ActiveRule>,
    pub(super) services: Services<'a>,
}

/// Values by their labels; or why there is none.
type FoundValues = Result<Vec<(Labels, Finding)>, MissingReason>;

impl ExternalSubject<'_> {
    /// All values of the requested metric.
    pub(super) fn answer(&self, waits: AllowedWaits, trace: &mut Trace) -> Result<ExternalValues, Failure> {
        let about = self.about();
        trace.record(|| Event::Rule { metric: self.served.rule.name.clone(), resource: None, value: about.value() });
        if !self.served.answers(Some(&self.request.path.namespace)) {
            return Err(about.foreign_namespace());
        }
        let mut freshness = None;
        let answer = match &self.served.upstream.source().target {
            Target::Url(_) => self.of_url(waits, &mut freshness, trace),
            Target::Prometheus(_) => query::answer(self, waits, trace),
            Target::Pods(of) => match &of.set {
                Some(set) => self.of_pods(of, set, waits, trace),
                None => return Err(about.page(&"an external metric needs a fixed set of pods")),
            },
        };
        let items = answer.or_else(|failure| self.unavailable(failure, trace))?;
        Ok(ExternalValues { metric: self.served.rule.name.clone(), items, freshness })
    }

    /// The values that `onUnavailable` provides: one number, or the complete last response.
    fn unavailable(&self, failure: Failure, trace: &mut Trace) -> Result<Vec<ExternalMetricValue>, Failure> {
        if !matches!(failure, Failure::SourceFailed(_)) {
            return Err(failure);
        }
        let policy = self.served.rule.on_unavailable;
        let now = self.services.shared.clock().now().unix_millis;
        let scrape = Scrape::of_page(now);
        let judgement = Judgement { served: self.served, shared: self.services.shared, scrape, now };
        let last = self.served.last.as_ref().filter(|_| policy.remembers().is_some());
        let values: Option<Vec<_>> = match last.map(|last| last.answer(&self.answer_key())) {
            Some(values) => values
                .unwrap_or_default()
                .into_iter()
                .map(|value| {
                    let at = value.timestamp.millis();
                    judge_unavailable(policy, now, Some(ServedValue { value: value.value, at, span: None }))
                        .zip(Some(value))
                })
                .collect(),
            None => judge_unavailable(policy, now, None).map(|value| vec![(value, item(BTreeMap::new(), value))]),
        };
        match values.filter(|values| !values.is_empty()) {
            Some(values) => Ok(values
                .into_iter()
                .map(|(value, item)| {
                    judgement.trace_fallback(&shown(&item.metric_labels), value, trace);
                    item
                })
                .collect()),
            None => Err(failure),
        }
    }

    /// The key by which a complete response is remembered.
    fn answer_key(&self) -> ValueKey {
        ValueKey { object: self.memory_prefix(), selector: self.request.selector.to_string() }
    }

    /// Remembers a complete response.
    fn remember(&self, items: &[ExternalMetricValue]) {
        if let (Some(last), Some(age)) = (&self.served.last, self.served.rule.on_unavailable.remembers()) {
            let now = self.services.shared.clock().now().unix_millis;
            let oldest = now.saturating_sub_unsigned(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            last.set_answer(self.answer_key(), items.to_vec(), oldest);
        }
    }

    fn of_url(
        &self,
        waits: AllowedWaits,
        freshness: &mut Option<Freshness>,
        trace: &mut Trace,
    ) -> Result<Vec<ExternalMetricValue>, Failure> {
        let about = self.about();
        let label_selector = self.request.selector.to_string();
        let values = Values {
            namespace: Some(&self.request.path.namespace),
            resource: "",
            name: None,
            metric: &self.served.rule.name,
            label_selector: &label_selector,
        };
        let source = self.served.upstream.source();
        let request = PageRequest::expand(source, &values).map_err(|error| about.bad_request(&error))?;
        trace.record(|| Event::Url { url: request.to_string() });
        if let Some(sampling) = &self.served.sampling {
            let samples = over_time::page_samples(self.served, &about, self.services, sampling, trace)?;
            return samples::answer(self, samples, trace);
        }
        let page = url::fetch(self.served, &about, &request, waits, trace)?;
        let members = page_members::page_members(self.served, &about, &page, trace)?;
        let found = values::of_page(self, members, page.at)?;
        let items = self.items(found, page_members::scrape(self.served, &page), trace)?;
        let times = items.iter().map(|item| item.timestamp.millis());
        *freshness = Freshness::of_page(self.served, &page, times, self.services.shared.clock().now());
        Ok(items)
    }

    /// The values from the joined pages of pods.
    fn of_pods(
        &self,
        of: &Pods,
        set: &PodSet,
        waits: AllowedWaits,
        trace: &mut Trace,
    ) -> Result<Vec<ExternalMetricValue>, Failure> {
        let (served, about, services) = (self.served, self.about(), self.services);
        if let Some(sampling) = &served.sampling {
            let samples = fleet::samples(served, &about, services, sampling, set, trace)?;
            return samples::answer(self, samples, trace);
        }
        let joined = fleet::scrape(served, &about, services, of, set, waits, trace)?;
        let scrape = fleet::of_pages(&joined, served, services);
        let found = values::of_joined(self, &fleet::members(&joined, served, &about, services, trace)?, scrape.at)?;
        self.items(found, scrape, trace)
    }

    fn about(&self) -> About<'_> {
        let ActiveRule { rule, upstream, implicit, .. } = &**self.served;
        let metric = MetricReference::External(self.request.path);
        About { metric, rule, source: &upstream.source().name, implicit: *implicit }
    }

    /// The selector to apply to the page: one that selects everything if the URL passes the request's selector on.
    fn selector(&self) -> Selector {
        match self.served.upstream.source().label_selector {
            SelectorMode::Url => Selector::everything(),
            SelectorMode::Kubernetes | SelectorMode::Labels => self.request.selector.clone(),
        }
    }

    /// The members that the selector selects and that do not name another namespace.
    fn select<'m, T: Describes>(&self, members: impl IntoIterator<Item = &'m T>) -> Result<Vec<&'m T>, MissingReason> {
        let selector = self.selector();
        let mut reason = MissingReason::NoSeries;
        let mut selected = Vec::new();
        for member in members {
            if !select::matches(&selector, member) {
                reason = reason.max(MissingReason::LabelSelector);
            } else if !self.is_of_this_namespace(member) {
                reason = MissingReason::OtherNamespaces;
            } else {
                selected.push(member);
            }
        }
        if selected.is_empty() { Err(reason) } else { Ok(selected) }
    }

    /// A member without a namespace applies to every namespace that may request the metric.
    fn is_of_this_namespace(&self, member: &impl Describes) -> bool {
        let ObjectMapping::External { namespace: NamespaceLabels::First(labels), .. } = &self.served.rule.mapping
        else {
            return true;
        };
        let asked = &self.request.path.namespace;
        match member.own_namespace() {
            Some(own) => own == asked,
            None => naming::namespaces(labels)
                .iter()
                .find_map(|label| member.label(label))
                .is_none_or(|label| label.is_empty() || label == asked.as_str()),
        }
    }

    /// Judges the values that were found. One value that cannot be served makes the whole response an error.
    fn items(
        &self,
        found: FoundValues,
        scrape: Scrape<'_>,
        trace: &mut Trace,
    ) -> Result<Vec<ExternalMetricValue>, Failure> {
        let about = self.about();
        let (found, reason) = match found {
            Ok(found) => (found, MissingReason::NoSeries),
            Err(reason) => (Vec::new(), reason),
        };
        let mut items = Vec::with_capacity(found.len());
        let mut seen = BTreeSet::new();
        for (labels, finding) in found {
            let labels = as_map(&labels);
            items.push(match self.judge(&labels, finding, scrape, trace) {
                Verdict::Serve(value) => item(labels.clone(), value),
                Verdict::Missing(reason) => return Err(about.missing(&reason)),
                Verdict::Refuse(reason) => return Err(about.refused(&reason)),
            });
            seen.insert(labels);
        }
        if !items.is_empty() {
            self.remember(&items);
        }
        // Values of labels that are missing now; values that are too old are dropped.
        for labels in self.remembered().into_iter().filter(|labels| !seen.contains(labels)) {
            if let Verdict::Serve(value) = self.judge(&labels, Finding::Nothing(reason.clone()), scrape, trace) {
                items.push(item(labels, value));
            }
        }
        if !items.is_empty() {
            return match has_sum(&items) {
                true => Ok(items),
                false => Err(about.refused(&RefusalReason::SumOutOfRange)),
            };
        }
        let none = BTreeMap::new();
        match self.judge(&none, Finding::Nothing(reason), scrape, trace) {
            Verdict::Serve(value) => Ok(vec![item(none, value)]),
            Verdict::Missing(reason) => Err(about.missing(&reason)),
            Verdict::Refuse(reason) => Err(about.refused(&reason)),
        }
    }

    fn judge(
        &self,
        labels: &BTreeMap<String, String>,
        finding: Finding,
        scrape: Scrape<'_>,
        trace: &mut Trace,
    ) -> Verdict {
        let key = || ValueKey {
            object: format!("{}{}", self.memory_prefix(), serde_json::to_string(labels).unwrap_or_default()),
            selector: self.request.selector.to_string(),
        };
        let shown = if trace.is_on() { shown(labels) } else { String::new() };
        let now = self.services.now().unix_millis;
        let judgement = Judgement { served: self.served, shared: self.services.shared, scrape, now };
        judgement.of(&shown, finding, key, trace)
    }

    /// The labels of values that `onMissing: last` remembers.
    fn remembered(&self) -> BTreeSet<BTreeMap<String, String>> {
        let Some(last) = self.served.last.as_ref().filter(|_| self.served.rule.on_missing.remembers().is_some()) else {
            return BTreeSet::new();
        };
        let labels = last.objects(&self.memory_prefix(), &self.request.selector.to_string());
        sort::set(labels.iter().filter_map(|labels| serde_json::from_str(labels).ok()))
    }

    fn memory_prefix(&self) -> String {
        format!("external/{}/", self.request.path.namespace)
    }
}

/// Whether the HPA controller can add the values up: an overflow of its sum could request no replicas, or all of them.
fn has_sum(items: &[ExternalMetricValue]) -> bool {
    items.iter().try_fold(0_i64, |sum, item| sum.checked_add(item.value.0)).is_some()
}

/// The elements of a result, without the name of the metric.
fn values(elements: Vec<Element>) -> Vec<(Labels, Finding)> {
    let value = |Element { labels, value, times }: Element| {
        let number = Number { value, at: times.at, newest: times.newest, span: times.span };
        (labels.without(&[NAME_LABEL]), Finding::Number(number))
    };
    elements.into_iter().map(value).collect()
}

fn as_map(labels: &Labels) -> BTreeMap<String, String> {
    sort::map(labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// The labels as text, such as `{queue="mail"}`.
fn shown(labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", labels.join(","))
}

fn item(metric_labels: BTreeMap<String, String>, value: ServedValue) -> ExternalMetricValue {
    ExternalMetricValue {
        metric_labels,
        timestamp: Time::from_millis(value.at),
        window_seconds: value.window_seconds(),
        value: value.value,
    }
}

//! One request with its rule: the way from there to values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use once_cell::sync::Lazy;

use super::failure::{About, Failure};
use super::last::Key;
use super::outcome::{self, Absence, Finding, Policy, Verdict, judge, nothing_left};
use super::rules::{self, Served};
use super::select::{self, Describes, Naming, Selected, Wanted, select};
use super::trace::Trace;
use super::{Answer, Ask, evaluate};
use crate::config::model::{Identity, ObjectKind, OnMissing, SelectorMode, Value};
use crate::kube::custom_metrics::MetricValue;
use crate::kube::meta::{LabelSelector, ObjectReference, Time};
use crate::parse::escape::Escaped;
use crate::parse::path::{MetricPath, ObjectName};
use crate::parse::selector::Selector;
use crate::parse::url_template::{Placeholder, Values};
use crate::source::cache::Wait;
use crate::source::error::SourceError;
use crate::source::page::{Found, JsonItem, Page, Series};
use crate::source::upstream::Shared;

/// Labels that name a namespace where the rule does not say: what a scrape has renamed comes first.
static NAMESPACES: Lazy<[String; 2]> = Lazy::new(|| ["exported_namespace", "namespace"].map(str::to_owned));

/// One request with its rule: the way from there to values.
pub(super) struct Request<'a> {
    pub(super) ask: Ask<'a>,
    pub(super) served: &'a Served,
    pub(super) kind: &'a ObjectKind,
    pub(super) shared: &'a Shared,
}

impl Request<'_> {
    pub(super) fn answer(&self, wait: Wait, trace: &mut Trace) -> Result<Answer, Failure> {
        let Served { rule, upstream, want, .. } = self.served;
        trace.note("rule", || format!("{} of {}, value {}", rule.name, self.kind.resource, self.about().value()));
        self.check_namespace()?;
        let selector = self.metric_selector()?;
        let url = self.url()?;
        trace.note("url", || url.clone());
        let page = match upstream.page(&url, want, wait) {
            Ok(page) => page,
            Err(SourceError::WouldWait) => return Err(Failure::WouldWait(upstream.index())),
            Err(error) => {
                trace.note("failed", || error.detail());
                return Err(self.about().source(&error));
            }
        };
        trace.note("page", || page.describe());
        let items = self.values(&page, trace)?;
        Ok(Answer { items, selector })
    }

    fn about(&self) -> About<'_> {
        let Served { rule, upstream, by_name, .. } = self.served;
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
    fn url(&self) -> Result<String, Failure> {
        let MetricPath { namespace, resource, name, metric, .. } = self.ask.path;
        let template = &self.served.upstream.source().url;
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

    fn values(&self, page: &Page, trace: &mut Trace) -> Result<Vec<MetricValue>, Failure> {
        match page.found(self.served.want.id) {
            None => Err(self.about().page(&"its page was read for other rules")),
            Some(Found::Refused(refusal)) => {
                trace.note("refused", || refusal.to_string());
                Err(self.about().page(refusal))
            }
            Some(Found::Number(value)) => {
                let item = [JsonItem { values: vec![Ok(*value)], ..JsonItem::default() }];
                self.objects(&item.iter().collect::<Vec<_>>(), page, trace)
            }
            Some(Found::Json(items)) => self.objects(&items.iter().collect::<Vec<_>>(), page, trace),
            Some(Found::Series(positions)) => {
                let mut series: Vec<&Series> = page.series(positions).collect();
                trace.note("series", || format!("{} match", series.len()));
                if self.own_objects_only() {
                    series.retain(|series| !select::names_an_object(series));
                }
                self.objects(&series, page, trace)
            }
        }
    }

    /// By name, a namespace is described by series that name no other object.
    fn own_objects_only(&self) -> bool {
        self.served.by_name && self.kind.resource == "namespaces"
    }

    fn objects<T: Member>(&self, members: &[&T], page: &Page, trace: &mut Trace) -> Result<Vec<MetricValue>, Failure> {
        let everything = Selector::everything();
        let label_selector = self.label_selector(members, &everything)?;
        let MetricPath { namespace, name, .. } = self.ask.path;
        let wanted = Wanted {
            namespace: namespace.as_deref(),
            name: match name {
                ObjectName::One(name) => Some(name),
                ObjectName::All => None,
            },
            metric_selector: self.ask.metric_selector,
            label_selector,
        };
        let selected = select(members.iter().copied(), &self.naming(), &wanted);
        match wanted.name {
            Some(name) => self.one(name, selected, page, trace),
            None => self.all(selected, page, trace),
        }
    }

    /// The selector to match members against; everything for a named object, or where the URL carried it.
    fn label_selector<'s, T: Member>(
        &'s self,
        members: &[&T],
        everything: &'s Selector,
    ) -> Result<&'s Selector, Failure> {
        let selector = self.ask.label_selector;
        let source = self.served.upstream.source();
        if selector.is_everything() || self.ask.path.name != ObjectName::All {
            return Ok(everything);
        }
        let about = self.about();
        match source.label_selector {
            SelectorMode::Url => Ok(everything),
            SelectorMode::Labels => match select::unknown_key(selector, members) {
                None => Ok(selector),
                Some((key, seen)) => Err(about.bad_request(&format!(
                    "labelSelector: no series carries the label {}; they carry {}",
                    Escaped::new(key),
                    if seen.is_empty() { "none".to_owned() } else { seen.join(", ") }
                ))),
            },
            SelectorMode::Kubernetes => Err(about.bad_request(&format!(
                "labelSelector cannot be honoured: source {} does not say how; set labelSelector: labels on it to match \
                 the labels of its series, or put {{labelSelector}} into its url",
                source.name
            ))),
        }
    }

    fn naming(&self) -> Naming<'_> {
        let path = self.ask.path;
        let own_name = match &path.name {
            ObjectName::One(name) => name.as_str(),
            ObjectName::All => "",
        };
        match &self.served.rule.identity {
            Identity::Url | Identity::Namespace => Naming::Given { name: own_name },
            Identity::Fixed { namespace, name } => Naming::Own {
                namespace: Cow::Borrowed(&[]),
                default_namespace: namespace.as_deref(),
                name: Cow::Borrowed(&[]),
                default_name: Some(name),
            },
            Identity::Items { .. } => Naming::Own {
                namespace: Cow::Borrowed(&[]),
                default_namespace: self.default_namespace(),
                name: Cow::Borrowed(&[]),
                default_name: None,
            },
            Identity::Labels { namespace, name } => self.naming_by_labels(namespace, name),
        }
    }

    fn naming_by_labels<'s>(&'s self, namespace: &'s [String], name: &'s [String]) -> Naming<'s> {
        let or_namespaces = |given: &'s [String]| match given {
            [] => NAMESPACES.as_slice(),
            given => given,
        };
        let default_namespace = self.default_namespace();
        if self.kind.resource == "namespaces" {
            let name = Cow::Borrowed(or_namespaces(if name.is_empty() { namespace } else { name }));
            return Naming::Own {
                namespace: Cow::Borrowed(&[]),
                default_namespace: None,
                name,
                default_name: default_namespace,
            };
        }
        let name = match name {
            [] => Cow::Owned(select::default_labels(self.kind)),
            given => Cow::Borrowed(given),
        };
        let namespace = Cow::Borrowed(or_namespaces(namespace));
        Naming::Own { namespace, default_namespace, name, default_name: None }
    }

    /// The namespace of what names none: the only one that the source describes, or the one its URL was made for; by
    /// name, whatever is asked for.
    fn default_namespace(&self) -> Option<&str> {
        let source = self.served.upstream.source();
        let asked = match &self.ask.path.name {
            ObjectName::One(name) if self.kind.resource == "namespaces" => Some(name.as_str()),
            _ => self.ask.path.namespace.as_deref(),
        };
        if self.served.by_name || source.url.uses(Placeholder::Namespace) { asked } else { source.namespaces.single() }
    }

    fn one<T: Member>(
        &self,
        name: &str,
        selected: Selected<'_, T>,
        page: &Page,
        trace: &mut Trace,
    ) -> Result<Vec<MetricValue>, Failure> {
        let finding = match selected {
            Err(absence) => Finding::Nothing(absence),
            Ok(mut objects) => match objects.remove(name) {
                None => Finding::Nothing(Absence::OtherObjects),
                Some(Err(fault)) => Finding::Unusable(fault),
                Some(Ok(members)) => T::evaluate(&members, self.served, page.at),
            },
        };
        match self.judge(name, finding, page, trace) {
            Verdict::Serve(value) => Ok(vec![self.item(name, value)]),
            Verdict::Missing(absence) => Err(self.about().missing(&absence)),
            Verdict::Refuse(fault) => Err(self.about().refused(&fault)),
        }
    }

    fn all<T: Member>(
        &self,
        selected: Selected<'_, T>,
        page: &Page,
        trace: &mut Trace,
    ) -> Result<Vec<MetricValue>, Failure> {
        let (objects, why_none) = match selected {
            Ok(objects) => (objects, Absence::OtherObjects),
            Err(absence) => (BTreeMap::new(), absence),
        };
        let mut findings: Vec<(String, Finding)> = self
            .remembered()
            .into_iter()
            .filter(|name| !objects.contains_key(name))
            .map(|name| (name, Finding::Nothing(Absence::NoSeries)))
            .collect();
        findings.extend(objects.into_iter().map(|(name, members)| match members {
            Ok(members) => {
                let finding = T::evaluate(&members, self.served, page.at);
                (name, finding)
            }
            Err(fault) => (name, Finding::Unusable(fault)),
        }));
        findings.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (mut items, mut left_out) = (Vec::with_capacity(findings.len()), Vec::new());
        for (name, finding) in findings {
            match self.judge(&name, finding, page, trace) {
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

    fn judge(&self, name: &str, finding: Finding, page: &Page, trace: &mut Trace) -> Verdict {
        let Served { rule, last, .. } = self.served;
        let now = self.shared.clock().now().unix_millis;
        let policy = Policy::of(rule, self.shared.limits().max_future);
        let key = last.as_ref().map(|_| Key {
            object: format!("{}{name}", self.object_prefix()),
            selector: self.ask.metric_selector.to_string(),
        });
        let good = matches!(finding, Finding::Number(_));
        let shown = trace.listens().then(|| finding.to_string());
        let verdict =
            judge(finding, &policy, page.at, now, last.as_ref().zip(key.as_ref()).and_then(|(l, k)| l.get(k)));
        trace.note("object", || format!("{name}: found {}, answer {verdict}", shown.unwrap_or_default()));
        if let (Verdict::Serve(value), Some(last), Some(key), true) = (&verdict, last, key, good) {
            let OnMissing::Last(age) = policy.on_missing else { return verdict };
            last.set(key, *value, now.saturating_sub_unsigned(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
        }
        verdict
    }

    fn object_prefix(&self) -> String {
        format!("{}/{}/", self.kind.resource, self.ask.path.namespace.as_deref().unwrap_or_default())
    }

    fn item(&self, name: &str, value: outcome::Served) -> MetricValue {
        MetricValue {
            described_object: ObjectReference {
                kind: self.kind.kind.clone(),
                namespace: self.ask.path.namespace.clone(),
                name: name.to_owned(),
                api_version: self.kind.api_version.clone(),
            },
            timestamp: Time::from_millis(value.at),
            window_seconds: None,
            value: value.value,
        }
    }
}

/// What describes objects on a page and can be evaluated: series, and items of JSON.
trait Member: Describes {
    fn evaluate(members: &[&Self], served: &Served, scraped: i64) -> Finding;
}

impl Member for Series {
    fn evaluate(members: &[&Self], served: &Served, scraped: i64) -> Finding {
        match &served.rule.value {
            Value::Series(expr) => evaluate::series(expr, members, scraped),
            _ => match members.iter().find_map(|series| outcome::not_by_name(series.kind())) {
                Some(fault) => Finding::Unusable(fault),
                None => {
                    evaluate::one(&members.iter().map(|series| evaluate::point(series, scraped)).collect::<Vec<_>>())
                }
            },
        }
    }
}

impl Member for JsonItem {
    fn evaluate(members: &[&Self], served: &Served, scraped: i64) -> Finding {
        let aggregation = match &served.rule.value {
            Value::Json(expr) => expr.aggregation,
            _ => None,
        };
        let values: Vec<_> = members.iter().flat_map(|item| item.values.iter().copied()).collect();
        evaluate::json(aggregation, &values, scraped)
    }
}

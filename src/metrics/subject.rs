//! A request with its rule and the kind of its objects: selects the members that describe an object, and judges their
//! value.

use std::sync::Arc;
use std::time::Instant;

use super::active_rule::ActiveRule;
use super::evaluation;
use super::failure::{About, Failure, MetricReference};
use super::judgement::{Judgement, Scrape};
use super::last::ValueKey;
use super::member::Member;
use super::naming;
use super::objects::Objects;
use super::outcome::{Finding, ServedValue, Verdict};
use super::reason::MissingReason;
use super::request::MetricRequest;
use super::scrape::Scraper;
use super::select::{MembersByObject, WantedMembers, select};
use super::trace::{PodsOrigin, Trace};
use crate::config::model::{DescribedObject, ObjectKind, ObjectMapping, Value};
use crate::kube::custom_metrics::MetricValue;
use crate::kube::meta::{LabelSelector, ObjectReference, Time};
use crate::kube_api::objects::Selection;
use crate::kube_api::pod_selections::SelectedPods;
use crate::parse::escape::Escaped;
use crate::parse::path::{MetricPath, ObjectName};
use crate::parse::selector::Selector;
use crate::promql::Bindings;
use crate::source::shared::Shared;
use crate::source::waiting::{AllowedWaits, Waiting};
use crate::telemetry::clock::{Now, SteadyClock};

/// A request with its rule and the kind of its objects.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) request: MetricRequest<'a>,
    pub(super) served: &'a Arc<ActiveRule>,
    pub(super) kind: &'a ObjectKind,
    pub(super) services: Services<'a>,
}

/// The parts that all items of a response share.
pub(super) struct AnsweredObjects {
    kind: Arc<str>,
    namespace: Option<Arc<str>>,
    api_version: Arc<str>,
}

/// The parts that responses from every kind of source need.
#[derive(Clone, Copy)]
pub(super) struct Services<'a> {
    pub(super) shared: &'a Shared,
    /// `None` without a Kubernetes API.
    pub(super) objects: Option<&'a Objects>,
    pub(super) scraper: &'a Arc<Scraper>,
    pub(super) steady: SteadyClock,
    /// The moment at which all objects of a response are judged, if nothing is waited for meanwhile.
    pub(super) moment: Option<Now>,
}

impl Services<'_> {
    /// The moment at which objects are judged, or else the current time.
    pub(super) fn now(&self) -> Now {
        self.moment.unwrap_or_else(|| self.shared.clock().now())
    }

    /// The same time by the clock of samples.
    pub(super) fn steady_now(&self) -> i64 {
        self.steady.at(self.now().monotonic)
    }

    /// The objects of the cluster.
    pub(super) fn cluster(&self, about: &About<'_>) -> Result<&Objects, Failure> {
        let why = "pods need the Kubernetes API; outside a cluster name one with --kubeconfig";
        self.objects.ok_or_else(|| about.page(&why))
    }

    /// The pods of a selection, as the Kubernetes API lists them.
    pub(super) fn pods(
        &self,
        selection: Selection<'_>,
        about: &About<'_>,
        waits: AllowedWaits,
    ) -> Result<SelectedPods, Failure> {
        let (wait, now) = (waits.wait_for(Waiting::KubernetesLists), self.shared.clock().now().monotonic);
        self.cluster(about)?.pods(selection, wait, now).map_err(|unlisted| about.unlisted(&unlisted))
    }

    /// Until when this list of a selection's pods is current; `None` if it is outdated.
    pub(super) fn pods_until(&self, selection: Selection<'_>, list: &SelectedPods) -> Option<Instant> {
        self.objects?.pods_until(selection, list, self.shared.clock().now().monotonic)
    }

    /// Where pods that were selected come from.
    pub(super) fn pods_origin(&self, selection: Selection<'_>) -> PodsOrigin {
        let age = self.objects.and_then(|objects| objects.watch_age(selection, self.shared.clock().now().monotonic));
        age.map_or(PodsOrigin::List, PodsOrigin::Watch)
    }
}

impl<'a> Subject<'a> {
    pub(super) fn about(&self) -> About<'_> {
        let ActiveRule { rule, upstream, implicit, .. } = &**self.served;
        About {
            metric: MetricReference::Objects(self.request.path),
            rule,
            source: &upstream.source().name,
            implicit: *implicit,
        }
    }

    /// The subject with another path, of one object.
    pub(super) fn of_path<'b>(&self, path: &'b MetricPath) -> Subject<'b>
    where
        'a: 'b,
    {
        Subject { request: MetricRequest { path, ..self.request }, ..*self }
    }

    /// The subject with all of its objects judged at the current time.
    pub(super) fn at_one_moment(&self) -> Self {
        Self { services: Services { moment: Some(self.services.now()), ..self.services }, ..*self }
    }

    /// The rule with its placeholders expanded to the names of the request.
    pub(super) fn bound(&self) -> Result<Arc<ActiveRule>, Failure> {
        let MetricPath { namespace, resource, name, .. } = self.request.path;
        let (namespace, name) = match (&self.served.rule.mapping, name) {
            (ObjectMapping::Described(DescribedObject { namespace, name }), _) => {
                (namespace.as_deref(), Some(name.as_str()))
            }
            (ObjectMapping::InQuery { .. }, ObjectName::All) => {
                let why = "{name} in its value stands for one object, so * is not served; ask for one by name";
                return Err(self.about().bad_request(&why));
            }
            (_, ObjectName::One(name)) => (namespace.as_deref(), Some(name.as_str())),
            (_, ObjectName::All) => (namespace.as_deref(), None),
        };
        // As in a URL, the namespace of a Namespace object is itself.
        let namespace = if resource == "namespaces" { name } else { namespace };
        let limit = self.services.shared.limits().expression.regex;
        let bound = self.served.bound(&Bindings { name, namespace, metric: None }, limit);
        bound.map_err(|error| self.about().bad_request(&error))
    }

    /// Rejects a namespace that the source may not describe, regardless of the content of its page.
    pub(super) fn check_namespace(&self) -> Result<(), Failure> {
        let namespace = match &self.request.path.name {
            ObjectName::One(name) if self.kind.resource == "namespaces" => Some(name.as_str()),
            _ => self.request.path.namespace.as_deref(),
        };
        if self.served.answers(namespace) { Ok(()) } else { Err(self.about().foreign_namespace()) }
    }

    /// `metricLabelSelector` as the response repeats it; `None` without one.
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

    /// Assigns members to the requested objects.
    pub(super) fn select<'p, T: Member>(&self, members: &[&'p T], label_selector: &Selector) -> MembersByObject<'p, T> {
        let MetricPath { namespace, name, .. } = self.request.path;
        // The query already contains metricLabelSelector.
        let everything = Selector::everything();
        let is_query = self.served.upstream.source().is_prometheus();
        let wanted = WantedMembers {
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

    /// Whether the page describes this object, whatever it contains.
    pub(super) fn is_given(&self, name: &str) -> bool {
        naming::of(self.request.path, self.served, self.kind).gives(self.request.path.namespace.as_deref(), name)
    }

    /// The response for a named object.
    pub(super) fn named<T: Member>(
        &self,
        name: &str,
        members: &[&T],
        scrape: Scrape<'_>,
        trace: &mut Trace,
    ) -> Result<Vec<MetricValue>, Failure> {
        self.answer(name, self.named_verdict(name, members, scrape, trace))
    }

    pub(super) fn answer(&self, name: &str, verdict: Verdict) -> Result<Vec<MetricValue>, Failure> {
        match verdict {
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
            Err(reason) if T::HAS_EXPRESSION && self.is_given(name) => {
                evaluation::of_nothing(&self.served.rule.value, scrape.at).unwrap_or(Finding::Nothing(reason))
            }
            Err(reason) => Finding::Nothing(reason),
            Ok(mut objects) => match objects.remove(name) {
                None => Finding::Nothing(MissingReason::OtherObjects),
                Some(Err(reason)) => Finding::Unusable(reason),
                Some(Ok(members)) => T::evaluate(&members, self.served, scrape.at),
            },
        };
        self.judge(name, finding, scrape, trace)
    }

    /// The reason in terms of the rule and its source.
    pub(super) fn worded(&self, reason: MissingReason, scrape: Scrape<'_>) -> MissingReason {
        self.judgement(scrape).worded(reason)
    }

    /// Decides on the response for one object, and remembers a good value for `onMissing: last`.
    pub(super) fn judge(&self, name: &str, finding: Finding, scrape: Scrape<'_>, trace: &mut Trace) -> Verdict {
        self.judgement(scrape).of(name, finding, || self.key(name, scrape), trace)
    }

    /// The value that `onUnavailable` provides for one object, if any.
    pub(super) fn unavailable(&self, name: &str, scrape: Scrape<'_>, trace: &mut Trace) -> Option<ServedValue> {
        self.judgement(scrape).unavailable(name, || self.key(name, scrape), trace)
    }

    fn key(&self, name: &str, scrape: Scrape<'_>) -> ValueKey {
        ValueKey {
            object: match scrape.pod {
                Some(pod) => format!("{}{name}#{}", self.object_prefix(), pod.incarnation()),
                None => format!("{}{name}", self.object_prefix()),
            },
            selector: self.request.metric_selector.to_string(),
        }
    }

    fn judgement<'s>(&'s self, scrape: Scrape<'s>) -> Judgement<'s> {
        let Services { shared, .. } = self.services;
        Judgement { served: self.served, shared, scrape, now: self.services.now().unix_millis }
    }

    /// Objects that `onMissing: last` remembers. Their labels are not remembered, so a selector selects none of them.
    pub(super) fn remembered(&self) -> Vec<String> {
        match &self.served.last {
            Some(last)
                if self.request.label_selector.is_everything() && self.served.rule.on_missing.remembers().is_some() =>
            {
                last.objects(&self.object_prefix(), &self.request.metric_selector.to_string())
            }
            _ => Vec::new(),
        }
    }

    fn object_prefix(&self) -> String {
        format!("{}/{}/", self.kind.resource, self.request.path.namespace.as_deref().unwrap_or_default())
    }

    pub(super) fn item(&self, name: &str, value: ServedValue) -> MetricValue {
        self.objects().item(name, value)
    }

    /// The parts that all items of the response share.
    pub(super) fn objects(&self) -> AnsweredObjects {
        AnsweredObjects {
            kind: self.kind.kind.as_str().into(),
            namespace: self.request.path.namespace.as_deref().map(Into::into),
            api_version: self.kind.api_version.as_str().into(),
        }
    }
}

impl AnsweredObjects {
    /// The item of an object.
    pub(super) fn item(&self, name: &str, value: ServedValue) -> MetricValue {
        MetricValue {
            described_object: ObjectReference {
                kind: self.kind.clone(),
                namespace: self.namespace.clone(),
                name: name.to_owned(),
                api_version: self.api_version.clone(),
            },
            timestamp: Time::from_millis(value.at),
            window_seconds: value.window_seconds(),
            value: value.value,
        }
    }
}

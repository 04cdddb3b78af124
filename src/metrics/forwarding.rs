//! Requests that no rule serves: which other adapter serves them, and its values.

use std::sync::Arc;

use super::entries::{Entry, described};
use super::failure::{Failure, MetricReference};
use super::request::{ExternalRequest, ExternalValues, MetricRequest, MetricValues};
use super::rules::{ExternalEntry, Rules};
use super::trace::{Event, Trace};
use crate::forward::adapter::{Adapter, AdapterAnswer};
use crate::forward::error::ForwardError;
use crate::kube::custom_metrics::MetricValue;
use crate::kube::meta::LabelSelector;
use crate::kube::received::Received;
use crate::parse::path::{ApiPath, ExternalPath, Group, MetricPath, ObjectName};
use crate::parse::percent::Encoded;
use crate::parse::selector::Selector;
use crate::source::waiting::{AllowedWaits, Waiting};

/// What serves a request.
pub(super) enum Serving {
    /// Rules, or no rule, and then the reason.
    Rules,
    /// Another adapter, because no rule serves the request.
    Adapter(Arc<Adapter>),
    /// Another adapter, in addition to rules.
    Shadowed(Arc<Adapter>),
    /// Nothing: another Metriclet has forwarded it, and this one would do so again.
    ForwardingLoop,
}

impl Rules {
    /// What serves a request for metrics of objects, with the entries of its rules.
    pub(super) fn serving(&self, request: MetricRequest<'_>, entries: &[Entry]) -> Serving {
        let Some(forward) = self.forward() else { return Serving::Rules };
        if entries.iter().any(|entry| serves(entry, request.path)) {
            let is_shadowed = |entry: &Entry| matches!(entry, Entry::Rule(served, _) if served.rule.shadow);
            return match forward.adapter(Group::Custom) {
                Some(adapter) if !request.is_forwarded && entries.iter().any(is_shadowed) => {
                    Serving::Shadowed(adapter.clone())
                }
                _ => Serving::Rules,
            };
        }
        match forward.of_metric(Group::Custom, &request.path.metric) {
            Some(_) if request.is_forwarded => Serving::ForwardingLoop,
            Some(adapter) => Serving::Adapter(adapter.clone()),
            None => Serving::Rules,
        }
    }

    /// What serves a request for an external metric.
    pub(super) fn serving_external(&self, request: ExternalRequest<'_>) -> Serving {
        let Some(forward) = self.forward() else { return Serving::Rules };
        let path = request.path;
        if let ExternalEntry::Rule(served) = self.find_external(&path.metric)
            && served.answers(Some(&path.namespace))
        {
            return match forward.adapter(Group::External) {
                Some(adapter) if !request.is_forwarded && served.rule.shadow => Serving::Shadowed(adapter.clone()),
                _ => Serving::Rules,
            };
        }
        match forward.of_metric(Group::External, &path.metric) {
            Some(_) if request.is_forwarded => Serving::ForwardingLoop,
            Some(adapter) => Serving::Adapter(adapter.clone()),
            None => Serving::Rules,
        }
    }
}

impl Rules {
    /// The group whose other adapter serves the metric of a path, because no rule does.
    pub(crate) fn forwards_to(&self, path: &ApiPath) -> Option<Group> {
        let forward = self.forward()?;
        let (group, metric, is_served) = match path {
            ApiPath::Metric(path) => {
                let is_served = self.find_all(path).iter().any(|entry| serves(entry, path));
                (Group::Custom, &path.metric, is_served)
            }
            ApiPath::External(path) => (Group::External, &path.metric, self.serves_external(path)),
            _ => return None,
        };
        forward.of_metric(group, metric).filter(|_| !is_served).map(|_| group)
    }

    fn serves_external(&self, path: &ExternalPath) -> bool {
        let entry = self.find_external(&path.metric);
        matches!(entry, ExternalEntry::Rule(served) if served.answers(Some(&path.namespace)))
    }
}

/// Whether a rule serves the metric of a path for its namespace, and for its object if it names one.
fn serves(entry: &Entry, path: &MetricPath) -> bool {
    let Entry::Rule(served, kind) = entry else { return false };
    let namespace = match &path.name {
        ObjectName::One(name) if kind.resource == "namespaces" => Some(name.as_str()),
        _ => path.namespace.as_deref(),
    };
    let is_described = match (described(&served.rule), &path.name) {
        (Some(object), ObjectName::One(name)) => object.namespace == path.namespace && object.name == *name,
        _ => true,
    };
    served.answers(namespace) && is_described
}

/// Another adapter's values of objects.
pub(super) fn objects(
    adapter: &Adapter,
    request: MetricRequest<'_>,
    is_shadowed: bool,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<MetricValues, Failure> {
    let selectors = [("labelSelector", request.label_selector), ("metricLabelSelector", request.metric_selector)];
    let path = adapter.path(request.path) + &query(&selectors);
    let metric = MetricReference::Objects(request.path);
    match &answer(adapter, &path, metric, is_shadowed, waits, trace)?.received {
        Received::Custom(name, items) => {
            check(adapter, metric, name.as_deref().is_none_or(|name| name == request.path.metric), "another metric")?;
            check(adapter, metric, items.iter().all(|item| is_of(item, request.path)), "another object")?;
            let selector = Some(request.metric_selector).filter(|selector| !selector.is_everything());
            let selector = selector.and_then(|selector| LabelSelector::from_selector(selector).ok());
            Ok(MetricValues { items: items.clone(), selector, freshness: None })
        }
        _ => Err(unexpected(adapter, metric)),
    }
}

/// Another adapter's values of an external metric.
pub(super) fn external(
    adapter: &Adapter,
    request: ExternalRequest<'_>,
    is_shadowed: bool,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<ExternalValues, Failure> {
    let path = adapter.path(request.path) + &query(&[("labelSelector", request.selector)]);
    let metric = MetricReference::External(request.path);
    match &answer(adapter, &path, metric, is_shadowed, waits, trace)?.received {
        Received::External(name, items) => {
            let is_its = name.as_deref().is_none_or(|name| name.eq_ignore_ascii_case(&request.path.metric));
            check(adapter, metric, is_its, "another metric")?;
            let metric = name.clone().unwrap_or_else(|| request.path.metric.clone());
            Ok(ExternalValues { metric, items: items.clone(), freshness: None })
        }
        _ => Err(unexpected(adapter, metric)),
    }
}

/// The failure of a forwarded request that has come back.
pub(super) fn is_forwarding_loop(group: Group, metric: &str) -> Failure {
    let key = match group {
        Group::Custom => "to",
        Group::External => "external",
    };
    Failure::Unavailable(format!(
        "{metric}: a request that Metriclet forwarded came back to Metriclet; {key}: under forward: leads to a Metriclet that \
         forwards it again"
    ))
}

fn answer(
    adapter: &Adapter,
    path: &str,
    metric: MetricReference<'_>,
    is_shadowed: bool,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Arc<AdapterAnswer>, Failure> {
    let waiting = Waiting::Forwarded(adapter.group());
    trace.record(|| Event::Forwarded { to: adapter.config().address.to_string(), path: path.to_owned() });
    let answer = adapter.request(path, is_shadowed, waits.wait_for(waiting));
    trace.record(|| Event::ForwardAnswer { answer: answer.as_ref().map_or_else(ForwardError::detail, |it| shown(it)) });
    match answer {
        Err(ForwardError::WouldWait) => Err(Failure::WouldWait(waiting)),
        Err(error) => {
            let why = if is_shadowed { "" } else { "; no rule serves it, so it is forwarded" };
            Err(Failure::Unavailable(format!("{metric}: adapter {} {error}{why}", adapter.config().address)))
        }
        Ok(answer) => match &*answer {
            AdapterAnswer { code, received: Received::Failure(status), .. } => {
                Err(Failure::Answered(Box::new(status.pass_on(*code))))
            }
            _ => Ok(answer),
        },
    }
}

fn unexpected(adapter: &Adapter, metric: MetricReference<'_>) -> Failure {
    let error = ForwardError::Answer(String::new());
    Failure::Unavailable(format!("{metric}: adapter {} {error}", adapter.config().address))
}

/// The response as text for a trace.
fn shown(AdapterAnswer { code, received, .. }: &AdapterAnswer) -> String {
    match received {
        Received::Failure(status) => format!("{code}: {}", status.message),
        values => match values.values() {
            1 => "1 value".to_owned(),
            count => format!("{count} values"),
        },
    }
}

/// Whether a value is one of those that were requested. The namespace may be left out.
fn is_of(item: &MetricValue, path: &MetricPath) -> bool {
    let object = &item.described_object;
    let is_named = match &path.name {
        ObjectName::One(name) => object.name == *name,
        ObjectName::All => true,
    };
    is_named && object.namespace.as_ref().is_none_or(|of| path.namespace.as_ref().is_none_or(|own| **of == **own))
}

/// Refuses values that were not requested: the caller's rights on them were not reviewed.
fn check(adapter: &Adapter, metric: MetricReference<'_>, is_its: bool, what: &str) -> Result<(), Failure> {
    let address = &adapter.config().address;
    match is_its {
        true => Ok(()),
        false => Err(Failure::Unavailable(format!("{metric}: adapter {address} answered with values of {what}"))),
    }
}

/// The URL query for these selectors; those that select everything are omitted.
fn query(selectors: &[(&str, &Selector)]) -> String {
    let selectors = selectors.iter().filter(|(_, selector)| !selector.is_everything());
    let pairs = selectors.map(|(name, selector)| format!("{name}={}", Encoded::unreserved(&selector.to_string())));
    let query = pairs.collect::<Vec<_>>().join("&");
    if query.is_empty() { query } else { format!("?{query}") }
}

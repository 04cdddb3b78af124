//! The External Metrics API.

use serde_json::Value;

use super::items::{canonical, each, foreign, in_range, readable, usual, window};
use super::routes::more;
use super::selectors::{INVALID, UNKNOWN, VALID, nothing, refused, understood, unless_unknown_is_refused};
use crate::conformance::body;
use crate::conformance::check::{Check, Plan, every, expect};
use crate::conformance::exchange::{Request, Response};
use crate::conformance::facts::{Facts, NO_EXTERNAL};
use crate::conformance::list::{self, List};
use crate::conformance::status;
use crate::conformance::target::{EXTERNAL, ExternalTarget, NOWHERE, with_selector};

pub(super) const CHECKS: &[Check] = &[
    Check::must("external.route", "namespaces/NAMESPACE/METRIC returns a list with items.", values, |_, exchanges| {
        every(exchanges, |request, response| List::read(request, response)?.some_items().map(|_| ()))
    }),
    Check::must(
        "external.lower-case",
        "A metric is served under its lower-case name: the HPA sends no other.",
        |facts| {
            facts.external()?;
            let upper = facts.external.iter().filter(|target| target.metric.to_lowercase() != target.metric);
            let requests: Vec<_> = upper.map(request_for).collect();
            if requests.is_empty() {
                Err("no external metric with capital letters is named".to_owned())
            } else {
                Ok(requests)
            }
        },
        |_, exchanges| every(exchanges, |request, response| List::read(request, response)?.some_items().map(|_| ())),
    ),
    Check::must(
        "external.content-type",
        "The list has the Content-Type application/json, or the client has no decoder for it.",
        values,
        |_, exchanges| every(exchanges, |_, response| body::json(response).map(|_| ())),
    ),
    Check::should(
        "external.kind",
        "kind is ExternalMetricValueList and apiVersion external.metrics.k8s.io/v1beta1.",
        values,
        |_, exchanges| every(exchanges, kind),
    ),
    Check::must(
        "external.items",
        "Each item has the metric's name, and labels that are strings.",
        values,
        |_, exchanges| each(exchanges, |_, _, item| labels(item)),
    ),
    Check::must("external.value", "value is a quantity within ±9223372036854775.807.", values, |_, exchanges| {
        each(exchanges, |_, _, item| list::value(item).and_then(|_| in_range(item)))
    }),
    Check::should("external.canonical", "value is a string in Kubernetes' canonical form.", values, |_, exchanges| {
        each(exchanges, |_, _, item| canonical(item))
    }),
    Check::must(
        "external.timestamp",
        "timestamp is in RFC 3339 format, or clients reject the whole list.",
        values,
        |_, exchanges| each(exchanges, |_, _, item| readable(item)),
    ),
    Check::should(
        "external.timestamp-form",
        "timestamp is present, in UTC with Z and whole seconds.",
        values,
        |_, exchanges| each(exchanges, |_, _, item| usual(item)),
    ),
    Check::must("external.window", "window, if there is one, is an integer.", values, |_, exchanges| {
        each(exchanges, |_, list, item| window(list, item))
    }),
    Check::should("external.foreign", "No item has keys of the Custom Metrics API.", values, |_, exchanges| {
        each(exchanges, |_, list, item| foreign(list, item))
    }),
    Check::must(
        "external.valid-selectors",
        "Every labelSelector that is valid in Kubernetes is accepted.",
        |facts| {
            let mut requests = with_each(facts, &[UNKNOWN])?;
            requests.extend(with_each(facts, VALID)?);
            Ok(requests)
        },
        |_, exchanges| unless_unknown_is_refused(exchanges, |_, response| understood(response)),
    ),
    Check::must(
        "external.invalid-selectors",
        "Every labelSelector that is invalid in Kubernetes returns 400 with the reason BadRequest.",
        |facts| with_each(facts, INVALID),
        |_, exchanges| every(exchanges, |_, response| refused(response)),
    ),
    Check::must(
        "external.match",
        "labelSelector selects by the labels of the metric: the HPA adds up all items.",
        |facts| with_each(facts, &[UNKNOWN]),
        |_, exchanges| every(exchanges, nothing),
    ),
    Check::should(
        "external.metric-label-selector",
        "metricLabelSelector is not a parameter of this API, and is ignored.",
        |facts| Ok(first(facts)?.map(|target| more(&request_for(target), "metricLabelSelector=a%3Db%3Dc")).collect()),
        |_, exchanges| every(exchanges, |request, response| List::read(request, response)?.some_items().map(|_| ())),
    ),
    Check::should(
        "external.watch",
        "watch=true returns 405: there is nothing to watch.",
        |facts| Ok(first(facts)?.map(|target| more(&request_for(target), "watch=true")).collect()),
        |_, exchanges| {
            every(exchanges, |_, response| {
                expect(response, 405).and_then(|()| status::check(response, "MethodNotAllowed"))
            })
        },
    ),
    Check::should(
        "external.segments",
        "A longer or shorter path returns 404 with a Status.",
        |facts| {
            let namespace = served(facts)?;
            let paths = [format!("namespaces/{namespace}/a/b"), NOWHERE.to_owned()];
            Ok(paths.map(|path| Request::get(format!("/apis/{EXTERNAL}/v1beta1/{path}"))).to_vec())
        },
        |_, exchanges| {
            every(exchanges, |_, response| expect(response, 404).and_then(|()| status::check(response, "NotFound")))
        },
    ),
    Check::should(
        "external.unknown",
        "An unknown metric returns 404 with a Status, which says why, rather than an empty list.",
        |facts| {
            let namespace = served(facts)?.to_owned();
            Ok(vec![request_for(&ExternalTarget { namespace, metric: NOWHERE.to_owned(), selector: String::new() })])
        },
        |_, exchanges| {
            every(exchanges, |_, response| expect(response, 404).and_then(|()| status::check(response, "NotFound")))
        },
    ),
    Check::must(
        "external.post",
        "POST returns 405: metrics cannot be created.",
        |facts| {
            let namespace = served(facts)?.to_owned();
            let nowhere = ExternalTarget { namespace, metric: NOWHERE.to_owned(), selector: String::new() };
            Ok(vec![Request::get(nowhere.target()).with_method("POST")])
        },
        |_, exchanges| every(exchanges, |_, response| expect(response, 405)),
    ),
];

/// The namespace for requests for nonexistent metrics.
fn served(facts: &Facts) -> Result<&str, String> {
    if facts.serves_external { Ok(&facts.namespace) } else { Err(NO_EXTERNAL.to_owned()) }
}

fn request_for(target: &ExternalTarget) -> Request {
    Request::get(target.target()).accepting(body::JSON)
}

fn first(facts: &Facts) -> Result<impl Iterator<Item = &ExternalTarget>, String> {
    Ok(facts.external()?.iter().take(1))
}

fn values(facts: &Facts) -> Plan {
    Ok(facts.external()?.iter().map(request_for).collect())
}

fn with_each(facts: &Facts, selectors: &[&str]) -> Plan {
    let request_for = |target: &ExternalTarget, selector: &str| {
        Request::get(with_selector(target.path(), "labelSelector", selector)).accepting(body::JSON)
    };
    Ok(first(facts)?.flat_map(|target| selectors.iter().map(move |selector| request_for(target, selector))).collect())
}

fn kind(request: &Request, response: &Response) -> Result<(), String> {
    let list = List::read(request, response)?;
    body::expect_text(&list.object, "/kind", list.names.kind)?;
    body::expect_text(&list.object, "/apiVersion", list.names.api_version)
}

fn labels(item: &Value) -> Result<(), String> {
    body::text(item, "/metricName")?;
    match item.get("metricLabels") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(labels)) if labels.values().all(Value::is_string) => Ok(()),
        found => Err(format!("expected metricLabels to be strings, found {}", body::shown_value(found))),
    }
}

/// Requests for checks of both APIs.
pub(super) fn requests(facts: &Facts) -> Vec<Request> {
    facts.external.iter().map(request_for).collect()
}

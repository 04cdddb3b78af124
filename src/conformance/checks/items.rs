//! The items of lists.

use serde_json::Value;

use super::lists::values;
use super::routes::{all, more};
use crate::conformance::body;
use crate::conformance::check::{Check, Finding, every};
use crate::conformance::exchange::{Exchange, Request, Response};
use crate::conformance::facts::Facts;
use crate::conformance::list::{self, List};
use crate::conformance::quantity;
use crate::conformance::target::{CustomTarget, NOWHERE, Shape};
use crate::conformance::timestamp::{self, TimestampError};

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "items.name",
        "describedObject.name is the object's: the HPA matches pods by it.",
        values,
        |facts, exchanges| each(exchanges, |request, _, item| name(facts, request, item)),
    ),
    Check::should(
        "items.object",
        "describedObject has the kind, and the requested namespace or none.",
        values,
        |facts, exchanges| each(exchanges, |request, _, item| object(facts, request, item)),
    ),
    Check::should(
        "items.object-version",
        "describedObject.apiVersion is v1 or GROUP/VERSION.",
        values,
        |_, exchanges| each(exchanges, |_, _, item| object_version(item)),
    ),
    Check::must(
        "items.metric",
        "Each item has the metric's name, under the key of its version.",
        values,
        |facts, exchanges| each(exchanges, |request, list, item| metric(facts, request, list, item)),
    ),
    Check::must("items.value", "value is a quantity, or clients reject the whole list.", values, |_, exchanges| {
        each(exchanges, |_, _, item| list::value(item).map(|_| ()))
    }),
    Check::must(
        "items.range",
        "value is within ±9223372036854775.807, where the HPA's arithmetic wraps around.",
        values,
        |_, exchanges| each(exchanges, |_, _, item| in_range(item)),
    ),
    Check::should(
        "items.canonical",
        "value is a string in Kubernetes' canonical form, such as 1500m.",
        values,
        |_, exchanges| each(exchanges, |_, _, item| canonical(item)),
    ),
    Check::must(
        "items.timestamp",
        "timestamp is in RFC 3339 format, or clients reject the whole list.",
        values,
        |_, exchanges| each(exchanges, |_, _, item| readable(item)),
    ),
    Check::should(
        "items.timestamp-form",
        "timestamp is present, in UTC with Z and whole seconds.",
        values,
        |_, exchanges| each(exchanges, |_, _, item| usual(item)),
    ),
    Check::must(
        "items.window",
        "window (v1beta1) or windowSeconds (v1beta2), if there is one, is an integer.",
        values,
        |_, exchanges| each(exchanges, |_, list, item| window(list, item)),
    ),
    Check::should("items.foreign", "No item has keys of the other version.", values, |_, exchanges| {
        each(exchanges, |_, list, item| foreign(list, item))
    }),
    Check::should(
        "items.selector-echo",
        "Each item repeats metricLabelSelector as a LabelSelector.",
        |facts| {
            let query = format!("metricLabelSelector={NOWHERE}+notin+%28x%29");
            let targets = facts.named.get(..1).or_else(|| facts.wildcards.get(..1)).unwrap_or_default();
            if targets.is_empty() {
                facts.named()?;
            }
            Ok(all(facts, targets)?.iter().map(|request| more(request, &query)).collect())
        },
        |_, exchanges| each(exchanges, |_, list, item| echo(list, item)),
    ),
    Check::should(
        "items.no-selector",
        "Without metricLabelSelector, the selector in items is null or empty.",
        values,
        |_, exchanges| each(exchanges, |_, list, item| no_echo(list, item)),
    ),
];

/// Passes if every item of every list passes.
pub(super) fn each(exchanges: &[Exchange], passes: impl Fn(&Request, &List, &Value) -> Result<(), String>) -> Finding {
    every(exchanges, |request: &Request, response: &Response| {
        let list = List::read(request, response)?;
        list.some_items()?.iter().enumerate().try_for_each(|(number, item)| {
            passes(request, &list, item).map_err(|why| format!("items[{number}]: {why}"))
        })
    })
}

/// The metric of a request.
fn asked<'f>(facts: &'f Facts, request: &Request) -> Option<&'f CustomTarget> {
    let of = |target: &&CustomTarget| facts.versions.iter().any(|version| request.path() == target.path(version));
    facts.named.iter().chain(&facts.wildcards).find(of)
}

fn name(facts: &Facts, request: &Request, item: &Value) -> Result<(), String> {
    let name = body::text(item, "/describedObject/name")?;
    match asked(facts, request).filter(|target| !target.is_wildcard() && target.name != name) {
        None => Ok(()),
        Some(target) => Err(format!("expected describedObject.name \"{}\", found {}", target.name, body::shown(name))),
    }
}

fn object(facts: &Facts, request: &Request, item: &Value) -> Result<(), String> {
    body::text(item, "/describedObject/kind")?;
    let Some(target) = asked(facts, request) else { return Ok(()) };
    let namespace = item.pointer("/describedObject/namespace").and_then(Value::as_str).unwrap_or_default();
    let expected = if target.shape == Shape::Namespaced { target.namespace.as_str() } else { "" };
    match namespace == expected {
        true => Ok(()),
        false => Err(format!("expected describedObject.namespace \"{expected}\", found {}", body::shown(namespace))),
    }
}

fn object_version(item: &Value) -> Result<(), String> {
    let version = body::text(item, "/describedObject/apiVersion")?;
    let parts: Vec<&str> = version.split('/').collect();
    match parts.len() <= 2 && parts.iter().all(|part| !part.is_empty()) {
        true => Ok(()),
        false => {
            Err(format!("expected describedObject.apiVersion such as v1 or apps/v1, found {}", body::shown(version)))
        }
    }
}

fn metric(facts: &Facts, request: &Request, list: &List, item: &Value) -> Result<(), String> {
    match asked(facts, request) {
        Some(target) => body::expect_text(item, list.names.metric, &target.metric),
        None => body::text(item, list.names.metric).map(|_| ()),
    }
}

pub(super) fn in_range(item: &Value) -> Result<(), String> {
    match list::value(item)?.milli {
        Some(_) => Ok(()),
        None => Err(format!("value {} is too large", body::shown_value(item.get("value")))),
    }
}

pub(super) fn canonical(item: &Value) -> Result<(), String> {
    let text = body::text(item, "/value")?;
    let canonical = quantity::read(text).and_then(|quantity| quantity.canonical);
    match canonical {
        Some(canonical) if canonical == text => Ok(()),
        Some(canonical) => Err(format!("expected value \"{canonical}\", found {}", body::shown(text))),
        None => Err(format!("expected a decimal value, found {}", body::shown(text))),
    }
}

/// The timestamp as written; null and a missing one mean unset.
fn written(item: &Value) -> Result<Option<&str>, String> {
    match item.get("timestamp") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        other => Err(format!("expected timestamp to be a string, found {}", body::shown_value(other))),
    }
}

pub(super) fn readable(item: &Value) -> Result<(), String> {
    match written(item)?.map(|text| (text, timestamp::check(text))) {
        Some((text, Err(TimestampError::Unreadable))) => Err(format!("timestamp {}", body::shown(text))),
        _ => Ok(()),
    }
}

pub(super) fn usual(item: &Value) -> Result<(), String> {
    let text = written(item)?.ok_or("there is no timestamp")?;
    timestamp::check(text).map_err(|_| format!("timestamp {}", body::shown(text)))
}

pub(super) fn window(list: &List, item: &Value) -> Result<(), String> {
    match item.pointer(list.names.window) {
        None | Some(Value::Null) => Ok(()),
        Some(window) if window.is_i64() => Ok(()),
        found => Err(format!("{} is {}", list.names.window.trim_start_matches('/'), body::shown_value(found))),
    }
}

pub(super) fn foreign(list: &List, item: &Value) -> Result<(), String> {
    match list.names.foreign.iter().find(|key| item.get(**key).is_some()) {
        None => Ok(()),
        Some(key) => Err(format!("{key} is not a key of {}", list.names.api_version)),
    }
}

fn selector<'v>(list: &List, item: &'v Value) -> Option<&'v Value> {
    list.names.selector.and_then(|pointer| item.pointer(pointer)).filter(|selector| !selector.is_null())
}

fn echo(list: &List, item: &Value) -> Result<(), String> {
    let expected = serde_json::json!({"matchExpressions": [{"key": NOWHERE, "operator": "NotIn", "values": ["x"]}]});
    match selector(list, item) {
        Some(found) if *found == expected => Ok(()),
        found => Err(format!("expected selector {expected}, found {}", body::shown_value(found))),
    }
}

fn no_echo(list: &List, item: &Value) -> Result<(), String> {
    match selector(list, item).filter(|selector| selector.as_object().is_none_or(|members| !members.is_empty())) {
        None => Ok(()),
        found => Err(format!("expected no selector, found {}", body::shown_value(found))),
    }
}

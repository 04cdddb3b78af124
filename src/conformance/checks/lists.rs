//! Complete lists of metrics.

use std::collections::BTreeSet;

use serde_json::Value;

use super::routes::all;
use crate::conformance::body;
use crate::conformance::check::{Check, Finding, Plan, Timing, every};
use crate::conformance::exchange::{Exchange, Request, Response};
use crate::conformance::facts::Facts;
use crate::conformance::list::List;

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "lists.content-type",
        "A list requested as JSON has the Content-Type application/json.",
        values,
        |_, exchanges| every(exchanges, |_, response| body::json(response).map(|_| ())),
    ),
    Check::must("lists.kind", "kind is present, or clients cannot decode the list.", values, |_, exchanges| {
        every(exchanges, |request, response| {
            let list = List::read(request, response)?;
            body::expect_text(&list.object, "/kind", list.names.kind)
        })
    }),
    Check::must("lists.api-version", "apiVersion is the version in the path.", values, |_, exchanges| {
        every(exchanges, |request, response| {
            let list = List::read(request, response)?;
            body::expect_text(&list.object, "/apiVersion", list.names.api_version)
        })
    }),
    Check::must("lists.items", "items is a list, not null, and not missing.", values, |_, exchanges| {
        every(exchanges, |request, response| List::read(request, response)?.items().map(|_| ()))
    }),
    Check::should("lists.metadata", "metadata is an object.", values, |_, exchanges| {
        every(exchanges, |request, response| {
            let list = List::read(request, response)?;
            match list.object.get("metadata") {
                Some(Value::Object(_)) => Ok(()),
                found => Err(format!("expected metadata to be an object, found {}", body::shown_value(found))),
            }
        })
    }),
    Check::must(
        "lists.unique",
        "No object occurs twice: the HPA would use only the last one.",
        |facts| all(facts, facts.wildcards()?),
        |_, exchanges| every(exchanges, unique),
    ),
    Check::must(
        "lists.versions",
        "v1beta1 and v1beta2 return the same values for the same objects.",
        |facts| match facts.versions()? {
            [_] => Err("the server serves one version".to_owned()),
            _ => values(facts),
        },
        |_, exchanges| agree(exchanges),
    )
    .at(Timing::Repeated),
];

/// A request for each metric in each version.
pub(super) fn values(facts: &Facts) -> Plan {
    let targets: Vec<_> = facts.named.iter().chain(&facts.wildcards).cloned().collect();
    if targets.is_empty() {
        facts.named()?;
    }
    all(facts, &targets)
}

fn unique(request: &Request, response: &Response) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for item in List::read(request, response)?.items()? {
        let name = body::text(item, "/describedObject/name")?;
        if !seen.insert(name.to_owned()) {
            return Err(format!("{} occurs twice", body::shown(name)));
        }
    }
    Ok(())
}

/// The first half of the responses are metrics in one version, the second half the same metrics in the other version.
fn agree(exchanges: &[Exchange]) -> Finding {
    let (first, second) = exchanges.split_at(exchanges.len() / 2);
    let read = |exchange: &Exchange| {
        let response = exchange.result.as_ref().map_err(Clone::clone)?;
        List::read(&exchange.request, response)?.values()
    };
    for (one, other) in first.iter().zip(second) {
        let (left, right) = match (read(one), read(other)) {
            (Ok(left), Ok(right)) => (left, right),
            (Err(why), _) => return Finding::Fails(format!("{}: {why}", one.request)),
            (_, Err(why)) => return Finding::Fails(format!("{}: {why}", other.request)),
        };
        if left.keys().ne(right.keys()) {
            let why = format!("{} and {} describe different objects", one.request, other.request);
            return Finding::Fails(why);
        }
        if let Some((name, _)) =
            left.iter().find(|(name, value)| right.get(*name).map(|other| other.milli) != Some(value.milli))
        {
            return Finding::Fails(format!("{} and {} differ for {}", one.request, other.request, body::shown(name)));
        }
    }
    Finding::Holds(format!(
        "the same {}",
        if first.len() == 1 { "list".to_owned() } else { format!("{} lists", first.len()) }
    ))
}

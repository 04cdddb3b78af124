//! The routes of the Custom Metrics API, and the decoding of paths.

use crate::conformance::body;
use crate::conformance::check::{Check, Finding, Plan, every, expect};
use crate::conformance::exchange::{Exchange, Request, Response};
use crate::conformance::facts::Facts;
use crate::conformance::list::List;
use crate::conformance::status;
use crate::conformance::target::{CUSTOM, CustomTarget, NOWHERE, Shape};

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "routes.object",
        "namespaces/NAMESPACE/RESOURCE/NAME/METRIC returns a list: HPAs use it for type Object.",
        |facts| of_shape(facts, Shape::Namespaced),
        lists,
    ),
    Check::must(
        "routes.wildcard",
        "The name %2A, as clients encode *, means all objects: HPAs use it for type Pods.",
        |facts| all(facts, facts.wildcards()?),
        lists,
    ),
    Check::should(
        "routes.raw-wildcard",
        "A literal * means the same as %2A.",
        |facts| Ok(all(facts, facts.wildcards()?)?.into_iter().map(bare).collect()),
        lists,
    ),
    Check::must(
        "routes.root-scoped",
        "RESOURCE/NAME/METRIC returns the metric of a cluster-scoped object.",
        |facts| of_shape(facts, Shape::RootScoped),
        lists,
    ),
    Check::must(
        "routes.namespace",
        "namespaces/NAMESPACE/metrics/METRIC returns the metric of the namespace itself.",
        |facts| of_shape(facts, Shape::Namespace),
        lists,
    ),
    Check::must(
        "routes.one-item",
        "A request for one object returns one item, or the HPA's client rejects the list.",
        |facts| all(facts, facts.named()?),
        |_, exchanges| every(exchanges, one_item),
    ),
    Check::must(
        "routes.percent-encoded",
        "Paths are decoded before they are compared: the aggregation layer may encode any character.",
        |facts| Ok(first(facts, facts.named()?)?.map(encoded).collect()),
        lists,
    ),
    Check::should(
        "routes.trailing-slash",
        "A trailing slash makes no difference.",
        |facts| Ok(first(facts, facts.named()?)?.map(slashed).collect()),
        lists,
    ),
    Check::should(
        "routes.unknown-parameters",
        "Unknown query parameters are ignored, as kubectl sends timeout and others.",
        |facts| Ok(first(facts, facts.named()?)?.map(|request| more(&request, "timeout=5s&limit=500&x=y")).collect()),
        lists,
    ),
    Check::should(
        "routes.segments",
        "A path with more or fewer segments than the routes returns 404 with a Status.",
        |facts| below(facts, &["blah", "nodes/blah", "namespaces/default/pods/blah", "namespaces/default/pods/a/b/c"]),
        |_, exchanges| {
            every(exchanges, |_, response| expect(response, 404).and_then(|()| status::check(response, "NotFound")))
        },
    ),
    Check::as_go(
        "routes.three-segments",
        "namespaces/NAMESPACE/METRIC, without resource and name, returns 400.",
        |facts| below(facts, &["namespaces/default/blah"]),
        |_, exchanges| every(exchanges, |_, response| expect(response, 400)),
    ),
    Check::should(
        "routes.empty-segment",
        "An empty segment within a path is not skipped: the response is a client error (4xx).",
        |facts| below(facts, &["namespaces//pods/a/b", "nodes//a"]),
        |_, exchanges| every(exchanges, |_, response| client_error(response)),
    ),
    Check::should(
        "routes.bad-escape",
        "A path that cannot be decoded returns 400.",
        |facts| below(facts, &["namespaces/default/pods/%zz/blah"]),
        |_, exchanges| every(exchanges, |_, response| expect(response, 400)),
    ),
    Check::as_go(
        "routes.encoded-slash",
        "%2F counts as a slash, so a name that contains it has one segment too many.",
        |facts| below(facts, &["nodes/a%2Fb/c/d"]),
        |_, exchanges| every(exchanges, |_, response| expect(response, 404)),
    ),
    Check::as_go(
        "routes.watch",
        "watch=true is ignored.",
        |facts| Ok(first(facts, facts.named()?)?.map(|request| more(&request, "watch=true")).collect()),
        lists,
    ),
];

/// A request for each metric in each version.
pub(super) fn all(facts: &Facts, targets: &[CustomTarget]) -> Plan {
    let versions = facts.versions()?;
    Ok(versions.iter().flat_map(|version| targets.iter().map(|target| request_for(target, version))).collect())
}

/// A request for the first metric in each version.
pub(super) fn first(facts: &Facts, targets: &[CustomTarget]) -> Result<impl Iterator<Item = Request>, String> {
    Ok(all(facts, targets.get(..1).unwrap_or_default())?.into_iter())
}

pub(super) fn request_for(target: &CustomTarget, version: &str) -> Request {
    Request::get(target.target(version)).accepting(body::JSON)
}

fn of_shape(facts: &Facts, shape: Shape) -> Plan {
    let targets: Vec<_> =
        facts.named.iter().chain(&facts.wildcards).filter(|target| target.shape == shape).cloned().collect();
    let flag = match shape {
        Shape::Namespaced => "--object",
        Shape::RootScoped => "--root-scoped",
        Shape::Namespace => "--namespace-metric",
    };
    facts.versions()?;
    if targets.is_empty() {
        Err(format!("no such metric is known: name one with {flag}"))
    } else {
        all(facts, &targets)
    }
}

fn below(facts: &Facts, paths: &[&str]) -> Plan {
    let version = facts.version()?;
    Ok(paths.iter().map(|path| Request::get(format!("/apis/{CUSTOM}/{version}/{path}"))).collect())
}

fn bare(request: Request) -> Request {
    Request { target: request.target.replace("%2A", "*"), ..request }
}

/// Adds a query parameter.
pub(super) fn more(request: &Request, query: &str) -> Request {
    let sign = if request.target.contains('?') { '&' } else { '?' };
    Request { target: format!("{}{sign}{query}", request.target), ..request.clone() }
}

/// Percent-encodes the first letter of the metric's name.
fn encoded(request: Request) -> Request {
    let (path, query) = request.target.split_once('?').map_or((&*request.target, ""), |(path, query)| (path, query));
    let (before, metric) = path.rsplit_once('/').unwrap_or(("", path));
    let mut letters = metric.chars();
    let letter = letters
        .next()
        .filter(char::is_ascii_alphanumeric)
        .map_or_else(String::new, |letter| format!("%{:02x}", letter as u32));
    let rest = if letter.is_empty() { metric } else { letters.as_str() };
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    Request { target: format!("{before}/{letter}{rest}{query}"), ..request }
}

fn slashed(request: Request) -> Request {
    let target = match request.target.split_once('?') {
        Some((path, query)) => format!("{path}/?{query}"),
        None => format!("{}/", request.target),
    };
    Request { target, ..request }
}

fn lists(_: &Facts, exchanges: &[Exchange]) -> Finding {
    every(exchanges, |request, response| List::read(request, response)?.some_items().map(|_| ()))
}

fn one_item(request: &Request, response: &Response) -> Result<(), String> {
    match List::read(request, response)?.items()?.len() {
        1 => Ok(()),
        found => Err(format!("expected one item, found {found}")),
    }
}

fn client_error(response: &Response) -> Result<(), String> {
    match response.status {
        400..=499 => Ok(()),
        _ => Err(format!("expected 400 or 404, found {response}")),
    }
}

/// A nonexistent metric of a nonexistent object.
pub(super) fn nowhere(facts: &Facts) -> CustomTarget {
    CustomTarget {
        shape: Shape::Namespaced,
        namespace: facts.namespace.clone(),
        resource: "pods".to_owned(),
        name: NOWHERE.to_owned(),
        metric: NOWHERE.to_owned(),
        selector: String::new(),
    }
}

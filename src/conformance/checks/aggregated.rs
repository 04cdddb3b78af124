//! Aggregated discovery: one document of all groups, which the aggregation layer requests first.

use std::collections::BTreeSet;

use serde_json::Value;

use super::discovery::group_versions;
use crate::conformance::body;
use crate::conformance::check::{Check, Finding, every, expect};
use crate::conformance::exchange::{Exchange, Request, Response};
use crate::conformance::facts::Facts;

/// The Accept header of the aggregation layer.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

const FALLS_BACK: &str = "the server falls back to plain discovery";

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "aggregated.or-fallback",
        "/apis returns an APIGroupDiscoveryList if requested, or any response but 503: then each version is requested.",
        |facts| facts.directly().map(|()| vec![aggregated()]),
        |_, exchanges| every(exchanges, |_, response| either(response)),
    ),
    Check::must(
        "aggregated.shape",
        "An APIGroupDiscoveryList has groups, versions and resources with a scope, and subresources with a kind and \
         verbs.",
        |facts| facts.directly().map(|()| vec![aggregated()]),
        |_, exchanges| if_claimed(exchanges, |response| shape(&body::object(&response.body)?)),
    ),
    Check::should(
        "aggregated.complete",
        "It lists everything that plain discovery lists; kubectl does not show what is missing.",
        |facts| {
            let mut requests = vec![aggregated()];
            requests.extend(group_versions(facts)?);
            Ok(requests)
        },
        complete,
    ),
    Check::should(
        "aggregated.etag",
        "It has an ETag and Vary: Accept.",
        |facts| facts.directly().map(|()| vec![aggregated()]),
        |_, exchanges| if_claimed(exchanges, cacheable),
    ),
    Check::should(
        "aggregated.profile",
        "A profile in Accept, such as nopeer, makes no difference.",
        |facts| {
            let profile = Request::get("/apis").accepting(format!("{ACCEPT};profile=nopeer"));
            facts.directly().map(|()| vec![profile])
        },
        |_, exchanges| every(exchanges, |_, response| either(response)),
    ),
    Check::should(
        "aggregated.not-modified",
        "If-None-Match with the ETag returns 304 without a body.",
        |facts| facts.directly().map(|()| vec![aggregated()]),
        |_, exchanges| match exchanges {
            [_, again] => every(std::slice::from_ref(again), |_, response| not_modified(response)),
            _ => Finding::Skipped("there is no ETag for a conditional request".to_owned()),
        },
    )
    .then(with_etag),
];

fn with_etag(exchanges: &[Exchange]) -> Vec<Request> {
    let etag = exchanges.first().and_then(|first| first.result.as_ref().ok()?.header("etag"));
    etag.map(|etag| aggregated().with_header("if-none-match", etag)).into_iter().collect()
}

fn not_modified(response: &Response) -> Result<(), String> {
    expect(response, 304)?;
    if response.body.is_empty() { Ok(()) } else { Err("expected no body, found one".to_owned()) }
}

fn aggregated() -> Request {
    Request::get("/apis").accepting(ACCEPT)
}

/// Whether the Content-Type declares aggregated discovery.
fn claims(response: &Response) -> bool {
    response.status == 200
        && [("g", "apidiscovery.k8s.io"), ("v", "v2"), ("as", "APIGroupDiscoveryList")]
            .iter()
            .all(|(name, value)| response.parameter(name) == Some(value))
}

fn either(response: &Response) -> Result<(), String> {
    if claims(response) {
        let list = body::object(&response.body)?;
        body::expect_text(&list, "/kind", "APIGroupDiscoveryList")?;
        return body::expect_text(&list, "/apiVersion", "apidiscovery.k8s.io/v2");
    }
    match response.status {
        503 => Err(format!("found {response}, which marks every version as stale")),
        304 => Err("found 304, though no ETag was sent".to_owned()),
        _ => Ok(()),
    }
}

fn if_claimed(exchanges: &[Exchange], passes: impl Fn(&Response) -> Result<(), String>) -> Finding {
    match exchanges.first().map(|exchange| &exchange.result) {
        Some(Ok(response)) if claims(response) => every(exchanges, |_, response| passes(response)),
        _ => Finding::Skipped(FALLS_BACK.to_owned()),
    }
}

fn shape(list: &Value) -> Result<(), String> {
    for group in body::list(list, "/items")? {
        let name = body::text(group, "/metadata/name")?;
        for version in body::list(group, "/versions")? {
            let label = format!("{}/{}", body::shown(name), body::shown(body::text(version, "/version")?));
            let Some(resources) = version.get("resources").filter(|resources| !resources.is_null()) else { continue };
            for resource in resources.as_array().ok_or_else(|| format!("{label}: resources is not a list"))? {
                resource_shape(resource).map_err(|why| format!("{label}: {why}"))?;
            }
        }
    }
    Ok(())
}

fn resource_shape(resource: &Value) -> Result<(), String> {
    let name = body::text(resource, "/resource")?;
    let wrong = |why: String| format!("{}: {why}", body::shown(name));
    match body::text(resource, "/scope").map_err(wrong)? {
        "Namespaced" | "Cluster" => {}
        other => return Err(wrong(format!("expected scope Namespaced or Cluster, found {}", body::shown(other)))),
    }
    let Some(subresources) = resource.get("subresources").and_then(Value::as_array) else {
        body::text(resource, "/responseKind/kind").map_err(wrong)?;
        return body::list(resource, "/verbs").map(|_| ()).map_err(wrong);
    };
    for subresource in subresources {
        body::text(subresource, "/subresource").map_err(wrong)?;
        // client-go drops a subresource without a responseKind.
        body::text(subresource, "/responseKind/kind").map_err(wrong)?;
        body::list(subresource, "/verbs").map_err(wrong)?;
    }
    Ok(())
}

/// `GROUP/VERSION NAME` of every resource, with the names of plain discovery.
fn names(list: &Value) -> BTreeSet<String> {
    let items = |value: &Value, member: &str| value.get(member).and_then(Value::as_array).cloned().unwrap_or_default();
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut names = BTreeSet::new();
    for group in items(list, "items") {
        for version in items(&group, "versions") {
            let of = format!("{}/{}", text(&group, "/metadata/name"), text(&version, "/version"));
            for resource in items(&version, "resources") {
                let parent = text(&resource, "/resource");
                names.insert(format!("{of} {parent}"));
                let subresources = items(&resource, "subresources");
                names.extend(subresources.iter().map(|sub| format!("{of} {parent}/{}", text(sub, "/subresource"))));
            }
        }
    }
    names
}

fn complete(_: &Facts, exchanges: &[Exchange]) -> Finding {
    let Some((first, plain)) = exchanges.split_first() else { return Finding::Skipped(FALLS_BACK.to_owned()) };
    let listed = match &first.result {
        Ok(response) if claims(response) => match body::object(&response.body) {
            Ok(list) => names(&list),
            Err(why) => return Finding::Fails(why),
        },
        _ => return Finding::Skipped(FALLS_BACK.to_owned()),
    };
    every(plain, |request, response| {
        let of = request.path().trim_start_matches("/apis/");
        for resource in body::list(&body::json(response)?, "/resources")? {
            let name = body::text(resource, "/name")?;
            if !listed.contains(&format!("{of} {name}")) {
                return Err(format!("{} of {of} is not in the APIGroupDiscoveryList", body::shown(name)));
            }
        }
        Ok(())
    })
}

fn cacheable(response: &Response) -> Result<(), String> {
    let etag = response.header("etag").ok_or("expected an ETag, found none")?;
    if !etag.starts_with('"') || !etag.ends_with('"') || etag.len() < 3 {
        return Err(format!("expected an ETag in quotes, found {}", body::shown(etag)));
    }
    let vary = response.header("vary").unwrap_or_default();
    let varies = vary.split(',').any(|name| name.trim().eq_ignore_ascii_case("accept"));
    if varies { Ok(()) } else { Err(format!("expected Vary: Accept, found {}", body::shown(vary))) }
}

//! Discovery: the groups, versions and resources that the server declares.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::conformance::body;
use crate::conformance::check::{Check, Finding, Plan, every, expect};
use crate::conformance::exchange::{Exchange, Request, Response};
use crate::conformance::facts::{Facts, NO_CUSTOM};
use crate::conformance::target::{CUSTOM, EXTERNAL, NOWHERE};

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "discovery.served",
        "The server serves custom.metrics.k8s.io or external.metrics.k8s.io.",
        |_| Ok(candidates().map(Request::get).collect()),
        served,
    ),
    Check::must(
        "discovery.available",
        "GET /apis/GROUP/VERSION without Accept returns 200 (404 if it is not served), or the APIService never becomes \
         Available.",
        |_| Ok(candidates().map(Request::get).collect()),
        |_, exchanges| every(exchanges, |_, response| available(response)),
    ),
    Check::must(
        "discovery.list",
        "The response is an APIResourceList of this group and version, with a list of resources, each with name, kind, \
         namespaced and verbs.",
        group_versions,
        |_, exchanges| every(exchanges, list),
    ),
    Check::must(
        "discovery.scope",
        "All metrics of one resource are namespaced, or none is; otherwise aggregation of the whole version fails.",
        group_versions,
        |_, exchanges| every(exchanges, |_, response| scope(response)),
    ),
    Check::should(
        "discovery.not-empty",
        "The list has an entry even without metrics; older clients treat an empty list as an error.",
        group_versions,
        |_, exchanges| every(exchanges, |_, response| not_empty(response)),
    ),
    Check::should("discovery.unique", "No resource is listed twice.", group_versions, |_, exchanges| {
        every(exchanges, |_, response| unique(response))
    }),
    Check::should("discovery.verbs", "The verbs of each resource contain get.", group_versions, |_, exchanges| {
        every(exchanges, |_, response| verbs(response))
    }),
    Check::should(
        "discovery.trailing-slash",
        "A trailing slash, as in /apis/GROUP/VERSION/, makes no difference.",
        |facts| group_versions(facts).map(|requests| with_slash(&requests)),
        |_, exchanges| every(exchanges, list),
    ),
    Check::must(
        "discovery.group",
        "/apis/custom.metrics.k8s.io prefers a version that is served: the HPA uses that one.",
        |facts| facts.versions().map(|_| vec![Request::get(format!("/apis/{CUSTOM}"))]),
        |facts, exchanges| every(exchanges, |_, response| group(facts, &body::json(response)?)),
    ),
    Check::should(
        "discovery.group-versions",
        "/apis/custom.metrics.k8s.io lists every version that is served.",
        |facts| facts.versions().map(|_| vec![Request::get(format!("/apis/{CUSTOM}"))]),
        |facts, exchanges| every(exchanges, |_, response| group_lists(facts, &body::json(response)?)),
    ),
    Check::should(
        "discovery.groups",
        "/apis is an APIGroupList of the groups that are served.",
        |_| Ok(vec![Request::get("/apis").accepting(body::JSON)]),
        |facts, exchanges| every(exchanges, |_, response| groups(facts, &body::json(response)?)),
    ),
    Check::should(
        "discovery.unknown",
        "A group or version that is not served returns 404.",
        |facts| {
            let unknown = [format!("/apis/{CUSTOM}/v9"), format!("/apis/{NOWHERE}.example.com/v1")];
            facts.versions().map(|_| unknown.map(Request::get).to_vec())
        },
        |_, exchanges| every(exchanges, |_, response| expect(response, 404)),
    ),
];

fn candidates() -> impl Iterator<Item = String> {
    [(CUSTOM, "v1beta1"), (CUSTOM, "v1beta2"), (EXTERNAL, "v1beta1")]
        .into_iter()
        .map(|(group, version)| format!("/apis/{group}/{version}"))
}

/// A request for each served version.
pub(super) fn group_versions(facts: &Facts) -> Plan {
    let custom = facts.versions.iter().map(|version| format!("/apis/{CUSTOM}/{version}"));
    let external = facts.serves_external.then(|| format!("/apis/{EXTERNAL}/v1beta1"));
    let requests: Vec<_> = custom.chain(external).map(Request::get).collect();
    if requests.is_empty() { Err(NO_CUSTOM.to_owned()) } else { Ok(requests) }
}

fn with_slash(requests: &[Request]) -> Vec<Request> {
    requests.iter().map(|request| Request::get(format!("{}/", request.target))).collect()
}

fn served(_: &Facts, exchanges: &[Exchange]) -> Finding {
    let is_served = |exchange: &&Exchange| exchange.result.as_ref().is_ok_and(|response| response.status == 200);
    let served: Vec<_> = exchanges.iter().filter(is_served).map(|exchange| exchange.request.path()).collect();
    match served.as_slice() {
        [] => every(exchanges, |_, response| expect(response, 200)),
        paths => Finding::Holds(paths.join(", ")),
    }
}

fn available(response: &Response) -> Result<(), String> {
    match response.status {
        200 | 404 => Ok(()),
        _ => Err(format!("expected 200, found {response}")),
    }
}

/// Checks an APIResourceList of the group and version in the path.
fn list(request: &Request, response: &Response) -> Result<(), String> {
    expect(response, 200)?;
    let list = body::json(response)?;
    let group_version = request.path().trim_start_matches("/apis/").trim_end_matches('/');
    body::expect_text(&list, "/kind", "APIResourceList")?;
    body::expect_text(&list, "/apiVersion", "v1")?;
    body::expect_text(&list, "/groupVersion", group_version)?;
    for resource in body::list(&list, "/resources")? {
        let name = body::text(resource, "/name")?;
        let wrong = |why: String| format!("resource {}: {why}", body::shown(name));
        body::text(resource, "/kind").map_err(wrong)?;
        body::list(resource, "/verbs").map_err(wrong)?;
        for (member, is_right) in
            [("namespaced", Value::is_boolean as fn(&Value) -> bool), ("singularName", Value::is_string)]
        {
            let found = resource.get(member);
            if !found.is_some_and(is_right) {
                return Err(wrong(format!("{member} is {}", body::shown_value(found))));
            }
        }
    }
    Ok(())
}

fn resources(response: &Response) -> Result<Vec<Value>, String> {
    body::json(response).and_then(|list| body::list(&list, "/resources").map(<[Value]>::to_vec))
}

fn scope(response: &Response) -> Result<(), String> {
    let mut scopes: BTreeMap<String, (bool, String)> = BTreeMap::new();
    for resource in resources(response)? {
        let name = body::text(&resource, "/name")?.to_owned();
        let namespaced = resource.get("namespaced").and_then(Value::as_bool).unwrap_or_default();
        let Some((parent, _)) = name.split_once('/') else { continue };
        let (first, other) = scopes.entry(parent.to_owned()).or_insert_with(|| (namespaced, name.clone()));
        if *first != namespaced {
            return Err(format!("{} and {} differ in scope", body::shown(other), body::shown(&name)));
        }
    }
    Ok(())
}

fn not_empty(response: &Response) -> Result<(), String> {
    if resources(response)?.is_empty() { Err("expected resources, found an empty list".to_owned()) } else { Ok(()) }
}

fn unique(response: &Response) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for resource in resources(response)? {
        let name = body::text(&resource, "/name")?;
        if !seen.insert(name.to_owned()) {
            return Err(format!("{} is listed twice", body::shown(name)));
        }
    }
    Ok(())
}

fn verbs(response: &Response) -> Result<(), String> {
    for resource in resources(response)? {
        let verbs = body::list(&resource, "/verbs")?;
        if !verbs.iter().any(|verb| verb == "get") {
            return Err(format!(
                "{} has verbs {}",
                body::shown(body::text(&resource, "/name")?),
                body::shown_value(resource.get("verbs"))
            ));
        }
    }
    Ok(())
}

/// Checks an APIGroup: its preferred version must be one of its versions, and be served.
fn group(facts: &Facts, group: &Value) -> Result<(), String> {
    body::expect_text(group, "/kind", "APIGroup")?;
    body::expect_text(group, "/apiVersion", "v1")?;
    body::expect_text(group, "/name", CUSTOM)?;
    let preferred = body::text(group, "/preferredVersion/version")?;
    body::expect_text(group, "/preferredVersion/groupVersion", &format!("{CUSTOM}/{preferred}"))?;
    if !listed(group)?.iter().any(|version| version == preferred) {
        return Err(format!("preferredVersion {} is not among the versions", body::shown(preferred)));
    }
    match facts.versions.contains(&preferred) {
        true => Ok(()),
        false => Err(format!("preferredVersion {} is not served", body::shown(preferred))),
    }
}

fn listed(group: &Value) -> Result<Vec<String>, String> {
    let versions = body::list(group, "/versions")?.iter();
    versions.map(|version| body::text(version, "/version").map(str::to_owned)).collect()
}

fn group_lists(facts: &Facts, group: &Value) -> Result<(), String> {
    let listed = listed(group)?;
    match facts.versions.iter().find(|version| !listed.iter().any(|known| known == *version)) {
        None => Ok(()),
        Some(version) => Err(format!("{version} is served but not listed")),
    }
}

fn groups(facts: &Facts, list: &Value) -> Result<(), String> {
    body::expect_text(list, "/kind", "APIGroupList")?;
    let groups = body::list(list, "/groups")?;
    let wanted = [(CUSTOM, !facts.versions.is_empty()), (EXTERNAL, facts.serves_external)];
    for (name, _) in wanted.into_iter().filter(|(_, is_served)| *is_served) {
        if !groups.iter().any(|group| group.get("name").and_then(Value::as_str) == Some(name)) {
            return Err(format!("{name} is served but not listed"));
        }
    }
    Ok(())
}

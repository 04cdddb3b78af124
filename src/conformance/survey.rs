//! Collects facts about a server before the checks.

use serde_json::Value;

use super::body;
use super::cli::Options;
use super::exchange::{Identity, Request, Response};
use super::facts::{Facts, Via};
use super::limits;
use super::list::List;
use super::session::{Server, Session};
use super::target::{CUSTOM, CustomTarget, EXTERNAL, ExternalTarget, Shape};

/// Collects the facts.
///
/// # Errors
/// Why the server cannot be reached.
pub(crate) fn survey<S: Server>(session: &mut Session<S>, options: &Options, is_tls: bool) -> Result<Facts, String> {
    let api = session.send(&Request::get("/api"));
    let through = match &api.result {
        Err(why) => return Err(why.clone()),
        Ok(response) if is_kube_apiserver(response) => Via::KubeApiserver,
        Ok(_) => Via::Directly,
    };
    let mut is_served =
        |path: String| session.send(&Request::get(path)).result.as_ref().is_ok_and(|answer| answer.status == 200);
    let versions = ["v1beta1", "v1beta2"].into_iter().filter(|version| is_served(format!("/apis/{CUSTOM}/{version}")));
    let versions: Vec<_> = versions.collect();
    let serves_external = is_served(format!("/apis/{EXTERNAL}/v1beta1"));
    let has = |identity| options.tokens.iter().any(|(known, _)| *known == identity);
    let (wildcards, named) = options.custom.iter().cloned().partition(CustomTarget::is_wildcard);
    let mut facts = Facts {
        through,
        is_tls,
        versions,
        serves_external,
        named,
        wildcards,
        external: options.external.clone(),
        namespace: options.namespace.clone(),
        has_unauthenticated: options.unauthenticated,
        has_unauthorized: has(Identity::Unauthorized),
        has_custom_reader: has(Identity::CustomReader),
        has_external_reader: has(Identity::ExternalReader),
        hooked: None,
        has_hook: options.hook.is_some(),
    };
    if options.custom.is_empty() {
        try_listed(session, &mut facts);
    }
    // Checks of selectors use the first metric: preferably of pods, because the HPA selects only pods, and with a known
    // selector.
    facts.wildcards.sort_by_key(|target| (target.selector.is_empty(), target.resource != "pods"));
    if facts.named.is_empty() {
        facts.named = single_objects(session, &facts);
    }
    if options.external.is_empty() && facts.serves_external {
        try_external(session, &mut facts);
    }
    Ok(facts)
}

/// Whether this is a response to `/api`, which only kube-apiserver serves.
fn is_kube_apiserver(response: &Response) -> bool {
    let api = body::json(response);
    response.status == 200 && api.is_ok_and(|api| body::expect_text(&api, "/kind", "APIVersions").is_ok())
}

/// The names of the resources in the list of a version.
fn listed<S: Server>(session: &mut Session<S>, group_version: &str) -> Vec<(String, bool)> {
    let answer = session.send(&Request::get(format!("/apis/{group_version}")));
    let list = answer.result.as_ref().ok().and_then(|response| body::json(response).ok()).unwrap_or_default();
    let resources = list.get("resources").and_then(Value::as_array).into_iter().flatten();
    let entry = |resource: &Value| {
        let namespaced = resource.get("namespaced").and_then(Value::as_bool).unwrap_or_default();
        Some((resource.get("name")?.as_str()?.to_owned(), namespaced))
    };
    resources.filter_map(entry).take(limits::TRIED).collect()
}

/// Whether a metric has values now.
fn has_items<S: Server>(session: &mut Session<S>, target: String) -> Option<List> {
    let request = Request::get(target).accepting(body::JSON);
    let answer = session.send(&request);
    let list = List::read(&request, answer.result.as_ref().ok()?).ok()?;
    list.some_items().is_ok().then_some(list)
}

/// Tries the metrics in discovery, in the given namespace.
fn try_listed<S: Server>(session: &mut Session<S>, facts: &mut Facts) {
    let Some(version) = facts.versions.last().copied() else { return };
    for (name, namespaced) in listed(session, &format!("{CUSTOM}/{version}")) {
        let Some((resource, metric)) = name.split_once('/') else { continue };
        let (shape, namespace, object) = match (resource, namespaced) {
            ("namespaces", _) => (Shape::Namespace, &*facts.namespace, &*facts.namespace),
            (_, true) => (Shape::Namespaced, &*facts.namespace, "*"),
            (_, false) => (Shape::RootScoped, "", "*"),
        };
        let [namespace, resource, name, metric] = [namespace, resource, object, metric].map(str::to_owned);
        let target = CustomTarget { shape, namespace, resource, name, metric, selector: String::new() };
        if has_items(session, target.target(version)).is_some() {
            let targets = if target.is_wildcard() { &mut facts.wildcards } else { &mut facts.named };
            targets.push(target);
        }
    }
}

/// For each metric of several objects, the metric of its first object.
fn single_objects<S: Server>(session: &mut Session<S>, facts: &Facts) -> Vec<CustomTarget> {
    let Some(version) = facts.versions.last().copied() else { return Vec::new() };
    let first = |target: &CustomTarget| {
        let list = has_items(session, target.target(version))?;
        let name = list.items().ok()?.first()?.pointer("/describedObject/name")?.as_str()?.to_owned();
        Some(CustomTarget { name, selector: String::new(), ..target.clone() })
    };
    facts.wildcards.iter().filter_map(first).collect()
}

fn try_external<S: Server>(session: &mut Session<S>, facts: &mut Facts) {
    for (metric, _) in listed(session, &format!("{EXTERNAL}/v1beta1")) {
        let target = ExternalTarget { namespace: facts.namespace.clone(), metric, selector: String::new() };
        if has_items(session, target.target()).is_some() {
            facts.external.push(target);
        }
    }
}

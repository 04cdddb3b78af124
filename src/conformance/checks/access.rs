//! Authentication and authorization of the identities on the command line.

use super::external;
use super::routes::{all, nowhere};
use super::server::{PROBES, healthy};
use crate::conformance::body;
use crate::conformance::check::{Check, Plan, every, expect};
use crate::conformance::exchange::{Identity, Request, Response};
use crate::conformance::facts::Facts;
use crate::conformance::status;
use crate::conformance::target::{CUSTOM, EXTERNAL};

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "access.unauthenticated",
        "Without credentials the response is 401 or 403 with a Status, rather than 404 or 405.",
        |facts| protected(facts, Identity::Unauthenticated),
        |_, exchanges| every(exchanges, |_, response| denied(response)),
    ),
    Check::must(
        "access.wrong-token",
        "An invalid token gets 401 with a Status with the reason Unauthorized.",
        |facts| protected(facts, Identity::WrongToken),
        |_, exchanges| {
            every(exchanges, |_, response| expect(response, 401).and_then(|()| status::check(response, "Unauthorized")))
        },
    ),
    Check::must(
        "access.forged",
        "Headers that name a user count only with a front proxy's certificate.",
        |facts| {
            let forged = |request: Request| {
                request.with_header("x-remote-user", "system:admin").with_header("x-remote-group", "system:masters")
            };
            Ok(protected(facts, Identity::Unauthenticated)?.into_iter().map(forged).collect())
        },
        |_, exchanges| every(exchanges, |_, response| denied(response)),
    ),
    Check::must(
        "access.forbidden",
        "A user without permissions gets 403 with a Status with the reason Forbidden, rather than 404 or 405.",
        |facts| protected(facts, Identity::Unauthorized),
        |_, exchanges| {
            every(exchanges, |_, response| expect(response, 403).and_then(|()| status::check(response, "Forbidden")))
        },
    ),
    Check::as_go(
        "access.forbidden-text",
        "The message says which user cannot do what: … is forbidden: User … cannot get resource ….",
        |facts| Ok(protected(facts, Identity::Unauthorized)?.into_iter().take(1).collect()),
        |_, exchanges| every(exchanges, |_, response| explained(response)),
    ),
    Check::as_go(
        "access.no-route",
        "A path below a version that is not a route gets 403 rather than 404.",
        |facts| {
            facts.directly()?;
            with_identity(facts, facts.has_unauthorized, "--unauthorized-token-file")?;
            let target = format!("/apis/{CUSTOM}/{}/no/route", facts.version()?);
            Ok(vec![Request::get(target).of(Identity::Unauthorized)])
        },
        |_, exchanges| every(exchanges, |_, response| expect(response, 403)),
    ),
    Check::should(
        "access.discovery",
        "Every user may use discovery.",
        |facts| {
            facts.directly()?;
            with_identity(facts, facts.has_unauthorized, "--unauthorized-token-file")?;
            Ok(super::discovery::group_versions(facts)?.into_iter().map(|it| it.of(Identity::Unauthorized)).collect())
        },
        |_, exchanges| every(exchanges, |_, response| expect(response, 200)),
    ),
    Check::should(
        "access.health",
        "Health checks need no credentials: the kubelet has none.",
        |facts| {
            facts.directly()?;
            with_identity(facts, facts.has_unauthenticated, "--unauthenticated")?;
            Ok(PROBES.map(|path| Request::get(path).of(Identity::Unauthenticated)).to_vec())
        },
        |_, exchanges| every(exchanges, |_, response| healthy(response)),
    ),
    Check::must(
        "access.custom",
        "The verb get on a resource of custom.metrics.k8s.io is enough for its metrics, and for nothing else.",
        |facts| {
            with_identity(facts, facts.has_custom_reader, "--custom-reader-token-file")?;
            let own = all(facts, facts.named()?)?;
            let others = external::requests(facts);
            Ok(own.into_iter().chain(others).map(|request| request.of(Identity::CustomReader)).collect())
        },
        |_, exchanges| every(exchanges, |request, response| only(CUSTOM, request, response)),
    ),
    Check::must(
        "access.external",
        "The verb list on a metric of external.metrics.k8s.io is enough for it, and for nothing else.",
        |facts| {
            with_identity(facts, facts.has_external_reader, "--external-reader-token-file")?;
            facts.external()?;
            let own = external::requests(facts);
            let others = all(facts, &facts.named).unwrap_or_default();
            Ok(own.into_iter().chain(others).map(|request| request.of(Identity::ExternalReader)).collect())
        },
        |_, exchanges| every(exchanges, |request, response| only(EXTERNAL, request, response)),
    ),
];

fn with_identity(facts: &Facts, is_given: bool, flag: &str) -> Result<(), String> {
    if !facts.is_tls {
        return Err("http:// has no authentication".to_owned());
    }
    if is_given { Ok(()) } else { Err(format!("{flag} is not given")) }
}

/// Requests for an existing metric, for a nonexistent one, and with another method than GET.
fn protected(facts: &Facts, identity: Identity) -> Plan {
    facts.directly()?;
    match identity {
        Identity::Unauthorized => with_identity(facts, facts.has_unauthorized, "--unauthorized-token-file")?,
        _ => with_identity(facts, facts.has_unauthenticated, "--unauthenticated")?,
    }
    let nowhere = nowhere(facts).target(facts.version()?);
    let mut requests = vec![Request::get(facts.any_target()?)];
    requests.push(Request::get(nowhere.clone()));
    requests.push(Request::get(nowhere).with_method("POST"));
    Ok(requests.into_iter().map(|request| request.of(identity)).collect())
}

fn denied(response: &Response) -> Result<(), String> {
    match response.status {
        401 => status::check(response, "Unauthorized"),
        403 => status::check(response, "Forbidden"),
        _ => Err(format!("expected 401 or 403, found {response}")),
    }
}

fn explained(response: &Response) -> Result<(), String> {
    let message = status::message(response)?;
    match message.contains(" is forbidden: User \"") && message.contains("\" cannot ") {
        true => Ok(()),
        false => Err(body::shown(&message)),
    }
}

/// Checks that requests to this group succeed, and those to the other are forbidden.
fn only(group: &str, request: &Request, response: &Response) -> Result<(), String> {
    expect(response, if request.path().starts_with(&format!("/apis/{group}/")) { 200 } else { 403 })
}

//! Kubernetes' protobuf, the HPA controller's preferred format, if the server serves it.

use super::external;
use super::negotiation::same;
use super::routes::{first, nowhere};
use crate::conformance::body::{self, JSON, PROTOBUF};
use crate::conformance::check::{Check, Finding, Plan, Timing, every};
use crate::conformance::exchange::{Exchange, Request, Response};
use crate::conformance::facts::Facts;
use crate::conformance::protobuf::decode;
use crate::conformance::status;

/// The Accept header of the HPA controller.
const HPA: &str = "application/vnd.kubernetes.protobuf, */*";

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "protobuf.or-406",
        "If only protobuf is accepted, the response is protobuf, or 406 with a Status in JSON.",
        |facts| Ok(vec![Request::get(facts.any_target()?).accepting(PROTOBUF)]),
        |_, exchanges| every(exchanges, |_, response| either(response)),
    ),
    Check::must(
        "protobuf.v1beta1",
        "A list in protobuf has the same content as in JSON.",
        |facts| in_both(facts, "v1beta1"),
        both,
    )
    .at(Timing::Repeated),
    Check::must("protobuf.v1beta2", "The same for v1beta2.", |facts| in_both(facts, "v1beta2"), both)
        .at(Timing::Repeated),
    Check::must(
        "protobuf.external",
        "The same for an external metric.",
        |facts| {
            facts.external()?;
            Ok(external::requests(facts).into_iter().take(1).flat_map(|request| pair(&request)).collect())
        },
        both,
    )
    .at(Timing::Repeated),
    Check::must(
        "protobuf.errors",
        "Errors are Statuses for the HPA, too, in protobuf or JSON.",
        |facts| Ok(vec![Request::get(nowhere(facts).target(facts.version()?)).accepting(HPA)]),
        |_, exchanges| every(exchanges, |_, response| status::check(response, "NotFound")),
    ),
    Check::as_go(
        "protobuf.served",
        "Protobuf is served.",
        |facts| Ok(vec![Request::get(facts.any_target()?).accepting(HPA)]),
        |_, exchanges| {
            every(exchanges, |_, response| match response.media_type() == PROTOBUF {
                true => Ok(()),
                false => Err(format!("found {response}")),
            })
        },
    ),
];

fn either(response: &Response) -> Result<(), String> {
    match response.status {
        406 => status::check(response, "NotAcceptable"),
        200 if response.media_type() == PROTOBUF => body::any(response).map(|_| ()),
        _ => Err(format!("expected protobuf or 406, found {response}")),
    }
}

fn in_both(facts: &Facts, version: &str) -> Plan {
    if !facts.versions()?.contains(&version) {
        return Err(format!("the server does not serve {version}"));
    }
    let targets = if facts.named.is_empty() { facts.wildcards()? } else { facts.named()? };
    let of_version = |request: &Request| request.target.contains(&format!("/{version}/"));
    Ok(first(facts, targets)?.filter(of_version).flat_map(|request| pair(&request)).collect())
}

/// The same request for JSON and for protobuf.
fn pair(request: &Request) -> [Request; 2] {
    [JSON, PROTOBUF].map(|media_type| Request::get(request.target.clone()).accepting(media_type))
}

fn both(_: &Facts, exchanges: &[Exchange]) -> Finding {
    same(exchanges, PROTOBUF, |bytes| decode(bytes).map_err(|error| format!("invalid protobuf: {error}")))
}

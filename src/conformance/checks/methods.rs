//! Methods other than GET. Their requests name a nonexistent metric, so that nothing can be changed.

use super::routes::nowhere;
use crate::conformance::check::{Check, Plan, every, expect};
use crate::conformance::exchange::{Request, Response};
use crate::conformance::facts::Facts;
use crate::conformance::status;

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "methods.post",
        "POST returns 405: metrics cannot be created.",
        |facts| by(facts, &["POST"]),
        |_, exchanges| every(exchanges, |_, response| expect(response, 405)),
    ),
    Check::must(
        "methods.put",
        "PUT and PATCH return 405: metrics cannot be changed.",
        |facts| by(facts, &["PUT", "PATCH"]),
        |_, exchanges| every(exchanges, |_, response| expect(response, 405)),
    ),
    Check::must(
        "methods.delete",
        "DELETE returns 405: metrics cannot be deleted.",
        |facts| by(facts, &["DELETE"]),
        |_, exchanges| every(exchanges, |_, response| expect(response, 405)),
    ),
    Check::should(
        "methods.status",
        "A 405 has a Status with the reason MethodNotAllowed.",
        |facts| by(facts, &["POST", "PUT", "PATCH", "DELETE"]),
        |_, exchanges| every(exchanges, |_, response| status::check(response, "MethodNotAllowed")),
    ),
    Check::as_go(
        "methods.head",
        "HEAD and OPTIONS return 405, too.",
        |facts| by(facts, &["HEAD", "OPTIONS"]),
        |_, exchanges| every(exchanges, |_, response| expect(response, 405)),
    ),
    Check::as_go(
        "methods.allow",
        "A 405 has no Allow header, although RFC 9110 requires it.",
        |facts| by(facts, &["POST"]),
        |_, exchanges| every(exchanges, |_, response| no_allow(response)),
    ),
    Check::should(
        "methods.discovery",
        "POST to discovery returns 405.",
        |facts| {
            let version = facts.version()?;
            let target = format!("/apis/{}/{version}", crate::conformance::target::CUSTOM);
            Ok(vec![Request::get(target).with_method("POST")])
        },
        |_, exchanges| every(exchanges, |_, response| expect(response, 405)),
    ),
];

fn by(facts: &Facts, methods: &[&'static str]) -> Plan {
    let target = nowhere(facts).target(facts.version()?);
    Ok(methods.iter().map(|method| Request::get(target.clone()).with_method(method)).collect())
}

fn no_allow(response: &Response) -> Result<(), String> {
    match response.header("allow") {
        None => Ok(()),
        Some(allow) => Err(format!("found Allow: {allow}")),
    }
}

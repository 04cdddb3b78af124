//! Errors: a missing value must be an error, and errors must be Statuses.

use super::routes::{nowhere, request_for};
use crate::conformance::body;
use crate::conformance::check::{Check, Plan, Timing, every, expect};
use crate::conformance::exchange::{Exchange, Response};
use crate::conformance::facts::Facts;
use crate::conformance::status;
use crate::conformance::target::{CustomTarget, NOWHERE};

/// The maximum Retry-After in seconds: client-go sleeps that long in one of the HPA controller's few workers.
const LONGEST: u64 = 2;

/// Text that no message may contain: stack traces, addresses and error pages of proxies.
const LEAKS: &[&str] =
    &["goroutine ", "panic:", "panicked at", "Traceback (most recent", "\tat ", "<html", ".go:", ".rs:", "Bearer "];

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "statuses.unknown-metric",
        "An unknown metric of an object returns 404, not a list.",
        unknown,
        |_, exchanges| every(exchanges, |_, response| expect(response, 404)),
    ),
    Check::must(
        "statuses.not-found",
        "That 404 has a Status with the reason NotFound: kubectl describe hpa shows its message.",
        unknown,
        |_, exchanges| every(exchanges, |_, response| status::check(response, "NotFound")),
    ),
    Check::should(
        "statuses.unknown-wildcard",
        "An unknown metric of all objects returns 404 with a Status, which says why, rather than an empty list.",
        |facts| {
            let all = CustomTarget { name: "*".to_owned(), ..nowhere(facts) };
            Ok(facts.versions()?.iter().map(|version| request_for(&all, version)).collect())
        },
        |_, exchanges| {
            every(exchanges, |_, response| expect(response, 404).and_then(|()| status::check(response, "NotFound")))
        },
    ),
    Check::as_go(
        "statuses.not-found-text",
        "The message is: the server could not find the metric METRIC for RESOURCE NAME.",
        unknown,
        |_, exchanges| every(exchanges, |_, response| text(response)),
    ),
    Check::must(
        "statuses.no-items",
        "No error contains items.",
        |_| Ok(Vec::new()),
        |_, exchanges| every(&errors(exchanges), |_, response| no_items(response)),
    )
    .at(Timing::Last),
    Check::should(
        "statuses.retry-after",
        "No Retry-After exceeds 2 s: client-go would sleep that long inside the HPA controller.",
        |_| Ok(Vec::new()),
        |_, exchanges| every(&answered(exchanges), |_, response| retry_after(response)),
    )
    .at(Timing::Last),
    Check::should(
        "statuses.leaks",
        "No error reveals stack traces, source files or credentials.",
        |_| Ok(Vec::new()),
        |_, exchanges| every(&errors(exchanges), |_, response| leaks(response)),
    )
    .at(Timing::Last),
    Check::should(
        "statuses.server-errors",
        "No request of this suite returns 500: if one is invalid, that is the client's fault.",
        |_| Ok(Vec::new()),
        |_, exchanges| every(&answered(exchanges), |_, response| no_server_error(response)),
    )
    .at(Timing::Last),
];

fn unknown(facts: &Facts) -> Plan {
    let versions = facts.versions()?;
    let known = facts.named.iter().take(1).map(CustomTarget::unknown);
    let targets: Vec<_> = known.chain([nowhere(facts)]).collect();
    Ok(versions.iter().flat_map(|version| targets.iter().map(|target| request_for(target, version))).collect())
}

fn text(response: &Response) -> Result<(), String> {
    let message = status::message(response)?;
    match message.starts_with(&format!("the server could not find the metric {NOWHERE} for ")) {
        true => Ok(()),
        false => Err(body::shown(&message)),
    }
}

fn answered(exchanges: &[Exchange]) -> Vec<Exchange> {
    exchanges.iter().filter(|exchange| exchange.result.is_ok()).cloned().collect()
}

fn errors(exchanges: &[Exchange]) -> Vec<Exchange> {
    let is_error = |exchange: &&Exchange| exchange.result.as_ref().is_ok_and(|response| response.status >= 400);
    exchanges.iter().filter(is_error).cloned().collect()
}

fn no_items(response: &Response) -> Result<(), String> {
    match body::any(response) {
        Ok(object) if object.get("items").is_some() => Err(format!("{response} has items")),
        _ => Ok(()),
    }
}

fn retry_after(response: &Response) -> Result<(), String> {
    let too_long = |seconds: u64| seconds > LONGEST;
    if let Some(value) = response.header("retry-after").filter(|value| value.trim().parse().is_ok_and(too_long)) {
        return Err(format!("{response} has Retry-After: {value}"));
    }
    let details = body::any(response).ok().and_then(|status| status.pointer("/details/retryAfterSeconds")?.as_u64());
    match details.filter(|seconds| too_long(*seconds)) {
        Some(seconds) => Err(format!("{response} has retryAfterSeconds {seconds}")),
        None => Ok(()),
    }
}

fn leaks(response: &Response) -> Result<(), String> {
    let body = String::from_utf8_lossy(&response.body);
    match LEAKS.iter().find(|leak| body.contains(*leak)) {
        Some(leak) => Err(format!("{response} has {}", body::shown(leak))),
        None => Ok(()),
    }
}

fn no_server_error(response: &Response) -> Result<(), String> {
    match response.status {
        500 => Err(format!(
            "{response}: {}",
            status::message(response).map_or_else(|why| why, |message| body::shown(&message))
        )),
        _ => Ok(()),
    }
}

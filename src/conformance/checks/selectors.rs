//! Label selectors: valid ones are accepted and applied, invalid ones are rejected.

use super::routes::{all, first, more};
use crate::conformance::body;
use crate::conformance::check::{Check, Finding, Plan, every, expect};
use crate::conformance::exchange::{Exchange, Request, Response};
use crate::conformance::facts::Facts;
use crate::conformance::list::List;
use crate::conformance::status;
use crate::conformance::target::{CustomTarget, with_selector};

/// Selectors in Kubernetes' canonical form, and others that it accepts.
pub(super) const VALID: &[&str] = &[
    "a",
    "!a",
    "a=b",
    "a==b",
    "a!=b",
    "a=",
    "a!=",
    "a=,b=c",
    "a=1,b=2",
    "a=1,a=2",
    "a in (x,y)",
    "a in ()",
    "a in (,x)",
    "a notin (x)",
    "x in (in,notin)",
    "in",
    "in=in",
    "in in (in)",
    "!in",
    "a>1",
    "a>010",
    "a>1,a<9",
    "123",
    "A.b_c-9=X.y_z",
    "app.kubernetes.io/name=web",
    "!a,a",
    " a = b , ! c ",
];

/// Texts that Kubernetes rejects.
pub(super) const INVALID: &[&str] = &[
    ",",
    "a,",
    ",a",
    "a,,b",
    "a=b,",
    "a in (x),",
    "a b",
    "a=b c",
    "a=b=c",
    "a===b",
    "a=>1",
    "a>=1",
    "a<>1",
    "a!==b",
    "a!b",
    "a=!b",
    "=b",
    "==",
    "!",
    "!!a",
    "(a)",
    "!a=b",
    "!a in (b)",
    "a in",
    "a in x",
    "a in (x",
    "a in x)",
    "a in (x y)",
    "a in (=)",
    "a in ((x))",
    "a>",
    "a>x",
    "a>1.5",
    "a<-5",
    "a>9223372036854775808",
    "a/b/c",
    "/a",
    "a/",
    "A.com/x=1",
    "-a",
    "_a=1",
    "a~b",
    "a=-b",
    "a=b-",
    "a=b/c",
    "a=\u{e9}",
    "\"a\"=\"b\"",
    "a='b'",
    "a=b;c=d",
    "a=b&c",
];

/// A valid selector on a label that no object has.
pub(super) const UNKNOWN: &str = "metriclet-conformance-none=x";

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "selectors.valid",
        "Every labelSelector that is valid in Kubernetes is accepted.",
        |facts| {
            let wildcards = facts.wildcards()?;
            let mut requests = with_each(facts, wildcards, "labelSelector", &[UNKNOWN])?;
            requests.extend(with_each(facts, wildcards, "labelSelector", VALID)?);
            Ok(requests)
        },
        |_, exchanges| unless_unknown_is_refused(exchanges, |_, response| understood(response)),
    ),
    Check::must(
        "selectors.invalid",
        "Every labelSelector that is invalid in Kubernetes returns 400 with the reason BadRequest.",
        |facts| with_each(facts, facts.wildcards()?, "labelSelector", INVALID),
        |_, exchanges| every(exchanges, |_, response| refused(response)),
    ),
    Check::must(
        "selectors.match",
        "labelSelector is applied: objects without the label are not in the list, where they would count in the average.",
        |facts| with_each(facts, facts.wildcards()?, "labelSelector", &[UNKNOWN]),
        |_, exchanges| every(exchanges, nothing),
    ),
    Check::must(
        "selectors.matches-all",
        "A negated labelSelector on a label that no object has selects the same as no selector.",
        |facts| {
            let unselected = facts.wildcards()?.iter().filter(|target| target.selector.is_empty());
            let unselected: Vec<_> = unselected.cloned().collect();
            if unselected.is_empty() {
                return Err("each metric of several objects is named with a selector".to_owned());
            }
            let mut requests = with_each(facts, &unselected, "labelSelector", &[UNKNOWN])?;
            requests.extend(with_each(facts, &unselected, "labelSelector", &["!metriclet-conformance-none"])?);
            Ok(requests)
        },
        |_, exchanges| unless_unknown_is_refused(exchanges, items),
    ),
    Check::as_go(
        "selectors.unknown-label",
        "A label that no object has selects nothing, and is not a client error.",
        |facts| with_each(facts, facts.wildcards()?, "labelSelector", &[UNKNOWN]),
        |_, exchanges| every(exchanges, |_, response| understood(response)),
    ),
    Check::should(
        "selectors.empty",
        "An empty labelSelector is the same as none.",
        |facts| {
            let unselected = facts.named()?.get(..1).unwrap_or_default();
            Ok(all(facts, unselected)?
                .iter()
                .map(|request| more(request, "labelSelector=&metricLabelSelector="))
                .collect())
        },
        some_items,
    ),
    Check::should(
        "selectors.named",
        "For a named object, labelSelector is ignored.",
        |facts| with_each(facts, facts.named()?, "labelSelector", &[UNKNOWN]),
        some_items,
    ),
    Check::should(
        "selectors.named-invalid",
        "For a named object, labelSelector is still validated.",
        |facts| with_each(facts, facts.named()?, "labelSelector", &["a=b=c", "!a=b"]),
        |_, exchanges| every(exchanges, |_, response| refused(response)),
    ),
    Check::must(
        "selectors.metric-match",
        "metricLabelSelector is applied: a label that no series has never returns the value of all series.",
        |facts| with_each(facts, targets(facts)?, "metricLabelSelector", &[UNKNOWN]),
        |_, exchanges| every(exchanges, nothing),
    ),
    Check::should(
        "selectors.metric-valid",
        "metricLabelSelector accepts negated operators: with a label that no series has, they select all series.",
        |facts| {
            let selectors = [
                "!metriclet-conformance-none",
                "metriclet-conformance-none!=x",
                "metriclet-conformance-none notin (x,y)",
            ];
            with_each(facts, targets(facts)?, "metricLabelSelector", &selectors)
        },
        some_items,
    ),
    Check::should(
        "selectors.metric-invalid",
        "An invalid metricLabelSelector returns 400 with a Status with the reason BadRequest.",
        |facts| with_each(facts, targets(facts)?, "metricLabelSelector", &["a=b=c", "a in (x", "!a=b"]),
        |_, exchanges| every(exchanges, |_, response| refused(response)),
    ),
    Check::as_go(
        "selectors.first",
        "If a parameter is repeated, the first value counts.",
        |facts| {
            let query = "labelSelector=%21metriclet-conformance-none&labelSelector=a%3Db%3Dc";
            Ok(first(facts, facts.named()?)?.map(|request| more(&request, query)).collect())
        },
        some_items,
    ),
    Check::should(
        "selectors.field",
        "fieldSelector may repeat the name in the path.",
        |facts| {
            let named = facts.named()?.iter().take(1);
            let version = facts.version()?;
            let request_for = |target: &CustomTarget| {
                let selector = format!("metadata.name={}", target.name);
                Request::get(with_selector(target.target(version), "fieldSelector", &selector)).accepting(body::JSON)
            };
            Ok(named.map(request_for).collect())
        },
        some_items,
    ),
    Check::as_go(
        "selectors.other-field",
        "Any other fieldSelector returns 400.",
        |facts| {
            let other = "fieldSelector=metadata.name%3Dmetriclet-conformance-none";
            Ok(first(facts, facts.named()?)?.map(|request| more(&request, other)).collect())
        },
        |_, exchanges| every(exchanges, |_, response| expect(response, 400)),
    ),
];

/// Metrics, preferably of a single object.
fn targets(facts: &Facts) -> Result<&[CustomTarget], String> {
    if facts.named.is_empty() && !facts.wildcards.is_empty() { facts.wildcards() } else { facts.named() }
}

/// A request for the first of these metrics with each selector, in one version.
fn with_each(facts: &Facts, targets: &[CustomTarget], parameter: &str, selectors: &[&str]) -> Plan {
    let version = facts.version()?;
    let request_for = |target: &CustomTarget, selector: &str| {
        let path = match parameter {
            "labelSelector" => target.path(version),
            _ => target.target(version),
        };
        Request::get(with_selector(path, parameter, selector)).accepting(body::JSON)
    };
    let first = targets.iter().take(1);
    Ok(first.flat_map(|target| selectors.iter().map(|selector| request_for(target, selector))).collect())
}

/// Expects a list, or an error because the metric or value does not exist; neither a rejected selector nor a server
/// error.
pub(super) fn understood(response: &Response) -> Result<(), String> {
    match response.status {
        200 | 404 | 503 => Ok(()),
        _ => Err(format!("expected 200 or 404, found {response}")),
    }
}

pub(super) fn refused(response: &Response) -> Result<(), String> {
    expect(response, 400)?;
    status::check(response, "BadRequest")
}

/// Expects an empty list or an error.
pub(super) fn nothing(request: &Request, response: &Response) -> Result<(), String> {
    if response.status != 200 {
        return Ok(());
    }
    match List::read(request, response)?.items()?.len() {
        0 => Ok(()),
        found => Err(format!("expected no items, found {found}")),
    }
}

/// Judges all responses except the first, which is to [`UNKNOWN`]. A server that rejects unknown labels returns 400 for
/// that and, for the same reason, for other selectors, so the check is skipped.
pub(super) fn unless_unknown_is_refused(
    exchanges: &[Exchange],
    passes: impl Fn(&Request, &Response) -> Result<(), String>,
) -> Finding {
    match exchanges.split_first() {
        Some((Exchange { result: Ok(response), .. }, _)) if response.status == 400 => {
            Finding::Skipped("the server rejects labels that no object has".to_owned())
        }
        Some((_, others)) => every(others, passes),
        None => every(exchanges, passes),
    }
}

fn items(request: &Request, response: &Response) -> Result<(), String> {
    List::read(request, response)?.some_items().map(|_| ())
}

fn some_items(_: &Facts, exchanges: &[Exchange]) -> Finding {
    every(exchanges, items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::target::NOWHERE;
    use crate::parse::selector::{Selector, SelectorLimits};

    #[test]
    fn agrees_with_kubernetes_parser() {
        let limits = SelectorLimits { bytes: 1_024, requirements: 64 };
        let is_valid = |text: &&str| Selector::parse(text, &limits).is_ok();
        assert!(VALID.iter().all(is_valid) && !INVALID.iter().any(is_valid));
        assert!(is_valid(&NOWHERE));
    }
}

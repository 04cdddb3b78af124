//! Content negotiation: the accepted and returned formats.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::conformance::body::{self, JSON, PROTOBUF, YAML};
use crate::conformance::check::{Check, Finding, Plan, Timing, every, expect};
use crate::conformance::exchange::{Exchange, Request};
use crate::conformance::facts::Facts;
use crate::conformance::json::pruned;
use crate::conformance::limits;
use crate::conformance::list::List;
use crate::conformance::status;
use crate::parse::yaml::YamlLimits;
use crate::parse::yaml::page::parse_page;

/// The Accept header of kubectl when it prints a table.
const KUBECTL: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,\
                       application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "negotiation.default",
        "Without Accept, and with */*, the response is JSON.",
        |facts| {
            let target = facts.any_target()?;
            Ok(vec![Request::get(target.clone()), Request::get(target).accepting("*/*")])
        },
        lists,
    ),
    Check::must(
        "negotiation.kubectl",
        "application/json, */*, as kubectl get --raw sends it, returns JSON.",
        |facts| accepting(facts, &["application/json, */*", JSON]),
        lists,
    ),
    Check::must(
        "negotiation.hpa",
        "application/vnd.kubernetes.protobuf, */*, as the HPA sends it, returns protobuf or JSON, and declares which.",
        |facts| accepting(facts, &["application/vnd.kubernetes.protobuf, */*"]),
        |_, exchanges| {
            every(exchanges, |_, response| {
                expect(response, 200)?;
                match response.media_type().as_str() {
                    JSON | PROTOBUF => body::any(response).map(|_| ()),
                    _ => Err(format!("expected JSON or protobuf, found {response}")),
                }
            })
        },
    ),
    Check::must(
        "negotiation.table",
        "If kubectl accepts a table or JSON, the response is a list in JSON.",
        |facts| accepting(facts, &[KUBECTL]),
        lists,
    ),
    Check::as_go(
        "negotiation.only-table",
        "If only a table is accepted, the response is 406.",
        |facts| accepting(facts, &["application/json;as=Table;v=v1;g=meta.k8s.io"]),
        |_, exchanges| every(exchanges, |_, response| expect(response, 406)),
    ),
    Check::as_go(
        "negotiation.application",
        "application/* alone returns 406.",
        |facts| accepting(facts, &["application/*"]),
        |_, exchanges| every(exchanges, |_, response| expect(response, 406)),
    ),
    Check::should(
        "negotiation.unknown",
        "A format that is not served returns 406 with a Status in JSON.",
        |facts| accepting(facts, &["text/html"]),
        |_, exchanges| {
            every(exchanges, |_, response| {
                expect(response, 406).and_then(|()| status::check(response, "NotAcceptable"))
            })
        },
    ),
    Check::should(
        "negotiation.parameters",
        "Parameters such as charset make no difference.",
        |facts| accepting(facts, &["application/json;charset=utf-8"]),
        lists,
    ),
    Check::should(
        "negotiation.quality",
        "q decides between formats, and one that is not served is skipped.",
        |facts| accepting(facts, &["text/html;q=0.9, application/json;q=0.1", "text/html, */*;q=0.1"]),
        lists,
    ),
    Check::should(
        "negotiation.bare-type",
        "The Content-Type of JSON has no parameters.",
        |facts| accepting(facts, &[JSON]),
        |_, exchanges| {
            every(exchanges, |_, response| match response.header("content-type") {
                Some(JSON) => Ok(()),
                found => Err(format!("found {}", body::shown(found.unwrap_or_default()))),
            })
        },
    ),
    Check::must(
        "negotiation.content-type",
        "Every response with a body has a Content-Type; without one, clients guess.",
        |_| Ok(Vec::new()),
        |_, exchanges| {
            let answered: Vec<_> = exchanges.iter().filter(|exchange| exchange.result.is_ok()).cloned().collect();
            every(&answered, |_, response| {
                match response.body.is_empty() || response.header("content-type").is_some() {
                    true => Ok(()),
                    false => Err(format!("{response} without Content-Type")),
                }
            })
        },
    )
    .at(Timing::Last),
    Check::should(
        "negotiation.yaml",
        "application/yaml returns 406, or YAML with the same content as JSON.",
        |facts| accepting(facts, &[JSON, YAML]),
        |_, exchanges| same(exchanges, YAML, yaml),
    )
    .at(Timing::Repeated),
    Check::must(
        "negotiation.gzip",
        "With gzip in Accept-Encoding, the response is the same JSON, compressed or not.",
        |facts| {
            let plain = Request::get(facts.any_target()?).accepting(JSON);
            Ok(vec![plain.clone(), plain.with_header("accept-encoding", "gzip")])
        },
        gzip,
    )
    .at(Timing::Repeated),
    Check::must(
        "negotiation.pretty",
        "pretty=true returns the same list.",
        |facts| {
            let plain = Request::get(facts.any_target()?).accepting(JSON);
            Ok(vec![plain.clone(), super::routes::more(&plain, "pretty=true")])
        },
        |_, exchanges| same(exchanges, JSON, body::object),
    )
    .at(Timing::Repeated),
    Check::as_go(
        "negotiation.indented",
        "JSON is indented with pretty=true, and for curl.",
        |facts| {
            let plain = Request::get(facts.any_target()?).accepting(JSON);
            let pretty = super::routes::more(&plain, "pretty=true");
            Ok(vec![pretty, plain.with_header("user-agent", "curl/8.5.0")])
        },
        |_, exchanges| {
            every(exchanges, |_, response| match response.body.starts_with(b"{\n  \"") {
                true => Ok(()),
                false => Err("JSON on one line".to_owned()),
            })
        },
    ),
];

fn accepting(facts: &Facts, accepts: &[&str]) -> Plan {
    let target = facts.any_target()?;
    Ok(accepts.iter().map(|accept| Request::get(target.clone()).accepting(*accept)).collect())
}

fn lists(_: &Facts, exchanges: &[Exchange]) -> Finding {
    every(exchanges, |request, response| {
        let object = body::json(response)?;
        let list = List::read(request, response)?;
        body::expect_text(&object, "/kind", list.names.kind)
    })
}

/// Removes timestamps, which may change between two responses.
fn without_times(value: &Value) -> Value {
    let mut value = pruned(value);
    for item in value.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(members) = item.as_object_mut() {
            members.remove("timestamp");
        }
    }
    value
}

/// Whether the second response has the same content as the first, in the requested format, unless that is not served.
pub(super) fn same(exchanges: &[Exchange], media_type: &str, read: impl Fn(&[u8]) -> Result<Value, String>) -> Finding {
    let [plain, other] = exchanges else { return Finding::Skipped("there is nothing to compare".to_owned()) };
    let (Ok(first), Ok(second)) = (&plain.result, &other.result) else { return every(exchanges, |_, _| Ok(())) };
    if second.status == 406 {
        return Finding::Skipped(format!("the server does not serve {media_type}"));
    }
    let compared = expect(second, 200).and_then(|()| match second.media_type() == media_type {
        true => Ok((body::json(first)?, read(&second.body)?)),
        false => Err(format!("expected {media_type}, found {second}")),
    });
    match compared {
        Err(why) => Finding::Fails(format!("{}: {why}", other.request)),
        Ok((one, two)) if without_times(&one) == without_times(&two) => Finding::Holds(format!("{second}, the same")),
        Ok(_) => Finding::Fails(format!("{} has different content than {}", other.request, plain.request)),
    }
}

fn yaml(bytes: &[u8]) -> Result<Value, String> {
    let limits = YamlLimits { bytes: limits::YAML, depth: 32, nodes: limits::YAML_NODES };
    parse_page(bytes, &limits).map_err(|error| error.to_string())
}

fn gzip(_: &Facts, exchanges: &[Exchange]) -> Finding {
    let Some(Exchange { result: Ok(response), request }) = exchanges.get(1) else {
        return every(exchanges, |_, _| Ok(()));
    };
    match response.header("content-encoding") {
        None => same(exchanges, JSON, body::object),
        Some("gzip") => {
            let varies = response.header("vary").unwrap_or_default().to_ascii_lowercase().contains("accept-encoding");
            match same(exchanges, JSON, inflated) {
                Finding::Holds(_) if !varies => {
                    Finding::Fails(format!("{request}: compressed without Vary: Accept-Encoding"))
                }
                Finding::Holds(what) => Finding::Holds(format!("{what}, compressed")),
                finding => finding,
            }
        }
        Some(other) => Finding::Fails(format!("{request}: Content-Encoding {}", body::shown(other))),
    }
}

fn inflated(bytes: &[u8]) -> Result<Value, String> {
    let mut whole = Vec::new();
    let read = GzDecoder::new(bytes).take(limits::INFLATED).read_to_end(&mut whole);
    read.map_err(|error| format!("invalid gzip: {error}"))?;
    body::object(&whole)
}

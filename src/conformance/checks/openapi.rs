//! OpenAPI documents, which the aggregation layer reads every minute.

use serde_json::Value;

use crate::conformance::body;
use crate::conformance::check::{Check, Finding, every, expect};
use crate::conformance::exchange::{Exchange, Request, Response};

/// The maximum number of documents of version 3 to read.
const DOCUMENTS: usize = 4;

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "openapi.v2",
        "/openapi/v2 returns 200 with a Swagger document, or 404; anything else is retried and logged forever.",
        |facts| facts.directly().map(|()| vec![Request::get("/openapi/v2").accepting(body::JSON)]),
        |_, exchanges| every(exchanges, |_, response| document(response, "/swagger")),
    ),
    Check::must(
        "openapi.v3",
        "/openapi/v3 returns 200 with paths, or 404.",
        |facts| facts.directly().map(|()| vec![Request::get("/openapi/v3")]),
        |_, exchanges| every(exchanges, |_, response| paths(response).map(|_| ())),
    ),
    Check::should(
        "openapi.v3-documents",
        "Each document that /openapi/v3 lists exists.",
        |facts| facts.directly().map(|()| vec![Request::get("/openapi/v3")]),
        documents,
    )
    .then(|exchanges| named(exchanges).into_iter().map(Request::get).collect()),
];

/// Expects 404, or an object with this member.
fn document(response: &Response, member: &str) -> Result<(), String> {
    if response.status == 404 {
        return Ok(());
    }
    expect(response, 200)?;
    body::text(&body::json(response)?, member).map(|_| ())
}

/// The paths of the listed documents.
fn paths(response: &Response) -> Result<Vec<String>, String> {
    if response.status == 404 {
        return Ok(Vec::new());
    }
    expect(response, 200)?;
    let object = body::json(response)?;
    let paths = object.get("paths").and_then(Value::as_object);
    let paths = paths.ok_or_else(|| format!("expected paths, found {}", body::shown_value(object.get("paths"))))?;
    paths.values().map(|path| body::text(path, "/serverRelativeURL").map(str::to_owned)).collect()
}

fn named(exchanges: &[Exchange]) -> Vec<String> {
    let index = exchanges.first().and_then(|exchange| exchange.result.as_ref().ok());
    let paths = index.and_then(|response| paths(response).ok()).unwrap_or_default();
    paths.into_iter().filter(|path| path.starts_with('/')).take(DOCUMENTS).collect()
}

fn documents(_: &crate::conformance::facts::Facts, exchanges: &[Exchange]) -> Finding {
    match exchanges.get(1..).unwrap_or_default() {
        [] => Finding::Skipped("no document is listed".to_owned()),
        documents => every(documents, |_, response| {
            expect(response, 200)?;
            body::text(&body::json(response)?, "/openapi").map(|_| ())
        }),
    }
}

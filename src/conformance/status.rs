//! `meta/v1` Status, the body of every error.

use serde_json::Value;

use super::body;
use super::exchange::Response;

/// Checks that an error is a Status that clients can display, with this reason.
///
/// # Errors
/// A description of the fault.
pub(crate) fn check(response: &Response, reason: &str) -> Result<(), String> {
    let status = body::any(response)?;
    for (pointer, expected) in [("/kind", "Status"), ("/apiVersion", "v1"), ("/status", "Failure"), ("/reason", reason)]
    {
        body::expect_text(&status, pointer, expected)?;
    }
    body::text(&status, "/message")?;
    let code = status.get("code");
    if code.and_then(Value::as_u64) != Some(u64::from(response.status)) {
        return Err(format!("expected code {}, found {}", response.status, body::shown_value(code)));
    }
    if status.get("items").is_some() {
        return Err("expected no items, found some in an error".to_owned());
    }
    for member in ["metadata", "details"] {
        if status.get(member).is_some_and(|value| !value.is_object()) {
            return Err(format!("expected {member} to be an object, found {}", body::shown_value(status.get(member))));
        }
    }
    Ok(())
}

/// The message of a Status.
///
/// # Errors
/// If there is none.
pub(crate) fn message(response: &Response) -> Result<String, String> {
    body::any(response).and_then(|status| body::text(&status, "/message").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"m","reason":"NotFound","code":404}"#;

    fn judged(content_type: &str, body: &str) -> Result<(), String> {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        check(&Response { status: 404, headers, body: body.as_bytes().to_vec() }, "NotFound")
    }

    #[test]
    fn accepts_only_statuses() {
        assert_eq!(judged("application/json", GOOD), Ok(()));
        let details = GOOD.replace(r#""code""#, r#""details":{},"code""#);
        assert_eq!(judged("application/json", &details), Ok(()));
        for (bad, why) in [
            (GOOD.replace("Status", "status"), r#"expected kind "Status", found "status""#),
            (GOOD.replace(r#""apiVersion":"v1","#, ""), r#"expected apiVersion "v1", found none"#),
            (GOOD.replace("Failure", "Success"), r#"expected status "Failure", found "Success""#),
            (GOOD.replace("NotFound", ""), r#"expected reason "NotFound", found """#),
            (GOOD.replace(r#""message":"m""#, r#""message":"""#), r#"expected message to be a string, found """#),
            (GOOD.replace("404", "500"), "expected code 404, found 500"),
            (GOOD.replace("404", r#""404""#), r#"expected code 404, found "404""#),
            (GOOD.replace(r#""metadata":{}"#, r#""items":[]"#), "expected no items, found some in an error"),
            (details.replace("details\":{}", "details\":[]"), "expected details to be an object, found []"),
            ("<html>".to_owned(), r#"expected JSON, found "<html>" (expected value at line 1 column 1)"#),
        ] {
            assert_eq!(judged("application/json", &bad), Err(why.to_owned()), "{bad}");
        }
        let why = r#"expected Content-Type application/json, found "text/plain", with status 404"#;
        assert_eq!(judged("text/plain; charset=utf-8", GOOD), Err(why.to_owned()));
    }
}

//! Parses bodies according to their Content-Type.

use serde_json::Value;

use super::exchange::Response;
use super::protobuf;
use crate::parse::escape::escaped;

pub(crate) const JSON: &str = "application/json";
pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
pub(crate) const YAML: &str = "application/yaml";

/// The maximum number of characters of untrusted text in a finding.
const SHOWN: usize = 80;

/// Untrusted text, escaped and truncated for a table.
pub(crate) fn shown(text: &str) -> String {
    format!("\"{}\"", escaped(text.as_bytes(), SHOWN))
}

/// An untrusted value, escaped and truncated for a table.
pub(crate) fn shown_value(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => shown(text),
        // JSON already escapes control characters; quotes remain readable.
        Some(value) => escaped(value.to_string().as_bytes(), SHOWN).replace("\\\"", "\""),
    }
}

/// Parses a JSON object; the Content-Type must also be JSON.
///
/// # Errors
/// A description of what was found instead.
pub(crate) fn json(response: &Response) -> Result<Value, String> {
    let media_type = response.media_type();
    if media_type != JSON {
        let found = if media_type.is_empty() { "none".to_owned() } else { shown(&media_type) };
        return Err(format!("expected Content-Type {JSON}, found {found}, with status {}", response.status));
    }
    object(&response.body)
}

/// Parses an object in JSON or protobuf, the formats of Kubernetes' clients.
///
/// # Errors
/// A description of what was found instead.
pub(crate) fn any(response: &Response) -> Result<Value, String> {
    match response.media_type() == PROTOBUF {
        true => protobuf::decode(&response.body).map_err(|error| format!("invalid protobuf: {error}")),
        false => json(response),
    }
}

/// Parses a JSON object.
///
/// # Errors
/// A description of what was found instead.
pub(crate) fn object(body: &[u8]) -> Result<Value, String> {
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("expected a JSON object, found another value".to_owned()),
        Err(error) => {
            let start = escaped(body.get(..SHOWN).unwrap_or(body), SHOWN);
            Err(format!("expected JSON, found \"{start}\" ({error})"))
        }
    }
}

/// Checks that a member is this string.
///
/// # Errors
/// A description of what was found instead.
pub(crate) fn expect_text(object: &Value, pointer: &str, expected: &str) -> Result<(), String> {
    let found = object.pointer(pointer);
    match found.and_then(Value::as_str) == Some(expected) {
        true => Ok(()),
        false => Err(format!("expected {} \"{expected}\", found {}", name(pointer), shown_value(found))),
    }
}

/// Returns a member that must be a non-empty string.
///
/// # Errors
/// A description of what was found instead.
pub(crate) fn text<'v>(object: &'v Value, pointer: &str) -> Result<&'v str, String> {
    let found = object.pointer(pointer);
    let text = found.and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| format!("expected {} to be a string, found {}", name(pointer), shown_value(found)))
}

/// Returns a member that must be a list.
///
/// # Errors
/// A description of what was found instead.
pub(crate) fn list<'v>(object: &'v Value, pointer: &str) -> Result<&'v [Value], String> {
    let found = object.pointer(pointer);
    let list = found.and_then(Value::as_array).map(Vec::as_slice);
    list.ok_or_else(|| format!("expected {} to be a list, found {}", name(pointer), shown_value(found)))
}

/// Converts the pointer `/describedObject/name` to `describedObject.name` for messages.
fn name(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

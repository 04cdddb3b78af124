//! Parses bodies according to their Content-Type.

use serde_json::Value;

use super::exchange::Response;
use super::protobuf;
use crate::parse::escape::escaped;

pub(crate) const JSON: &str = "application/json";
pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
pub(crate) const YAML: &str = "application/yaml";

/// The most characters of a foreign text that a finding shows.
const SHOWN: usize = 80;

/// A foreign text, fit for a table.
pub(crate) fn shown(text: &str) -> String {
    format!("\"{}\"", escaped(text.as_bytes(), SHOWN))
}

/// A foreign value, fit for a table.
pub(crate) fn shown_value(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => shown(text),
        // Its own quotes stay legible; control characters are escaped by JSON already.
        Some(value) => escaped(value.to_string().as_bytes(), SHOWN).replace("\\\"", "\""),
    }
}

/// A JSON object, by its Content-Type too.
///
/// # Errors
/// What it is instead.
pub(crate) fn json(response: &Response) -> Result<Value, String> {
    let media_type = response.media_type();
    if media_type != JSON {
        let found = if media_type.is_empty() { "none".to_owned() } else { shown(&media_type) };
        return Err(format!("expected Content-Type {JSON}, found {found}, with status {}", response.status));
    }
    object(&response.body)
}

/// An object in one of the two formats that Kubernetes' clients read.
///
/// # Errors
/// What it is instead.
pub(crate) fn any(response: &Response) -> Result<Value, String> {
    match response.media_type() == PROTOBUF {
        true => protobuf::decode(&response.body).map_err(|error| format!("no protobuf: {error}")),
        false => json(response),
    }
}

/// A JSON object.
///
/// # Errors
/// What it is instead.
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

/// Whether a member is this text.
///
/// # Errors
/// What it is instead.
pub(crate) fn expect_text(object: &Value, pointer: &str, expected: &str) -> Result<(), String> {
    let found = object.pointer(pointer);
    match found.and_then(Value::as_str) == Some(expected) {
        true => Ok(()),
        false => Err(format!("expected {} \"{expected}\", found {}", name(pointer), shown_value(found))),
    }
}

/// A member that has to be a text, and not an empty one.
///
/// # Errors
/// What it is instead.
pub(crate) fn text<'v>(object: &'v Value, pointer: &str) -> Result<&'v str, String> {
    let found = object.pointer(pointer);
    let text = found.and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| format!("expected {} to be a text, found {}", name(pointer), shown_value(found)))
}

/// A member that has to be a list.
///
/// # Errors
/// What it is instead.
pub(crate) fn list<'v>(object: &'v Value, pointer: &str) -> Result<&'v [Value], String> {
    let found = object.pointer(pointer);
    let list = found.and_then(Value::as_array).map(Vec::as_slice);
    list.ok_or_else(|| format!("expected {} to be a list, found {}", name(pointer), shown_value(found)))
}

/// `/describedObject/name` as people write it: `describedObject.name`.
fn name(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

//! Decodes lists of metrics and Statuses from `application/vnd.kubernetes.protobuf` to the corresponding JSON objects.
//!
//! It is written from the published messages and independent of what Metriclet serves: a suite that shared the
//! encoder's tables would share its mistakes. It allocates in proportion to its input, and its recursion is limited by
//! the messages.

mod error;
mod schema;
#[cfg(test)]
pub(in crate::conformance) mod tests;
mod wire;

pub use error::ProtobufError;
use serde_json::{Map, Value};

use self::schema::{ENTRY, Field, Kind, Message, RAW, TEXT, TIME, UNKNOWN};
use self::wire::{Fields, Wire};
use crate::kube::meta::Time;

/// The magic bytes at the start of an object.
const MAGIC: &[u8] = b"k8s\0";

/// Decodes an object.
///
/// # Errors
/// If it is neither a list of metrics nor a Status.
pub fn decode(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let envelope = bytes.strip_prefix(MAGIC).ok_or(ProtobufError::Magic)?;
    let mut about = message(envelope, UNKNOWN)?;
    let type_meta = about.remove("typeMeta").unwrap_or_default();
    let text = |key: &str| type_meta.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let Some(fields) = schema::of(&api_version, &kind) else { return Err(ProtobufError::Object(api_version, kind)) };
    let raw = Fields(envelope).find_map(|field| match field {
        Ok((RAW, Wire::Bytes(raw))) => Some(raw),
        _ => None,
    });
    let mut object = message(raw.unwrap_or_default(), fields)?;
    object.insert("kind".to_owned(), kind.into());
    object.insert("apiVersion".to_owned(), api_version.into());
    Ok(Value::Object(object))
}

/// Decodes the known fields. Like every decoder, it skips unknown ones.
fn message(bytes: &[u8], fields: Message) -> Result<Map<String, Value>, ProtobufError> {
    let mut object = Map::new();
    for found in Fields(bytes) {
        let (number, wire) = found?;
        let Some(field) = fields.iter().find(|field| field.number == number) else { continue };
        add(&mut object, field, wire)?;
    }
    Ok(object)
}

fn add(object: &mut Map<String, Value>, field: &Field, wire: Wire<'_>) -> Result<(), ProtobufError> {
    let name = field.name;
    let value = match (field.kind, wire) {
        // JSON omits it.
        (Kind::Integer, Wire::Varint(0)) if name == "retryAfterSeconds" => return Ok(()),
        (Kind::Integer, Wire::Varint(number)) => Value::from(number.cast_signed()),
        (Kind::Text, Wire::Bytes(text)) => text_of(text, name)?.into(),
        (Kind::Message(fields), Wire::Bytes(bytes)) => message(bytes, fields)?.into(),
        (Kind::Quantity, Wire::Bytes(bytes)) => message(bytes, TEXT)?.remove("string").unwrap_or_default(),
        (Kind::Time, Wire::Bytes(bytes)) => time(&message(bytes, TIME)?),
        (Kind::Entry, Wire::Bytes(bytes)) => {
            let mut entry = message(bytes, ENTRY)?;
            let key = entry.remove("key").and_then(|key| key.as_str().map(str::to_owned)).unwrap_or_default();
            let value = entry.remove("value").unwrap_or_else(|| "".into());
            let map = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Some(map) = map.as_object_mut() {
                map.insert(key, value);
            }
            return Ok(());
        }
        _ => return Err(ProtobufError::Type(name)),
    };
    if field.is_list {
        let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Some(list) = list.as_array_mut() {
            list.push(value);
        }
        return Ok(());
    }
    match object.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(ProtobufError::Twice(name)),
    }
}

fn text_of(bytes: &[u8], name: &'static str) -> Result<String, ProtobufError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| ProtobufError::Encoding(name))
}

/// An unset time is an empty message; the first second of 1970 has an explicit zero.
fn time(fields: &Map<String, Value>) -> Value {
    if fields.is_empty() {
        return Value::Null;
    }
    Time(fields.get("seconds").and_then(Value::as_i64).unwrap_or_default()).to_string().into()
}

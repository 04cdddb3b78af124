//! Lists of metrics and Statuses in `application/vnd.kubernetes.protobuf`, as the JSON objects that they stand for.
//!
//! Written from the published messages, and apart from what Metriclet serves: a suite that shared the encoder's tables
//! would share its mistakes. It allocates in proportion to its input, and nests as deeply as the messages do.

mod schema;
#[cfg(test)]
pub(in crate::conformance) mod tests;
mod wire;

use std::fmt;

use serde_json::{Map, Value};

use self::schema::{ENTRY, Field, Kind, Message, RAW, TEXT, TIME, UNKNOWN};
use self::wire::{Fields, Wire};
use crate::kube::meta::Time;
use crate::parse::escape::Escaped;

/// What such a body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// Why bytes are no such object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtobufError {
    /// It does not begin with `k8s\0`.
    Magic,
    /// It ends within a field.
    CutShort,
    /// A varint of more than 64 bits.
    Varint,
    /// A wire type that Kubernetes does not use.
    WireType(u64),
    /// A field of another wire type than its own.
    Type(&'static str),
    /// A field that may stand there once and stands there twice.
    Twice(&'static str),
    /// A text that is not UTF-8.
    Encoding(&'static str),
    /// An object of a kind that is read by nobody here.
    Object(String, String),
}

/// Decodes an object.
///
/// # Errors
/// If it is no list of metrics and no Status.
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

/// The fields that are there. Unknown ones are passed over, as every reader does.
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

/// The time without a value is an empty message, or one of zeros.
fn time(fields: &Map<String, Value>) -> Value {
    let number = |name: &str| fields.get(name).and_then(Value::as_i64).unwrap_or_default();
    match (number("seconds"), number("nanos")) {
        (0, 0) => Value::Null,
        (seconds, _) => Time(seconds).to_string().into(),
    }
}

impl fmt::Display for ProtobufError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str(r"expected k8s\0 at the beginning, found something else"),
            Self::CutShort => f.write_str("ends within a field"),
            Self::Varint => f.write_str("expected a varint of 64 bits, found a longer one"),
            Self::WireType(found) => write!(f, "expected wire type 0 or 2, found {found}"),
            Self::Type(field) => write!(f, "{field} has another wire type than expected"),
            Self::Twice(field) => write!(f, "{field} stands there twice"),
            Self::Encoding(field) => write!(f, "{field} is not UTF-8"),
            Self::Object(api_version, kind) => write!(
                f,
                "expected a list of metrics or a Status, found kind {} of {}",
                Escaped::new(kind),
                Escaped::new(api_version)
            ),
        }
    }
}

impl std::error::Error for ProtobufError {}

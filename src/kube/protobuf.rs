//! Protocol Buffers as Kubernetes' API servers encode them (proto2): every field that is not a pointer, even an empty
//! one, in the order of field numbers, preceded by four magic bytes and the object's kind.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

/// The magic bytes at the start of every object.
const MAGIC: &[u8] = b"k8s\0";

/// Wire types.
const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;

/// The maximum length of a varint in bytes.
const MAX_VARINT_LEN: usize = 10;

/// A message.
pub trait Message {
    /// Appends the message's fields.
    fn fields(&self, fields: &mut Fields);
}

/// An object in responses of the Kubernetes API: its fields are protobuf, and its YAML is made of its JSON.
pub(crate) trait Object: Message {
    /// The object's kind, which protobuf encodes outside the object.
    fn type_meta(&self) -> TypeMeta;
    /// Appends the object as JSON.
    fn json(&self, body: &mut Vec<u8>);
}

/// The type of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeMeta {
    pub kind: &'static str,
    /// Empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
}

/// The encoded fields of a message.
#[derive(Debug, Default)]
pub struct Fields(Vec<u8>);

/// Encodes an object in its envelope, a `runtime.Unknown`.
pub(crate) fn encode(object: &impl Object) -> Vec<u8> {
    // Capacity for a response about one object without reallocation.
    let mut fields = Fields(Vec::with_capacity(512));
    fields.0.extend_from_slice(MAGIC);
    fields.message(1, &object.type_meta());
    fields.message(2, object);
    // The encoding and the content type, both empty for the defaults.
    fields.string(3, "");
    fields.string(4, "");
    fields.into_bytes()
}

impl Message for TypeMeta {
    fn fields(&self, fields: &mut Fields) {
        match self.group {
            "" => fields.string(1, self.version),
            group => fields.text(1, &format_args!("{group}/{}", self.version)),
        }
        fields.string(2, self.kind);
    }
}

/// The `metadata` of lists and Statuses; no field is set.
pub(crate) struct ListMeta;

impl Message for ListMeta {
    fn fields(&self, fields: &mut Fields) {
        // selfLink, resourceVersion and continue
        for field in 1..=3 {
            fields.string(field, "");
        }
    }
}

/// Field numbers are below 16, so that a field number with its wire type is one byte.
impl Fields {
    /// Appends a string.
    pub fn string(&mut self, field: u8, text: &str) {
        self.key(field, LENGTH_DELIMITED);
        self.varint(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Appends the printed text of a value as a string.
    pub fn text(&mut self, field: u8, value: &impl Display) {
        self.delimited(field, |fields| {
            // Writing to memory cannot fail, and our types always print.
            let _ = write!(fields, "{value}");
        });
    }

    /// Appends an `int64` or `int32`.
    pub fn int(&mut self, field: u8, number: i64) {
        self.key(field, VARINT);
        self.varint(number as u64);
    }

    /// Appends a `bool`.
    pub fn bool(&mut self, field: u8, value: bool) {
        self.int(field, i64::from(value));
    }

    /// Appends a message, which may be an item of a repeated field.
    pub fn message(&mut self, field: u8, message: &impl Message) {
        self.delimited(field, |fields| message.fields(fields));
    }

    /// Appends a repeated string.
    pub fn strings(&mut self, field: u8, texts: &[impl AsRef<str>]) {
        for text in texts {
            self.string(field, text.as_ref());
        }
    }

    /// Appends a `map<string, string>`, sorted by keys.
    pub fn map(&mut self, field: u8, map: &BTreeMap<String, String>) {
        for (key, value) in map {
            self.delimited(field, |entry| {
                entry.string(1, key);
                entry.string(2, value);
            });
        }
    }

    /// Returns the encoded bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Appends a field that is preceded by its length, which is known only once the field is written. Most fields are
    /// shorter than 128 bytes, so one byte is reserved for the length.
    #[inline]
    fn delimited(&mut self, field: u8, write: impl FnOnce(&mut Self)) {
        self.key(field, LENGTH_DELIMITED);
        self.0.push(0);
        let start = self.0.len();
        write(self);
        self.set_length(start);
    }

    /// Sets the length of the content that begins at `start`; one byte is reserved before it.
    fn set_length(&mut self, start: usize) {
        let end = self.0.len();
        if let (Ok(length @ ..0x80), Some(room)) = (u8::try_from(end - start), self.0.get_mut(start - 1)) {
            *room = length;
            return;
        }
        let (varint, length) = varint((end - start) as u64);
        self.0.resize(end + length - 1, 0);
        self.0.copy_within(start..end, start + length - 1);
        if let (Some(room), Some(varint)) = (self.0.get_mut(start - 1..start - 1 + length), varint.get(..length)) {
            room.copy_from_slice(varint);
        }
    }

    fn key(&mut self, field: u8, encoding: u8) {
        self.0.push(field << 3 | encoding);
    }

    fn varint(&mut self, number: u64) {
        match u8::try_from(number) {
            Ok(byte) if byte < 0x80 => self.0.push(byte),
            _ => {
                let (varint, length) = varint(number);
                self.0.extend_from_slice(varint.get(..length).unwrap_or_default());
            }
        }
    }
}

impl Write for Fields {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Encodes a number in groups of seven bits, the lowest first, all except the last with the highest bit set; also
/// returns the number of bytes.
fn varint(mut number: u64) -> ([u8; MAX_VARINT_LEN], usize) {
    let mut groups = [0; MAX_VARINT_LEN];
    let mut length = 0;
    for group in &mut groups {
        *group = number as u8 | 0x80;
        length += 1;
        number >>= 7;
        if number == 0 {
            *group &= 0x7f;
            break;
        }
    }
    (groups, length)
}

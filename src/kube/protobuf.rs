//! Protocol Buffers as Kubernetes' API servers write them (proto2): every field that is no pointer, even if it is empty, in the
//! order of its number; in front stand four bytes and the object's kind.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

use serde::Serialize;

/// What every object begins with.
const MAGIC: &[u8] = b"k8s\0";

/// How a field is encoded.
const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;

/// The most bytes of a varint.
const LONGEST_VARINT: usize = 10;

/// A message: its fields.
pub trait Message {
    /// Appends them.
    fn fields(&self, fields: &mut Fields);
}

/// An object that Kubernetes' API answers with: JSON and YAML by serde, protobuf by its fields.
pub(crate) trait Object: Message + Serialize {
    /// Its kind; protobuf has it outside of the object.
    fn type_meta(&self) -> TypeMeta;
}

/// Which object it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeMeta {
    pub kind: &'static str,
    /// Empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
}

/// The fields of a message, as they are written.
#[derive(Debug, Default)]
pub struct Fields(Vec<u8>);

/// An object in its envelope, a `runtime.Unknown`.
pub(crate) fn encode(object: &impl Object) -> Vec<u8> {
    // Room for the answer about one object, so that it is written in one go.
    let mut fields = Fields(Vec::with_capacity(512));
    fields.0.extend_from_slice(MAGIC);
    fields.message(1, &object.type_meta());
    fields.message(2, object);
    // The encoding and the type of its content: those that are usual.
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

/// The `metadata` of lists and Statuses, of which nothing is set.
pub(crate) struct ListMeta;

impl Message for ListMeta {
    fn fields(&self, fields: &mut Fields) {
        // selfLink, resourceVersion and continue.
        for field in 1..=3 {
            fields.string(field, "");
        }
    }
}

/// Numbers of fields are below 16, so that number and encoding are one byte.
impl Fields {
    /// A string field.
    pub fn string(&mut self, field: u8, text: &str) {
        self.key(field, LENGTH_DELIMITED);
        self.varint(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A string field of what a value prints.
    pub fn text(&mut self, field: u8, value: &impl Display) {
        self.delimited(field, |fields| {
            // Writing into memory cannot fail, and values of our own always print.
            let _ = write!(fields, "{value}");
        });
    }

    /// An `int64` or `int32` field.
    pub fn int(&mut self, field: u8, number: i64) {
        self.key(field, VARINT);
        self.varint(number as u64);
    }

    /// A `bool` field.
    pub fn bool(&mut self, field: u8, value: bool) {
        self.int(field, i64::from(value));
    }

    /// A field that is a message; one of the items of a repeated field.
    pub fn message(&mut self, field: u8, message: &impl Message) {
        self.delimited(field, |fields| message.fields(fields));
    }

    /// A repeated string field.
    pub fn strings(&mut self, field: u8, texts: &[impl AsRef<str>]) {
        for text in texts {
            self.string(field, text.as_ref());
        }
    }

    /// A field of type `map<string, string>`: an entry each, sorted by their keys.
    pub fn map(&mut self, field: u8, map: &BTreeMap<String, String>) {
        for (key, value) in map {
            self.delimited(field, |entry| {
                entry.string(1, key);
                entry.string(2, value);
            });
        }
    }

    /// What has been written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A field with a length in front, which is known once it is written: most are shorter than 128 bytes, and room for one byte
    /// is enough.
    #[inline]
    fn delimited(&mut self, field: u8, write: impl FnOnce(&mut Self)) {
        self.key(field, LENGTH_DELIMITED);
        self.0.push(0);
        let start = self.0.len();
        write(self);
        self.set_length(start);
    }

    /// Sets the length of what begins at `start`, in front of which is room for one byte.
    fn set_length(&mut self, start: usize) {
        let end = self.0.len();
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

/// A number in groups of seven bits, the lowest first, and how many there are; all but the last have the highest bit set.
fn varint(mut number: u64) -> ([u8; LONGEST_VARINT], usize) {
    let mut groups = [0; LONGEST_VARINT];
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

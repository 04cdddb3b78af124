//! Messages with any fields: a decoder that is independent of the encoder reads back all values, to the last byte.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::arbitrary::Arbitrary;
use libfuzzer_sys::{arbitrary, fuzz_target};
use metriclet::internals::kube::protobuf::{Fields, Message};

#[derive(Arbitrary, Debug)]
struct Any(Vec<(Number, Value)>);

/// The number of a field, 1 to 15.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Number(u8);

#[derive(Arbitrary, Debug)]
enum Value {
    Int(i64),
    Bool(bool),
    String(String),
    /// A repeated character, so that lengths take several bytes.
    Long(char, u16),
    Text(i64),
    Strings(Vec<String>),
    Map(BTreeMap<String, String>),
    Message(Any),
}

impl Number {
    fn get(self) -> u8 {
        self.0 % 15 + 1
    }
}

impl Message for Any {
    fn fields(&self, fields: &mut Fields) {
        for (number, value) in &self.0 {
            let number = number.get();
            match value {
                Value::Int(value) => fields.int(number, *value),
                Value::Bool(value) => fields.bool(number, *value),
                Value::String(value) => fields.string(number, value),
                Value::Long(c, times) => fields.string(number, &long(*c, *times)),
                Value::Text(value) => fields.text(number, value),
                Value::Strings(values) => fields.strings(number, values),
                Value::Map(map) => fields.map(number, map),
                Value::Message(message) => fields.message(number, message),
            }
        }
    }
}

fn long(c: char, times: u16) -> String {
    std::iter::repeat_n(c, times.into()).collect()
}

fuzz_target!(|message: Any| {
    let mut fields = Fields::default();
    message.fields(&mut fields);
    let bytes = fields.into_bytes();
    let mut rest = &bytes[..];
    expect(&message, &mut rest);
    assert!(rest.is_empty(), "{message:?}");
});

/// Consumes the fields of the message from `rest`.
fn expect(message: &Any, rest: &mut &[u8]) {
    for (number, value) in &message.0 {
        let number = number.get();
        match value {
            Value::Int(value) => assert_eq!(varint(rest, number), *value as u64),
            Value::Bool(value) => assert_eq!(varint(rest, number), u64::from(*value)),
            Value::String(value) => assert_eq!(content(rest, number), value.as_bytes()),
            Value::Long(c, times) => assert_eq!(content(rest, number), long(*c, *times).as_bytes()),
            Value::Text(value) => assert_eq!(content(rest, number), value.to_string().as_bytes()),
            Value::Strings(values) => {
                for value in values {
                    assert_eq!(content(rest, number), value.as_bytes());
                }
            }
            Value::Map(map) => {
                for (key, value) in map {
                    let mut entry = content(rest, number);
                    assert_eq!(content(&mut entry, 1), key.as_bytes());
                    assert_eq!(content(&mut entry, 2), value.as_bytes());
                    assert!(entry.is_empty());
                }
            }
            Value::Message(message) => {
                let mut inner = content(rest, number);
                expect(message, &mut inner);
                assert!(inner.is_empty());
            }
        }
    }
}

fn content<'a>(rest: &mut &'a [u8], number: u8) -> &'a [u8] {
    assert_eq!(number_from(rest), u64::from(number) << 3 | 2);
    let length = number_from(rest) as usize;
    let (content, after) = rest.split_at(length);
    *rest = after;
    content
}

fn varint(rest: &mut &[u8], number: u8) -> u64 {
    assert_eq!(number_from(rest), u64::from(number) << 3);
    number_from(rest)
}

/// A number, which must have the minimum number of bytes.
fn number_from(rest: &mut &[u8]) -> u64 {
    let length = rest.iter().position(|byte| byte & 0x80 == 0).expect("an end") + 1;
    let (groups, after) = rest.split_at(length);
    *rest = after;
    assert!(length == 1 || groups[length - 1] != 0);
    groups.iter().rev().fold(0, |number, group| number << 7 | u64::from(group & 0x7f))
}

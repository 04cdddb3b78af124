use super::*;
use crate::conformance::json::pruned;

const RECORDED: &str = include_str!("../../../tests/fixtures/encodings.jsonl");

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn decodes_recorded_objects() {
    let mut read = 0;
    for line in RECORDED.lines() {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let expected: Value = serde_json::from_str(recorded["json"].as_str().unwrap()).unwrap();
        let is_read =
            ["MetricValueList", "ExternalMetricValueList", "Status"].iter().any(|kind| expected["kind"] == **kind);
        if !is_read {
            continue;
        }
        let decoded = decode(&unhex(recorded["protobuf"].as_str().unwrap())).unwrap();
        assert_eq!(pruned(&decoded), pruned(&expected), "{}", recorded["name"]);
        read += 1;
    }
    assert!(read >= 50, "only {read} read");
}

#[test]
fn reads_a_status() {
    let raw =
        b"\x0a\x06\x0a\x00\x12\x00\x1a\x00\x12\x07Failure\x1a\x04gone\x22\x08NotFound\x2a\x02\x28\x3c\x30\x94\x03";
    let mut bytes = b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Status\x12".to_vec();
    bytes.push(u8::try_from(raw.len()).unwrap());
    bytes.extend(raw);
    let expected = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "gone", "reason": "NotFound",
        "details": {"retryAfterSeconds": 60}, "code": 404,
    });
    assert_eq!(pruned(&decode(&bytes).unwrap()), expected);
}

#[test]
fn rejects_invalid_bytes() {
    let object = |api_version: &str, kind: &str| ProtobufError::Object(api_version.to_owned(), kind.to_owned());
    for (bytes, error) in [
        (&b"{}"[..], ProtobufError::Magic),
        (b"k8s\0", object("", "")),
        (b"k8s\0\x0a\x05\x12\x03Pod", object("", "Pod")),
        (b"k8s\0\x0a\x06\x12\x03Pod", ProtobufError::CutShort),
        (b"k8s\0\x08\x01", ProtobufError::Type("typeMeta")),
        (b"k8s\0\x0a\x00\x0a\x00", ProtobufError::Twice("typeMeta")),
        (b"k8s\0\x0a\x03\x12\x01\xff", ProtobufError::Encoding("kind")),
        (b"k8s\0\x0d\0\0\0\0", ProtobufError::WireType(5)),
    ] {
        assert_eq!(decode(bytes), Err(error), "{bytes:?}");
    }
}

/// Encodes an object by the decoder's tables, for a server in tests.
pub(in crate::conformance) fn encode(object: &Value) -> Vec<u8> {
    let text = |key: &str| object[key].as_str().unwrap();
    let type_meta = serde_json::json!({"apiVersion": text("apiVersion"), "kind": text("kind")});
    let mut envelope = MAGIC.to_vec();
    envelope.extend(fields(&serde_json::json!({"typeMeta": type_meta}), UNKNOWN));
    envelope.extend(delimited(RAW, &fields(object, schema::of(text("apiVersion"), text("kind")).unwrap())));
    envelope
}

fn fields(object: &Value, message: Message) -> Vec<u8> {
    let encoded = message.iter().flat_map(|field| match object.get(field.name) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(map)) if matches!(field.kind, Kind::Entry) => {
            map.iter().flat_map(|(key, value)| one(field, &serde_json::json!({"key": key, "value": value}))).collect()
        }
        Some(Value::Array(items)) => items.iter().flat_map(|item| one(field, item)).collect(),
        Some(value) => one(field, value),
    });
    encoded.collect()
}

fn one(field: &Field, value: &Value) -> Vec<u8> {
    match field.kind {
        Kind::Integer => [varint(field.number << 3), varint(value.as_i64().unwrap().cast_unsigned())].concat(),
        Kind::Text => delimited(field.number, value.as_str().unwrap().as_bytes()),
        Kind::Message(message) => delimited(field.number, &fields(value, message)),
        Kind::Entry => delimited(field.number, &fields(value, ENTRY)),
        Kind::Quantity => delimited(field.number, &fields(&serde_json::json!({"string": value}), TEXT)),
        // Tests use only one time.
        Kind::Time => {
            assert_eq!(value, "2026-08-18T02:35:04Z");
            delimited(field.number, &fields(&serde_json::json!({"seconds": 1_787_020_504, "nanos": 0}), TIME))
        }
    }
}

fn delimited(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

//! Decodes Protocol Buffers without a schema.

/// The fields of a message in order: their numbers and values.
pub struct Message<'a>(Vec<(u64, Field<'a>)>);

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Message<'a> {
    pub fn read(mut rest: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let key = varint(&mut rest);
            let field = match key & 7 {
                0 => Field::Number(varint(&mut rest)),
                2 => {
                    let length = varint(&mut rest) as usize;
                    let (bytes, after) = rest.split_at(length);
                    rest = after;
                    Field::Bytes(bytes)
                }
                other => panic!("wire type {other}"),
            };
            fields.push((key >> 3, field));
        }
        Self(fields)
    }

    pub fn number(&self, field: u64) -> u64 {
        let mut numbers = self.0.iter().filter_map(|(number, value)| match value {
            Field::Number(value) if *number == field => Some(*value),
            _ => None,
        });
        numbers.next().unwrap_or_else(|| panic!("no number {field}"))
    }

    fn all(&self, field: u64) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter_map(move |(number, value)| match value {
            Field::Bytes(bytes) if *number == field => Some(*bytes),
            _ => None,
        })
    }

    pub fn text(&self, field: u64) -> &'a str {
        let bytes = self.all(field).next().unwrap_or_else(|| panic!("no text {field}"));
        std::str::from_utf8(bytes).unwrap()
    }

    pub fn messages(&self, field: u64) -> impl Iterator<Item = Message<'a>> {
        self.all(field).map(Message::read)
    }

    pub fn message(&self, field: u64) -> Message<'a> {
        self.messages(field).next().unwrap_or_else(|| panic!("no message {field}"))
    }
}

/// Decodes an object of the Kubernetes API from its envelope: apiVersion, kind and the object.
pub fn object(bytes: &[u8]) -> (String, String, Message<'_>) {
    let envelope = Message::read(bytes.strip_prefix(b"k8s\0").unwrap());
    let of = envelope.message(1);
    assert_eq!((envelope.text(3), envelope.text(4)), ("", ""));
    (of.text(1).to_owned(), of.text(2).to_owned(), envelope.message(2))
}

/// Prints a Status as `503 ServiceUnavailable: message`.
pub fn status(bytes: &[u8]) -> String {
    let (version, kind, status) = object(bytes);
    assert_eq!((version.as_str(), kind.as_str(), status.text(2)), ("v1", "Status", "Failure"));
    format!("{} {}: {}", status.number(6), status.text(4), status.text(3))
}

/// Prints a MetricValueList as `name value, …`.
pub fn values(bytes: &[u8]) -> String {
    let (_, kind, list) = object(bytes);
    assert_eq!(kind, "MetricValueList");
    let item = |item: Message<'_>| format!("{} {}", item.message(1).text(3), item.message(5).text(1));
    list.messages(2).map(item).collect::<Vec<_>>().join(", ")
}

fn varint(rest: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (byte, after) = rest.split_first().unwrap();
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return number;
        }
    }
}

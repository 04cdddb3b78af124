//! A parser for JSON pages with limits. Duplicate keys in an object are an error.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::parse::escape::Escaped;

/// Limits on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    /// Nesting of arrays and objects.
    pub depth: usize,
    /// The total number of values, including arrays and objects.
    pub values: usize,
}

/// The cost of a list that is not empty, in addition to its values.
const LIST: usize = 2;

/// The cost of an object, in addition to the values of its members. It reflects memory use: space for members is
/// allocated in blocks of eleven, of which six are used if keys arrive in order, and a block takes the memory of eight
/// values; a key takes that of one.
pub(crate) const fn object(members: usize) -> usize {
    8 * members.div_ceil(6) + members
}

/// Why a page is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPageError {
    message: String,
    /// Whether the page exceeds the limit on values.
    pub is_too_large: bool,
}

/// Parses a page.
///
/// # Errors
/// If the page exceeds a limit, has duplicate keys in an object, or is not JSON (RFC 8259).
pub fn parse_page(bytes: &[u8], limits: &PageLimits) -> Result<Value, JsonPageError> {
    let left = Cell::new(limits.values);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let exceeded = Cell::new(false);
    let page = Budget { left: &left, exceeded: &exceeded, depth: limits.depth, limits }.deserialize(&mut json);
    let page = page.and_then(|page| json.end().map(|()| page));
    page.map_err(|error| JsonPageError { message: error.to_string(), is_too_large: exceeded.get() })
}

/// Deserializes a value within the remaining budget.
#[derive(Clone, Copy)]
struct Budget<'a> {
    left: &'a Cell<usize>,
    exceeded: &'a Cell<bool>,
    depth: usize,
    limits: &'a PageLimits,
}

impl<'a> Budget<'a> {
    fn take<E: Error>(self, values: usize) -> Result<(), E> {
        let too_many = || {
            self.exceeded.set(true);
            E::custom(format_args!("expected at most {} values, found more", self.limits.values))
        };
        self.left.set(self.left.get().checked_sub(values).ok_or_else(too_many)?);
        Ok(())
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        let too_deep =
            || E::custom(format_args!("expected at most {} levels of nesting, found more", self.limits.depth));
        Ok(Self { depth: self.depth.checked_sub(1).ok_or_else(too_deep)?, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Budget<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        self.take(1)?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Budget<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(inner)? {
            if items.is_empty() {
                inner.take(LIST)?;
            }
            items.push(item);
        }
        items.shrink_to_fit();
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(Error::custom(format_args!("expected each key once, found {} again", Escaped::new(&key))));
            }
            inner.take(object(members.len() + 1) - object(members.len()))?;
            let value = from.next_value_seed(inner)?;
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

impl fmt::Display for JsonPageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for JsonPageError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Value, String> {
        parse_page(text.as_bytes(), &PageLimits { depth: 3, values: 32 }).map_err(|error| error.to_string())
    }

    #[test]
    fn parses_as_serde_json_does() {
        for text in [
            "null",
            " true ",
            "-1",
            "18446744073709551615",
            "1.5e3",
            r#""a\u00e9""#,
            "[]",
            "{}",
            r#"{"a":[1,{"b":null}]}"#,
        ] {
            assert_eq!(parse(text), Ok(serde_json::from_str(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn rejects() {
        for (text, message) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{} x", "trailing characters at line 1 column 4"),
            ("[1,]", "trailing comma at line 1 column 4"),
            ("1e400", "number out of range at line 1 column 5"),
            (r#"{"a":1,"a":2}"#, r#"expected each key once, found "a" again at line 1 column 10"#),
            ("[[[[]]]]", "expected at most 3 levels of nesting, found more at line 1 column 5"),
            (
                "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
                "expected at most 32 values, found more at line 1 column 59",
            ),
            // An object with one member costs eleven, the list three.
            (r#"[{"a":1},{"a":1},{"a":1}]"#, "expected at most 32 values, found more at line 1 column 21"),
            ("NaN", "expected value at line 1 column 1"),
        ] {
            assert_eq!(parse(text), Err(message.to_owned()), "{text}");
        }
        assert!(parse_page(b"\"\xff\"", &PageLimits { depth: 3, values: 32 }).is_err());
    }
}

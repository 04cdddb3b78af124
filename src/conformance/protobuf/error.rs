//! Why bytes are not a valid protobuf object.

use std::fmt;

use crate::parse::escape::Escaped;

/// Why bytes are not an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtobufError {
    /// The bytes do not start with `k8s\0`.
    Magic,
    /// The bytes end within a field.
    CutShort,
    /// A varint has more than 64 bits.
    Varint,
    /// A wire type that Kubernetes does not use.
    WireType(u64),
    /// A field has the wrong wire type.
    Type(&'static str),
    /// A field occurs twice that may occur once.
    Twice(&'static str),
    /// A string is not UTF-8.
    Encoding(&'static str),
    /// The object is of a kind that the suite does not decode.
    Object(String, String),
}

impl fmt::Display for ProtobufError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str(r"expected k8s\0 at the start, found something else"),
            Self::CutShort => f.write_str("ends within a field"),
            Self::Varint => f.write_str("expected a varint of 64 bits, found a longer one"),
            Self::WireType(found) => write!(f, "expected wire type 0 or 2, found {found}"),
            Self::Type(field) => write!(f, "{field} has another wire type than expected"),
            Self::Twice(field) => write!(f, "{field} occurs twice"),
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

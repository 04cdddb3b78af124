//! Why bytes are not a valid protobuf object.

use std::fmt;

use crate::parse::escape::Escaped;

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
    /// An object of a kind that the suite does not read.
    Object(String, String),
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

//! The expression language of `value` for JSON: a JSONPath (RFC 9535), optionally inside one aggregation.

/// A parsed JSON expression.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonExpr {}

/// A JSONPath with its own text.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {}

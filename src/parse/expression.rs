//! The expression language of `value` for Prometheus-shaped data: a subset of PromQL.

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {}

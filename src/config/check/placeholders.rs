//! Checks of placeholders in a value.

use super::{Finding, warning};
use crate::config::model::{Rule, Value};
use crate::parse::url_template::Placeholder;
use crate::parse::url_template::piece::Piece;
use crate::promql::Matcher;

/// Routes are templates, too: `/users/{name}`.
pub(super) fn check(rule: &Rule, findings: &mut Vec<Finding>) {
    let Value::Series(expr) = &rule.value else { return };
    let matchers = expr.selectors().flat_map(|selector| &selector.matchers);
    let route = matchers.map(Matcher::pieces).find_map(|pieces| match pieces {
        [Piece::Literal(text), rest @ ..] if text.starts_with('/') => rest.iter().find_map(|piece| match piece {
            Piece::Value(placeholder) => Some(*placeholder),
            Piece::Literal(_) => None,
        }),
        _ => None,
    });
    let Some(placeholder) = route.map(Placeholder::as_str) else { return };
    let literal = placeholder.replace('{', "\\x7b");
    let message = format!(
        "{placeholder} after a / may be part of a route, but it is a placeholder; write a literal one as {literal}"
    );
    findings.push(warning("value", message));
}

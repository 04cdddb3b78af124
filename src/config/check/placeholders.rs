//! Checks of placeholders in a value.

use super::{Finding, warning};
use crate::config::model::{Rule, Value};
use crate::parse::url_template::Placeholder;
use crate::parse::url_template::piece::Piece;
use crate::promql::{Matcher, VectorSelector};

/// Warns about placeholders that the author may have meant literally: routes are templates, too, such as `/users/{name}`.
pub(super) fn check(rule: &Rule, findings: &mut Vec<Finding>) {
    let Value::Series(expr) = &rule.value else { return };
    // A namespace in one selector does not restrict the series of other selectors.
    let namespace = Piece::Value(Placeholder::Namespace);
    let has_namespace =
        |selector: &VectorSelector| selector.matchers.iter().any(|matcher| matcher.pieces().contains(&namespace));
    if let Some(other) =
        expr.selectors().find(|selector| !has_namespace(selector)).filter(|_| expr.uses(Placeholder::Namespace))
    {
        let message = format!(
            "{{namespace}} restricts the namespace, and {other} does not contain it, so it selects series of all \
             namespaces; add it there, too"
        );
        findings.push(warning("value", message));
    }
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

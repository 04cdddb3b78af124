//! What is served instead of a missing value, or while the source fails: `onMissing`, `onUnavailable`.

use super::fields::{self, Fields, Sink};
use crate::config::limits::{ExpressionLimits, Limits};
use crate::config::model::OnMissing;
use crate::parse::escape::Escaped;
use crate::parse::quantity::{self, Milli};
use crate::parse::url_template::Placeholder;
use crate::promql::{self, Expr, VectorSelector};

pub(super) fn on_missing(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<OnMissing> {
    read("onMissing", "error, zero, a number, or last and a duration, such as last 2m", fields, limits, sink)
}

pub(super) fn on_unavailable(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<OnMissing> {
    read("onUnavailable", "error, a number, or last and a duration, such as last 5m", fields, limits, sink)
}

fn read(
    key: &'static str,
    expected: &str,
    fields: &mut Fields<'_>,
    limits: &Limits,
    sink: &mut Sink,
) -> Option<OnMissing> {
    let text = fields.text(key, sink)?;
    let wrong = || format!("expected {expected}, found {}", Escaped::new(text));
    let mut words = text.split_whitespace();
    let parsed = match (words.next(), words.next(), words.next()) {
        (Some("error"), None, _) => Ok(OnMissing::Error),
        (Some("zero"), None, _) if key == "onMissing" => Ok(OnMissing::Number(Milli(0))),
        (Some("last"), Some(age), None) => fields::length(age, false, limits.config.duration).map(OnMissing::Last),
        (Some(word), None, _) => number(word).map(OnMissing::Number).ok_or_else(wrong),
        _ => Err(wrong()),
    };
    parsed.map_err(|message| fields.fail(key, &message, sink)).ok()
}

/// The series with the times at which others were pushed.
pub(super) fn age_from(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<VectorSelector> {
    let text = fields.text("ageFrom", sink)?;
    let ExpressionLimits { bytes, depth, nodes, regex } = limits.expression;
    let limits = promql::Limits { bytes, depth, nodes, regex };
    let placeholders = [Placeholder::Name, Placeholder::Namespace, Placeholder::Metric];
    let (message, column) = match Expr::parse(text, &limits) {
        Ok(expr) if placeholders.iter().any(|placeholder| expr.uses(*placeholder)) => {
            ("expected series without placeholders".to_owned(), 1)
        }
        Ok(Expr::Selector(selector)) if selector.range.is_none() && selector.offset.is_zero() => return Some(selector),
        Ok(_) => (format!("expected series such as push_time_seconds, found {}", Escaped::new(text)), 1),
        Err(error) => (error.to_string(), error.column),
    };
    let span = fields.get("ageFrom").and_then(|node| node.within(column)).unwrap_or(fields.span("ageFrom"));
    fields.fail_at("ageFrom", span, &message, sink);
    None
}

/// A number that can be served.
fn number(text: &str) -> Option<Milli> {
    Milli::from_f64(quantity::parse(text).ok()?).ok()
}

//! What is served instead of a missing value: `onMissing`.

use super::fields::{self, Fields, Sink};
use crate::config::limits::Limits;
use crate::config::model::OnMissing;
use crate::parse::escape::Escaped;
use crate::parse::quantity::{self, Milli};

pub(super) fn on_missing(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<OnMissing> {
    let text = fields.text("onMissing", sink)?;
    let expected = || {
        let found = Escaped::new(text);
        format!("expected error, zero, a number, or last and a duration, such as last 2m, found {found}")
    };
    let mut words = text.split_whitespace();
    let parsed = match (words.next(), words.next(), words.next()) {
        (Some("error"), None, _) => Ok(OnMissing::Error),
        (Some("zero"), None, _) => Ok(OnMissing::Number(Milli(0))),
        (Some("last"), Some(age), None) => fields::length(age, false, limits.config.duration).map(OnMissing::Last),
        (Some(word), None, _) => number(word).map(OnMissing::Number).ok_or_else(expected),
        _ => Err(expected()),
    };
    match parsed {
        Ok(on_missing) => Some(on_missing),
        Err(message) => {
            fields.fail("onMissing", &message, sink);
            None
        }
    }
}

/// A number that can be served.
fn number(text: &str) -> Option<Milli> {
    Milli::from_f64(quantity::parse(text).ok()?).ok()
}

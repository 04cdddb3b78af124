//! The truth table: the response for each kind of value. There is never a silent zero, and never an error without a
//! reason.
//!
//! | found for an object | answer for one named object | within `*` |
//! |---|---|---|
//! | a finite number in range | that number, to the nearest milli but never rounded to 0 | item |
//! | 0 | `0` | item |
//! | nothing | 404 with the reason, or `onMissing` | left out, counted, or `onMissing: last` |
//! | several series and no aggregation | 503 | left out, counted |
//! | NaN | 503, or `onNaN` | left out, counted, or `onNaN` |
//! | ±Inf, out of range, negative without `allowNegative` | 503 | left out, counted |
//! | older than `maxAge`, or too far in the future | as nothing | as nothing |
//! | no object left in `*` | – | 404 if nothing failed, 503 if something did |
//! | the source failed | 503, or `onUnavailable` | 503, but a failed pod is left out; or `onUnavailable` |
//!
//! ([`super::failure`] contains the messages.)

use std::fmt;
use std::time::Duration;

use super::reason::{MissingReason, RefusalReason};
use crate::config::model::{OnMissing, OnNan, Rule};
use crate::parse::quantity::{Milli, NotServable};

/// The result of the evaluation of a rule for one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    Number(Number),
    /// No value.
    Nothing(MissingReason),
    /// A value that is not exactly one number.
    Unusable(RefusalReason),
}

/// One number with its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// The evaluated number.
    pub value: f64,
    /// The Unix milliseconds of its oldest sample, or of the scrape if samples have no timestamps.
    pub at: i64,
    /// The Unix milliseconds of its newest sample, or of the scrape.
    pub newest: i64,
    /// The time span of its samples in milliseconds, if it needs samples over time.
    pub span: Option<i64>,
}

/// A number that may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedValue {
    pub value: Milli,
    /// The time in Unix milliseconds.
    pub at: i64,
    /// The time span in milliseconds that it covers, if any.
    pub span: Option<i64>,
}

/// The decision on a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Served.
    Serve(ServedValue),
    /// 404, or left out.
    Missing(MissingReason),
    /// 503, or left out.
    Refuse(RefusalReason),
}

/// The settings of a rule for missing and unusual values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Policy {
    /// The response if there is no value.
    pub on_missing: OnMissing,
    /// The response if the value is NaN.
    pub on_nan: OnNan,
    /// Whether negative values are served.
    pub allow_negative: bool,
    /// How old a sample may be.
    pub max_age: Duration,
    /// How far in the future a sample may be.
    pub max_future: Duration,
}

impl Policy {
    /// The policy of a rule.
    pub(crate) fn of(rule: &Rule, max_future: Duration) -> Self {
        let Rule { on_missing, on_nan, allow_negative, max_age, .. } = *rule;
        Self { on_missing, on_nan, allow_negative, max_age, max_future }
    }
}

/// Judges a finding of a page that was scraped at `scraped`, at the time `now` (both in Unix milliseconds); `last` is
/// the last value served for the object.
pub(crate) fn judge(finding: Finding, policy: &Policy, scraped: i64, now: i64, last: Option<ServedValue>) -> Verdict {
    let reason = match finding {
        Finding::Unusable(reason) => return Verdict::Refuse(reason),
        Finding::Nothing(reason) => reason,
        Finding::Number(Number { at, .. }) if older(at, now, policy.max_age) => MissingReason::Stale,
        Finding::Number(Number { newest, .. }) if older(now, newest, policy.max_future) => MissingReason::Future,
        Finding::Number(Number { value, at, span, .. }) => match Milli::from_f64(value) {
            Ok(value) if value < Milli(0) && !policy.allow_negative => return Verdict::Refuse(RefusalReason::Negative),
            Ok(value) => return Verdict::Serve(ServedValue { value, at, span }),
            Err(NotServable::NotANumber) => match policy.on_nan {
                OnNan::Error => return Verdict::Refuse(RefusalReason::Nan),
                OnNan::Zero => return Verdict::Serve(ServedValue { value: Milli(0), at, span }),
                OnNan::Missing => MissingReason::Nan,
            },
            Err(NotServable::Infinite) if value > 0.0 => return Verdict::Refuse(RefusalReason::PositiveInfinity),
            Err(NotServable::Infinite) => return Verdict::Refuse(RefusalReason::NegativeInfinity),
            Err(NotServable::OutOfRange) => return Verdict::Refuse(RefusalReason::OutOfRange),
        },
    };
    match (policy.on_missing, last) {
        (OnMissing::Number(value), _) => Verdict::Serve(ServedValue { value, at: scraped, span: None }),
        (OnMissing::Last(age), Some(last)) if !older(last.at, now, age) => Verdict::Serve(last),
        _ => Verdict::Missing(reason),
    }
}

/// The value that `onUnavailable` provides at the time `now`: the configured number with this time, or the last value
/// with its own time.
pub(crate) fn judge_unavailable(policy: OnMissing, now: i64, last: Option<ServedValue>) -> Option<ServedValue> {
    match (policy, last) {
        (OnMissing::Number(value), _) => Some(ServedValue { value, at: now, span: None }),
        (OnMissing::Last(age), Some(last)) if !older(last.at, now, age) => Some(last),
        _ => None,
    }
}

/// Whether `a` lies more than `by` before `b`.
fn older(a: i64, b: i64, by: Duration) -> bool {
    u128::try_from(i128::from(b) - i128::from(a)).is_ok_and(|age| age > by.as_millis())
}

/// The reason for a response to `*` without items, chosen among the reasons for which objects were left out. Equal sets
/// of reasons give the same one; an unusable value takes precedence over a missing one.
pub(crate) fn nothing_left(left_out: impl IntoIterator<Item = Verdict>) -> Option<Verdict> {
    let (mut refused, mut missing) = (Vec::new(), Vec::new());
    for verdict in left_out {
        match verdict {
            Verdict::Serve(_) => {}
            Verdict::Missing(reason) => missing.push(reason),
            Verdict::Refuse(reason) => refused.push(reason),
        }
    }
    refused.into_iter().min().map(Verdict::Refuse).or_else(|| missing.into_iter().min().map(Verdict::Missing))
}

impl Finding {
    /// The finding with this time instead of its own, if it is given.
    pub(crate) fn dated(self, at: Option<i64>) -> Self {
        match (self, at) {
            (Self::Number(number), Some(at)) => Self::Number(Number { at, ..number }),
            (finding, _) => finding,
        }
    }

    /// The finding on a clock with this difference in milliseconds.
    pub(crate) fn shifted(self, by: i64) -> Self {
        match self {
            Self::Number(number) => Self::Number(Number { at: number.at + by, newest: number.newest + by, ..number }),
            other => other,
        }
    }
}

impl ServedValue {
    /// The seconds that a rate covers.
    pub(crate) fn window_seconds(self) -> Option<i64> {
        self.span.map(|millis| (millis + 500) / 1_000)
    }
}

impl Verdict {
    /// The label value in the counter of objects left out.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Serve(_) => "served",
            Self::Missing(reason) => reason.as_str(),
            Self::Refuse(reason) => reason.as_str(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Very large and very small numbers have an exponent.
            Self::Number(Number { value, .. }) => {
                let text = format!("{value:?}");
                f.write_str(text.strip_suffix(".0").unwrap_or(&text))
            }
            Self::Nothing(reason) => write!(f, "nothing: {reason}"),
            Self::Unusable(reason) => write!(f, "no single number: {reason}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serve(ServedValue { value, .. }) => write!(f, "{value}"),
            Self::Missing(reason) => write!(f, "none: {reason}"),
            Self::Refuse(reason) => write!(f, "none: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests;

//! The truth table: what is answered for what was found. Never a silent zero, and never a refusal without its reason.
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
//!
//! (A source that fails answers 503 before anything is found; see [`super::failure`].)

use std::fmt;
use std::time::Duration;

use super::evaluate::EvalError;
use crate::config::model::{OnMissing, OnNan, Rule};
use crate::parse::exposition::Kind;
use crate::parse::quantity::{Milli, NotServable};

/// What the evaluation of a rule for one object came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// One number, any number.
    Number(Number),
    /// Nothing there.
    Nothing(Absence),
    /// Something there that is no one number.
    Unusable(Fault),
}

/// One number with its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// As evaluated.
    pub value: f64,
    /// Unix milliseconds: of the oldest sample in it, or of the scrape where samples carry no time.
    pub at: i64,
    /// Likewise of the newest.
    pub newest: i64,
}

/// A number that may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The value.
    pub value: Milli,
    /// Unix milliseconds.
    pub at: i64,
}

/// Why nothing is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absence {
    /// No series on the page matches the rule, or its JSONPath leads nowhere.
    NoSeries,
    /// Series match, none of them with the caller's `metricLabelSelector`.
    MetricSelector,
    /// Series match, none of them with a label that names an object; one of these would.
    NoObjectLabel(Vec<String>),
    /// Series match, all of them for other objects.
    OtherObjects,
    /// Series match, and the expression leaves nothing of them.
    Filtered,
    /// A sample is older than `maxAge`.
    Stale,
    /// A sample lies in the future.
    Future,
    /// The value is NaN, and `onNaN` is `missing`.
    Nan,
}

/// Why what is there cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Several values, and the rule does not say how to make one of them.
    Several,
    /// By name, only gauges and untyped series are served; this is a counter or part of a histogram or summary.
    NotAGauge(&'static str),
    /// A JSON value of another type.
    NotANumber(&'static str),
    /// The labels that `labelSelector` asks for differ among the series of one object.
    MixedLabels,
    /// NaN.
    Nan,
    /// +Inf.
    PositiveInfinity,
    /// -Inf.
    NegativeInfinity,
    /// Beyond what an HPA can read.
    OutOfRange,
    /// Below zero, which would drive an HPA to its minimum.
    Negative,
    /// The expression has no result for what is there.
    Evaluation(EvalError),
}

/// What is done with a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answered.
    Serve(Served),
    /// 404, or left out.
    Missing(Absence),
    /// 503, or left out.
    Refuse(Fault),
}

/// What a rule says about values that are not simply there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// When nothing is there.
    pub on_missing: OnMissing,
    /// When the value is NaN.
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
    pub fn of(rule: &Rule, max_future: Duration) -> Self {
        let Rule { on_missing, on_nan, allow_negative, max_age, .. } = *rule;
        Self { on_missing, on_nan, allow_negative, max_age, max_future }
    }
}

/// Judges what was found on a page that was scraped at `scraped`, at the time `now` (both Unix milliseconds); `last` is
/// the last value served for the object.
pub fn judge(finding: Finding, policy: &Policy, scraped: i64, now: i64, last: Option<Served>) -> Verdict {
    let absence = match finding {
        Finding::Unusable(fault) => return Verdict::Refuse(fault),
        Finding::Nothing(absence) => absence,
        Finding::Number(Number { at, .. }) if older(at, now, policy.max_age) => Absence::Stale,
        Finding::Number(Number { newest, .. }) if older(now, newest, policy.max_future) => Absence::Future,
        Finding::Number(Number { value, at, .. }) => match Milli::from_f64(value) {
            Ok(value) if value < Milli(0) && !policy.allow_negative => return Verdict::Refuse(Fault::Negative),
            Ok(value) => return Verdict::Serve(Served { value, at }),
            Err(NotServable::NotANumber) => match policy.on_nan {
                OnNan::Error => return Verdict::Refuse(Fault::Nan),
                OnNan::Zero => return Verdict::Serve(Served { value: Milli(0), at }),
                OnNan::Missing => Absence::Nan,
            },
            Err(NotServable::Infinite) if value > 0.0 => return Verdict::Refuse(Fault::PositiveInfinity),
            Err(NotServable::Infinite) => return Verdict::Refuse(Fault::NegativeInfinity),
            Err(NotServable::OutOfRange) => return Verdict::Refuse(Fault::OutOfRange),
        },
    };
    match (policy.on_missing, last) {
        (OnMissing::Zero, _) => Verdict::Serve(Served { value: Milli(0), at: scraped }),
        (OnMissing::Last(age), Some(last)) if !older(last.at, now, age) => Verdict::Serve(last),
        _ => Verdict::Missing(absence),
    }
}

/// Whether `a` lies more than `by` before `b`.
fn older(a: i64, b: i64, by: Duration) -> bool {
    u128::try_from(i128::from(b) - i128::from(a)).is_ok_and(|age| age > by.as_millis())
}

/// What an answer for `*` without any item is: of all the reasons for which objects were left out, the one to tell.
/// Always the same one for the same reasons, whatever their order and number; a fault before an absence.
pub fn nothing_left(left_out: impl IntoIterator<Item = Verdict>) -> Option<Verdict> {
    let (mut faults, mut absences) = (Vec::new(), Vec::new());
    for verdict in left_out {
        match verdict {
            Verdict::Serve(_) => {}
            Verdict::Missing(absence) => absences.push(absence),
            Verdict::Refuse(fault) => faults.push(fault),
        }
    }
    faults.into_iter().min().map(Verdict::Refuse).or_else(|| absences.into_iter().min().map(Verdict::Missing))
}

/// The name of a family's type if its series are not served by name: their numbers only make sense together or over
/// time.
pub fn not_by_name(kind: Kind) -> Option<Fault> {
    match kind {
        Kind::Gauge | Kind::Unknown => None,
        Kind::Counter => Some(Fault::NotAGauge("counter")),
        Kind::Histogram | Kind::GaugeHistogram => Some(Fault::NotAGauge("histogram")),
        Kind::Summary => Some(Fault::NotAGauge("summary")),
        Kind::Info | Kind::StateSet => Some(Fault::NotAGauge("set of labels")),
    }
}

impl Verdict {
    /// As a label of the counter of objects left out.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Serve(_) => "served",
            Self::Missing(absence) => absence.as_str(),
            Self::Refuse(fault) => fault.as_str(),
        }
    }
}

impl Absence {
    /// As a label of the counter of objects left out.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoSeries => "no_series",
            Self::MetricSelector => "metric_label_selector",
            Self::NoObjectLabel(_) => "no_object_label",
            Self::OtherObjects => "other_objects",
            Self::Filtered => "filtered",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Nan => "nan",
        }
    }
}

impl Fault {
    /// As a label of the counter of objects left out.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Several => "several_series",
            Self::NotAGauge(_) => "not_a_gauge",
            Self::NotANumber(_) => "not_a_number",
            Self::MixedLabels => "mixed_labels",
            Self::Nan => "nan",
            Self::PositiveInfinity | Self::NegativeInfinity => "infinite",
            Self::OutOfRange => "out_of_range",
            Self::Negative => "negative",
            Self::Evaluation(_) => "evaluation",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(Number { value, .. }) => write!(f, "{value}"),
            Self::Nothing(absence) => write!(f, "nothing: {absence}"),
            Self::Unusable(fault) => write!(f, "no one number: {fault}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serve(Served { value, .. }) => write!(f, "{value}"),
            Self::Missing(absence) => write!(f, "none: {absence}"),
            Self::Refuse(fault) => write!(f, "none: {fault}"),
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSeries => f.write_str("nothing on its page matches"),
            Self::MetricSelector => f.write_str("what matches on its page does not match metricLabelSelector"),
            Self::NoObjectLabel(labels) => {
                write!(f, "what matches on its page carries no label {} to name an object", labels.join(" or "))
            }
            Self::OtherObjects => f.write_str("what matches on its page describes other objects"),
            Self::Filtered => f.write_str(
                "its value comes to nothing: a comparison leaves none of what matches, or operands share no labels",
            ),
            Self::Stale => f.write_str("the sample is older than maxAge allows"),
            Self::Future => f.write_str("the sample's timestamp lies in the future; compare the clocks"),
            Self::Nan => f.write_str("the value is NaN, which onNaN takes as missing"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Several => f.write_str("several values match; wrap it in sum(), max(), min() or avg()"),
            Self::NotAGauge(kind) => write!(f, "it is a {kind}, and only gauges are served by name"),
            Self::NotANumber(found) => write!(f, "expected a number, found {found}"),
            Self::MixedLabels => f.write_str("its series differ in labels that labelSelector asks for"),
            Self::Nan => f.write_str("the value is NaN; onNaN can take it as missing or zero"),
            Self::PositiveInfinity => f.write_str("the value is +Inf"),
            Self::NegativeInfinity => f.write_str("the value is -Inf"),
            Self::OutOfRange => f.write_str("the value lies beyond 9223372036854775.807 or its negative"),
            Self::Negative => f.write_str("the value is negative; allowNegative: true would serve it"),
            Self::Evaluation(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_787_020_504_000;
    const SCRAPED: i64 = NOW - 1_000;
    const POLICY: Policy = Policy {
        on_missing: OnMissing::Error,
        on_nan: OnNan::Error,
        allow_negative: false,
        max_age: Duration::from_secs(120),
        max_future: Duration::from_secs(30),
    };
    const LAST: Served = Served { value: Milli(7_000), at: NOW - 60_000 };

    fn number(value: f64) -> Finding {
        Finding::Number(Number { value, at: SCRAPED, newest: SCRAPED })
    }

    fn served(milli: i64) -> Verdict {
        Verdict::Serve(Served { value: Milli(milli), at: SCRAPED })
    }

    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "tables read better")]
    fn check(finding: Finding, policy: Policy, verdict: Verdict) {
        assert_eq!(judge(finding, &policy, SCRAPED, NOW, Some(LAST)), verdict);
    }

    #[test]
    fn a_finite_number_is_served_to_the_nearest_milli_and_never_rounded_to_zero() {
        for (value, milli) in [(1.5, 1_500), (0.0004, 1), (1.0004, 1_000), (1.0006, 1_001), (1.001, 1_001)] {
            check(number(value), POLICY, served(milli));
        }
    }

    #[test]
    fn zero_is_zero() {
        check(number(0.0), POLICY, served(0));
        check(number(-0.0), POLICY, served(0));
    }

    #[test]
    fn nothing_is_missing_or_as_on_missing_says() {
        let nothing = || Finding::Nothing(Absence::NoSeries);
        check(nothing(), POLICY, Verdict::Missing(Absence::NoSeries));
        check(nothing(), Policy { on_missing: OnMissing::Zero, ..POLICY }, served(0));
        let last = |seconds| Policy { on_missing: OnMissing::Last(Duration::from_secs(seconds)), ..POLICY };
        check(nothing(), last(60), Verdict::Serve(LAST));
        check(nothing(), last(59), Verdict::Missing(Absence::NoSeries));
        assert_eq!(judge(nothing(), &last(60), SCRAPED, NOW, None), Verdict::Missing(Absence::NoSeries));
    }

    #[test]
    fn several_are_refused() {
        check(Finding::Unusable(Fault::Several), POLICY, Verdict::Refuse(Fault::Several));
        // `onMissing` is about nothing being there, not about a rule that does not fit.
        let zero = Policy { on_missing: OnMissing::Zero, ..POLICY };
        check(Finding::Unusable(Fault::Several), zero, Verdict::Refuse(Fault::Several));
    }

    #[test]
    fn nan_is_refused_or_as_on_nan_says() {
        check(number(f64::NAN), POLICY, Verdict::Refuse(Fault::Nan));
        check(number(f64::NAN), Policy { on_nan: OnNan::Zero, ..POLICY }, served(0));
        let missing = Policy { on_nan: OnNan::Missing, ..POLICY };
        check(number(f64::NAN), missing, Verdict::Missing(Absence::Nan));
        check(number(f64::NAN), Policy { on_missing: OnMissing::Zero, ..missing }, served(0));
    }

    #[test]
    fn infinite_out_of_range_and_negative_are_refused() {
        for (value, fault) in [
            (f64::INFINITY, Fault::PositiveInfinity),
            (f64::NEG_INFINITY, Fault::NegativeInfinity),
            (9_223_372_036_854_776.0, Fault::OutOfRange),
            (-1e300, Fault::OutOfRange),
            (-0.001, Fault::Negative),
            (-0.0001, Fault::Negative),
        ] {
            check(number(value), POLICY, Verdict::Refuse(fault));
        }
        check(number(-1.5), Policy { allow_negative: true, ..POLICY }, served(-1_500));
        check(number(9_223_372_036_854_774.0), POLICY, served(9_223_372_036_854_774_000));
    }

    #[test]
    fn old_and_future_samples_are_as_nothing() {
        let at = |at| Finding::Number(Number { value: 1.0, at, newest: at });
        check(at(NOW - 120_000), POLICY, Verdict::Serve(Served { value: Milli(1_000), at: NOW - 120_000 }));
        check(at(NOW - 120_001), POLICY, Verdict::Missing(Absence::Stale));
        check(at(NOW + 30_000), POLICY, Verdict::Serve(Served { value: Milli(1_000), at: NOW + 30_000 }));
        check(at(NOW + 30_001), POLICY, Verdict::Missing(Absence::Future));
        check(at(i64::MIN), POLICY, Verdict::Missing(Absence::Stale));
        check(at(i64::MAX), POLICY, Verdict::Missing(Absence::Future));
        check(at(NOW - 120_001), Policy { on_missing: OnMissing::Zero, ..POLICY }, served(0));
        // One sample out of time among several spoils the whole.
        let mixed = |at, newest| Finding::Number(Number { value: 1.0, at, newest });
        check(mixed(NOW, NOW + 30_001), POLICY, Verdict::Missing(Absence::Future));
        check(mixed(NOW - 120_001, NOW), POLICY, Verdict::Missing(Absence::Stale));
    }

    #[test]
    fn nothing_left_tells_a_fault_before_an_absence_and_always_the_same() {
        use Verdict::{Missing, Refuse};
        assert_eq!(nothing_left([]), None);
        let (stale, several, nan) = (Missing(Absence::Stale), Refuse(Fault::Several), Refuse(Fault::Nan));
        let none = Missing(Absence::NoSeries);
        for (left_out, told) in [
            (vec![stale.clone()], stale.clone()),
            (vec![stale.clone(), none.clone()], none),
            (vec![stale.clone(), nan.clone(), several.clone()], several.clone()),
            (vec![several.clone(), stale, nan], several),
        ] {
            assert_eq!(nothing_left(left_out), Some(told));
        }
    }

    #[test]
    fn only_gauges_and_untyped_series_are_served_by_name() {
        assert_eq!(not_by_name(Kind::Gauge), None);
        assert_eq!(not_by_name(Kind::Unknown), None);
        assert_eq!(not_by_name(Kind::Counter), Some(Fault::NotAGauge("counter")));
        assert_eq!(not_by_name(Kind::Histogram), Some(Fault::NotAGauge("histogram")));
    }
}

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

use super::sample_bound::Bound;
use crate::config::model::{OnMissing, OnNan, Rule};
use crate::parse::exposition::{Kind, is_named_like_a_counter};
use crate::parse::quantity::{Milli, NotServable};
use crate::promql::evaluate::EvalError;

/// What the evaluation of a rule for one object came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    Number(Number),
    /// Nothing there.
    Nothing(MissingReason),
    /// Something there that is no one number.
    Unusable(RefusalReason),
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
    /// Milliseconds that samples over time in it span, if there are any.
    pub span: Option<i64>,
}

/// A number that may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedValue {
    pub value: Milli,
    /// Unix milliseconds.
    pub at: i64,
    /// Milliseconds that it was measured over, if it was.
    pub span: Option<i64>,
}

/// Why nothing is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissingReason {
    /// No series on the page matches the rule, or its JSONPath leads nowhere.
    NoSeries,
    /// The regular expression matches nothing on the page.
    NoMatch,
    /// The JSONPath selects nothing from a container that exists, which has no minimum, maximum or average.
    EmptyContainer,
    /// Series match, none of them with the caller's `metricLabelSelector`.
    MetricSelector,
    /// Series match, none of them with a label that names an object; one of these would.
    NoObjectLabel(Vec<String>),
    /// Series match, all of them for other objects.
    OtherObjects,
    /// A server that was asked has no result for it.
    NoResult,
    /// Series match, and the expression leaves nothing of them.
    Filtered,
    /// Series match, none of them sampled often enough for the expression.
    TooFewSamples,
    /// A sample is older than `maxAge`.
    Stale,
    /// A sample lies in the future.
    Future,
    /// The value is NaN, and `onNaN` is `missing`.
    Nan,
}

/// Why a value that exists cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalReason {
    /// Several values, and the rule does not say how to make one of them.
    Several,
    /// By name, only gauges and untyped series are served.
    NotAGauge(NotAGauge),
    /// A JSON value of another type.
    NotANumber(&'static str),
    /// The series of one object differ in a label that `labelSelector` selects by.
    MixedLabels,
    Nan,
    /// +Inf.
    PositiveInfinity,
    /// -Inf.
    NegativeInfinity,
    /// Beyond what an HPA can read.
    OutOfRange,
    /// Below zero, which would drive an HPA to its minimum.
    Negative,
    /// The expression cannot be evaluated.
    Evaluation(EvalError),
    /// The samples so far span less than half of what the value looks back over.
    Gathering,
    /// More than is kept over time.
    OverBudget(Bound),
    /// As many selections are sampled as can be.
    SelectionLimit(Bound),
    /// Counters of a page reset more than once within the range.
    Resets,
}

/// What a series is that is not served by name: its number only makes sense together with others or over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotAGauge {
    Counter,
    /// Without a type, but with the name of a counter.
    NamedLikeACounter,
    Histogram,
    Summary,
    /// Its labels are what it says.
    Labels,
}

/// What is done with a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answered.
    Serve(ServedValue),
    /// 404, or left out.
    Missing(MissingReason),
    /// 503, or left out.
    Refuse(RefusalReason),
}

/// What a rule says about values that are not simply there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Policy {
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
    pub(crate) fn of(rule: &Rule, max_future: Duration) -> Self {
        let Rule { on_missing, on_nan, allow_negative, max_age, .. } = *rule;
        Self { on_missing, on_nan, allow_negative, max_age, max_future }
    }
}

/// Judges what was found on a page that was scraped at `scraped`, at the time `now` (both Unix milliseconds); `last` is
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
        (OnMissing::Zero, _) => Verdict::Serve(ServedValue { value: Milli(0), at: scraped, span: None }),
        (OnMissing::Last(age), Some(last)) if !older(last.at, now, age) => Verdict::Serve(last),
        _ => Verdict::Missing(reason),
    }
}

/// Whether `a` lies more than `by` before `b`.
fn older(a: i64, b: i64, by: Duration) -> bool {
    u128::try_from(i128::from(b) - i128::from(a)).is_ok_and(|age| age > by.as_millis())
}

/// What an answer for `*` without any item is: of all the reasons for which objects were left out, the one to name.
/// Equal sets of reasons give the same one; a refusal comes before something missing.
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

/// What a series of this name and type is, if it is not served by name.
pub(crate) fn not_by_name(name: &str, kind: Kind) -> Option<NotAGauge> {
    match kind {
        Kind::Unknown if is_named_like_a_counter(name) => Some(NotAGauge::NamedLikeACounter),
        Kind::Gauge | Kind::Unknown => None,
        Kind::Counter => Some(NotAGauge::Counter),
        Kind::Histogram | Kind::GaugeHistogram => Some(NotAGauge::Histogram),
        Kind::Summary => Some(NotAGauge::Summary),
        Kind::Info | Kind::StateSet => Some(NotAGauge::Labels),
    }
}

impl Verdict {
    /// As a label of the counter of objects left out.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Serve(_) => "served",
            Self::Missing(reason) => reason.as_str(),
            Self::Refuse(reason) => reason.as_str(),
        }
    }
}

impl MissingReason {
    /// As a label of the counter of objects left out.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoSeries => "no_series",
            Self::EmptyContainer => "empty_container",
            Self::MetricSelector => "metric_label_selector",
            Self::NoMatch => "no_match",
            Self::NoObjectLabel(_) => "no_object_label",
            Self::OtherObjects => "other_objects",
            Self::NoResult => "no_result",
            Self::Filtered => "filtered",
            Self::TooFewSamples => "too_few_samples",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Nan => "nan",
        }
    }
}

impl RefusalReason {
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
            Self::Gathering => "gathering",
            Self::OverBudget(_) => "over_budget",
            Self::SelectionLimit(_) => "selection_limit",
            Self::Resets => "resets",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // With an exponent where it is far from one.
            Self::Number(Number { value, .. }) => {
                let text = format!("{value:?}");
                f.write_str(text.strip_suffix(".0").unwrap_or(&text))
            }
            Self::Nothing(reason) => write!(f, "nothing: {reason}"),
            Self::Unusable(reason) => write!(f, "no one number: {reason}"),
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

impl fmt::Display for MissingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSeries => f.write_str("no series on the page matches"),
            Self::NoMatch => f.write_str("the regular expression matches nothing on the page"),
            Self::EmptyContainer => {
                f.write_str("the JSONPath selects nothing from a container that exists; count() or sum() of it is 0")
            }
            Self::MetricSelector => f.write_str("no matching series on the page matches metricLabelSelector"),
            Self::NoObjectLabel(labels) if labels.is_empty() => {
                f.write_str("nothing on the page that matches names an object")
            }
            Self::NoObjectLabel(labels) => {
                write!(f, "no matching series on the page has a label {} to name an object", labels.join(" or "))
            }
            Self::OtherObjects => f.write_str("the matching series on the page describe other objects"),
            Self::NoResult => f.write_str("the query returned no result for it"),
            Self::Filtered => f.write_str(
                "the expression returned nothing: a comparison filtered every matching series out, or the operands share no labels",
            ),
            Self::TooFewSamples => f.write_str(
                "matching series have fewer than two samples in the range; a rate needs two",
            ),
            Self::Stale => f.write_str("the sample is older than maxAge allows"),
            Self::Future => f.write_str("the sample's timestamp lies in the future; compare the clocks"),
            Self::Nan => f.write_str("the value is NaN, which counts as missing (onNaN)"),
        }
    }
}

impl fmt::Display for NotAGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "is a counter",
            Self::NamedLikeACounter => "has no TYPE and the name of a counter",
            Self::Histogram => "is part of a histogram",
            Self::Summary => "is part of a summary",
            Self::Labels => "is a set of labels",
        })
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Several => f.write_str("several values match; wrap it in sum(), max(), min() or avg()"),
            Self::NotAGauge(kind) => write!(f, "it {kind}, and only gauges are served by name"),
            Self::NotANumber(found) => write!(f, "expected a number, found {found}"),
            Self::MixedLabels => f.write_str("its series differ in labels that labelSelector asks for"),
            Self::Nan => f.write_str("the value is NaN; onNaN can turn it into missing or zero"),
            Self::PositiveInfinity => f.write_str("the value is +Inf"),
            Self::NegativeInfinity => f.write_str("the value is -Inf"),
            Self::OutOfRange => f.write_str("the value is out of range: beyond ±9223372036854775.807"),
            Self::Negative => f.write_str("the value is negative; allowNegative: true would serve it"),
            Self::Evaluation(error) => error.fmt(f),
            Self::Gathering => f.write_str("gathering: its samples span less than half of the range so far"),
            Self::Resets => f.write_str(
                "a counter reset more than once within the range, as when several processes take turns behind one URL",
            ),
            Self::OverBudget(bound) => write!(f, "{bound}; add a label matcher"),
            Self::SelectionLimit(bound) => write!(f, "not sampled: {bound}"),
        }
    }
}

#[cfg(test)]
mod tests;

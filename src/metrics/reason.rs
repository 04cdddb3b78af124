//! Why there is no value for an object, as text for `Status.message`.

use std::fmt;

use super::sample_limit::SampleLimit;
use crate::promql::evaluate::EvalError;
use crate::promql::{Expr, Function, VectorSelector};
use crate::source::page::Hint;
use metriclet_exposition::{Kind, is_named_like_a_counter};

/// Why a value is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissingReason {
    /// No series on the page matches the rule, or its JSONPath leads nowhere.
    NoSeries,
    /// No series on the page matches the rule; with a suggestion.
    NoSeriesBut(Hint),
    /// There is no pod whose page could be read.
    NoPods,
    /// The JSONPath selects no value.
    NoValue,
    /// This JSONPath of an expression with several selects no value.
    NoPart(String),
    /// The regular expression matches nothing on the page.
    NoMatch,
    /// The JSONPath selects nothing from a container that exists, which has no minimum, maximum or average.
    EmptyContainer,
    /// Series match, none of them with the caller's `metricLabelSelector`.
    MetricSelector,
    /// Series match, none of them with the `labelSelector` of an external metric.
    LabelSelector,
    /// All matching series or items describe other namespaces.
    OtherNamespaces,
    /// Series match, none of them with a label that names an object; one of these would.
    NoObjectLabel(Vec<String>),
    /// Items of the page match, but this path finds no name in any of them.
    NoItemName(String),
    /// Series match, but the rule's `namePattern` matches none of these labels.
    NoPatternMatch(Vec<String>),
    /// Series match, all of them for other objects.
    OtherObjects,
    /// Items of the page match, all of them for other objects.
    OtherItems,
    /// A regular expression matches, and names other objects.
    OtherMatches,
    /// The Prometheus server has no result for the object.
    NoResult,
    /// Series match, but none of them matches this selector of the expression, so the expression returns nothing; with
    /// suggestions.
    NoOperand(String, Option<Hint>),
    /// Series match, but they are not the buckets of a histogram, as `histogram_quantile` needs them.
    NoBuckets,
    /// Series match, but the expression returns nothing.
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
    /// There are several values, and the rule has no aggregation.
    Several,
    /// By name, only gauges and untyped series are served.
    NotAGauge(NotAGauge),
    /// A value of another type.
    NotANumber(&'static str),
    /// A value of another type, which this JSONPath of an expression with several selects.
    PartNotANumber(String, &'static str),
    /// The series of one object differ in a label that `labelSelector` selects by.
    MixedLabels,
    Nan,
    /// +Inf.
    PositiveInfinity,
    /// -Inf.
    NegativeInfinity,
    /// The value is beyond the numbers that an HPA can read.
    OutOfRange,
    /// The sum of an external metric's values, which an HPA adds up, is beyond the numbers that it can read.
    SumOutOfRange,
    /// The value is below zero, which would scale to the minimum.
    Negative,
    /// The expression cannot be evaluated.
    Evaluation(EvalError),
    /// The samples so far span less than half of a range.
    CollectingSamples,
    /// There are more samples over time than are kept.
    OverBudget(SampleLimit),
    /// The maximum number of selections is being sampled.
    SelectionLimit(SampleLimit),
    /// Counters of a page reset more than once within the range.
    Resets,
}

/// The kind of a series that is not served by name, because its number only makes sense together with others or over
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotAGauge {
    Counter,
    /// Without a type, but with the name of a counter.
    NamedLikeACounter,
    Histogram,
    Summary,
    /// Its labels are the information.
    Labels,
}

/// The kind of a series of this name and type, if it is not served by name.
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

impl MissingReason {
    /// Why an expression returns nothing, although some of its selectors pick series: `is_there` tells which ones,
    /// `has_bounds` whether any series has the label `le`.
    pub(crate) fn left_nothing(expr: &Expr, is_there: impl Fn(&VectorSelector) -> bool, has_bounds: bool) -> Self {
        match expr.selectors().find(|selector| !is_there(selector)) {
            Some(selector) => Self::NoOperand(selector.to_string(), None),
            None if !has_bounds && expr.calls(Function::HistogramQuantile) => Self::NoBuckets,
            None => Self::Filtered,
        }
    }

    /// The label value in the counter of objects left out.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoSeries | Self::NoSeriesBut(_) => "no_series",
            Self::NoPods => "no_pods",
            Self::EmptyContainer => "empty_container",
            Self::MetricSelector => "metric_label_selector",
            Self::LabelSelector => "label_selector",
            Self::OtherNamespaces => "other_namespaces",
            Self::NoMatch => "no_match",
            Self::NoValue | Self::NoPart(_) => "no_value",
            Self::NoOperand(..) => "no_operand",
            Self::NoBuckets => "no_buckets",
            Self::NoObjectLabel(_) | Self::NoItemName(_) => "no_object_label",
            Self::NoPatternMatch(_) => "no_pattern_match",
            Self::OtherObjects | Self::OtherItems | Self::OtherMatches => "other_objects",
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
    /// The label value in the counter of objects left out.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Several => "several_series",
            Self::NotAGauge(_) => "not_a_gauge",
            Self::NotANumber(_) | Self::PartNotANumber(..) => "not_a_number",
            Self::MixedLabels => "mixed_labels",
            Self::Nan => "nan",
            Self::PositiveInfinity | Self::NegativeInfinity => "infinite",
            Self::OutOfRange | Self::SumOutOfRange => "out_of_range",
            Self::Negative => "negative",
            Self::Evaluation(_) => "evaluation",
            Self::CollectingSamples => "gathering",
            Self::OverBudget(_) => "over_budget",
            Self::SelectionLimit(_) => "selection_limit",
            Self::Resets => "resets",
        }
    }
}

impl fmt::Display for MissingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSeries => f.write_str("no series on the page matches"),
            Self::NoSeriesBut(hint) => write!(f, "no series on the page matches; {hint}"),
            Self::NoPods => f.write_str("no pod is selected that runs or is about to"),
            Self::NoValue => f.write_str("the JSONPath selects nothing on the page"),
            Self::NoPart(part) => write!(f, "{part} selects nothing on the page"),
            Self::NoBuckets => f.write_str("no matching series has the label le, which the buckets of a histogram have"),
            Self::NoOperand(selector, hint) => {
                write!(f, "the expression returned nothing: the object has no series {selector}")?;
                hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
            }
            Self::NoMatch => f.write_str("the regular expression matches nothing on the page"),
            Self::EmptyContainer => {
                f.write_str("the JSONPath selects nothing from a container that exists; count() or sum() of it is 0")
            }
            Self::MetricSelector => f.write_str("no matching series on the page matches metricLabelSelector"),
            Self::LabelSelector => f.write_str("nothing that matches on the page matches labelSelector"),
            Self::OtherNamespaces => f.write_str("what matches on the page is about other namespaces"),
            Self::NoObjectLabel(labels) if labels.is_empty() => {
                f.write_str("nothing on the page that matches names an object")
            }
            Self::NoObjectLabel(labels) => {
                write!(f, "no matching series on the page has a label {} to name an object", labels.join(" or "))
            }
            Self::NoItemName(path) => write!(f, "nameFrom: {path} finds no text or number in any item of the page"),
            Self::NoPatternMatch(labels) if labels.is_empty() => {
                f.write_str("namePattern matches no name that the page gives")
            }
            Self::NoPatternMatch(labels) => {
                write!(f, "namePattern matches no label {} of the matching series", labels.join(" or "))
            }
            Self::OtherMatches => f.write_str("the matches on the page name other objects"),
            Self::OtherItems => f.write_str("the items on the page describe other objects"),
            Self::OtherObjects => f.write_str("the matching series on the page describe other objects"),
            Self::NoResult => f.write_str("the query returned no result for it"),
            Self::Filtered => f.write_str(
                "the expression returned nothing: a comparison or set operator filtered every matching series out, or the operands share no labels",
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
            Self::NamedLikeACounter => "has no TYPE and is named like a counter",
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
            Self::PartNotANumber(part, found) => write!(f, "expected a number from {part}, found {found}"),
            Self::MixedLabels => f.write_str("its series differ in labels that labelSelector asks for"),
            Self::Nan => f.write_str("the value is NaN; onNaN can turn it into missing or zero"),
            Self::PositiveInfinity => f.write_str("the value is +Inf"),
            Self::NegativeInfinity => f.write_str("the value is -Inf"),
            Self::OutOfRange => f.write_str("the value is out of range: beyond ±9223372036854775.807"),
            Self::SumOutOfRange => f.write_str(
                "the sum of its values, which an HPA adds up, is out of range: beyond ±9223372036854775.807",
            ),
            Self::Negative => f.write_str("the value is negative; allowNegative: true would serve it"),
            Self::Evaluation(error) => error.fmt(f),
            Self::CollectingSamples => {
                f.write_str("gathering: its samples do not span half of the range, or reach back to the offset, so far")
            }
            Self::Resets => f.write_str(
                "a counter reset more than once within the range, as when several processes take turns behind one URL",
            ),
            Self::OverBudget(bound) => write!(f, "{bound}; add a label matcher"),
            Self::SelectionLimit(bound) => write!(f, "not sampled: {bound}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gauges_and_untyped_series_are_served_by_name() {
        for (name, kind, expected) in [
            ("jobs", Kind::Gauge, None),
            ("jobs_total", Kind::Gauge, None),
            ("jobs_count", Kind::Gauge, None),
            ("jobs", Kind::Unknown, None),
            ("jobs_total", Kind::Unknown, Some(NotAGauge::NamedLikeACounter)),
            ("jobs_bucket", Kind::Unknown, Some(NotAGauge::NamedLikeACounter)),
            ("accepted", Kind::Counter, Some(NotAGauge::Counter)),
            ("jobs_count", Kind::Histogram, Some(NotAGauge::Histogram)),
            ("jobs", Kind::Summary, Some(NotAGauge::Summary)),
            ("jobs", Kind::StateSet, Some(NotAGauge::Labels)),
        ] {
            assert_eq!(not_by_name(name, kind), expected, "{name} {kind:?}");
        }
    }
}

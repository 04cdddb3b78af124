//! The members that describe objects (series, items, query results), and their evaluation.

use super::active_rule::ActiveRule;
use super::evaluation;
use super::outcome::Finding;
use super::reason::{MissingReason, RefusalReason, not_by_name};
use super::select::Describes;
use crate::config::model::Value;
use crate::parse::value::ValueAggregation;
use crate::promql::evaluate::{Element, Labels, Times};
use crate::source::page::{PageItem, Series};
use crate::source::prometheus::Sample;

/// A member of a page or result that describes an object and can be evaluated: a series, an item of a page, or a sample
/// that a server has computed.
pub(super) trait Member: Describes {
    /// Whether Metriclet evaluates the rule's expression, and the expression may have a value without series.
    const HAS_EXPRESSION: bool = false;

    fn evaluate(members: &[&Self], served: &ActiveRule, scraped: i64) -> Finding;
}

impl Member for Series {
    const HAS_EXPRESSION: bool = true;

    fn evaluate(members: &[&Self], served: &ActiveRule, scraped: i64) -> Finding {
        match &served.rule.value {
            Value::Series(expr) => evaluation::series(expr, members, scraped, served.template.is_some()),
            _ => match members.iter().find_map(|series| not_by_name(series.name(), series.kind())) {
                Some(kind) => Finding::Unusable(RefusalReason::NotAGauge(kind)),
                None => evaluation::gauges(members, scraped),
            },
        }
    }
}

impl Member for PageItem {
    fn evaluate(members: &[&Self], served: &ActiveRule, scraped: i64) -> Finding {
        let part = |part: usize, aggregation| {
            let ends = matches!(aggregation, Some(ValueAggregation::First | ValueAggregation::Last));
            let has_values = |item: &&&Self| item.of_part(part).next().is_some();
            // Pods have no order, so none of their values is the first or the last.
            if ends && served.joins_pages() && members.iter().filter(has_values).nth(1).is_some() {
                return Finding::Unusable(RefusalReason::Several);
            }
            let values: Vec<_> = members.iter().flat_map(|item| item.of_part(part)).collect();
            let is_empty = values.is_empty() && members.iter().any(|item| item.is_empty(part));
            evaluation::values(aggregation, &values, is_empty, scraped)
        };
        match &served.rule.value {
            Value::Json(expr) => evaluation::of_parts(expr, part),
            Value::Text(expr) => match part(0, expr.aggregation) {
                Finding::Nothing(MissingReason::NoSeries) => Finding::Nothing(MissingReason::NoMatch),
                finding => finding,
            },
            _ => part(0, None),
        }
    }
}

impl Member for Sample {
    fn evaluate(members: &[&Self], served: &ActiveRule, _: i64) -> Finding {
        // The server does not report the time span of the samples.
        let span = served.rule.value.range();
        let element = |sample: &&Self| Element {
            labels: Labels::default(),
            value: sample.value,
            times: Times { span, ..Times::of(sample.at) },
        };
        evaluation::one(&members.iter().map(element).collect::<Vec<_>>())
    }
}

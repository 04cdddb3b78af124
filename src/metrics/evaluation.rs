//! Evaluates the series or values of one object to one number.

use super::outcome::{Finding, Number};
use super::page_data::{self, PageData};
use super::reason::{MissingReason, RefusalReason};
use crate::config::model::Value;
use crate::parse::json::JsonExpr;
use crate::parse::value::ValueAggregation;
use crate::promql::evaluate::{Element, Labels, Times, aggregate_all, evaluate};
use crate::promql::{Aggregation, Expr, VectorSelector};
use crate::source::page::Series;

/// Evaluates an expression over the series of one object on a page. `may_have_unmatched`: some series may match no selector.
pub(super) fn series(expr: &Expr, series: &[&Series], scraped: i64, may_have_unmatched: bool) -> Finding {
    match evaluate(expr, &PageData::new(expr, series, scraped, may_have_unmatched), scraped) {
        Ok(elements) if elements.is_empty() && !series.is_empty() => Finding::Nothing(filtered(expr, series)),
        Ok(elements) => one(&elements),
        Err(error) => Finding::Unusable(RefusalReason::Evaluation(error)),
    }
}

/// The number to which an expression evaluates without series, as with `vector()` or `absent()`.
pub(super) fn of_nothing(value: &Value, scraped: i64) -> Option<Finding> {
    let Value::Series(expr) = value else { return None };
    Some(series(expr, &[], scraped, false)).filter(|finding| matches!(finding, Finding::Number(_)))
}

/// Why an expression returns nothing for some series.
pub(super) fn filtered(expr: &Expr, series: &[&Series]) -> MissingReason {
    let is_there = |selector: &VectorSelector| {
        series.iter().any(|series| selector.matches(series.name(), |label| series.label(label)))
    };
    MissingReason::left_nothing(expr, is_there, series.iter().any(|series| series.label("le").is_some()))
}

/// The value without an expression: there must be exactly one series.
pub(super) fn gauges(series: &[&Series], scraped: i64) -> Finding {
    one(&series.iter().map(|series| page_data::element(series, scraped)).collect::<Vec<_>>())
}

/// Evaluates the values that a JSONPath or a regular expression selects. `is_empty`: an existing container has no
/// values.
pub(super) fn values(
    aggregation: Option<ValueAggregation>,
    values: &[Result<f64, &'static str>],
    is_empty: bool,
    scraped: i64,
) -> Finding {
    let number = |value| Finding::Number(Number { value, at: scraped, newest: scraped, span: None });
    match aggregation {
        // Values of any type can be counted.
        Some(ValueAggregation::Count) if is_empty || !values.is_empty() => return number(values.len() as f64),
        Some(ValueAggregation::Sum) if is_empty => return number(0.0),
        _ if is_empty => return Finding::Nothing(MissingReason::EmptyContainer),
        _ => {}
    }
    if let Some(ends @ (ValueAggregation::First | ValueAggregation::Last)) = aggregation {
        let mut numbers = values.iter().flatten().copied();
        let end = if ends == ValueAggregation::First { numbers.next() } else { numbers.next_back() };
        return match (end, values.first()) {
            (Some(value), _) => number(value),
            (None, Some(Err(found))) => Finding::Unusable(RefusalReason::NotANumber(found)),
            (None, _) => Finding::Nothing(MissingReason::NoSeries),
        };
    }
    let mut elements = Vec::with_capacity(values.len());
    for value in values {
        match *value {
            Ok(value) => elements.push(Element { labels: Labels::default(), value, times: Times::of(scraped) }),
            Err(found) => return Finding::Unusable(RefusalReason::NotANumber(found)),
        }
    }
    let aggregation = aggregation.and_then(|aggregation| match aggregation {
        ValueAggregation::Sum => Some(Aggregation::Sum),
        ValueAggregation::Avg => Some(Aggregation::Avg),
        ValueAggregation::Min => Some(Aggregation::Min),
        ValueAggregation::Max => Some(Aggregation::Max),
        ValueAggregation::Count => Some(Aggregation::Count),
        ValueAggregation::First | ValueAggregation::Last => None,
    });
    match aggregation {
        Some(aggregation) => one(aggregate_all(aggregation, &elements).as_slice()),
        None => one(&elements),
    }
}

/// The value of an expression of JSONPaths. An error in one operand is an error of the whole expression, and takes
/// precedence over a missing operand.
pub(super) fn of_parts(expr: &JsonExpr, find: impl Fn(usize, Option<ValueAggregation>) -> Finding) -> Finding {
    let several = expr.parts().len() > 1;
    let (mut numbers, mut missing) = (Vec::with_capacity(expr.parts().len()), None);
    for (at, part) in expr.parts().iter().enumerate() {
        match find(at, part.aggregation) {
            Finding::Number(number) => numbers.push(number),
            Finding::Unusable(RefusalReason::NotANumber(found)) if several => {
                return Finding::Unusable(RefusalReason::PartNotANumber(part.to_string(), found));
            }
            Finding::Unusable(reason) => return Finding::Unusable(reason),
            Finding::Nothing(MissingReason::NoSeries) if several => {
                missing = missing.or_else(|| Some(MissingReason::NoPart(part.to_string())));
            }
            Finding::Nothing(reason) => missing = missing.or(Some(reason)),
        }
    }
    match (missing, numbers.first()) {
        (Some(reason), _) => Finding::Nothing(reason),
        (None, Some(first)) => {
            let values: Vec<f64> = numbers.iter().map(|number| number.value).collect();
            Finding::Number(Number { value: expr.value(&values), ..*first })
        }
        (None, None) => Finding::Nothing(MissingReason::NoSeries),
    }
}

/// The result for an object must be one number.
pub(super) fn one(elements: &[Element]) -> Finding {
    match elements {
        [] => Finding::Nothing(MissingReason::NoSeries),
        &[Element { value, times: Times { at, newest, span }, .. }] => {
            Finding::Number(Number { value, at, newest, span })
        }
        _ => Finding::Unusable(RefusalReason::Several),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    #[test]
    fn requires_one_number() {
        let number = |value| Finding::Number(Number { value, at: NOW, newest: NOW, span: None });
        for (aggregation, is_empty, finding) in [
            (Some(ValueAggregation::Count), true, number(0.0)),
            (Some(ValueAggregation::Sum), true, number(0.0)),
            (Some(ValueAggregation::Max), true, Finding::Nothing(MissingReason::EmptyContainer)),
            (None, true, Finding::Nothing(MissingReason::EmptyContainer)),
            (Some(ValueAggregation::Count), false, Finding::Nothing(MissingReason::NoSeries)),
        ] {
            assert_eq!(values(aggregation, &[], is_empty, NOW), finding);
        }
        for (aggregation, values, finding) in [
            (Some(ValueAggregation::Count), &[Err("null"), Ok(4.0)][..], number(2.0)),
            (None, &[], Finding::Nothing(MissingReason::NoSeries)),
            (None, &[Ok(4.0)], number(4.0)),
            (Some(ValueAggregation::First), &[Err("null"), Ok(4.0), Ok(5.0), Err("null")], number(4.0)),
            (Some(ValueAggregation::Last), &[Err("null"), Ok(4.0), Ok(5.0), Err("null")], number(5.0)),
            (Some(ValueAggregation::Last), &[], Finding::Nothing(MissingReason::NoSeries)),
            (
                Some(ValueAggregation::Last),
                &[Err("null"), Err("null")],
                Finding::Unusable(RefusalReason::NotANumber("null")),
            ),
            (None, &[Ok(4.0), Ok(4.0)], Finding::Unusable(RefusalReason::Several)),
            (Some(ValueAggregation::Sum), &[Ok(4.0), Ok(4.0)], number(8.0)),
            (Some(ValueAggregation::Sum), &[], Finding::Nothing(MissingReason::NoSeries)),
            (
                Some(ValueAggregation::Sum),
                &[Ok(4.0), Err("null")],
                Finding::Unusable(RefusalReason::NotANumber("null")),
            ),
        ] {
            assert_eq!(super::values(aggregation, values, false, NOW), finding);
        }
    }
}

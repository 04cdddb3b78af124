//! Aggregations of elements into one value, one value for each group, or some elements of each group.

use super::arithmetic::fold;
use super::{Element, EvalError, LabelIndex, Labels, Times};
use crate::parse::sort::sort_by;
use crate::promql::{Aggregation, Grouping};

/// Aggregates each group; groups are in the order of their first elements.
pub(super) fn grouped(
    aggregation: Aggregation,
    parameter: f64,
    grouping: &Grouping,
    elements: Vec<Element>,
) -> Result<Vec<Element>, EvalError> {
    let mut groups: Vec<(Labels, Vec<Element>)> = Vec::new();
    if *grouping == Grouping::ALL {
        groups.push((Labels::default(), elements));
    } else {
        let mut places = LabelIndex::default();
        for element in elements {
            let labels = element.labels.grouped(grouping);
            let (place, is_new) = places.insert(labels.clone());
            if is_new {
                groups.push((labels, Vec::new()));
            }
            if let Some((_, members)) = groups.get_mut(place) {
                members.push(element);
            }
        }
    }
    match aggregation {
        Aggregation::Topk | Aggregation::Bottomk => {
            let count = count(parameter)?;
            let most = |(_, members)| first(members, count, aggregation == Aggregation::Topk);
            Ok(groups.into_iter().flat_map(most).collect())
        }
        _ => {
            let made = |(labels, members): (_, Vec<Element>)| one(aggregation, parameter, labels, &members);
            Ok(groups.into_iter().filter_map(made).collect())
        }
    }
}

/// Aggregates as Prometheus does: no elements give no result, sums with NaN are NaN, and NaN is the last choice of
/// `min` and `max`.
pub(super) fn one(aggregation: Aggregation, parameter: f64, labels: Labels, members: &[Element]) -> Option<Element> {
    let times = members.iter().map(|member| member.times).reduce(Times::and)?;
    let values: Vec<f64> = members.iter().map(|member| member.value).collect();
    Some(Element { labels, value: fold(aggregation, parameter, &values), times })
}

/// Converts a number to a count of elements.
fn count(number: f64) -> Result<usize, EvalError> {
    match number {
        _ if number < 1.0 => Ok(0),
        _ if number < i64::MAX as f64 => Ok(number as usize),
        _ => Err(EvalError::NotACount),
    }
}

/// The `count` largest or smallest elements, NaN last. Equal elements are ordered by their labels, so that the order on
/// the page does not matter.
fn first(mut members: Vec<Element>, count: usize, largest: bool) -> Vec<Element> {
    sort_by(&mut members, |a, b| {
        let order = a.value.is_nan().cmp(&b.value.is_nan());
        let (a_value, b_value) = if largest { (b.value, a.value) } else { (a.value, b.value) };
        order.then(a_value.total_cmp(&b_value)).then_with(|| a.labels.cmp(&b.labels))
    });
    members.truncate(count);
    members
}

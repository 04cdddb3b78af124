//! Aggregations: many elements to one, or to one for each group.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::arithmetic::{largest, mean, smallest, sum};
use super::{Element, Labels, Times};
use crate::promql::{Aggregation, Grouping, NAME_LABEL};

/// Aggregates each group; groups come in the order of their first elements.
pub(super) fn grouped(aggregation: Aggregation, grouping: &Grouping, elements: &[Element]) -> Vec<Element> {
    let label = |element: &Element| match grouping {
        Grouping::By(names) => element.labels.only(names),
        Grouping::Without(names) => element.labels.without(&[names.as_slice(), &[NAME_LABEL.to_owned()]].concat()),
    };
    if *grouping == Grouping::ALL {
        return all(aggregation, elements).into_iter().collect();
    }
    let mut groups: Vec<(Labels, Vec<&Element>)> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    for element in elements {
        let labels = label(element);
        let place = match places.entry(labels) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(entry) => {
                groups.push((entry.key().clone(), Vec::new()));
                *entry.insert(groups.len() - 1)
            }
        };
        if let Some((_, members)) = groups.get_mut(place) {
            members.push(element);
        }
    }
    let made = |(labels, members): (Labels, Vec<&Element>)| one(aggregation, labels, &members);
    groups.into_iter().filter_map(made).collect()
}

/// Aggregates everything.
pub(super) fn all(aggregation: Aggregation, elements: &[Element]) -> Option<Element> {
    one(aggregation, Labels::default(), &elements.iter().collect::<Vec<_>>())
}

/// Aggregates as Prometheus does: nothing of nothing, NaN through sums, NaN last among minima and maxima.
fn one(aggregation: Aggregation, labels: Labels, members: &[&Element]) -> Option<Element> {
    let times = members.iter().map(|member| member.times).reduce(Times::and)?;
    let values = members.iter().map(|member| member.value);
    let value = match aggregation {
        Aggregation::Count => members.len() as f64,
        Aggregation::Sum => sum(values),
        Aggregation::Avg => mean(values),
        Aggregation::Min => smallest(values),
        Aggregation::Max => largest(values),
    };
    Some(Element { labels, value, times })
}

//! `ageFrom`: sets the times of series without timestamps from another series that contains the time at which they were
//! pushed.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Series;
use crate::parse::sort::sort;
use crate::promql::VectorSelector;

/// The labels of a series, by their names.
type LabelValues = Vec<String>;

/// Uses the series that `age` selects as times of the series whose labels include theirs, unless they are also selected
/// for their values. A series without such a time is treated as infinitely old.
pub(super) fn apply(all: &mut Vec<Series>, found: &[u32], age: &VectorSelector, values: &[VectorSelector]) -> Vec<u32> {
    let picks =
        |selector: &VectorSelector, series: &Series| selector.matches(series.name(), |label| series.label(label));
    let series = |at: &u32| all.get(*at as usize);
    // Grouped by label names, of which there are few sets, then by label values.
    let mut times: Vec<(Vec<String>, HashMap<LabelValues, i64>)> = Vec::new();
    for of in found.iter().filter_map(series).filter(|series| picks(age, series)) {
        let mut labels: Vec<(String, String)> =
            of.labels().iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        sort(&mut labels);
        let (names, label_values): (Vec<String>, LabelValues) = labels.into_iter().unzip();
        let millis = of.value() * 1_000.0;
        let time = if millis.is_finite() { millis as i64 } else { 0 };
        let known = times.iter().position(|(known, _)| *known == names);
        let place = known.unwrap_or(times.len());
        if known.is_none() && times.len() < SETS {
            times.push((names, HashMap::new()));
        }
        if let Some((_, times)) = times.get_mut(place) {
            times.insert(label_values, time);
        }
    }
    let time = |series: &Series| {
        let of_set = |(names, times): &(Vec<String>, HashMap<LabelValues, i64>)| {
            let own: Option<LabelValues> = names.iter().map(|name| series.label(name).map(Cow::into_owned)).collect();
            times.get(&own?).copied()
        };
        times.iter().filter_map(of_set).min().unwrap_or(0)
    };
    let aged: Vec<Series> = found
        .iter()
        .filter_map(series)
        .filter(|series| values.iter().any(|selector| picks(selector, series)))
        .map(|series| Series { timestamp: Some(time(series)), ..series.clone() })
        .collect();
    let start = all.len() as u32;
    all.extend(aged);
    (start..all.len() as u32).collect()
}

/// The maximum number of sets of label names of time series. A Pushgateway has one for each kind of grouping key.
const SETS: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::{Found, Page, PageBody, Query, WantedValues};
    use super::*;
    use crate::config::limits::Limits;
    use crate::config::model::Format;

    #[test]
    fn uses_the_timestamps_of_the_group() {
        let page = "rows{job=\"a\",instance=\"1\",x=\"y\"} 3\nrows{job=\"a\",instance=\"2\"} 4\nrows{job=\"b\"} 5\nrows{job=\"c\"} 6\n\
                    rows{x=\"y\"} 7 9\npushed{job=\"a\",instance=\"1\"} 10.5\npushed{job=\"a\",instance=\"2\"} 20\n\
                    pushed{job=\"b\"} NaN\n";
        let selectors = vec![VectorSelector::named("rows")];
        let query = Query::Series { selectors, or_number: false, age: Some(VectorSelector::named("pushed")) };
        let wants = [
            WantedValues { id: 0, query },
            WantedValues {
                id: 1,
                query: Query::Series { selectors: vec![VectorSelector::named("rows")], or_number: false, age: None },
            },
        ];
        let mut body = PageBody { reader: &mut page.as_bytes(), delimited: true, max_bytes: None, known: None };
        let page = Page::read(&mut body, Some(Format::Prometheus), &wants, 0, &Limits::default()).unwrap();
        let times = |id| match page.found(id) {
            Some(Found::Series(found)) => page.series(found).map(|of| (of.value(), of.timestamp())).collect(),
            _ => Vec::new(),
        };
        assert_eq!(
            times(0),
            [(3.0, Some(10_500)), (4.0, Some(20_000)), (5.0, Some(0)), (6.0, Some(0)), (7.0, Some(0))]
        );
        assert_eq!(times(1), [(3.0, None), (4.0, None), (5.0, None), (6.0, None), (7.0, Some(9))]);
    }
}

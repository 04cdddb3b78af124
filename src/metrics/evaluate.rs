//! Evaluation: the series or JSON values of one object, and an expression, to one number or the reason why not.

use super::outcome::{Fault, Finding, Number};
use crate::parse::expression::{Aggregation, Expr};
use crate::source::page::Series;

/// One value with its time in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Any number.
    pub value: f64,
    /// Of the oldest sample in it, or of the scrape where the sample carries none.
    pub at: i64,
    /// Of the newest.
    pub newest: i64,
}

/// Evaluates an expression over the series of one object, which the selectors in it have picked already.
pub fn series(expr: &Expr, series: &[&Series], scraped: i64) -> Finding {
    one(&vector(expr, series, scraped))
}

/// Evaluates the values that a JSONPath leads to.
pub fn json(aggregation: Option<Aggregation>, values: &[Result<f64, &'static str>], scraped: i64) -> Finding {
    let mut points = Vec::with_capacity(values.len());
    for value in values {
        match *value {
            Ok(value) => points.push(Point::new(value, scraped)),
            Err(found) => return Finding::Unusable(Fault::NotANumber(found)),
        }
    }
    match aggregation {
        Some(aggregation) => one(aggregate(aggregation, &points).as_slice()),
        None => one(&points),
    }
}

/// The result for an object must be one number.
pub fn one(points: &[Point]) -> Finding {
    match points {
        [] => Finding::Nothing(super::outcome::Absence::NoSeries),
        &[Point { value, at, newest }] => Finding::Number(Number { value, at, newest }),
        _ => Finding::Unusable(Fault::Several),
    }
}

fn vector(expr: &Expr, series: &[&Series], scraped: i64) -> Vec<Point> {
    match expr {
        Expr::Selector(_) => series.iter().map(|series| point(series, scraped)).collect(),
        Expr::Aggregate(aggregation, inner) => {
            aggregate(*aggregation, &vector(inner, series, scraped)).into_iter().collect()
        }
    }
}

/// The value of one series.
pub fn point(series: &Series, scraped: i64) -> Point {
    Point::new(series.value(), series.timestamp().unwrap_or(scraped))
}

impl Point {
    fn new(value: f64, at: i64) -> Self {
        Self { value, at, newest: at }
    }
}

/// Aggregates as Prometheus does: nothing of nothing, NaN through sums, NaN last among minima and maxima. The time is
/// that of the oldest sample, as the whole is no fresher than its parts.
fn aggregate(aggregation: Aggregation, points: &[Point]) -> Option<Point> {
    let at = points.iter().map(|point| point.at).min()?;
    let newest = points.iter().map(|point| point.newest).max()?;
    let values = || points.iter().map(|point| point.value);
    let count = points.len() as f64;
    let value = match aggregation {
        Aggregation::Count => count,
        Aggregation::Sum => sum(values()),
        Aggregation::Avg => match sum(values()) / count {
            // The sum of large numbers may leave the range of doubles though their mean does not.
            mean if mean.is_infinite() => sum(values().map(|value| value / count)),
            mean => mean,
        },
        Aggregation::Min => values().fold(f64::NAN, |a, b| if b < a || a.is_nan() { b } else { a }),
        Aggregation::Max => values().fold(f64::NAN, |a, b| if b > a || a.is_nan() { b } else { a }),
    };
    Some(Point { value, at, newest })
}

/// Neumaier's compensated sum, as in Prometheus, so that the order of series on a page does not show.
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        lost += if next.is_infinite() {
            0.0
        } else if sum.abs() >= value.abs() {
            (sum - next) + value
        } else {
            (value - next) + sum
        };
        sum = next;
    }
    if sum.is_infinite() { sum } else { sum + lost }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::outcome::Absence;

    const SCRAPED: i64 = 1_000;

    fn of(aggregation: Aggregation, values: &[f64]) -> Option<f64> {
        let points: Vec<Point> = values.iter().map(|&value| Point::new(value, SCRAPED)).collect();
        aggregate(aggregation, &points).map(|point| point.value)
    }

    #[test]
    fn aggregates_as_prometheus_does() {
        use Aggregation::{Avg, Count, Max, Min, Sum};
        const NAN: f64 = f64::NAN;
        const INF: f64 = f64::INFINITY;
        for (aggregation, values, result) in [
            (Sum, &[][..], None),
            (Count, &[], None),
            (Sum, &[1.0, 2.5], Some(3.5)),
            (Sum, &[1e100, 1.0, -1e100], Some(1.0)),
            (Sum, &[INF, 1.0], Some(INF)),
            (Avg, &[1.0, 2.0], Some(1.5)),
            (Avg, &[f64::MAX, f64::MAX], Some(f64::MAX)),
            (Min, &[3.0, NAN, 2.0], Some(2.0)),
            (Max, &[NAN, 3.0, 2.0], Some(3.0)),
            (Count, &[NAN, 1.0], Some(2.0)),
        ] {
            assert_eq!(of(aggregation, values), result, "{aggregation:?} {values:?}");
        }
        for (aggregation, values) in
            [(Sum, &[1.0, NAN][..]), (Sum, &[INF, -INF]), (Avg, &[NAN]), (Min, &[NAN, NAN]), (Max, &[NAN])]
        {
            assert!(of(aggregation, values).unwrap().is_nan(), "{aggregation:?} {values:?}");
        }
    }

    #[test]
    fn takes_the_time_of_the_oldest() {
        let points = [Point::new(1.0, 20), Point::new(2.0, 10)];
        let sum = Point { value: 3.0, at: 10, newest: 20 };
        assert_eq!(aggregate(Aggregation::Sum, &points), Some(sum));
        assert_eq!(aggregate(Aggregation::Max, &[sum]), Some(sum));
    }

    #[test]
    fn demands_one_number() {
        let number = |value| Finding::Number(Number { value, at: SCRAPED, newest: SCRAPED });
        for (aggregation, values, finding) in [
            (None, &[][..], Finding::Nothing(Absence::NoSeries)),
            (None, &[Ok(4.0)], number(4.0)),
            (None, &[Ok(4.0), Ok(4.0)], Finding::Unusable(Fault::Several)),
            (Some(Aggregation::Sum), &[Ok(4.0), Ok(4.0)], number(8.0)),
            (Some(Aggregation::Sum), &[], Finding::Nothing(Absence::NoSeries)),
            (Some(Aggregation::Sum), &[Ok(4.0), Err("null")], Finding::Unusable(Fault::NotANumber("null"))),
        ] {
            assert_eq!(json(aggregation, values, SCRAPED), finding);
        }
    }
}

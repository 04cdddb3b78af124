//! Functions: of the samples in a range, and of one sample of each series.

use std::time::Duration;

use super::arithmetic::{max, min};
use super::{Data, Element, EvalError, Evaluation, Series, Times, distinct, histogram, map, window};
use crate::parse::duration::millis;
use crate::promql::{Expr, Function, NAME_LABEL, VectorSelector};

impl<D: Data> Evaluation<'_, D> {
    pub(super) fn call(&mut self, function: Function, arguments: &[Expr]) -> Result<Vec<Element>, EvalError> {
        use Function::{Abs, Ceil, Clamp, ClampMax, ClampMin, Floor, HistogramQuantile, Round};
        match (function, arguments) {
            (HistogramQuantile, [quantile, buckets]) => {
                let quantile = self.scalar(quantile)?;
                histogram::quantile(quantile, self.vector(buckets)?)
            }
            (Abs, [of]) => map(self.vector(of)?, f64::abs),
            (Ceil, [of]) => map(self.vector(of)?, f64::ceil),
            (Floor, [of]) => map(self.vector(of)?, f64::floor),
            (Round, [of]) => map(self.vector(of)?, |value| round(value, 1.0)),
            (Round, [of, to]) => {
                let (of, to) = (self.vector(of)?, self.scalar(to)?);
                map(of, |value| round(value, to))
            }
            (Clamp, [of, least, most]) => {
                let (of, least, most) = (self.vector(of)?, self.scalar(least)?, self.scalar(most)?);
                if most < least {
                    return Ok(Vec::new());
                }
                map(of, |value| max(least, min(most, value)))
            }
            (ClampMin, [of, least]) => {
                let (of, least) = (self.vector(of)?, self.scalar(least)?);
                map(of, |value| max(least, value))
            }
            (ClampMax, [of, most]) => {
                let (of, most) = (self.vector(of)?, self.scalar(most)?);
                map(of, |value| min(most, value))
            }
            (_, [Expr::Selector(VectorSelector { range: Some(range), .. })]) => {
                let number = self.number();
                over(function, self.data.range(number), *range, self.now)
            }
            _ => Err(EvalError::IllTyped),
        }
    }
}

/// A function of each series' samples in the range. Only the last sample is still the metric itself and keeps its name.
fn over(function: Function, series: Vec<Series>, range: Duration, now: i64) -> Result<Vec<Element>, EvalError> {
    let range = millis(range);
    let named = function == Function::LastOverTime;
    let element = |series: Series| {
        let (value, span) = window::value(function, &series.samples, range, now)?;
        let labels = if named { series.labels } else { series.labels.without(&[NAME_LABEL]) };
        let times = Times { span: Some(span.length()), ..Times::of(span.last) };
        Some(Element { labels, value, times })
    };
    distinct(series.into_iter().filter_map(element).collect())
}

/// To the nearest multiple, halves upwards. By its reciprocal, as Prometheus does it: tenths have fewer digits
/// inverted.
fn round(value: f64, to: f64) -> f64 {
    let inverse = 1.0 / to;
    (value * inverse + 0.5).floor() / inverse
}

//! Functions of the samples in a range, of one sample of each series, and of numbers.

use super::arithmetic::{max, min};
use super::{Element, EvalError, Evaluation, Labels, Times, Value, age, distinct, histogram, map, window};
use crate::parse::duration::millis;
use crate::promql::{Expr, Function, MatchOp, NAME_LABEL, Type, VectorSelector, Window};

impl Evaluation<'_> {
    pub(super) fn call(&mut self, function: Function, arguments: &[Expr]) -> Result<Value, EvalError> {
        let is_unlabelled = std::mem::take(&mut self.is_unlabelled);
        let (mut numbers, mut times) = (Vec::new(), None);
        let (mut elements, mut samples) = (Vec::new(), None);
        for (argument, parameter) in arguments.iter().zip(function.parameters().0) {
            match parameter {
                Type::Scalar => {
                    let (number, of) = self.scalar(argument)?;
                    numbers.push(number);
                    times = Times::both(times, of);
                }
                Type::Vector => elements = self.vector(argument)?,
                Type::Range => samples = Some(self.range(argument)?),
            }
        }
        // Only the second argument of round() can be omitted.
        let number = |index: usize| numbers.get(index).copied().unwrap_or(1.0);
        let mut elements = match function {
            Function::Time => return Ok(Value::Scalar(self.data.unix(self.now) as f64 / 1000.0, None)),
            Function::Scalar => {
                return Ok(match elements.as_slice() {
                    [only] => Value::Scalar(only.value, Some(only.times)),
                    all => Value::Scalar(f64::NAN, all.iter().map(|element| element.times).reduce(Times::and)),
                });
            }
            Function::Vector => {
                let times = times.unwrap_or(Times::of(self.data.seen(self.now)));
                vec![Element { labels: Labels::default(), value: number(0), times }]
            }
            Function::Absent if elements.is_empty() => {
                vec![Element { labels: absent(arguments), value: 1.0, times: Times::of(self.data.seen(self.now)) }]
            }
            Function::Absent => Vec::new(),
            Function::HistogramQuantile => histogram::quantile(number(0), elements)?,
            Function::Clamp if number(1) < number(0) => Vec::new(),
            Function::Abs
            | Function::Ceil
            | Function::Floor
            | Function::Round
            | Function::Clamp
            | Function::ClampMin
            | Function::ClampMax => {
                let change = |value: f64| match function {
                    Function::Abs => value.abs(),
                    Function::Ceil => value.ceil(),
                    Function::Floor => value.floor(),
                    Function::Round => round(value, number(0)),
                    Function::Clamp => max(number(0), min(number(1), value)),
                    Function::ClampMin => max(number(0), value),
                    _ => min(number(0), value),
                };
                map(elements, &change)?
            }
            _ => {
                let range = samples.ok_or(EvalError::IllTyped)?;
                self.over(function, number(0), range, is_unlabelled)?
            }
        };
        age(&mut elements, times);
        Ok(Value::Vector(elements))
    }

    /// Applies a function to the samples of each series in the range. Only `last_over_time` keeps the metric's name.
    fn over(
        &self,
        function: Function,
        parameter: f64,
        (selector, of, window): (usize, &VectorSelector, Window),
        is_unlabelled: bool,
    ) -> Result<Vec<Element>, EvalError> {
        let (range, offset) = (millis(window.range), millis(window.offset));
        let named = function == Function::LastOverTime;
        // Series of one metric differ without its name, too.
        let is_distinct = named || of.name.is_some();
        let is_unlabelled = is_unlabelled && is_distinct;
        let mut elements = Vec::new();
        self.data.range(selector, &mut |labels, samples| {
            let value = window::value(function, parameter, samples, range, self.now.saturating_sub(offset));
            let Some((value, span)) = value else { return };
            let labels = match (is_unlabelled, named) {
                (true, _) => Labels::default(),
                (false, true) => labels.clone(),
                (false, false) => labels.without(&[NAME_LABEL]),
            };
            let times = Times { span: Some(span.length()), ..Times::of(span.last.saturating_add(offset)) };
            elements.push(Element { labels, value, times });
        });
        if is_distinct { Ok(elements) } else { distinct(elements) }
    }
}

/// Rounds to the nearest multiple, halves upwards. Like Prometheus, it divides by the reciprocal, because the
/// reciprocal of a value such as 0.1 needs fewer digits.
fn round(value: f64, to: f64) -> f64 {
    let inverse = 1.0 / to;
    (value * inverse + 0.5).floor() / inverse
}

/// The labels of the result of `absent`: those with exactly one matcher, an equality.
fn absent(arguments: &[Expr]) -> Labels {
    let [Expr::Selector(selector)] = arguments else { return Labels::default() };
    let matchers = selector.matchers.iter().filter(|matcher| matcher.label() != NAME_LABEL);
    let mut known = Labels::default();
    let mut seen = Vec::new();
    for matcher in matchers {
        let first = matcher.op() == MatchOp::Equal && !seen.contains(&matcher.label());
        if first {
            seen.push(matcher.label());
        }
        known = known.with(matcher.label(), if first { matcher.value() } else { "" });
    }
    known
}

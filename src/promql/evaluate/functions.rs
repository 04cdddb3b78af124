//! Functions of the samples in a range, of one sample of each series, and of numbers.

use super::arithmetic::{fold, max, min};
use super::window::Span;
use super::{Element, EvalError, Evaluation, Labels, Times, Value, age, distinct, histogram, map, window};
use crate::parse::duration::millis;
use crate::promql::{Aggregation, Expr, Function, MatchOp, NAME_LABEL, Type, VectorSelector, Window};

/// The arguments of a call.
struct Arguments<'e> {
    numbers: Vec<f64>,
    /// The times of the samples that the numbers were computed from, if any.
    times: Option<Times>,
    elements: Vec<Element>,
    range: Option<Range<'e>>,
}

/// The samples of a selector in its window.
#[derive(Clone, Copy)]
struct Range<'e> {
    /// The number of the selector.
    selector: usize,
    of: &'e VectorSelector,
    window: Window,
}

/// Whether a call has one value for each series in a range, and the results have distinct labels: series of one metric
/// have distinct labels even without its name.
pub(super) fn has_distinct_values(function: Function, arguments: &[Expr]) -> bool {
    match arguments.last() {
        Some(Expr::Selector(of)) => of.range.is_some() && (function == Function::LastOverTime || of.name.is_some()),
        _ => false,
    }
}

impl Evaluation<'_> {
    pub(super) fn call(&mut self, function: Function, arguments: &[Expr]) -> Result<Value, EvalError> {
        let Arguments { numbers, times, elements, range } = self.arguments(function, arguments)?;
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
            _ => self.over(function, number(0), range.ok_or(EvalError::IllTyped)?)?,
        };
        age(&mut elements, times);
        Ok(Value::Vector(elements))
    }

    /// Aggregates the values of a call with [distinct values](has_distinct_values), whose labels do not matter.
    pub(super) fn folded(
        &mut self,
        aggregation: Aggregation,
        parameter: f64,
        function: Function,
        arguments: &[Expr],
    ) -> Result<Vec<Element>, EvalError> {
        let Arguments { numbers, times: of_numbers, range, .. } = self.arguments(function, arguments)?;
        let (mut values, mut times) = (Vec::with_capacity(FEW), of_numbers);
        let range = range.ok_or(EvalError::IllTyped)?;
        match self.data.block(range.selector).filter(|_| window::Growth::of(function).is_some()) {
            Some(block) => {
                let (millis, offset, end) = range.bounds(self.now);
                let span = window::of_block(function, block, millis, end, &mut values);
                times = Times::both(times, span.map(|span| span.times(offset)));
            }
            None => self.each(function, numbers.first().copied().unwrap_or(1.0), range, &mut |_, value, of| {
                values.push(value);
                times = Times::both(times, Some(of));
            }),
        }
        let folded = |times| Element { labels: Labels::default(), value: fold(aggregation, parameter, &values), times };
        Ok(times.filter(|_| !values.is_empty()).map(folded).into_iter().collect())
    }

    fn arguments<'e>(&mut self, function: Function, arguments: &'e [Expr]) -> Result<Arguments<'e>, EvalError> {
        let mut all = Arguments { numbers: Vec::new(), times: None, elements: Vec::new(), range: None };
        for (argument, parameter) in arguments.iter().zip(function.parameters().0) {
            match parameter {
                Type::Scalar => {
                    let (number, of) = self.scalar(argument)?;
                    all.numbers.push(number);
                    all.times = Times::both(all.times, of);
                }
                Type::Vector => all.elements = self.vector(argument)?,
                Type::Range => {
                    let (selector, of, window) = self.range(argument)?;
                    all.range = Some(Range { selector, of, window });
                }
            }
        }
        Ok(all)
    }

    /// Applies a function to the samples of each series in the range. Only `last_over_time` keeps the metric's name.
    fn over(&self, function: Function, parameter: f64, range: Range<'_>) -> Result<Vec<Element>, EvalError> {
        let keeps_name = function == Function::LastOverTime;
        let mut elements = Vec::new();
        self.each(function, parameter, range, &mut |labels, value, times| {
            let labels = if keeps_name { labels.clone() } else { labels.without(&[NAME_LABEL]) };
            elements.push(Element { labels, value, times });
        });
        // Series of one metric have distinct labels even without its name.
        if keeps_name || range.of.name.is_some() { Ok(elements) } else { distinct(elements) }
    }

    /// The labels, the value and the times of each series in the range that has a value.
    fn each(&self, function: Function, parameter: f64, range: Range<'_>, each: &mut dyn FnMut(&Labels, f64, Times)) {
        let (millis, offset, end) = range.bounds(self.now);
        self.data.range(range.selector, &mut |labels, samples| {
            if let Some((value, span)) = window::value(function, parameter, samples, millis, end) {
                each(labels, value, span.times(offset));
            }
        });
    }
}

impl Range<'_> {
    /// The length, offset and end of the range at the time `now`, in milliseconds.
    fn bounds(&self, now: i64) -> (i64, i64, i64) {
        let (range, offset) = (millis(self.window.range), millis(self.window.offset));
        (range, offset, now.saturating_sub(offset))
    }
}

impl Span {
    /// The times of the span's samples; an offset does not make them older.
    fn times(self, offset: i64) -> Times {
        Times { span: Some(self.length()), ..Times::of(self.last.saturating_add(offset)) }
    }
}

/// Most objects have at most this number of series of a metric.
const FEW: usize = 32;

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

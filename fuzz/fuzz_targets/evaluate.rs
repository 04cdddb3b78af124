//! Evaluation of any expression over any samples: a result or an error, no larger than what its selectors and numbers
//! allow, and the same for the expression's printed text.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use metriclet::internals::promql::evaluate::{
    self, Data, EachSeries, Element, EvalError, Labels, Sample, Series, Times,
};
use metriclet::internals::promql::{Expr, Limits, NAME_LABEL};

const LIMITS: Limits = Limits { bytes: 512, depth: 8, nodes: 40, regex: 16 * 1024 };
const NOW: i64 = 1_000_000;

struct Seen<'a> {
    expr: &'a Expr,
    series: &'a [Series],
}

impl Seen<'_> {
    fn picked(&self, selector: usize) -> impl Iterator<Item = &Series> {
        let selector = self.expr.selectors().nth(selector).unwrap();
        self.series.iter().filter(|Series { labels, .. }| {
            selector.matches(labels.get(NAME_LABEL).unwrap(), |label| labels.get(label).map(Into::into))
        })
    }
}

impl Data for Seen<'_> {
    fn instant(&self, selector: usize, at: i64) -> Vec<Element> {
        let latest = |series: &Series| {
            let sample = series.samples.iter().rev().find(|sample| sample.at <= at)?;
            Some(Element { labels: series.labels.clone(), value: sample.value, times: Times::of(sample.at) })
        };
        self.picked(selector).filter_map(latest).collect()
    }

    fn range(&self, selector: usize, each: EachSeries<'_>) {
        self.picked(selector).for_each(|series| each(&series.labels, &series.samples));
    }
}

/// Eleven bytes per sample: its series, its time, its value.
fn series(bytes: &[u8]) -> Vec<Series> {
    let mut all: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    for chunk in bytes.chunks_exact(11) {
        let (of, at) = (usize::from(chunk[0]), i64::from(i16::from_be_bytes([chunk[1], chunk[2]])));
        // The smallest number stands for a time in the distant past.
        let at = if at == i64::from(i16::MIN) { i64::MIN } else { NOW + at * 50 };
        let labels = [
            (NAME_LABEL, ["a", "b", "h_bucket"][of % 3]),
            ("pod", ["", "x", "y"][of / 3 % 3]),
            ("le", ["", "0.5", "1", "+Inf", "1.0", "-1", "NaN"][of / 9 % 7]),
        ];
        let value = f64::from_be_bytes(chunk[3..].try_into().unwrap());
        all.entry(Labels::new(labels)).or_default().push(Sample { at, value });
    }
    let sorted = |(labels, mut samples): (Labels, Vec<Sample>)| {
        samples.sort_by_key(|sample| sample.at);
        Series { labels, samples }
    };
    all.into_iter().map(sorted).collect()
}

fn run(expr: &Expr, series: &[Series]) -> Result<Vec<Element>, EvalError> {
    evaluate::evaluate(expr, &Seen { expr, series }, NOW)
}

fuzz_target!(|input: &[u8]| {
    let split = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (text, samples) = input.split_at(split);
    let Ok(text) = str::from_utf8(text) else { return };
    let Ok(expr) = Expr::parse(text, &LIMITS) else { return };
    let series = series(samples.get(1..).unwrap_or_default());
    let result = run(&expr, &series);
    assert_ne!(result, Err(EvalError::IllTyped), "{text}");
    let printed = Expr::parse(&expr.to_string(), &Limits { bytes: 8 * LIMITS.bytes, ..LIMITS }).unwrap();
    // NaN equals itself only as text.
    assert_eq!(format!("{result:?}"), format!("{:?}", run(&printed, &series)), "{text}");
    let Ok(elements) = result else { return };
    // A function without series returns at most one element.
    assert!(elements.len() <= expr.selectors().count() * series.len() + LIMITS.nodes, "{text}");
    let mut labels: Vec<_> = elements.iter().map(|element| &element.labels).collect();
    labels.sort();
    labels.dedup();
    assert_eq!(labels.len(), elements.len(), "{text}");
    for Times { at, newest, span } in elements.iter().map(|element| element.times) {
        assert!(at <= newest && span.is_none_or(|span| span >= 0), "{text}");
    }
});

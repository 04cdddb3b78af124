//! Expressions have the same results as in Prometheus, for the same series and times.
//!
//! Needs Prometheus and its promtool, of Debian 12 (2.42) or later; METRICLET_PROMETHEUS names another than that in
//! PATH.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "promql/expressions.rs"]
mod expressions;
#[path = "promql/pages.rs"]
mod pages;
#[allow(dead_code, reason = "another test uses the rest")]
#[path = "promql/prometheus.rs"]
mod prometheus;
#[path = "promql/versions.rs"]
mod versions;

use metriclet::internals::config::limits::ExpressionLimits;
use metriclet::internals::promql::evaluate::{self, Data, EachSeries, Element, Labels, Series, Times};
use metriclet::internals::promql::{self, Expr};
use pages::Random;
use prometheus::{Answer, Prometheus};

/// Prometheus' lookback: for how long the last sample of a series is its current value.
const LOOKBACK: i64 = 5 * 60 * 1000;

/// The tolerance between two computations of the same number.
const TOLERANCE: f64 = 1e-9;

/// The number of generated expressions, in addition to the listed ones.
const GENERATED: usize = 1_500;

/// All series at a time, as data for an expression.
struct Seen<'a> {
    expr: &'a Expr,
    series: &'a [Series],
}

impl Seen<'_> {
    fn picked(&self, selector: usize) -> impl Iterator<Item = &Series> {
        let selector = self.expr.selectors().nth(selector).unwrap();
        self.series.iter().filter(move |series| versions::picks(selector, series))
    }
}

impl Data for Seen<'_> {
    fn instant(&self, selector: usize, at: i64) -> Vec<Element> {
        let latest = |series: &Series| {
            let sample = series.samples.iter().rev().find(|sample| sample.at <= at)?;
            let fresh = sample.at > at - LOOKBACK;
            let (labels, times) = (series.labels.clone(), Times::of(sample.at));
            fresh.then_some(Element { labels, value: sample.value, times })
        };
        self.picked(selector).filter_map(latest).collect()
    }

    fn range(&self, selector: usize, each: EachSeries<'_>) {
        self.picked(selector).for_each(|series| each(&series.labels, &series.samples));
    }
}

#[test]
fn evaluates_like_prometheus() {
    if let Some(lacking) = prometheus::lacking() {
        assert!(std::env::var_os("CI").is_none(), "this machine lacks {lacking}");
        println!("skipped: this machine lacks {lacking}");
        return;
    }
    let series = pages::series();
    let prometheus = Prometheus::start(&series);
    let mut random = Random::new(7);
    let mut texts = expressions::written();
    let written = texts.len();
    assert!(written >= 150, "only {written} expressions are listed");
    texts.extend((0..GENERATED).map(|_| expressions::generated(&mut random)));
    let (mut numbers, mut empty, mut errors, mut passed_over, mut wrong) = (0, 0, 0, 0, Vec::new());
    for text in &texts {
        let expr = parse(text);
        for now in pages::TIMES {
            let theirs = prometheus.ask(text, now);
            let ours = evaluate::evaluate(&expr, &Seen { expr: &expr, series: &series }, now);
            let ours = ours.map(|elements| elements.into_iter().map(|it| (it.labels, it.value)).collect());
            match &theirs {
                Ok(elements) if elements.is_empty() => empty += 1,
                Ok(elements) => numbers += elements.len(),
                Err(_) => errors += 1,
            }
            let printed = prometheus.ask(&expr.to_string(), now);
            if let Err(difference) = compare(&theirs, &printed) {
                wrong.push(format!("{text}\n  printed as {expr}\n  at {now}: {difference}"));
            }
            if prometheus.major < 3 && versions::differ(&expr, &series, now) {
                passed_over += 1;
            } else if let Err(difference) = compare(&theirs, &ours.map_err(|error| error.to_string())) {
                wrong.push(format!("{text}\n  at {now}: {difference}"));
            }
        }
    }
    let differ = wrong.len();
    wrong.truncate(20);
    assert!(differ == 0, "{differ} results differ from Prometheus:\n{}", wrong.join("\n"));
    let asked = texts.len() * pages::TIMES.len();
    let told = format!(
        "{} expressions, {asked} results of Prometheus {}: {numbers} numbers, {empty} times nothing, {errors} errors, \
         {passed_over} passed over where versions differ",
        texts.len(),
        prometheus.major
    );
    println!("{told}");
    // Enough generated expressions have results.
    assert!(
        numbers > 5_000 && errors > 0 && empty * 4 < asked && errors * 4 < asked && passed_over * 8 < asked,
        "{told}"
    );
}

fn parse(text: &str) -> Expr {
    let ExpressionLimits { bytes, depth, nodes, regex } = ExpressionLimits::default();
    let limits = promql::Limits { bytes, depth, nodes, regex };
    Expr::parse(text, &limits).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Describes the difference of two results. Errors are not compared by their message.
fn compare(theirs: &Answer, ours: &Answer) -> Result<(), String> {
    let (theirs, ours) = match (theirs, ours) {
        (Err(_), Err(_)) => return Ok(()),
        (Ok(theirs), Ok(ours)) => (sorted(theirs), sorted(ours)),
        (theirs, ours) => return Err(format!("Prometheus: {theirs:?}, here: {ours:?}")),
    };
    let labels = |elements: &[(Labels, f64)]| elements.iter().map(|(labels, _)| labels.clone()).collect::<Vec<_>>();
    if labels(&theirs) != labels(&ours) {
        return Err(format!("Prometheus: {theirs:?}, here: {ours:?}"));
    }
    for ((labels, a), (_, b)) in theirs.iter().zip(&ours) {
        let same = a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs());
        if !same {
            return Err(format!("{labels:?}: Prometheus: {a:?}, here: {b:?}"));
        }
    }
    Ok(())
}

fn sorted(elements: &[(Labels, f64)]) -> Vec<(Labels, f64)> {
    let mut elements = elements.to_vec();
    elements.sort_by(|(a, _), (b, _)| a.cmp(b));
    elements
}

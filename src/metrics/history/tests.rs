//! Which samples are stored, how long, and what happens beyond the budget.

use std::sync::atomic::Ordering;

use super::budget::{OBJECT, SAMPLE, SERIES};
use super::sparse::{SeriesSamples, Sparse};
use super::table::Table;
use super::*;
use crate::config::limits::SamplingLimits;
use crate::metrics::reason::MissingReason;
use crate::promql::evaluate::{Data, Series};
use crate::promql::{Expr, NAME_LABEL};
use crate::source::error::SourceError;
use crate::source::page::Refusal;

mod table;

const SECOND: Duration = Duration::from_secs(1);

fn labels(name: &str) -> Labels {
    Labels::new([(NAME_LABEL, name)])
}

/// The size of an object without samples, and of each series without its samples.
const EMPTY: usize = OBJECT + "web".len() + "1".len();
const ONE: usize = SERIES + "__name__a".len() + 2;

fn history(most_series: usize, budget: &Arc<SampleBudget>) -> SampleStore {
    SampleStore::new(10 * SECOND, SECOND, most_series, budget.clone())
}

fn snapshot(history: &SampleStore) -> Vec<(i64, f64)> {
    let Lookup::Snapshot(snapshot) = history.lookup("web", "1") else { return Vec::new() };
    let mut scratch = Vec::new();
    let mut samples = |at| snapshot.read(at, &mut scratch).1.to_vec();
    (0..snapshot.series()).flat_map(&mut samples).map(|sample| (sample.at, sample.value)).collect()
}

/// Samples at these times, the last on a page at the last of them.
fn sampled(name: &str, at: &[i64]) -> SeriesSamples {
    let samples = at.iter().map(|&at| Sample { at, value: 1.0 }).collect();
    SeriesSamples { labels: labels(name), seen: at[at.len() - 1], samples }
}

/// Pages at these times, with these series.
fn pages(times: Vec<i64>, series: Vec<SeriesSamples>) -> Snapshot {
    let mut sparse = Sparse::default();
    series.into_iter().for_each(|ring| sparse.push(ring));
    Snapshot { times, table: Table::Sparse(sparse), ..Snapshot::default() }
}

fn observe(history: &SampleStore, incarnation: &str, at: i64, name: &str, value: f64) {
    history.observe(
        "web",
        incarnation,
        at,
        [(labels(name), Sample { at, value })].into_iter(),
        &[],
        RoundOutcome::default(),
    );
}

#[test]
fn keeps_only_samples_in_use() {
    let budget = Arc::new(SampleBudget::new(10_000));
    let history = history(10, &budget);
    for at in [0, 5_000, 5_000, 13_000] {
        observe(&history, "1", at, "a", at as f64);
    }
    assert_eq!(snapshot(&history), [(5_000, 5_000.0), (13_000, 13_000.0)]);
    assert_eq!(budget.taken.load(Ordering::Relaxed), EMPTY + ONE + 2 * (TIME + SAMPLE));
    assert_eq!(history.lookup("db", "1"), Lookup::Nothing);
    history.prune(26_000);
    assert_eq!(history.lookup("web", "1"), Lookup::Nothing);
    assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
}

/// A thousand pods of one kind have the same labels.
#[test]
fn shares_labels_and_drops_unused_ones() {
    let budget = Arc::new(SampleBudget::new(10_000));
    let history = history(10, &budget);
    for (object, at) in [("web", 0), ("db", 5_000)] {
        history.observe(
            object,
            "1",
            at,
            [(labels("a"), Sample { at, value: 1.0 })].into_iter(),
            &[],
            RoundOutcome::default(),
        );
    }
    let kept = |history: &SampleStore| history.lock().shared.sets.len();
    assert_eq!(kept(&history), 1);
    history.prune(14_000);
    assert_eq!((kept(&history), history.lookup("web", "1")), (1, Lookup::Nothing));
    history.prune(19_000);
    assert_eq!(kept(&history), 0);
}

#[test]
fn starts_without_samples_for_another_owner() {
    let budget = Arc::new(SampleBudget::new(10_000));
    let history = history(10, &budget);
    observe(&history, "0", 1_000, "a", 7.0);
    observe(&history, "1", 2_000, "a", 1.0);
    assert_eq!(snapshot(&history), [(2_000, 1.0)]);
    assert_eq!(history.lookup("web", "0"), Lookup::Nothing);
    drop(history);
    assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
}

#[test]
fn ignores_samples_before_a_long_gap() {
    let budget = Arc::new(SampleBudget::new(10_000));
    let history = history(10, &budget);
    let span = |now| match history.lookup("web", "1") {
        Lookup::Snapshot(snapshot) => snapshot.span(10_000, now),
        _ => None,
    };
    for at in [0, 5_000, 9_000] {
        observe(&history, "1", at, "a", 1.0);
    }
    assert_eq!((span(9_000), span(10_000), span(18_999)), (Some(9_000), Some(4_000), Some(0)));
    assert_eq!(span(19_000), None);
    observe(&history, "1", 90_000, "a", 1.0);
    observe(&history, "1", 91_000, "a", 1.0);
    assert_eq!(span(91_000), Some(1_000), "only what is within the range counts");
    assert_eq!(snapshot(&history), [(90_000, 1.0), (91_000, 1.0)]);
}

#[test]
fn keeps_the_reason_for_missing_samples() {
    let budget = Arc::new(SampleBudget::new(10_000));
    let history = history(10, &budget);
    let scrape_error = |incarnation| match history.lookup("web", incarnation) {
        Lookup::Snapshot(snapshot) => snapshot.scrape_error.clone(),
        _ => None,
    };
    history.fail("web", "1", 1_000, ScrapeError::Failed(SourceError::Busy));
    assert_eq!(scrape_error("1"), Some(ScrapeError::Failed(SourceError::Busy)));
    assert_eq!(scrape_error("2"), None, "another pod has troubles of its own");
    observe(&history, "1", 2_000, "a", 1.0);
    assert_eq!((scrape_error("1"), snapshot(&history)), (None, vec![(2_000, 1.0)]));
    history.fail("web", "1", 3_000, ScrapeError::Refused(Refusal::Duplicate));
    assert_eq!(snapshot(&history), [(2_000, 1.0)], "what was there stays");
    history.fail("web", "1", 20_000, ScrapeError::Failed(SourceError::Busy));
    assert_eq!(snapshot(&history), [], "but no longer than it is of use");
    assert_eq!((budget.taken.load(Ordering::Relaxed), history.lock().series), (EMPTY, 0));
    history.prune(40_000);
    assert_eq!(history.lookup("web", "1"), Lookup::Nothing);
    assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
}

#[test]
fn fits_into_an_exact_budget() {
    let budget = |less| Arc::new(SampleBudget::new(EMPTY + ONE + 13 * (TIME + SAMPLE) - less));
    let full = |budget| {
        let history = history(10, &budget);
        (0..100).find(|at| {
            observe(&history, "1", at * 1_000, "a", 1.0);
            matches!(history.lookup("web", "1"), Lookup::Full(_))
        })
    };
    assert_eq!((full(budget(0)), full(budget(1))), (None, Some(12)));
}

#[test]
fn fails_without_budget() {
    let budget = Arc::new(SampleBudget::new(EMPTY + ONE + 2 * (TIME + SAMPLE)));
    let history = history(1, &budget);
    observe(&history, "1", 1_000, "a", 1.0);
    observe(&history, "1", 2_000, "b", 1.0);
    assert_eq!(history.lookup("web", "1"), Lookup::Full(SampleLimit::Series(1)));
    history.prune(15_000);
    assert_eq!(history.lookup("web", "1"), Lookup::Nothing, "what was left out is of no use any more");
    for at in [16_000, 17_000, 18_000] {
        assert!(!matches!(history.lookup("web", "1"), Lookup::Full(_)));
        observe(&history, "1", at, "a", 1.0);
    }
    let full = Lookup::Full(budget.bound());
    assert_eq!(history.lookup("web", "1"), full, "all samples together have a bound too");
    history.fail("db", "1", 18_000, ScrapeError::Failed(SourceError::Busy));
    history.prune(40_000);
    assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    // Objects without samples are also limited by the budget.
    for number in 0..100 {
        history.fail(&format!("web-{number}"), "1", 40_000, ScrapeError::Failed(SourceError::Busy));
    }
    assert!((1..5).contains(&history.lock().objects.len()));
}

/// Selections of the same objects may be sampled out of step.
#[test]
fn limits_samples_per_series() {
    let budget = Arc::new(SampleBudget::new(1_000_000));
    let history = history(10, &budget);
    let most = SamplingLimits::samples_for(10 * SECOND, SECOND);
    for at in 0..100_000 {
        observe(&history, "1", at, "a", 1.0);
        if at % 1_000 == 0 {
            assert!(snapshot(&history).len() <= most, "{} at {at}", snapshot(&history).len());
        }
    }
    assert!(snapshot(&history).len() + 4 > most, "{} of {most}", snapshot(&history).len());
}

/// Why an expression has no value, for a series `a` with these times, and a series `b`.
#[test]
fn describes_why_an_expression_has_no_value() {
    let limits = crate::promql::Limits { bytes: 100, depth: 4, nodes: 16, regex: 4_096 };
    let snapshot = pages(vec![1], vec![sampled("a", &[0, 61_000]), sampled("b", &[1, 2_000])]);
    for (expr, expected) in [
        ("rate(c[1m])", MissingReason::NoSeries),
        ("rate(a[1m])", MissingReason::TooFewSamples),
        ("rate(b[2m]) > 5", MissingReason::Filtered),
        ("a > 5", MissingReason::Filtered),
    ] {
        let expr = Expr::parse(expr, &limits).unwrap();
        let pairs: Vec<_> = expr.selectors().filter(|selector| selector.range.is_some()).collect();
        let query = SnapshotQuery::new(&expr, false);
        assert_eq!(query.over(&snapshot, 0).nothing(&pairs, 61_000), expected, "{expr}");
    }
}

#[test]
fn provides_data_to_expressions() {
    let limits = crate::promql::Limits { bytes: 100, depth: 4, nodes: 16, regex: 4_096 };
    let expr = Expr::parse("a", &limits).unwrap();
    let snapshot = pages(vec![1, 3], vec![sampled("a", &[1, 3]), sampled("b", &[3])]);
    let query = SnapshotQuery::new(&expr, false);
    let data = query.over(&snapshot, 0);
    let mut range = Vec::new();
    data.range(0, &mut |labels, samples| range.push(Series { labels: labels.clone(), samples: samples.to_vec() }));
    let SeriesSamples { labels, samples, .. } = sampled("a", &[1, 3]);
    assert_eq!(range, [Series { labels, samples }]);
    assert_eq!(data.instant(0, i64::MAX).iter().map(|element| element.times.at).collect::<Vec<_>>(), [3]);
    let gone = Snapshot { times: vec![1, 3, 4], ..snapshot };
    assert!(query.over(&gone, 0).instant(0, i64::MAX).is_empty());
}

/// Pages may have timestamps for samples, and repeat them.
#[test]
fn keeps_timestamps_of_samples() {
    let budget = Arc::new(SampleBudget::new(10_000));
    let history = history(10, &budget);
    for (page, at) in [(10_000, 4_000), (11_000, 4_000), (12_000, 9_500), (13_000, 9_000), (14_000, 1_000)] {
        history.observe(
            "web",
            "1",
            page,
            [(labels("a"), Sample { at, value: at as f64 })].into_iter(),
            &[],
            RoundOutcome::default(),
        );
    }
    assert_eq!(snapshot(&history), [(4_000, 4_000.0), (9_500, 9_500.0)]);
    assert_eq!(budget.taken.load(Ordering::Relaxed), EMPTY + ONE + 2 * SAMPLE + 5 * TIME);
    let limits = crate::promql::Limits { bytes: 100, depth: 4, nodes: 16, regex: 4_096 };
    let expr = Expr::parse("a", &limits).unwrap();
    let now = |history: &SampleStore| -> Vec<i64> {
        let Lookup::Snapshot(snapshot) = history.lookup("web", "1") else { return Vec::new() };
        SnapshotQuery::new(&expr, false)
            .over(&snapshot, 0)
            .instant(0, i64::MAX)
            .iter()
            .map(|element| element.times.at)
            .collect()
    };
    assert_eq!(now(&history), [9_500], "it is there, as old as it says");
    history.observe(
        "web",
        "1",
        22_000,
        [(labels("a"), Sample { at: 9_500, value: 0.0 })].into_iter(),
        &[],
        RoundOutcome::default(),
    );
    assert_eq!(now(&history), [0; 0], "until that is of no use any more");
}

//! Rows hold what each series by itself would.

use super::*;
use crate::metrics::coverage::PodCount;

/// A page of one process at this time, with these series; values tell both.
fn page(history: &SampleStore, at: i64, names: &[&str], of_several: bool) {
    let value = |name: &str| (at + i64::from(name.as_bytes()[0])) as f64;
    let samples = names.iter().map(|name| (labels(name), Sample { at, value: value(name) }));
    let pods = of_several.then(PodCount::default);
    history.observe("web", "1", at, samples, &[], RoundOutcome { pods, error: None });
}

/// The name of a series, when it was last on a page, and its samples.
type Seen = (String, i64, Vec<(i64, f64)>);

/// The series by their names.
fn stored(history: &SampleStore) -> Vec<Seen> {
    let Lookup::Snapshot(snapshot) = history.lookup("web", "1") else { return Vec::new() };
    let mut scratch = Vec::new();
    let series = (0..snapshot.series()).map(|at| {
        let (seen, samples) = snapshot.read(at, &mut scratch);
        let name = snapshot.labels(at).unwrap().get(NAME_LABEL).unwrap().to_owned();
        (name, seen, samples.iter().map(|sample| (sample.at, sample.value)).collect())
    });
    let mut series: Vec<Seen> = series.collect();
    series.sort_by(|a, b| a.0.cmp(&b.0));
    series
}

fn is_in_rows(history: &SampleStore) -> bool {
    matches!(history.lookup("web", "1"), Lookup::Snapshot(snapshot) if matches!(snapshot.table, Table::Dense(_)))
}

/// Series that come, go and come back; the last of each row is whether they still are in rows.
#[test]
fn rows_hold_the_same() {
    for (pages, in_rows) in [
        (&[&["a", "b"][..], &["a", "b"], &["a", "b"]][..], true),
        (&[&["a", "b"], &["b", "a"], &["a", "b", "c"]], true),
        (&[&["b"], &["a", "b", "c"], &["c", "a", "b"], &["a", "c"], &["b"]], true),
        // A page without any is a page.
        (&[&[], &["a", "b"], &["a", "b"]], true),
        (&[&["a"], &[], &["a"], &["a"]], true),
        (&[&["a"], &["b"], &["c"], &["d"]], false),
        // Long after they left.
        (&[&["a", "b"][..]; 40], true),
        (&[&["a", "b", "c"], &["a", "b"], &["a", "b"], &["a", "b"], &["a", "b"], &["a", "b"], &["a", "b"]], true),
    ] {
        let budgets = [(); 2].map(|()| Arc::new(SampleBudget::new(100_000)));
        let [rows, each] = budgets.each_ref().map(|budget| history(10, budget));
        for (at, names) in (0..).step_by(2_000).zip(pages) {
            page(&rows, at, names, false);
            page(&each, at, names, true);
            assert_eq!(stored(&rows), stored(&each), "{pages:?} at {at}");
            assert_eq!(rows.lock().series, each.lock().series, "{pages:?} at {at}");
            let taken = budgets.each_ref().map(|budget| budget.taken.load(Ordering::Relaxed));
            assert_eq!(taken[0], taken[1], "{pages:?} at {at}");
        }
        assert_eq!((is_in_rows(&rows), is_in_rows(&each)), (in_rows, false), "{pages:?}");
        drop((rows, each));
        assert!(budgets.iter().all(|budget| budget.taken.load(Ordering::Relaxed) == 0), "{pages:?}");
    }
}

#[test]
fn a_nan_is_a_value() {
    let history = history(10, &Arc::new(SampleBudget::new(100_000)));
    for (at, value) in [(0, 0x7ff8_0000_0abe_0000), (1_000, f64::NAN.to_bits()), (2_000, f64::INFINITY.to_bits())] {
        observe(&history, "1", at, "a", f64::from_bits(value));
    }
    assert_eq!(snapshot(&history).len(), 3);
    assert!(is_in_rows(&history));
}

/// Pods of one workload share the labels of their series; those with others do not.
#[test]
fn layouts_are_shared() {
    let history = history(100, &Arc::new(SampleBudget::new(100_000)));
    let page = |object: &str, names: &[&str]| {
        let samples = names.iter().map(|name| (labels(name), Sample { at: 0, value: 1.0 }));
        history.observe(object, "1", 0, samples, &[], RoundOutcome::default());
    };
    let layouts = |history: &SampleStore| history.lock().shared.layouts.len();
    page("web-0", &["a", "b"]);
    page("web-1", &["a", "b"]);
    page("db-0", &["b", "a"]);
    assert_eq!(layouts(&history), 2);
    history.prune(40_000);
    assert_eq!((layouts(&history), history.lock().shared.sets.len()), (0, 0));
}

/// A reader that has begun reads what was there then.
#[test]
fn readers_see_all_of_a_page_or_nothing() {
    let history = history(10, &Arc::new(SampleBudget::new(100_000)));
    page(&history, 0, &["a", "b"], false);
    let before = history.lookup("web", "1");
    page(&history, 1_000, &["a", "b"], false);
    let (Lookup::Snapshot(before), Lookup::Snapshot(after)) = (before, history.lookup("web", "1")) else { panic!() };
    let samples = |snapshot: &Snapshot| (0..2).map(|at| snapshot.read(at, &mut Vec::new()).1.len()).collect::<Vec<_>>();
    assert_eq!((samples(&before), samples(&after)), (vec![1, 1], vec![2, 2]));
}

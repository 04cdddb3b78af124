//! Samples in rows equal those of separately stored series.

use super::*;
use crate::config::limits::Limits;
use crate::config::model::Format;
use crate::metrics::coverage::PodCount;
use crate::promql::VectorSelector;
use crate::source::page::{Found, Page, PageBody, Query, Series as PageSeries, WantedValues};

/// A page of one process at this time, with these series; values differ by time and series.
fn page(history: &SampleStore, at: i64, names: &[&str], of_several: bool) {
    let value = |name: &str| (at + i64::from(name.as_bytes()[0])) as f64;
    let samples = names.iter().map(|name| (labels(name), Sample { at, value: value(name) }));
    let pods = of_several.then(PodCount::default);
    history.observe("web", "1", at, samples, &[], RoundOutcome { pods, error: None });
}

/// The series of a page of text.
fn read(text: &str) -> Page {
    let query = Query::Series { selectors: vec![VectorSelector::named("a")], or_number: false, age: None };
    let mut body = PageBody { reader: &mut text.as_bytes(), delimited: true, max_bytes: None, known: None };
    Page::read(&mut body, Some(Format::Prometheus), &[WantedValues { id: 0, query }], 0, &Limits::default()).unwrap()
}

/// The same page as text and as labels.
fn both(written: &SampleStore, by_labels: &SampleStore, object: &str, at: i64, page: &str) {
    let page = read(page);
    let Some(Found::Series(positions)) = page.found(0) else { panic!("no series") };
    let sample = |series: &PageSeries| Sample { at: series.timestamp().unwrap_or(at), value: series.value() };
    let samples = page.series(positions).map(|series| (series, sample(series)));
    written.observe_page(object, "1", at, samples, &[]);
    let labels = |series: &PageSeries| {
        let name = std::iter::once((NAME_LABEL.into(), series.name().into()));
        Labels::new(name.chain(series.labels().iter()))
    };
    let samples = page.series(positions).map(|series| (labels(series), sample(series)));
    by_labels.observe(object, "1", at, samples, &[], RoundOutcome { pods: Some(PodCount::default()), error: None });
}

/// The name of a series, its last occurrence on a page, and its samples.
type Seen = (String, i64, Vec<(i64, f64)>);

/// The series by their names.
fn stored(history: &SampleStore) -> Vec<Seen> {
    stored_of(history, "web")
}

fn stored_of(history: &SampleStore, object: &str) -> Vec<Seen> {
    let Lookup::Snapshot(snapshot) = history.lookup(object, "1") else { return Vec::new() };
    let mut scratch = Vec::new();
    let series = (0..snapshot.series()).map(|at| {
        let (seen, samples) = snapshot.read(at, &mut scratch);
        let name = format!("{:?}", snapshot.labels(at).unwrap());
        (name, seen, samples.iter().map(|sample| (sample.at, sample.value)).collect())
    });
    let mut series: Vec<Seen> = series.collect();
    series.sort_by(|a, b| a.0.cmp(&b.0));
    series
}

fn is_in_rows(history: &SampleStore) -> bool {
    matches!(history.lookup("web", "1"), Lookup::Snapshot(snapshot) if matches!(snapshot.table, Table::Dense(_)))
}

/// Series that appear, disappear and reappear; the last column is whether they are still stored in rows.
#[test]
fn stores_the_same_in_rows_and_in_series() {
    for (pages, in_rows) in [
        (&[&["a", "b"][..], &["a", "b"], &["a", "b"]][..], true),
        (&[&["a", "b"], &["b", "a"], &["a", "b", "c"]], true),
        (&[&["b"], &["a", "b", "c"], &["c", "a", "b"], &["a", "c"], &["b"]], true),
        // An empty page is a page too.
        (&[&[], &["a", "b"], &["a", "b"]], true),
        (&[&["a"], &[], &["a"], &["a"]], true),
        (&[&["a"], &["b"], &["c"], &["d"]], false),
        // Long after they disappeared.
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
fn stores_nan_as_a_value() {
    let history = history(10, &Arc::new(SampleBudget::new(100_000)));
    for (at, value) in [(0, 0x7ff8_0000_0abe_0000), (1_000, f64::NAN.to_bits()), (2_000, f64::INFINITY.to_bits())] {
        observe(&history, "1", at, "a", f64::from_bits(value));
    }
    assert_eq!(snapshot(&history).len(), 3);
    assert!(is_in_rows(&history));
}

/// Pods of one workload share the labels of their series; other pods do not.
#[test]
fn shares_layouts() {
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

/// A reader sees the samples from when it began.
#[test]
fn readers_see_complete_pages() {
    let history = history(10, &Arc::new(SampleBudget::new(100_000)));
    page(&history, 0, &["a", "b"], false);
    let before = history.lookup("web", "1");
    page(&history, 1_000, &["a", "b"], false);
    let (Lookup::Snapshot(before), Lookup::Snapshot(after)) = (before, history.lookup("web", "1")) else { panic!() };
    let samples = |snapshot: &Snapshot| (0..2).map(|at| snapshot.read(at, &mut Vec::new()).1.len()).collect::<Vec<_>>();
    assert_eq!((samples(&before), samples(&after)), (vec![1, 1], vec![2, 2]));
}

/// Pages of two pods, whose series are found by their text.
#[test]
fn identifies_series_by_their_labels() {
    let pages = [
        "a{x=\"1\"} 1\na{x=\"2\"} 2\n",
        "a{x=\"1\"} 3\na{x=\"2\"} 4\n",
        // Other series come before and after, in another order and with other spelling.
        "a{x=\"0\"} 0\na{x=\"1\"} 5\na{x=\"2\"} 6\na{x=\"3\"} 7\n",
        "a{x=\"3\"} 1\na{x=\"1\"} 5\na{ x=\"2\",y=\"\" } 6\na{x=\"0\"} 7\n",
        // Some disappear.
        "a{x=\"3\"} 1\na{x=\"1\"} 5\n",
        "",
        "a 1\n",
        "a{x=\"1\"} 1\na{x=\"2\"} 2\n",
        "a{x=\"1\"} 1 500\na{x=\"2\"} 2\n",
        "a{x=\"1\"} 1\na{x=\"2\"} 2\n",
    ];
    for most in [2, 4, 100] {
        let budgets = [(); 2].map(|()| Arc::new(SampleBudget::new(100_000)));
        let [written, by_labels] = budgets.each_ref().map(|budget| history(most, budget));
        for (number, at) in (0..40).zip((0..).step_by(2_000)) {
            for (object, page) in [("web", number), ("db", number / 2), ("web-1", 0)] {
                both(&written, &by_labels, object, at, pages[page % pages.len()]);
                assert_eq!(stored_of(&written, object), stored_of(&by_labels, object), "{object} {number}");
            }
            let count = |store: &SampleStore| {
                let state = store.lock();
                (state.series, state.full)
            };
            assert_eq!(count(&written), count(&by_labels), "{number}");
            let taken = budgets.each_ref().map(|budget| budget.taken.load(Ordering::Relaxed));
            assert_eq!(taken[0], taken[1], "{number}");
            written.prune(at);
            by_labels.prune(at);
        }
        drop((written, by_labels));
        assert!(budgets.iter().all(|budget| budget.taken.load(Ordering::Relaxed) == 0));
    }
}

/// The budget is released in the end, even if some samples did not fit.
#[test]
fn releases_a_small_budget() {
    let page = |seed: u64| {
        let series = (0..seed % 9).map(|number| format!("a{{x=\"{}\"}} {seed}\n", number + seed / 9 % 3));
        series.collect::<String>()
    };
    for bytes in (600..4_000).step_by(50) {
        let budgets = [(); 2].map(|()| Arc::new(SampleBudget::new(bytes)));
        let [written, by_labels] = budgets.each_ref().map(|budget| history(1_000, budget));
        for round in 0..24 {
            for (number, object) in (0..).zip(["web", "db", "api"]) {
                let seed = ((round + 7 * number) * 2_654_435_761) >> 7;
                both(&written, &by_labels, object, i64::try_from(round).unwrap() * 1_000, &page(seed));
            }
        }
        for store in [&written, &by_labels] {
            store.prune(1_000_000);
            assert_eq!(store.lock().series, 0, "{bytes}");
        }
        assert_eq!(budgets.each_ref().map(|budget| budget.taken()), [0; 2], "{bytes}");
    }
}

/// Quoted names may contain any text, so no other page may have the same text.
#[test]
fn distinguishes_pages_with_quoted_names() {
    let store = |pages: &[&str]| {
        let stores = [(); 2].map(|()| history(100, &Arc::new(SampleBudget::new(100_000))));
        for (number, page) in pages.iter().enumerate() {
            both(&stores[0], &stores[1], &format!("web-{number}"), 0, page);
        }
        (0..pages.len()).all(|number| {
            let object = format!("web-{number}");
            stored_of(&stores[0], &object) == stored_of(&stores[1], &object)
        })
    };
    assert!(store(&[
        "a{b=\"1\"} 1\na{c=\"2\"} 2\n",
        "a{b=\"1\",c=\"2\"} 1\na 2\n",
        "a{b=\"1,c=2\"} 1\na{c=\"2\"} 2\n"
    ]));
}

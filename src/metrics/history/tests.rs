//! What is kept, for how long, and what is told where there is no room.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn labels(name: &str) -> Labels {
    Labels::new([(NAME_LABEL, name)])
}

fn history(most_series: usize, room: &Arc<Room>) -> History {
    History::new(10 * SECOND, SECOND, most_series, room.clone())
}

fn view(history: &History) -> Vec<(i64, f64)> {
    let Seen::View(View { series, .. }) = history.seen("web", "1") else { return Vec::new() };
    series.iter().flat_map(|series| &series.samples).map(|sample| (sample.at, sample.value)).collect()
}

fn observe(history: &History, owner: &str, at: i64, name: &str, value: f64) {
    history.observe("web", owner, at, [(labels(name), value)].into_iter());
}

#[test]
fn keeps_what_is_of_use() {
    let room = Arc::new(Room::new(100));
    let history = history(10, &room);
    for at in [0, 5_000, 5_000, 13_000] {
        observe(&history, "1", at, "a", at as f64);
    }
    assert_eq!(view(&history), [(5_000, 5_000.0), (13_000, 13_000.0)]);
    assert_eq!(room.taken.load(Ordering::Relaxed), 2);
    assert_eq!(history.seen("db", "1"), Seen::Nothing);
    history.prune(26_000);
    assert_eq!(history.seen("web", "1"), Seen::Nothing);
    assert_eq!(room.taken.load(Ordering::Relaxed), 0);
}

#[test]
fn another_owner_begins_anew() {
    let room = Arc::new(Room::new(100));
    let history = history(10, &room);
    observe(&history, "0", 1_000, "a", 7.0);
    observe(&history, "1", 2_000, "a", 1.0);
    assert_eq!(view(&history), [(2_000, 1.0)]);
    assert_eq!(history.seen("web", "0"), Seen::Nothing);
    drop(history);
    assert_eq!(room.taken.load(Ordering::Relaxed), 0);
}

#[test]
fn samples_before_a_long_gap_do_not_count() {
    let room = Arc::new(Room::new(100));
    let history = history(10, &room);
    let span = |now| match history.seen("web", "1") {
        Seen::View(view) => view.span(10_000, now),
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
    assert_eq!(view(&history), [(90_000, 1.0), (91_000, 1.0)]);
}

#[test]
fn remembers_why_there_is_nothing() {
    let room = Arc::new(Room::new(100));
    let history = history(10, &room);
    let trouble = |owner| match history.seen("web", owner) {
        Seen::View(view) => view.trouble,
        _ => None,
    };
    history.fail("web", "1", 1_000, Trouble::Failed(SourceError::Busy));
    assert_eq!(trouble("1"), Some(Trouble::Failed(SourceError::Busy)));
    assert_eq!(trouble("2"), None, "another pod has troubles of its own");
    observe(&history, "1", 2_000, "a", 1.0);
    assert_eq!((trouble("1"), view(&history)), (None, vec![(2_000, 1.0)]));
    history.fail("web", "1", 3_000, Trouble::Refused(Refusal::Duplicate));
    assert_eq!(view(&history), [(2_000, 1.0)], "what was there stays");
    history.prune(20_000);
    assert_eq!(history.seen("web", "1"), Seen::Nothing);
    assert_eq!(room.taken.load(Ordering::Relaxed), 0);
}

#[test]
fn a_room_that_is_just_large_enough_is_enough() {
    let room = Arc::new(Room::new(13));
    let history = history(10, &room);
    for at in 0..100 {
        observe(&history, "1", at * 1_000, "a", 1.0);
        assert_ne!(history.seen("web", "1"), Seen::Full(10), "at {at}");
    }
}

#[test]
fn errs_where_there_is_no_room() {
    let room = Arc::new(Room::new(2));
    let history = history(1, &room);
    observe(&history, "1", 1_000, "a", 1.0);
    observe(&history, "1", 2_000, "b", 1.0);
    assert_eq!(history.seen("web", "1"), Seen::Full(1));
    observe(&history, "1", 3_000, "a", 1.0);
    history.prune(15_000);
    assert_ne!(history.seen("web", "1"), Seen::Full(1), "what was left out is of no use any more");
    observe(&history, "1", 15_001, "a", 1.0);
    observe(&history, "1", 15_002, "a", 1.0);
    observe(&history, "1", 15_003, "a", 1.0);
    assert_eq!(history.seen("web", "1"), Seen::Full(1), "all samples together have a bound too");
}

#[test]
fn gives_an_expression_its_data() {
    let limits = crate::parse::expression::Limits { bytes: 100, depth: 4, nodes: 16, regex: 4_096 };
    let expr = Expr::parse("a", &limits).unwrap();
    let series = |name, at: &[i64]| Series {
        labels: labels(name),
        samples: at.iter().map(|&at| Sample { at, value: 1.0 }).collect(),
    };
    let view = View { times: vec![1, 3], trouble: None, series: vec![series("a", &[1, 3]), series("b", &[3])] };
    let data = OfPast::new(&expr, &view);
    assert_eq!(data.range(0), [series("a", &[1, 3])]);
    assert_eq!(data.instant(0).iter().map(|element| element.times.at).collect::<Vec<_>>(), [3]);
    let gone = View { times: vec![1, 3, 4], ..view };
    assert!(OfPast::new(&expr, &gone).instant(0).is_empty());
}

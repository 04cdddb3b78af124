//! Samples over time, for rules whose value looks back. Bounded: where there is no room the rule errs, and nothing is
//! forgotten from under a sum.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::evaluate::{Data, Element, Labels, Sample, Series, Times};
use crate::parse::expression::{Expr, NAME_LABEL, VectorSelector};

/// Samples of all rules together.
#[derive(Debug)]
pub struct Room {
    most: usize,
    taken: AtomicUsize,
}

/// The past of one rule.
#[derive(Debug)]
pub struct History {
    /// How long a sample is of use.
    keep: i64,
    most_series: usize,
    room: Arc<Room>,
    past: Mutex<Past>,
}

#[derive(Debug, Default)]
struct Past {
    objects: HashMap<String, Object>,
    series: usize,
    /// Something had to be left out since this time.
    full: Option<i64>,
}

/// The past of one object.
#[derive(Debug)]
struct Object {
    /// Who it is: another one may get its name.
    owner: String,
    first: i64,
    last: i64,
    series: HashMap<Labels, VecDeque<Sample>>,
}

/// The past of one object, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// When it was first sampled, milliseconds.
    pub first: i64,
    /// When it was sampled last.
    pub last: i64,
    /// Everything that was sampled and is of use.
    pub series: Vec<Series>,
}

/// What is asked of a past.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// This.
    View(View),
    /// Nothing of this object.
    Nothing,
    /// There is no room for more than so many series.
    Full(usize),
}

impl Room {
    /// For so many samples.
    pub fn new(most: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0) }
    }

    fn take(&self) -> bool {
        let more = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, count: usize) {
        self.taken.fetch_sub(count, Ordering::Relaxed);
    }
}

impl History {
    /// For a rule that looks back for so long, sampled this often.
    pub fn new(window: Duration, interval: Duration, most_series: usize, room: Arc<Room>) -> Self {
        let keep = i64::try_from((window + 2 * interval).as_millis()).unwrap_or(i64::MAX);
        Self { keep, most_series, room, past: Mutex::default() }
    }

    /// Takes the samples that an object had at one time, in milliseconds of a clock that is never set. An object with
    /// another owner is another object: between the two is a gap, not a change.
    pub fn observe(&self, object: &str, owner: &str, at: i64, samples: impl Iterator<Item = (Labels, f64)>) {
        let mut past = self.lock();
        let Past { objects, series: count, full } = &mut *past;
        if objects.get(object).is_some_and(|known| known.owner != owner)
            && let Some(gone) = objects.remove(object)
        {
            *count -= gone.series.len();
            self.room.give_back(gone.samples());
        }
        let new = || Object { owner: owner.to_owned(), first: at, last: i64::MIN, series: HashMap::new() };
        let known = objects.entry(object.to_owned()).or_insert_with(new);
        // The same page, seen by another selection.
        if at <= known.last {
            return;
        }
        known.last = at;
        for (labels, value) in samples {
            let is_new = !known.series.contains_key(&labels);
            if (is_new && *count >= self.most_series) || !self.room.take() {
                *full = Some(at);
                continue;
            }
            *count += usize::from(is_new);
            known.series.entry(labels).or_default().push_back(Sample { at, value });
        }
        let given_back = known.forget(at - self.keep);
        self.room.give_back(given_back);
        let before = known.series.len();
        known.series.retain(|_, samples| !samples.is_empty());
        *count -= before - known.series.len();
    }

    /// What is known of an object that has this owner.
    pub fn seen(&self, object: &str, owner: &str) -> Seen {
        let past = self.lock();
        if past.full.is_some() {
            return Seen::Full(self.most_series);
        }
        match past.objects.get(object).filter(|known| known.owner == owner) {
            None => Seen::Nothing,
            Some(Object { first, last, series, .. }) => {
                let series = series.iter().map(|(labels, samples)| Series {
                    labels: labels.clone(),
                    samples: samples.iter().copied().collect(),
                });
                Seen::View(View { first: *first, last: *last, series: series.collect() })
            }
        }
    }

    /// Forgets objects that have not been sampled for as long as samples are of use.
    pub fn prune(&self, now: i64) {
        let mut past = self.lock();
        let Past { objects, series, full } = &mut *past;
        objects.retain(|_, object| {
            let stays = object.last >= now - self.keep;
            if !stays {
                *series -= object.series.len();
                self.room.give_back(object.samples());
            }
            stays
        });
        // What had to be left out would be of no use any more.
        if full.is_some_and(|at| at < now - self.keep) {
            *full = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for History {
    fn drop(&mut self) {
        let taken = self.lock().objects.values().map(Object::samples).sum();
        self.room.give_back(taken);
    }
}

impl Object {
    fn samples(&self) -> usize {
        self.series.values().map(VecDeque::len).sum()
    }

    /// Forgets what is older than this; how much that was.
    fn forget(&mut self, oldest: i64) -> usize {
        let mut forgotten = 0;
        for samples in self.series.values_mut() {
            while samples.front().is_some_and(|sample| sample.at < oldest) {
                samples.pop_front();
                forgotten += 1;
            }
        }
        forgotten
    }
}

/// The past of an object as data of an expression.
pub struct OfPast<'a> {
    selectors: Vec<&'a VectorSelector>,
    view: &'a View,
}

impl<'a> OfPast<'a> {
    /// For this expression.
    pub fn new(expr: &'a Expr, view: &'a View) -> Self {
        Self { selectors: expr.selectors().collect(), view }
    }

    fn picked(&self, selector: usize) -> impl Iterator<Item = &Series> {
        let selector = self.selectors.get(selector).copied();
        self.view.series.iter().filter(move |series| {
            let labels = &series.labels;
            let name = labels.get(NAME_LABEL).unwrap_or_default();
            selector.is_some_and(|selector| selector.matches(name, |label| labels.get(label).map(Into::into)))
        })
    }
}

impl Data for OfPast<'_> {
    /// Of the last time that the object was sampled: what was not there then is not there now.
    fn instant(&self, selector: usize) -> Vec<Element> {
        let latest = |series: &Series| {
            let Sample { at, value } = *series.samples.last().filter(|sample| sample.at == self.view.last)?;
            Some(Element { labels: series.labels.clone(), value, times: Times::of(at) })
        };
        self.picked(selector).filter_map(latest).collect()
    }

    fn range(&self, selector: usize) -> Vec<Series> {
        self.picked(selector).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
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
        let view = View { first: 1, last: 3, series: vec![series("a", &[1, 3]), series("b", &[3])] };
        let data = OfPast::new(&expr, &view);
        assert_eq!(data.range(0), [series("a", &[1, 3])]);
        assert_eq!(data.instant(0).iter().map(|element| element.times.at).collect::<Vec<_>>(), [3]);
        let gone = View { last: 4, ..view };
        assert!(OfPast::new(&expr, &gone).instant(0).is_empty());
    }
}

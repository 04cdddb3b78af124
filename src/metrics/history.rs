//! Samples over time, for rules whose value looks back. Bounded: where there is no room the rule errs, and nothing is
//! forgotten from under a sum.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::evaluate::{Data, Element, Labels, Sample, Series, Times};
use crate::parse::expression::{Expr, NAME_LABEL, VectorSelector};
use crate::source::error::SourceError;
use crate::source::page::Refusal;

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
#[derive(Debug, Default)]
struct Object {
    /// Who it is: another one may get its name.
    owner: String,
    /// When it was tried last.
    tried: i64,
    /// When it was sampled, as far as that is of use.
    times: VecDeque<i64>,
    /// Why it was not, the last time.
    trouble: Option<Trouble>,
    series: HashMap<Labels, VecDeque<Sample>>,
}

/// Why an object could not be sampled.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// There was no page.
    Failed(SourceError),
    /// There was one without an answer for the rule.
    Refused(Refusal),
}

/// The past of one object, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// When it was sampled, milliseconds, oldest first.
    pub times: Vec<i64>,
    /// Why it was not, the last time.
    pub trouble: Option<Trouble>,
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
        let known = self.object(objects, count, object, owner, at);
        // The same page, seen by another selection.
        if known.times.back().is_some_and(|last| at <= *last) {
            return;
        }
        known.trouble = None;
        self.room.give_back(known.forget(at - self.keep));
        known.times.push_back(at);
        for (labels, value) in samples {
            let is_new = !known.series.contains_key(&labels);
            if (is_new && *count >= self.most_series) || !self.room.take() {
                *full = Some(at);
                continue;
            }
            *count += usize::from(is_new);
            known.series.entry(labels).or_default().push_back(Sample { at, value });
        }
        let before = known.series.len();
        known.series.retain(|_, samples| !samples.is_empty());
        *count -= before - known.series.len();
    }

    /// Remembers why there were no samples of an object at one time.
    pub fn fail(&self, object: &str, owner: &str, at: i64, trouble: Trouble) {
        let mut past = self.lock();
        let Past { objects, series: count, .. } = &mut *past;
        self.object(objects, count, object, owner, at).trouble = Some(trouble);
    }

    /// The object with this owner, from nothing if it had another one.
    fn object<'o>(
        &self,
        objects: &'o mut HashMap<String, Object>,
        count: &mut usize,
        object: &str,
        owner: &str,
        at: i64,
    ) -> &'o mut Object {
        if objects.get(object).is_some_and(|known| known.owner != owner)
            && let Some(gone) = objects.remove(object)
        {
            *count -= gone.series.len();
            self.room.give_back(gone.samples());
        }
        let known = objects.entry(object.to_owned()).or_default();
        if known.owner.is_empty() {
            owner.clone_into(&mut known.owner);
        }
        known.tried = known.tried.max(at);
        known
    }

    /// What is known of an object that has this owner.
    pub fn seen(&self, object: &str, owner: &str) -> Seen {
        let past = self.lock();
        if past.full.is_some() {
            return Seen::Full(self.most_series);
        }
        match past.objects.get(object).filter(|known| known.owner == owner) {
            None => Seen::Nothing,
            Some(Object { times, trouble, series, .. }) => {
                let series = series.iter().map(|(labels, samples)| Series {
                    labels: labels.clone(),
                    samples: samples.iter().copied().collect(),
                });
                let times = times.iter().copied().collect();
                Seen::View(View { times, trouble: trouble.clone(), series: series.collect() })
            }
        }
    }

    /// Forgets objects that nobody has tried to sample for as long as samples are of use.
    pub fn prune(&self, now: i64) {
        let mut past = self.lock();
        let Past { objects, series, full } = &mut *past;
        objects.retain(|_, object| {
            let stays = object.tried >= now - self.keep;
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
        while self.times.front().is_some_and(|at| *at < oldest) {
            self.times.pop_front();
        }
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

impl Seen {
    /// In a line for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Nothing => "not sampled yet".to_owned(),
            Self::Full(most) => format!("no room for more than {most} series"),
            Self::View(View { times, trouble, series }) => {
                let span = times.first().zip(times.last()).map_or(0, |(first, last)| last - first);
                let (times, series) = (times.len(), series.len());
                let sampled =
                    format!("sampled {times} times over {}.{:03}s, {series} series", span / 1_000, span % 1_000);
                match trouble {
                    None => sampled,
                    Some(Trouble::Failed(error)) => format!("{sampled}; then {}", error.detail()),
                    Some(Trouble::Refused(refusal)) => format!("{sampled}; then {refusal}"),
                }
            }
        }
    }
}

impl View {
    /// How long the samples of the last `range` milliseconds before `now` span; `None` without any.
    pub fn span(&self, range: i64, now: i64) -> Option<i64> {
        let mut within = self.times.iter().filter(|at| **at > now.saturating_sub(range) && **at <= now);
        let first = within.next()?;
        Some(within.next_back().unwrap_or(first) - first)
    }
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
            let Sample { at, value } =
                *series.samples.last().filter(|sample| Some(&sample.at) == self.view.times.last())?;
            Some(Element { labels: series.labels.clone(), value, times: Times::of(at) })
        };
        self.picked(selector).filter_map(latest).collect()
    }

    fn range(&self, selector: usize) -> Vec<Series> {
        self.picked(selector).cloned().collect()
    }
}

#[cfg(test)]
mod tests;

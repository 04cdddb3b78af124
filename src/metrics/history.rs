//! Samples over time, for rules with ranges or offsets. The store is bounded: beyond its budget a rule fails; no part
//! of a sum is dropped.

mod snapshot;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::coverage::PodCount;
use super::sample_bound::Bound;
use crate::parse::duration::millis;
use crate::promql::evaluate::{Labels, Sample, Series};
use crate::source::page::Unmatched;
pub(crate) use snapshot::{ScrapeError, Snapshot, SnapshotData, StoredSeries, picks};

/// Bytes for the samples of all rules together.
#[derive(Debug)]
pub struct SampleBudget {
    most: usize,
    taken: AtomicUsize,
}

/// The sampling of one rule.
#[derive(Debug)]
pub struct SampleStore {
    /// How long a sample is needed.
    keep: i64,
    /// The minimum time between two stored samples, which bounds their number per series.
    apart: i64,
    most_series: usize,
    budget: Arc<SampleBudget>,
    state: Mutex<StoreState>,
}

#[derive(Debug, Default)]
struct StoreState {
    objects: HashMap<String, Object>,
    series: usize,
    /// Each set of labels once, because the pods of one workload mostly have the same.
    labels: HashSet<Labels>,
    /// The limit that was reached, and when.
    full: Option<(i64, Bound)>,
}

/// The sampling of one object.
#[derive(Debug, Default)]
struct Object {
    /// The pod incarnation: another pod may get the same name.
    incarnation: String,
    /// When sampling was last attempted.
    tried: i64,
    /// The times of its samples, as long as they are needed.
    times: VecDeque<i64>,
    /// Why the last attempt failed.
    scrape_error: Option<ScrapeError>,
    /// The selectors that matched nothing on the last page.
    unmatched: Vec<Unmatched>,
    /// For joined pages, how many pods responded the last time.
    pods: Option<PodCount>,
    series: HashMap<Labels, Ring>,
}

/// Facts about the samples that are stored together with them, so that a lookup sees all of them or nothing.
#[derive(Debug, Default)]
pub(crate) struct RoundOutcome {
    /// For joined pages, how many pods responded.
    pub(crate) pods: Option<PodCount>,
    /// Why the samples are incomplete.
    pub(crate) error: Option<ScrapeError>,
}

/// The sampling of one series.
#[derive(Debug)]
struct Ring {
    /// When it last occurred on a page.
    seen: i64,
    /// Oldest first, with strictly increasing times.
    samples: VecDeque<Sample>,
}

/// The result of a lookup in the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// This.
    Snapshot(Snapshot),
    /// Nothing is stored for this object.
    Nothing,
    /// There is no budget for all of it.
    Full(Bound),
}

/// The numbers of a [`Lookup`].
#[derive(Clone, Debug, PartialEq)]
pub enum StoreSummary {
    /// Nothing is stored.
    NotSampled,
    /// There is no budget for all of it.
    Full(Bound),
    /// Something is stored.
    Sampled {
        /// How often the page was sampled.
        times: usize,
        /// Milliseconds from the first time to the last.
        span: i64,
        /// Series that are stored.
        series: usize,
        /// For joined pages, how many pods responded.
        pods: Option<PodCount>,
        /// Why the last scrape failed.
        scrape_error: Option<ScrapeError>,
    },
}

impl SampleBudget {
    /// Creates a budget of this many bytes.
    pub fn new(most: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0) }
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= self.most);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl SampleStore {
    /// Creates the store of a rule with this range and sampling interval.
    pub fn new(window: Duration, interval: Duration, most_series: usize, budget: Arc<SampleBudget>) -> Self {
        let (keep, apart) = (millis(window + 2 * interval), millis(interval / 2));
        Self { keep, apart, most_series, budget, state: Mutex::default() }
    }

    /// Stores the samples of an object's page at one time, in milliseconds of a monotonic clock. A sample may have its
    /// own time, and is then stored only once. An object with another incarnation is another object: its samples do not
    /// continue those of the previous one.
    pub(crate) fn observe(
        &self,
        object: &str,
        incarnation: &str,
        at: i64,
        samples: impl Iterator<Item = (Labels, Sample)>,
        unmatched: &[Unmatched],
        outcome: RoundOutcome,
    ) {
        let mut state = self.lock();
        let StoreState { objects, series: count, labels: shared, full } = &mut *state;
        let most = Bound::Bytes(self.budget.most);
        let Some(known) = self.object(objects, count, object, incarnation, at) else { return *full = Some((at, most)) };
        (known.pods, known.scrape_error) = (outcome.pods, outcome.error);
        // Another selection has just stored this page, or one from a moment ago.
        if known.times.back().is_some_and(|last| at < last.saturating_add(self.apart.max(1))) {
            return;
        }
        self.forget(known, count, at);
        if !self.budget.take(TIME) {
            return *full = Some((at, most));
        }
        known.times.push_back(at);
        // Only needed for messages, so they are left out if the budget is used up.
        self.budget.give_back(bytes(&known.unmatched));
        known.unmatched = if self.budget.take(bytes(unmatched)) { unmatched.to_vec() } else { Vec::new() };
        for (labels, sample) in samples {
            let is_of_use = sample.at >= at - self.keep;
            match known.series.get_mut(&labels) {
                Some(ring) => {
                    ring.seen = at;
                    let is_later = is_of_use && ring.samples.back().is_none_or(|last| sample.at > last.at);
                    match is_later && self.budget.take(SAMPLE) {
                        true => ring.samples.push_back(sample),
                        false if is_later => *full = Some((at, most)),
                        false => {}
                    }
                }
                None if !is_of_use => {}
                None if *count >= self.most_series => *full = Some((at, Bound::Series(self.most_series))),
                None if !self.budget.take(SAMPLE + cost(&labels)) => *full = Some((at, most)),
                None => {
                    *count += 1;
                    let labels = shared.get(&labels).cloned().unwrap_or(labels);
                    shared.insert(labels.clone());
                    known.series.insert(labels, Ring { seen: at, samples: VecDeque::from([sample]) });
                }
            }
        }
    }

    /// Drops the samples of an object that are no longer needed.
    fn forget(&self, known: &mut Object, count: &mut usize, now: i64) {
        self.budget.give_back(known.forget(now - self.keep));
        let before = known.series.len();
        known.series.retain(|labels, ring| {
            let stays = !ring.samples.is_empty();
            if !stays {
                self.budget.give_back(cost(labels));
            }
            stays
        });
        *count -= before - known.series.len();
    }

    /// Records why an object could not be sampled.
    pub fn fail(&self, object: &str, incarnation: &str, at: i64, scrape_error: ScrapeError) {
        let mut state = self.lock();
        let StoreState { objects, series: count, .. } = &mut *state;
        if let Some(known) = self.object(objects, count, object, incarnation, at) {
            self.forget(known, count, at);
            known.scrape_error = Some(scrape_error);
        }
    }

    /// The object with this incarnation, emptied if it had another one; `None` if there is no budget for it.
    fn object<'o>(
        &self,
        objects: &'o mut HashMap<String, Object>,
        count: &mut usize,
        object: &str,
        incarnation: &str,
        at: i64,
    ) -> Option<&'o mut Object> {
        if objects.get(object).is_some_and(|known| known.incarnation != incarnation)
            && let Some(gone) = objects.remove(object)
        {
            *count -= gone.series.len();
            self.budget.give_back(gone.cost(object));
        }
        if !objects.contains_key(object) {
            let new = Object { incarnation: incarnation.to_owned(), ..Object::default() };
            if !self.budget.take(new.cost(object)) {
                return None;
            }
            objects.insert(object.to_owned(), new);
        }
        let known = objects.get_mut(object)?;
        known.tried = known.tried.max(at);
        Some(known)
    }

    /// The samples of an object with this incarnation.
    pub fn lookup(&self, object: &str, incarnation: &str) -> Lookup {
        let state = self.lock();
        if let Some((_, bound)) = state.full {
            return Lookup::Full(bound);
        }
        match state.objects.get(object).filter(|known| known.incarnation == incarnation) {
            None => Lookup::Nothing,
            Some(Object { times, scrape_error, unmatched, pods, series, .. }) => {
                let series = series.iter().map(|(labels, Ring { seen, samples })| StoredSeries {
                    seen: *seen,
                    series: Series { labels: labels.clone(), samples: samples.iter().copied().collect() },
                });
                Lookup::Snapshot(Snapshot {
                    times: times.iter().copied().collect(),
                    scrape_error: scrape_error.clone(),
                    unmatched: unmatched.clone(),
                    pods: *pods,
                    series: series.collect(),
                })
            }
        }
    }

    /// Drops objects whose newest sample is no longer needed.
    pub fn prune(&self, now: i64) {
        let mut state = self.lock();
        let StoreState { objects, series, labels, full } = &mut *state;
        objects.retain(|name, object| {
            let stays = object.tried >= now - self.keep;
            if !stays {
                *series -= object.series.len();
                self.budget.give_back(object.cost(name));
            }
            stays
        });
        labels.retain(|labels| !labels.is_last());
        // The samples that had to be left out would no longer be needed.
        if full.is_some_and(|(at, _)| at < now - self.keep) {
            *full = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, StoreState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SampleStore {
    fn drop(&mut self) {
        let taken = self.lock().objects.iter().map(|(name, object)| object.cost(name)).sum();
        self.budget.give_back(taken);
    }
}

/// Approximate memory, in bytes and with the overhead of maps and queues, of an object without series, a series without
/// its labels, a sample, and the time of a page.
const OBJECT: usize = 344;
const SERIES: usize = 104;
const SAMPLE: usize = 16;
const TIME: usize = 8;

fn cost(labels: &Labels) -> usize {
    SERIES + labels.bytes()
}

fn bytes(unmatched: &[Unmatched]) -> usize {
    unmatched.iter().map(Unmatched::cost).sum()
}

impl Object {
    fn cost(&self, name: &str) -> usize {
        let series = self.series.iter().map(|(labels, ring)| cost(labels) + SAMPLE * ring.samples.len());
        let words = name.len() + self.incarnation.len() + bytes(&self.unmatched);
        OBJECT + words + TIME * self.times.len() + series.sum::<usize>()
    }

    /// Drops samples older than this, and returns their size in bytes.
    fn forget(&mut self, oldest: i64) -> usize {
        let mut forgotten = 0;
        while self.times.front().is_some_and(|at| *at < oldest) {
            self.times.pop_front();
            forgotten += TIME;
        }
        for Ring { samples, .. } in self.series.values_mut() {
            while samples.front().is_some_and(|sample| sample.at < oldest) {
                samples.pop_front();
                forgotten += SAMPLE;
            }
        }
        forgotten
    }
}

impl Lookup {
    /// Its numbers, for messages.
    pub fn summary(&self) -> StoreSummary {
        match self {
            Self::Nothing => StoreSummary::NotSampled,
            Self::Full(bound) => StoreSummary::Full(*bound),
            Self::Snapshot(Snapshot { times, scrape_error, pods, series, .. }) => StoreSummary::Sampled {
                times: times.len(),
                span: times.first().zip(times.last()).map_or(0, |(first, last)| last - first),
                series: series.len(),
                pods: *pods,
                scrape_error: scrape_error.clone(),
            },
        }
    }
}

impl fmt::Display for StoreSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSampled => f.write_str("not sampled yet"),
            Self::Full(bound) => write!(f, "no budget: {bound}"),
            Self::Sampled { times, span, series, pods, scrape_error } => {
                write!(f, "sampled {times} times over {}.{:03}s, {series} series", span / 1_000, span % 1_000)?;
                pods.iter().try_for_each(|pods| write!(f, ", {pods}"))?;
                match scrape_error {
                    None => Ok(()),
                    Some(ScrapeError::Failed(error)) => write!(f, "; then {}", error.detail()),
                    Some(ScrapeError::Refused(refusal)) => write!(f, "; then {refusal}"),
                    Some(ScrapeError::NotWhole(why)) => write!(f, "; then {why}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

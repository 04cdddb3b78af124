//! Samples over time, for rules with ranges or offsets. The store is bounded: beyond its budget a rule fails; no part
//! of a sum is dropped.

mod budget;
mod data;
mod dense;
mod handover;
mod layout;
mod snapshot;
mod sparse;
mod store_budget;
mod stored;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::coverage::PodCount;
use super::sample_limit::SampleLimit;
use crate::parse::duration::millis;
use crate::promql::evaluate::{Labels, Sample};
use crate::source::page::{Series, Unmatched};
pub(crate) use budget::SampleBudget;
use budget::{TIME, bytes};
pub(crate) use data::{SnapshotData, SnapshotQuery};
pub(crate) use snapshot::{ScrapeError, Snapshot};
use store_budget::{SharedLabels, StoreBudget};
pub(crate) use stored::StoredSeries;

/// The stored samples of one rule.
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
    /// Shared with readers: an object that is being read is copied before its samples change.
    /// By name, because the pods of an answer are requested in this order.
    objects: BTreeMap<String, Arc<Snapshot>>,
    series: usize,
    shared: SharedLabels,
    /// The limit that was reached, and when.
    full: Option<(i64, SampleLimit)>,
}

/// The numbers of the store's entries.
#[cfg(test)]
#[derive(Debug, Default, PartialEq)]
pub(super) struct Footprint {
    pub(super) objects: usize,
    pub(super) series: usize,
    pub(super) sets: usize,
    pub(super) layouts: usize,
}

/// Facts about the samples that are stored together with them, so that a lookup sees all of them or nothing.
#[derive(Debug, Default)]
pub(crate) struct RoundOutcome {
    /// For joined pages, how many pods responded.
    pub(crate) pods: Option<PodCount>,
    /// Why the samples are incomplete.
    pub(crate) error: Option<ScrapeError>,
}

/// The result of a lookup in the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// The samples of the object.
    Snapshot(Arc<Snapshot>),
    /// Nothing is stored for this object.
    Nothing,
    /// The samples exceed this limit.
    Full(SampleLimit),
}

/// The numbers of a [`Lookup`].
#[derive(Clone, Debug, PartialEq)]
pub enum StoreSummary {
    /// Nothing is stored.
    NotSampled,
    /// The samples exceed this limit.
    Full(SampleLimit),
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

impl SampleStore {
    /// Creates the store of a rule with this range and sampling interval.
    pub(crate) fn new(window: Duration, interval: Duration, most_series: usize, budget: Arc<SampleBudget>) -> Self {
        let (keep, apart) = (millis(window + 2 * interval), millis(interval / 2));
        Self { keep, apart, most_series, budget, state: Mutex::default() }
    }

    /// Stores the samples of an object's page at one time, in milliseconds of a monotonic clock. A sample may have its
    /// own time, and is then stored only once. An object with another incarnation is another object: its samples do not
    /// continue those of the previous one.
    pub(crate) fn observe_page<'p>(
        &self,
        object: &str,
        incarnation: &str,
        at: i64,
        samples: impl Iterator<Item = (&'p Series, Sample)>,
        unmatched: &[Unmatched],
    ) {
        self.store(object, incarnation, at, unmatched, RoundOutcome::default(), |known, room| {
            let page: Vec<(&Series, Sample)> = samples.collect();
            known.table.observe_page(&known.times, &page, room);
        });
    }

    /// Stores the samples of the pages of several pods in the same way; their series have target labels.
    pub(crate) fn observe(
        &self,
        object: &str,
        incarnation: &str,
        at: i64,
        samples: impl Iterator<Item = (Labels, Sample)>,
        unmatched: &[Unmatched],
        outcome: RoundOutcome,
    ) {
        let is_of_one = outcome.pods.is_none();
        self.store(object, incarnation, at, unmatched, outcome, |known, room| {
            known.table.observe(&known.times, samples.collect(), is_of_one, room);
        });
    }

    /// Stores the outcome of a round, and lets `store` add its samples, unless they follow others too soon.
    fn store(
        &self,
        object: &str,
        incarnation: &str,
        at: i64,
        unmatched: &[Unmatched],
        outcome: RoundOutcome,
        store: impl FnOnce(&mut Snapshot, &mut StoreBudget<'_>),
    ) {
        let mut state = self.lock();
        let (objects, mut room) = self.room(&mut state, at);
        let Some(known) = object_of(objects, object, incarnation, at, &mut room) else { return room.lack_bytes() };
        (known.pods, known.scrape_error) = (outcome.pods, outcome.error);
        // Another selection has just stored this page, or one from a moment ago.
        if self.is_too_soon(known, at) {
            return;
        }
        known.forget(&mut room);
        if !room.budget.reserve(TIME) {
            return room.lack_bytes();
        }
        known.times.push(at);
        // Only needed for messages, so they are left out if the budget is used up.
        room.budget.release(bytes(&known.unmatched));
        known.unmatched = if room.budget.reserve(bytes(unmatched)) { unmatched.to_vec() } else { Vec::new() };
        store(known, &mut room);
    }

    /// Whether samples of this time are not stored, because they would follow others too soon.
    fn is_too_soon(&self, known: &Snapshot, at: i64) -> bool {
        known.times.last().is_some_and(|last| at < last.saturating_add(self.apart.max(1)))
    }

    /// Whether an object was sampled so recently that another page would not be stored; `is_its` tells whether an
    /// incarnation is that of the object.
    pub(crate) fn is_up_to_date(&self, object: &str, is_its: impl Fn(&str) -> bool, at: i64) -> bool {
        let state = self.lock();
        let known =
            state.objects.get(object).filter(|known| self.is_too_soon(known, at) && known.scrape_error.is_none());
        known.is_some_and(|known| is_its(&known.incarnation))
    }

    /// Records why an object could not be sampled.
    pub fn fail(&self, object: &str, incarnation: &str, at: i64, scrape_error: ScrapeError) {
        let mut state = self.lock();
        let (objects, mut room) = self.room(&mut state, at);
        if let Some(known) = object_of(objects, object, incarnation, at, &mut room) {
            known.forget(&mut room);
            known.scrape_error = Some(scrape_error);
        }
    }

    fn room<'s>(
        &'s self,
        state: &'s mut StoreState,
        at: i64,
    ) -> (&'s mut BTreeMap<String, Arc<Snapshot>>, StoreBudget<'s>) {
        let StoreState { objects, series, shared, full } = state;
        let (budget, most_series, oldest) = (&*self.budget, self.most_series, at.saturating_sub(self.keep));
        (objects, StoreBudget { budget, most_series, series, shared, full, at, oldest })
    }

    /// The samples of an object with this incarnation.
    pub fn lookup(&self, object: &str, incarnation: &str) -> Lookup {
        let state = self.lock();
        match state.full {
            Some((_, bound)) => Lookup::Full(bound),
            None => Lookup::of(state.objects.get(object).filter(|known| known.incarnation == incarnation)),
        }
    }

    /// The samples of several objects at one moment: `name` writes the name of each, and `is_its` tells whether an
    /// incarnation is that of the object.
    pub(crate) fn lookup_all<T>(
        &self,
        objects: &[T],
        name: impl Fn(&T, &mut String),
        is_its: impl Fn(&T, &str) -> bool,
    ) -> Vec<Lookup> {
        let state = self.lock();
        if let Some((_, bound)) = state.full {
            return vec![Lookup::Full(bound); objects.len()];
        }
        let mut key = String::new();
        let mut next = state.objects.range::<str, _>(..);
        let of = |object: &T| {
            name(object, &mut key);
            // Usually, all of these objects are stored, and requested in the same order.
            let known = match next.next() {
                Some((name, known)) if *name == key => Some(known),
                _ => {
                    next = state.objects.range::<str, _>((Bound::Included(key.as_str()), Bound::Unbounded));
                    next.next().filter(|(name, _)| **name == key).map(|(_, known)| known)
                }
            };
            Lookup::of(known.filter(|known| is_its(object, &known.incarnation)))
        };
        objects.iter().map(of).collect()
    }

    /// Drops objects that have not been sampled for as long as samples are needed.
    pub fn prune(&self, now: i64) {
        let mut state = self.lock();
        let StoreState { objects, series, shared, full } = &mut *state;
        objects.retain(|name, object| {
            let stays = object.tried >= now - self.keep;
            if !stays {
                *series -= object.series();
                self.budget.release(object.cost(name));
            }
            stays
        });
        shared.prune();
        // The samples that had to be left out would no longer be needed.
        if full.is_some_and(|(at, _)| at < now - self.keep) {
            *full = None;
        }
    }

    /// The numbers of the store's entries.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> Footprint {
        let state = self.lock();
        let (sets, layouts) = state.shared.counts();
        Footprint { objects: state.objects.len(), series: state.series, sets, layouts }
    }

    fn lock(&self) -> MutexGuard<'_, StoreState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SampleStore {
    fn drop(&mut self) {
        let taken = self.lock().objects.iter().map(|(name, object)| object.cost(name)).sum();
        self.budget.release(taken);
    }
}

/// The object with this incarnation, emptied if it had another one; `None` if there is no budget for it.
fn object_of<'o>(
    objects: &'o mut BTreeMap<String, Arc<Snapshot>>,
    name: &str,
    incarnation: &str,
    at: i64,
    room: &mut StoreBudget<'_>,
) -> Option<&'o mut Snapshot> {
    if objects.get(name).is_some_and(|known| known.incarnation != incarnation)
        && let Some(gone) = objects.remove(name)
    {
        *room.series -= gone.series();
        room.budget.release(gone.cost(name));
    }
    if !objects.contains_key(name) {
        let new = Snapshot { incarnation: incarnation.to_owned(), ..Snapshot::default() };
        if !room.budget.reserve(new.cost(name)) {
            return None;
        }
        objects.insert(name.to_owned(), Arc::new(new));
    }
    let known = Arc::make_mut(objects.get_mut(name)?);
    known.tried = known.tried.max(at);
    Some(known)
}

impl Lookup {
    fn of(known: Option<&Arc<Snapshot>>) -> Self {
        known.map_or(Self::Nothing, |known| Self::Snapshot(known.clone()))
    }

    /// Its numbers, for messages.
    pub fn summary(&self) -> StoreSummary {
        match self {
            Self::Nothing => StoreSummary::NotSampled,
            Self::Full(bound) => StoreSummary::Full(*bound),
            Self::Snapshot(snapshot) => {
                let Snapshot { times, scrape_error, pods, .. } = &**snapshot;
                StoreSummary::Sampled {
                    times: times.len(),
                    span: times.first().zip(times.last()).map_or(0, |(first, last)| last - first),
                    series: snapshot.series(),
                    pods: *pods,
                    scrape_error: scrape_error.clone(),
                }
            }
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
                    Some(ScrapeError::Incomplete(why)) => write!(f, "; then {why}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Exports samples to other replicas, and imports theirs.

use std::sync::Arc;

use super::SampleStore;
use super::budget::{OBJECT, SAMPLE, TIME, cost};
use super::snapshot::{ScrapeError, Snapshot};
use super::table::Table;
use crate::metrics::coverage::PodCount;
use crate::parse::peer_message::{PeerObject, PeerSeries};
use crate::promql::evaluate::{Labels, Sample};

/// A series that only a peer has, or of which the peer has earlier samples.
struct Addition {
    labels: Labels,
    seen: i64,
    /// The samples, oldest first, all older than the stored ones.
    samples: Vec<Sample>,
}

impl SampleStore {
    /// Passes all samples to `export`, with ages at the time `now`, or none if the rule has had to drop samples.
    pub(crate) fn export<T>(&self, now: i64, export: impl FnOnce(Vec<PeerObject<'_>>) -> T) -> T {
        let state = self.lock();
        let objects = state.objects.iter().filter(|_| state.full.is_none());
        export(objects.map(|(name, object)| object.export(name, now)).collect())
    }

    /// Imports the samples that a peer has of an object, as far as they are older than the stored ones: completely, or
    /// not at all if they do not fit into the budget. `at` is the time of the peer's message.
    pub(crate) fn take_over(&self, object: &PeerObject<'_>, at: i64) {
        let mut state = self.lock();
        let (objects, room) = self.room(&mut state, at);
        let time = |age: i32| at.saturating_sub(age.into());
        let known = objects.get(object.name);
        // This replica's own samples are the more recent ones.
        if known.is_some_and(|known| known.incarnation != object.incarnation) {
            return;
        }
        let own = known.map(|known| known.table.clone().into_sparse(&known.times)).unwrap_or_default();
        let first = known.and_then(|known| known.times.first()).copied().unwrap_or(i64::MAX);
        let times: Vec<i64> =
            object.times.iter().map(|age| time(*age)).filter(|time| (room.oldest..first).contains(time)).collect();
        let addition = |series: &PeerSeries<'_>| {
            let labels = Labels::new(series.labels.iter().copied());
            let ring = own.ring(&labels);
            let first = ring.and_then(|ring| ring.samples.first()).map_or(i64::MAX, |sample| sample.at);
            let samples = series.samples.iter().map(|(age, value)| Sample { at: time(*age), value: *value });
            let samples: Vec<Sample> = samples.filter(|sample| (room.oldest..first).contains(&sample.at)).collect();
            let new = if ring.is_none() { cost(&labels) } else { 0 };
            let bytes = new + SAMPLE * samples.len();
            (!samples.is_empty())
                .then(|| (Addition { labels, seen: time(series.seen), samples }, bytes, ring.is_none()))
        };
        let additions: Vec<_> = object.series.iter().filter_map(addition).collect();
        let empty = if known.is_some() { 0 } else { OBJECT + object.name.len() + object.incarnation.len() };
        let bytes = empty + TIME * times.len() + additions.iter().map(|(_, bytes, _)| bytes).sum::<usize>();
        let new = additions.iter().filter(|(_, _, is_new)| *is_new).count();
        if *room.series + new > room.most_series || !room.budget.reserve(bytes) {
            return;
        }
        *room.series += new;
        let known = objects.entry(object.name.to_owned()).or_insert_with(|| {
            Arc::new(Snapshot {
                incarnation: object.incarnation.to_owned(),
                tried: time(object.tried),
                // Applies until the next round.
                scrape_error: object
                    .failed
                    .then(|| ScrapeError::Incomplete("another replica could not sample it".to_owned())),
                pods: object.pods.map(|(answered, failed, pending)| PodCount {
                    answered: answered as usize,
                    failed: failed as usize,
                    pending,
                }),
                ..Snapshot::default()
            })
        });
        let known = Arc::make_mut(known);
        drop(known.times.splice(..0, times));
        let mut sparse = own;
        for (Addition { labels, seen, samples }, ..) in additions {
            sparse.prepend(room.shared.set(labels), seen, samples);
        }
        let is_of_one = known.pods.is_none();
        known.table = match is_of_one {
            true => Table::of(sparse, &known.times, |labels| room.shared.layout(labels)),
            false => Table::Sparse(sparse),
        };
    }
}

impl Snapshot {
    fn export<'a>(&'a self, name: &'a str, now: i64) -> PeerObject<'a> {
        let age = |at: i64| i32::try_from(now.saturating_sub(at)).unwrap_or(i32::MAX);
        let mut scratch = Vec::new();
        let series = (0..self.series()).filter_map(|at| {
            let labels = self.labels(at)?.iter().collect();
            let (seen, samples) = self.read(at, &mut scratch);
            let samples = samples.iter().map(|sample| (age(sample.at), sample.value)).collect();
            Some(PeerSeries { labels, seen: age(seen), samples })
        });
        let series = series.collect();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        PeerObject {
            name,
            incarnation: &self.incarnation,
            tried: age(self.tried),
            failed: self.scrape_error.is_some(),
            pods: self.pods.map(|pods| (count(pods.answered), count(pods.failed), pods.pending)),
            times: self.times.iter().map(|time| age(*time)).collect(),
            series,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::*;
    use crate::metrics::history::sparse::SeriesSamples;
    use crate::metrics::history::{Lookup, RoundOutcome, SampleBudget};
    use crate::parse::peer_message::{PeerMessage, PeerMessageLimits, PeerRule};
    use crate::promql::NAME_LABEL;

    /// The difference between the clocks of the two replicas.
    const SHIFT: i64 = 1_000_000;

    fn store(most_series: usize, budget: &Arc<SampleBudget>) -> SampleStore {
        SampleStore::new(Duration::from_secs(60), Duration::from_secs(10), most_series, budget.clone())
    }

    fn observe(store: &SampleStore, incarnation: &str, at: i64, names: &[&str]) {
        let samples = names.iter().map(|name| (Labels::new([(NAME_LABEL, *name)]), Sample { at, value: at as f64 }));
        store.observe("web", incarnation, at, samples, &[], RoundOutcome::default());
    }

    /// Exports all samples of one history to another, as bytes.
    fn hand_over(from: &SampleStore, to: &SampleStore, now: i64) {
        let bytes = from.export(now, |objects| {
            let rule = PeerRule { objects, ..PeerRule::default() };
            PeerMessage { instance: 0, rules: vec![rule] }.print()
        });
        let limits = PeerMessageLimits { bytes: bytes.len(), entries: 100, labels: 1 };
        let message = PeerMessage::parse(&bytes, &limits).unwrap();
        message.rules[0].objects.iter().for_each(|object| to.take_over(object, now + SHIFT));
    }

    /// The samples of an object.
    #[derive(Clone, Debug, PartialEq)]
    struct Stored {
        times: Vec<i64>,
        scrape_error: Option<ScrapeError>,
        pods: Option<PodCount>,
        series: Vec<SeriesSamples>,
    }

    fn snapshot(store: &SampleStore, incarnation: &str) -> Option<Stored> {
        let Lookup::Snapshot(snapshot) = store.lookup("web", incarnation) else { return None };
        let Snapshot { times, scrape_error, pods, .. } = &*snapshot;
        let mut scratch = Vec::new();
        let mut series: Vec<SeriesSamples> = (0..snapshot.series())
            .map(|at| {
                let (seen, samples) = snapshot.read(at, &mut scratch);
                SeriesSamples { labels: snapshot.labels(at).unwrap().clone(), seen, samples: samples.to_vec() }
            })
            .collect();
        series.sort_by_key(|kept| kept.labels.clone());
        Some(Stored { times: times.clone(), scrape_error: scrape_error.clone(), pods: *pods, series })
    }

    /// The samples by the clock of the importing replica.
    fn shifted(mut snapshot: Stored) -> Stored {
        snapshot.times.iter_mut().for_each(|time| *time += SHIFT);
        for kept in &mut snapshot.series {
            kept.seen += SHIFT;
            kept.samples.iter_mut().for_each(|sample| sample.at += SHIFT);
        }
        snapshot
    }

    #[test]
    fn gives_an_empty_history_the_same_samples() {
        let budgets = [(); 2].map(|()| Arc::new(SampleBudget::new(10_000)));
        let [from, to] = budgets.each_ref().map(|budget| store(10, budget));
        for at in [0, 10_000, 20_000] {
            observe(&from, "1", at, if at == 20_000 { &["a"] } else { &["a", "b"] });
        }
        hand_over(&from, &to, 25_000);
        assert_eq!(snapshot(&to, "1"), snapshot(&from, "1").map(shifted));
        let taken = budgets.each_ref().map(|budget| budget.taken.load(Ordering::Relaxed));
        assert_eq!(taken[0], taken[1]);
        // A second import changes nothing, and neither do later samples.
        hand_over(&from, &to, 25_000);
        observe(&from, "1", 30_000, &["a", "c"]);
        let before = snapshot(&to, "1");
        observe(&to, "1", 30_000 + SHIFT, &["a", "c"]);
        assert_ne!(snapshot(&to, "1"), before);
        hand_over(&from, &to, 35_000);
        let values = |snapshot: Option<Stored>| snapshot.map(|snapshot| snapshot.times.len());
        assert_eq!((values(snapshot(&to, "1")), values(snapshot(&from, "1"))), (Some(4), Some(4)));
        drop((from, to));
        assert!(budgets.iter().all(|budget| budget.taken.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn puts_earlier_samples_before_own_ones() {
        let budget = Arc::new(SampleBudget::new(10_000));
        let (from, to) = (store(10, &budget), store(10, &budget));
        for at in [0, 10_000, 20_000] {
            observe(&from, "1", at, &["a", "b"]);
        }
        observe(&to, "1", 13_000 + SHIFT, &["a"]);
        hand_over(&from, &to, 21_000);
        let both = snapshot(&to, "1").unwrap();
        assert_eq!(both.times, [0, 10_000, 13_000].map(|at| at + SHIFT));
        let times = |at: usize| both.series[at].samples.iter().map(|sample| sample.at - SHIFT).collect::<Vec<_>>();
        assert_eq!((times(0), times(1)), (vec![0, 10_000, 13_000], vec![0, 10_000, 20_000]));
        // Neither replica needs samples that are too old.
        let late = store(10, &budget);
        hand_over(&from, &late, 95_000);
        assert!(snapshot(&late, "1").unwrap().times.iter().all(|at| *at >= 15_000 + SHIFT));
    }

    #[test]
    fn imports_all_samples_of_an_object_or_none() {
        let budget = Arc::new(SampleBudget::new(10_000));
        let from = store(10, &budget);
        observe(&from, "1", 0, &["a", "b"]);
        let few = store(1, &budget);
        hand_over(&from, &few, 1_000);
        assert_eq!(few.lookup("web", "1"), Lookup::Nothing);
        let small = store(10, &Arc::new(SampleBudget::new(500)));
        hand_over(&from, &small, 1_000);
        assert_eq!(small.lookup("web", "1"), Lookup::Nothing);
        // A pod that was replaced in the meantime.
        let other = store(10, &budget);
        observe(&other, "2", 500 + SHIFT, &["a"]);
        hand_over(&from, &other, 1_000);
        assert_eq!((snapshot(&other, "1"), snapshot(&other, "2").unwrap().times), (None, vec![500 + SHIFT]));
        // A history that had to drop samples exports none.
        let full = store(1, &budget);
        observe(&full, "1", 0, &["a", "b"]);
        assert_eq!(full.export(0, |objects| objects.len()), 0);
    }
}

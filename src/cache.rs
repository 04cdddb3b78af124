//! A bounded cache in which many callers of one key cause one load.
//!
//! It serves no expired value, it does not hold its lock during a load, and time is an argument: the only time it
//! measures itself is how long a caller has waited.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a value stays past its time, for [`Cache::last`].
const STALE: Duration = Duration::from_secs(60);

/// Values by key, each for its own time; failed loads too, if `V` is a `Result`.
#[derive(Debug)]
pub struct Cache<K, V> {
    state: Mutex<CacheState<K, V>>,
    max_entries: usize,
    max_cost: usize,
}

/// How long a caller waits for another caller's load, and whether it may load itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It does not wait: only a kept value counts.
    No,
    /// Until then, in the time of `now`. Loads itself if no other caller does, however long that takes.
    Until(Instant),
}

/// The result of a load.
#[derive(Clone, Debug)]
pub struct Loaded<V> {
    /// The value, shared by all callers that waited for it.
    pub value: V,
    /// When it is too old for later callers.
    pub until: Instant,
    /// What it counts against the cache's bound; bytes, say.
    pub cost: usize,
    /// Whether it is kept, and counts for the callers that waited for it. No, where the loading caller's own deadline
    /// cut the load short: that says nothing to a caller that has more time, which then loads itself.
    pub shared: bool,
}

/// The result for a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<V> {
    /// A value: in the cache, loaded by another caller meanwhile, or by this one.
    Value(Arc<V>),
    /// It takes a load to know, and the caller does not wait.
    WouldWait,
    /// Another caller's load takes longer than this caller waits.
    TimedOut,
    /// Another caller's load panicked.
    Panicked,
}

#[derive(Debug)]
struct CacheState<K, V> {
    slots: HashMap<K, Slot<V>>,
    /// Slots with a kept value, and what these cost.
    entries: usize,
    cost: usize,
    /// Counts uses; tells which entry was used last.
    tick: u64,
    /// When values past their time were dropped last.
    swept: Option<Instant>,
}

/// A kept value, a load under way, or both.
#[derive(Debug)]
struct Slot<V> {
    kept: Option<Kept<V>>,
    flight: Option<Arc<Flight<V>>>,
}

#[derive(Debug)]
struct Kept<V> {
    value: Arc<V>,
    until: Instant,
    cost: usize,
    used: u64,
}

/// A load under way, and the callers that wait for it.
#[derive(Debug)]
struct Flight<V> {
    landed: Mutex<Option<Landed<V>>>,
    wake: Condvar,
}

#[derive(Debug)]
enum Landed<V> {
    Value(Arc<V>),
    /// There is a value, for the loading caller alone.
    Private,
    Panicked,
}

/// What a look into the state says to do.
enum Step<V> {
    Hit(Arc<V>),
    Join(Arc<Flight<V>>),
    Load(Arc<Flight<V>>),
}

impl<K: Clone + Eq + Hash, V> Cache<K, V> {
    /// An empty cache for at most so many values of at most so much cost together.
    pub fn new(max_entries: usize, max_cost: usize) -> Self {
        let state = CacheState { slots: HashMap::new(), entries: 0, cost: 0, tick: 0, swept: None };
        Self { state: Mutex::new(state), max_entries, max_cost }
    }

    /// The value for `key`: kept and fresh at `now`, else from a load that is under way, else from `load`.
    ///
    /// A value that does not `covers` what the caller wants is passed over; what the caller's own `load` brought is
    /// handed over unseen. `covers` is called under the cache's lock: it must be quick, and leave the cache alone.
    /// `load` is called without the lock, but must not get the same key.
    pub fn get(
        &self,
        key: &K,
        mut now: Instant,
        wait: Wait,
        covers: impl Fn(&V) -> bool,
        load: impl FnOnce() -> Loaded<V>,
    ) -> Outcome<V> {
        loop {
            let flight = match self.step(key, now, wait, &covers) {
                None => return Outcome::WouldWait,
                Some(Step::Hit(value)) => return Outcome::Value(value),
                Some(Step::Load(flight)) => return Outcome::Value(self.load(key, now, flight, load)),
                Some(Step::Join(flight)) => flight,
            };
            let Wait::Until(until) = wait else { return Outcome::WouldWait };
            let began = Instant::now();
            match flight.wait(until.saturating_duration_since(now)) {
                None => return Outcome::TimedOut,
                Some(Landed::Panicked) => return Outcome::Panicked,
                Some(Landed::Value(value)) if covers(&value) => return Outcome::Value(value),
                Some(Landed::Value(_) | Landed::Private) => now += began.elapsed(),
            }
        }
    }

    /// The value that was kept last for `key`, if it is still there; it may be past its time.
    pub fn last(&self, key: &K) -> Option<Arc<V>> {
        self.lock().slots.get(key)?.kept.as_ref().map(|kept| kept.value.clone())
    }

    /// `None`: only a load can tell, and the caller does not wait.
    fn step(&self, key: &K, now: Instant, wait: Wait, covers: impl Fn(&V) -> bool) -> Option<Step<V>> {
        let mut state = self.lock();
        state.tick += 1;
        let tick = state.tick;
        let slot = state.slots.get_mut(key);
        if let Some(slot) = slot {
            if let Some(kept) = &mut slot.kept
                && now < kept.until
                && covers(&kept.value)
            {
                kept.used = tick;
                return Some(Step::Hit(kept.value.clone()));
            }
            if let Some(flight) = &slot.flight {
                return Some(Step::Join(flight.clone()));
            }
        }
        if wait == Wait::No {
            return None;
        }
        let flight = Arc::new(Flight { landed: Mutex::new(None), wake: Condvar::new() });
        state.slots.entry(key.clone()).or_insert(Slot { kept: None, flight: None }).flight = Some(flight.clone());
        Some(Step::Load(flight))
    }

    fn load(&self, key: &K, now: Instant, flight: Arc<Flight<V>>, load: impl FnOnce() -> Loaded<V>) -> Arc<V> {
        let mut landing = Landing { cache: self, key, now, flight, loaded: None };
        let Loaded { value, until, cost, shared } = load();
        let value = Arc::new(value);
        landing.loaded = Some(Loaded { value: value.clone(), until, cost, shared });
        value
    }

    fn lock(&self) -> MutexGuard<'_, CacheState<K, V>> {
        lock(&self.state)
    }
}

impl<K: Clone + Eq + Hash, V> CacheState<K, V> {
    /// Puts what was loaded in place of what is kept for `key`, if there is room for it.
    fn keep(&mut self, key: &K, now: Instant, loaded: &Loaded<Arc<V>>, max_entries: usize, max_cost: usize) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        if let Some(old) = slot.kept.take() {
            self.entries -= 1;
            self.cost -= old.cost;
        }
        self.sweep(now);
        let Loaded { value, until, cost, .. } = loaded;
        if max_entries == 0 || *cost > max_cost {
            return;
        }
        self.make_room(now, max_entries - 1, max_cost - cost);
        if self.entries >= max_entries || self.cost > max_cost - cost {
            return;
        }
        self.tick += 1;
        if let Some(slot) = self.slots.get_mut(key) {
            self.entries += 1;
            self.cost += cost;
            slot.kept = Some(Kept { value: value.clone(), until: *until, cost: *cost, used: self.tick });
        }
    }

    /// Drops values that are long past their time: those of deleted pods, for example, which are not requested again.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now.saturating_duration_since(swept) < STALE) {
            return;
        }
        self.swept = Some(now);
        let (mut entries, mut cost) = (self.entries, self.cost);
        self.slots.retain(|_, slot| match &slot.kept {
            Some(kept) if slot.flight.is_none() && now.saturating_duration_since(kept.until) >= STALE => {
                entries -= 1;
                cost -= kept.cost;
                false
            }
            _ => true,
        });
        (self.entries, self.cost) = (entries, cost);
    }

    /// Drops expired values, then those used longest ago, until no more than so much is left; none that is
    /// being loaded again.
    fn make_room(&mut self, now: Instant, entries: usize, cost: usize) {
        if self.entries <= entries && self.cost <= cost {
            return;
        }
        let rank = |kept: &Kept<V>| (now < kept.until, kept.used);
        let mut candidates: Vec<_> = self
            .slots
            .values()
            .filter(|slot| slot.flight.is_none())
            .filter_map(|slot| slot.kept.as_ref())
            .map(|kept| (rank(kept), kept.cost))
            .collect();
        candidates.sort_unstable();
        let mut last = None;
        for (rank, freed) in candidates {
            if self.entries <= entries && self.cost <= cost {
                break;
            }
            self.entries -= 1;
            self.cost -= freed;
            last = Some(rank);
        }
        self.slots.retain(|_, slot| match &slot.kept {
            Some(kept) if slot.flight.is_none() => Some(rank(kept)) > last,
            _ => true,
        });
    }
}

impl<V> Flight<V> {
    /// `None` if the load takes longer than this.
    fn wait(&self, longest: Duration) -> Option<Landed<V>> {
        let (landed, _) = self
            .wake
            .wait_timeout_while(lock(&self.landed), longest, |landed| landed.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        match &*landed {
            None => None,
            Some(Landed::Value(value)) => Some(Landed::Value(value.clone())),
            Some(Landed::Private) => Some(Landed::Private),
            Some(Landed::Panicked) => Some(Landed::Panicked),
        }
    }

    fn land(&self, landed: Landed<V>) {
        *lock(&self.landed) = Some(landed);
        self.wake.notify_all();
    }
}

/// Ends a flight however its load ends: the cache forgets the flight and keeps the value, and waiting callers wake up.
struct Landing<'a, K: Clone + Eq + Hash, V> {
    cache: &'a Cache<K, V>,
    key: &'a K,
    now: Instant,
    flight: Arc<Flight<V>>,
    /// `None` when the load panicked.
    loaded: Option<Loaded<Arc<V>>>,
}

impl<K: Clone + Eq + Hash, V> Drop for Landing<'_, K, V> {
    fn drop(&mut self) {
        let mut state = self.cache.lock();
        if let Some(loaded) = self.loaded.as_ref().filter(|loaded| loaded.shared) {
            state.keep(self.key, self.now, loaded, self.cache.max_entries, self.cache.max_cost);
        }
        if let Some(slot) = state.slots.get_mut(self.key) {
            slot.flight = None;
            if slot.kept.is_none() {
                state.slots.remove(self.key);
            }
        }
        drop(state);
        self.flight.land(match self.loaded.take() {
            Some(Loaded { value, shared: true, .. }) => Landed::Value(value),
            Some(_) => Landed::Private,
            None => Landed::Panicked,
        });
    }
}

/// A panic elsewhere leaves nothing half done under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

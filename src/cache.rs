//! A bounded cache in which concurrent callers of one key share one load.
//!
//! It never returns an expired value, except by [`Cache::last`], and does not hold its lock during a load. Times are arguments.
//!
//! Except for the thin [`Cache`], the implementation is a single type for all keys and values, so it is compiled once.

mod key;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use self::key::Key;
use crate::parse::sort::sort;

/// How long a value is kept after it expires, for [`Cache::last`].
const STALE: Duration = Duration::from_secs(60);

/// Values by key, each with its own expiry. If `V` is a `Result`, failed loads are cached too.
#[derive(Debug)]
pub struct Cache<V> {
    store: Store,
    holds: PhantomData<fn() -> V>,
}

/// A value of any type.
type AnyValue = dyn Any + Send + Sync;

/// Whether a cached value covers the needs of a caller.
type Covers<'c> = &'c dyn Fn(&AnyValue) -> bool;

/// Loads a value; `None` if called a second time.
type Load<'l> = &'l mut dyn FnMut() -> Option<Loaded<Arc<AnyValue>>>;

#[derive(Debug)]
struct Store {
    state: Mutex<CacheState>,
    max_entries: usize,
    max_cost: usize,
}

/// How long a caller waits for another caller's load, and whether it may load itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The caller does not wait and does not load: only a cached value counts.
    No,
    /// The caller waits until this time, on the clock of `now`. If no other caller is loading, it loads, however long
    /// that takes.
    Until(Instant),
}

/// The result of a load.
#[derive(Clone, Debug)]
pub struct Loaded<V> {
    /// The value, shared by all callers that waited for it.
    pub value: V,
    /// The expiry of the value for later callers.
    pub until: Instant,
    /// The cost of the value against the cache's limit, for example in bytes.
    pub cost: usize,
    /// Whether to cache the value and return it to waiting callers. It is false if the loading caller's own deadline
    /// cut the load short: a caller with more time should load again.
    pub shared: bool,
}

/// The result for a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<V: ?Sized> {
    /// A value: cached, loaded by another caller meanwhile, or loaded by this caller.
    Value(Arc<V>),
    /// A load is necessary, and the caller does not wait.
    WouldWait,
    /// Another caller's load takes longer than this caller waits.
    TimedOut,
    /// Another caller's load panicked.
    Panicked,
}

#[derive(Debug)]
struct CacheState {
    slots: HashMap<Key, Slot>,
    /// The number of slots with a cached value, and the total cost of these.
    entries: usize,
    cost: usize,
    /// A counter of uses, to find the least recently used entry.
    tick: u64,
    /// The time of the last removal of expired values.
    swept: Option<Instant>,
}

/// A cached value, a load in progress, or both.
#[derive(Debug)]
struct Slot {
    kept: Option<Kept>,
    flight: Option<Arc<Flight>>,
}

#[derive(Debug)]
struct Kept {
    value: Arc<AnyValue>,
    until: Instant,
    cost: usize,
    used: u64,
}

/// A load in progress, and the callers that wait for it.
#[derive(Debug)]
struct Flight {
    outcome: Mutex<Option<LoadOutcome>>,
    wake: Condvar,
}

#[derive(Clone, Debug)]
enum LoadOutcome {
    Value(Arc<AnyValue>),
    /// The value is only for the loading caller.
    Private,
    Panicked,
}

/// The next step, determined from the state.
enum Step {
    Hit(Arc<AnyValue>),
    Join(Arc<Flight>),
    Load(Arc<Flight>),
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// Creates an empty cache with limits on the number of values and on their total cost.
    pub fn new(max_entries: usize, max_cost: usize) -> Self {
        let state = CacheState { slots: HashMap::new(), entries: 0, cost: 0, tick: 0, swept: None };
        Self { store: Store { state: Mutex::new(state), max_entries, max_cost }, holds: PhantomData }
    }

    /// The value for `key`: a cached one that is fresh at `now`, that of a load in progress, or that of `load`.
    ///
    /// A cached value that `covers` rejects is ignored; the value of the caller's own `load` is returned unchecked.
    /// `covers` is called under the cache's lock, so it must be quick and must not use the cache. `load` is called
    /// without the lock, but must not get the same key.
    pub fn get(
        &self,
        key: &Key,
        now: Instant,
        wait: Wait,
        covers: impl Fn(&V) -> bool,
        load: impl FnOnce() -> Loaded<V>,
    ) -> Outcome<V> {
        let mut load = Some(load);
        let mut load_any = || {
            let Loaded { value, until, cost, shared } = load.take()?();
            Some(Loaded { value: Arc::new(value) as Arc<AnyValue>, until, cost, shared })
        };
        let covers = |value: &AnyValue| value.downcast_ref().is_some_and(&covers);
        match self.store.get(key, now, wait, &covers, &mut load_any) {
            // A cache contains values of one type only.
            Outcome::Value(value) => value.downcast().map_or(Outcome::Panicked, Outcome::Value),
            Outcome::WouldWait => Outcome::WouldWait,
            Outcome::TimedOut => Outcome::TimedOut,
            Outcome::Panicked => Outcome::Panicked,
        }
    }

    /// The cached value for `key`, if it is fresh at `now` and `covers` accepts it.
    pub fn kept(&self, key: &Key, now: Instant, covers: impl Fn(&V) -> bool) -> Option<Arc<V>> {
        let covers = |value: &AnyValue| value.downcast_ref().is_some_and(&covers);
        match self.store.step(key, now, Wait::No, &covers) {
            Some(Step::Hit(value)) => value.downcast().ok(),
            Some(Step::Join(_) | Step::Load(_)) | None => None,
        }
    }

    /// Caches a value made without [`Cache::get`], unless a load for the key is in progress.
    pub fn put(&self, key: &Key, now: Instant, loaded: Loaded<V>) {
        self.get(key, now, Wait::Until(now), |_| false, || loaded);
    }

    /// Replaces the value for `key` by a load, during which the previous value is still returned; does nothing if a
    /// load is in progress.
    pub fn reload(&self, key: &Key, now: Instant, load: impl FnOnce() -> Loaded<V>) -> Outcome<V> {
        // A `covers` that accepts nothing forces a load.
        match self.store.is_loading(key) {
            true => Outcome::WouldWait,
            false => self.get(key, now, Wait::Until(now), |_| false, load),
        }
    }

    /// When this value expires, if it is the one cached for `key`.
    pub fn kept_until(&self, key: &Key, value: &Arc<V>) -> Option<Instant> {
        let state = self.store.lock();
        let kept = state.slots.get(key.lookup())?.kept.as_ref()?;
        std::ptr::addr_eq(Arc::as_ptr(&kept.value), Arc::as_ptr(value)).then_some(kept.until)
    }

    /// The number of keys with a value or a load.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.store.lock().slots.len()
    }

    /// The value last cached for `key`, if it is still present; it may have expired.
    pub fn last(&self, key: &Key) -> Option<Arc<V>> {
        let value = self.store.lock().slots.get(key.lookup())?.kept.as_ref().map(|kept| kept.value.clone());
        value?.downcast().ok()
    }
}

impl Store {
    fn is_loading(&self, key: &Key) -> bool {
        self.lock().slots.get(key.lookup()).is_some_and(|slot| slot.flight.is_some())
    }

    fn get(&self, key: &Key, mut now: Instant, wait: Wait, covers: Covers<'_>, load: Load<'_>) -> Outcome<AnyValue> {
        loop {
            let flight = match self.step(key, now, wait, covers) {
                None => return Outcome::WouldWait,
                Some(Step::Hit(value)) => return Outcome::Value(value),
                Some(Step::Load(flight)) => {
                    return self.load(key, now, flight, load).map_or(Outcome::Panicked, Outcome::Value);
                }
                Some(Step::Join(flight)) => flight,
            };
            let Wait::Until(until) = wait else { return Outcome::WouldWait };
            let began = Instant::now();
            match flight.wait(until.saturating_duration_since(now)) {
                None => return Outcome::TimedOut,
                Some(LoadOutcome::Panicked) => return Outcome::Panicked,
                Some(LoadOutcome::Value(value)) if covers(&*value) => return Outcome::Value(value),
                Some(LoadOutcome::Value(_) | LoadOutcome::Private) => now += began.elapsed(),
            }
        }
    }

    /// Returns `None` if a load is necessary and the caller does not wait.
    fn step(&self, key: &Key, now: Instant, wait: Wait, covers: Covers<'_>) -> Option<Step> {
        let mut state = self.lock();
        state.tick += 1;
        let tick = state.tick;
        if let Some(slot) = state.slots.get_mut(key.lookup()) {
            if let Some(kept) = &mut slot.kept
                && now < kept.until
                && covers(&*kept.value)
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
        let flight = Arc::new(Flight { outcome: Mutex::new(None), wake: Condvar::new() });
        let slot = state.slots.entry(key.copy()).or_insert(Slot { kept: None, flight: None });
        slot.flight = Some(flight.clone());
        Some(Step::Load(flight))
    }

    fn load(&self, key: &Key, now: Instant, flight: Arc<Flight>, load: Load<'_>) -> Option<Arc<AnyValue>> {
        let mut landing = FlightGuard { store: self, key, now, flight, loaded: None };
        landing.loaded = load();
        landing.loaded.as_ref().map(|loaded| loaded.value.clone())
    }

    fn lock(&self) -> MutexGuard<'_, CacheState> {
        lock(&self.state)
    }
}

impl CacheState {
    /// Replaces the cached value for `key` by the loaded one, if there is room for it.
    fn keep(&mut self, key: &Key, now: Instant, loaded: &Loaded<Arc<AnyValue>>, max_entries: usize, max_cost: usize) {
        let Some(slot) = self.slots.get_mut(key.lookup()) else { return };
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
        if let Some(slot) = self.slots.get_mut(key.lookup()) {
            self.entries += 1;
            self.cost += cost;
            slot.kept = Some(Kept { value: value.clone(), until: *until, cost: *cost, used: self.tick });
        }
    }

    /// Removes values that expired long ago, such as those of deleted pods, which no request replaces.
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

    /// Removes expired values, then the least recently used, until the limits are met; values that are being reloaded
    /// are kept.
    fn make_room(&mut self, now: Instant, entries: usize, cost: usize) {
        if self.entries <= entries && self.cost <= cost {
            return;
        }
        let rank = |kept: &Kept| (now < kept.until, kept.used);
        let mut candidates: Vec<_> = self
            .slots
            .values()
            .filter(|slot| slot.flight.is_none())
            .filter_map(|slot| slot.kept.as_ref())
            .map(|kept| (rank(kept), kept.cost))
            .collect();
        sort(&mut candidates);
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

impl Flight {
    /// Waits for the load; `None` if it takes longer than this.
    fn wait(&self, longest: Duration) -> Option<LoadOutcome> {
        let (outcome, _) = self
            .wake
            .wait_timeout_while(lock(&self.outcome), longest, |outcome| outcome.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        outcome.clone()
    }

    fn finish(&self, outcome: LoadOutcome) {
        *lock(&self.outcome) = Some(outcome);
        self.wake.notify_all();
    }
}

/// Finishes a flight on every outcome of its load: the cache removes the flight and keeps the value, and waiting
/// callers wake up.
struct FlightGuard<'a> {
    store: &'a Store,
    key: &'a Key,
    now: Instant,
    flight: Arc<Flight>,
    /// `None` if the load panicked.
    loaded: Option<Loaded<Arc<AnyValue>>>,
}

impl Drop for FlightGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.store.lock();
        if let Some(loaded) = self.loaded.as_ref().filter(|loaded| loaded.shared) {
            state.keep(self.key, self.now, loaded, self.store.max_entries, self.store.max_cost);
        }
        if let Some(slot) = state.slots.get_mut(self.key.lookup()) {
            slot.flight = None;
            if slot.kept.is_none() {
                state.slots.remove(self.key.lookup());
            }
        }
        drop(state);
        self.flight.finish(match self.loaded.take() {
            Some(Loaded { value, shared: true, .. }) => LoadOutcome::Value(value),
            Some(_) => LoadOutcome::Private,
            None => LoadOutcome::Panicked,
        });
    }
}

/// A panic elsewhere does not leave inconsistent state under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

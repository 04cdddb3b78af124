//! A bounded cache in which a hundred callers cause one load.
//!
//! It serves nothing past its time, it never holds its lock during a load, and time is an argument: the only clock it
//! looks at itself is how long a caller has waited.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Values by key, each for its own time; failed loads too, if `V` is a `Result`.
#[derive(Debug)]
pub struct Cache<K, V> {
    state: Mutex<State<K, V>>,
    max_entries: usize,
    max_cost: usize,
}

/// How long a caller waits for somebody else's load, and whether it may load itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: only what is there already.
    No,
    /// Until then, in the time of `now`; loads itself if nobody else does, for as long as that takes.
    Until(Instant),
}

/// What a load brought.
#[derive(Clone, Debug)]
pub struct Loaded<V> {
    /// The value, shared by everybody who waited for it.
    pub value: V,
    /// When it is too old for later callers.
    pub until: Instant,
    /// What it counts against the cache's bound; bytes, say.
    pub cost: usize,
}

/// What a caller gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<V> {
    /// A value: in the cache, loaded by another caller meanwhile, or by this one.
    Value(Arc<V>),
    /// It takes a load to know, and the caller does not wait.
    WouldWait,
    /// Somebody else's load took longer than the caller waits.
    TimedOut,
    /// Somebody else's load panicked.
    Panicked,
}

#[derive(Debug)]
struct State<K, V> {
    slots: HashMap<K, Slot<V>>,
    /// Slots with a kept value, and what these cost.
    entries: usize,
    cost: usize,
    /// Counts uses; tells which entry was used last.
    tick: u64,
}

/// Never without both: a value is kept, or somebody is loading one.
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

/// A load under way, with those who wait for it.
#[derive(Debug)]
struct Flight<V> {
    landed: Mutex<Option<Landed<V>>>,
    wake: Condvar,
}

#[derive(Debug)]
enum Landed<V> {
    Value(Arc<V>),
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
        let state = State { slots: HashMap::new(), entries: 0, cost: 0, tick: 0 };
        Self { state: Mutex::new(state), max_entries, max_cost }
    }

    /// The value for `key`: kept and fresh at `now`, else from a load that is under way, else from `load`.
    ///
    /// A value that does not `covers` what the caller wants is passed over; what the caller's own `load` brought is
    /// handed over unseen. `covers` is called under the cache's lock: it must be quick, and leave the cache alone. `load`
    /// is called without the lock, but must not ask for the same key.
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
                Some(Landed::Value(_)) => now += began.elapsed(),
            }
        }
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
        let Loaded { value, until, cost } = load();
        let value = Arc::new(value);
        landing.loaded = Some(Loaded { value: value.clone(), until, cost });
        value
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        lock(&self.state)
    }
}

impl<K: Clone + Eq + Hash, V> State<K, V> {
    /// Puts what was loaded in place of what is kept for `key`, if there is room for it.
    fn keep(&mut self, key: &K, now: Instant, loaded: &Loaded<Arc<V>>, max_entries: usize, max_cost: usize) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        if let Some(old) = slot.kept.take() {
            self.entries -= 1;
            self.cost -= old.cost;
        }
        let Loaded { value, until, cost } = loaded;
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

    /// Drops expired values, then those used longest ago, until no more than so much is left; none that is being
    /// loaded anew.
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
            Some(Landed::Panicked) => Some(Landed::Panicked),
        }
    }

    fn land(&self, landed: Landed<V>) {
        *lock(&self.landed) = Some(landed);
        self.wake.notify_all();
    }
}

/// Ends a flight however its load ends: the cache forgets the flight and keeps the value, and those who wait wake up.
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
        if let Some(loaded) = &self.loaded {
            state.keep(self.key, self.now, loaded, self.cache.max_entries, self.cache.max_cost);
        }
        if let Some(slot) = state.slots.get_mut(self.key) {
            slot.flight = None;
            if slot.kept.is_none() {
                state.slots.remove(self.key);
            }
        }
        drop(state);
        self.flight.land(self.loaded.take().map_or(Landed::Panicked, |loaded| Landed::Value(loaded.value)));
    }
}

/// A panic elsewhere leaves nothing half done under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LONG: Duration = Duration::from_secs(60);

    fn any(_: &u32) -> bool {
        true
    }

    fn never() -> Loaded<u32> {
        panic!("must not load")
    }

    /// What a caller that only looks sees of each key.
    fn seen(cache: &Cache<&'static str, u32>, now: Instant, keys: &str) -> String {
        let key = |key: &str| match cache.get(&&*key.to_string().leak(), now, Wait::No, any, never) {
            Outcome::Value(_) => key.to_string(),
            Outcome::WouldWait => "-".to_string(),
            other => panic!("{other:?}"),
        };
        keys.split("").filter(|name| !name.is_empty()).map(key).collect()
    }

    fn load(cache: &Cache<&'static str, u32>, key: &'static str, now: Instant, ttl: Duration, cost: usize) {
        let loaded = || Loaded { value: 1, until: now + ttl, cost };
        assert_eq!(cache.get(&key, now, Wait::Until(now), any, loaded), Outcome::Value(Arc::new(1)));
    }

    /// Waits until a caller besides this one waits for a flight.
    fn until_waiting(cache: &Cache<&'static str, u32>, key: &'static str, callers: usize) {
        // The cache, the loading caller and each waiting caller hold the flight.
        while cache.lock().slots[key].flight.as_ref().map_or(0, Arc::strong_count) < 2 + callers {
            thread::yield_now();
        }
    }

    #[test]
    fn serves_until_the_time_is_over() {
        let (cache, now) = (Cache::new(8, 8), Instant::now());
        assert_eq!(cache.get(&"a", now, Wait::No, any, never), Outcome::WouldWait);
        load(&cache, "a", now, SECOND, 1);
        let last = now + SECOND - Duration::from_nanos(1);
        assert_eq!(cache.get(&"a", last, Wait::No, any, never), Outcome::Value(Arc::new(1)));
        assert_eq!(cache.get(&"a", last, Wait::Until(now), any, never), Outcome::Value(Arc::new(1)));
        assert_eq!(cache.get(&"a", now + SECOND, Wait::No, any, never), Outcome::WouldWait);
        let again = || Loaded { value: 2, until: now + LONG, cost: 1 };
        assert_eq!(cache.get(&"a", now + SECOND, Wait::Until(now), any, again), Outcome::Value(Arc::new(2)));
        let state = cache.lock();
        assert_eq!((state.entries, state.cost), (1, 1));
    }

    #[test]
    fn passes_over_what_does_not_cover() {
        let (cache, now) = (Cache::new(8, 8), Instant::now());
        load(&cache, "a", now, SECOND, 1);
        let odd = |value: &u32| value % 2 == 1;
        let even = |value: &u32| value.is_multiple_of(2);
        assert_eq!(cache.get(&"a", now, Wait::No, odd, never), Outcome::Value(Arc::new(1)));
        assert_eq!(cache.get(&"a", now, Wait::No, even, never), Outcome::WouldWait);
        let nested = || {
            // Who is content with what is there does not wait for this load.
            assert_eq!(cache.get(&"a", now, Wait::Until(now), odd, never), Outcome::Value(Arc::new(1)));
            assert_eq!(cache.get(&"a", now, Wait::No, even, never), Outcome::WouldWait);
            Loaded { value: 2, until: now + SECOND, cost: 1 }
        };
        assert_eq!(cache.get(&"a", now, Wait::Until(now), even, nested), Outcome::Value(Arc::new(2)));
        assert_eq!(cache.get(&"a", now, Wait::No, odd, never), Outcome::WouldWait);
    }

    #[test]
    fn evicts_the_expired_then_the_longest_unused() {
        for (name, max_entries, max_cost, costs, cost, expected) in [
            ("room", 4, 9, [1, 1, 1], 1, "abcd"),
            ("entries: the expired one", 3, 9, [1, 1, 1], 1, "-bcd"),
            ("cost: the expired one is enough", 9, 5, [2, 1, 1], 2, "-bcd"),
            ("cost: the longest unused too", 9, 5, [2, 1, 1], 4, "-b-d"),
            ("cost: all", 9, 5, [1, 1, 1], 5, "---d"),
            ("cost: never fits", 9, 5, [1, 1, 1], 6, "abc-"),
            ("no entries", 0, 5, [1, 1, 1], 1, "----"),
        ] {
            let (cache, now) = (Cache::new(max_entries, max_cost), Instant::now());
            load(&cache, "a", now, SECOND, costs[0]);
            load(&cache, "b", now, LONG, costs[1]);
            load(&cache, "c", now, LONG, costs[2]);
            seen(&cache, now, "ba");
            let later = if expected.starts_with('a') { now } else { now + SECOND };
            load(&cache, "d", later, LONG, cost);
            assert_eq!(seen(&cache, later, "abcd"), expected, "{name}");
            let state = cache.lock();
            let kept: Vec<_> = state.slots.values().filter_map(|slot| slot.kept.as_ref()).collect();
            assert_eq!(state.entries, kept.len(), "{name}");
            assert_eq!(state.cost, kept.iter().map(|kept| kept.cost).sum::<usize>(), "{name}");
            assert_eq!(state.slots.len(), kept.len(), "{name}");
        }
    }

    #[test]
    fn keeps_nothing_where_all_is_being_loaded() {
        let (cache, now) = (Cache::new(1, 9), Instant::now());
        load(&cache, "a", now, SECOND, 1);
        let nested = || {
            load(&cache, "b", now + SECOND, LONG, 1);
            assert_eq!(seen(&cache, now, "ab"), "a-");
            Loaded { value: 2, until: now + LONG, cost: 1 }
        };
        cache.get(&"a", now + SECOND, Wait::Until(now), any, nested);
        assert_eq!(seen(&cache, now, "ab"), "a-");
        assert_eq!(cache.lock().slots.len(), 1);
    }

    #[test]
    fn loads_once_for_a_hundred_callers() {
        let (cache, now, loads, start) = (Cache::new(8, 8), Instant::now(), AtomicUsize::new(0), Barrier::new(100));
        let value = || {
            until_waiting(&cache, "a", 99);
            let value = loads.fetch_add(1, Ordering::Relaxed) as u32;
            Loaded { value, until: now, cost: 1 }
        };
        thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    start.wait();
                    let outcome = cache.get(&"a", now, Wait::Until(now + LONG), any, value);
                    assert_eq!(outcome, Outcome::Value(Arc::new(0)));
                });
            }
        });
        assert_eq!(loads.into_inner(), 1);
        assert_eq!(cache.get(&"a", now, Wait::No, any, never), Outcome::WouldWait, "it was never fresh");
    }

    #[test]
    fn loads_once_more_for_those_whom_it_does_not_cover() {
        let (cache, now, loads) = (Cache::new(8, 8), Instant::now(), AtomicUsize::new(0));
        let second = || {
            loads.fetch_add(1, Ordering::Relaxed);
            Loaded { value: 2, until: now + LONG, cost: 1 }
        };
        thread::scope(|scope| {
            let first = || {
                for _ in 0..9 {
                    scope.spawn(|| {
                        let outcome = cache.get(&"a", now, Wait::Until(now + LONG), |value| *value == 2, second);
                        assert_eq!(outcome, Outcome::Value(Arc::new(2)));
                    });
                }
                until_waiting(&cache, "a", 9);
                Loaded { value: 1, until: now + LONG, cost: 1 }
            };
            assert_eq!(cache.get(&"a", now, Wait::Until(now), any, first), Outcome::Value(Arc::new(1)));
        });
        assert_eq!(loads.into_inner(), 1);
    }

    #[test]
    fn gives_up_waiting_in_time() {
        let (cache, now) = (&Cache::new(8, 8), Instant::now());
        thread::scope(|scope| {
            let nested = || {
                for until in [now, now + Duration::from_millis(1)] {
                    let late = scope.spawn(move || cache.get(&"a", now, Wait::Until(until), any, never)).join();
                    assert_eq!(late.unwrap(), Outcome::TimedOut);
                }
                Loaded { value: 1, until: now + LONG, cost: 1 }
            };
            assert_eq!(cache.get(&"a", now, Wait::Until(now), any, nested), Outcome::Value(Arc::new(1)));
        });
        assert_eq!(cache.get(&"a", now, Wait::No, any, never), Outcome::Value(Arc::new(1)));
    }

    #[test]
    fn wakes_those_who_wait_for_a_load_that_panics() {
        let (cache, now) = (Cache::new(8, 8), Instant::now());
        load(&cache, "a", now, SECOND, 1);
        let later = now + SECOND;
        thread::scope(|scope| {
            let loading = || {
                for _ in 0..3 {
                    scope.spawn(|| {
                        let outcome = cache.get(&"a", later, Wait::Until(later + LONG), any, never);
                        assert_eq!(outcome, Outcome::Panicked);
                    });
                }
                until_waiting(&cache, "a", 3);
                panic!("on purpose")
            };
            let caught = catch_unwind(AssertUnwindSafe(|| cache.get(&"a", later, Wait::Until(later), any, loading)));
            assert!(caught.is_err());
        });
        assert_eq!(
            cache.get(&"a", now, Wait::No, any, never),
            Outcome::Value(Arc::new(1)),
            "the old one is still there"
        );
        load(&cache, "a", later, SECOND, 1);
    }
}

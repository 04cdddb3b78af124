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

/// The cached value of each key.
fn seen(cache: &Cache<u32>, now: Instant, keys: &str) -> String {
    let key = |key: &str| match cache.get(&Key::of(key), now, Wait::No, any, never) {
        Outcome::Value(_) => key.to_string(),
        Outcome::WouldWait => "-".to_string(),
        other => panic!("{other:?}"),
    };
    keys.split("").filter(|name| !name.is_empty()).map(key).collect()
}

fn load(cache: &Cache<u32>, key: &'static str, now: Instant, ttl: Duration, cost: usize) {
    let loaded = || Loaded { value: 1, until: now + ttl, cost, shared: true };
    assert_eq!(cache.get(&Key::of(key), now, Wait::Until(now), any, loaded), Outcome::Value(Arc::new(1)));
}

/// Waits until another caller waits for a flight.
fn until_waiting(cache: &Cache<u32>, key: &'static str, callers: usize) {
    // The flight is held by the cache, by the loading caller and by each waiting caller.
    while cache.store.lock().slots[&Key::of(key)].flight.as_ref().map_or(0, Arc::strong_count) < 2 + callers {
        thread::yield_now();
    }
}

#[test]
fn serves_a_value_until_it_expires() {
    let (cache, now) = (Cache::new(8, 8), Instant::now());
    assert_eq!(cache.get(&Key::of("a"), now, Wait::No, any, never), Outcome::WouldWait);
    load(&cache, "a", now, SECOND, 1);
    let last = now + SECOND - Duration::from_nanos(1);
    assert_eq!(cache.get(&Key::of("a"), last, Wait::No, any, never), Outcome::Value(Arc::new(1)));
    assert_eq!(cache.get(&Key::of("a"), last, Wait::Until(now), any, never), Outcome::Value(Arc::new(1)));
    assert_eq!(cache.get(&Key::of("a"), now + SECOND, Wait::No, any, never), Outcome::WouldWait);
    let again = || Loaded { value: 2, until: now + LONG, cost: 1, shared: true };
    assert_eq!(cache.get(&Key::of("a"), now + SECOND, Wait::Until(now), any, again), Outcome::Value(Arc::new(2)));
    let state = cache.store.lock();
    assert_eq!((state.entries, state.cost), (1, 1));
}

#[test]
fn skips_values_that_do_not_cover() {
    let (cache, now) = (Cache::new(8, 8), Instant::now());
    load(&cache, "a", now, SECOND, 1);
    let odd = |value: &u32| value % 2 == 1;
    let even = |value: &u32| value.is_multiple_of(2);
    assert_eq!(cache.get(&Key::of("a"), now, Wait::No, odd, never), Outcome::Value(Arc::new(1)));
    assert_eq!(cache.get(&Key::of("a"), now, Wait::No, even, never), Outcome::WouldWait);
    let nested = || {
        // A caller that accepts the cached value does not wait for this load.
        assert_eq!(cache.get(&Key::of("a"), now, Wait::Until(now), odd, never), Outcome::Value(Arc::new(1)));
        assert_eq!(cache.get(&Key::of("a"), now, Wait::No, even, never), Outcome::WouldWait);
        Loaded { value: 2, until: now + SECOND, cost: 1, shared: true }
    };
    assert_eq!(cache.get(&Key::of("a"), now, Wait::Until(now), even, nested), Outcome::Value(Arc::new(2)));
    assert_eq!(cache.get(&Key::of("a"), now, Wait::No, odd, never), Outcome::WouldWait);
}

#[test]
fn evicts_expired_then_least_recently_used() {
    for (name, max_entries, max_cost, costs, cost, expected) in [
        ("room", 4, 9, [1, 1, 1], 1, "abcd"),
        ("entries: the expired one", 3, 9, [1, 1, 1], 1, "-bcd"),
        ("cost: the expired one is enough", 9, 5, [2, 1, 1], 2, "-bcd"),
        ("cost: the least recently used too", 9, 5, [2, 1, 1], 4, "-b-d"),
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
        let state = cache.store.lock();
        let kept: Vec<_> = state.slots.values().filter_map(|slot| slot.kept.as_ref()).collect();
        assert_eq!(state.entries, kept.len(), "{name}");
        assert_eq!(state.cost, kept.iter().map(|kept| kept.cost).sum::<usize>(), "{name}");
        assert_eq!(state.slots.len(), kept.len(), "{name}");
    }
}

#[test]
fn keeps_nothing_while_everything_is_loading() {
    let (cache, now) = (Cache::new(1, 9), Instant::now());
    load(&cache, "a", now, SECOND, 1);
    let nested = || {
        load(&cache, "b", now + SECOND, LONG, 1);
        assert_eq!(seen(&cache, now, "ab"), "a-");
        Loaded { value: 2, until: now + LONG, cost: 1, shared: true }
    };
    cache.get(&Key::of("a"), now + SECOND, Wait::Until(now), any, nested);
    assert_eq!(seen(&cache, now, "ab"), "a-");
    assert_eq!(cache.store.lock().slots.len(), 1);
}

#[test]
fn loads_once_for_a_hundred_callers() {
    let (cache, now, loads, start) = (Cache::new(8, 8), Instant::now(), AtomicUsize::new(0), Barrier::new(100));
    let value = || {
        until_waiting(&cache, "a", 99);
        let value = loads.fetch_add(1, Ordering::Relaxed) as u32;
        Loaded { value, until: now, cost: 1, shared: true }
    };
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                start.wait();
                let outcome = cache.get(&Key::of("a"), now, Wait::Until(now + LONG), any, value);
                assert_eq!(outcome, Outcome::Value(Arc::new(0)));
            });
        }
    });
    assert_eq!(loads.into_inner(), 1);
    assert_eq!(cache.get(&Key::of("a"), now, Wait::No, any, never), Outcome::WouldWait, "it was never fresh");
}

#[test]
fn loads_again_for_callers_it_does_not_cover() {
    let (cache, now, loads) = (Cache::new(8, 8), Instant::now(), AtomicUsize::new(0));
    let second = || {
        loads.fetch_add(1, Ordering::Relaxed);
        Loaded { value: 2, until: now + LONG, cost: 1, shared: true }
    };
    thread::scope(|scope| {
        let first = || {
            for _ in 0..9 {
                scope.spawn(|| {
                    let outcome = cache.get(&Key::of("a"), now, Wait::Until(now + LONG), |value| *value == 2, second);
                    assert_eq!(outcome, Outcome::Value(Arc::new(2)));
                });
            }
            until_waiting(&cache, "a", 9);
            Loaded { value: 1, until: now + LONG, cost: 1, shared: true }
        };
        assert_eq!(cache.get(&Key::of("a"), now, Wait::Until(now), any, first), Outcome::Value(Arc::new(1)));
    });
    assert_eq!(loads.into_inner(), 1);
}

#[test]
fn gives_up_waiting_in_time() {
    let (cache, now) = (&Cache::new(8, 8), Instant::now());
    thread::scope(|scope| {
        let nested = || {
            for until in [now, now + Duration::from_millis(1)] {
                let late = scope.spawn(move || cache.get(&Key::of("a"), now, Wait::Until(until), any, never)).join();
                assert_eq!(late.unwrap(), Outcome::TimedOut);
            }
            Loaded { value: 1, until: now + LONG, cost: 1, shared: true }
        };
        assert_eq!(cache.get(&Key::of("a"), now, Wait::Until(now), any, nested), Outcome::Value(Arc::new(1)));
    });
    assert_eq!(cache.get(&Key::of("a"), now, Wait::No, any, never), Outcome::Value(Arc::new(1)));
}

#[test]
fn wakes_callers_when_a_load_panics() {
    let (cache, now) = (Cache::new(8, 8), Instant::now());
    load(&cache, "a", now, SECOND, 1);
    let later = now + SECOND;
    thread::scope(|scope| {
        let loading = || {
            for _ in 0..3 {
                scope.spawn(|| {
                    let outcome = cache.get(&Key::of("a"), later, Wait::Until(later + LONG), any, never);
                    assert_eq!(outcome, Outcome::Panicked);
                });
            }
            until_waiting(&cache, "a", 3);
            panic!("on purpose")
        };
        let caught =
            catch_unwind(AssertUnwindSafe(|| cache.get(&Key::of("a"), later, Wait::Until(later), any, loading)));
        assert!(caught.is_err());
    });
    assert_eq!(
        cache.get(&Key::of("a"), now, Wait::No, any, never),
        Outcome::Value(Arc::new(1)),
        "the old value is still cached"
    );
    load(&cache, "a", later, SECOND, 1);
}

/// Pages of deleted pods are not requested again.
#[test]
fn drops_values_that_expired_long_ago() {
    let (cache, now) = (Cache::new(100, 100), Instant::now());
    load(&cache, "a", now, SECOND, 3);
    load(&cache, "b", now, 3 * STALE, 2);
    let soon = now + STALE;
    load(&cache, "c", soon, SECOND, 1);
    assert!(cache.last(&Key::of("a")).is_some(), "an expired value stays for a while");
    load(&cache, "d", soon + STALE, SECOND, 1);
    assert_eq!(cache.last(&Key::of("a")), None);
    assert_eq!(seen(&cache, soon + STALE, "abcd"), "-b-d");
    let state = cache.store.lock();
    assert_eq!((state.entries, state.cost, state.slots.len()), (3, 4, 3));
}

#[test]
fn a_load_cut_short_is_for_its_caller_only() {
    let (cache, now) = (Cache::new(8, 8), Instant::now());
    let cut_by_caller = || Loaded { value: 1, until: now + LONG, cost: 1, shared: false };
    assert_eq!(cache.get(&Key::of("a"), now, Wait::Until(now), any, cut_by_caller), Outcome::Value(Arc::new(1)));
    assert_eq!(seen(&cache, now, "a"), "-", "the value is not cached");
    let waits = Barrier::new(2);
    thread::scope(|scope| {
        let cut_by_caller = scope.spawn(|| {
            let load = || {
                waits.wait();
                until_waiting(&cache, "a", 1);
                Loaded { value: 1, until: now + LONG, cost: 1, shared: false }
            };
            cache.get(&Key::of("a"), now, Wait::Until(now), any, load)
        });
        waits.wait();
        let own = || Loaded { value: 2, until: now + LONG, cost: 1, shared: true };
        let patient = cache.get(&Key::of("a"), now, Wait::Until(now + LONG), any, own);
        assert_eq!(patient, Outcome::Value(Arc::new(2)), "the caller that waited loads itself");
        assert_eq!(cut_by_caller.join().unwrap(), Outcome::Value(Arc::new(1)));
    });
    assert_eq!(seen(&cache, now, "a"), "a");
}

#[test]
fn returns_the_expiry_of_a_value() {
    let (cache, now, key) = (Cache::new(8, 8), Instant::now(), Key::of("a"));
    load(&cache, "a", now, SECOND, 1);
    let kept = cache.kept(&key, now, any).unwrap();
    assert_eq!(cache.kept_until(&key, &kept), Some(now + SECOND));
    assert_eq!(cache.kept_until(&Key::of("b"), &kept), None);
    assert_eq!(cache.kept_until(&key, &Arc::new(1)), None, "an equal but different value");
    load(&cache, "a", now + SECOND, SECOND, 1);
    assert_eq!(cache.kept_until(&key, &kept), None, "the previous value");
}

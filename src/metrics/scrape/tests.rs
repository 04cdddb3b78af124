use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc;

use super::*;
use crate::config::file;
use crate::config::limits::{Limits, SamplingLimits};
use crate::metrics::entries::Entry;
use crate::metrics::history::{Lookup, RoundOutcome, SampleBudget};
use crate::metrics::rules::Rules;
use crate::parse::duration::millis;
use crate::telemetry::clock::{Clock, Now};
use crate::telemetry::counters::Counters;

const PATIENCE: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(5);

/// Shared state whose clock is ahead of the system's by a number of seconds, and this number.
fn shared_ahead(limits: Limits) -> (Arc<Shared>, Arc<AtomicU32>) {
    let ahead = Arc::new(AtomicU32::new(0));
    let (clock, told) = (Clock::system(), ahead.clone());
    let clock = Clock::from_fn(move || {
        let (now, ahead) = (clock.now(), Duration::from_secs(told.load(Relaxed).into()));
        Now { monotonic: now.monotonic + ahead, unix_millis: now.unix_millis + millis(ahead) }
    });
    (Arc::new(Shared::new(limits, clock, Arc::default())), ahead)
}

/// Advances the clock past the time for which sampling continues without requests.
fn pass_linger(shared: &Shared, ahead: &AtomicU32) {
    ahead.fetch_add(u32::try_from(shared.limits().sampling.linger.as_secs()).unwrap() + 1, Relaxed);
}

fn served(shared: &Arc<Shared>) -> Arc<ActiveRule> {
    let config = "sources: {app: {pods: {port: 1}}}\n\
                  metrics: [{name: a, object: pods, source: app, value: 'sum(rate(a[1s]))'}]\n";
    let config = file::load(config.as_bytes(), shared.limits()).config;
    let rules = Rules::new(config, None, &Rules::default(), shared, &Arc::new(SampleBudget::new(1 << 20)));
    let Entry::Rule(served, _) = rules.find("pods", "a") else { panic!("no rule") };
    served
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn steady(shared: &Shared) -> SteadyClock {
    SteadyClock::new(shared.clock().now())
}

fn selected(name: &str) -> SampledSelection {
    SampledSelection { namespace: Some("shop".to_owned()), label_selector: String::new(), name: Some(name.to_owned()) }
}

#[test]
fn samples_only_while_requests_arrive() {
    let (shared, ahead) = shared_ahead(Limits::default());
    let (to, sampled) = mpsc::channel();
    let sampler: Sampler = Arc::new(move |_, selected, _| _ = to.send(selected.clone()));
    let scraper = Scraper::new(shared.clone(), steady(&shared), sampler);
    let served = served(&shared);
    for _ in 0..3 {
        scraper.keep_sampling(&served, selected("web"), INTERVAL).unwrap();
        assert_eq!(sampled.recv_timeout(PATIENCE).unwrap(), selected("web"));
    }
    // Without further requests, the task ends, and the samples are dropped.
    pass_linger(&shared, &ahead);
    while !scraper.lock().tasks.is_empty() {
        thread::yield_now();
    }
    sampled.try_iter().for_each(drop);
    assert!(sampled.recv_timeout(4 * INTERVAL).is_err());
    scraper.keep_sampling(&served, selected("web"), INTERVAL).unwrap();
    assert!(sampled.recv_timeout(PATIENCE).is_ok(), "and begin again with the next request");
    // A rule that is no longer served is not sampled either.
    drop(served);
    while !scraper.lock().tasks.is_empty() {
        thread::yield_now();
    }
}

#[test]
fn removes_unrequested_selections() {
    let (shared, ahead) = shared_ahead(Limits::default());
    let (to, sampled) = mpsc::channel();
    let when = steady(&shared);
    let sampler: Sampler = Arc::new(move |served, selected, now| {
        let sampling = served.sampling.as_ref().unwrap();
        sampling.history.observe("shop/web", "1", when.at(now), std::iter::empty(), &[], RoundOutcome::default());
        let _ = to.send(selected.clone());
    });
    let scraper = Scraper::new(shared.clone(), when, sampler);
    let served = served(&shared);
    scraper.keep_sampling(&served, selected("web"), INTERVAL).unwrap();
    sampled.recv_timeout(PATIENCE).unwrap();
    let history = &served.sampling.as_ref().unwrap().history;
    assert_ne!(history.lookup("shop/web", "1"), Lookup::Nothing);
    pass_linger(&shared, &ahead);
    let began = Instant::now();
    while history.lookup("shop/web", "1") != Lookup::Nothing {
        assert!(began.elapsed() < PATIENCE, "what was sampled stays for good");
        // Samples are needed for some time after the last request.
        ahead.fetch_add(1, Relaxed);
        thread::yield_now();
    }
    assert!(scraper.lock().tasks.is_empty());
}

/// The clock is moved only by the test: slow pods advance it, quick ones do not.
#[test]
fn slow_pods_leave_a_thread_for_others() {
    let (start, passed) = (Clock::system().now(), Arc::new(AtomicU32::new(0)));
    let clock = {
        let passed = passed.clone();
        Clock::from_fn(move || Now { monotonic: start.monotonic + INTERVAL * passed.load(Relaxed), ..start })
    };
    let shared = Arc::new(Shared::new(Limits::default(), clock, Arc::default()));
    let (to, sampled) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let (gate, known) = (Mutex::new(gate), Mutex::new(HashMap::new()));
    let sampler: Sampler = {
        let passed = passed.clone();
        Arc::new(move |_, selected, _| {
            let name = selected.name.clone().unwrap_or_default();
            let times = *lock(&known).entry(name.clone()).and_modify(|times| *times += 1).or_insert(1);
            let _ = to.send((name.clone(), times));
            match (name.as_str(), times) {
                ("quick", _) => {}
                (_, 1) => _ = passed.fetch_add(1, Relaxed),
                // Blocks until the test ends.
                _ => drop(lock(&gate).recv()),
            }
        })
    };
    let scraper = Scraper::new(shared.clone(), steady(&shared), sampler);
    let served = served(&shared);
    let ask = |name: &str| scraper.keep_sampling(&served, selected(name), INTERVAL).unwrap();
    (0..10).for_each(|number| ask(&number.to_string()));
    let most = shared.limits().sampling.threads - 2;
    let stuck = |(_, times): &(String, i32)| *times == 2;
    assert_eq!((0..).map_while(|_| sampled.recv_timeout(PATIENCE).ok()).filter(stuck).take(most).count(), most);
    ask("quick");
    for times in 1..=3 {
        let found = (0..).map_while(|_| sampled.recv_timeout(PATIENCE).ok()).find(|(name, _)| name == "quick");
        assert_eq!(found, Some(("quick".to_owned(), times)));
        let is_quick = |selection: &SampledSelection| selection.name.as_deref() == Some("quick");
        while scraper.lock().tasks.iter().any(|((_, selection), task)| is_quick(selection) && task.busy) {
            thread::yield_now();
        }
        passed.fetch_add(1, Relaxed);
    }
    drop(open);
}

#[test]
fn limits_the_number_of_selections() {
    let sampling = SamplingLimits { selections: 5, ..SamplingLimits::default() };
    let (shared, _) = shared_ahead(Limits { sampling, ..Limits::default() });
    let scraper = Scraper::new(shared.clone(), steady(&shared), Arc::new(|_, _, _| ()));
    let served = served(&shared);
    let ask = |namespace: &str, name| {
        let selected = SampledSelection { namespace: Some(namespace.to_owned()), ..selected(name) };
        scraper.keep_sampling(&served, selected, INTERVAL)
    };
    assert_eq!(
        ["a", "b", "c", "a"].map(|name| ask("shop", name)),
        [Ok(()), Ok(()), Err(SampleLimit::OfNamespace(2)), Ok(())]
    );
    assert_eq!(["a", "b"].map(|name| ask("bank", name)), [Ok(()), Ok(())]);
    assert_eq!(["a", "b"].map(|name| ask("park", name)), [Ok(()), Err(SampleLimit::Selections(5))]);
}

/// Of two replicas, the one with samples for a longer time determines the times.
#[test]
fn samples_at_the_times_of_a_peer() {
    let start = Clock::system().now();
    let limits =
        Limits { sampling: SamplingLimits { selections: 2, ..SamplingLimits::default() }, ..Limits::default() };
    let shared = Arc::new(Shared::new(limits, Clock::from_fn(move || start), Arc::default()));
    let scraper = Scraper::new(shared.clone(), steady(&shared), Arc::new(|_, _, _| ()));
    let (served, at, web) = (served(&shared), start.monotonic, selected("web"));
    let schedule = |requested, since, due| {
        let [requested, since, due] = [requested, since, due].map(Duration::from_millis);
        Schedule { requested, since, due }
    };
    let peers = schedule(2_000, 1_000, 100);
    assert!(!scraper.follow(&served, &web, schedule(300_000, 1_000, 100), at), "no longer requested there");
    assert!(scraper.follow(&served, &web, peers, at));
    scraper.join(&served, &web, peers, at);
    let now = || scraper.scheduled().into_iter().map(|(_, _, schedule)| schedule).collect::<Vec<_>>();
    assert_eq!(now(), [peers]);
    // If both have had samples for about the same time, only the last request is updated.
    assert!(!scraper.follow(&served, &web, schedule(50, 1_050, 200), at));
    assert_eq!(now(), [schedule(50, 1_000, 100)]);
    assert!(scraper.follow(&served, &web, schedule(3_000, 1_500, 9_000), at));
    scraper.join(&served, &web, schedule(3_000, 1_500, 9_000), at);
    assert_eq!(now(), [schedule(50, 1_500, 250)], "no later than after an interval");
    // Samples are kept for 1.75 s.
    scraper.join(&served, &web, schedule(3_000, 1_800, 100), at);
    assert!(!scraper.follow(&served, &web, schedule(3_000, 3_600_000, 100), at));
    // One selection per namespace fits.
    assert!(!scraper.follow(&served, &selected("db"), peers, at));
    scraper.join(&served, &selected("db"), peers, at);
    assert_eq!(now().len(), 1);
}

#[test]
fn continues_after_a_panic() {
    let counters = Arc::<Counters>::default();
    let shared = Arc::new(Shared::new(Limits::default(), Clock::system(), counters.clone()));
    let (to, sampled) = mpsc::channel();
    let sampler: Sampler = Arc::new(move |_, _, _| {
        let _ = to.send(());
        panic!("as it should");
    });
    let scraper = Scraper::new(shared.clone(), steady(&shared), sampler);
    let served = served(&shared);
    scraper.keep_sampling(&served, selected("web"), INTERVAL).unwrap();
    // More selections than threads.
    (0..5).for_each(|_| sampled.recv_timeout(PATIENCE).unwrap());
    assert!(counters.panics.get() >= 4);
}

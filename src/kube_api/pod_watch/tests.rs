use super::*;
use crate::kube::pod_object::{Metadata, PodObject, PodStatus};

fn version(number: u64) -> ResourceVersion {
    ResourceVersion::parse(&number.to_string()).unwrap()
}

fn pod(name: &str) -> Pod {
    let metadata = Metadata { name: name.to_owned(), ..Metadata::default() };
    Pod::from(PodObject { metadata, ..PodObject::default() })
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A watch and its start time.
fn watch() -> (PodWatch, Instant) {
    let now = Instant::now();
    (PodWatch::new("shop", Arc::default(), &WatchLimits::default(), now), now)
}

const ALL: Selection<'static> = Selection { namespace: Some("shop"), label_selector: "", name: None };

fn pods(watch: &PodWatch, at: Instant) -> Option<SelectedPods> {
    watch.pods(ALL, || Some(Selector::everything()), at)
}

fn watch_state(watch: &PodWatch, at: Instant) -> WatchState {
    watch.publish(at);
    watch.gauges.watch_state()
}

/// A connected watch with a pod at version 10.
fn current() -> (PodWatch, Instant) {
    let (watch, now) = watch();
    watch.fill(vec![pod("a")], version(10), now);
    watch.connect(now);
    (watch, now)
}

#[test]
fn serves_once_it_is_connected() {
    let (watch, now) = watch();
    assert!(pods(&watch, now).is_none() && watch.resume().is_none());
    watch.fill(vec![pod("a")], version(10), now);
    assert!(pods(&watch, now).is_none(), "nothing follows the list yet");
    watch.disconnect(now);
    assert!(pods(&watch, now).is_none() && watch_state(&watch, now) == WatchState::Starting);
    watch.connect(now);
    assert!(pods(&watch, now).is_some() && watch_state(&watch, now) == WatchState::Current);
    assert_eq!(watch.resume(), Some((version(10), false)));
}

#[test]
fn serves_for_a_limited_time_after_the_last_event() {
    let limits = WatchLimits::default();
    assert_eq!((limits.silence(), limits.broken), (secs(35), secs(10)), "docs/sources.md says so");
    let (watch, now) = current();
    // Without events.
    assert!(pods(&watch, now + secs(34)).is_some() && pods(&watch, now + secs(35)).is_none());
    assert_eq!(watch.age(now + secs(34)), Some(secs(34)));
    watch.change(now + secs(20), |_| ());
    assert!(pods(&watch, now + secs(54)).is_some() && pods(&watch, now + secs(55)).is_none());
    // Without a connection; failures of other calls make no difference.
    watch.disconnect(now + secs(21));
    watch.disconnect(now + secs(29));
    assert!(pods(&watch, now + secs(30)).is_some() && pods(&watch, now + secs(31)).is_none());
    assert_eq!(watch_state(&watch, now + secs(30)), WatchState::Current);
    assert_eq!(watch_state(&watch, now + secs(31)), WatchState::Broken);
    assert_eq!(watch.age(now + secs(31)), None);
    // Both: a lost connection does not extend the time after the last event.
    let (watch, now) = current();
    assert_eq!(watch_state(&watch, now), WatchState::Current);
    watch.disconnect(now + secs(34));
    assert!(pods(&watch, now + secs(34)).is_some() && pods(&watch, now + secs(35)).is_none());
    assert_eq!(watch.gauges.watch_state(), WatchState::Broken, "a request updates the gauge while the thread waits");
}

/// Exchanges that each deliver only a head.
#[test]
fn does_not_count_a_connection_as_an_event() {
    let (watch, now) = current();
    for at in [10, 20, 30] {
        watch.disconnect(now + secs(at));
        assert!(watch.connect(now + secs(at + 1)));
        assert_eq!(watch.age(now + secs(at + 1)), Some(secs(at + 1)));
    }
    assert!(pods(&watch, now + secs(34)).is_some() && pods(&watch, now + secs(35)).is_none());
}

#[test]
fn serves_after_a_gap_once_it_reaches_the_newest_version() {
    for (lost, back) in [(0, 10), (30, 35), (5, 1_000)] {
        let (watch, now) = current();
        watch.disconnect(now + secs(lost));
        let back = now + secs(back);
        assert!(!watch.has_gap(back - Duration::from_millis(1)) || back > now + secs(40));
        assert!(watch.has_gap(back));
        assert!(!watch.connect(back), "what was missed must be known first");
        watch.check(version(15), back);
        assert!(
            !watch.has_gap(back + secs(9)) && watch.has_gap(back + secs(10)),
            "reading the newest version must not take long either"
        );
        assert!(watch.connect(back + secs(1)));
        assert_eq!(watch.resume(), Some((version(10), true)));
        watch.change(back + secs(2), |store| store.apply(pod("b"), version(11)));
        assert_eq!(pods(&watch, back + secs(2)), None, "more is missing");
        assert_eq!(watch_state(&watch, back + secs(2)), WatchState::Starting);
        watch.change(back + secs(3), |store| store.reach(version(15)));
        assert!(pods(&watch, back + secs(3)).is_some());
    }
    // No change was missed, but nothing has been received since.
    let (watch, now) = current();
    watch.disconnect(now);
    watch.check(version(10), now + secs(50));
    assert!(watch.connect(now + secs(51)) && pods(&watch, now + secs(51)).is_none());
    watch.change(now + secs(52), |store| store.version());
    assert!(pods(&watch, now + secs(52)).is_some());
}

#[test]
fn reports_a_doubt_once_and_ends_a_pause() {
    let (watch, _) = current();
    assert!(!watch.take_check_request());
    watch.request_check();
    watch.pause(secs(1_000));
    assert!(watch.take_check_request() && !watch.take_check_request());
}

#[test]
fn serves_nothing_older_than_a_list() {
    let (watch, now) = current();
    watch.see(version(12));
    watch.see(version(11));
    assert!(pods(&watch, now).is_none(), "a request has seen version 12");
    assert_eq!((watch.resume(), watch.newest()), (Some((version(10), true)), Some(version(12))));
    watch.change(now, |store| store.apply(pod("b"), version(11)));
    assert!(pods(&watch, now).is_none() && watch_state(&watch, now) == WatchState::Starting);
    watch.change(now, |store| store.reach(version(12)));
    assert_eq!(watch.last_served(), None, "only lists were served");
    assert!(pods(&watch, now).is_some());
    assert_eq!((watch.resume(), watch.last_served()), (Some((version(12), false)), Some(version(12))));
    // Versions that were served count for later lists, whatever happens to the watch.
    watch.change(now, |store| store.reach(version(13)));
    assert_eq!((watch.last_served(), watch.newest()), (Some(version(12)), Some(version(13))));
    watch.drop_store();
    assert_eq!((pods(&watch, now), watch.last_served(), watch.newest()), (None, Some(version(12)), Some(version(12))));
    watch.forget();
    assert_eq!((watch.last_served(), watch.newest()), (None, None));
}

#[test]
fn keeps_a_selection_while_its_pods_are_unchanged() {
    let (watch, now) = current();
    let first = pods(&watch, now).unwrap();
    let again = pods(&watch, now).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    let named = Selection { name: Some("a"), ..ALL };
    let one = |watch: &PodWatch| watch.pods(named, || Some(Selector::everything()), now).unwrap();
    let before = one(&watch);
    watch.change(now, |store| store.apply(pod("b"), version(11)));
    assert!(!Arc::ptr_eq(&first, &pods(&watch, now).unwrap()));
    assert!(Arc::ptr_eq(&before, &one(&watch)), "another pod has changed");
    // An identical list makes no difference either.
    let with_both = pods(&watch, now).unwrap();
    watch.fill(vec![pod("a"), pod("b")], version(20), now);
    assert!(Arc::ptr_eq(&with_both, &pods(&watch, now).unwrap()));
}

#[test]
fn drops_selections_with_their_store() {
    for end in [PodWatch::forget, PodWatch::drop_store] {
        let (watch, now) = current();
        assert_eq!(pods(&watch, now).unwrap().as_ref().as_ref().unwrap().len(), 1);
        end(&watch);
        // The new store has the same number of changes as the previous one.
        watch.fill(vec![pod("b")], version(20), now);
        watch.connect(now);
        let found = pods(&watch, now).unwrap();
        let names: Vec<&str> = found.iter().flat_map(crate::kube::pod_list::PodList::iter).map(Pod::name).collect();
        assert_eq!(names, ["b"]);
    }
}

#[test]
fn leaves_invalid_selectors_to_lists() {
    let (watch, now) = current();
    assert!(watch.pods(ALL, || None, now).is_none());
    assert!(pods(&watch, now).is_some());
}

#[test]
fn ends_when_it_is_unused() {
    let (watch, now) = current();
    assert!(!watch.is_over(now + secs(299)) && watch.is_over(now + secs(300)));
    pods(&watch, now + secs(200));
    assert!(!watch.is_over(now + secs(499)) && watch.is_over(now + secs(500)));
    watch.close();
    assert!(watch.is_over(now));
    // `pause` returns immediately then.
    watch.pause(secs(1_000));
}

#[test]
fn limits_the_number_of_selections() {
    let now = Instant::now();
    let limits = WatchLimits { selections: 2, selected: 3, ..WatchLimits::default() };
    let watch = PodWatch::new("shop", Arc::default(), &limits, now);
    watch.fill(["a", "b"].map(pod).to_vec(), version(10), now);
    watch.connect(now);
    let of = |name, at| watch.pods(Selection { name, ..ALL }, || Some(Selector::everything()), now + secs(at)).unwrap();
    let (a, b) = (of(Some("a"), 0), of(Some("b"), 1));
    assert!(Arc::ptr_eq(&a, &of(Some("a"), 2)));
    // The third selection evicts the least recently used one.
    let both = of(None, 3);
    assert!(!Arc::ptr_eq(&b, &of(Some("b"), 4)), "it is evaluated again");
    assert!(Arc::ptr_eq(&both, &of(None, 5)));
    // A selection of more pods than the limit is still answered.
    watch.change(now, |store| store.apply(pod("c"), version(11)));
    watch.change(now, |store| store.apply(pod("d"), version(12)));
    assert_eq!(of(None, 6).as_ref().as_ref().unwrap().len(), 4);
}

/// Unused selections do not keep pods that have left the store.
#[test]
fn drops_pods_that_have_left() {
    let (watch, now) = watch();
    watch.fill((0..100).map(|number| pod(&format!("web-{number}"))).collect(), version(10), now);
    watch.connect(now);
    let (_, full) = watch.size();
    let limits = WatchLimits::default();
    let mut known = Vec::new();
    for round in 1..=200_u64 {
        let selector = format!("!x{round}");
        let of = Selection { label_selector: &selector, ..ALL };
        let kept = watch.pods(of, || Some(Selector::everything()), now).unwrap();
        known.push(Arc::downgrade(&kept));
        for number in 0..100 {
            let at = version(round * 100 + number);
            let status = PodStatus { start_time: round.to_string(), ..PodStatus::default() };
            let metadata = Metadata { name: format!("web-{number}"), ..Metadata::default() };
            let changed = Pod::from(PodObject { metadata, status, ..PodObject::default() });
            watch.change(now, |store| store.apply(changed, at));
        }
        assert!(watch.size().1 <= full * 2 + limits.left, "{:?}", watch.size());
    }
    let alive = known.iter().filter(|known| known.strong_count() > 0).count();
    assert!((1..100).contains(&alive), "{alive} selections of pods that have left");
    watch.forget_left();
    assert_eq!(known.iter().filter(|known| known.strong_count() > 0).count(), 0);
}

#[test]
fn removes_unused_selections() {
    let (watch, now) = current();
    let first = Arc::downgrade(&pods(&watch, now).unwrap());
    watch.remove_unused(now + secs(299));
    assert!(first.upgrade().is_some(), "its pods are those of the store");
    watch.change(now, |store| store.apply(pod("b"), version(11)));
    watch.remove_unused(now + secs(29));
    assert!(first.upgrade().is_some());
    watch.remove_unused(now + secs(30));
    assert!(first.upgrade().is_none(), "it may have a pod that has left");
    let second = Arc::downgrade(&pods(&watch, now + secs(30)).unwrap());
    watch.remove_unused(now + secs(330));
    assert!(second.upgrade().is_none());
}

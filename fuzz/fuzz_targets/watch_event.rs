//! Events of a watch of pods, a line each: a store that applies them stays in order, and never goes back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::kube::pod_pool::PodPool;
use metriclet::internals::kube::pod_store::PodStore;
use metriclet::internals::kube::resource_version::ResourceVersion;
use metriclet::internals::kube::watch_event::WatchEvent;
use metriclet::internals::parse::selector::{Selector, SelectorLimits};

fuzz_target!(|bytes: &[u8]| {
    let Some(first) = ResourceVersion::parse("1") else { return };
    let (mut pool, mut store) = (PodPool::default(), PodStore::new([], first));
    for line in bytes.split(|byte| *byte == b'\n') {
        let (version, changes) = (store.version(), store.changes());
        let all = Selector::everything();
        let before = store.select(&all, None);
        let (at, is_later) = match WatchEvent::parse(line) {
            Ok(WatchEvent::Applied(object, at)) => {
                let name = object.metadata.name.clone();
                let pod = pool.pod(*object);
                assert_eq!(pod.name(), name);
                let is_later = store.apply(pod.clone(), at);
                let found = store.select(&all, Some(&name));
                assert!(!is_later || found.len() == 1 && *found[0] == pod);
                (at, is_later)
            }
            Ok(WatchEvent::Deleted(name, at)) => {
                let is_later = store.delete(&name, at);
                assert!(!is_later || store.select(&all, Some(&name)).is_empty());
                (at, is_later)
            }
            Ok(WatchEvent::Bookmark(at)) => (at, store.reach(at)),
            Ok(WatchEvent::Error(_)) | Err(_) => continue,
        };
        assert_eq!((is_later, store.version()), (at > version, at.max(version)));
        let after = store.select(&all, None);
        assert_eq!(after.len(), store.len());
        assert!(after.windows(2).all(|pair| pair[0].name() < pair[1].name()));
        assert_eq!(before == after, store.changes() == changes);
        // Each pod is selected by each of its labels that a selector can name.
        let limits = SelectorLimits { bytes: 1_000, requirements: 10 };
        for pod in after.iter().take(4) {
            for (key, value) in pod.labels().iter().take(4) {
                if let Ok(selector) = Selector::parse(&format!("{key} in ({value})"), &limits)
                    && selector.requirements().iter().all(|one| one.key() == key && one.values() == [value])
                {
                    assert!(store.select(&selector, None).contains(pod));
                }
            }
        }
    }
});

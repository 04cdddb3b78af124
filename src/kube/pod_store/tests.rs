use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::kube::pod_object::PodObject;
use crate::kube::pod_pool::PodPool;
use crate::parse::selector::SelectorLimits;

fn version(number: u64) -> ResourceVersion {
    ResourceVersion::parse(&number.to_string()).unwrap()
}

fn selector(text: &str) -> Selector {
    Selector::parse(text, &SelectorLimits { bytes: 1_000, requirements: 10 }).unwrap()
}

fn object(name: &str, app: &str, restarts: u64) -> PodObject {
    let object = json!({
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": {"app": app}},
        "status": {"phase": "Running", "containerStatuses": [{"restartCount": restarts}]}});
    serde_json::from_value(object).unwrap()
}

fn names(pods: &[Arc<Pod>]) -> Vec<&str> {
    pods.iter().map(|pod| pod.name()).collect()
}

/// A pseudo-random number below `most`.
fn random(state: &mut u64, most: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % most
}

/// After any sequence of events, the store has the same pods as a map, in order; unchanged pods keep their place in
/// memory; and the number of changes grows only with a change.
#[test]
fn follows_events() {
    let (mut state, mut at) = (7, 1);
    for _ in 0..50 {
        let mut pool = PodPool::default();
        let mut store = PodStore::new([], version(at));
        let mut model: BTreeMap<String, (&str, u64)> = BTreeMap::new();
        for _ in 0..200 {
            at += 1;
            let name = format!("web-{}", random(&mut state, 8));
            let (app, restarts) = (["a", "b", "c"][random(&mut state, 3) as usize], random(&mut state, 2));
            let (before, changes) = (store.select(&Selector::everything(), None), store.changes());
            let old = model.clone();
            match random(&mut state, 10) {
                0 => {
                    let listed = model.iter().map(|(name, (app, restarts))| pool.pod(object(name, app, *restarts)));
                    store.replace(listed.collect::<Vec<_>>(), version(at));
                }
                1 => {
                    model.retain(|_, _| random(&mut state, 2) == 0);
                    let listed = model.iter().map(|(name, (app, restarts))| pool.pod(object(name, app, *restarts)));
                    store.replace(listed.collect::<Vec<_>>(), version(at));
                }
                2 => assert!(store.reach(version(at))),
                3..6 => {
                    model.remove(&name);
                    assert!(store.delete(&name, version(at)));
                }
                _ => {
                    model.insert(name.clone(), (app, restarts));
                    assert!(store.apply(pool.pod(object(&name, app, restarts)), version(at)));
                }
            }
            let after = store.select(&Selector::everything(), None);
            assert_eq!(names(&after), model.keys().collect::<Vec<_>>());
            assert_eq!((store.len(), store.version()), (model.len(), version(at)));
            assert_eq!(store.changes() == changes, old == model, "{old:?} {model:?}");
            for pod in &after {
                let is_old = old.get(pod.name()) == model.get(pod.name());
                assert_eq!(before.iter().any(|known| Arc::ptr_eq(known, pod)), is_old, "{}", pod.name());
            }
            for (text, matches) in [("app=a", "a"), ("app notin (a,b)", "c")] {
                let expected: Vec<&String> =
                    model.iter().filter(|(_, (app, _))| *app == matches).map(|(name, _)| name).collect();
                assert_eq!(names(&store.select(&selector(text), None)), expected, "{text}");
            }
            let one = store.select(&selector("app=a"), Some("web-3"));
            assert_eq!(one.len(), usize::from(model.get("web-3").is_some_and(|(app, _)| *app == "a")));
            let cost: usize = after.iter().map(|pod| pod.cost()).sum();
            assert!(store.cost() >= cost && store.cost() <= cost + 16 * after.len());
        }
    }
}

#[test]
fn ignores_events_of_earlier_versions() {
    let mut pool = PodPool::default();
    let mut store = PodStore::new([pool.pod(object("a", "x", 0))], version(10));
    assert!(!store.apply(pool.pod(object("b", "x", 0)), version(10)));
    assert!(!store.delete("a", version(9)));
    assert!(!store.reach(version(10)));
    assert_eq!((names(&store.select(&Selector::everything(), None)), store.version()), (vec!["a"], version(10)));
}

/// A pod of a Deployment, and one of a StatefulSet, whose labels contain its name.
#[test]
fn pods_take_little_memory() {
    const PODS: usize = 2_000;
    let typical = |name: String, number: usize, labels: serde_json::Value, owner: &str| {
        let object = json!({
            "metadata": {"name": name, "uid": format!("3f1c8c1e-59a1-4b4e-9f3e-{number:012}"),
                "labels": labels, "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"},
                "ownerReferences": [{"kind": owner, "name": "web-7f9c6d5b8", "controller": true}]},
            "spec": {"nodeName": format!("ip-10-0-{}-17.eu-central-1.compute.internal", number % 100), "containers": [
                {"name": "app", "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}]},
                {"name": "proxy", "ports": [{"name": "admin", "containerPort": 15000}]}]},
            "status": {"phase": "Running", "podIP": "10.0.12.34", "startTime": "2026-08-18T02:35:04Z",
                "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{"restartCount": 1}]}});
        serde_json::from_value::<PodObject>(object).unwrap()
    };
    let common =
        json!({"app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop", "pod-template-hash": "7f9c6d5b8"});
    let each = |object: &dyn Fn(usize) -> PodObject| {
        let mut pool = PodPool::default();
        let store = PodStore::new((0..PODS).map(|number| pool.pod(object(number))).collect::<Vec<_>>(), version(1));
        (store.cost() + pool.cost()) / PODS
    };
    let deployment =
        each(&|number| typical(format!("web-7f9c6d5b8-{number:05}"), number, common.clone(), "ReplicaSet"));
    let stateful = each(&|number| {
        let mut labels = common.clone();
        let name = format!("web-{number}");
        labels["statefulset.kubernetes.io/pod-name"] = name.as_str().into();
        labels["apps.kubernetes.io/pod-index"] = number.to_string().into();
        typical(name, number, labels, "StatefulSet")
    });
    assert!((200..=300).contains(&deployment), "{deployment} bytes");
    assert!((200..=300).contains(&stateful), "{stateful} bytes");
}

//! `metriclet certs renew` with a Kubernetes API that stores changes: in every situation, kube-apiserver and the other
//! replicas trust each certificate that a replica may serve.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]
#![allow(missing_docs, unreachable_pub, reason = "nothing outside uses it")]

#[path = "../common/mod.rs"]
mod common;
mod others;
mod world;

use std::io::Read;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::kubernetes::{Call, Reply};
use common::tls::{Authority, Identity};
use common::upstream::Gate;
use common::{PATIENCE, metriclet, run};
use serde_json::json;
use world::{EXTERNAL, HOST, Made, SECRET, SERVICES, World, api_service, encoded, service, verified};

/// The calls of a run: the Secret and both APIServices are read, their permissions checked, and changed; there is no third.
const CALLS: usize = 4 + 3 + 3;

#[test]
fn does_nothing_before_it_is_due() {
    for day in [0, 300, 334] {
        let world = World::new(&Made::at_day(day));
        let before = world.stored();
        let told = world.renew(&[]);
        assert!(told.starts_with("Secret custom-metrics/custom-metrics-apiserver-tls: valid until 2"), "{told}");
        assert!(told.contains(", renewal starts on 2") && told.lines().count() == 1, "{told}");
        assert_eq!(world.changes(before), [""; 0], "day {day}");
    }
}

#[test]
fn renews_in_steps() {
    for day in [335, 340, 364] {
        let first = Made::at_day(day);
        let world = World::new(&first);
        let mut before = world.stored();
        let told = world.renew(&[]);
        assert!(told.contains("; ca.crt holds the authority of the next certificate, which a run from 2"), "{told}");
        for name in SERVICES {
            assert!(told.contains(&format!("\nAPIService {name}: caBundle contains 2 certificates\n")), "{told}");
        }
        assert_eq!(world.changes(before), ["custom-metrics-apiserver-tls", SERVICES[0], SERVICES[1]]);
        assert_eq!((world.secret("tls.crt"), world.trusted()), (first.identity.chain.clone(), vec![2, 2, 2]));

        // Replicas may not have noticed it yet.
        before = world.stored();
        let told = world.renew(&[]);
        assert!(told.contains("; a run from 2") && told.contains(" on installs the next certificate\n"), "{told}");
        assert_eq!(world.changes(before), [""; 0]);

        let next = world.secret("next.crt");
        let told = world.renew(&["--settle=0s"]);
        assert!(told.contains(": installed the next certificate, valid until 2"), "{told}");
        assert_eq!((world.secret("tls.crt"), world.secret("next.key")), (next.clone(), String::new()));
        assert_eq!(
            (world.changes(before), world.trusted()),
            (vec!["custom-metrics-apiserver-tls".into()], vec![2, 2, 2])
        );
        let newest = world.secret("ca.crt").split_inclusive("-----END CERTIFICATE-----\n").next().unwrap().to_owned();
        for host in [HOST, &format!("{HOST}.cluster.local"), "metrics.example.com", "10.0.0.1"] {
            assert!(verified(&newest, &next, host), "{host}: its authority is the first, and names stay");
        }
        let secret = world.objects.get(SECRET);
        assert_eq!((&secret["metadata"]["labels"], &secret["type"]), (&json!({"a": "b"}), &json!("kubernetes.io/tls")));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let renewed: u64 =
            secret["metadata"]["annotations"]["metriclet.github.io/renewed"].as_str().unwrap().parse().unwrap();
        assert!(now - renewed < PATIENCE.as_secs(), "scripts/certs --drop-old uses it");
        assert_eq!(secret["metadata"]["annotations"].as_object().unwrap().len(), 1, "{secret}");

        before = world.stored();
        world.renew(&[]);
        assert_eq!(world.changes(before), [""; 0], "the old authority stays until it expires");
        world.was_never_interrupted();
    }
}

#[test]
fn removes_expired_authorities() {
    let (old, new) = (Made::at_day(366), Made::by("metriclet-ca-2", 31));
    let world = World::new(&new);
    let both = new.authority.pem() + &old.authority.pem();
    world.put(&new, &both, &both);
    let before = world.stored();
    let told = world.renew(&[]);
    assert!(told.contains("caBundle contains 1 certificate\n"), "{told}");
    assert_eq!((world.changes(before).len(), world.trusted()), (3, vec![1, 1, 1]));
    assert_eq!((world.secret("ca.crt"), world.secret("tls.crt")), (new.authority.pem(), new.identity.chain.clone()));
    // Foreign authorities in a caBundle stay.
    let foreign = Authority::new("foreign");
    world.objects.put(&service(SERVICES[0]), api_service("custom-metrics", &(both + &foreign.pem())));
    world.renew(&[]);
    assert_eq!(world.bundle(SERVICES[0]), new.authority.pem() + &foreign.pem());
}

#[test]
fn replaces_an_unusable_certificate_at_once() {
    let expired = Made::at_day(366);
    let good = Made::at_day(2);
    let mixed = Made { identity: Identity { key: Made::at_day(2).identity.key, ..good.identity }, ..good };
    for (made, left) in [(expired, 1), (mixed, 2)] {
        let world = World::new(&made);
        let before = world.stored();
        let told = world.renew(&[]);
        assert!(told.contains("replaced an unusable certificate by one that is valid until 2"), "{told}");
        // Servers may still use the previous certificate, so the APIServices are updated first.
        assert_eq!(world.changes(before), [SERVICES[0], SERVICES[1], "custom-metrics-apiserver-tls"]);
        for trusted in [world.secret("ca.crt"), world.bundle(SERVICES[0]), world.bundle(SERVICES[1])] {
            assert!(verified(&trusted, &world.secret("tls.crt"), HOST));
        }
        assert_eq!(world.trusted(), [2; 3], "the clock may be wrong");
        // Then the expired authority is removed.
        world.renew(&[]);
        assert_eq!(world.trusted(), [left; 3]);
        let before = world.stored();
        world.renew(&[]);
        assert_eq!(world.changes(before), [""; 0]);
    }
    // If the next certificate is already announced, it is installed.
    let (expired, next) = (Made::at_day(366), Made::by("metriclet-ca-2", 1));
    let world = World::new(&expired);
    let both = expired.authority.pem() + &next.authority.pem();
    world.put(&expired, &both, &both);
    let mut secret = world.objects.get(SECRET);
    secret["data"]["next.crt"] = encoded(&next.identity.chain).into();
    secret["data"]["next.key"] = encoded(&next.identity.key).into();
    world.objects.put(SECRET, secret);
    world.renew(&[]);
    assert_eq!((world.secret("tls.crt"), world.trusted()), (next.identity.chain, vec![2, 2, 2]));
    world.renew(&[]);
    assert_eq!(world.trusted(), [1; 3]);
}

/// If a run is killed at any of its calls, before or after the API server has handled it, the next runs continue the
/// renewal.
#[test]
fn an_interrupted_run_is_continued() {
    let mut calls_of_runs = Vec::new();
    for (runs, is_done) in (1..=2).flat_map(|runs| [(runs, false), (runs, true)]) {
        let mut number = 0;
        loop {
            number += 1;
            let first = Made::at_day(340);
            let world = World::new(&first);
            (1..runs).for_each(|_| drop(world.renew(&["--settle=0s"])));
            let (count, (arrived, arrival)) = (AtomicUsize::new(0), mpsc::channel());
            let (objects, gate) = (world.objects.clone(), Gate::default());
            let closed = gate.clone();
            world.kubernetes.script(move |call: &Call| {
                if count.fetch_add(1, Ordering::SeqCst) + 1 < number {
                    return objects.answer(call);
                }
                if is_done {
                    objects.answer(call);
                }
                let _ = arrived.send(());
                Reply::Stuck(String::new(), closed.clone())
            });
            let mut child = metriclet(&world.arguments(&["--settle=0s"])).stdout(Stdio::piped()).spawn().unwrap();
            let mut out = child.stdout.take().unwrap();
            let (ended, end) = mpsc::channel();
            std::thread::spawn(move || {
                let mut told = String::new();
                out.read_to_string(&mut told).unwrap();
                let _ = ended.send(told);
            });
            // The run either waits for this call, or has ended.
            let was_stuck = loop {
                if arrival.try_recv().is_ok() {
                    break true;
                }
                if end.recv_timeout(Duration::from_millis(5)).is_ok() {
                    break false;
                }
            };
            child.kill().unwrap();
            child.wait().unwrap();
            gate.open();
            if !was_stuck {
                calls_of_runs.push(number - 1);
                break;
            }
            world.behave();
            // One run repeats the step, and the next one takes the following step. With --settle 0, a run cannot distinguish an
            // interrupted run from another tool.
            for _ in 0..3 {
                world.attempt();
            }
            let settled = world.stored();
            assert_ne!(world.secret("tls.crt"), first.identity.chain, "run {runs}, call {number}");
            assert_eq!(
                (world.trusted(), world.secret("next.crt").len()),
                (vec![2, 2, 2], 0),
                "run {runs}, call {number}"
            );
            world.renew(&[]);
            assert_eq!(world.stored(), settled);
            world.was_never_interrupted();
        }
    }
    // The second run changes the Secret only.
    assert_eq!(calls_of_runs, [CALLS, CALLS, CALLS - 2, CALLS - 2]);
}

#[test]
fn a_conflict_restarts_the_run() {
    // Another client changes an object before the run does: first the Secret, then an APIService.
    for changed in [SECRET.to_owned(), service(SERVICES[1])] {
        let world = World::new(&Made::at_day(340));
        let (objects, mut others) = (world.objects.clone(), 1);
        let path = changed.clone();
        world.kubernetes.script(move |call| {
            if call.method == "PATCH" && call.path == path && others > 0 {
                others -= 1;
                let mut object = objects.get(&path);
                object["metadata"]["labels"] = json!({"other": "client"});
                objects.put(&path, object);
            }
            objects.answer(call)
        });
        world.renew(&["--settle=1h"]);
        assert_eq!(world.trusted(), [2, 2, 2], "{changed}");
        assert_eq!(world.objects.get(&changed)["metadata"]["labels"], json!({"other": "client"}));
        world.was_never_interrupted();
    }
    let world = World::new(&Made::at_day(340));
    let objects = world.objects.clone();
    world.kubernetes.script(move |call| match call.method == "PATCH" && call.path == SECRET {
        true => Reply::Say(409, "{}".to_owned()),
        false => objects.answer(call),
    });
    let before = world.stored();
    world.fails("other clients changed the Secret or an APIService in 5 tries");
    assert_eq!(world.stored(), before);
}

#[test]
fn several_runs_at_once_have_the_effect_of_one() {
    for day in [340, 366] {
        for _ in 0..5 {
            let world = World::new(&Made::at_day(day));
            for _ in 0..2 {
                let runs: Vec<_> = (0..4)
                    .map(|_| metriclet(&world.arguments(&["--settle=0s"])).stdout(Stdio::null()).spawn().unwrap())
                    .collect();
                for mut run in runs {
                    // With --settle 0, it cannot distinguish a concurrent run from another tool.
                    let code = run.wait().unwrap().code();
                    assert!(matches!(code, Some(0 | 69)), "{code:?}");
                }
            }
            world.renew(&["--settle=0s"]);
            let settled = world.stored();
            let told = world.renew(&["--settle=0s"]);
            assert!(told.contains(", renewal starts on 2"), "{told}");
            assert_eq!((world.stored(), world.secret("next.crt").len()), (settled, 0));
            for trusted in [world.secret("ca.crt"), world.bundle(SERVICES[0]), world.bundle(SERVICES[1])] {
                assert!(verified(&trusted, &world.secret("tls.crt"), HOST));
            }
            // An expired certificate was not trusted before.
            if day < 365 {
                world.was_never_interrupted();
            }
        }
    }
}

#[test]
fn reports_missing_rights_before_any_change() {
    let secret = "secrets custom-metrics-apiserver-tls in namespace custom-metrics";
    let [first, second] = SERVICES.map(|name| format!("apiservices {name}"));
    let external = format!("apiservices {EXTERNAL}");
    for (method, path, what) in [
        ("GET", SECRET.to_owned(), secret),
        ("PATCH", SECRET.to_owned(), secret),
        ("GET", service(SERVICES[0]), &first),
        ("GET", service(SERVICES[1]), &second),
        ("PATCH", service(SERVICES[1]), &second),
        ("GET", service(EXTERNAL), &external),
        ("PATCH", service(EXTERNAL), &external),
    ] {
        // With and without a due renewal.
        for day in [0, 340, 366] {
            let made = Made::at_day(day);
            let world = World::new(&made);
            world.objects.put(&service(EXTERNAL), api_service("custom-metrics", &made.authority.pem()));
            let (objects, path) = (world.objects.clone(), path.clone());
            world.kubernetes.script(move |call| {
                match call.method == method && call.path.split('?').next() == Some(&path) {
                    true => Reply::Say(403, "{}".to_owned()),
                    false => objects.answer(call),
                }
            });
            let before = world.stored();
            let verb = method.to_lowercase();
            world.fails(&format!("cannot {verb} {what}: RBAC does not grant Metriclet the verb {verb} on {what}"));
            assert_eq!(world.stored(), before);
        }
    }
}

#[test]
fn leaves_foreign_objects_unchanged() {
    let place = "Secret custom-metrics/custom-metrics-apiserver-tls";
    let ours = Made::at_day(340);
    let world = World::new(&ours);
    let good = world.objects.get(SECRET);
    let untouched = |told: &str, why: &str| {
        assert_eq!(told, format!("{place}: {why}\n"));
        assert_eq!(world.trusted()[1..], [1, 1]);
    };
    let mut managed = good.clone();
    managed["metadata"]["annotations"]["cert-manager.io/certificate-name"] = "custom-metrics-apiserver".into();
    world.objects.put(SECRET, managed);
    untouched(&world.renew(&[]), "it belongs to cert-manager, which renews it");
    let mut foreign = good.clone();
    foreign["data"]["ca.crt"] = encoded(&Made::by("company-ca", 340).authority.pem()).into();
    world.objects.put(SECRET, foreign);
    untouched(&world.renew(&[]), "not renewed, because metriclet certs did not make the authority in ca.crt");
    let bad_block = ours.authority.pem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, why) in [
        ("", "holds no certificate (PEM)"),
        ("garbage", "holds no certificate (PEM)"),
        (&*bad_block, "holds a certificate that cannot be read"),
    ] {
        let mut unreadable = good.clone();
        unreadable["data"]["ca.crt"] = encoded(text).into();
        world.objects.put(SECRET, unreadable);
        world.fails(&format!("{place}: ca.crt {why}"));
    }
    let own = Made::by("company-ca", 340);
    let mut mixed = good.clone();
    mixed["data"]["tls.crt"] = encoded(&own.identity.chain).into();
    mixed["data"]["tls.key"] = encoded(&own.identity.key).into();
    world.objects.put(SECRET, mixed);
    untouched(&world.renew(&[]), "not renewed, because the authority in ca.crt did not sign the certificate");
    world.objects.put(SECRET, good.clone());
    world.objects.put(&service(SERVICES[1]), api_service("custom-metrics", "garbage"));
    world.fails(&format!("the caBundle of APIService {} holds no certificate (PEM)", SERVICES[1]));
    // Another adapter's APIService, and one that skips verification.
    world.objects.put(SECRET, good);
    world.objects.put(&service(EXTERNAL), api_service("keda", &ours.authority.pem()));
    let mut unverified = api_service("custom-metrics", "");
    unverified["spec"]["insecureSkipTLSVerify"] = true.into();
    world.objects.put(&service(SERVICES[1]), unverified);
    world.renew(&[]);
    assert_eq!((world.bundle(EXTERNAL), world.trusted()), (ours.authority.pem(), vec![2, 2, 0]));
    let theirs = api_service("monitoring", "");
    world.objects.put(&service(SERVICES[0]), theirs.clone());
    let leading = service(SERVICES[1]);
    let service = "custom-metrics/custom-metrics-apiserver";
    world.fails(&format!("no APIService that verifies certificates refers to the Service {service}"));
    world.objects.put(&leading, theirs);
    let told = world.renew(&["--settle=0s"]);
    assert!(
        told.contains("installed the next") && told.ends_with("\nno APIService refers to this Service yet\n"),
        "{told}"
    );
    world.objects.delete(SECRET);
    world.fails(&format!("{place} does not exist; scripts/deploy or metriclet certs --secret creates it"));
}

#[test]
fn reports_errors_of_the_api() {
    let world = World::new(&Made::at_day(340));
    let server = world.kubernetes.url();
    let resource = "secrets custom-metrics-apiserver-tls in namespace custom-metrics";
    for (code, why) in [(401, "answered 401: Metriclet's credentials were rejected"), (422, "answered 422")] {
        world.kubernetes.script(move |_| Reply::Say(code, String::new()));
        world.fails(&format!("cannot get {resource}: GET to {server}: {why}"));
    }
    world.kubernetes.script(|_| Reply::Say(200, "[]".to_owned()));
    let why = "answered something unexpected (expected an object with a resourceVersion)";
    world.fails(&format!("cannot get {resource}: GET to {server}: {why}"));
    let (code, _, stderr) = run(&["certs", "renew", "--kubeconfig", "/nowhere"]);
    assert_eq!((code, stderr.as_str()), (78, "metriclet: kubeconfig /nowhere: not found\n"));
}

//! The availability of the APIServices, as the aggregation layer reports it.

use std::fs;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::access::{bearer, grant};
use super::fixture::{PAGE, ROUTES, config, path, source};
use crate::common::upstream::{Gate, Upstream, page};
use crate::common::{replace, run};
use crate::installed::{Installed, VERSIONS, services, values};
use crate::kubectl::Kubectl;
use crate::plane::{ControlPlane, client};
use crate::process::eventually;
use crate::relay::{Pace, Relay};
use crate::watch::Watch;

/// The pause between two checks of the APIServices.
const OFTEN: Duration = Duration::from_millis(100);

/// kube-apiserver fetches discovery and OpenAPI once a minute, and logs no error.
pub fn becomes_available(plane: &mut ControlPlane) {
    let source = source();
    let mut installed = Installed::start(plane, &config(&source));
    let since = Instant::now();
    let watch = Watch::start(plane, Duration::from_secs(1));
    let admin = plane.admin();
    let groups: Value = serde_json::from_str(&admin.raw("/apis/custom.metrics.k8s.io").unwrap()).unwrap();
    assert_eq!(groups["preferredVersion"]["version"], "v1beta2");
    for version in VERSIONS {
        let path = format!("/apis/custom.metrics.k8s.io/{version}");
        let resources: Value = serde_json::from_str(&admin.raw(&path).unwrap()).unwrap();
        let mut names: Vec<_> = resources["resources"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        names.sort_by_key(|name| name.as_str());
        assert_eq!(names, ["namespaces/backlog", "nodes/load", "pods/busy", "services/queue_depth"]);
    }
    let minutes = 5;
    while since.elapsed() < Duration::from_secs(60 * minutes) {
        thread::sleep(Duration::from_secs(1));
    }
    // Once a minute it requests discovery of all versions together, and OpenAPI 2.0 of each.
    eventually("kube-apiserver has come back", || match installed.answered_with(plane, "discovery", 304) {
        count if count >= 3.0 * (minutes - 1) as f64 => Ok(()),
        count => Err(format!("{count} answers so far that nothing has changed")),
    });
    let seen = watch.end();
    assert!(seen.unavailable.is_empty() && seen.unserved.is_empty() && seen.away == 0, "{seen:#?}");
    assert_eq!(installed.complaints(plane), [""; 0]);
    assert_eq!(source.requests(), 0, "no metric was requested");
    // Metriclet's log has no errors either.
    installed.server.signal("TERM");
    installed.server.wait_for("stopping: still serving");
    installed.server.signal("TERM");
    assert!(installed.server.wait().success());
    let complaints: Vec<_> = installed.server.seen.iter().filter(|line| !line.contains(" INFO ")).collect();
    // The warning about the rule for nodes, which no HPA can request.
    let expected = "no HPA can request a metric of nodes";
    assert!(matches!(&*complaints, [line] if line.contains(expected)), "{complaints:#?}");
}

/// When each APIService last became available.
fn available_since(admin: &Kubectl) -> Vec<String> {
    let since = |service: String| {
        let condition = admin.get(&[&service])["status"]["conditions"][0].take();
        assert_eq!((&condition["type"], &condition["status"]), (&"Available".into(), &"True".into()), "{condition}");
        condition["lastTransitionTime"].as_str().unwrap().to_owned()
    };
    services().map(since).into()
}

/// Discovery is served in every situation.
pub fn stays_available(plane: &mut ControlPlane) {
    let (gate, asked) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let (door, counter) = (gate.clone(), asked.clone());
    let upstream = Upstream::start(move |_, stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        door.wait();
        let _ = stream.write_all(&page("text/plain", PAGE));
    });
    grant(plane);
    let [api, reviews] = [(); 2].map(|()| Relay::start(plane.address));
    let mut installed = Installed::start_with_addresses(plane, &config(&upstream), api.address, Some(reviews.address));
    let front = Relay::start(installed.server.address);
    installed.register(plane, front.address);
    let admin = plane.admin();
    let since = available_since(&admin);
    let watch = Watch::start(plane, OFTEN);
    // kube-apiserver checks every half minute, and whenever the APIService changes.
    let look_again = |installed: &Installed, why: &str| {
        // Without the test's own requests: the first number may be too large, and the second too small.
        let ours = watch.served();
        let before = installed.answered(plane, "discovery") - ours as f64;
        for service in services() {
            admin.run(&["annotate", "--overwrite", &service, &format!("looked-at-while={why}")]).unwrap();
        }
        eventually("kube-apiserver has checked both", || {
            let all = installed.answered(plane, "discovery");
            let now = all - watch.served() as f64;
            // It sends five requests for one check.
            if now >= before + 10.0 { Ok(()) } else { Err(format!("{before} answers, now {now}")) }
        });
        assert_eq!(available_since(&admin), since, "{why}");
        for version in VERSIONS {
            admin.raw(&format!("/apis/custom.metrics.k8s.io/{version}")).unwrap();
        }
    };
    look_again(&installed, "all-is-well");

    // The source hangs, with more callers than there are workers.
    let target = path("v1beta2", ROUTES[0].0);
    thread::scope(|scope| {
        let callers: Vec<_> =
            (0..40).map(|_| scope.spawn(|| plane.ask(Some(&plane.admin_identity), &target, "").code)).collect();
        eventually("the source is requested", || {
            if asked.load(Ordering::SeqCst) > 0 { Ok(()) } else { Err(String::new()) }
        });
        look_again(&installed, "the-source-hangs");
        gate.open();
        let codes: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        assert!(codes.iter().all(|code| matches!(code, 200 | 503)), "{codes:?}");
    });

    replace(&installed.config, "sources: [");
    installed.server.wait_for("still using the previous configuration");
    look_again(&installed, "the-configuration-is-broken");
    replace(&installed.config, &config(&upstream));
    installed.server.wait_for(": loaded ");

    // The Kubernetes API does not respond to Metriclet. Tokens and access cannot be reviewed; discovery needs neither.
    api.set_pace(Pace::Held);
    look_again(&installed, "the-kubernetes-api-hangs");
    let answer = installed.ask_directly(None, &target, "Authorization: Bearer some-token\r\n");
    assert_eq!(answer.code, 503, "{answer:?}");
    api.set_pace(Pace::AtOnce);

    // Access reviews are slow: each user needs one, and there are more users than workers.
    let busy = path("v1beta2", ROUTES[1].0);
    let as_one = |user: &str| {
        let headers = format!("Impersonate-User: {user}\r\nImpersonate-Group: on-call\r\n");
        plane.ask(Some(&plane.admin_identity), &busy, &headers)
    };
    reviews.set_pace(Pace::Held);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..40).map(|number| scope.spawn(move || as_one(&format!("late-{number}")))).collect();
        eventually("a review is delayed", || if reviews.held_back() > 0 { Ok(()) } else { Err(String::new()) });
        look_again(&installed, "access-reviews-hang");
        assert_eq!(values(&admin.raw(&busy).unwrap()), ROUTES[1].1, "an administrator needs no review");
        let answers: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        assert!(answers.iter().all(|answer| answer.code == 503), "{answers:#?}");
        // Other requests had to wait for these, and get an error that says so.
        assert!(answers.iter().any(|answer| answer.body.contains("SubjectAccessReview")), "{answers:#?}");
    });
    // Slow, but within the limit. The connection is already open, so only the review is slow.
    let mut users = 0..;
    eventually("Metriclet waits for a slow review", || {
        let mut next = || format!("patient-{}", users.next().unwrap());
        reviews.set_pace(Pace::AtOnce);
        assert_eq!(as_one(&next()).code, 200);
        reviews.set_pace(Pace::Slow(Duration::from_secs(1)));
        let (kept_back, asked) = (reviews.held_back(), Instant::now());
        let answer = as_one(&next());
        assert!(asked.elapsed() >= Duration::from_secs(1) && reviews.held_back() > kept_back);
        if answer.code == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    look_again(&installed, "access-reviews-are-slow");
    reviews.set_pace(Pace::AtOnce);

    // First the new authority is added.
    let next = installed.certificates.with_file_name("next");
    fs::create_dir(&next).unwrap();
    for name in ["ca.crt", "tls.crt", "tls.key"] {
        fs::copy(installed.certificates.join(name), next.join(name)).unwrap();
    }
    let (code, _, stderr) = run(&["certs", "--renew", "--out", next.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    let renewed = |name: &str| fs::read_to_string(next.join(name)).unwrap();
    installed.publish(plane, front.address, renewed("ca.crt").as_bytes());
    look_again(&installed, "the-authority-changes");
    for name in ["ca.crt", "tls.key", "tls.crt"] {
        replace(&installed.certificates.join(name), &renewed(name));
    }
    installed.server.wait_for("a new serving certificate is in use");
    look_again(&installed, "the-certificate-changes");

    // A rollout: the new process is ready, the Service sends requests to it, and the old process gets SIGTERM.
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let answer = plane.ask(Some(&plane.admin_identity), &target, "");
                assert_eq!(answer.code, 200, "a request was lost: {answer:?}");
            }
        });
        let rolled = panic::catch_unwind(AssertUnwindSafe(|| {
            let new = installed.another();
            front.point(new.address);
            installed.server.signal("TERM");
            assert!(installed.server.wait().success());
            installed.server = new;
            look_again(&installed, "it-is-rolled");
        }));
        done.store(true, Ordering::SeqCst);
        load.join().unwrap();
        rolled.unwrap();
    });
    let seen = watch.end();
    assert!(seen.unavailable.is_empty() && seen.unserved.is_empty() && seen.away == 0, "{seen:#?}");
    assert!(seen.looks >= 100, "{seen:?}");
    assert_eq!(installed.complaints(plane), [""; 0]);
}

/// While kube-apiserver is down, known authorities stay trusted, and requests that need a review are errors.
pub fn outlives_an_api_server(plane: &mut ControlPlane) {
    grant(plane);
    let source = source();
    let installed = Installed::start(plane, &config(&source));
    let [target, discovery] = [&path("v1beta2", ROUTES[0].0), "/apis/custom.metrics.k8s.io/v1beta2"];
    let proxy = client(&plane.front_proxies, "front-proxy-client", None);
    let token = bearer(plane, "reader");
    let since = available_since(&plane.admin());
    let watch = Watch::start(plane, OFTEN);
    plane.stop_apiserver();
    let by_proxy = |headers: &str, target: &str| installed.ask_directly(Some(&proxy), target, headers).code;
    assert_eq!(by_proxy("X-Remote-User: system:aggregator\r\n", discovery), 200);
    assert_eq!(by_proxy("X-Remote-User: admin\r\nX-Remote-Group: system:masters\r\n", target), 200);
    assert_eq!(by_proxy("X-Remote-User: bob\r\n", target), 503);
    assert_eq!(installed.ask_directly(Some(&plane.admin_identity), target, "").code, 200);
    assert_eq!(installed.ask_directly(None, target, &token).code, 503);
    assert_eq!(installed.ask_directly(None, "/readyz", "").code, 200);
    let fetched = source.requests();
    plane.start_apiserver();
    let admin = plane.admin();
    let list = eventually("it is reachable again", || admin.raw(target));
    assert_eq!(values(&list), ROUTES[0].1);
    // The last review may have failed just before.
    let refused = eventually("it sends reviews again", || match installed.ask_directly(None, target, &token) {
        answer if answer.code == 503 => Err(answer.body),
        answer => Ok(answer),
    });
    assert_eq!(refused.code, 403, "{refused:?}");
    assert_eq!(by_proxy("X-Remote-User: bob\r\n", target), 403);
    assert_eq!(source.requests(), fetched + 1);
    assert_eq!(available_since(&admin), since);
    let seen = watch.end();
    assert!(seen.unavailable.is_empty() && seen.away > 0 && seen.looks > 0, "{seen:#?}");
    assert_eq!(installed.complaints(plane), [""; 0]);
}

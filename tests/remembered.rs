//! How long reviews and replies are cached, with a clock that the test sets.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::kubernetes::{ACCESS, Kubernetes, Reply, TOKENS};
use common::pods::{self, PODS, bind, pod, serving};
use common::upstream::{Gate, Upstream, page};
use common::{PATIENCE, patient};
use metriclet::internals::api::access::{Access, AuthorizationError};
use metriclet::internals::api::auth::AuthFilter;
use metriclet::internals::api::identity::{AuthenticationError, AuthenticationMethod, Identity, User};
use metriclet::internals::api::message::{Origin, Request};
use metriclet::internals::api::{Answer, Api};
use metriclet::internals::cache::Wait;
use metriclet::internals::config::file;
use metriclet::internals::config::limits::{FetchLimits, Limits, ReviewLimits};
use metriclet::internals::kube::review::UserInfo;
use metriclet::internals::kube_api::client::Client;
use metriclet::internals::kube_api::kubeconfig;
use metriclet::internals::metrics::objects::Objects;
use metriclet::internals::metrics::trace::Trace;
use metriclet::internals::metrics::{MetricRequest, Metrics};
use metriclet::internals::parse::path::{self, ApiPath};
use metriclet::internals::parse::selector::Selector;
use metriclet::internals::source::shared::Shared;
use metriclet::internals::source::waiting::AllowedWaits;
use metriclet::internals::telemetry::clock::{Clock, Now};
use serde_json::json;

const METRIC: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/m";

fn client(kubernetes: &Kubernetes) -> Arc<Client> {
    let path = kubernetes.kubeconfig("{token: t}");
    let text = std::fs::read_to_string(&path).unwrap();
    let limits = Limits {
        review: ReviewLimits { timeout: PATIENCE, ..ReviewLimits::default() },
        fetch: FetchLimits { connect_tls: PATIENCE, ..FetchLimits::default() },
        ..Limits::default()
    };
    let target = kubeconfig::parse(&text, path.parent().unwrap(), &limits).unwrap();
    Arc::new(Client::new(target, &limits, Arc::default()))
}

/// A later time. A review that is cached for 10 s must be cached after 9 s and expired after 11 s.
fn later(start: Instant, seconds: u64) -> Now {
    Now { monotonic: start + Duration::from_secs(seconds), ..Clock::system().now() }
}

#[test]
fn access_reviews_are_cached_for_their_ttl() {
    let kubernetes = Kubernetes::start();
    let access = Access::new(Some(client(&kubernetes)), Vec::new(), &Limits::default());
    let parsed = path::parse(METRIC, 1_024).unwrap();
    let check = |user: &str, method, now: Now| {
        let info = UserInfo {
            username: user.to_owned(),
            groups: vec!["system:authenticated".to_owned()],
            ..UserInfo::default()
        };
        let wait = Wait::Until(now.monotonic + PATIENCE);
        access.authorize(&User { info: info.into(), method }, "GET", METRIC, Some(&parsed), wait, now)
    };
    let calls = || kubernetes.calls(ACCESS).len();
    kubernetes.policy(|spec| match spec["user"].as_str() {
        Some("yes") => json!({"allowed": true}),
        Some("both") => json!({"allowed": true, "denied": true}),
        _ => json!({"allowed": false}),
    });
    for (user, method, remembered) in [
        ("yes", AuthenticationMethod::Direct, 10),
        ("no", AuthenticationMethod::Direct, 10),
        ("both", AuthenticationMethod::Direct, 10),
        ("yes", AuthenticationMethod::FrontProxy, 300),
        ("no", AuthenticationMethod::FrontProxy, 10),
        ("both", AuthenticationMethod::FrontProxy, 10),
    ] {
        let (start, before) = (Instant::now(), calls());
        for (seconds, expected) in [(0, 1), (0, 1), (remembered - 1, 1)] {
            let authorized = check(user, method, later(start, seconds));
            assert_eq!(authorized.is_ok(), user == "yes", "{user} {method:?}");
            assert!(authorized.is_ok() || matches!(authorized, Err(AuthorizationError::Forbidden(_))));
            assert_eq!(calls(), before + expected, "{user} {method:?} after {seconds} s");
        }
        // It has expired by then, however long the call took.
        let _ = check(user, method, later(Instant::now(), remembered + 1));
        assert_eq!(calls(), before + 2, "{user} {method:?}");
    }
    // A failure is not cached, nor is a review that is too large.
    let denied = |_: &_| Reply::Say(403, "{}".to_owned());
    kubernetes.script(denied);
    let before = calls();
    for _ in 0..2 {
        assert!(matches!(
            check("new", AuthenticationMethod::Direct, later(Instant::now(), 0)),
            Err(AuthorizationError::Unavailable(_))
        ));
    }
    assert_eq!(calls(), before + 2);
    kubernetes.script(|_| Reply::Good);
    for _ in 0..2 {
        assert!(check(&"long".repeat(10_000), AuthenticationMethod::Direct, later(Instant::now(), 0)).is_err());
    }
    assert_eq!(calls(), before + 4);
}

#[test]
fn token_reviews_are_cached_for_seconds() {
    let kubernetes = Kubernetes::start();
    let identity = Identity::new(Some(client(&kubernetes)), &Limits::default());
    kubernetes.token("good", json!({"username": "u"}));
    let who = |token: &str, now: Now| {
        let value = format!("Bearer {token}");
        let headers: &[(&str, &[u8])] = &[("Authorization", value.as_bytes())];
        let request = Request { headers, origin: Origin::Network(None), ..Request::get("/") };
        identity
            .authenticate(&request, None, Wait::Until(now.monotonic + PATIENCE), now)
            .map(|user| user.info.username.clone())
    };
    let calls = || kubernetes.calls(TOKENS).len();
    for token in ["good", "bad"] {
        let (start, before) = (Instant::now(), calls());
        for seconds in [0, 0, 9] {
            match who(token, later(start, seconds)) {
                Ok(user) => assert_eq!((token, user.as_str()), ("good", "u")),
                Err(why) => assert!(token == "bad" && matches!(why, AuthenticationError::Unauthorized(_)), "{why:?}"),
            }
            assert_eq!(calls(), before + 1, "{token} after {seconds} s");
        }
        let _ = who(token, later(Instant::now(), 11));
        assert_eq!(calls(), before + 2, "{token}");
    }
    let start = Instant::now();
    assert!(who("good", later(start, 0)).is_ok());
    kubernetes.token("good", json!(null));
    assert!(who("good", later(Instant::now(), 40)).is_err(), "a revoked token expires");
}

/// A request with little time left ends at its deadline, and requests with more time fetch again.
#[test]
fn a_fetch_cut_short_by_a_deadline_is_not_cached() {
    let gate = Gate::default();
    let held = gate.clone();
    let upstream = Upstream::start(move |_, stream| {
        held.wait();
        drop(stream.write_all(&page("text/plain", "load 7\n")));
    });
    let config = format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop], timeout: 4s, cache: 15s}}\nmetrics:\n  \
         - {{name: load, object: services, source: app, describes: {{namespace: shop, name: web}}}}\n",
        upstream.url()
    );
    let limits = Limits::default();
    let loaded = file::load(config.as_bytes(), &limits);
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    let metrics = Metrics::new(Shared::new(limits, Clock::system(), Arc::default()));
    metrics.install(loaded.config, None);
    let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/load";
    let Ok(ApiPath::Metric(path)) = path::parse(path, 1_024) else { panic!("{path}") };
    let ask = |time: Duration| {
        let everything = Selector::everything();
        let ask = MetricRequest {
            path: &path,
            label_selector: &everything,
            metric_selector: &everything,
            is_forwarded: false,
        };
        let answer = metrics.answer(ask, AllowedWaits::until(Instant::now() + time), &mut Trace::off());
        answer.map(|answer| answer.items.len()).map_err(|failure| failure.to_string())
    };
    // The upstream does not respond, so only the request's own deadline can end this before the source's timeout.
    let hurried = ask(Duration::from_millis(50)).unwrap_err();
    assert!(hurried.contains("timeout: "), "{hurried}");
    gate.open();
    assert_eq!(ask(PATIENCE), Ok(1), "the failure is not cached");
    assert_eq!((ask(PATIENCE), upstream.requests()), (Ok(1), 2), "the page is cached");
}

/// A request that has queued for most of its time has only the rest for a review, and its timeout does not affect other
/// requests.
#[test]
fn a_queued_request_reviews_within_the_rest_of_its_time() {
    let kubernetes = Kubernetes::start();
    kubernetes.token("good", json!({"username": "u"}));
    let gate = Gate::default();
    let held = gate.clone();
    kubernetes.script(move |_| Reply::Late(held.clone()));
    let limits = Limits::default();
    let api = Api::unconfigured(&limits, &Clock::system());
    let identity = Identity::new(Some(client(&kubernetes)), &limits);
    api.set_auth(AuthFilter { identity, access: Access::new(Some(client(&kubernetes)), Vec::new(), &limits) });
    let ask = |queued: Duration, left: Duration| {
        let headers: &[(&str, &[u8])] = &[("Authorization", b"Bearer good")];
        let request = Request { headers, origin: Origin::Network(None), ..Request::get("/apis") };
        let now = Clock::system().now();
        let since = Now { monotonic: now.monotonic.checked_sub(queued).unwrap(), ..now };
        match api.answer(&request, AllowedWaits::until(now.monotonic + left), since, &mut Trace::off()) {
            Answer::Reply(reply) => (reply.code, String::from_utf8(reply.body.to_vec()).unwrap()),
            Answer::WouldWait(waiting) => panic!("{waiting:?}"),
        }
    };
    std::thread::scope(|scope| {
        let hurried = scope.spawn(|| ask(Duration::from_secs(4), Duration::from_secs(1)));
        while kubernetes.calls(TOKENS).is_empty() && !hurried.is_finished() {
            std::thread::yield_now();
        }
        let patient = scope.spawn(|| ask(Duration::ZERO, PATIENCE));
        let (code, body) = hurried.join().unwrap();
        assert!(code == 503 && body.contains("cannot authenticate the request: TokenReview"), "{code} {body}");
        gate.open();
        assert_eq!(patient.join().unwrap().0, 200, "the timeout of the other request is not its own");
    });
}

/// A printed reply is cached only as long as its page, its value and the configuration are valid.
#[test]
fn a_reply_is_cached_while_its_page_is() {
    let (upstream, page) = Upstream::changing("load 1\nqueue{name=\"a\"} 1\n");
    let config = |cache: &str| {
        let text = format!(
            "sources:\n  app: {{url: '{}', namespaces: [shop], cache: {cache}}}\nmetrics:\n  \
             - {{name: load, object: services, source: app, maxAge: 30s, describes: {{namespace: shop, name: web}}}}\n  \
             - {{name: queue, external: true, source: app, maxAge: 30s}}\n  \
             - {{name: waiting, object: services, source: app, maxAge: 30s, value: queue, nameLabel: name}}\n",
            upstream.url()
        );
        let loaded = file::load(text.as_bytes(), &Limits::default());
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        loaded.config
    };
    let told = Arc::new(Mutex::new(Clock::system().now()));
    let start = *told.lock().unwrap();
    let clock = told.clone();
    let api = Api::unconfigured(&Limits::default(), &Clock::from_fn(move || *clock.lock().unwrap()));
    let ask = |target: &str| {
        let now = *told.lock().unwrap();
        let waits = AllowedWaits::until(now.monotonic + PATIENCE);
        match api.answer(&Request::get(target), waits, now, &mut Trace::off()) {
            Answer::Reply(reply) if reply.code == 200 => {
                let list: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
                list["items"][0]["value"].as_str().unwrap().to_owned()
            }
            Answer::Reply(reply) => reply.code.to_string(),
            Answer::WouldWait(waiting) => panic!("{waiting:?}"),
        }
    };
    for target in [
        "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/load",
        "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue?labelSelector=name%3Da",
        "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/*/waiting",
    ] {
        let pretty = format!("{target}{}pretty=true", if target.contains('?') { "&" } else { "?" });
        let set = |monotonic: u64, unix: i64| {
            let monotonic = start.monotonic + Duration::from_secs(monotonic);
            *told.lock().unwrap() = Now { monotonic, unix_millis: start.unix_millis + 1_000 * unix };
        };
        let put = |value: u64| *page.lock().unwrap() = format!("load {value}\nqueue{{name=\"a\"}} {value}\n");
        put(1);
        set(0, 0);
        api.metrics().install(config("14s"), None);
        assert_eq!((ask(target), ask(target), ask(&pretty)), ("1".into(), "1".into(), "1".into()));
        put(2);
        set(13, 13);
        assert_eq!((ask(target), ask(&pretty)), ("1".into(), "1".into()), "cached with its page");
        set(13, 31);
        assert_eq!(ask(target), "404", "the clock was set forward, and the value is too old");
        set(13, -31);
        assert_eq!(ask(target), "404", "the clock was set back, and the value is in the future");
        set(13, 13);
        assert_eq!(ask(target), "1");
        api.metrics().install(config("15s"), None);
        assert_eq!(ask(target), "2", "another configuration");
        put(3);
        set(30, 30);
        assert_eq!((ask(target), ask(&pretty)), ("3".into(), "3".into()), "a new page");
    }
}

/// A printed reply for pods is cached only as long as their list.
#[test]
fn a_reply_for_pods_is_cached_while_their_list_is() {
    let (port, listeners) = bind(2);
    let pods: Vec<Upstream> =
        (1..).zip(listeners).map(|(n, listener)| serving(listener, &format!("queue_depth {n}\n"))).collect();
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0)]);
    let limits = patient(Limits::default());
    let told = Arc::new(Mutex::new(Clock::system().now()));
    let (start, clock) = (*told.lock().unwrap(), told.clone());
    let api = Api::unconfigured(&limits, &Clock::from_fn(move || *clock.lock().unwrap()));
    api.metrics().set_objects(Objects::new(client(&kubernetes), &limits));
    let text = pods::config(&format!("pods: {{port: {port}}}, cache: 10m"), "queue_depth");
    api.metrics().install(file::load(text.as_bytes(), &limits).config, None);
    let ask = |seconds: u64| {
        let now = Now { monotonic: start.monotonic + Duration::from_secs(seconds), ..start };
        *told.lock().unwrap() = now;
        let target = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/queue_depth";
        let waits = AllowedWaits::until(now.monotonic + PATIENCE);
        let Answer::Reply(reply) = api.answer(&Request::get(target), waits, now, &mut Trace::off()) else { panic!() };
        let list: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["value"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!((ask(0), ask(1)), (vec!["1".to_owned()], vec!["1".to_owned()]));
    let lists = kubernetes.calls(PODS).len();
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    assert_eq!((ask(1), kubernetes.calls(PODS).len()), (vec!["1".to_owned()], lists), "the list is cached, too");
    assert_eq!(ask(120), ["1", "2"], "a new list");
    assert!(pods.iter().all(|pod| pod.requests() == 1), "the pages are still the same");
}

//! Values of several pods over time: equal to those of Prometheus for the same samples.

use super::*;
use crate::common::kubernetes::Reply;

const SERVICE: &str = "/api/v1/namespaces/shop/services/web";
const WEB: &str = "services/web/queue_depth";

/// A Service of the pods, and a rule for it.
fn service(extra: &str, value: &str) -> World {
    let world = World::new(Limits::default(), RATE);
    world.kubernetes.put(SERVICE, json!({"spec": {"selector": {"app": "web"}}}));
    let text = config(&world.source, value).replace("object: pods", "object: services");
    world.install(&text.replace("source: app", &format!("source: app{extra}")));
    world
}

impl World {
    /// Takes a round of samples after this many seconds; `number` counts rounds since the first request.
    fn round(&self, seconds: u64, number: usize, ended: &str) {
        self.advance(seconds);
        self.shown(WEB);
        let sampled = format!("samples  sampled {number} times over");
        let now = time(self.millis.load(Ordering::SeqCst) as i64 / 1_000);
        eventually(|| {
            let (items, steps) = self.ask(WEB);
            let is_there = steps.iter().any(|step| step.starts_with(&sampled) && step.contains(ended));
            let is_of_now = items.iter().flatten().all(|item| item["timestamp"] == now.as_str());
            if is_there && is_of_now { Ok(()) } else { Err(format!("not {number} times, {ended:?}: {steps:?}")) }
        });
    }
}

/// `web` with the sum of these rates, in milli.
fn web(rates: &[f64], window: usize, at: i64) -> String {
    format!("web {} {window} {}", quantity(rates.iter().sum::<f64>().round() as i64), time(at))
}

#[test]
fn one_rate_of_all_pods() {
    let world = service("", RATE);
    let (first, second) = ([100.0, 130.0, 160.0, 190.0, 220.0], [30.0, 30.0, 60.0, 120.0, 120.0]);
    for tick in 0..5 {
        world.serve([first[tick], second[tick]]);
        world.round(if tick > 0 { 15 } else { 0 }, (tick + 1).min(5), "2 of 2 running pods answered");
        if tick < 2 {
            assert_eq!(world.shown(WEB), gathering("queue_depth").replace("all pods", "services/web"));
            continue;
        }
        let from = (tick + 1).saturating_sub(4);
        let rates = [rate_at(&first[..=tick], 15 * tick as i64), rate_at(&second[..=tick], 15 * tick as i64)];
        assert_eq!(world.shown(WEB), web(&rates, 15 * (tick - from), 15 * tick as i64), "at {tick}");
    }
    assert!(world.pods.iter().all(|pod| pod.requests() == 5), "one fetch a tick");
}

/// Prometheus' rate of samples over the minute before `now`, in milli: `extrapolatedRate` in promql/functions.go.
fn rate_of(samples: &[(i64, f64)], now: i64) -> f64 {
    let within: Vec<_> = samples.iter().filter(|(at, _)| *at > now - 60 && *at <= now).collect();
    let [(first_at, first), .., (last_at, last)] = within[..] else { return 0.0 };
    let resets: f64 = within.windows(2).filter(|pair| pair[1].1 < pair[0].1).map(|pair| pair[0].1).sum();
    let (increase, sampled) = (last - first + resets, (last_at - first_at) as f64);
    let apart = sampled / (within.len() - 1) as f64;
    let to_edge = |distance: i64| if (distance as f64) < apart * 1.1 { distance as f64 } else { apart / 2.0 };
    let to_zero = if increase > 0.0 { sampled * (first / increase) } else { f64::INFINITY };
    let covered = sampled + to_edge(first_at - (now - 60)).min(to_zero) + to_edge(now - last_at);
    increase * (covered / sampled) / 60.0 * 1_000.0
}

/// That rate for samples every 15 s from the first second on.
fn rate_at(samples: &[f64], now: i64) -> f64 {
    let samples: Vec<_> = samples.iter().enumerate().map(|(n, value)| (15 * n as i64, *value)).collect();
    rate_of(&samples, now)
}

#[test]
fn a_restart_is_a_reset_and_samples_of_a_deleted_pod_leave_the_range() {
    let world = service("", RATE);
    let restarted = with(pod(0), "/status/containerStatuses", json!([{"restartCount": 1}]));
    let first = [1_000.0, 1_030.0, 1_060.0, 10.0, 40.0, 70.0, 100.0, 130.0, 160.0];
    let second = [5.0, 20.0, 35.0, 50.0, 65.0];
    let mut before = f64::INFINITY;
    for tick in 0..first.len() {
        match tick {
            // A new process, whose counter starts at zero: for Prometheus the same series.
            3 => world.kubernetes.set(PODS, vec![restarted.clone(), pod(1)]),
            // The samples of a deleted pod leave the range one by one.
            5 => {
                let gone = with(pod(1), "/metadata/deletionTimestamp", json!("2026-08-18T02:35:04Z"));
                world.kubernetes.set(PODS, vec![restarted.clone(), gone]);
            }
            _ => {}
        }
        world.serve([first[tick], second.get(tick).copied().unwrap_or(9e9)]);
        let ended = if tick < 5 { "2 of 2 running pods answered" } else { "1 of 1 running pods answered" };
        world.round(if tick > 0 { 15 } else { 0 }, (tick + 1).min(7), ended);
        if tick < 2 {
            continue;
        }
        let now = 15 * tick as i64;
        let expected = rate_at(&first[..=tick], now) + rate_at(&second[..second.len().min(tick + 1)], now);
        let shown = world.shown(WEB);
        assert_eq!(shown.split(' ').nth(1), Some(quantity(expected.round() as i64).as_str()), "at {tick}: {shown}");
        if tick > 5 {
            assert!(expected <= before && before - expected < 400.0, "{before} jumps to {expected}");
        }
        before = expected;
    }
    assert_eq!(world.pods[1].requests(), 5, "a terminating pod is not scraped");
}

#[test]
fn a_pod_of_the_same_name_counts_from_its_second_sample() {
    let world = service("", RATE);
    let both = "2 of 2 running pods answered";
    for tick in 0..4_usize {
        world.serve([100.0 + 15.0 * tick as f64; 2]);
        world.round(if tick > 0 { 15 } else { 0 }, tick + 1, both);
    }
    // A replacement at another address is a new series.
    let listener = TcpListener::bind((address(7), world.pods[0].address.port())).unwrap();
    let body = Arc::new(Mutex::new(String::new()));
    let current = body.clone();
    let _new = Upstream::on(listener, move |_, stream| text(stream, &current.lock().unwrap()));
    let new = with(named("web-1", &address(7).to_string()), "/metadata/uid", json!("new"));
    world.kubernetes.set(PODS, vec![pod(0), new]);
    let (all, mut fresh) = ([100.0, 115.0, 130.0, 145.0, 160.0, 175.0, 190.0], Vec::new());
    for tick in 4..7_usize {
        let now = 15 * tick as i64;
        fresh.push((now, 1e6 + 150.0 * tick as f64));
        *body.lock().unwrap() = format!("requests_total {}\n", fresh.last().unwrap().1);
        world.serve([all[tick]; 2]);
        world.round(15, tick + 1, both);
        let rates = [rate_at(&all[..=tick], now), rate_at(&all[..4], now), rate_of(&fresh, now)];
        assert_eq!(rates[2] > 0.0, tick > 4);
        let shown = world.shown(WEB);
        assert_eq!(
            shown.split(' ').nth(1),
            Some(quantity(rates.iter().sum::<f64>().round() as i64).as_str()),
            "at {tick}: {shown}"
        );
    }
}

#[test]
fn a_round_is_complete_or_an_error() {
    let world = service("", RATE);
    for tick in 0..3_usize {
        world.serve([10.0 * tick as f64; 2]);
        world.round(if tick > 0 { 15 } else { 0 }, tick + 1, "2 of 2 running pods answered");
    }
    assert_eq!(world.shown(WEB), web(&[rate_at(&[0.0, 10.0, 20.0], 30); 2], 30, 30));
    let says = |why: &str| {
        let expected =
            format!("queue_depth of services/web in namespace shop: {why}; the rule takes {RATE} from source app");
        eventually(|| match world.shown(WEB) {
            shown if shown == expected => Ok(()),
            shown => Err(shown),
        });
    };
    *world.pages[1].lock().unwrap() = "requests_total{ 1\n".to_owned();
    world.advance(15);
    says("not all running pods answered, 1 kind of failure: answered malformed text: expected a label name or \"}\"");
    // The list itself fails.
    world.kubernetes.script(|call| match call.path.starts_with(PODS) {
        true => Reply::Say(403, "{}".to_owned()),
        false => Reply::Good,
    });
    world.advance(15);
    says("cannot list pods: RBAC does not grant Metriclet the verb list on pods");
    world.kubernetes.script(|_| Reply::Good);
    world.kubernetes.set(PODS, vec![with(pod(0), "/status/phase", json!("Pending"))]);
    world.advance(15);
    says("none of the pods is running yet");
    // The rule may accept half of the pods.
    let world = service(", minCoverage: 50%", RATE);
    for tick in 0..3_usize {
        world.serve([10.0 * tick as f64; 2]);
        *world.pages[1].lock().unwrap() = "requests_total{ 1\n".to_owned();
        world.round(if tick > 0 { 15 } else { 0 }, tick + 1, "1 of 2 running pods answered");
    }
    assert_eq!(world.shown(WEB), web(&[rate_at(&[0.0, 10.0, 20.0], 30)], 30, 30));
}

#[test]
fn gauges_are_of_existing_pods() {
    let world = service("", "sum(requests_total) + sum(increase(requests_total[1m])) * 0");
    for tick in 0..3_usize {
        world.serve([10.0; 2]);
        world.round(if tick > 0 { 15 } else { 0 }, tick + 1, "2 of 2 running pods answered");
    }
    assert!(world.shown(WEB).starts_with("web 20 "), "{}", world.shown(WEB));
    world.kubernetes.set(PODS, vec![pod(0)]);
    world.round(15, 4, "1 of 1 running pods answered");
    assert!(world.shown(WEB).starts_with("web 10 "), "{}", world.shown(WEB));
    world.kubernetes.set(PODS, vec![]);
    world.round(15, 5, "0 of 0 running pods answered");
    assert_eq!(
        world.shown(WEB),
        "queue_depth of services/web in namespace shop: no pod is selected that runs or is about to; the rule takes sum(requests_total) + sum(increase(requests_total[1m])) * 0 from source app"
    );
}

/// The samples of a deleted pod stay in the range, and are not stale for any rule.
#[test]
fn a_deleted_pod_makes_no_value_stale() {
    let world = service("", "sum(increase(requests_total[5m]))");
    for tick in 0..21_usize {
        let pods = if tick < 11 { vec![pod(0), pod(1)] } else { vec![pod(0)] };
        let count = pods.len();
        world.kubernetes.set(PODS, pods);
        world.serve([10.0 * tick as f64; 2]);
        world.round(if tick > 0 { 15 } else { 0 }, tick + 1, &format!("{count} of {count} running pods answered"));
    }
    // The increase of both pods, one of which was deleted two and a half minutes ago.
    let value: f64 = world.shown(WEB).split(' ').nth(1).unwrap().parse().unwrap();
    assert!(value > 200.0, "{value}");
}

#[test]
fn a_fixed_set_over_time_serves_other_objects_and_external_metrics() {
    let world = World::new(Limits::default(), RATE);
    let port = world.pods[0].address.port();
    let set = format!("pods: {{namespace: ingress, selector: app=web, port: {port}}}, namespaces: [shop]");
    let text =
        config(&set, "sum(rate(requests_total[1m]))").replace("object: pods", "object: ingresses.networking.k8s.io");
    let external =
        "  - {name: by_ingress, external: true, source: app, value: 'sum by (ingress) (rate(requests_total[1m]))'}\n";
    world.install(&(text + external));
    world.kubernetes.set("/api/v1/namespaces/ingress/pods", vec![pod(0), pod(1)]);
    let of_external = || {
        let (now, mut trace) = (world.clock.now(), Trace::on());
        let wait = AllowedWaits::until(now.monotonic + world.limits.answer.deadline);
        let request = Request::get("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/by_ingress");
        let Answer::Reply(reply) = world.api.answer(&request, wait, now, &mut trace) else { panic!() };
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let item = |item: &Value| format!("{} {}", item["metricLabels"]["ingress"], item["value"]);
        let items = body["items"].as_array().map(|items| {
            let mut items: Vec<String> = items.iter().map(item).collect();
            items.sort();
            items.join(", ")
        });
        let steps: Vec<String> = trace.events().iter().map(ToString::to_string).collect();
        (items.unwrap_or_else(|| body["message"].to_string()), steps)
    };
    let all = "ingresses.networking.k8s.io/*/queue_depth";
    for tick in 0..3_u32 {
        for (page, pod) in world.pages.iter().zip([1, 3]) {
            let line = |ingress: &str, each: u32| {
                format!(
                    "requests_total{{namespace=\"shop\",ingress=\"{ingress}\"}} {}\n",
                    1_000 + each * pod * tick * 15
                )
            };
            *page.lock().unwrap() = line("web", 1) + &line("mail", 5) + "requests_total 7\n";
        }
        world.advance(if tick > 0 { 15 } else { 0 });
        let (shown, sampled) = (|| world.ask(all).1, format!("samples  sampled {} times over", tick + 1));
        eventually(|| match [shown(), of_external().1] {
            both if both.iter().all(|steps| steps.iter().any(|step| step.starts_with(&sampled))) => Ok(()),
            both => Err(format!("{both:?}")),
        });
    }
    // Both pods together: 1 + 3 per second, and five times as many; known for 30 s and extrapolated to 37.5 of 60 s.
    assert_eq!(world.shown(all), format!("mail 12500m 30 {0}, web 2500m 30 {0}", time(30)));
    let (values, steps) = of_external();
    assert_eq!(values, "\"mail\" \"12500m\", \"web\" \"2500m\"", "{steps:?}");
    assert!(steps.iter().any(|step| step == "pods     2 of 2 running pods answered"), "{steps:?}");
    *world.pages[1].lock().unwrap() = "{".to_owned();
    world.advance(15);
    eventually(|| match of_external().0 {
        why if why.contains("not all running pods answered, 1 kind of failure: ") => Ok(()),
        other => Err(other),
    });
}

/// A pod counts if it existed at that time, not as long as its samples are kept.
#[test]
fn an_offset_uses_the_pods_of_that_time() {
    // Sampled every 15 s, like the steps of the clock: a step within a round would fail it.
    let world = service("", "sum(requests_total offset 1m)");
    let there: Vec<[f64; 2]> = (1..11).map(|n| [f64::from(n), if n < 4 { f64::from(n * 10) } else { 0.0 }]).collect();
    for (tick, values) in there.iter().enumerate() {
        let pods = if values[1] > 0.0 { vec![pod(0), pod(1)] } else { vec![pod(0)] };
        let ended = format!("{0} of {0} running pods answered", pods.len());
        world.kubernetes.set(PODS, pods);
        world.serve(*values);
        // Samples are kept for the offset and two more intervals.
        world.round(if tick > 0 { 15 } else { 0 }, (tick + 1).min(7), &ended);
        if tick > 4 {
            let then: f64 = there[tick - 4].iter().sum();
            let shown = world.shown(WEB);
            assert!(shown.starts_with(&format!("web {then} ")), "{tick}: {shown}, not {then}");
        }
    }
}

/// One store contains the samples for all objects, so placeholders select from it.
#[test]
fn placeholders_are_names_of_the_request() {
    let world = service("", "sum(rate(requests_total{queue=\"{name}\",pod=~\"web-.\"}[1m]))");
    world.kubernetes.put("/api/v1/namespaces/shop/services/mail", json!({"spec": {"selector": {"app": "web"}}}));
    for tick in 0..3_usize {
        for page in &world.pages {
            let line =
                |queue: &str, each: usize| format!("requests_total{{queue=\"{queue}\"}} {}\n", 1_000 + each * tick);
            *page.lock().unwrap() = line("web", 15) + &line("mail", 45);
        }
        world.round(if tick > 0 { 15 } else { 0 }, tick + 1, "2 of 2 running pods answered");
    }
    let rate = |each: f64| 2.0 * rate_at(&[1_000.0, 1_000.0 + each, 1_000.0 + 2.0 * each], 30);
    let expected = |name: &str, each| format!("{name} {} 30 {}", quantity(rate(each) as i64), time(30));
    assert_eq!(world.shown(WEB), expected("web", 15.0));
    assert_eq!(world.shown("services/mail/queue_depth"), expected("mail", 45.0));
}

//! Samples that cannot be taken, and the messages about them.

use super::*;

#[test]
fn reports_why_pods_cannot_be_sampled() {
    let world = World::new(Limits::default(), RATE);
    for page in &world.pages {
        *page.lock().unwrap() = "requests_total{ 1\n".to_owned();
    }
    let message = |why: &str| format!("queue_depth of all pods in namespace shop: {why}");
    // Each step begins after both pods were sampled: a page that is still being fetched would be the next sample.
    let says = |expected: &str, of_each: &str| {
        eventually(|| {
            let (shown, steps) = (world.shown("queue_depth"), world.ask("queue_depth").1);
            let sampled = steps.iter().filter(|step| step.starts_with("samples  web-") && step.contains(of_each));
            if shown == expected && sampled.count() == 2 { Ok(()) } else { Err(format!("{shown}: {steps:?}")) }
        });
    };
    says(&message("source app answered malformed text: expected a label name or \"}\""), "malformed text");
    for page in &world.pages {
        *page.lock().unwrap() = "requests_total 1\nrequests_total 2\n".to_owned();
    }
    world.advance(15);
    let twice = "the page has one series twice";
    says(&message(&format!("{twice}; the rule takes {RATE} from source app")), twice);
    // An error is cleared by the next page.
    world.serve([1.0; 2]);
    world.advance(15);
    says(&gathering("queue_depth"), ", sampled 1 times over");
}

#[test]
fn a_rule_over_its_budget_fails() {
    let world = World::new(
        Limits { sampling: SamplingLimits { series: 1, ..SamplingLimits::default() }, ..Limits::default() },
        RATE,
    );
    eventually(|| {
        let shown = world.shown("queue_depth");
        let expected = format!(
            "queue_depth of all pods in namespace shop: more than 1 series of a rule over time; add a label matcher; \
             the rule takes {RATE} from source app"
        );
        if shown == expected { Ok(()) } else { Err(shown) }
    });
}

/// Each attempt to fetch from a dead pod occupies a fetcher. After two attempts the pod is skipped for a while, and then
/// tried again.
#[test]
fn pods_that_refuse_connections_are_skipped_for_a_while() {
    let world = World::new(Limits::default(), "sum(requests_total)");
    world.serve([7.0; 2]);
    world.kubernetes.set(PODS, vec![pod(0), pod(1), pod(2)]);
    let shown =
        || world.shown("queue_depth").split(", ").map(|item| item[..7].trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(shown(), ["web-0 7", "web-1 7"]);
    world.advance(2);
    assert_eq!(shown(), ["web-0 7", "web-1 7"]);
    let listener = TcpListener::bind((address(2), world.pods[0].address.port())).unwrap();
    let late = serving(listener, "requests_total 8\n");
    world.advance(9);
    assert_eq!(shown(), ["web-0 7", "web-1 7"]);
    assert_eq!(late.requests(), 0);
    world.advance(2);
    assert_eq!(shown(), ["web-0 7", "web-1 7", "web-2 8"]);
}

/// A series that is not on the last page is not missing if later fetches failed.
#[test]
fn a_failed_page_does_not_count_as_missing_series() {
    let world = World::new(Limits::default(), RATE);
    let zero = config(&world.source, RATE).replace("'}", "', onMissing: zero}");
    world.install(&zero);
    let metric = "queue_depth";
    let tick = |page: &str, number: u64, times: usize| {
        for body in &world.pages {
            *body.lock().unwrap() = page.to_owned();
        }
        world.advance(if number > 0 { 15 } else { 0 });
        world.shown(metric);
        world.sampled(metric, [times; 2]);
    };
    for number in 0..3 {
        tick("other 1\n", number, number as usize + 1);
    }
    world.advance(4);
    let at = time(30);
    assert_eq!(world.shown(metric), format!("web-0 0 null {at}, web-1 0 null {at}"), "the time is that of the sample");
    for body in &world.pages {
        *body.lock().unwrap() = "not a page\n".to_owned();
    }
    world.advance(11);
    eventually(|| match world.shown(metric) {
        shown if shown.contains("source app answered malformed text") => Ok(()),
        shown => Err(shown),
    });
    // The same applies to objects that one page describes.
    let source = format!("url: 'http://{}/metrics', namespaces: [shop], single: true", world.pods[0].address);
    world.install(
        &zero
            .replace(&world.source, &source)
            .replace("object: pods", "object: services")
            .replace(", dangerAllowLoopback: true", ""),
    );
    let one = "services/web/queue_depth";
    for number in 0..3 {
        *world.pages[0].lock().unwrap() = "requests_total{service=\"db\"} 1\n".to_owned();
        world.advance(if number > 0 { 15 } else { 0 });
        world.shown(one);
        let sampled = format!("samples  sampled {} times over", number + 1);
        eventually(|| match world.ask(one).1 {
            steps if steps.iter().any(|step| step.starts_with(&sampled)) => Ok(()),
            steps => Err(format!("{steps:?}")),
        });
    }
    assert_eq!(world.shown(one), format!("web 0 null {}", time(75)));
    *world.pages[0].lock().unwrap() = "not a page\n".to_owned();
    world.advance(15);
    eventually(|| match world.shown(one) {
        shown if shown.contains("source app answered malformed text") => Ok(()),
        shown => Err(shown),
    });
}

/// Pods that accept connections and never respond take the whole timeout each time.
#[test]
fn hanging_pods_are_fetched_last() {
    let limits = Limits {
        fetchers: FetcherLimits { threads: 2, ..FetcherLimits::default() },
        fetch: FetchLimits { pod_timeout: Duration::from_millis(100), ..FetchLimits::default() },
        answer: AnswerLimits { deadline: Duration::from_millis(400), ..AnswerLimits::default() },
        ..Limits::default()
    };
    let world = World::new(limits, "sum(requests_total)");
    world.serve([7.0; 2]);
    let port = world.pods[0].address.port();
    let hanging: Vec<TcpListener> = (2..8).map(|n| TcpListener::bind((address(n), port)).unwrap()).collect();
    let named = (2..8).map(|n| named(&format!("a-{n}"), &address(n).to_string()));
    world.kubernetes.set(PODS, named.chain([pod(0), pod(1)]).collect());
    eventually(|| {
        world.advance(3);
        let shown = world.shown("queue_depth");
        if shown.starts_with("web-0 7 ") && shown.contains(", web-1 7 ") { Ok(()) } else { Err(shown) }
    });
    drop(hanging);
}

/// Fetches that wait for hanging pods do not delay those of other pods.
#[test]
fn hanging_pods_have_a_separate_queue() {
    let limits = Limits {
        fetchers: FetcherLimits { threads: 2, ..FetcherLimits::default() },
        fetch: FetchLimits { pod_timeout: Duration::from_secs(60), ..FetchLimits::default() },
        answer: AnswerLimits { deadline: Duration::from_secs(2), ..AnswerLimits::default() },
        ..Limits::default()
    };
    let world = World::new(limits, "sum(requests_total)");
    world.serve([7.0; 2]);
    world.kubernetes.set(PODS, vec![named("a-2", &address(2).to_string()), pod(0), pod(1)]);
    // On a busy machine the second attempt finds the page of the first in the cache; behind hanging pods it would never
    // arrive.
    let both_are_served = || {
        eventually(|| {
            let shown = world.shown("queue_depth");
            if shown.starts_with("web-0 7 ") && shown.contains(", web-1 7 ") { Ok(()) } else { Err(shown) }
        });
    };
    // Nothing listens at the address of a-2.
    both_are_served();
    let hanging = TcpListener::bind((address(2), world.pods[0].address.port())).unwrap();
    for _ in 1..3 {
        // The previous round is still running.
        world.advance(6);
        both_are_served();
    }
    drop(hanging);
}

/// The samples of a pod are stored as soon as it has responded, regardless of other pods.
#[test]
fn a_slow_pod_delays_the_samples_of_no_other() {
    let fetch = FetchLimits { pod_timeout: Duration::from_secs(600), ..FetchLimits::default() };
    let world = World::new(Limits { fetch, ..Limits::default() }, RATE);
    let (gate, at) = (Gate::default(), address(2));
    let closed = gate.clone();
    let slow = TcpListener::bind((at, world.pods[0].address.port())).unwrap();
    let _slow = Upstream::on(slow, move |_, stream| {
        closed.wait();
        text(stream, "requests_total 1\n");
    });
    world.kubernetes.set(PODS, vec![named("a-2", &at.to_string()), pod(0), pod(1)]);
    world.sampled("queue_depth", [1, 1]);
    let has_slow_one = |step: &String| step.starts_with("samples  a-2: ") && step.contains("sampled 1 times");
    let (_, steps) = world.ask("queue_depth");
    assert!(!steps.iter().any(has_slow_one), "{steps:?}");
    gate.open();
    eventually(|| match world.ask("queue_depth").1 {
        steps if steps.iter().any(has_slow_one) => Ok(()),
        steps => Err(format!("{steps:?}")),
    });
}

/// Suggestions for a metric that no page has come from the last page.
#[test]
fn suggests_similar_names() {
    for (value, why) in [
        ("sum(rate(request_total[1m]))", "no series on the page matches; did you mean requests_total?"),
        (
            "sum(rate(requests_total[1m])) / sum(rate(errors_total[1m]))",
            "the expression returned nothing: the object has no series errors_total[1m]; did you mean error_total?",
        ),
    ] {
        let world = World::new(Limits::default(), value);
        for page in &world.pages {
            *page.lock().unwrap() = "error_total 1\nrequests_total 1\n".to_owned();
        }
        let url = format!("url: 'http://{}/metrics', namespaces: [shop], single: true", world.pods[0].address);
        let url =
            config(&url, value).replace("object: pods", "object: services, describes: {namespace: shop, name: web}");
        let url = url.replace(", dangerAllowLoopback: true", "");
        for (config, metric) in
            [(config(&world.source, value), "pods/*/queue_depth"), (url, "services/web/queue_depth")]
        {
            world.install(&config);
            for times in 1..4 {
                let sampled = format!("sampled {times} times over");
                eventually(|| {
                    let (_, steps) = world.ask(metric);
                    let samples: Vec<_> = steps.iter().filter(|step| step.starts_with("samples")).collect();
                    match samples.iter().all(|step| step.contains(&sampled)) {
                        true if !samples.is_empty() => Ok(()),
                        _ => Err(format!("not {times}: {steps:?}")),
                    }
                });
                world.advance(15);
            }
            let said = world.shown(metric);
            assert!(said.contains(&format!(": {why}; the rule takes {value}")), "{said}");
        }
    }
}

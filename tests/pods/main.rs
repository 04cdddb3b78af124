//! Metrics of pods: which pods are scraped, at which URL, and the response if some of them do not respond.

#[path = "../common/mod.rs"]
mod common;
mod kept;
mod lists;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::kubernetes::{Kubernetes, Reply, arrived};
use common::pods::{PODS, address, all, bind, command, config, named, one, pod, server, serving, text, with};
use common::secure::eventually;
use common::upstream::{Gate, Upstream};
use common::{Answer, file, metriclet, run};
use serde_json::json;

const REFUSED: &str = "503 ServiceUnavailable: queue_depth of all pods in namespace shop: source app";

/// Pods on free addresses, each serving its number; and their port.
fn numbers(count: u8) -> (u16, Vec<Upstream>) {
    let (port, listeners) = bind(count);
    let pods = (0..).zip(listeners).map(|(n, listener)| serving(listener, &format!("queue_depth {n}\n"))).collect();
    (port, pods)
}

#[test]
fn each_page_describes_only_its_pod() {
    let (port, listeners) = bind(4);
    // Each page claims to describe its neighbour, and objects of another namespace.
    let pods: Vec<Upstream> = (0..)
        .zip(listeners)
        .map(|(n, listener)| {
            let body = format!(
                "queue_depth{{pod=\"web-{}\",namespace=\"kube-system\",exported_pod=\"web-9\"}} {n}\n",
                (n + 1) % 4
            );
            serving(listener, &body)
        })
        .collect();
    let kubernetes = Kubernetes::start();
    let db = with(pod(3), "/metadata/labels/app", json!("db"));
    kubernetes.set(PODS, vec![pod(0), pod(1), pod(2), db]);
    let server = server(&kubernetes, &config(&format!("pods: {{port: {port}}}"), "queue_depth"));
    assert_eq!(all(&server, "app%3Dweb"), "web-0 0, web-1 1, web-2 2");
    assert_eq!(pods[3].requests(), 0, "a selector is applied before any pod is scraped");
    assert_eq!(all(&server, "app%20in%20(db,web)"), "web-0 0, web-1 1, web-2 2, web-3 3");
    assert_eq!(one(&server, "web-2"), "web-2 2");
    assert_eq!(
        one(&server, "web-9"),
        "404 NotFound: queue_depth of pods/web-9 in namespace shop: there is no such object"
    );
    assert_eq!(
        all(&server, "app%3Dno"),
        "404 NotFound: queue_depth of all pods in namespace shop: labelSelector matches no object"
    );
    assert_eq!(
        server.metric("namespaces/shop/pods/*/queue_depth?metricLabelSelector=pod%3Dweb-1").values(),
        "web-0 0",
        "labels of its page are labels of series, not names of pods"
    );
    assert!(pods.iter().all(|pod| pod.requests() == 1), "a page is fetched once for all requests");
    let head = &pods[0].heads()[0];
    assert!(head.starts_with("GET /metrics HTTP/1.1\r\n") && !head.contains('#'), "{head}");
}

#[test]
fn ports_by_number_name_and_annotation() {
    let (port, pods) = numbers(4);
    let six = TcpListener::bind("[::1]:0").unwrap();
    let six_port = six.local_addr().unwrap().port();
    let _six = serving(six, "queue_depth 6\n");
    let kubernetes = Kubernetes::start();
    let ports = |ports: serde_json::Value| json!([{"name": "app"}, {"name": "other", "ports": ports}]);
    let by_name = with(pod(0), "/spec/containers", ports(json!([{"name": "metrics", "containerPort": port}])));
    let udp =
        json!([{"name": "metrics", "protocol": "UDP", "containerPort": 1}, {"name": "metrics", "containerPort": port}]);
    let tcp = with(pod(1), "/spec/containers", ports(udp));
    let sidecar =
        json!([{"name": "s", "restartPolicy": "Always", "ports": [{"name": "metrics", "containerPort": port}]}]);
    let sidecar = with(pod(2), "/spec/initContainers", sidecar);
    let v6 =
        with(named("v6", "::1"), "/spec/containers", ports(json!([{"name": "metrics", "containerPort": six_port}])));
    let annotations = json!({"prometheus.io/port": port.to_string(), "prometheus.io/path": "/m?x=y", "other": "z"});
    let annotated = with(pod(3), "/metadata/annotations", annotations);
    kubernetes.set(PODS, vec![by_name, tcp, sidecar, v6, annotated]);
    let text = config("pods: {port: metrics}", "queue_depth");
    let server_by_name = server(&kubernetes, &text);
    assert_eq!(all(&server_by_name, ""), "v6 6, web-0 0, web-1 1, web-2 2");
    assert_eq!(server_by_name.own("metriclet_objects_left_out_total{reason=\"pod_no_port\"}"), 1.0);
    let by_annotations = server(&kubernetes, &config("pods: {port: annotations}", "queue_depth"));
    assert_eq!(all(&by_annotations, ""), "web-3 3");
    assert!(pods[3].heads()[0].starts_with("GET /m?x=y HTTP/1.1\r\n"), "{:?}", pods[3].heads());
}

#[test]
fn pods_that_cannot_answer_are_left_out() {
    let (port, pods) = numbers(5);
    let kubernetes = Kubernetes::start();
    let host = with(pod(1), "/spec/hostNetwork", json!(true));
    let pending = with(pod(2), "/status/phase", json!("Pending"));
    let done = with(named("done", "127.0.0.4"), "/status/phase", json!("Succeeded"));
    let going = with(pod(3), "/metadata/deletionTimestamp", json!("2026-08-18T02:35:04Z"));
    let new = with(pod(4), "/status/podIP", json!(""));
    kubernetes.set(PODS, vec![pod(0), host.clone(), pending.clone(), done, going, new]);
    let source = format!("pods: {{port: {port}}}");
    let careful = server(&kubernetes, &config(&source, "queue_depth"));
    assert_eq!(all(&careful, ""), "web-0 0");
    assert!(pods[1..].iter().all(|pod| pod.requests() == 0));
    for (reason, count) in [("host_network", 1.0), ("not_running", 2.0), ("terminating", 1.0), ("no_address", 1.0)] {
        let series = format!("metriclet_objects_left_out_total{{reason=\"pod_{reason}\"}}");
        assert_eq!(careful.own(&series), count, "{reason}");
    }
    let about = |name: &str, why: &str| {
        format!(
            "503 ServiceUnavailable: queue_depth of pods/{name} in namespace shop: no pod to scrape: {why}; the rule takes \
             queue_depth from source app"
        )
    };
    for (name, why) in [
        ("web-1", "it uses the host network; set hostNetwork: true to allow that"),
        ("web-2", "it is not running"),
        ("web-3", "it is terminating"),
        ("web-4", "it has no address yet"),
    ] {
        assert_eq!(one(&careful, name), about(name, why));
    }
    let source = format!("pods: {{port: {port}, hostNetwork: true}}");
    assert_eq!(all(&server(&kubernetes, &config(&source, "queue_depth")), ""), "web-0 0, web-1 1");
    // No pod is left.
    kubernetes.set(PODS, vec![host, pending]);
    let none = server(&kubernetes, &config(&format!("pods: {{port: {port}}}"), "queue_depth"));
    assert_eq!(all(&none, ""), about("x", "it is not running").replace("pods/x", "all pods"));
}

#[test]
fn pods_that_fail_are_left_out() {
    let (port, listeners) = bind(7);
    let mut listeners = listeners.into_iter();
    let good = serving(listeners.next().unwrap(), "queue_depth 7\n");
    drop(listeners.next());
    let gate = Gate::default();
    let closed = gate.clone();
    let slow = Upstream::on(listeners.next().unwrap(), move |_, _| closed.wait());
    let _short = Upstream::on(listeners.next().unwrap(), |_, stream| {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\nqueue_depth 1\n");
    });
    let _malformed = serving(listeners.next().unwrap(), "queue_depth{ 1\n");
    let huge = format!("# {}\n", "x".repeat(1021)).repeat(16 * 1024 + 1) + "queue_depth 1\n";
    let _huge = serving(listeners.next().unwrap(), &huge);
    let _several = serving(listeners.next().unwrap(), "queue_depth{a=\"1\"} 1\nqueue_depth{a=\"2\"} 2\n");
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, (0..7).map(pod).collect());
    let server = server(&kubernetes, &config(&format!("timeout: 2s, pods: {{port: {port}}}"), "queue_depth"));
    assert_eq!(all(&server, ""), "web-0 7");
    assert_eq!((good.requests(), slow.requests()), (1, 1));
    assert_eq!(server.own("metriclet_objects_left_out_total{reason=\"pod_failed\"}"), 5.0);
    assert_eq!(server.own("metriclet_objects_left_out_total{reason=\"several_series\"}"), 1.0);
    let about = "503 ServiceUnavailable: queue_depth of pods/web-1 in namespace shop: source app";
    assert_eq!(one(&server, "web-1"), format!("{about} connect: connection refused"));
    // If no pod responds, the message has a reason, always the same one.
    kubernetes.set(PODS, (1..7).map(pod).collect());
    assert_eq!(
        all(&server, "app%3Dweb"),
        format!("{REFUSED} answered a body of more than 16777216 bytes; raise maxBytes: on the source")
    );
    gate.open();
}

#[test]
fn a_new_pod_never_gets_values_of_the_previous_one() {
    let (port, mut listeners) = bind(1);
    let body = Arc::new(std::sync::Mutex::new("queue_depth 1\n".to_owned()));
    let current = body.clone();
    let _pod = Upstream::on(listeners.remove(0), move |_, stream| text(stream, &current.lock().unwrap()));
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0)]);
    let source = format!("cache: 1h, pods: {{port: {port}}}");
    let last = config(&source, "queue_depth").replace("value:", "onMissing: last 1h, value:");
    let server = server(&kubernetes, &last);
    assert_eq!(all(&server, ""), "web-0 1");
    // Restarted: another process serves the page. Each selector is a new list, so none is cached.
    *body.lock().unwrap() = "queue_depth 2\n".to_owned();
    kubernetes.set(PODS, vec![with(pod(0), "/status/containerStatuses", json!([{"restartCount": 1}]))]);
    assert_eq!(all(&server, "app%3Dweb"), "web-0 2");
    // Replaced by one of the same name at the same address, as StatefulSets do.
    *body.lock().unwrap() = "queue_depth 3\n".to_owned();
    kubernetes.set(PODS, vec![with(pod(0), "/metadata/uid", json!("another"))]);
    assert_eq!(all(&server, "app%20in%20(web)"), "web-0 3");
    // Then by a pod without a value, which must not get the last value of the previous pod.
    *body.lock().unwrap() = "other 4\n".to_owned();
    kubernetes.set(PODS, vec![with(pod(0), "/metadata/uid", json!("a third"))]);
    let missing = "404 NotFound: queue_depth of all pods in namespace shop: no series on the page matches; the rule takes \
                   queue_depth from source app";
    assert_eq!(all(&server, "app%20in%20(db,web)"), missing);
}

#[test]
fn loopback_and_credentials_need_permission_in_the_configuration() {
    let (port, pods) = numbers(1);
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0)]);
    let text = config(&format!("pods: {{port: {port}}}"), "queue_depth");
    let careful = server(&kubernetes, &text.replace(", dangerAllowLoopback: true", ""));
    assert_eq!(
        all(&careful, ""),
        format!("{REFUSED} resolve: host has a loopback address, not allowed for pod IPs or templated hosts")
    );
    assert_eq!(pods[0].requests(), 0);
    // The Kubernetes API is never allowed as a target.
    kubernetes.set(PODS, vec![named("k", "127.0.0.1"), with(pod(0), "/status/podIP", json!("169.254.169.254"))]);
    let port_of_api = format!("pods: {{port: {}}}", kubernetes.address.port());
    let curious = server(&kubernetes, &config(&port_of_api, "queue_depth"));
    let bounds = |kind: &str| {
        let subject = REFUSED.replace("all pods", "pods/NAME");
        format!("{subject} resolve: host has a {kind} address, not allowed for pod IPs or templated hosts")
    };
    assert_eq!(one(&curious, "k"), bounds("Kubernetes API").replace("NAME", "k"));
    assert_eq!(one(&curious, "web-0"), bounds("link-local").replace("NAME", "web-0"));
    kubernetes.set(PODS, vec![pod(0)]);
    let token = file("token", "secret-token\n");
    let token = format!("bearerTokenFile: {}, pods: {{port: {port}}}", token.display());
    let open = config(&token, "queue_depth");
    let (code, _, problems) = run(&["check", file("metrics.yaml", &open).to_str().unwrap()]);
    assert_eq!(code, 78);
    assert!(
        problems.contains("pods and URLs with placeholders get credentials only if namespaces: lists each namespace"),
        "{problems}"
    );
    let listed = server(&kubernetes, &config(&format!("namespaces: [shop], {token}"), "queue_depth"));
    assert_eq!(all(&listed, ""), "web-0 0");
    assert!(pods[0].heads()[0].contains("uthorization: Bearer secret-token\r\n"), "{:?}", pods[0].heads());
    assert_eq!(
        listed.metric("namespaces/other/pods/*/queue_depth").values(),
        "404 NotFound: queue_depth of all pods in namespace other: source app may not describe objects of this \
         namespace; its namespaces: in the configuration says which"
    );
}

#[test]
fn a_thousand_pods_are_fetched_once_on_few_threads() {
    const COUNT: usize = 1000;
    // One port does not have that many addresses.
    let groups: Vec<_> = (0..4).map(|_| numbers(250)).collect();
    let kubernetes = Kubernetes::start();
    let place = |n: usize| u8::try_from(n % 250).unwrap();
    let pod = |n: usize| {
        let annotations = json!({"prometheus.io/port": groups[n / 250].0.to_string()});
        let pod = named(&format!("web-{n:04}"), &address(place(n)).to_string());
        with(pod, "/metadata/annotations", annotations)
    };
    kubernetes.set(PODS, (0..COUNT).map(pod).collect());
    let source = "cache: 1h, timeout: 4s, pods: {port: annotations}";
    let server = server(&kubernetes, &config(source, "queue_depth"));
    // The number of connection threads depends on the machine's load.
    let fetchers = || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
        let name = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        threads.map(|thread| name(thread.unwrap())).filter(|name| name.starts_with("fetch-")).count()
    };
    let path = "namespaces/shop/pods/*/queue_depth";
    let expected = (0..COUNT).map(|n| format!("web-{n:04} {}", place(n))).collect::<Vec<_>>().join(", ");
    // A busy machine may not fetch them all for one response; the rest is fetched for the next.
    eventually(|| {
        let both = [server.ask(path), server.ask(path)];
        let answers = both.map(|stream| Answer::read(stream).values());
        assert!((1..=16).contains(&fetchers()), "{} threads fetch", fetchers());
        if answers.iter().all(|answer| *answer == expected) { Ok(()) } else { Err("some are left out".to_owned()) }
    });
    // Fetches that timed out are repeated; successful ones are not.
    let fetched = server.own("metriclet_fetches_total{source=\"app\",outcome=\"succeeded\"}");
    assert_eq!(fetched, COUNT as f64, "one page a pod, for all requests");
    let calls = kubernetes.lists(PODS);
    let continued: BTreeSet<bool> = calls.iter().map(|call| call.path.contains("&continue=500")).collect();
    assert_eq!((calls.len() % 2, continued), (0, BTreeSet::from([false, true])), "two pages each time: {calls:?}");
}

#[test]
fn get_shows_pods_and_waits_for_values_over_time() {
    let (port, listeners) = bind(2);
    let started = std::time::Instant::now();
    let mut listeners = listeners.into_iter();
    let _counting = Upstream::on(listeners.next().unwrap(), move |_, stream| {
        text(stream, &format!("requests_total {}\n", 10.0 * started.elapsed().as_secs_f64()));
    });
    drop(listeners.next());
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let text = config(&format!("pods: {{port: {port}}}"), "sum(rate(requests_total[8s]))");
    let path = "namespaces/shop/pods/*/queue_depth";
    let get = |args: &[&str]| {
        let output = command(&kubernetes, &text, &[&["get", path], args].concat()).output().unwrap();
        let said = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), said(output.stdout), said(output.stderr))
    };
    let (code, _, said) = get(&[]);
    assert_eq!(code, 69);
    assert!(said.contains("gathering: its samples") && said.contains("use --wait 2m"), "{said}");
    let (code, printed, said) = get(&["-v", "-o", "json", "--wait", "1m"]);
    assert_eq!(code, 0, "{said}");
    let list: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let [item] = &list["items"].as_array().unwrap()[..] else { panic!("{list}") };
    assert_eq!((&item["describedObject"]["name"], &item["windowSeconds"].is_u64()), (&json!("web-0"), &true));
    let value = item["value"].as_str().unwrap();
    let value: f64 =
        value.strip_suffix('m').map_or_else(|| value.parse().unwrap(), |m| m.parse::<f64>().unwrap() / 1e3);
    assert!(value > 0.0, "{list}");
    for step in [
        "range    looks back 8s, sampled every 2s".to_owned(),
        format!("samples  web-0: http://127.0.0.2:{port}/metrics, sampled "),
        format!("samples  web-1: http://127.0.0.3:{port}/metrics, sampled 0 times over 0.000s, 0 series; then "),
        "object   web-0: found ".to_owned(),
    ] {
        assert!(said.contains(&step), "no {step:?} in {said}");
    }
}

/// The failing pod changes with every rollout, and each change of a message is a write to etcd.
#[test]
fn an_error_names_a_pod_only_if_it_was_requested() {
    let (port, listeners) = bind(2);
    let twice = "queue_depth 1\nqueue_depth 2\n";
    let _pods: Vec<Upstream> = listeners.into_iter().map(|listener| serving(listener, twice)).collect();
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let server = server(&kubernetes, &config(&format!("pods: {{port: {port}}}"), "queue_depth"));
    let says = |whose: &str| {
        format!(
            "503 ServiceUnavailable: queue_depth of {whose} in namespace shop: the page has one series twice; the \
             rule takes queue_depth from source app"
        )
    };
    assert_eq!(all(&server, "app%3Dweb"), says("all pods"));
    assert_eq!(one(&server, "web-1"), says("pods/web-1"));
}

//! Watches that are interrupted, return wrong events, or receive none.

use super::*;

/// A server that serves two pods from a watch.
struct Watched {
    kubernetes: Kubernetes,
    server: Server,
    _pods: Vec<Upstream>,
}

fn start() -> Watched {
    let (port, pods) = numbers(4);
    let kubernetes = Kubernetes::start();
    kubernetes.history().grant(true);
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let server = server(&kubernetes, &rules(port));
    assert_eq!(all(&server, "app%3Dweb"), "web-0 0, web-1 1");
    watched(&server);
    Watched { kubernetes, server, _pods: pods }
}

/// The lists of whole namespaces that watches make: without a selector, and not limited to one pod.
fn whole_lists(kubernetes: &Kubernetes) -> usize {
    let is_whole = |path: &str| !path.contains("Selector") && !path.ends_with("?limit=1");
    kubernetes.lists(PODS).iter().filter(|call| is_whole(&call.path)).count()
}

/// The head of the response to a watch.
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The response to a watch: these lines in one chunk, and the end of the body.
fn stream(lines: &str) -> Reply {
    Reply::Raw(format!("{HEAD}{:x}\r\n{lines}\r\n0\r\n\r\n", lines.len()))
}

/// Sets the next response to a watch.
fn next_watch(kubernetes: &Kubernetes, reply: Reply) {
    let mut reply = Some(reply);
    kubernetes.script(move |call| match call.is_watch() {
        true => reply.take().unwrap_or(Reply::Good),
        false => Reply::Good,
    });
}

#[test]
fn resumes_after_an_interruption() {
    let Watched { kubernetes, server, _pods } = start();
    let lists = whole_lists(&kubernetes);
    for round in 0..3 {
        let watches = kubernetes.watches(PODS).len();
        kubernetes.history().cut();
        // The pods change before the watch resumes.
        kubernetes.set(PODS, vec![pod(0), pod(1), pod(2 + round % 2)]);
        let number = 2 + round % 2;
        becomes(&server, "app%3Dweb", &format!("web-0 0, web-1 1, web-{number} {number}"));
        assert!(kubernetes.watches(PODS).len() > watches);
    }
    assert_eq!(whole_lists(&kubernetes), lists, "no list is needed");
    assert_eq!(counted(&server, "metriclet_pod_selections_total{from=\"list\"}"), 1.0, "no request needs one either");
}

#[test]
fn starts_over_if_its_version_is_too_old() {
    let expired = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410});
    for reply in [None, Some(Reply::Say(410, expired.to_string()))] {
        let Watched { kubernetes, server, _pods } = start();
        let lists = whole_lists(&kubernetes);
        let by_event = reply.is_none();
        if let Some(reply) = reply {
            next_watch(&kubernetes, reply);
        }
        kubernetes.set(PODS, vec![pod(1), pod(2)]);
        if by_event {
            kubernetes.history().compact();
        }
        kubernetes.history().cut();
        becomes(&server, "app%3Dweb", "web-1 1, web-2 2");
        eventually(|| match whole_lists(&kubernetes) {
            now if now == lists + 1 => Ok(()),
            now => Err(format!("{now} lists, by event: {by_event}")),
        });
        kubernetes.set(PODS, vec![pod(2), pod(3)]);
        becomes(&server, "app%3Dweb", "web-2 2, web-3 3");
        assert_eq!(counted(&server, "metriclet_pod_selections_total{from=\"list\"}"), 1.0, "by event: {by_event}");
    }
}

#[test]
fn starts_over_after_unreadable_events() {
    let failure = json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 500}});
    for lines in [
        format!("{failure}\n"),
        "{\"type\":\"ADDED\",\"object\":7}\n".to_owned(),
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"web-3\"}}}\n".to_owned(),
        "garbage\n".to_owned(),
        format!("{}\n", " ".repeat(5 << 20)),
    ] {
        let Watched { kubernetes, server, _pods } = start();
        let lists = whole_lists(&kubernetes);
        next_watch(&kubernetes, stream(&lines));
        kubernetes.history().cut();
        eventually(|| match whole_lists(&kubernetes) > lists {
            true => Ok(()),
            false => Err(format!("no list after {lines:.40}")),
        });
        kubernetes.set(PODS, vec![pod(1), pod(2)]);
        becomes(&server, "app%3Dweb", "web-1 1, web-2 2");
        watched(&server);
    }
}

#[test]
fn an_exchange_that_ends_within_an_event_is_continued() {
    let Watched { kubernetes, server, _pods } = start();
    let lists = whole_lists(&kubernetes);
    next_watch(&kubernetes, stream("{\"type\":\"ADDED\",\"object\":{\"metadata\":"));
    kubernetes.history().cut();
    kubernetes.set(PODS, vec![pod(1), pod(2)]);
    becomes(&server, "app%3Dweb", "web-1 1, web-2 2");
    assert_eq!(whole_lists(&kubernetes), lists);
}

#[test]
fn detects_a_restored_backup() {
    let Watched { kubernetes, server, _pods } = start();
    let lists = whole_lists(&kubernetes);
    (0..5).for_each(|_| kubernetes.history().advance());
    // The bookmark at the end of the first exchange has these versions; the next exchange starts at the last one.
    let newest = format!("resourceVersion={}&", kubernetes.history().version());
    eventually(|| match kubernetes.watches(PODS).iter().any(|call| call.path.contains(&newest)) {
        true => Ok(()),
        false => Err(format!("no watch from {newest}")),
    });
    kubernetes.history().restore(8);
    kubernetes.history().cut();
    kubernetes.set(PODS, vec![pod(1)]);
    let first = kubernetes.history().version();
    assert!(!newest.contains(&first.to_string()));
    // Versions continue from the earlier one, so the watch receives no changes; without a bookmark, it lists.
    becomes(&server, "app%3Dweb", "web-1 1");
    eventually(|| match whole_lists(&kubernetes) > lists {
        true => Ok(()),
        false => Err("the watch does not start over".to_owned()),
    });
}

/// A kube-apiserver that is down: pods are served for some seconds, and then the response is an error.
#[test]
fn a_broken_watch_serves_nothing() {
    let Watched { kubernetes, mut server, _pods } = start();
    kubernetes.script(|call| match call.path.starts_with(PODS) {
        true => Reply::Drop,
        false => Reply::Good,
    });
    kubernetes.history().cut();
    assert_eq!(all(&server, "app%3Dweb"), "web-0 0, web-1 1", "served for a limited time");
    let failure = format!(
        "503 ServiceUnavailable: queue_depth of all pods in namespace shop: cannot list pods: list to {}: ",
        kubernetes.url()
    );
    eventually(|| match all(&server, "app%3Dweb") {
        found if found.starts_with(&failure) => Ok(()),
        found => Err(found),
    });
    server.said("cannot watch pods in namespace shop: ");
    assert_eq!(counted(&server, "metriclet_pod_watch_state{namespace=\"shop\",state=\"broken\"}"), 1.0);
    // The pods change while kube-apiserver is unreachable.
    kubernetes.set(PODS, vec![pod(1), pod(2)]);
    // A connection alone does not make it current.
    let gate = Gate::default();
    let closed = gate.clone();
    let whole = whole_lists(&kubernetes);
    let watches = kubernetes.watches(PODS).len();
    kubernetes.script(move |call| match call.is_watch() {
        true => Reply::Stuck(HEAD.to_owned(), closed.clone()),
        false => Reply::Good,
    });
    eventually(|| match kubernetes.watches(PODS).len() {
        now if now > watches => Ok(()),
        _ => Err("no watch".to_owned()),
    });
    becomes(&server, "app%3Dweb", "web-1 1, web-2 2");
    assert_eq!(counted(&server, "metriclet_pod_watch_state{namespace=\"shop\",state=\"current\"}"), 0.0);
    let newest = kubernetes.lists(PODS).iter().filter(|call| call.path.ends_with("?limit=1")).count();
    assert!(newest > 0, "it requests the newest version");
    kubernetes.script(|_| Reply::Good);
    gate.open();
    kubernetes.history().cut();
    watched(&server);
    assert_eq!(all(&server, "app%3Dweb"), "web-1 1, web-2 2");
    assert_eq!(whole_lists(&kubernetes) - whole, 0, "it resumes from its last version");
    let lists = kubernetes.lists(PODS).len();
    kubernetes.set(PODS, vec![pod(2)]);
    becomes(&server, "app%3Dweb", "web-2 2");
    assert_eq!(kubernetes.lists(PODS).len(), lists);
}

/// A list during an interruption is not older than the pods that the watch has served.
#[test]
fn lists_are_not_older_than_the_watch() {
    let Watched { kubernetes, server, _pods } = start();
    kubernetes.set(PODS, vec![pod(0), pod(1), pod(2)]);
    becomes(&server, "app%3Dweb", "web-0 0, web-1 1, web-2 2");
    let version = kubernetes.history().version();
    let gate = Gate::default();
    let closed = gate.clone();
    kubernetes.script(move |call| match call.is_watch() {
        true => Reply::Stuck(String::new(), closed.clone()),
        false => Reply::Good,
    });
    kubernetes.history().cut();
    let since = format!("?resourceVersion={version}&resourceVersionMatch=NotOlderThan&labelSelector=");
    eventually(|| {
        all(&server, "app%3Dweb");
        match kubernetes.lists(PODS).iter().any(|call| call.path.contains(&since)) {
            true => Ok(()),
            false => Err(format!("no list since {version}: {:#?}", kubernetes.lists(PODS))),
        }
    });
    gate.open();
}

/// An API server whose cache lags has not lost its state.
#[test]
fn ignores_a_lagging_api_server() {
    let Watched { kubernetes, server, _pods } = start();
    kubernetes.set(PODS, vec![pod(0), pod(1), pod(2)]);
    becomes(&server, "app%3Dweb", "web-0 0, web-1 1, web-2 2");
    let version = kubernetes.history().version();
    let lagging = move |path: &str| match path.contains("NotOlderThan") {
        true => Reply::Say(504, format!("Too large resource version: {version}, current: 1")),
        false => Reply::Good,
    };
    kubernetes.script(move |call| match call.path.starts_with(PODS) {
        true if call.is_watch() => Reply::Drop,
        true => lagging(&call.path),
        false => Reply::Good,
    });
    kubernetes.history().cut();
    eventually(|| match all(&server, "app%3Dweb") {
        found if found.starts_with("503 ") => Ok(()),
        found => Err(found),
    });
    let checks = || kubernetes.lists(PODS).iter().filter(|call| call.path.ends_with("?limit=1")).count();
    let before = checks();
    eventually(|| match checks() > before {
        true => Ok(()),
        false => Err("the newest version is not requested".to_owned()),
    });
    let lists = kubernetes.lists(PODS);
    let first = lists.iter().position(|call| call.path.contains("NotOlderThan&labelSelector")).unwrap();
    let again = lists[first..].iter().filter(|call| call.path.contains("resourceVersion=0&"));
    assert_eq!(again.count(), 0, "an earlier state is not requested");
    kubernetes.script(|_| Reply::Good);
    becomes(&server, "app%3Dweb", "web-0 0, web-1 1, web-2 2");
    watched(&server);
}

/// A warning does not contain bytes of the API server: its cause is a fixed text.
#[test]
fn lasting_unreadable_events_have_one_cause() {
    let Watched { kubernetes, mut server, _pods } = start();
    kubernetes.script(move |call| match call.is_watch() {
        true => stream(&format!("{{\"type\":\"\\u001b[31m{}\",\"object\":{{}}}}\n", "x".repeat(9_000))),
        false => Reply::Good,
    });
    kubernetes.history().cut();
    let said = server.said("cannot watch pods in namespace shop: ");
    let line = said.lines().find(|line| line.contains("cannot watch pods")).unwrap();
    assert!(
        line.ends_with("cannot watch pods in namespace shop: the Kubernetes API sent an event that cannot be read"),
        "{line}"
    );
    assert!(!said.contains('\u{1b}'), "{said}");
}

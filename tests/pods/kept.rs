//! Connections to pods are kept for their next page, as long as the pod permits.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::common::Server;
use crate::common::kubernetes::Kubernetes;
use crate::common::pods::{PODS, bind, config, one, pod, server, text, with};
use crate::common::secure::eventually;
use crate::common::upstream::{Upstream, page, read_head};

/// A pod that answers each request by `answer`, which gets the request's number on its connection and returns whether that
/// stays open; also returns the number of connections so far, and a server with a rule for the pod.
fn serving(
    answer: impl Fn(usize, &mut TcpStream) -> bool + Send + Sync + 'static,
) -> (Upstream, Kubernetes, Server, Arc<AtomicUsize>) {
    let (port, mut listeners) = bind(1);
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let upstream = Upstream::on(listeners.remove(0), move |_, stream| {
        count.fetch_add(1, Ordering::SeqCst);
        let mut number = 1;
        while answer(number, stream) && read_head(stream).is_some() {
            number += 1;
        }
    });
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0)]);
    let server = server(&kubernetes, &config(&format!("pods: {{port: {port}}}, cache: 0s"), "queue_depth"));
    (upstream, kubernetes, server, connections)
}

fn ask(server: &Server, times: usize) {
    for _ in 0..times {
        assert_eq!(one(server, "web-0"), "web-0 7");
    }
}

#[test]
fn a_connection_is_used_again() {
    let (upstream, kubernetes, server, connections) = serving(|_, stream| {
        text(stream, "queue_depth 7\n");
        true
    });
    ask(&server, 3);
    assert_eq!((connections.load(Ordering::SeqCst), upstream.requests()), (1, 1), "three requests on one connection");
    let heads = upstream.heads();
    assert!(!heads[0].to_ascii_lowercase().contains("connection:"), "{heads:?}");
    // The container was restarted: another process has the address.
    kubernetes.set(PODS, vec![with(pod(0), "/status/containerStatuses", json!([{"restartCount": 1}]))]);
    let before = connections.load(Ordering::SeqCst);
    eventually(|| {
        ask(&server, 1);
        (connections.load(Ordering::SeqCst) > before).then_some(()).ok_or_else(|| "the same connection".to_owned())
    });
}

#[test]
fn a_pod_may_close_it() {
    for head in ["Connection: close\r\n", "Keep-Alive: timeout=0\r\n"] {
        let (upstream, _kubernetes, server, connections) = serving(move |_, stream| {
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\n{head}Content-Type: text/plain\r\nContent-Length: 14\r\n\r\nqueue_depth 7\n"
            );
            false
        });
        ask(&server, 3);
        assert_eq!((connections.load(Ordering::SeqCst), upstream.requests()), (3, 3), "{head}");
    }
}

#[test]
fn a_request_is_sent_again_if_the_pod_closes_without_an_answer() {
    let (upstream, _kubernetes, server, connections) = serving(|number, stream| {
        if number == 1 {
            text(stream, "queue_depth 7\n");
        }
        number == 1
    });
    ask(&server, 3);
    assert_eq!((connections.load(Ordering::SeqCst), upstream.requests()), (3, 3));
}

#[test]
fn a_response_that_breaks_off_is_an_error() {
    let (_upstream, _kubernetes, server, connections) = serving(|number, stream| {
        let answer = page("text/plain", "queue_depth 7\n");
        let _ = stream.write_all(answer.get(..if number == 1 { answer.len() } else { 9 }).unwrap());
        number == 1
    });
    ask(&server, 1);
    let failed = one(&server, "web-0");
    assert!(failed.contains("closed the connection"), "{failed}");
    assert_eq!(connections.load(Ordering::SeqCst), 1, "it is not sent again");
}

#[test]
fn a_longer_body_than_promised_is_an_error() {
    let (_upstream, _kubernetes, server, _) = serving(|_, stream| {
        let answer = [page("text/plain", "queue_depth 7\n"), b"more\n".to_vec()].concat();
        let _ = stream.write_all(&answer);
        true
    });
    let failed = one(&server, "web-0");
    assert!(failed.contains("answered more bytes than the length it gave"), "{failed}");
}

//! kube-apiserver forwards the body of a GET, on a connection that it reuses for the next caller. A server that
//! interpreted the body as a request would respond to it, and the next caller would get that response.

use super::access::{bearer, grant};
use super::fixture::{ROUTES, config, path, source};
use crate::installed::{Installed, values};
use crate::plane::ControlPlane;

pub fn in_the_body_of_a_get(plane: &mut ControlPlane) {
    grant(plane);
    let source = source();
    let installed = Installed::start(plane, &config(&source));
    let admin = plane.admin();
    let [alice, bob] = ["alice", "bob"].map(|name| admin.impersonating(name, &[]));
    let token = bearer(plane, "other");
    let (queue, busy) = (path("v1beta2", ROUTES[0].0), path("v1beta2", ROUTES[1].0));
    let smuggled = format!(
        "GET {queue} HTTP/1.1\r\nHost: localhost\r\nX-Remote-User: admin\r\nX-Remote-Group: system:masters\r\n\r\n"
    );
    let length = smuggled.len();
    let close = "Connection: close\r\n";
    let plain = format!("{close}Content-Length: {length}\r\n\r\n{smuggled}");
    let expected = format!("{close}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n{smuggled}");
    let chunked = format!("{close}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{smuggled}\r\n0\r\n\r\n");
    // After an upgrade, bytes are forwarded unchanged.
    let upgraded = format!("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n{smuggled}");
    for _ in 0..5 {
        for body in [&plain, &chunked, &expected, &upgraded] {
            let fetched = source.requests();
            let carrier = "GET /apis/custom.metrics.k8s.io/v1beta2 HTTP/1.1\r\nHost: localhost\r\n";
            let answer = plane.send(None, &format!("{carrier}{token}{body}"));
            // kube-apiserver may request the body before that.
            let refused = matches!(answer.code, 400 | 413) || answer.body.starts_with("HTTP/1.1 400 ");
            assert!(refused, "{answer:?}");
            assert!(!answer.body.contains("MetricValueList"), "{answer:?}");
            // The next callers, which might get that connection.
            assert!(bob.raw("/apis/custom.metrics.k8s.io/v1beta2").unwrap().contains("APIResourceList"));
            assert_eq!(source.requests(), fetched);
            assert_eq!(values(&alice.raw(&busy).unwrap()), ROUTES[1].1);
            assert!(bob.raw(&queue).unwrap_err().contains("is forbidden"));
            assert_eq!(source.requests(), fetched + 1);
        }
    }
    assert_eq!(installed.complaints(plane), [""; 0]);
}

//! HTTP on the plain listener: rejected requests, and isolation of clients.

use super::*;

#[test]
fn rejects_ambiguous_framing() {
    let (server, _upstream) = server();
    let body = server.request("GET", "/apis", "Content-Length: 5\r\n\r\nhello");
    assert_eq!(body.code, 400, "{body:?}");
    let chunked = server.request("GET", "/apis", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(chunked.code, 400, "{chunked:?}");
    let rebound = server.raw("GET /apis HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(
        rebound.status(),
        "400 BadRequest: Host: expected a loopback name, as this listener serves loopback only; found \"evil.example\""
    );
    for good in ["localhost", "localhost:1", "[::1]:8080", "127.0.0.1"] {
        let answer = server.raw(&format!("GET /livez HTTP/1.1\r\nHost: {good}\r\nConnection: close\r\n\r\n"));
        assert_eq!(answer.code, 200, "{good}");
    }
    let forwarded = server.request("GET", "/apis", "X-Remote-User: admin\r\nAuthorization: Bearer x\r\n");
    assert_eq!(forwarded.code, 200, "identity in headers is ignored: {forwarded:?}");
    assert_eq!(server.get("/livez").code, 200);
}

/// A client that announces a body and sends none delays no other client, and costs no memory.
#[test]
fn unsent_bodies_delay_no_other_client() {
    // The last lengths exceed the memory or the maximum of an allocation. tiny_http starts with four threads, so only four
    // connections are certain to be served at once.
    for lengths in [["5000", "16777217", "90000000"], ["9000000000000", "9223372036854775807", "18446744073709551615"]]
    {
        let mut server = server().0;
        let mut witness = server.send("");
        is_alive(&mut witness);
        let promise = |length: &&str| {
            server.send(&format!("POST /apis HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"))
        };
        let waiting: Vec<_> = lengths.iter().map(promise).collect();
        for _ in lengths.iter().filter(|length| length.len() > 8) {
            server.wait_for("promises a body larger than this machine's memory");
        }
        is_alive(&mut witness);
        drop(waiting);
        is_alive(&mut witness);
    }
}

/// Sends a request on a connection that stays open.
fn is_alive(connection: &mut TcpStream) {
    connection.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        let mut bytes = [0; 1_024];
        let count = connection.read(&mut bytes).unwrap();
        assert!(count > 0, "{:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&bytes[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&answer));
}

/// A body of any length is not parsed as a request.
#[test]
fn reads_bodies_to_their_end() {
    let server = server().0;
    let (filler, smuggled) = ("x".repeat(0x2_0000), "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let last = "GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let body = format!("{filler}{smuggled}");
    for request in [
        format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
    ] {
        let mut stream = server.send(&format!("POST /apis HTTP/1.1\r\nHost: localhost\r\n{request}{last}"));
        let mut received = String::new();
        stream.read_to_string(&mut received).unwrap();
        assert_eq!(received.matches("HTTP/1.1 ").count(), 2, "{received}");
        assert!(received.starts_with("HTTP/1.1 400 ") && received.contains("gitVersion"), "{received}");
    }
}

/// Any number of clients that announce a body and disconnect cost nothing afterwards.
#[test]
fn disconnected_clients_release_their_resources() {
    let server = server().0;
    let before = (server.threads(), server.descriptors());
    for round in 0..10 {
        let promise = "POST /apis HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000000\r\n\r\nx";
        let half = "GET /apis HTTP/1.1\r\nHost: local";
        let clients: Vec<_> =
            (0..100).map(|n| server.send(if (n + round) % 2 == 0 { promise } else { half })).collect();
        drop(clients);
    }
    eventually(|| {
        let now = (server.threads(), server.descriptors());
        // tiny_http's own threads end a few seconds after their last connection.
        if now.0 <= before.0 + 4 && now.1 <= before.1 { Ok(()) } else { Err(format!("{before:?} became {now:?}")) }
    });
    assert_eq!(server.get("/livez").code, 200);
}

/// A web page of another site can reach loopback ports; it gets no response, and no source is fetched for it.
#[test]
fn pages_of_other_sites_are_rejected() {
    let (server, _upstream) = server();
    for headers in [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
        "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n",
    ] {
        assert_eq!(server.request("GET", "/apis", headers).code, 400, "{headers}");
    }
    for headers in [
        "Origin: http://localhost:8080\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n",
        "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n",
    ] {
        assert_eq!(server.request("GET", "/apis", headers).code, 200, "{headers}");
    }
}

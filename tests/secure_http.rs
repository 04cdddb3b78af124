//! HTTP on the secure listener: connection reuse and closing, and no requests after a rejection.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::io::{Read, Write};

use common::Answer;
use common::secure::{DISCOVERY, METRIC, Secure, get, read_answer, read_to_end};

/// Requests a path whose response contains its name: `no check "X"`.
fn named(name: &str) -> String {
    format!("GET /livez/{name} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// The status codes of all responses in a text.
fn codes(received: &str) -> Vec<u16> {
    let mut rest = received.as_bytes();
    std::iter::from_fn(|| (!rest.is_empty()).then(|| read_answer(&mut rest).unwrap().code)).collect()
}

#[test]
fn keeps_the_connection() {
    let secure = Secure::start(&[]);
    let mut stream = secure.client().connect();
    for _ in 0..3 {
        for (path, code) in [("/livez", 200), (DISCOVERY, 200), (METRIC, 200), ("/nowhere", 404), ("/readyz", 200)] {
            let answer = get(&mut stream, path);
            assert_eq!((answer.code, answer.header("connection")), (code, None), "{path}: {answer:?}");
        }
    }
}

#[test]
fn answers_pipelined_requests_in_order() {
    let secure = Secure::start(&[]);
    let mut stream = secure.client().connect();
    // More than are answered in one turn; the requests for the metric first wait for its source.
    let metric = format!("GET {METRIC} HTTP/1.1\r\nHost: a\r\n\r\n");
    let requests: String = (0..100).map(|n| named(&n.to_string()) + if n % 20 == 0 { &metric } else { "" }).collect();
    stream.write_all(requests.as_bytes()).unwrap();
    for n in 0..100 {
        let answer = read_answer(&mut stream).unwrap();
        assert!(answer.body.starts_with(&format!("no check \"{n}\"")), "{answer:?}");
        if n % 20 == 0 {
            assert_eq!(read_answer(&mut stream).unwrap().values(), "web 1");
        }
    }
    assert_eq!(get(&mut stream, "/livez").body, "ok");
}

#[test]
fn requests_come_in_pieces() {
    let secure = Secure::start(&[]);
    let mut stream = secure.client().connect();
    let request = named("a") + &named("b");
    for byte in request.as_bytes() {
        stream.write_all(&[*byte]).unwrap();
        stream.flush().unwrap();
    }
    assert!(read_answer(&mut stream).unwrap().body.starts_with("no check \"a\""));
    assert!(read_answer(&mut stream).unwrap().body.starts_with("no check \"b\""));
}

#[test]
fn closes_on_request() {
    let secure = Secure::start(&[]);
    let client = secure.client();
    for (request, connection, answers) in [
        ("GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "close", 1),
        ("GET /livez HTTP/1.0\r\n\r\n", "close", 1),
        ("GET /livez HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", "close", 1),
        ("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", 2),
    ] {
        let received =
            client.converse(&format!("{request}GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        assert_eq!(codes(&received), vec![200; answers], "{request:?}: {received}");
        let first = received.split("\r\n\r\n").next().unwrap();
        assert!(first.contains(&format!("Connection: {connection}")), "{request:?}: {received}");
    }
}

#[test]
fn answers_head_without_a_body() {
    let secure = Secure::start(&[]);
    let mut stream = secure.client().connect();
    let length = get(&mut stream, "/livez").header("content-length").unwrap().to_owned();
    stream.write_all(b"HEAD /livez HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let answer = Answer::parse(&head);
    assert_eq!((answer.code, answer.header("content-length")), (200, Some(length.as_str())));
    // The next bytes are the next response, not a body.
    assert_eq!(get(&mut stream, "/livez").body, "ok");
}

/// Ambiguous requests, followed by a request that must never be answered; in one record, in two, and in many.
#[test]
fn nothing_is_read_after_a_rejection() {
    let secure = Secure::start(&[]);
    let smuggled = named("smuggled");
    let length = smuggled.len();
    let client = secure.client();
    let long = "a".repeat(16 * 1_024);
    let lines = |count: usize| "X: y\r\n".repeat(count);
    for (name, request, code) in [
        ("a body", format!("GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"), 413),
        ("a body of POST", format!("POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"), 413),
        ("a signed length", "GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n".into(), 400),
        ("two lengths", "GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n".into(), 400),
        ("a list of lengths", "GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n".into(), 400),
        ("chunks", "GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(), 400),
        ("another encoding", "GET /livez HTTP/1.1\r\nHost: a\r\ntransfer-encoding: identity\r\n\r\n".into(), 400),
        ("an upgrade", "GET /livez HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n".into(), 400),
        ("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("an expectation", "GET /livez HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n".into(), 400),
        ("an absolute target", "GET https://a/livez HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("an asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("folding", "GET /livez HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n".into(), 400),
        ("a space before a colon", "GET /livez HTTP/1.1\r\nHost : a\r\n\r\n".into(), 400),
        ("a bare LF", "GET /livez HTTP/1.1\r\nHost: a\nX: y\r\n\r\n".into(), 400),
        ("bare LFs only", "GET /livez HTTP/1.1\nHost: a\n\n".into(), 400),
        ("a bare CR", "GET /livez HTTP/1.1\r\nHost: a\rX: y\r\n\r\n".into(), 400),
        ("no host", "GET /livez HTTP/1.1\r\n\r\n".into(), 400),
        ("two hosts", "GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into(), 400),
        ("an empty line first", "\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 400),
        ("HTTP/0.9", "GET /livez\r\n\r\n".into(), 400),
        ("a NUL in the path", "GET /livez\0 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("a NUL in a header", "GET /livez HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n".into(), 400),
        ("a long head", format!("GET /livez HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 413),
        ("a line too many", format!("GET /livez HTTP/1.1\r\nHost: a\r\n{}\r\n", lines(64)), 413),
    ] {
        let whole = format!("{request}{smuggled}");
        for length in [whole.len(), request.len(), whole.len().div_ceil(100)] {
            let mut stream = client.connect();
            for piece in whole.as_bytes().chunks(length) {
                // The connection may already be closed.
                if stream.write_all(piece).and_then(|()| stream.flush()).is_err() {
                    break;
                }
            }
            let received = read_to_end(&mut stream);
            assert_eq!(codes(&received), [code], "{name}: {received}");
            let answer = Answer::parse(received.as_bytes());
            assert_eq!(answer.header("connection"), Some("close"), "{name}: {received}");
            assert!(answer.status().starts_with(&code.to_string()), "{name}");
            assert!(!received.contains("smuggled"), "{name}: {received}");
        }
    }
    assert!(secure.own("metriclet_connections_ended_total{reason=\"refused_request\"}") > 70.0);
}

#[test]
fn a_verified_client_may_send_a_larger_head() {
    let secure = Secure::start(&[]);
    let lines = |count: usize| "X-Remote-Group: some-group-of-ordinary-length\r\n".repeat(count);
    let client = secure.known_client();
    for (count, code) in [(63, 200), (1_023, 200), (1_024, 413)] {
        let request = format!("GET /livez HTTP/1.1\r\nHost: a\r\n{}Connection: close\r\n\r\n", lines(count - 1));
        let received = client.converse(&request);
        assert_eq!(codes(&received), [code], "{count}: {received}");
    }
    let long = "a".repeat(128 * 1_024);
    let received = client.converse(&format!("GET /livez HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"));
    assert_eq!(codes(&received), [413]);
    // The largest that an unverified client may send.
    let request = format!("GET /livez HTTP/1.1\r\nHost: a\r\n{}Connection: close\r\n\r\n", lines(62));
    assert_eq!(codes(&secure.client().converse(&request)), [200]);
}

/// The path is invalid, not the head, so the connection stays open.
#[test]
fn an_encoded_nul_is_a_bad_path() {
    let secure = Secure::start(&[]);
    let mut stream = secure.client().connect();
    let answer = get(&mut stream, "/apis/%00");
    assert!(answer.status().starts_with("400 BadRequest: "), "{answer:?}");
    assert_eq!(get(&mut stream, "/livez").body, "ok");
}

#[test]
fn plain_http_gets_an_explanation() {
    let secure = Secure::start(&[]);
    let more = format!("X: {}\r\n", "a".repeat(12 * 1_024));
    for more in ["", &more] {
        let mut stream = secure.tcp();
        stream.write_all(format!("GET /livez HTTP/1.1\r\nHost: a\r\n{more}\r\n").as_bytes()).unwrap();
        let received = read_to_end(&mut stream);
        assert!(received.starts_with("HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain"), "{received}");
        assert!(received.contains("https://"), "{received}");
    }
    assert!(secure.own("metriclet_tls_handshake_failures_total{reason=\"plain_http\"}") >= 2.0);
}

#[test]
fn sni_is_not_the_host() {
    let secure = Secure::start(&[]);
    for name in ["localhost", "127.0.0.1"] {
        let mut config = common::secure::client_config(None);
        config.enable_sni = name == "localhost";
        let stream = secure.client_of(config).try_connect("localhost");
        let mut stream = stream.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: something.else:1\r\n\r\n").unwrap();
        assert_eq!(read_answer(&mut stream).unwrap().body, "ok", "{name}");
    }
}

/// The client closes its sending side, and still reads.
#[test]
fn answers_a_half_closed_connection() {
    let secure = Secure::start(&[]);
    let mut stream = secure.client().connect();
    stream.write_all((named("a") + &named("b")).as_bytes()).unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
    for name in ["a", "b"] {
        assert!(read_answer(&mut stream).unwrap().body.starts_with(&format!("no check \"{name}\"")));
    }
}

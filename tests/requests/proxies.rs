//! Sources behind a proxy.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::common::file;
use crate::common::tls::{Authority, TlsUpstream};
use crate::common::upstream::{Upstream, page};
use crate::{Recorder, ask, get, line, serve, values};

const WEB: &str = ", describes: {namespace: shop, name: web}";

/// A proxy that connects every tunnel to the same server, whatever host is requested.
fn proxy(to: std::net::SocketAddr) -> Upstream {
    Upstream::start(move |_, client| {
        let mut server = TcpStream::connect(to).unwrap();
        client.write_all(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n").unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Write);
        });
        let _ = std::io::copy(&mut server, client);
    })
}

/// The proxy resolves the host, which is unknown here, and sees no request.
#[test]
fn tunnels() {
    let upstream = Recorder::start("text/plain", |_| "3".to_owned());
    let proxy = proxy(upstream.upstream.address);
    let source = format!("url: 'http://queue.invalid:8080/depth', format: number, proxy: 'http://{}'", proxy.address);
    assert_eq!(ask(&serve(&source, WEB), "shop", "web"), "web 3");
    let head = proxy.heads().pop().unwrap();
    assert_eq!(
        (line(&head), values(&head, "host")),
        ("CONNECT queue.invalid:8080 HTTP/1.1", vec!["queue.invalid:8080"])
    );
    let (head, _) = upstream.last();
    assert_eq!((line(&head), values(&head, "host")), ("GET /depth HTTP/1.1", vec!["queue.invalid:8080"]));
}

/// TLS is end to end with the server, whose certificate is for the host of the URL.
#[test]
fn tunnels_of_tls() {
    let authority = Authority::new("a");
    let upstream = TlsUpstream::start(&authority.issue("queue.invalid"), None, page("text/plain", "3"));
    let proxy = proxy(upstream.address);
    let ca = file("ca.pem", &authority.pem());
    let source = format!(
        "url: 'https://queue.invalid/depth', format: number, proxy: 'http://{}', caFile: '{}'",
        proxy.address,
        ca.display()
    );
    assert_eq!(ask(&serve(&source, WEB), "shop", "web"), "web 3");
    assert_eq!(line(&proxy.heads().pop().unwrap()), "CONNECT queue.invalid:443 HTTP/1.1");
}

#[test]
fn refusals_of_proxies() {
    for (answer, why) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "connect: the proxy answered 403"),
        ("SOCKS\r\n\r\nxxxxxxxx", "answered something that is not HTTP/1"),
        ("HTTP/1.1 200 OK\r\n", "connect: unexpected end of file"),
    ] {
        let proxy = Upstream::raw(answer);
        let source = format!("url: 'http://queue.invalid/', proxy: 'http://{}'", proxy.address);
        let printed = get(&source, WEB, "web");
        assert!(printed.contains(&format!("source app {why}")), "{printed}");
    }
}

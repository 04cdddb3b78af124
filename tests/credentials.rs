//! Credentials are read again when their files change, without a restart.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::tls::{Authority, TlsUpstream};
use common::upstream::{Upstream, page};
use common::{Server, file, replace};

/// One page an object, so that no answer comes from the cache.
fn server(url: &str, credentials: &str) -> Server {
    Server::with_config(&format!(
        "sources:\n  app: {{url: '{url}/{{name}}', namespaces: [shop], format: number, {credentials}}}\nmetrics:\n  \
         - {{name: depth, object: services, source: app}}\n"
    ))
}

fn ask(server: &Server, name: &str) -> String {
    server.metric(&format!("namespaces/shop/services/{name}/depth")).values()
}

fn refused(name: &str, why: &str) -> String {
    format!("503 ServiceUnavailable: depth of services/{name} in namespace shop: source app {why}")
}

fn number() -> Vec<u8> {
    page("text/plain", "3")
}

#[test]
fn secrets_in_headers_are_read_again() {
    let upstream = Upstream::raw(number());
    let url = format!("http://{}", upstream.address);
    let sent = |field: &str| {
        let head = upstream.heads().pop().unwrap();
        let line =
            head.lines().find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case(field)));
        line.unwrap_or_else(|| panic!("no {field} in {head}")).1.to_owned()
    };
    let token = file("token", "one\n");
    let bearer = server(&url, &format!("bearerTokenFile: '{}'", token.display()));
    assert_eq!(ask(&bearer, "a"), "a 3");
    assert_eq!(sent("authorization"), "Bearer one");
    std::fs::write(&token, "the second").unwrap();
    assert_eq!(ask(&bearer, "b"), "b 3");
    assert_eq!(sent("authorization"), "Bearer the second");

    let password = file("password", "one");
    let basic = server(&url, &format!("basic: {{username: me, passwordFile: '{}'}}", password.display()));
    assert_eq!(ask(&basic, "a"), "a 3");
    assert_eq!(sent("authorization"), "Basic bWU6b25l");
    std::fs::write(&password, "second").unwrap();
    assert_eq!(ask(&basic, "b"), "b 3");
    assert_eq!(sent("authorization"), "Basic bWU6c2Vjb25k");

    let key = file("key", "one");
    let header = server(&url, &format!("headers: {{X-Api-Key: {{file: '{}'}}}}", key.display()));
    assert_eq!(ask(&header, "a"), "a 3");
    assert_eq!(sent("x-api-key"), "one");
    replace(&key, "two");
    assert_eq!(ask(&header, "b"), "b 3");
    assert_eq!(sent("x-api-key"), "two");
}

#[test]
fn files_that_cannot_be_used_are_named_without_their_content() {
    let upstream = Upstream::raw(number());
    let token = file("token", "good");
    let server = server(&format!("http://{}", upstream.address), &format!("bearerTokenFile: '{}'", token.display()));
    assert_eq!(ask(&server, "a"), "a 3");
    let names = |name: &str, what: &str| refused(name, &format!("credential file {}: {what}", token.display()));
    std::fs::write(&token, " \n").unwrap();
    assert_eq!(ask(&server, "b"), names("b", "empty"));
    std::fs::write(&token, "s3cret\r\nX: y").unwrap();
    assert_eq!(ask(&server, "c"), names("c", "holds characters that no header may hold"));
    std::fs::write(&token, "x".repeat(64 * 1024 + 1)).unwrap();
    assert_eq!(ask(&server, "d"), names("d", "too large"));
    std::fs::remove_file(&token).unwrap();
    assert_eq!(ask(&server, "e"), names("e", "not found"));
    assert_eq!(upstream.requests(), 1, "nothing is sent without the credential");
    std::fs::write(&token, "good again").unwrap();
    assert_eq!(ask(&server, "f"), "f 3");
}

#[test]
fn the_authority_is_read_again() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let upstream = TlsUpstream::start(&old.issue("127.0.0.1"), None, number());
    let ca = file("ca.pem", &old.pem());
    let server = server(&format!("https://{}", upstream.address), &format!("caFile: '{}'", ca.display()));
    assert_eq!(ask(&server, "a"), "a 3");
    upstream.change(&new.issue("127.0.0.1"), None);
    let untrusted = "tls: the server's certificate is signed by an authority that is not trusted";
    assert_eq!(ask(&server, "b"), refused("b", untrusted));
    replace(&ca, &new.pem());
    assert_eq!(ask(&server, "c"), "c 3");
    upstream.change(&new.issue("elsewhere.example"), None);
    assert_eq!(ask(&server, "d"), refused("d", "tls: the server's certificate is for other names"));
}

#[test]
fn the_client_certificate_is_read_again() {
    let (authority, old, new) = (Authority::new("servers"), Authority::new("old"), Authority::new("new"));
    let identity = authority.issue("127.0.0.1");
    let upstream = TlsUpstream::start(&identity, Some(&old), number());
    let (first, second) = (old.issue("metriclet"), new.issue("metriclet"));
    let ca = file("ca.pem", &authority.pem());
    let (cert, key) = (file("tls.crt", &first.chain), file("tls.key", &first.key));
    let files = format!("caFile: '{}', certFile: '{}', keyFile: '{}'", ca.display(), cert.display(), key.display());
    let server = server(&format!("https://{}", upstream.address), &files);
    assert_eq!(ask(&server, "a"), "a 3");
    upstream.change(&identity, Some(&new));
    assert_eq!(ask(&server, "b"), refused("b", "tls: the server wants a client certificate, or another one"));
    replace(&cert, &second.chain);
    let unfit = format!("credential file {}: does not belong to the client certificate", key.display());
    assert_eq!(ask(&server, "c"), refused("c", &unfit));
    replace(&key, &second.key);
    assert_eq!(ask(&server, "d"), "d 3");
}

//! Credentials are read again when their files change, without a restart, and never logged.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::tls::{Authority, TlsUpstream};
use common::upstream::{Upstream, page};
use common::{Server, file, metriclet, replace, run};

/// A page for each object, so that no page is cached.
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
fn errors_name_files_without_their_content() {
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

/// No log level shows secrets.
#[test]
fn never_logs_secrets() {
    const SECRETS: [&str; 4] = ["tok3n-of-the-bearer", "passw0rd", "k3y-in-a-header", "Y2FsbGVy"];
    // me:passw0rd
    const BASE64: &str = "bWU6cGFzc3cwcmQ=";
    let upstream = Upstream::text("queue_depth{namespace=\"shop\",service=\"web\"} 3\n");
    let token = file("token", SECRETS[0]);
    let password = file("password", SECRETS[1]);
    let key = file("key", SECRETS[2]);
    let config = format!(
        "sources:\n  \
         bearer: {{url: '{url}?as=bearer', namespaces: [shop], bearerTokenFile: '{}'}}\n  \
         basic: {{url: '{url}?as=basic', namespaces: [shop], basic: {{username: me, passwordFile: '{}'}}}}\n  \
         header: {{url: '{url}?as=header', namespaces: [shop], headers: {{X-Api-Key: {{file: '{}'}}}}}}\nmetrics:\n  \
         - {{name: bearer, object: services, source: bearer, value: queue_depth}}\n  \
         - {{name: basic, object: services, source: basic, value: queue_depth}}\n  \
         - {{name: header, object: services, source: header, value: queue_depth}}\n",
        token.display(),
        password.display(),
        key.display(),
        url = upstream.url(),
    );
    let config = file("secrets.yaml", &config);
    let config = config.to_str().unwrap();
    let clean = |text: &str, what: &str| {
        for secret in SECRETS.into_iter().chain([BASE64]) {
            assert!(!text.contains(secret), "{what}: {secret} in {text}");
        }
        // A wrapped or hexadecimal dump would contain at least the start of a secret.
        for piece in ["tok3n", "746f 6b33", "746f6b33", "passw", "k3y-in", "bWU6c"] {
            assert!(!text.contains(piece), "{what}: {piece} in {text}");
        }
        // The name of a counter is not a header.
        let rest = text.to_ascii_lowercase().replace("authorization_attempts_total", "");
        assert!(!rest.contains("authorization"), "{what}: {text}");
    };
    for (level, arguments) in [("", &["-vvv"][..]), ("trace", &[]), ("metriclet=trace,debug", &["-v"])] {
        let mut command = metriclet(&[&["--listen", "127.0.0.1:0", "--config", config], arguments].concat());
        if !level.is_empty() {
            command.env("RUST_LOG", level);
        }
        let mut server = Server::spawn(command);
        for metric in ["bearer", "basic", "header"] {
            let target = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/{metric}");
            let answer = server.request("GET", &target, "Authorization: Basic Y2FsbGVy\r\n");
            assert_eq!(answer.values(), "web 3");
            clean(&format!("{answer:?}"), metric);
        }
        clean(&server.get("/metrics").body, "/metrics");
        server.signal("TERM");
        server.wait_for("stopping");
        assert!(server.wait().success());
        let log = server.seen.join("\n");
        assert!(log.contains("source bearer: Prometheus text"), "the level logs more: {log}");
        clean(&log, level);
    }
    let heads = upstream.heads().join("\n").to_ascii_lowercase();
    for sent in ["authorization: bearer tok3n", "authorization: basic bwu6", "x-api-key: k3y"] {
        assert!(heads.contains(sent), "{sent} was sent: {heads}");
    }
    let (code, _, stderr) = run(&["get", "-vvv", "--config", config, "namespaces/shop/services/web/bearer"]);
    assert_eq!(code, 0);
    clean(&stderr, "get -vvv");
}

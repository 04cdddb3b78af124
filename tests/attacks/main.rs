//! Attempts to act as another user, or to exhaust a resource. Each must fail.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "../common/mod.rs"]
mod common;
mod load;

use std::collections::HashSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use common::kubernetes::{ACCESS, Kubernetes, TOKENS, ask, published, secure};
use common::secure::{
    CLIENTS, Client, DISCOVERY, FRONT_PROXIES, MASTER, METRIC, Secure, Stream, client_config, eventually, own, page,
    read_answer, read_to_end,
};
use common::tls::{Authority, Identity};
use common::{Answer, file, replace};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use serde_json::json;

const PROXY: &str = "front-proxy-client";

fn start() -> (Kubernetes, Secure) {
    let kubernetes = Kubernetes::start();
    let secure = kubernetes.secure(&page(), &[]);
    (kubernetes, secure)
}

fn client(secure: &Secure, identity: &Identity) -> Client {
    secure.client_of(client_config(Some(identity)))
}

fn proxy(secure: &Secure) -> Stream {
    client(secure, &FRONT_PROXIES.issue(PROXY)).connect()
}

/// A certificate of this authority with changed parameters.
fn issue(authority: &Authority, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    authority.issue_with(name, &KeyPair::generate().unwrap(), |params| {
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, name);
        change(params);
    })
}

fn by_itself(name: &str) -> Identity {
    let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    Identity { chain: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// Each client claims to be in system:masters, which needs no review.
#[test]
fn user_headers_need_a_front_proxy_certificate() {
    let (kubernetes, secure) = start();
    kubernetes.policy(|_| json!({"allowed": false}));
    let step = FRONT_PROXIES.intermediate("step");
    let with_step = |identity: Identity| Identity { chain: identity.chain + &step.pem(), ..identity };
    let dated = |from, to| {
        issue(&FRONT_PROXIES, PROXY, |params| {
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        })
    };
    let server_only =
        |params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let anonymous = Some("system:anonymous");
    for (what, identity, code, user) in [
        ("the front proxy", Some(FRONT_PROXIES.issue(PROXY)), 200, None),
        ("its certificate through an intermediate", Some(with_step(step.issue(PROXY))), 200, None),
        ("no certificate", None, 403, anonymous),
        ("a user by that name", Some(CLIENTS.issue(PROXY)), 403, Some(PROXY)),
        ("another name", Some(FRONT_PROXIES.issue("front-proxy-client2")), 401, None),
        ("the name in other case", Some(FRONT_PROXIES.issue("Front-Proxy-Client")), 401, None),
        ("expired", Some(dated(2020, 2021)), 401, None),
        ("not yet valid", Some(dated(2090, 2091)), 401, None),
        ("for servers only", Some(issue(&FRONT_PROXIES, PROXY, server_only)), 401, None),
        ("signed by itself", Some(by_itself(PROXY)), 401, None),
        ("the intermediate missing", Some(step.issue(PROXY)), 401, None),
        ("of an authority by the same name", Some(Authority::new("front proxies").issue(PROXY)), 401, None),
    ] {
        let client = identity.map_or_else(|| secure.client(), |identity| client(&secure, &identity));
        let answer = ask(&mut client.connect(), "GET", METRIC, MASTER);
        assert_eq!(answer.code, code, "{what}: {answer:?}");
        if let Some(user) = user {
            assert!(answer.body.contains(&format!("User \\\"{user}\\\" cannot get")), "{what}: {answer:?}");
        }
        if code == 401 {
            assert_eq!(ask(&mut client.connect(), "GET", DISCOVERY, MASTER).code, 401, "{what}");
            assert_eq!(client.get("/readyz").body, "ok", "{what}");
        }
    }
    assert_eq!(kubernetes.calls(ACCESS).len(), 1, "a review for the user only");
}

/// In any spelling, the user is the first one in the front proxy's headers.
#[test]
fn malformed_headers_name_no_other_user() {
    let (kubernetes, secure) = start();
    let mut stream = proxy(&secure);
    let u = json!({"user": "u", "groups": ["system:authenticated"]});
    for (headers, spec) in [
        ("x-ReMoTe-uSeR: u\r\n", Some(&u)),
        ("X-Remote-User: u\r\nX-Remote-User: root\r\n", Some(&u)),
        ("X_Remote_User: root\r\nX-Remote-User: u\r\nX-Remote_Group: system:masters\r\n", Some(&u)),
        ("X-Remote-User:   u  \r\nX-Remote-Groups: system:masters\r\n", Some(&u)),
        ("X_Remote_User: root\r\nX_Remote_Group: system:masters\r\n", None),
        ("X-Remote-User: \r\nX-Remote-Group: system:masters\r\n", None),
        ("X-Remote-User: \r\nX-Remote-User: root\r\nX-Remote-Group: system:masters\r\n", None),
        ("X-Remote-Group: system:masters\r\n", None),
        ("X-Remote-Uid: 1\r\nX-Remote-Extra-A: b\r\n", None),
        ("X-Remote-User: \u{ff}\r\n", Some(&json!({"user": "\u{ff}", "groups": ["system:authenticated"]}))),
    ] {
        let before = kubernetes.calls(ACCESS).len();
        // Another metric each time, so that no review is cached.
        let path = format!("{METRIC}{before}-{}", headers.len());
        let answer = ask(&mut stream, "GET", &path, headers);
        match spec {
            None => {
                assert_eq!(answer.status(), "401 Unauthorized: Unauthorized", "{headers}");
                assert_eq!(kubernetes.calls(ACCESS).len(), before, "{headers}");
            }
            Some(expected) => {
                let mut spec = kubernetes.asked().pop().unwrap();
                spec.as_object_mut().unwrap().remove("resourceAttributes");
                assert_eq!(&spec, expected, "{headers}");
                assert_eq!(answer.code, 404, "{headers}");
            }
        }
    }
    // An invalid header ends the connection, and the following bytes are not read.
    for headers in ["X-Remote-User : root\r\n", " X-Remote-User: root\r\n", "X-Remote-User: u\r\n root\r\n"] {
        let mut stream = proxy(&secure);
        let request = format!("GET {METRIC} HTTP/1.1\r\nHost: a\r\nX-Remote-Group: system:masters\r\n{headers}\r\n");
        stream.write_all((request.clone() + &request).as_bytes()).unwrap();
        let received = read_to_end(&mut stream);
        assert!(received.starts_with("HTTP/1.1 400 ") && received.matches("HTTP/1.1").count() == 1, "{received}");
    }
}

#[test]
fn one_authority_for_both_needs_allowed_names() {
    let kubernetes = Kubernetes::start();
    kubernetes.policy(|_| json!({"allowed": false}));
    let both = CLIENTS.pem();
    kubernetes.publish(published(&both, &[], &both));
    let mut secure = kubernetes.secure(&page(), &[]);
    let told = |secure: &Secure| {
        secure.server.seen.iter().any(|line| line.contains("one authority signs for front proxies and for clients"))
    };
    assert!(told(&secure));
    let (user, named) = (client(&secure, &CLIENTS.issue("mallory")), client(&secure, &CLIENTS.issue(PROXY)));
    let answer = ask(&mut user.connect(), "GET", METRIC, MASTER);
    assert!(answer.code == 403 && answer.body.contains("mallory"), "{answer:?}");
    let mut kept = named.connect();
    let answer = ask(&mut kept, "GET", METRIC, MASTER);
    assert!(answer.code == 403 && answer.body.contains(PROXY), "{answer:?}");
    // With allowed names, front proxies are accepted; a rejected certificate triggers a check of the ConfigMap.
    kubernetes.publish(published(&both, &[PROXY], &both));
    present_untrusted(&secure);
    secure.server.wait_for("trusted authorities have changed");
    assert_eq!(ask(&mut kept, "GET", METRIC, MASTER).values(), "web 1");
    let answer = ask(&mut user.connect(), "GET", METRIC, MASTER);
    assert!(answer.code == 403 && answer.body.contains("mallory"), "{answer:?}");
}

/// Presents a certificate of an untrusted authority.
fn present_untrusted(secure: &Secure) {
    assert_eq!(client(secure, &by_itself("doubt")).get(DISCOVERY).code, 401);
}

#[test]
fn removing_an_authority_ends_open_connections() {
    let next = Authority::new("next");
    let (proxies, clients) = (file("proxies.crt", &FRONT_PROXIES.pem()), file("clients.crt", &CLIENTS.pem()));
    let kubernetes = Kubernetes::start();
    let kubeconfig = kubernetes.kubeconfig("{token: t}");
    let paths = [&proxies, &clients, &kubeconfig].map(|path| path.to_str().unwrap());
    let [proxy_ca, client_ca, kubeconfig] = paths;
    let flags = ["--requestheader-client-ca-file", proxy_ca, "--client-ca-file", client_ca, "--kubeconfig", kubeconfig];
    let mut secure = secure(&page(), &flags);
    let (mut by_proxy, mut by_user) = (proxy(&secure), client(&secure, &CLIENTS.issue("jane")).connect());
    assert_eq!(ask(&mut by_proxy, "GET", METRIC, MASTER).values(), "web 1");
    assert_eq!(ask(&mut by_user, "GET", METRIC, "").values(), "web 1");
    // An invalid authority changes nothing.
    replace(&clients, "garbage");
    secure.server.wait_for("the previous authorities stay trusted");
    assert_eq!(ask(&mut by_user, "GET", METRIC, "").values(), "web 1");
    replace(&clients, &CLIENTS.pem());
    replace(&proxies, &next.pem());
    secure.server.wait_for("trusted authorities have changed");
    assert_eq!(ask(&mut by_proxy, "GET", METRIC, MASTER).status(), "401 Unauthorized: Unauthorized");
    assert_eq!(ask(&mut by_user, "GET", METRIC, "").values(), "web 1");
    replace(&clients, &next.pem());
    secure.server.wait_for("trusted authorities have changed");
    assert_eq!(ask(&mut by_user, "GET", METRIC, "").status(), "401 Unauthorized: Unauthorized");
    let mut other = client(&secure, &next.issue(PROXY)).connect();
    assert_eq!(ask(&mut other, "GET", METRIC, MASTER).code, 200);
}

#[test]
fn a_certificate_expires_during_a_connection() {
    let (_kubernetes, secure) = start();
    // On a busy machine, such a certificate may expire before the connection is open; then the next one is used.
    for seconds in [4, 12, 36] {
        let ends = SystemTime::now() + Duration::from_secs(seconds);
        let brief = issue(&FRONT_PROXIES, PROXY, |params| params.not_after = ends.into());
        let mut stream = client(&secure, &brief).connect();
        let first = ask(&mut stream, "GET", METRIC, MASTER);
        if first.code == 401 && SystemTime::now() >= ends {
            continue;
        }
        assert_eq!(first.values(), "web 1");
        eventually(|| match ask(&mut stream, "GET", METRIC, MASTER) {
            answer if answer.code == 401 => Ok(()),
            answer => Err(format!("{answer:?}")),
        });
        assert!(SystemTime::now() >= ends, "not before it expires");
        return;
    }
    panic!("no certificate was valid for long enough");
}

/// The token is accepted while its review is cached, and not longer.
#[test]
fn a_revoked_token_stays_cached_for_seconds() {
    let (kubernetes, secure) = start();
    let mut stream = secure.client().connect();
    // On a busy machine, a review may expire between two requests; then the next token is used.
    for token in ["a", "b", "c", "d"] {
        let (start, before) = (Instant::now(), kubernetes.calls(TOKENS).len());
        kubernetes.token(token, json!({"username": "sa"}));
        let header = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(ask(&mut stream, "GET", METRIC, &header).values(), "web 1");
        kubernetes.token(token, json!(null));
        let second = ask(&mut stream, "GET", METRIC, &header);
        if second.code == 401 && start.elapsed() >= Duration::from_secs(10) {
            continue;
        }
        assert_eq!((second.values().as_str(), kubernetes.calls(TOKENS).len()), ("web 1", before + 1));
        eventually(|| match ask(&mut secure.client().connect(), "GET", METRIC, &header) {
            answer if answer.code == 401 => Ok(()),
            answer => Err(format!("{answer:?}")),
        });
        assert_eq!(kubernetes.calls(TOKENS).len(), before + 2);
        return;
    }
    panic!("no two requests came within the time that a review is cached");
}

#[test]
fn sizes_are_bounded() {
    let (kubernetes, secure) = start();
    let with_token =
        |length| format!("GET {METRIC} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", "t".repeat(length));
    for (client, too_long) in [(secure.client(), 17 << 10), (client(&secure, &FRONT_PROXIES.issue(PROXY)), 129 << 10)] {
        let mut stream = client.connect();
        stream.write_all(with_token(too_long).as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).unwrap().code, 413);
        // The server responds before it has read the whole megabyte, and closes the connection.
        let mut stream = client.connect();
        let _ = stream.write_all(with_token(1 << 20).as_bytes());
        assert_eq!(read_answer(&mut stream).map_or(413, |answer| answer.code), 413);
    }
    assert_eq!(kubernetes.calls(TOKENS).len(), 0);
    // A token of the maximum length of a head is accepted.
    kubernetes.token(&"t".repeat(15 << 10), json!({"username": "long"}));
    let header = format!("Authorization: Bearer {}\r\n", "t".repeat(15 << 10));
    assert_eq!(ask(&mut secure.client().connect(), "GET", METRIC, &header).values(), "web 1");
    assert_eq!(kubernetes.calls(TOKENS).len(), 1);
    // Five hundred groups are accepted from a front proxy, and from no other client.
    let groups: Vec<String> = (0..500).map(|number| format!("group-{number:0200}")).collect();
    let lines: String = groups.iter().map(|group| format!("X-Remote-Group: {group}\r\n")).collect();
    assert!(lines.len() > 100 << 10);
    let mut stream = proxy(&secure);
    for _ in 0..2 {
        assert_eq!(ask(&mut stream, "GET", METRIC, &format!("X-Remote-User: u\r\n{lines}")).values(), "web 1");
    }
    let asked = kubernetes.asked().pop().unwrap();
    assert_eq!(asked["groups"].as_array().unwrap()[..500], groups.iter().map(|group| json!(group)).collect::<Vec<_>>());
    // Too large for the cache, so each request is reviewed.
    assert_eq!(kubernetes.asked().iter().filter(|spec| spec["user"] == "u").count(), 2);
    let mut unverified = secure.client().connect();
    let _ = unverified.write_all(format!("GET {METRIC} HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes());
    assert_eq!(read_answer(&mut unverified).unwrap().code, 413);
}

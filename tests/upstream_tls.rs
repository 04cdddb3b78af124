//! TLS with upstreams: trusted certificates of servers, over real connections in both versions of TLS.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::kubernetes::Kubernetes;
use common::pods::{PODS, named};
use common::tls::{Authority, Identity, TlsUpstream, openssl, presenting};
use common::upstream::{Upstream, page};
use common::{Server, file, replace, run};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, SerialNumber};
use rustls::version::{TLS12, TLS13};
use serde_json::json;

const SELF_SIGNED: &str = "tls: the server's certificate is self-signed and not among the trusted ones";
const UNKNOWN_ISSUER: &str = "tls: the server's certificate is signed by an authority that is not trusted";
const NO_PROOF: &str = "tls: the server does not prove that it holds the key of its certificate";
const OTHER_NAMES: &str = "tls: the server's certificate is for other names";
const EXPIRED: &str = "tls: the server's certificate has expired";

const ID: &str = "spiffe://cluster.local/ns/shop/sa/web";

/// The default of `openssl req -x509`: an authority (CA:TRUE) that serves with its own certificate.
fn by_openssl(more: &[&str]) -> Identity {
    let key = file("tls.key", "");
    let args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2", "-keyout"];
    let chain = openssl(&[&args[..], &[key.to_str().unwrap()], more].concat());
    Identity { chain, key: std::fs::read_to_string(key).unwrap() }
}

fn params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "upstream");
    change(&mut params);
    params
}

fn self_signed(params: &CertificateParams, key: &KeyPair) -> Identity {
    Identity { chain: params.self_signed(key).unwrap().pem(), key: key.serialize_pem() }
}

/// The served value, or the cause of the failure.
fn value(address: SocketAddr, trusted: &str, more: &str) -> String {
    let ca = file("ca.pem", trusted);
    let config = format!(
        "sources:\n  s: {{url: 'https://{address}/', namespaces: [shop], format: number, caFile: '{}'{more}}}\n\
         metrics:\n  - {{name: m, object: services, source: s, describes: {{namespace: shop, name: web}}}}\n",
        ca.display()
    );
    let config = file("metrics.yaml", &config);
    let (_, printed, told) = run(&["get", "-c", config.to_str().unwrap(), "namespaces/shop/services/web/m"]);
    match told.split_once("source s ") {
        Some((_, cause)) => cause.trim_end().to_owned(),
        None => printed.lines().last().unwrap_or(&told).split_whitespace().nth(3).unwrap().to_owned(),
    }
}

fn number() -> Vec<u8> {
    page("text/plain", "3")
}

/// The result with a server with this certificate and key, in each version of TLS.
fn outcomes(identity: &Identity, trusted: &str, more: &str) -> [String; 2] {
    [&TLS12, &TLS13].map(|version| {
        let upstream = TlsUpstream::with_config(presenting(identity, version), number());
        value(upstream.address, trusted, more)
    })
}

fn both(outcome: &str) -> [String; 2] {
    [outcome.to_owned(), outcome.to_owned()]
}

#[test]
fn a_server_certificate_in_ca_file_is_trusted() {
    let named = ["-addext", "subjectAltName=IP:127.0.0.1"];
    let authority = by_openssl(&named);
    let end_entity = by_openssl(&[&named[..], &["-addext", "basicConstraints=CA:FALSE"]].concat());
    for identity in [&authority, &end_entity] {
        assert_eq!(outcomes(identity, &identity.chain, ""), both("3"));
        let among_others = [&*Authority::new("a").pem(), &identity.chain, &Authority::new("b").pem()].concat();
        assert_eq!(outcomes(identity, &among_others, ""), both("3"));
        assert_eq!(outcomes(identity, &Authority::new("a").pem(), ""), both(SELF_SIGNED));
        assert_eq!(outcomes(identity, &identity.chain, ", serverName: other.example"), both(OTHER_NAMES));
    }
    assert_eq!(outcomes(&authority, &end_entity.chain, ""), both(SELF_SIGNED));
    let old = self_signed(
        &params(|params| params.not_after = rcgen::date_time_ymd(2021, 1, 1)),
        &KeyPair::generate().unwrap(),
    );
    assert_eq!(outcomes(&old, &old.chain, ""), both(EXPIRED));
    // A certificate of an unknown authority is trusted in the same way.
    let issued = Authority::new("elsewhere").issue("127.0.0.1");
    assert_eq!(outcomes(&issued, &issued.chain, ""), both("3"));
}

#[test]
fn a_copied_certificate_proves_nothing() {
    let trusted = by_openssl(&["-addext", "subjectAltName=IP:127.0.0.1"]);
    let other_key = by_openssl(&[]).key;
    let thief = Identity { chain: trusted.chain.clone(), key: other_key };
    assert_eq!(outcomes(&thief, &trusted.chain, ""), both(NO_PROOF));
}

#[test]
fn another_certificate_with_the_same_key_is_not_trusted() {
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let key = KeyPair::generate().unwrap();
        let [first, second] = [1, 2].map(|serial: u64| {
            let numbered =
                params(|params| (params.is_ca, params.serial_number) = (is_ca, Some(SerialNumber::from(serial))));
            self_signed(&numbered, &key)
        });
        assert_eq!(outcomes(&first, &first.chain, ""), both("3"), "{is_ca:?}");
        assert_eq!(outcomes(&second, &first.chain, ""), both(SELF_SIGNED), "{is_ca:?}");
    }
}

#[test]
fn a_trusted_certificate_that_is_not_an_authority_signs_no_others() {
    for (is_ca, expected) in [
        (IsCa::NoCa, UNKNOWN_ISSUER),
        (IsCa::ExplicitNoCa, UNKNOWN_ISSUER),
        (IsCa::Ca(BasicConstraints::Unconstrained), "3"),
    ] {
        let (own, key) = (params(|params| params.is_ca = is_ca), KeyPair::generate().unwrap());
        let trusted = self_signed(&own, &key);
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = params(|params| params.distinguished_name.push(DnType::CommonName, "leaf"));
        let leaf = leaf.signed_by(&leaf_key, &Issuer::new(own, key)).unwrap();
        let leaf = Identity { chain: leaf.pem(), key: leaf_key.serialize_pem() };
        assert_eq!(outcomes(&trusted, &trusted.chain, ""), both("3"), "{is_ca:?}");
        assert_eq!(outcomes(&leaf, &trusted.chain, ""), both(expected), "{is_ca:?}");
    }
}

#[test]
fn the_trusted_certificate_is_read_again() {
    let [old, new] = [1, 2].map(|_| by_openssl(&["-addext", "subjectAltName=IP:127.0.0.1"]));
    let upstream = TlsUpstream::start(&old, None, number());
    let ca = file("ca.pem", &old.chain);
    let server = Server::with_config(&format!(
        "sources:\n  s: {{url: 'https://{}/{{name}}', namespaces: [shop], format: number, caFile: '{}'}}\n\
         metrics:\n  - {{name: m, object: services, source: s}}\n",
        upstream.address,
        ca.display()
    ));
    let ask = |name: &str| server.metric(&format!("namespaces/shop/services/{name}/m")).values();
    assert_eq!([ask("a"), ask("again")], ["a 3", "again 3"]);
    assert!(upstream.asked().iter().all(|asked| !asked.is_resumed), "the certificate is verified each time");
    upstream.change(&new, None);
    assert!(ask("b").ends_with(SELF_SIGNED));
    replace(&ca, &[&*old.chain, &new.chain].concat());
    assert_eq!(ask("c"), "c 3");
    replace(&ca, &old.chain);
    assert!(ask("d").ends_with(SELF_SIGNED));
}

#[test]
fn server_name_is_the_name_in_the_certificate() {
    let authority = Authority::new("ca");
    let upstream = TlsUpstream::start(&authority.issue("queue.internal"), None, number());
    assert_eq!(value(upstream.address, &authority.pem(), ""), OTHER_NAMES);
    assert_eq!(value(upstream.address, &authority.pem(), ", serverName: queue.internal"), "3");
    let [asked] = &upstream.asked()[..] else { panic!("{:?}", upstream.asked()) };
    assert_eq!(asked.server_name.as_deref(), Some("queue.internal"));
    let host = format!("host: {}\r\n", upstream.address);
    assert!(asked.head.to_ascii_lowercase().contains(&host), "{}", asked.head);
}

#[test]
fn a_spiffe_id_is_verified_instead_of_the_host() {
    let authority = Authority::new("mesh");
    let svid = |id: &str| {
        authority.issue_with("web", &KeyPair::generate().unwrap(), |params| {
            params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
        })
    };
    let name = format!(", serverName: '{ID}'");
    let outcome = |identity: &Identity| outcomes(identity, &authority.pem(), &name);
    assert_eq!(outcome(&svid(ID)), both("3"));
    assert_eq!(outcome(&svid(&format!("{ID}2"))), both("tls: the server's certificate has another SPIFFE ID"));
    assert_eq!(outcome(&authority.issue("127.0.0.1")), both("tls: the server's certificate has no SPIFFE ID"));
    let elsewhere = Authority::new("mesh").issue_with("web", &KeyPair::generate().unwrap(), |params| {
        params.subject_alt_names = vec![SanType::URI(ID.try_into().unwrap())];
    });
    let namesake = "tls: the server's certificate is signed by another authority with the name of a trusted one";
    assert_eq!(outcome(&elsewhere), both(namesake));
}

/// Pods are scraped by address, which their certificates do not contain.
#[test]
fn pods_with_spiffe_ids_are_scraped() {
    let authority = Authority::new("mesh");
    let identity = authority.issue_with("web", &KeyPair::generate().unwrap(), |params| {
        params.subject_alt_names = vec![SanType::URI(ID.try_into().unwrap())];
    });
    let upstream = TlsUpstream::start(&identity, None, page("text/plain; version=0.0.4", "m 3\n"));
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![named("web-1", "127.0.0.1")]);
    let ca = file("ca.pem", &authority.pem());
    let config = format!(
        "sources:\n  s: {{pods: {{port: {}, scheme: https}}, dangerAllowLoopback: true, caFile: '{}', serverName: '{ID}'}}\n\
         metrics:\n  - {{name: m, object: pods, source: s}}\n",
        upstream.address.port(),
        ca.display()
    );
    let config = file("metrics.yaml", &config);
    let kubeconfig = kubernetes.kubeconfig("{token: t}");
    let args = ["get", "-c", config.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()];
    let (code, printed, told) = run(&[&args[..], &["namespaces/shop/pods/*/m"]].concat());
    assert_eq!(code, 0, "{told}");
    assert!(printed.contains("Pod/web-1"), "{printed}");
    assert_eq!(upstream.asked()[0].server_name, None, "an address is not sent as SNI");
}

#[test]
fn the_kubernetes_api_is_verified_the_same_way() {
    let [own, other] = [1, 2].map(|_| by_openssl(&["-addext", "subjectAltName=IP:127.0.0.1"]));
    let pod = Upstream::text("m 3\n");
    let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [named("web-1", "127.0.0.1")]});
    let api = TlsUpstream::start(&own, None, page("application/json", &list.to_string()));
    let config = format!(
        "sources:\n  s: {{pods: {{port: {}}}, dangerAllowLoopback: true}}\nmetrics:\n  - {{name: m, object: pods, source: s}}\n",
        pod.address.port()
    );
    let config = file("metrics.yaml", &config);
    let ask = |trusted: &Identity| {
        let kubeconfig = format!(
            "current-context: c\ncontexts:\n- {{name: c, context: {{cluster: k}}}}\nclusters:\n- {{name: k, cluster: \
             {{server: 'https://{}', certificate-authority-data: {}}}}}\n",
            api.address,
            STANDARD.encode(&trusted.chain)
        );
        let kubeconfig = file("kubeconfig", &kubeconfig);
        let args = ["get", "-c", config.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()];
        let (_, printed, told) = run(&[&args[..], &["namespaces/shop/pods/*/m"]].concat());
        printed + &told
    };
    assert!(ask(&own).contains("Pod/web-1"), "{}", ask(&own));
    assert!(ask(&other).contains(SELF_SIGNED), "{}", ask(&other));
}

//! Certificates, issued by the test, and the users that they authenticate.

use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use super::trust::{FrontProxy, Pool, RemoteHeaders};
use super::*;
use crate::api::message::Origin;
use crate::parse::head::Header;
use crate::telemetry::clock::Clock;

/// 2026-06-01, within the time of every certificate here.
const NOW: i64 = 1_780_272_000_000;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: Vec<u8>,
}

static PROXIES: LazyLock<Authority> = LazyLock::new(|| Authority::new("proxies"));
static CLIENTS: LazyLock<Authority> = LazyLock::new(|| Authority::new("clients"));
static OTHERS: LazyLock<Authority> = LazyLock::new(|| Authority::new("others"));

impl Authority {
    fn new(name: &str) -> Self {
        let (params, key) = (ca(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().to_vec());
        Self { issuer: Issuer::new(params, key), pem, der }
    }

    fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (ca(name), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().to_vec());
        Self { issuer: Issuer::new(params, key), pem, der }
    }

    fn pool(&self) -> Pool {
        Pool::from_pem(self.pem.as_bytes()).unwrap()
    }

    fn issue(&self, name: &str) -> Vec<u8> {
        self.issue_with(name, |_| {})
    }

    fn issue_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = named(name);
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().to_vec()
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if !name.is_empty() {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    params
}

fn ca(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn front_proxy(names: &[&str]) -> FrontProxy {
    let allowed_names = names.iter().map(|&name| name.to_owned()).collect();
    FrontProxy { pool: PROXIES.pool(), allowed_names, headers: RemoteHeaders::usual() }
}

fn identity() -> Identity {
    let identity = Identity::new(None, &Limits::default());
    identity.install(Trust::new(Some(front_proxy(&["proxy"])), Some(CLIENTS.pool())).0);
    identity
}

fn now() -> Now {
    Now { unix_millis: NOW, ..Clock::system().now() }
}

const FORGED: &[Header<'static>] = &[("X-Remote-User", b"root"), ("X-Remote-Group", b"system:masters")];

fn who(identity: &Identity, peer: Option<&Peer>, headers: &[Header<'_>], now: Now) -> String {
    let request = Request { method: "GET", target: "/", headers, origin: Origin::Network(peer) };
    match identity.authenticate(&request, peer, Wait::No, now) {
        Ok(User { info, method }) => format!("{method:?} {} {}", info.username, info.groups.join(",")),
        Err(AuthenticationError::Unauthorized(why)) => format!("401: {why}"),
        Err(other) => format!("{other:?}"),
    }
}

const NO_USER: &str = "401: the client's certificate names no user or is signed by no trusted authority";

#[test]
fn only_front_proxies_name_other_users() {
    let identity = identity();
    let step = PROXIES.intermediate("step");
    let dated = |from, to| {
        PROXIES.issue_with("proxy", |params| {
            (params.not_before, params.not_after) = (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(to, 1, 1));
        })
    };
    let used = |purpose| PROXIES.issue_with("proxy", |params| params.extended_key_usages = vec![purpose]);
    let itself = named("proxy").self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let anonymous = "Anonymous system:anonymous system:unauthenticated";
    let forged = "FrontProxy root system:masters,system:authenticated";
    for (what, chain, expected) in [
        ("no certificate", vec![], anonymous),
        ("the proxy's", vec![PROXIES.issue("proxy")], forged),
        ("for clients", vec![used(ExtendedKeyUsagePurpose::ClientAuth)], forged),
        ("through an intermediate", vec![step.issue("proxy"), step.der.clone()], forged),
        ("through one that is missing", vec![step.issue("proxy")], NO_USER),
        ("another name", vec![PROXIES.issue("Proxy")], NO_USER),
        ("no name", vec![PROXIES.issue("")], NO_USER),
        ("for servers", vec![used(ExtendedKeyUsagePurpose::ServerAuth)], NO_USER),
        ("expired", vec![dated(2020, 2021)], NO_USER),
        ("early", vec![dated(2090, 2091)], NO_USER),
        ("signed by itself", vec![itself], NO_USER),
        ("by others", vec![OTHERS.issue("proxy")], NO_USER),
        ("by others, the right authority beside it", vec![OTHERS.issue("proxy"), PROXIES.der.clone()], NO_USER),
        ("the authority's own", vec![PROXIES.der.clone()], NO_USER),
        ("by the clients' authority", vec![CLIENTS.issue("proxy")], "Direct proxy system:authenticated"),
        ("by that, without a name", vec![CLIENTS.issue("")], NO_USER),
        ("garbage", vec![b"garbage".to_vec()], NO_USER),
    ] {
        let peer = (!chain.is_empty()).then(|| Peer::new(chain));
        assert_eq!(who(&identity, peer.as_ref(), FORGED, now()), expected, "{what}");
    }
}

#[test]
fn reads_users_from_certificates() {
    let identity = identity();
    let der = CLIENTS.issue_with("admin", |params| {
        params.distinguished_name.push(DnType::OrganizationName, "system:authenticated");
        params.distinguished_name.push(DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 57683, 2]), "7");
    });
    let hash: String =
        digest::digest(&digest::SHA256, &der).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let peer = Peer::new(vec![der]);
    let request = Request { headers: &[], origin: Origin::Network(Some(&peer)), ..Request::get("/") };
    let user = identity.authenticate(&request, Some(&peer), Wait::No, now()).unwrap();
    let expected = UserInfo {
        username: "admin".to_owned(),
        uid: "7".to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        extra: sort::map([(
            "authentication.kubernetes.io/credential-id".to_owned(),
            vec![format!("X509SHA256={hash}")],
        )]),
    };
    assert_eq!(user, User { info: expected.into(), method: AuthenticationMethod::Direct });
    assert_eq!(identity.client_class(Some(&peer), now()), ClientClass::Verified);
    assert_eq!(identity.client_class(Some(&Peer::new(vec![PROXIES.issue("proxy")])), now()), ClientClass::FrontProxy);
    assert_eq!(identity.client_class(Some(&Peer::new(vec![OTHERS.issue("proxy")])), now()), ClientClass::Unverified);
    assert_eq!(identity.client_class(None, now()), ClientClass::Unverified);
}

#[test]
fn a_proxy_that_names_no_user_is_not_authenticated() {
    let identity = identity();
    let peer = Peer::new(vec![PROXIES.issue("proxy")]);
    let who = |headers| who(&identity, Some(&peer), headers, now());
    assert_eq!(who(&[]), NO_USER);
    assert_eq!(who(&[("X-Remote-User", b""), ("X-Remote-Group", b"system:masters")]), NO_USER);
    assert_eq!(who(&[("X-Remote-User", b"\xff")]), "401: a header of the front proxy is not UTF-8");
    let known = "FrontProxy u system:unauthenticated";
    assert_eq!(who(&[("X-Remote-User", b"u"), ("X-Remote-Group", b"system:unauthenticated")]), known);
}

#[test]
fn needs_the_kubernetes_api_to_review_tokens() {
    let identity = identity();
    let none = "401: TokenReview needs the Kubernetes API";
    for (value, expected) in [
        (&b"Bearer x"[..], none),
        (b"bEARER   x ", none),
        (b"Bearer ", "Anonymous system:anonymous system:unauthenticated"),
        (b"Basic eDp5", "Anonymous system:anonymous system:unauthenticated"),
        (b"Bearerx", "Anonymous system:anonymous system:unauthenticated"),
    ] {
        assert_eq!(who(&identity, None, &[("authorization", value)], now()), expected, "{value:?}");
    }
    let peer = Peer::new(vec![CLIENTS.issue("u")]);
    let headers: &[Header<'_>] = &[("Authorization", b"Bearer x")];
    assert_eq!(who(&identity, Some(&peer), headers, now()), "Direct u system:authenticated");
}

#[test]
fn client_class_follows_trust_and_time() {
    let identity = identity();
    let peer = Peer::new(vec![PROXIES.issue("proxy")]);
    let start = now();
    let good = "FrontProxy root system:masters,system:authenticated";
    assert_eq!(who(&identity, Some(&peer), FORGED, start), good);
    // A verification holds for a second; after that, the certificate's own expiry counts.
    let ends = Now { monotonic: start.monotonic + crate::api::peer::VERIFIED, unix_millis: 1_798_761_599_000 };
    assert_eq!(who(&identity, Some(&peer), FORGED, ends), good);
    let ended = Now { monotonic: ends.monotonic + crate::api::peer::VERIFIED, unix_millis: ends.unix_millis + 2_000 };
    assert_eq!(who(&identity, Some(&peer), FORGED, ended), NO_USER);
    // A change of the wall clock is noticed at once.
    assert_eq!(who(&identity, Some(&peer), FORGED, Now { unix_millis: NOW, ..ended }), good);
    assert_eq!(who(&identity, Some(&peer), FORGED, Now { unix_millis: -1, ..ended }), NO_USER);
    // So is a change of the trusted authorities.
    assert_eq!(who(&identity, Some(&peer), FORGED, start), good);
    assert!(identity.wait_for_rejection(Duration::ZERO), "some were not taken");
    assert!(!identity.wait_for_rejection(Duration::ZERO), "it is reported once");
    identity.install(Trust::new(Some(front_proxy(&["other"])), None).0);
    assert_eq!(who(&identity, Some(&peer), FORGED, start), NO_USER);
    assert!(identity.wait_for_rejection(Duration::ZERO));
    identity.install(Trust::default());
    assert_eq!(who(&identity, Some(&peer), FORGED, start), NO_USER);
    identity.install(Trust::new(Some(front_proxy(&[])), None).0);
    assert_eq!(who(&identity, Some(&peer), FORGED, start), good);
}

#[test]
fn requires_allowed_names_for_a_shared_authority() {
    let both = || Pool::from_pem((CLIENTS.pem.clone() + &PROXIES.pem).as_bytes()).unwrap();
    for (names, clients, open) in [
        (&[][..], Some(PROXIES.pool()), true),
        (&[], Some(both()), true),
        (&[], Some(CLIENTS.pool()), false),
        (&[], None, false),
        (&["proxy"], Some(PROXIES.pool()), false),
    ] {
        let (trust, found) = Trust::new(Some(front_proxy(names)), clients);
        assert_eq!((found, trust.front_proxy.is_some()), (open, !open), "{names:?}");
    }
    assert!(!Trust::new(None, Some(both())).1);
}

#[test]
fn describes_invalid_pools() {
    for (pem, why) in [
        ("", "holds no certificate (PEM)"),
        ("garbage", "holds no certificate (PEM)"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds a certificate that cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "holds malformed PEM"),
    ] {
        assert_eq!(Pool::from_pem(pem.as_bytes()).map_err(|error| error.to_string()).err().as_deref(), Some(why));
    }
    let same = Pool::from_pem((CLIENTS.pem.clone() + &PROXIES.pem).as_bytes()).unwrap();
    assert_eq!(same, Pool::from_pem((PROXIES.pem.clone() + &CLIENTS.pem).as_bytes()).unwrap());
    assert_ne!(same, CLIENTS.pool());
    assert_eq!(format!("{same:?}"), "Pool of 2");
}

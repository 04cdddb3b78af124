//! TLS on the secure listener: versions, keys, certificates of servers and of clients, and invalid peers.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use common::secure::{CLIENTS, DISCOVERY, FRONT_PROXIES, SERVING, Secure, client_config, config, eventually, get, own};
use common::tls::{Authority, Identity, openssl};
use common::upstream::Upstream;
use common::{file, run};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, SupportedProtocolVersion};

fn only(version: &'static SupportedProtocolVersion) -> ClientConfig {
    ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(SERVING.roots())
        .with_no_client_auth()
}

#[test]
fn speaks_both_versions_and_resumes_neither() {
    let secure = Secure::start(&[]);
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut config = only(version);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = secure.client_of(config);
        // The second connection would resume a session if the server offered it.
        for _ in 0..2 {
            let mut stream = client.connect();
            assert_eq!(get(&mut stream, DISCOVERY).code, 200);
            assert_eq!(stream.conn.protocol_version(), Some(expected));
            assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Full));
            assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
            if version.version == ProtocolVersion::TLSv1_3 {
                assert_eq!(stream.conn.tls13_tickets_received(), 0);
            }
        }
    }
    let mut http2 = only(&TLS13);
    http2.alpn_protocols = vec![b"h2".to_vec()];
    let error = secure.client_of(http2).try_connect("localhost").unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[test]
fn refuses_versions_below_the_lowest() {
    let secure = Secure::start(&["--tls-min-version", "VersionTLS13"]);
    let error = secure.client_of(only(&TLS12)).try_connect("localhost").unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    assert_eq!(secure.client_of(only(&TLS13)).get("/livez").code, 200);
    assert_eq!(secure.own("metriclet_tls_handshake_failures_total{reason=\"tls\"}"), 1.0);
}

/// A PKCS#8 key from `openssl genpkey`.
fn key(args: &[&str]) -> String {
    openssl(&[&["genpkey"], args].concat())
}

const RSA: [&str; 4] = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];

#[test]
fn accepts_keys_in_every_common_format() {
    let page = config(&Upstream::text("a 1\n"));
    for (kind, traditional) in [(&RSA, "rsa"), (&P256, "ec"), (&P384, "ec")] {
        let pkcs8 = key(kind);
        let path = file("pkcs8.key", &pkcs8);
        let older = match traditional {
            "rsa" => openssl(&["rsa", "-traditional", "-in", path.to_str().unwrap()]),
            _ => openssl(&["ec", "-in", path.to_str().unwrap()]),
        };
        assert!(pkcs8.starts_with("-----BEGIN PRIVATE KEY") && !older.contains("BEGIN PRIVATE KEY"), "{traditional}");
        let pair = KeyPair::from_pem(&pkcs8).unwrap();
        for key in [pkcs8, older] {
            let identity = Identity { key, ..SERVING.issue_with("localhost", &pair, |_| {}) };
            let secure = Secure::with_identity(&identity, &page, &[]);
            for version in [&TLS12, &TLS13] {
                assert_eq!(secure.client_of(only(version)).get("/livez").body, "ok", "{kind:?}");
            }
        }
    }
}

#[test]
fn serves_the_complete_chain() {
    let (first, second) = (SERVING.intermediate("first"), SERVING.intermediate("second"));
    let mut identity = first.issue("localhost");
    identity.chain += &(first.pem() + &second.pem());
    let secure = Secure::with_identity(&identity, &config(&Upstream::text("a 1\n")), &[]);
    let stream = secure.client().connect();
    assert_eq!(stream.conn.peer_certificates().unwrap(), identity.certificates());
    assert_eq!(identity.certificates().len(), 3);
}

/// At the start there is no previous pair, so the server reports the error and exits.
#[test]
fn mismatched_files_are_named() {
    let good = SERVING.issue("localhost");
    let dated = |from, to| {
        SERVING.issue_with("localhost", &KeyPair::generate().unwrap(), |params| {
            (params.not_before, params.not_after) = (from, to);
        })
    };
    let expired = dated(date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let early = dated(date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    let encrypted = key(&[&P256[..], &["-aes256", "-pass", "pass:x"]].concat());
    let (small, curve) = (key(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]), P521.as_slice());
    let no_key = "holds no private key (PEM: PKCS#8, PKCS#1 or SEC1, not encrypted)";
    let no_use = "holds a key that cannot be used; RSA of 2048 to 8192 bits, P-256, P-384 and Ed25519 can";
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    for (name, chain, key, in_key, why) in [
        ("no certificate", None, Some(good.key.clone()), false, "not found"),
        ("no key", Some(good.chain.clone()), None, true, "not found"),
        ("nothing", Some(String::new()), Some(good.key.clone()), false, "holds no certificate (PEM)"),
        ("the key twice", Some(good.key.clone()), Some(good.key.clone()), false, "holds no certificate (PEM)"),
        ("the certificate twice", Some(good.chain.clone()), Some(good.chain.clone()), true, no_key),
        ("garbage", Some("\0\u{1}garbage".into()), Some(good.key.clone()), false, "holds no certificate (PEM)"),
        ("broken PEM", Some(good.chain[..200].into()), Some(good.key.clone()), false, "holds malformed PEM"),
        ("broken DER", Some(broken), Some(good.key.clone()), false, "holds a certificate that cannot be read"),
        (
            "an encrypted key",
            Some(good.chain.clone()),
            Some(encrypted),
            true,
            "holds an encrypted private key, expected one without a password",
        ),
        (
            "another key",
            Some(good.chain.clone()),
            Some(early.key.clone()),
            true,
            "does not belong to the certificate in",
        ),
        ("a small key", Some(good.chain.clone()), Some(small), true, no_use),
        ("a rare curve", Some(good.chain.clone()), Some(key(curve)), true, no_use),
        ("expired", Some(expired.chain), Some(expired.key), false, "has expired at 2021-01-01T00:00:00Z"),
        ("early", Some(early.chain), Some(early.key), false, "is not valid before 2090-01-01T00:00:00Z"),
    ] {
        let [chain, key] = [("tls.crt", chain), ("tls.key", key)].map(|(name, content)| match content {
            Some(content) => file(name, &content),
            None => file("other", "").with_file_name(name),
        });
        let [chain_path, key_path] = [&chain, &key].map(|path| path.to_str().unwrap());
        let (code, printed, told) = run(&[
            "--listen",
            "off",
            "--bind-address",
            "127.0.0.1",
            "--secure-port",
            "0",
            "--upstream",
            "http://127.0.0.1:1",
            "--tls-cert-file",
            chain_path,
            "--tls-private-key-file",
            key_path,
        ]);
        assert_eq!((code, printed.as_str()), (78, ""), "{name}: {told}");
        let named = if in_key { key_path } else { chain_path };
        assert!(told.starts_with(&format!("metriclet: {named} ")) && told.contains(why), "{name}: {told}");
        assert!(!told.contains("PRIVATE") && told.lines().count() == 1, "{name}: {told}");
    }
}

const P521: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"];

/// A client certificate from openssl, which creates certificates that other libraries no longer support.
fn client_certificate(key: String, extensions: &str, more: &[&str]) -> Identity {
    let (key_file, extensions) = (file("client.key", &key), file("extensions", extensions));
    let (ca, ca_key) = (file("ca.crt", &CLIENTS.pem()), file("ca.key", &CLIENTS.key()));
    let [key_path, extensions, ca, ca_key] = [&key_file, &extensions, &ca, &ca_key].map(|path| path.to_str().unwrap());
    let request = file("request", &openssl(&["req", "-new", "-key", key_path, "-subj", "/CN=client"]));
    let mut args = vec!["x509", "-req", "-in", request.to_str().unwrap(), "-CA", ca, "-CAkey", ca_key];
    args.extend(["-set_serial", "1", "-days", "2"]);
    if !std::fs::read_to_string(extensions).unwrap().is_empty() {
        args.extend(["-extfile", extensions]);
    }
    args.extend(more);
    Identity { chain: openssl(&args), key }
}

/// Connects with openssl and this certificate; returns the number of connections of each class, and the number of
/// certificates that were ignored because the client did not prove possession of the key.
fn connection_classes(secure: &Secure, identity: Option<&Identity>, version: &str) -> ([f64; 3], f64) {
    let address = secure.server.address.to_string();
    let mut command = std::process::Command::new("openssl");
    command.args(["s_client", "-quiet", "-connect", &address, version, "-cipher", "DEFAULT@SECLEVEL=0"]);
    if let Some(identity) = identity {
        let (chain, key) = (file("client.crt", &identity.chain), file("client.key", &identity.key));
        command.arg("-cert").arg(&chain).arg("-cert_chain").arg(chain).arg("-key").arg(key);
    }
    let request = file("http", "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let output = command.stdin(std::fs::File::open(request).unwrap()).output().unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK"), "{version}: {page}{}", String::from_utf8_lossy(&output.stderr));
    let open = ["unverified", "verified", "front_proxy"]
        .map(|client_class| own(&page, &format!("metriclet_connections_open{{client=\"{client_class}\"}}")));
    (open, own(&page, "metriclet_unproven_client_certificates_total"))
}

/// No client certificate fails a handshake: the client may have a bearer token instead.
#[test]
fn every_client_certificate_gets_an_answer() {
    let fresh = || KeyPair::generate().unwrap();
    let usage = |usage| move |params: &mut rcgen::CertificateParams| params.extended_key_usages = vec![usage];
    let client_usage = || usage(ExtendedKeyUsagePurpose::ClientAuth);
    let old = CLIENTS.issue_with("client", &fresh(), |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    });
    let early = CLIENTS.issue_with("client", &fresh(), |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    });
    let own_key = fresh();
    let own_params = rcgen::CertificateParams::new(["client".to_owned()]).unwrap();
    let self_signed = Identity { chain: own_params.self_signed(&own_key).unwrap().pem(), key: own_key.serialize_pem() };
    let between = CLIENTS.intermediate("between");
    let mut chain = between.issue("client");
    chain.chain += &between.pem();
    let version_1 = client_certificate(key(&P256), "", &[]);
    let path = file("client.crt", &version_1.chain);
    let text = openssl(&["x509", "-noout", "-text", "-in", path.to_str().unwrap()]);
    assert!(text.contains("Version: 1 "), "{text}");
    let extensions = "extendedKeyUsage = clientAuth\n";
    let secure = Secure::start(&[]);
    let [unverified, client, front_proxy] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for (name, identity, expected) in [
        ("none", None, unverified),
        ("of a client", Some(CLIENTS.issue_with("client", &fresh(), client_usage())), client),
        ("of a front proxy", Some(FRONT_PROXIES.issue_with("proxy", &fresh(), client_usage())), front_proxy),
        ("by an intermediate", Some(chain), client),
        ("an intermediate left out", Some(between.issue("client")), unverified),
        ("of another authority", Some(Authority::new("another").issue("client")), unverified),
        ("self-signed", Some(self_signed), unverified),
        ("version 1", Some(version_1), unverified),
        ("P-521", Some(client_certificate(key(&P521), extensions, &[])), unverified),
        ("SHA-1", Some(client_certificate(key(&P256), extensions, &["-sha1"])), unverified),
        (
            "RSA of 1024 bits",
            Some(client_certificate(key(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]), extensions, &[])),
            unverified,
        ),
        ("RSA of 2048 bits", Some(client_certificate(key(&RSA), extensions, &[])), client),
        ("without a usage", Some(CLIENTS.issue("client")), client),
        (
            "of a server",
            Some(CLIENTS.issue_with("client", &fresh(), usage(ExtendedKeyUsagePurpose::ServerAuth))),
            unverified,
        ),
        ("expired", Some(old), unverified),
        ("not yet valid", Some(early), unverified),
    ] {
        for version in ["-tls1_2", "-tls1_3"] {
            // The previous connection may not be closed yet.
            eventually(|| match connection_classes(&secure, identity.as_ref(), version) {
                (open, _) if open == expected => Ok(()),
                (open, _) => Err(format!("{name}, {version}: {open:?}, expected {expected:?}")),
            });
        }
    }
    assert!(connection_classes(&secure, None, "-tls1_3").1 > 0.0, "certificates were presented and ignored");
}

#[test]
fn bytes_that_are_not_tls_end_only_their_connection() {
    let secure = Secure::start(&[]);
    let mut witness = secure.known_client().connect();
    assert_eq!(get(&mut witness, "/livez").code, 200);
    let before = secure.held();
    let hello = {
        let name = "localhost".try_into().unwrap();
        let mut tls = rustls::ClientConnection::new(client_config(None).into(), name).unwrap();
        let mut hello = Vec::new();
        tls.write_tls(&mut hello).unwrap();
        hello
    };
    let mut long = hello.clone();
    long[3..5].copy_from_slice(&[0xff, 0xff]);
    let mut older = hello.clone();
    older[1] = 2;
    for (bytes, reason) in [
        (&[0; 100][..], "tls"),
        (b"\x16\x03\x01\x00\x05hello", "tls"),
        (&[0xff; 20_000], "tls"),
        (&long, "tls"),
        (&older, "tls"),
        (&hello[..1], "closed"),
        (&hello[..5], "closed"),
        (&hello[..hello.len() - 1], "closed"),
        (&hello, "closed"),
        (b"", "closed"),
    ] {
        let series = format!("metriclet_tls_handshake_failures_total{{reason=\"{reason}\"}}");
        let failures = own(&get(&mut witness, "/metrics").body, &series);
        let mut stream = secure.tcp();
        stream.write_all(bytes).unwrap();
        if reason == "closed" {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        match stream.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        eventually(|| match own(&get(&mut witness, "/metrics").body, &series) {
            now if now == failures + 1.0 => Ok(()),
            now => Err(format!("{now} failures, {failures} before {bytes:?}")),
        });
    }
    // Broken after the handshake: half a record, a changed record, and an end without close_notify.
    for (bytes, cut) in [
        (&b"\x17\x03\x03\x01\x00half"[..], true),
        (b"\x17\x03\x03\x00\x20changed-changed-changed-changed!", false),
        (b"", true),
    ] {
        let mut stream = secure.client().connect();
        assert_eq!(get(&mut stream, "/livez").code, 200);
        stream.sock.write_all(bytes).unwrap();
        if cut {
            stream.sock.shutdown(Shutdown::Write).unwrap();
        }
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() && ended.is_err(), "{ended:?}");
    }
    assert_eq!(get(&mut witness, "/livez").code, 200);
    secure.back_to(&before);
    assert_eq!(own(&get(&mut witness, "/metrics").body, "metriclet_panics_total"), 0.0);
}

/// A client that disconnects before it has read its response, so the server gets a reset while it still sends.
#[test]
fn a_reset_during_a_response_ends_only_its_connection() {
    let secure = Secure::start(&[]);
    let mut witness = secure.known_client().connect();
    assert_eq!(get(&mut witness, "/livez").code, 200);
    let before = secure.held();
    let requests = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200);
    for _ in 0..20 {
        let mut stream = secure.client().connect();
        stream.write_all(requests.as_bytes()).unwrap();
        // The first bytes have arrived and are unread, so closing sends a reset.
        assert!(stream.sock.peek(&mut [0]).unwrap() > 0);
        drop(stream);
    }
    assert_eq!(get(&mut witness, "/livez").code, 200);
    secure.back_to(&before);
    let page = get(&mut witness, "/metrics").body;
    assert_eq!(own(&page, "metriclet_connections_ended_total{reason=\"broken\"}"), 20.0);
}

#[test]
fn files_of_authorities_are_checked_at_the_start() {
    let identity = SERVING.issue("localhost");
    let (cert, key) = (file("tls.crt", &identity.chain), file("tls.key", &identity.key));
    let empty = file("ca.crt", "nothing\n");
    for flag in ["--client-ca-file", "--requestheader-client-ca-file"] {
        let (code, _, told) = run(&[
            "--listen",
            "off",
            "--bind-address",
            "127.0.0.1",
            "--secure-port",
            "0",
            "--upstream",
            "http://127.0.0.1:1",
            "--tls-cert-file",
            cert.to_str().unwrap(),
            "--tls-private-key-file",
            key.to_str().unwrap(),
            flag,
            empty.to_str().unwrap(),
        ]);
        assert_eq!((code, told), (78, format!("metriclet: {} holds no certificate (PEM)\n", empty.display())));
    }
}

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, ContentType, ProtocolVersion, RootCertStore,
    SupportedProtocolVersion,
};

use super::*;
use crate::server::secure::harness::{Conversation, Setup, beginning};

const SECOND: Duration = Duration::from_secs(1);

fn setup_for(version: &'static SupportedProtocolVersion) -> Setup {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = ring::default_provider();
    let pair = CertifiedKey::from_der(vec![certificate.der().clone()], private.clone_key(), &provider).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let mut client = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate.der().clone()], private)
        .unwrap();
    client.resumption = rustls::client::Resumption::disabled();
    Setup { key: Arc::new(pair), client: Arc::new(client), limits: Limits::default(), now: beginning() }
}

fn setup() -> Setup {
    setup_for(&TLS13)
}

/// The output for a client that sends these records and then closes, and how the connection ended.
fn conversation(setup: &Setup, records: &[&[u8]], cuts: &[usize]) -> (String, String) {
    let mut conversation = Conversation::new(setup, records, cuts);
    conversation.close();
    conversation.run(true);
    let end = conversation.end().unwrap_or_else(|| panic!("it goes on: {records:?}")).to_owned();
    // An alert is sent with a single write, which may fail.
    assert!(conversation.goodbye || !cuts.is_empty(), "it ends without a word: {records:?}");
    (String::from_utf8(conversation.received).unwrap(), end)
}

fn bodies(received: &str) -> Vec<&str> {
    received.split("\r\n\r\n").skip(1).map(|rest| rest.split("HTTP/1.1 ").next().unwrap()).collect()
}

/// Pseudo-random numbers from 0 to `most`, the same each time.
fn numbers(seed: u64, most: usize, count: usize) -> Vec<usize> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % (most + 1)
    };
    (0..count).map(|_| next()).collect()
}

const REQUESTS: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\n\
    GET /wait HTTP/1.1\r\nHost: h\r\n\r\nGET /c?length=40000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\
    GET /d HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\nGET /e HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn handles_any_division_into_chunks() {
    for version in [&TLS12, &TLS13] {
        let setup = setup_for(version);
        let expected = conversation(&setup, &[REQUESTS], &[]);
        let answers = bodies(&expected.0);
        assert_eq!((answers.len(), expected.1.as_str()), (5, "Refused"), "{}", expected.0);
        assert_eq!((answers[0], answers[1], answers[2]), ("GET /a ", "", "GET /wait "));
        assert!(answers[3].starts_with("GET /c xxx") && answers[4].starts_with("header Expect: "));
        // Requests in records of every size.
        for size in 1..REQUESTS.len() {
            let records: Vec<_> = REQUESTS.chunks(size).collect();
            assert_eq!(conversation(&setup, &records, &[]), expected, "{size}");
        }
        // Reads and writes truncated to various sizes, and blocking at various places.
        for seed in 1..80 {
            let most = [1, 3, 50, 5_000][usize::try_from(seed).unwrap() % 4];
            let cuts = numbers(seed, most, 3_000);
            assert_eq!(conversation(&setup, &[REQUESTS], &cuts), expected, "{seed}");
        }
    }
}

#[test]
fn sends_close_notify_when_the_client_does() {
    let (received, end) = conversation(&setup(), &[b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"], &[]);
    assert_eq!((bodies(&received), end.as_str()), (vec!["GET /a "], "Closed"));
    let (received, end) = conversation(&setup(), &[b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"], &[]);
    assert_eq!((bodies(&received), end.as_str()), (vec!["GET /a "], "Closed"));
    assert_eq!(conversation(&setup(), &[], &[]), (String::new(), "Closed".to_owned()));
}

#[test]
fn closes_connections_after_responses_when_stopping() {
    let setup = setup();
    let mut conversation = Conversation::new(&setup, &[b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"], &[]);
    conversation.run(true);
    conversation.leaving = true;
    conversation.send(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n");
    conversation.run(true);
    let received = String::from_utf8(conversation.received).unwrap();
    assert_eq!(bodies(&received), ["GET /a ", "GET /b "]);
    assert_eq!(received.matches("Connection: close\r\n").count(), 1);
}

/// Each phase has a time limit that starts with the phase, not with the last byte; the wall clock does not matter.
#[test]
fn limits_the_time_of_every_phase() {
    let setup = setup();
    let (limits, start) = (&setup.limits, setup.now.monotonic);
    let check = |conversation: &mut Conversation<'_>, longest: Duration, why: Ended, what: &str| {
        let since = conversation.now.monotonic;
        for unix_millis in [0, i64::MIN, i64::MAX] {
            // The wall clock is set. Nothing that happens in between, such as a few more bytes, extends the limit.
            conversation.now.unix_millis = unix_millis;
            assert_eq!(conversation.connection.overdue(limits, since + longest), None, "{what}");
            assert_eq!(conversation.connection.overdue(limits, since + longest + SECOND), Some(why), "{what}");
        }
    };
    let hello = |conversation: &mut Conversation<'_>| {
        conversation.run(true);
        assert!(conversation.is_open());
    };
    // No bytes; then a part of a handshake.
    let mut silent = Conversation::new(&setup, &[], &[]);
    check(&mut silent, limits.connection.handshake, Ended::Closed, "handshake");
    silent.inject(b"\x16\x03\x01");
    silent.now.monotonic = start + SECOND;
    silent.run(false);
    assert_eq!(silent.connection.overdue(limits, start + limits.connection.handshake + SECOND), Some(Ended::Closed));

    let mut idle = Conversation::new(&setup, &[], &[]);
    hello(&mut idle);
    check(&mut idle, limits.connection.idle, Ended::Idle, "idle");
    idle.set_client_class(ClientClass::Verified);
    check(&mut idle, limits.connection.verified_idle, Ended::Idle, "idle, known");

    // One byte per second.
    let mut head = Conversation::new(&setup, &[], &[]);
    hello(&mut head);
    head.now.monotonic += SECOND;
    let begun = head.now;
    for byte in b"GET / HTTP/1.1" {
        head.send(&[*byte]);
        head.run(true);
        head.now.monotonic += SECOND;
    }
    head.now = begun;
    check(&mut head, limits.connection.head_time, Ended::HeadTimeout, "head");

    // The network accepts no bytes.
    let mut unread = Conversation::new(&setup, &[], &[]);
    hello(&mut unread);
    unread.block();
    unread.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    unread.run(false);
    check(&mut unread, limits.connection.write, Ended::WriteTimeout, "writing");

    // The client does not close.
    for (request, why) in [
        (&b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"[..], Ended::Closed),
        (b"GET / HTTP/1.1\r\n\r\n", Ended::Refused),
    ] {
        let mut lingering = Conversation::new(&setup, &[], &[]);
        hello(&mut lingering);
        let sent = lingering.encrypted(request);
        lingering.inject(&sent);
        lingering.serve();
        check(&mut lingering, limits.connection.linger, why, "lingering");
    }
}

#[test]
fn evicts_unverified_clients_without_a_response_in_progress() {
    let setup = setup();
    let mut conversation = Conversation::new(&setup, &[], &[]);
    conversation.run(true);
    assert_eq!(conversation.connection.evictable_since(), Some(setup.now.monotonic));
    assert!(conversation.connection.peer().is_some(), "it has the key of its certificate");
    conversation.now.monotonic += SECOND;
    conversation.send(b"GET");
    conversation.run(true);
    assert_eq!(conversation.connection.evictable_since(), Some(setup.now.monotonic + SECOND));
    conversation.connection.phase = Phase::Waiting;
    assert_eq!(conversation.connection.evictable_since(), None);
    conversation.connection.phase = Phase::Idle;
    conversation.set_client_class(ClientClass::Verified);
    assert_eq!(conversation.connection.evictable_since(), None);
}

#[test]
fn is_quiet_after_some_idle_time() {
    let setup = setup();
    let mut conversation = Conversation::new(&setup, &[b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"], &[]);
    conversation.run(true);
    let connection = &conversation.connection;
    assert!(!connection.is_quiet(setup.now.monotonic));
    assert!(connection.is_quiet(setup.now.monotonic + 2 * SECOND));
    conversation.send(b"G");
    conversation.run(true);
    assert!(!conversation.connection.is_quiet(setup.now.monotonic + 2 * SECOND));
}

/// Records that no library sends: empty ones, with just enough others between them that rustls tolerates them.
fn scant_records(conversation: &mut Conversation<'_>, setup: &Setup, count: u64) -> Vec<u8> {
    let other = ClientConnection::new(setup.client.clone(), "localhost".try_into().unwrap()).unwrap();
    let client = std::mem::replace(&mut conversation.client, other);
    let aead = client.negotiated_cipher_suite().unwrap().tls13().unwrap().aead_alg;
    let (sent, secrets) = client.dangerous_extract_secrets().unwrap().tx;
    let (ConnectionTrafficSecrets::Aes256Gcm { key, iv }
    | ConnectionTrafficSecrets::Aes128Gcm { key, iv }
    | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets
    else {
        panic!("another cipher")
    };
    let mut encrypter = aead.encrypter(key, iv);
    let record = |number| {
        let (typ, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_2);
        let payload = OutboundChunks::Single(if number % 30 == 29 { b"G" } else { b"" });
        let message = OutboundPlainMessage { typ, version, payload };
        encrypter.encrypt(message, sent + number).unwrap().encode()
    };
    (0..count).flat_map(record).collect()
}

/// A head in far more bytes than its length: other connections get their turns, and time limits apply.
#[test]
fn empty_records_do_not_occupy_a_worker() {
    let mut setup = setup();
    Arc::get_mut(&mut setup.client).unwrap().enable_secret_extraction = true;
    let mut conversation = Conversation::new(&setup, &[], &[]);
    conversation.run(true);
    let records = scant_records(&mut conversation, &setup, 20_000);
    assert_eq!(records.len(), 22 * 20_000 + 666);
    conversation.inject(&records);
    let before = conversation.turns;
    conversation.serve();
    assert_eq!(conversation.end(), None);
    let turns = conversation.turns - before;
    assert!(turns >= records.len().div_ceil(READ * setup.limits.connection.pipelined), "{turns} turns");
    let late = setup.now.monotonic + setup.limits.connection.head_time + SECOND;
    assert_eq!(conversation.connection.overdue(&setup.limits, late), Some(Ended::HeadTimeout));
}

#[test]
fn closes_on_tls_errors() {
    let setup = setup();
    for (bytes, end) in [(&b"\x17\x03\x03\x00\x05hello"[..], "Broken"), (b"\xff\xff\xff\xff\xff\xff", "Broken")] {
        let mut conversation = Conversation::new(&setup, &[b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"], &[]);
        conversation.run(true);
        conversation.inject(bytes);
        conversation.run(true);
        assert_eq!(conversation.end(), Some(end), "{bytes:?}");
    }
    for (bytes, end) in
        [(&b"GET / HTTP/1.1\r\n"[..], "PlainHttp"), (b"\x16\x03\x01\x00\x05hello", "Tls"), (b"\0\0\0\0\0", "Tls")]
    {
        let mut conversation = Conversation::new(&setup, &[], &[]);
        conversation.inject(bytes);
        conversation.serve();
        assert_eq!(conversation.end(), Some(end), "{bytes:?}");
    }
}

//! A whole connection, from the handshake to its end, over a stream that is split anywhere: the client receives the
//! same bytes for every split, no response after a rejection, and never more responses than it sent requests.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use metriclet::internals::config::limits::{ConnectionLimits, Limits};
use metriclet::internals::parse::head;
use metriclet::internals::server::secure::harness::{Conversation, Setup, beginning};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};

static SETUP: LazyLock<Setup> = LazyLock::new(|| {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = ring::default_provider();
    let pair = CertifiedKey::from_der(vec![certificate.der().clone()], private, &provider).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let mut client = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    let limits = Limits {
        connection: ConnectionLimits {
            head: head::HeadLimits { bytes: 512, headers: 8 },
            ..ConnectionLimits::default()
        },
        ..Limits::default()
    };
    Setup { key: Arc::new(pair), client: Arc::new(client), limits, now: beginning() }
});

/// All bytes that the client receives, how the connection ended, and the numbers of requests and rejections.
fn conversation(records: &[&[u8]], cuts: &[usize]) -> (Vec<u8>, String, usize, usize) {
    let mut conversation = Conversation::new(&SETUP, records, cuts);
    conversation.close();
    conversation.run(true);
    let end = conversation.end().expect("an end").to_owned();
    (conversation.received, end, conversation.requests, conversation.refusals)
}

fuzz_target!(|input: (u8, &[u8], &[u8])| {
    let (size, cuts, bytes) = input;
    let bytes = &bytes[..bytes.len().min(4_096)];
    let whole = conversation(&[bytes], &[]);
    let records: Vec<_> = bytes.chunks(1 + usize::from(size)).collect();
    let cuts: Vec<_> = cuts.iter().map(|cut| usize::from(*cut)).collect();
    assert_eq!(conversation(&records, &cuts), whole);
    let (received, _, requests, refusals) = whole;
    // Bodies contain no line ends, so these are the lines of heads.
    let received = String::from_utf8(received).expect("text");
    let count = |line: &str| received.split("\r\n").filter(|found| found.ends_with(line)).count();
    assert_eq!(count("HTTP/1.1 200 OK"), requests);
    assert_eq!(count("HTTP/1.1 400 Bad Request") + count("HTTP/1.1 413 Content Too Large"), refusals);
    assert!(refusals <= 1);
    let after = received.split_once("Connection: close\r\n").map(|(_, after)| after);
    assert!(refusals == 0 || after.is_some());
    assert!(after.is_none_or(|after| !after.contains("\r\nDate: ")), "an answer after the last one");
    // At most the number of ends of heads in the sent bytes.
    assert!(requests <= bytes.windows(4).filter(|window| window == b"\r\n\r\n").count());
});

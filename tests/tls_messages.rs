//! Each row of docs/troubleshooting.md about TLS, caused by a server with that problem.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use common::tls::{Authority, Identity, TlsUpstream, openssl, presenting};
use common::upstream::{Upstream, page};
use common::{file, run};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType};
use rustls::ServerConnection;
use rustls::version::TLS13;

const LONG_ENOUGH: &str =
    "tls: the server's certificate or its authority has an RSA key that is not of 2048 to 8192 bits";

const ID: &str = "spiffe://cluster.local/ns/shop/sa/web";

/// The cause of the failure in the Status: the message after the source.
fn cause(url: &str, more: &str) -> String {
    let config = format!(
        "sources:\n  s: {{url: '{url}', namespaces: [shop], format: number{more}}}\n\
         metrics:\n  - {{name: m, object: services, source: s, describes: {{namespace: shop, name: web}}}}\n"
    );
    let config = file("metrics.yaml", &config);
    let (code, _, told) = run(&["get", "-c", config.to_str().unwrap(), "namespaces/shop/services/web/m"]);
    assert_eq!(code, 69, "{told}");
    let start = "metriclet: ServiceUnavailable (503): m of services/web in namespace shop: source s ";
    told.strip_prefix(start).unwrap_or_else(|| panic!("{told}")).trim_end().to_owned()
}

/// The causes in the document's table about TLS.
fn documented() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let text = std::fs::read_to_string(path).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let causes = cells.map(|(cause, _)| cause.to_owned());
    causes.filter(|cause| cause.starts_with("tls: ") || cause == "closed the connection: tls handshake").collect()
}

/// `openssl s_server` on a port that the system chooses; dropping this ends it.
struct OpenSsl {
    child: Child,
    address: SocketAddr,
}

impl OpenSsl {
    fn start(identity: &Identity, more: &[&str]) -> Self {
        let (cert, key) = (file("tls.crt", &identity.chain), file("tls.key", &identity.key));
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-cert"]).arg(cert).arg("-key").arg(key);
        // It ends at the end of its input.
        let mut child = command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok()).unwrap();
        thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that responds to the first bytes of each client with these bytes, and closes.
fn raw(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            assert!(stream.read(&mut [0; 16_384]).unwrap() > 0);
            stream.write_all(answer).unwrap();
            let _ = stream.shutdown(Shutdown::Write);
            // Reads the rest, because a reset would discard the response.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    address
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn genpkey(args: &[&str]) -> String {
    openssl(&[&["genpkey"], args].concat())
}

const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA_1024: [&str; 4] = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];

/// A certificate for 127.0.0.1 from openssl, which creates certificates that libraries no longer support.
fn by_openssl(authority: &Authority, key: String, is_version_3: bool, more: &[&str]) -> Identity {
    let (ca, ca_key) = (file("ca.crt", &authority.pem()), file("ca.key", &authority.key()));
    let (own_key, extensions) = (file("tls.key", &key), file("extensions", "subjectAltName = IP:127.0.0.1\n"));
    let [ca, ca_key, own_key, extensions] = [&ca, &ca_key, &own_key, &extensions].map(|path| path.to_str().unwrap());
    let request = file("request", &openssl(&["req", "-new", "-key", own_key, "-subj", "/CN=127.0.0.1"]));
    let sign = ["x509", "-req", "-in", request.to_str().unwrap(), "-CA", ca, "-CAkey", ca_key, "-set_serial", "1"];
    let extended: &[&str] = if is_version_3 { &["-extfile", extensions] } else { &[] };
    Identity { chain: openssl(&[&sign[..], extended, more].concat()), key }
}

/// The cases of certificates: the presented certificate, the configuration, and the cause.
fn certificates(authority: &Authority) -> Vec<(Identity, &'static str, &'static str)> {
    let issued = |change: &dyn Fn(&mut CertificateParams)| authority.issue_with("127.0.0.1", &key(), change);
    let uris = |uris: &'static [&'static str]| {
        issued(&|params| {
            params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        })
    };
    let self_signed = {
        let (params, key) = (CertificateParams::new(["127.0.0.1".to_owned()]).unwrap(), key());
        Identity { chain: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    };
    let critical = |params: &mut CertificateParams| {
        let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3], vec![5, 0]);
        unknown.set_criticality(true);
        params.custom_extensions.push(unknown);
    };
    let (none, spiffe) = ("", ", serverName: 'spiffe://cluster.local/ns/shop/sa/web'");
    vec![
        (Authority::new("other").issue("127.0.0.1"), none, "certificate is signed by an authority that is not trusted"),
        (self_signed, none, "certificate is self-signed and not among the trusted ones"),
        (
            issued(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            none,
            "certificate is for an authority (CA:TRUE), not for a server",
        ),
        (authority.issue("127.0.0.2"), none, "certificate is for other names"),
        (
            issued(&|params| params.subject_alt_names.clear()),
            none,
            "certificate has no subjectAltName; a common name is not verified",
        ),
        (
            by_openssl(authority, genpkey(&P256), false, &[]),
            none,
            "certificate is older than X.509 version 3, so it has no subjectAltName",
        ),
        (uris(&[ID]), none, "certificate has a URI, but no DNS name or address"),
        (uris(&["spiffe://cluster.local/ns/shop/sa/mail"]), spiffe, "certificate has another SPIFFE ID"),
        (authority.issue("127.0.0.1"), spiffe, "certificate has no SPIFFE ID"),
        (uris(&[ID, "spiffe://a/b"]), spiffe, "certificate is no workload's SVID: it has several URIs or may sign"),
        (issued(&|params| params.not_after = rcgen::date_time_ymd(2021, 1, 1)), none, "certificate has expired"),
        (issued(&|params| params.not_before = rcgen::date_time_ymd(2999, 1, 1)), none, "certificate is not valid yet"),
        (
            issued(&|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            none,
            "certificate is not for servers (extendedKeyUsage)",
        ),
        (
            by_openssl(authority, genpkey(&P256), true, &["-sha1"]),
            none,
            "certificate has a signature of a kind that is not accepted",
        ),
        (
            Authority::new("ca").issue("127.0.0.1"),
            none,
            "certificate is signed by another authority with the name of a trusted one",
        ),
        (issued(&critical), none, "certificate is not valid"),
    ]
}

#[test]
fn every_documented_message_occurs() {
    let authority = Authority::new("ca");
    let ca = file("ca.pem", &authority.pem());
    let trusting = format!(", caFile: '{}'", ca.display());
    let at = |address: SocketAddr| cause(&format!("https://{address}/"), &trusting);
    let mut seen = BTreeSet::new();
    let mut expect = |cause: String, expected: &str| {
        assert_eq!(cause, expected);
        assert!(seen.insert(cause), "twice: {expected}");
    };

    for (identity, more, expected) in certificates(&authority) {
        let upstream = TlsUpstream::with_config(presenting(&identity, &TLS13), page("text/plain", "3"));
        let cause = cause(&format!("https://{}/", upstream.address), &format!("{trusting}{more}"));
        expect(cause, &format!("tls: the server's {expected}"));
    }

    let identity = authority.issue("127.0.0.1");
    let upstream = TlsUpstream::start(&identity, Some(&Authority::new("clients")), page("text/plain", "3"));
    expect(at(upstream.address), "tls: the server wants a client certificate, or another one");

    let stolen = Identity { chain: authority.issue("127.0.0.1").chain, key: key().serialize_pem() };
    let upstream = TlsUpstream::with_config(presenting(&stolen, &TLS13), page("text/plain", "3"));
    expect(at(upstream.address), "tls: the server does not prove that it holds the key of its certificate");
    let weak = by_openssl(&authority, genpkey(&RSA_1024), true, &[]);
    let lax = ["-cipher", "DEFAULT@SECLEVEL=0"];
    expect(at(OpenSsl::start(&weak, &lax).address), LONG_ENOUGH);
    let server = OpenSsl::start(&identity, &[&["-tls1_1"], &lax[..]].concat());
    expect(at(server.address), "tls: the server speaks neither TLS 1.2 nor 1.3");
    let server = OpenSsl::start(&identity, &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"]);
    expect(at(server.address), "tls: the server refused the handshake");
    let (cert, key) = (file("tls.crt", &identity.chain), file("tls.key", &identity.key));
    let [cert, key] = [&cert, &key].map(|path| path.to_str().unwrap());
    let choosy = ["-servername", "queue.internal", "-servername_fatal", "-cert2", cert, "-key2", key];
    let server = OpenSsl::start(&identity, &choosy);
    let url = format!("https://localhost:{}/", server.address.port());
    expect(cause(&url, &trusting), "tls: the server has no certificate for the name");

    expect(at(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")), "tls: the server does not speak TLS");
    expect(at(raw(b"")), "closed the connection: tls handshake");
    // Data before the handshake (RFC 8446 §5.1).
    expect(at(raw(b"\x17\x03\x03\x00\x01\x00")), "tls: handshake failed");
    let upstream = TlsUpstream::start(&identity, None, page("text/plain", "3"));
    let url = format!("http://{}/", upstream.address);
    expect(cause(&url, ""), "tls: the server speaks TLS, and the URL says http://");

    let url = format!("https://127.1:{}/", upstream.address.port());
    expect(cause(&url, ""), "tls: no certificate can be for the URL's host");

    assert_eq!(seen, documented());
}

/// rustls reports the signature of such an authority as invalid.
#[test]
fn a_short_key_of_the_authority_is_named_too() {
    let ca_key = file("ca.key", &genpkey(&RSA_1024));
    let args = ["req", "-x509", "-days", "2", "-subj", "/CN=ca", "-key", ca_key.to_str().unwrap()];
    let ca = file("ca.crt", &openssl(&args));
    let request = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=a", "-keyout"];
    let key = file("tls.key", "");
    let request = file("request", &openssl(&[&request[..], &[key.to_str().unwrap()]].concat()));
    let extensions = file("extensions", "subjectAltName = IP:127.0.0.1\n");
    let [ca_path, ca_key, request, extensions] =
        [&ca, &ca_key, &request, &extensions].map(|path| path.to_str().unwrap());
    let sign =
        ["x509", "-req", "-in", request, "-CA", ca_path, "-CAkey", ca_key, "-set_serial", "1", "-extfile", extensions];
    let identity = Identity { chain: openssl(&sign), key: std::fs::read_to_string(&key).unwrap() };
    let upstream = TlsUpstream::with_config(presenting(&identity, &TLS13), page("text/plain", "3"));
    let cause = cause(&format!("https://{}/", upstream.address), &format!(", caFile: '{ca_path}'"));
    assert_eq!(cause, LONG_ENOUGH);
}

/// A TLS 1.1 server that does not know the extension supported_versions (RFC 8446 §4.2.1).
#[test]
fn an_old_hello_is_named_too() {
    // ServerHello: version 1.1, random, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    let hello = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02\
        0123456789abcdef0123456789abcdef\x00\x00\x2f\x00";
    assert_eq!(cause(&format!("https://{}/", raw(hello)), ""), "tls: the server speaks neither TLS 1.2 nor 1.3");
}

/// A server that sends nothing, and one that sends too slowly for the handshake to end.
#[test]
fn a_slow_handshake_is_bounded() {
    let trickle = |stream: &mut TcpStream| {
        // A record of 16 KiB would take minutes.
        let _ = stream.write_all(b"\x16\x03\x03\x40\x00\x02");
        while stream.write_all(b"\x00").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    };
    let silent = |stream: &mut TcpStream| drop(stream.read_to_end(&mut Vec::new()));
    for serve in [trickle as fn(&mut TcpStream), silent] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listener.incoming().for_each(|stream| serve(&mut stream.unwrap())));
        assert_eq!(cause(&format!("https://{address}/"), ""), "timeout: tls handshake");
    }
}

/// A server that sends the record with the body too slowly.
#[test]
fn a_slow_record_of_the_body_is_bounded() {
    let authority = Authority::new("ca");
    let config = presenting(&authority.issue("127.0.0.1"), &TLS13);
    let serve = move |stream: &mut TcpStream| {
        let mut tls = ServerConnection::new(config.clone()).unwrap();
        let mut client = rustls::Stream::new(&mut tls, stream);
        let _ = client.read(&mut [0; 1024]);
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8192\r\n\r\n");
        let mut record = Vec::new();
        tls.writer().write_all(&[b'1'; 8192]).unwrap();
        tls.write_tls(&mut record).unwrap();
        // The record would take minutes.
        for byte in record.chunks(1) {
            if stream.write_all(byte).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    thread::spawn(move || listener.incoming().for_each(|stream| serve(&mut stream.unwrap())));
    let ca = file("ca.pem", &authority.pem());
    assert_eq!(cause(&url, &format!(", caFile: '{}'", ca.display())), "timeout: receive body");
}

/// Errors of plain HTTP are not reported as TLS.
#[test]
fn bytes_that_only_start_like_tls_are_not_called_tls() {
    let plain = Upstream::raw(b"\x15\x04\x00\x00\x02\x02\x28".to_vec());
    assert_eq!(cause(&format!("http://{}/", plain.address), ""), "answered something that is not HTTP/1");
}

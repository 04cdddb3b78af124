//! `metriclet certs` and `metriclet probe`: a strict verifier accepts the certificates.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Server, file, metriclet, run};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

const SERVICE: &str = "custom-metrics-apiserver.custom-metrics.svc";

/// The path of a new directory, not created yet.
fn directory() -> PathBuf {
    file("x", "").with_file_name("certs")
}

/// The result of a client that trusts only `bundle`.
fn verified(bundle: &[u8], certificate: &[u8], name: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    CertificateDer::pem_slice_iter(bundle).for_each(|authority| roots.add(authority.unwrap()).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
    let own = CertificateDer::from_pem_slice(certificate).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&own, &[], &name, &[], UnixTime::now()).map(drop).map_err(|error| error.to_string())
}

fn read(directory: &Path, name: &str) -> Vec<u8> {
    fs::read(directory.join(name)).unwrap()
}

#[test]
fn issues_valid_certificates() {
    let directory = directory();
    let out = directory.to_str().unwrap();
    let arguments = ["certs", "--out", out, "--name", "localhost", "--name", "127.0.0.1"];
    let (code, stdout, stderr) = run(&arguments);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let bundle = read(&directory, "ca.crt");
    assert_eq!(stdout, format!("caBundle: {}\n", STANDARD.encode(&bundle)));
    let certificate = read(&directory, "tls.crt");
    for name in [SERVICE, "custom-metrics-apiserver", &format!("{SERVICE}.cluster.local"), "localhost", "127.0.0.1"] {
        assert_eq!(verified(&bundle, &certificate, name), Ok(()), "{name}");
    }
    assert!(verified(&bundle, &certificate, "elsewhere.svc").is_err());
    let mode = |name| fs::metadata(directory.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["ca.crt", "tls.crt", "tls.key"].map(mode), [0o644, 0o644, 0o600]);

    // A second run changes nothing.
    let (code, _, stderr) = run(&arguments);
    assert_eq!((code, read(&directory, "tls.crt")), (73, certificate));
    let why = "ca.crt already exists; --renew replaces it and keeps its authority trusted";
    assert_eq!(stderr, format!("metriclet: {out}/{why}\n"));
}

#[test]
fn renews_with_an_overlap() {
    let directory = directory();
    let out = directory.to_str().unwrap();
    assert_eq!(run(&["certs", "--out", out]).0, 0);
    let (first_bundle, first) = (read(&directory, "ca.crt"), read(&directory, "tls.crt"));
    for rotation in 2..=6_usize {
        let old = read(&directory, "tls.crt");
        assert_eq!(run(&["certs", "--out", out, "--renew"]).0, 0);
        let (bundle, new) = (read(&directory, "ca.crt"), read(&directory, "tls.crt"));
        assert_ne!(old, new);
        assert_eq!((verified(&bundle, &old, SERVICE), verified(&bundle, &new, SERVICE)), (Ok(()), Ok(())));
        let authorities = CertificateDer::pem_slice_iter(&bundle).count();
        assert_eq!(authorities, rotation.min(4), "the bundle is bounded");
    }
    assert!(
        verified(&first_bundle, &read(&directory, "tls.crt"), SERVICE).is_err(),
        "each renewal has a new authority"
    );
    assert!(verified(&read(&directory, "ca.crt"), &first, SERVICE).is_err(), "the first authority has been removed");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
}

#[test]
fn prints_a_secret() {
    let directory = directory();
    assert_eq!(run(&["certs", "--out", directory.to_str().unwrap()]).0, 0);
    let old = directory.join("ca.crt");
    let arguments = ["certs", "--secret", "web-tls", "--namespace", "shop", "--service", "web", "--ca-file"];
    let (code, manifest, stderr) = run(&[&arguments[..], &[old.to_str().unwrap()]].concat());
    assert_eq!(code, 0);
    let data = |key: &str| {
        let line = manifest.lines().find_map(|line| line.strip_prefix(&format!("  {key}: "))).unwrap();
        STANDARD.decode(line).unwrap()
    };
    assert!(manifest.starts_with(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: web-tls\n  namespace: shop\ntype: kubernetes.io/tls\ndata:\n"
    ));
    assert_eq!(verified(&data("ca.crt"), &data("tls.crt"), "web.shop.svc"), Ok(()));
    assert_eq!(
        verified(&data("ca.crt"), &read(&directory, "tls.crt"), SERVICE),
        Ok(()),
        "the old authority stays trusted"
    );
    assert!(data("tls.key").starts_with(b"-----BEGIN PRIVATE KEY-----"));
    assert_eq!(stderr, format!("caBundle: {}\n", STANDARD.encode(data("ca.crt"))));
}

#[test]
fn reports_errors() {
    let garbage = file("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let garbage = garbage.to_str().unwrap();
    for (arguments, code, why) in [
        (&["--secret", "s", "--ca-file", "/nowhere.crt"][..], 66, "/nowhere.crt: not found".to_owned()),
        (&["--secret", "s", "--ca-file", garbage], 66, format!("{garbage}: holds a certificate that cannot be read")),
        (
            &["--out", "/proc/nowhere"],
            73,
            "cannot create /proc/nowhere: No such file or directory (os error 2)".to_owned(),
        ),
    ] {
        let arguments = [&["certs"], arguments].concat();
        assert_eq!(run(&arguments), (code, String::new(), format!("metriclet: {why}\n")), "{arguments:?}");
    }
}

#[test]
fn probes_a_server() {
    let directory = directory();
    assert_eq!(run(&["certs", "--out", directory.to_str().unwrap()]).0, 0);
    let (certificate, key) = (directory.join("tls.crt"), directory.join("tls.key"));
    let config = file("metrics.yaml", "sources: {}\nmetrics: []\n");
    let mut command = metriclet(&["--listen", "off", "--bind-address", "127.0.0.1", "--secure-port", "0"]);
    command.arg("--tls-cert-file").arg(certificate).arg("--tls-private-key-file").arg(key);
    command.arg("--config").arg(config).args(["--shutdown-delay-duration", "1m"]);
    let mut server = Server::spawn(command);
    let url = |path: &str| format!("https://{}{path}", server.address);
    let [ready, live, nowhere] = ["/readyz", "/livez", "/nowhere"].map(url);
    assert_eq!(run(&["probe", &ready]), (0, String::new(), String::new()));
    assert_eq!(run(&["probe", &nowhere]), (69, String::new(), format!("metriclet: {nowhere} answered 403\n")));
    server.signal("TERM");
    server.wait_for("still serving");
    let why = r#"answered 500: "[-]shutdown failed: reason withheld""#;
    assert_eq!(run(&["probe", &ready]), (69, String::new(), format!("metriclet: {ready} {why}\n")));
    assert_eq!(run(&["probe", &live]).0, 0);
    server.signal("TERM");
    assert!(server.wait().success());
    assert_eq!(run(&["probe", &live]).0, 69);
    let elsewhere = "expected the URL of a server on this machine: on 127.0.0.1, [::1] or localhost, found \
                     \"https://192.0.2.1/\"";
    assert_eq!(run(&["probe", "https://192.0.2.1/"]), (64, String::new(), format!("metriclet: {elsewhere}\n")));
}

//! Common clients: curl, openssl and Python's ssl.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::secure::{CLIENTS, METRIC, SERVING, Secure};
use common::{file, has};

/// Files for these programs: the authority of servers, and a client's certificate and key.
struct Files {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

fn files() -> Files {
    let client = CLIENTS.issue("client");
    Files {
        ca: file("ca.crt", &SERVING.pem()),
        cert: file("client.crt", &client.chain),
        key: file("client.key", &client.key),
    }
}

/// The output of a program, which must succeed.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn curl_is_answered() {
    if !has("curl") {
        return;
    }
    let (secure, Files { ca, cert, key }) = (Secure::start(&[]), files());
    let port = secure.server.address.port();
    let curl = |more: &[&str], url: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--cacert"]).arg(&ca);
        printed(curl.args(["--resolve", &format!("localhost:{port}:127.0.0.1")]).args(more).arg(url))
    };
    let url = |path: &str| format!("https://localhost:{port}{path}");
    for more in [&[][..], &["--tlsv1.3"], &["--tls-max", "1.2"], &["--http1.0"], &["--http1.1"], &["--http2"]] {
        assert_eq!(curl(more, &url("/livez")), "ok", "{more:?}");
    }
    let [cert, key] = [&cert, &key].map(|path| path.to_str().unwrap());
    let metric = curl(&["--cert", cert, "--key", key], &url(METRIC));
    assert!(metric.contains("\"value\": \"1\""), "{metric}");
    // Two requests on one connection: the second one reports that it reused the connection.
    let twice = ["--write-out", " %{http_code} %{num_connects}\n", &url("/livez")];
    assert_eq!(curl(&twice, &url("/livez")), "ok 200 1\nok 200 0\n");
    let head = curl(&["--head"], &url("/livez"));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    // It sends Expect: 100-continue before a body.
    let code = ["--write-out", "%{http_code}", "--output", "/dev/null"];
    for (more, expected) in [
        (&["--data", "x"][..], "413"),
        (&["--data", "x", "--header", "Expect: 100-continue"], "400"),
        (&["--data", "x", "--header", "Transfer-Encoding: chunked"], "400"),
    ] {
        assert_eq!(curl(&[&code[..], more].concat(), &url("/livez")), expected, "{more:?}");
    }
    let plain = curl(&[], &format!("http://localhost:{port}/livez"));
    assert!(plain.contains("https://"), "{plain}");
}

#[test]
fn openssl_is_answered() {
    if !has("openssl") {
        return;
    }
    let (secure, Files { ca, cert, key }) = (Secure::start(&[]), files());
    let address = secure.server.address.to_string();
    let request = file("http", "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let client = |more: &[&str]| {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", &address, "-verify_return_error", "-verify_hostname", "localhost"]);
        openssl.arg("-ign_eof").arg("-CAfile").arg(&ca).args(more);
        printed(openssl.stdin(std::fs::File::open(&request).unwrap()))
    };
    let [cert, key] = [&cert, &key].map(|path| path.to_str().unwrap());
    for version in ["-tls1_2", "-tls1_3"] {
        for identity in [&[][..], &["-cert", cert, "-key", key]] {
            let said = client(&[&[version, "-alpn", "h2,http/1.1"], identity].concat());
            for expected in ["Verify return code: 0 (ok)", "ALPN protocol: http/1.1", "HTTP/1.1 200 OK\r\n"] {
                assert!(said.contains(expected), "{version}: no {expected} in {said}");
            }
            assert!(said.contains("\r\n\r\nok"), "{said}");
            // It prints these if the server sent them.
            assert!(!said.contains("TLS session ticket:"), "{said}");
        }
    }
}

#[test]
fn python_is_answered() {
    if !has("python3") {
        return;
    }
    let (secure, Files { ca, cert, key }) = (Secure::start(&[]), files());
    let script = r#"
import http.client, json, ssl, sys
port, ca, cert, key, metric = sys.argv[1:]
for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
    for identity in None, (cert, key):
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = context.maximum_version = version
        if identity:
            context.load_cert_chain(*identity)
        connection = http.client.HTTPSConnection("localhost", int(port), context=context, timeout=20)
        for path in "/livez", metric, "/readyz", "/nowhere":
            connection.request("GET", path)
            answer = connection.getresponse()
            print(answer.status, len(answer.read()) == int(answer.getheader("Content-Length")))
        print(connection.sock.version(), connection.sock.session_reused)
        # Says goodbye, and hears it.
        connection.sock.unwrap()
"#;
    let port = secure.server.address.port().to_string();
    let mut python = Command::new("python3");
    python.args(["-c", script, &port]).args([&ca, &cert, &key]).arg(METRIC);
    let answers = "200 True\n200 True\n200 True\n404 True\n";
    let expected = ["TLSv1.2", "TLSv1.2", "TLSv1.3", "TLSv1.3"].map(|version| format!("{answers}{version} False\n"));
    assert_eq!(printed(&mut python), expected.concat());
}

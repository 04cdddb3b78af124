//! Calls to the Kubernetes API: credentials, error messages, and retries.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::kubernetes::{CONFIG_MAP, KUBERNETES, Kubernetes, Reply, TOKENS, ask};
use common::secure::{SERVING, Secure};
use common::tls::Authority;
use common::upstream::Gate;
use common::{PATIENCE, Server, file, replace, run};
use metriclet::internals::config::limits::{FetchLimits, Limits, ReviewLimits};
use metriclet::internals::kube::review::{TokenReviewStatus, UserInfo};
use metriclet::internals::kube_api::client::Client;
use metriclet::internals::kube_api::kubeconfig;
use serde_json::json;

/// A client of a kubeconfig with long timeouts, so that a busy machine does not fail the test.
fn client(kubeconfig: &Path) -> Client {
    let limits = Limits {
        fetch: FetchLimits { connect_tls: PATIENCE, ..FetchLimits::default() },
        review: ReviewLimits { timeout: PATIENCE, ..ReviewLimits::default() },
        ..Limits::default()
    };
    client_with(kubeconfig, &limits)
}

fn client_with(path: &Path, limits: &Limits) -> Client {
    let text = std::fs::read_to_string(path).unwrap();
    Client::new(kubeconfig::parse(&text, path.parent().unwrap(), limits).unwrap(), limits, Arc::default())
}

/// Reviews a token: returns its user, or the error with and without the details for the log.
fn review(client: &Client, time: Duration) -> Result<String, (String, String)> {
    match client.token_review("t", Instant::now() + time) {
        Ok(answer) => Ok(answer.user.username),
        Err(error) => Err((error.to_string(), error.detail())),
    }
}

fn start() -> Kubernetes {
    let kubernetes = Kubernetes::start();
    kubernetes.token("t", json!({"username": "u"}));
    kubernetes
}

#[test]
fn credentials_of_every_kind_are_sent() {
    let kubernetes = start();
    let identity = KUBERNETES.issue("metriclet");
    let (cert, key) = (file("tls.crt", &identity.chain), file("tls.key", &identity.key));
    let token = file("token", "from-file\n");
    let data = |pem: &str| STANDARD.encode(pem);
    for (user, authorization, certificate) in [
        ("{token: inline}".to_owned(), Some("Bearer inline"), false),
        (format!("{{tokenFile: '{}', token: inline}}", token.display()), Some("Bearer from-file"), false),
        (format!("{{client-certificate: '{}', client-key: '{}'}}", cert.display(), key.display()), None, true),
        (
            format!("{{client-certificate-data: {}, client-key-data: {}}}", data(&identity.chain), data(&identity.key)),
            None,
            true,
        ),
        ("{}".to_owned(), None, false),
    ] {
        let client = client(&kubernetes.kubeconfig(&user));
        assert_eq!(review(&client, PATIENCE), Ok("u".to_owned()), "{user}");
        let call = kubernetes.calls(TOKENS).pop().unwrap();
        assert_eq!(call.header("authorization"), authorization, "{user}");
        let expected = certificate.then(|| identity.certificates().remove(0));
        assert_eq!(call.certificate, expected, "{user}");
        assert_eq!(call.header("accept"), Some("application/json"), "{user}");
    }
}

#[test]
fn connections_stay_open_and_files_are_read_again() {
    let kubernetes = start();
    let token = file("token", "one");
    let client = client(&kubernetes.kubeconfig(&format!("{{tokenFile: '{}'}}", token.display())));
    for _ in 0..3 {
        assert_eq!(review(&client, PATIENCE), Ok("u".to_owned()));
    }
    replace(&token, "the second");
    assert_eq!(review(&client, PATIENCE), Ok("u".to_owned()));
    let calls = kubernetes.calls(TOKENS);
    let sent: Vec<_> = calls.iter().filter_map(|call| call.header("authorization")).collect();
    assert_eq!(sent, ["Bearer one", "Bearer one", "Bearer one", "Bearer the second"]);
    assert!(calls[..3].iter().all(|call| call.connection == calls[0].connection));
    // An unusable file is reported, and no call is made without it.
    for (content, why) in [(" \n", "empty"), ("a\nb", "holds characters that no header may hold")] {
        replace(&token, content);
        let told = format!("TokenReview to {}: Metriclet's credentials cannot be used", kubernetes.url());
        let detail = format!("{told} (credential file {}: {why})", token.display());
        assert_eq!(review(&client, PATIENCE), Err((told, detail)));
    }
    std::fs::remove_file(&token).unwrap();
    assert!(
        review(&client, PATIENCE)
            .unwrap_err()
            .1
            .ends_with(&format!("(credential file {}: not found)", token.display()))
    );
    assert_eq!(kubernetes.calls(TOKENS).len(), 4);
    replace(&token, "third");
    assert_eq!(review(&client, PATIENCE), Ok("u".to_owned()));
}

/// Temporary failures are retried; others are reported at once.
#[test]
fn calls_are_retried() {
    let say = |code, body: &str| Reply::Say(code, body.to_owned());
    let busy = "HTTP/1.1 429 X\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy";
    for (what, replies, calls) in [
        ("at once", vec![], 1),
        ("500", vec![say(500, "no")], 2),
        ("503 and 504", vec![say(503, ""), say(504, "")], 3),
        ("429", vec![Reply::Raw(busy.to_owned())], 2),
        ("dropped", vec![Reply::Drop, Reply::Drop], 3),
        ("half a body", vec![Reply::Raw("HTTP/1.1 201 OK\r\nContent-Length: 90\r\n\r\n{\"kind\":".into())], 2),
        ("half an answer", vec![Reply::Raw("HTTP/1.1 200 OK\r\nContent-Le".into()), Reply::Drop], 3),
    ] {
        let kubernetes = start();
        kubernetes.does(TOKENS, replies);
        let client = client(&kubernetes.kubeconfig("{token: own}"));
        assert_eq!(review(&client, PATIENCE), Ok("u".to_owned()), "{what}");
        assert_eq!(kubernetes.calls(TOKENS).len(), calls, "{what}");
    }
}

#[test]
fn errors_name_the_call_the_server_and_the_response() {
    let kubernetes = start();
    let client = client(&kubernetes.kubeconfig("{token: own}"));
    let call = format!("TokenReview to {}: ", kubernetes.url());
    let forever = || std::iter::repeat_n(Reply::Say(500, "b\u{1b}d".to_owned()), 1_000);
    kubernetes.does(TOKENS, forever());
    let told = format!("{call}answered 500");
    assert_eq!(review(&client, Duration::from_secs(4)), Err((told.clone(), format!("{told} (b\\x1bd)"))),);
    assert!(kubernetes.calls(TOKENS).len() > 1);
    for (code, why) in [
        (400, "answered 400"),
        (401, "answered 401: Metriclet's credentials were rejected"),
        (403, "answered 403: Metriclet's service account lacks the permission"),
        (404, "answered 404"),
    ] {
        let before = kubernetes.calls(TOKENS).len();
        kubernetes.does(TOKENS, [Reply::Say(code, "x".repeat(1_000))]);
        let told = format!("{call}{why}");
        assert_eq!(review(&client, PATIENCE), Err((told.clone(), format!("{told} ({})", "x".repeat(256)))));
        assert_eq!(kubernetes.calls(TOKENS).len(), before + 1, "{code} is not tried again");
    }
    let gate = Gate::default();
    kubernetes.does(TOKENS, std::iter::repeat_n(Reply::Late(gate.clone()), 1_000));
    assert_eq!(review(&client, Duration::from_secs(2)).unwrap_err().0, format!("{call}timeout"));
    assert_eq!(review(&client, Duration::ZERO).unwrap_err().0, format!("{call}timeout"));
    // A slow response is a timeout; an endless one is malformed.
    let too_large = "answered a body of more than 1048576 bytes";
    for (length, time, why) in [(80, Duration::from_secs(2), "timeout"), (8 << 20, PATIENCE, too_large)] {
        let start = "x".repeat(length / 2);
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{\"kind\":\"{start}");
        kubernetes.does(TOKENS, std::iter::repeat_n(Reply::Stuck(reply, gate.clone()), 1_000));
        assert_eq!(review(&client, time).unwrap_err().0, format!("{call}{why}"));
    }
    gate.open();

    // An error counts by its status code, even if its body is truncated.
    let before = kubernetes.calls(TOKENS).len();
    let broken = "HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\nhalf".to_owned();
    kubernetes.does(TOKENS, [Reply::Raw(broken)]);
    let told = format!("{call}answered 403: Metriclet's service account lacks the permission");
    assert_eq!(review(&client, PATIENCE), Err((told.clone(), format!("{told} (half)"))));
    assert_eq!(kubernetes.calls(TOKENS).len(), before + 1, "a refusal is not tried again");

    // An unknown authority, or none: no byte is sent.
    let before = kubernetes.calls(TOKENS).len();
    let (other, namesake) = (&*SERVING, &Authority::new("kubernetes"));
    for (authority, why) in [
        (other, "signed by an authority that is not trusted"),
        (namesake, "signed by another authority with the name of a trusted one"),
    ] {
        let path = kubernetes.kubeconfig("{token: own}");
        let text = std::fs::read_to_string(&path).unwrap();
        let ca = file("other.crt", &authority.pem());
        let from = text.find("certificate-authority: '").unwrap();
        let to = from + text[from..].find("'}").unwrap();
        replace(&path, &format!("{}certificate-authority: '{}{}", &text[..from], ca.display(), &text[to..]));
        let client = self::client(&path);
        let error = review(&client, PATIENCE).unwrap_err();
        assert_eq!(error.0, format!("{call}tls: the server's certificate is {why}"), "{}", error.1);
    }
    assert_eq!(kubernetes.calls(TOKENS).len(), before);

    // No server.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = file(
        "kubeconfig",
        &format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: k}}}}]\n\
         clusters: [{{name: k, cluster: {{server: 'https://{gone}'}}}}]\n"
        ),
    );
    let error = review(&self::client(&path), Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.0, format!("TokenReview to https://{gone}: connect: connection refused"));
}

#[test]
fn a_certificate_for_another_name_needs_tls_server_name() {
    let kubernetes = start();
    let with = |insert: &str| {
        let path = kubernetes.kubeconfig("{token: own}");
        let text = std::fs::read_to_string(&path).unwrap();
        let text =
            text.replace("https://localhost", "https://127.0.0.1").replace("{server", &format!("{{{insert}server"));
        replace(&path, &text);
        review(&client(&path), PATIENCE)
    };
    let told =
        format!("TokenReview to https://{}: tls: the server's certificate is for other names", kubernetes.address);
    assert_eq!(with("").unwrap_err().0, told);
    assert_eq!(with("insecure-skip-tls-verify: true, "), Ok("u".to_owned()));
    assert_eq!(with("tls-server-name: localhost, "), Ok("u".to_owned()));
    assert_eq!(with("tls-server-name: elsewhere, ").unwrap_err().0, told);
}

/// The complete response is read.
#[test]
fn responses_are_read_completely() {
    let kubernetes = start();
    kubernetes.token("t", json!({"username": "u", "uid": "7", "groups": ["a", "b"], "extra": {"k": ["v"]}}));
    let client = client(&kubernetes.kubeconfig("{}"));
    let user = UserInfo {
        username: "u".into(),
        uid: "7".into(),
        groups: vec!["a".into(), "b".into()],
        extra: [("k".to_owned(), vec!["v".to_owned()])].into(),
    };
    let answer = client.token_review("t", Instant::now() + PATIENCE).unwrap();
    assert_eq!(answer, TokenReviewStatus { authenticated: true, user, error: String::new() });
}

/// An unusable kubeconfig is a configuration error, reported at the start.
#[test]
fn an_invalid_kubeconfig_is_reported_at_the_start() {
    let identity = SERVING.issue("localhost");
    let (cert, key) = (file("tls.crt", &identity.chain), file("tls.key", &identity.key));
    let kubernetes = start();
    let good = |user: &str| std::fs::read_to_string(kubernetes.kubeconfig(user)).unwrap();
    let missing = file("x", "").with_file_name("missing");
    for (content, why) in [
        (
            good("{exec: {command: aws, apiVersion: client.authentication.k8s.io/v1}}"),
            "exec: a server runs no programs for credentials, and metriclet get does so outside of a cluster only; give it \
             a token or a client certificate",
        ),
        (
            good("{token: x}").replace("https://", "http://"),
            "server: expected an https:// URL, found \"http://localhost:PORT\"",
        ),
        (good("{client-key-data: s3cret}"), "client-key-data: expected base64, found something else"),
        (
            "current-context: c\n".to_owned(),
            "contexts: expected an entry with a context and the name \"c\", found none",
        ),
        ("[".to_owned(), ""),
        ("\u{0}".to_owned(), ""),
    ] {
        let path = file("kubeconfig", &content);
        for flag in ["--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"] {
            let paths = [&cert, &key, &path].map(|path| path.to_str().unwrap());
            let (code, printed, told) = run(&[
                "--listen",
                "off",
                "--bind-address",
                "127.0.0.1",
                "--secure-port",
                "0",
                "--upstream",
                "http://127.0.0.1:9/",
                "--tls-cert-file",
                paths[0],
                "--tls-private-key-file",
                paths[1],
                flag,
                paths[2],
            ]);
            let why = why.replace("PORT", &kubernetes.address.port().to_string());
            assert_eq!((code, printed.as_str()), (78, ""), "{told}");
            assert!(told.contains(&format!("kubeconfig {}: {why}", path.display())), "{told}");
            assert!(!told.contains("s3cret"), "{told}");
        }
    }
    let paths = [&cert, &key, &missing].map(|path| path.to_str().unwrap());
    let (code, _, told) = run(&[
        "--listen",
        "off",
        "--upstream",
        "http://127.0.0.1:9/",
        "--tls-cert-file",
        paths[0],
        "--tls-private-key-file",
        paths[1],
        "--kubeconfig",
        paths[2],
    ]);
    assert_eq!(code, 78);
    assert!(told.contains(&format!("kubeconfig {}: not found", missing.display())), "{told}");
}

/// The environment of a pod: two variables, and the files of its service account, which change.
#[test]
fn a_pod_uses_its_service_account() {
    let kubernetes = start();
    let serving = SERVING.issue("localhost");
    let [cert, key, ca] = [("tls.crt", &serving.chain), ("tls.key", &serving.key), ("ca.crt", &KUBERNETES.pem())]
        .map(|(name, content)| file(name, content));
    // A separate mount namespace, in which /var/run is ours.
    let unshare = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none", "/run"]).output();
    if !unshare.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a mount namespace needs root and unshare");
        return;
    }
    let account = "/run/secrets/kubernetes.io/serviceaccount";
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p {account} && cp {} {account}/ca.crt && printf first >{account}/token && exec \"$@\"",
        ca.display()
    );
    let config = file("metrics.yaml", "sources: {}\nmetrics: []\n");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_metriclet")]);
    command.args(["--listen", "off", "--bind-address", "127.0.0.1", "--secure-port", "0", "--config"]).arg(config);
    command.arg("--tls-cert-file").arg(cert).arg("--tls-private-key-file").arg(key).stdin(Stdio::null());
    command.env_remove("RUST_LOG").env("KUBERNETES_SERVICE_HOST", "localhost");
    command.env("KUBERNETES_SERVICE_PORT", kubernetes.address.port().to_string());
    let mut server = Server::spawn(command);
    server.said("trusted authorities have changed");
    let sent = |path| kubernetes.calls(path).pop().unwrap().header("authorization").map(str::to_owned);
    assert_eq!(sent(CONFIG_MAP).as_deref(), Some("Bearer first"));
    let token = format!("/proc/{}/root{account}/token", server.pid());
    replace(Path::new(&token), "the second");
    let secure = Secure { server, cert: Path::new("").into(), key: Path::new("").into() };
    let header = "Authorization: Bearer unknown\r\n";
    assert_eq!(ask(&mut secure.client().connect(), "GET", "/apis", header).code, 401);
    assert_eq!(sent(TOKENS).as_deref(), Some("Bearer the second"));
}

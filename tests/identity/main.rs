//! Authentication and authorization over TLS, with a Kubernetes API for reviews.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod access;
#[path = "../common/mod.rs"]
mod common;

use std::io::Write;
use std::sync::mpsc;
use std::thread;

use common::kubernetes::{ACCESS, Kubernetes, Reply, TOKENS, arrived, ask, secure};
use common::secure::{CLIENTS, Client, DISCOVERY, FRONT_PROXIES, Secure, client_config, eventually, get, own};
use common::upstream::{Gate, Upstream};
use common::{Answer, file};
use rcgen::{DnType, KeyPair};
use ring::digest;
use serde_json::{Value, json};

const V1: &str = "/apis/custom.metrics.k8s.io/v1beta1";
const METRIC: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/a";

const PAGE: &str = "\
qps{namespace=\"default\",pod=\"web-0\",app=\"web\",verb=\"GET\"} 1.5
hits{namespace=\"default\",service=\"web\"} 12
nsm{namespace=\"default\"} 3
a{namespace=\"shop\",service=\"web\"} 1
load{node=\"n1\"} 0.25
";

/// A metric for each kind of route.
fn config() -> String {
    let url = Upstream::text(PAGE).url();
    format!(
        "sources:\n  app: {{url: '{url}', namespaces: [default, shop], labelSelector: labels, cache: 10m}}\nmetrics:\n  \
         - {{name: qps, object: pods, source: app}}\n  - {{name: hits, object: services, source: app}}\n  \
         - {{name: nsm, object: namespaces, source: app}}\n  - {{name: a, object: services, source: app}}\n  \
         - {{name: load, object: nodes, source: app}}\n"
    )
}

fn start(args: &[&str]) -> (Kubernetes, Secure) {
    let kubernetes = Kubernetes::start();
    let secure = kubernetes.secure(&config(), args);
    (kubernetes, secure)
}

fn front_proxy(secure: &Secure) -> Client {
    secure.client_of(client_config(Some(&FRONT_PROXIES.issue("front-proxy-client"))))
}

/// Headers of the front proxy for this user.
fn by(user: &str) -> String {
    format!("X-Remote-User: {user}\r\n")
}

fn token(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// The message of a 403, after checking its details.
fn forbidden(answer: &Answer, details: &Value) -> String {
    let status = answer.json();
    assert_eq!((answer.code, &status["reason"], &status["details"]), (403, &json!("Forbidden"), details), "{status}");
    status["message"].as_str().unwrap().to_owned()
}

/// Every distinct recorded request of a real aggregator.
#[test]
fn requests_of_a_real_aggregator_are_accepted() {
    let (kubernetes, secure) = start(&[]);
    let client = front_proxy(&secure);
    let requests = include_str!("../fixtures/aggregator-requests.jsonl");
    let hpa = json!({
        "user": "system:serviceaccount:kube-system:horizontal-pod-autoscaler",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": ["JTI=b200b8ec-8114-484b-a8c6-fdd4b69d0598"]},
        "uid": "f1d0eb8f-7325-4b98-a8b4-eff2a9272bb8",
    });
    let question = |attributes: &Value| {
        let mut question = hpa.clone();
        let mut all =
            json!({"namespace": "default", "verb": "get", "group": "custom.metrics.k8s.io", "version": "v1beta2"});
        all.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        question["resourceAttributes"] = all;
        question
    };
    let questions = [
        question(&json!({"resource": "pods", "subresource": "qps", "name": "*"})),
        question(&json!({"resource": "services", "subresource": "hits", "name": "web"})),
        question(&json!({"resource": "metrics", "name": "nsm"})),
    ];
    let mut asked = 0;
    for line in requests.lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        assert_eq!(request["client_cert_cn"], "front-proxy-client");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (method, target) = (text(&request["method"]), text(&request["target"]));
        let headers = request["headers"].as_array().unwrap().iter();
        let lines: String = headers.map(|pair| format!("{}: {}\r\n", text(&pair[0]), text(&pair[1]))).collect();
        let mut stream = client.connect();
        stream.write_all(format!("{method} {target} HTTP/1.1\r\n{lines}\r\n").as_bytes()).unwrap();
        let answer = common::secure::read_answer(&mut stream).unwrap();
        let of_hpa = lines.contains("horizontal-pod-autoscaler\r\nAccept-Encoding");
        match target.split(['?', '/']).next_back().unwrap() {
            _ if method == "DELETE" => assert_eq!(answer.code, 405),
            _ if target.contains("/pods/%2A/qps") => {
                // kubectl's request has another selector, on a label that no series has.
                let odd = target.contains("x+in+");
                assert_eq!(answer.code, if odd { 400 } else { 200 }, "{line}: {answer:?}");
                if !odd {
                    assert_eq!(answer.values(), "web-0 1500m");
                }
            }
            _ if target.ends_with("/services/web/hits") => assert_eq!(answer.values(), "web 12"),
            _ if target.ends_with("/metrics/nsm") => assert_eq!(answer.values(), "default 3"),
            _ if target == "/apis" => {
                assert!(answer.body.starts_with(r#"{"kind":"APIGroupDiscoveryList""#), "{answer:?}");
            }
            _ if target.starts_with("/apis/") && target.ends_with(".k8s.io/v1beta1")
                || target == "/apis/custom.metrics.k8s.io/v1beta2" =>
            {
                assert_eq!(answer.json()["kind"], "APIResourceList");
            }
            _ if target.starts_with("/openapi/") => assert_eq!(answer.code, 200, "{line}: {answer:?}"),
            // External metrics are not served: 404, not 401 or 403.
            _ => assert_eq!(answer.code, 404, "{line}: {answer:?}"),
        }
        asked += usize::from(of_hpa);
        // system:masters and discovery need no review.
        assert_eq!(kubernetes.calls(ACCESS).len(), asked, "{line}");
    }
    assert_eq!(kubernetes.asked(), questions);
    let call = &kubernetes.calls(ACCESS)[0];
    let body: Value = serde_json::from_str(&call.body).unwrap();
    let whole = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": questions[0]});
    assert_eq!(body, whole);
    assert_eq!((call.method.as_str(), call.header("content-type")), ("POST", Some("application/json")));
    assert_eq!(call.header("authorization"), Some("Bearer own-token"));
    assert_eq!(kubernetes.calls(TOKENS).len(), 0);
}

#[test]
fn users_have_the_attributes_from_the_front_proxy() {
    let (kubernetes, secure) = start(&[]);
    let mut stream = front_proxy(&secure).connect();
    let headers = "x-remote-user: first\r\nX-Remote-User: second\r\nX-REMOTE-GROUP: b\r\nX-Remote-Group: a, c\r\n\
                   X-Remote-Group: \r\nX-Remote-Uid: 7\r\nX-Remote-Extra-Scopes: s1\r\nx-remote-extra-scopes: s2\r\n\
                   X-Remote-Extra-Example.org%2fPod%20Name: p\r\nX_Remote_Group: system:masters\r\n\
                   Authorization: Bearer ignored\r\n";
    assert_eq!(ask(&mut stream, "GET", METRIC, headers).values(), "web 1");
    let mut spec = kubernetes.asked().pop().unwrap();
    spec.as_object_mut().unwrap().remove("resourceAttributes");
    let expected = json!({
        "user": "first", "uid": "7", "groups": ["b", "a, c", "system:authenticated"],
        "extra": {"scopes": ["s1", "s2"], "example.org/pod name": ["p"]},
    });
    assert_eq!(spec, expected);
    assert_eq!(kubernetes.calls(TOKENS).len(), 0, "the first successful authentication counts");
    // A rejected token is cached, and gets no discovery.
    let unknown = "X-Remote-User: system:anonymous\r\nX-Remote-Group: system:unauthenticated\r\n";
    assert_eq!(ask(&mut stream, "GET", METRIC, unknown).values(), "web 1");
    assert_eq!(kubernetes.asked().pop().unwrap()["groups"], json!(["system:unauthenticated"]));
    let path = "forbidden: User \"system:anonymous\" cannot get path \"/apis/custom.metrics.k8s.io/v1beta2\"";
    assert_eq!(forbidden(&ask(&mut stream, "GET", DISCOVERY, unknown), &json!({})), path);
}

#[test]
fn client_certificates_identify_users() {
    let (kubernetes, secure) = start(&[]);
    let identity = CLIENTS.issue_with("jane", &KeyPair::generate().unwrap(), |params| {
        params.distinguished_name.push(DnType::OrganizationName, "dev");
        params.distinguished_name.push(DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 57683, 2]), "42");
    });
    let hash = digest::digest(&digest::SHA256, &identity.certificates()[0]);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut stream = secure.client_of(client_config(Some(&identity))).connect();
    // Its headers about other users are ignored.
    assert_eq!(ask(&mut stream, "GET", METRIC, &(by("root") + "X-Remote-Group: system:masters\r\n")).values(), "web 1");
    let mut spec = kubernetes.asked().pop().unwrap();
    spec.as_object_mut().unwrap().remove("resourceAttributes");
    let expected = json!({
        "user": "jane", "uid": "42", "groups": ["dev", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": [format!("X509SHA256={hash}")]},
    });
    assert_eq!(spec, expected);
    let master = CLIENTS.issue_with("root", &KeyPair::generate().unwrap(), |params| {
        params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    });
    kubernetes.policy(|_| json!({"allowed": false}));
    assert_eq!(secure.client_of(client_config(Some(&master))).get(METRIC).values(), "web 1");
    assert_eq!(kubernetes.calls(ACCESS).len(), 1);
}

#[test]
fn tokens_are_reviewed() {
    let (kubernetes, secure) = start(&[]);
    kubernetes.token("good", json!({"username": "sa", "uid": "9", "groups": ["g"], "extra": {"k": ["v"]}}));
    kubernetes.token("master", json!({"username": "m", "groups": ["system:masters"]}));
    let mut stream = secure.client().connect();
    assert_eq!(ask(&mut stream, "GET", METRIC, &token("good")).values(), "web 1");
    let spec = kubernetes.asked().pop().unwrap();
    assert_eq!([&spec["user"], &spec["uid"]], ["sa", "9"]);
    assert_eq!((&spec["groups"], &spec["extra"]), (&json!(["g", "system:authenticated"]), &json!({"k": ["v"]})));
    let review: Value = serde_json::from_str(&kubernetes.calls(TOKENS)[0].body).unwrap();
    let expected = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "good"}});
    assert_eq!(review, expected);
    assert_eq!(kubernetes.calls(TOKENS)[0].header("authorization"), Some("Bearer own-token"));
    // The scheme is case-insensitive, so the same token needs no second review.
    for scheme in ["bearer", "BEARER", "Bearer  "] {
        assert_eq!(ask(&mut stream, "GET", METRIC, &format!("authorization: {scheme} good\r\n")).values(), "web 1");
    }
    assert_eq!((kubernetes.calls(TOKENS).len(), kubernetes.calls(ACCESS).len()), (1, 1));
    assert_eq!(ask(&mut stream, "GET", METRIC, &token("master")).values(), "web 1");
    assert_eq!((kubernetes.calls(TOKENS).len(), kubernetes.calls(ACCESS).len()), (2, 1));
    // A rejection is cached, too.
    for _ in 0..3 {
        assert_eq!(ask(&mut stream, "GET", METRIC, &token("bad")).status(), "401 Unauthorized: Unauthorized");
    }
    assert_eq!(kubernetes.calls(TOKENS).len(), 3);
    // An error of the API server is not cached.
    let wrong = json!({"kind": "TokenReview", "status": {"authenticated": false, "error": "etcd is slow"}}).to_string();
    kubernetes.does(TOKENS, [Reply::Say(201, wrong)]);
    kubernetes.token("later", json!({"username": "l"}));
    assert_eq!(ask(&mut stream, "GET", METRIC, &token("later")).status(), "401 Unauthorized: Unauthorized");
    assert_eq!(ask(&mut stream, "GET", METRIC, &token("later")).values(), "web 1");
    assert_eq!(kubernetes.calls(TOKENS).len(), 5);
    // An authenticated user needs a name.
    kubernetes.token("nameless", json!({}));
    assert_eq!(ask(&mut stream, "GET", DISCOVERY, &token("nameless")).status(), "401 Unauthorized: Unauthorized");
}

#[test]
fn unverified_clients_get_only_always_allowed_paths() {
    let (kubernetes, secure) = start(&[]);
    let mut stream = secure.client().connect();
    for path in ["/healthz", "/livez", "/readyz", "/readyz?verbose"] {
        assert_eq!(ask(&mut stream, "GET", path, "").code, 200, "{path}");
    }
    for (path, details) in [
        ("/readyz/trust", json!({})),
        ("/livez/", json!({})),
        ("/metrics", json!({})),
        ("/version", json!({})),
        ("/", json!({})),
        ("/apis", json!({})),
        ("/openapi/v2", json!({})),
        ("/nothing", json!({})),
        ("/%zz", json!({})),
        (DISCOVERY, json!({})),
        (METRIC, json!({"name": "web", "group": "custom.metrics.k8s.io", "kind": "services"})),
    ] {
        let forged = by("root") + "X-Remote-Group: system:masters\r\nAuthorization: Basic cm9vdDpyb290\r\n";
        let message = forbidden(&ask(&mut stream, "GET", path, &forged), &details);
        assert!(message.contains("forbidden: User \"system:anonymous\" cannot get "), "{path}: {message}");
    }
    assert_eq!((kubernetes.calls(TOKENS).len(), kubernetes.calls(ACCESS).len()), (0, 0), "no review is made for them");
}

#[test]
fn responses_and_logs_contain_no_secrets() {
    let (kubernetes, secure) = start(&["-vvv"]);
    let mut secure = secure;
    let identity = CLIENTS.issue("jane");
    kubernetes.token("good-s3cret", json!({"username": "sa"}));
    let mut direct = secure.client().connect();
    let mut answers = String::new();
    for value in ["good-s3cret", "bad-s3cret", "odd \u{1}s3cret", "x-s3cret y"] {
        answers += &format!("{:?}", ask_with_headers(&secure, &token(value)));
    }
    for reply in [Reply::Say(500, "own-token good-s3cret".into()), Reply::Say(200, "own-token".into()), Reply::Drop] {
        kubernetes.script(move |_| reply.clone());
        let headers = token("other-s3cret") + "Cookie: s3cret\r\n";
        answers += &format!("{:?}", ask(&mut direct, "GET", METRIC, &headers));
    }
    kubernetes.script(|_| Reply::Good);
    answers += &format!("{:?}", secure.client_of(client_config(Some(&identity))).get(METRIC));
    let master = by("m") + "X-Remote-Group: system:masters\r\n";
    answers += &ask(&mut front_proxy(&secure).connect(), "GET", "/metrics", &master).body;
    secure.server.signal("KILL");
    secure.server.wait();
    let log = secure.server.seen.join("\n");
    assert!(log.contains("not authenticated: invalid bearer token"), "{log}");
    for secret in ["s3cret", "Bearer", "BEGIN CERTIFICATE", "PRIVATE KEY"] {
        assert!(!answers.contains(secret), "{secret} in {answers}");
    }
    for secret in
        ["bad-s3cret", "other-s3cret", "odd", "x-s3cret", "Cookie", "Bearer", "BEGIN CERTIFICATE", "PRIVATE KEY"]
    {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

fn ask_with_headers(secure: &Secure, headers: &str) -> Answer {
    let request = format!("GET {METRIC} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
    Answer::parse(secure.client().converse(&request).as_bytes())
}

#[test]
fn ready_once_the_authorities_are_known() {
    let kubernetes = Kubernetes::start();
    kubernetes.script(|_| Reply::Say(503, "{}".into()));
    let kubeconfig = kubernetes.kubeconfig("{token: t}");
    let mut secure = secure(&config(), &["--kubeconfig", kubeconfig.to_str().unwrap()]);
    let client = secure.client();
    let cause = "cannot read extension-apiserver-authentication: ConfigMap extension-apiserver-authentication to ";
    let line = secure.server.said(cause);
    assert!(line.ends_with(&format!("{}: answered 503 ({{}})", kubernetes.url())), "{line}");
    let not_ready = client.get("/readyz");
    assert_eq!(not_ready.code, 500);
    assert!(not_ready.body.contains("[-]trust failed"), "{}", not_ready.body);
    assert_eq!(client.get("/livez").body, "ok");
    let proxy = front_proxy(&secure);
    assert_eq!(proxy.get(DISCOVERY).status(), "401 Unauthorized: Unauthorized");
    kubernetes.script(|_| Reply::Good);
    secure.server.wait_for("trusted authorities have changed");
    eventually(|| match client.get("/readyz").body.as_str() {
        "ok" => Ok(()),
        other => Err(other.to_owned()),
    });
    let mut stream = proxy.connect();
    assert_eq!(ask(&mut stream, "GET", DISCOVERY, &by("u")).code, 200);
    // An outage changes nothing: an untrusted certificate causes another check, and the authorities stay.
    let calls = kubernetes.calls(common::kubernetes::CONFIG_MAP).len();
    kubernetes.script(|_| Reply::Drop);
    let doubtful = secure.client_of(client_config(Some(&common::tls::Authority::new("untrusted").issue("x"))));
    assert_eq!(doubtful.get(DISCOVERY).code, 401);
    arrived(&kubernetes, common::kubernetes::CONFIG_MAP, calls + 1);
    secure.server.wait_for("cannot read extension-apiserver-authentication");
    assert_eq!(ask(&mut stream, "GET", DISCOVERY, &by("u")).code, 200);
    assert_eq!(client.get("/readyz").body, "ok");
}

/// Header names and allowed names can be configured; with the authority's flag, they come from flags, too.
#[test]
fn files_take_precedence() {
    let (ca, clients) = (file("proxies.crt", &CLIENTS.pem()), file("clients.crt", &FRONT_PROXIES.pem()));
    let kubernetes = Kubernetes::start();
    let kubeconfig = kubernetes.kubeconfig("{token: t}");
    let flags = ["--requestheader-client-ca-file", ca.to_str().unwrap(), "--client-ca-file", clients.to_str().unwrap()];
    let headers = [
        "--requestheader-allowed-names=other,mine",
        "--requestheader-username-headers=X-Name,X-Who",
        "--requestheader-group-headers=X-Team",
        "--requestheader-uid-headers=X-Id",
        "--requestheader-extra-headers-prefix=X-More-",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
    ];
    let secure = secure(&config(), &[&flags[..], &headers].concat());
    let mut stream = secure.client_of(client_config(Some(&CLIENTS.issue("mine")))).connect();
    let sent = by("root") + "X-Who: w\r\nX-Team: t\r\nX-Id: 3\r\nX-More-K: v\r\nX-Remote-Group: system:masters\r\n";
    assert_eq!(ask(&mut stream, "GET", METRIC, &sent).values(), "web 1");
    let mut spec = kubernetes.asked().pop().unwrap();
    spec.as_object_mut().unwrap().remove("resourceAttributes");
    let expected = json!({"user": "w", "uid": "3", "groups": ["t", "system:authenticated"], "extra": {"k": ["v"]}});
    assert_eq!(spec, expected);
    let unnamed = secure.client_of(client_config(Some(&CLIENTS.issue("front-proxy-client"))));
    assert_eq!(ask(&mut unnamed.connect(), "GET", METRIC, &sent).code, 401);
    let user = secure.client_of(client_config(Some(&FRONT_PROXIES.issue("front-proxy-client"))));
    assert_eq!(ask(&mut user.connect(), "GET", METRIC, &sent).values(), "web 1");
    assert_eq!(kubernetes.asked().pop().unwrap()["user"], "front-proxy-client");
    assert_eq!(kubernetes.calls(common::kubernetes::CONFIG_MAP).len(), 0);
}

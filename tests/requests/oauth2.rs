//! OAuth 2 tokens: fetched once for all requests, fetched again when they expire or are rejected, and never shown.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use crate::common::upstream::{Gate, Upstream, page, read_body};
use crate::common::{Answer, PATIENCE, Server, file, replace};
use crate::{ask, get, serve, values};

const WEB: &str = ", describes: {namespace: shop, name: web}";

/// A server with numbered tokens, each valid for this many seconds.
struct Issuer {
    upstream: Upstream,
    forms: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    fn start(seconds: u32) -> Self {
        Self::answering(move |number| {
            let token = format!(r#"{{"access_token":"t0ken-{number}","token_type":"Bearer","expires_in":{seconds}}}"#);
            page("application/json", &token)
        })
    }

    fn answering(answer: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let forms = Arc::new(Mutex::new(Vec::new()));
        let (posted, count) = (forms.clone(), AtomicUsize::new(1));
        let upstream = Upstream::start(move |head, stream| {
            posted.lock().unwrap().push(read_body(head, stream));
            let _ = stream.write_all(&answer(count.fetch_add(1, Ordering::SeqCst)));
        });
        Self { upstream, forms }
    }

    /// `oauth2` with additional keys.
    fn key(&self, more: &str) -> String {
        let secret = file("secret", "s3cret+/ \n");
        format!(
            "oauth2: {{tokenUrl: 'http://{}/token?x=y', clientId: 'my app', clientSecretFile: '{}'{more}}}",
            self.upstream.address,
            secret.display()
        )
    }
}

/// A server that accepts these tokens.
fn protected(taken: &Arc<Mutex<Vec<String>>>) -> Upstream {
    let taken = taken.clone();
    Upstream::start(move |head, stream| {
        let given = values(head, "authorization").join("|");
        let answer = match taken.lock().unwrap().iter().any(|token| given == format!("Bearer {token}")) {
            true => page("text/plain", "3"),
            false => b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n".to_vec(),
        };
        let _ = stream.write_all(&answer);
    })
}

fn tokens(tokens: &[&str]) -> Arc<Mutex<Vec<String>>> {
    Arc::new(Mutex::new(tokens.iter().map(|token| (*token).to_owned()).collect()))
}

/// The client authenticates itself by HTTP Basic, and requests one token until it expires.
#[test]
fn one_token_is_used_until_it_expires() {
    let (issuer, upstream) = (Issuer::start(3_600), protected(&tokens(&["t0ken-1"])));
    let oauth2 = issuer.key(", scopes: [metrics.read, 'a:b'], audience: https://queue");
    let server = serve(
        &format!("url: 'http://{}/{{name}}', namespaces: [shop], format: number, {oauth2}", upstream.address),
        "",
    );
    for name in ["a", "b"] {
        assert_eq!(ask(&server, "shop", name), format!("{name} 3"));
    }
    assert_eq!(
        *issuer.forms.lock().unwrap(),
        ["grant_type=client_credentials&scope=metrics.read%20a%3Ab&audience=https%3A%2F%2Fqueue".replace("%20", "+")]
    );
    let head = &issuer.upstream.heads()[0];
    assert!(head.starts_with("POST /token?x=y HTTP/1.1"), "{head}");
    // "my%20app:s3cret%2B%2F": form encoding before base64.
    assert_eq!(values(head, "authorization"), ["Basic bXklMjBhcHA6czNjcmV0JTJCJTJG"]);
}

#[test]
fn the_secret_may_be_in_the_body() {
    let (issuer, upstream) = (Issuer::start(3_600), protected(&tokens(&["t0ken-1"])));
    let oauth2 = issuer.key(", clientAuth: body");
    let server = serve(&format!("url: 'http://{}', format: number, {oauth2}", upstream.address), WEB);
    assert_eq!(ask(&server, "shop", "web"), "web 3");
    let form = issuer.forms.lock().unwrap()[0].clone();
    assert_eq!(form, "grant_type=client_credentials&client_id=my+app&client_secret=s3cret%2B%2F");
    assert_eq!(values(&issuer.upstream.heads()[0], "authorization"), [""; 0]);
}

/// A token that expires at once is fetched for each request, with the current secret.
#[test]
fn tokens_expire_and_secrets_rotate() {
    let issuer = Issuer::start(0);
    let upstream = protected(&tokens(&["t0ken-1", "t0ken-2"]));
    let secret = file("rotating", "one");
    let oauth2 = format!(
        "oauth2: {{tokenUrl: 'http://{}', clientId: a, clientSecretFile: '{}'}}",
        issuer.upstream.address,
        secret.display()
    );
    let server = serve(
        &format!("url: 'http://{}/{{name}}', namespaces: [shop], format: number, {oauth2}", upstream.address),
        "",
    );
    assert_eq!(ask(&server, "shop", "a"), "a 3");
    replace(&secret, "two");
    assert_eq!(ask(&server, "shop", "b"), "b 3");
    let sent: Vec<_> = issuer.upstream.heads().iter().map(|head| values(head, "authorization").concat()).collect();
    assert_eq!(sent, ["Basic YTpvbmU=", "Basic YTp0d28="]);
}

/// A 401 discards the token once: a source that rejects all tokens does not overload their issuer.
#[test]
fn a_rejected_token_is_replaced_once() {
    let (issuer, taken) = (Issuer::start(3_600), tokens(&["t0ken-1"]));
    let upstream = protected(&taken);
    let source =
        format!("url: 'http://{}/{{name}}', namespaces: [shop], format: number, {}", upstream.address, issuer.key(""));
    let server = serve(&source, "");
    assert_eq!(ask(&server, "shop", "a"), "a 3");
    *taken.lock().unwrap() = vec!["t0ken-2".to_owned()];
    assert_eq!(ask(&server, "shop", "b"), "b 3");
    assert_eq!(upstream.requests(), 3, "the second request is repeated");
    taken.lock().unwrap().clear();
    for name in ["c", "d", "e"] {
        assert!(ask(&server, "shop", name).ends_with("source app answered 401"));
    }
    assert_eq!(issuer.upstream.requests(), 2);
}

/// Requests that arrive while a token is fetched wait for it.
#[test]
fn one_fetch_at_a_time() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let (arrived, arrivals) = mpsc::channel();
    let issuer = Issuer::answering(move |_| {
        arrived.send(()).unwrap();
        waiting.wait();
        page("application/json", r#"{"access_token":"t0ken-1"}"#)
    });
    let upstream = protected(&tokens(&["t0ken-1"]));
    let source =
        format!("url: 'http://{}/{{name}}', namespaces: [shop], format: number, {}", upstream.address, issuer.key(""));
    let server = serve(&source, "");
    let path = |name| format!("namespaces/shop/services/{name}/depth");
    let asked = ["a", "b", "c"].map(|name| server.ask(&path(name)));
    arrivals.recv_timeout(PATIENCE).unwrap();
    gate.open();
    let answers = asked.map(|stream| Answer::read(stream).values());
    assert_eq!(answers, ["a 3", "b 3", "c 3"]);
    assert_eq!(issuer.upstream.requests(), 1);
}

/// Errors of the token's server are cached, and reported by their code only, without secrets.
#[test]
fn failures() {
    let refuse = |status: u16, body: &str| {
        format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    };
    let description = r#"{"error":"invalid_client","error_description":"s3cret"}"#;
    for (answer, why) in [
        (refuse(401, description), "oauth2: the token endpoint answered invalid_client"),
        (refuse(500, "s3cret"), "oauth2: the token endpoint answered 500"),
        (refuse(200, "s3cret"), "oauth2: the token endpoint answered something that is not a token in JSON"),
        (b"x".to_vec(), "oauth2: answered something that is not HTTP/1"),
    ] {
        let issuer = Issuer::answering(move |_| answer.clone());
        let upstream = protected(&tokens(&[]));
        let source = format!(
            "url: 'http://{}/{{name}}', namespaces: [shop], format: number, {}",
            upstream.address,
            issuer.key("")
        );
        let config = file("metrics.yaml", &crate::config(&source, ""));
        let mut server = Server::start(&["--config", config.to_str().unwrap(), "-vv"]);
        for name in ["a", "b"] {
            let answer = ask(&server, "shop", name);
            assert!(answer.ends_with(&format!("source app {why}")), "{answer}");
        }
        assert_eq!((issuer.upstream.requests(), upstream.requests()), (1, 0), "{why}");
        server.wait_for(why);
        assert!(!server.seen.iter().any(|line| line.contains("s3cret")), "{:#?}", server.seen);
        let printed = get(&source, "", "a");
        assert!(printed.contains(why) && !printed.contains("s3cret"), "{printed}");
    }
}

#[test]
fn no_token_is_printed() {
    let (issuer, upstream) = (Issuer::start(3_600), protected(&tokens(&["t0ken-1"])));
    let printed = get(&format!("url: 'http://{}', format: number, {}", upstream.address, issuer.key("")), WEB, "web");
    assert!(printed.contains("Service/web") && !printed.contains("t0ken") && !printed.contains("s3cret"), "{printed}");
}

//! Sources with `refresh`, which are fetched in the background because they take longer than a request may.

use std::io::Write;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use crate::common::PATIENCE;
use crate::common::upstream::{Upstream, page};
use crate::{ask, get, serve};

const WEB: &str = ", describes: {namespace: shop, name: web}";
const REFRESH: &str = "format: number, timeout: 10s, refresh: 5s";

/// A server that sends the responses in order, each when the test releases it.
fn scripted() -> (Upstream, mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>) {
    let ((arrived, arrivals), (answer, answers)) = (mpsc::channel(), mpsc::channel::<Vec<u8>>());
    let answers = Arc::new(Mutex::new(answers));
    let upstream = Upstream::start(move |_, stream| {
        let _ = arrived.send(());
        if let Ok(answer) = answers.lock().unwrap().recv() {
            let _ = stream.write_all(&answer);
        }
    });
    (upstream, arrivals, answer)
}

fn number(value: &str) -> Vec<u8> {
    page("text/plain", value)
}

/// Repeats the request until the response differs from this one.
fn after(server: &crate::common::Server, before: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = ask(server, "shop", "web");
        if answer != before {
            return answer;
        }
        assert!(Instant::now() < until, "still {before}");
        std::thread::yield_now();
    }
}

/// A fetch outlives the request that started it, and later requests are answered at once, even during a refresh; its result,
/// a page or a failure, replaces the previous one.
#[test]
fn answers_from_pages_fetched_in_the_background() {
    let (upstream, arrivals, answer) = scripted();
    let server = serve(&format!("url: 'http://{}', {REFRESH}", upstream.address), WEB);
    let busy = "503 ServiceUnavailable: depth of services/web in namespace shop: source app timeout: waiting for a fetch of \
                the same page";
    assert_eq!(ask(&server, "shop", "web"), busy);
    arrivals.recv_timeout(PATIENCE).unwrap();
    answer.send(number("3")).unwrap();
    assert_eq!(after(&server, busy), "web 3");
    let at = |server: &crate::common::Server| {
        let answer = server.metric("namespaces/shop/services/web/depth").json();
        answer["items"][0]["timestamp"].as_str().unwrap().to_owned()
    };
    let first = at(&server);
    arrivals.recv_timeout(PATIENCE).unwrap();
    let began = Instant::now();
    assert_eq!((ask(&server, "shop", "web").as_str(), at(&server)), ("web 3", first));
    assert!(began.elapsed() < PATIENCE / 4, "no request waits for a refresh");
    answer.send(number("4")).unwrap();
    assert_eq!(after(&server, "web 3"), "web 4");
    arrivals.recv_timeout(PATIENCE).unwrap();
    answer.send(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".to_vec()).unwrap();
    assert!(after(&server, "web 4").ends_with("source app answered 500"));
    arrivals.recv_timeout(PATIENCE).unwrap();
    assert_eq!(upstream.requests(), 4);
}

/// Queries are refreshed, too; each namespace has its own.
#[test]
fn queries() {
    let upstream = crate::Recorder::start("application/json", |_| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{{\"metric\":{{\"service\":\"web\"}},\"value\":[{now},\"3\"]}}]}}}}"
        )
    });
    let server = serve(&format!("prometheus: '{}', refresh: 5m", upstream.url()), ", value: sum(x), maxAge: 10m");
    for namespace in ["shop", "bank", "shop"] {
        assert_eq!(ask(&server, namespace, "web"), "web 3");
    }
    assert_eq!(upstream.requests().len(), 2);
}

/// `get` suggests `--wait` for a slow fetch.
#[test]
fn get_suggests_waiting() {
    let (upstream, _arrivals, _answer) = scripted();
    let printed = get(&format!("url: 'http://{}', {REFRESH}", upstream.address), WEB, "web");
    assert!(printed.contains("use --wait 20s"), "{printed}");
}

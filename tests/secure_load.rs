//! Thousands of misbehaving clients, and a correct one that must not notice.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::kubernetes::{ACCESS, Kubernetes, Reply, TOKENS, ask};
use common::secure::{
    Client, DISCOVERY, FRONT_PROXIES, Held, MASTER, METRIC, Secure, Stream, client_config, config, eventually, get,
    own, read_answer,
};
use common::upstream::{Gate, Upstream, page};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The number of connections of each kind of misbehaving client.
const MANY: usize = 2_000;

const PODS: &str = "/api/v1/namespaces/shop/pods";

/// A server, its idle resources, and a correct client's connection to it.
fn start(args: &[&str]) -> (Secure, Held, Stream) {
    // This process needs as many files as all misbehaving clients together; the server inherits the limit.
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    // A busy machine may not fetch from the source in time; this test covers only connections.
    let page = config(&Upstream::text("a 1\n")).replace("namespaces", "cache: 10m, namespaces");
    let secure = Secure::with_config(&page, args);
    let mut good = secure.known_client().connect();
    // Lazily created resources exist from now on.
    for path in ["/livez", METRIC, DISCOVERY, "/metrics"] {
        assert_eq!(get(&mut good, path).code, 200, "{path}");
    }
    let mut held = secure.held();
    // The connection to the upstream closes by itself.
    eventually(|| {
        let now = secure.held();
        let same = now == held;
        held = now;
        if same { Ok(()) } else { Err("it does not come to rest".to_owned()) }
    });
    (secure, held, good)
}

/// The correct client gets correct responses on its open connection and on a new one.
fn is_served(secure: &Secure, good: &mut Stream, client: &Client) {
    for _ in 0..20 {
        assert_eq!(get(good, DISCOVERY).code, 200);
        assert_eq!(get(good, METRIC).values(), "web 1");
        // Not /livez, because on a busy machine a worker may not run for long enough to count as stuck.
        assert_eq!(client.get(DISCOVERY).code, 200);
    }
    assert!(secure.server.pid() > 0);
}

/// All resources are released, and every worker is alive.
fn is_over(secure: &Secure, held: &Held, resident: u64, good: &mut Stream) {
    secure.back_to(held);
    let page = get(good, "/metrics").body;
    assert_eq!(own(&page, "metriclet_panics_total"), 0.0);
    assert_eq!(own(&page, "metriclet_connections_open{client=\"unverified\"}"), 0.0);
    eventually(|| match get(good, "/livez").code {
        200 => Ok(()),
        code => Err(format!("/livez returns {code}")),
    });
    // At most the allocator's overhead for thousands of connections.
    let now = secure.resident();
    assert!(now < resident + (48 << 20), "{resident} bytes before, {now} after");
}

/// Waits until the server has closed all connections of the misbehaving clients.
fn all_ended(sockets: Vec<TcpStream>) {
    for mut socket in sockets {
        match socket.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
}

fn many(address: SocketAddr, mut each: impl FnMut(&mut TcpStream)) -> Vec<TcpStream> {
    let connect = |_| {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
        each(&mut socket);
        socket
    };
    (0..MANY).map(connect).collect()
}

#[test]
fn slow_handshakes_delay_no_other_client() {
    let (secure, held, mut good) = start(&[]);
    let (resident, client) = (secure.resident(), secure.known_client());
    let slow = many(secure.server.address, |socket| socket.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap());
    is_served(&secure, &mut good, &client);
    // None was rejected: all stayed until their deadline.
    all_ended(slow);
    let timeouts = own(&get(&mut good, "/metrics").body, "metriclet_tls_handshake_failures_total{reason=\"timeout\"}");
    assert_eq!(timeouts, MANY as f64);
    is_over(&secure, &held, resident, &mut good);
}

/// More of them than slots: the oldest are evicted, and verified clients have their own slots.
#[test]
fn unverified_clients_get_at_most_half_of_the_slots() {
    let (secure, held, mut good) = start(&["--max-connections", "400"]);
    let (resident, client) = (secure.resident(), secure.known_client());
    let slow = many(secure.server.address, |_| {});
    is_served(&secure, &mut good, &client);
    let page = get(&mut good, "/metrics").body;
    let open = own(&page, "metriclet_connections_open{client=\"unverified\"}");
    assert!(open <= 200.0 + 64.0, "{open}");
    let away = own(&page, "metriclet_tls_handshake_failures_total{reason=\"evicted\"}")
        + own(&page, "metriclet_connections_refused_total{reason=\"full\"}");
    assert!(away >= (MANY - 264) as f64, "{away}");
    drop(slow);
    is_over(&secure, &held, resident, &mut good);
}

/// Opens connections on several threads, because the test is about the server's work.
fn unverified(secure: &Secure, count: usize, request: &[u8]) -> Vec<TcpStream> {
    let client = secure.client();
    let sockets = Mutex::new(Vec::new());
    let left = AtomicUsize::new(count);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let mut stream = client.connect();
                    // The connection may be closed before everything is sent.
                    let _ = stream.write_all(request);
                    sockets.lock().unwrap().push(stream.sock);
                }
            });
        }
    });
    sockets.into_inner().unwrap()
}

#[test]
fn slow_heads_delay_no_other_client() {
    let (secure, held, mut good) = start(&[]);
    let (resident, client) = (secure.resident(), secure.known_client());
    let slow = unverified(&secure, MANY, b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ");
    is_served(&secure, &mut good, &client);
    all_ended(slow);
    let timeouts = own(&get(&mut good, "/metrics").body, "metriclet_connections_ended_total{reason=\"head_timeout\"}");
    assert_eq!(timeouts, MANY as f64);
    is_over(&secure, &held, resident, &mut good);
}

/// They send requests and do not read; some request more than the network buffers, so the server queues it. The queue and
/// the time are bounded.
#[test]
fn slow_readers_delay_no_other_client() {
    const GREEDY: usize = 20;
    let (secure, held, mut good) = start(&[]);
    let (resident, client) = (secure.resident(), secure.known_client());
    let ask = |count| "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(count);
    let slow = unverified(&secure, MANY - GREEDY, ask(1).as_bytes());
    // Responses of megabytes, and requests that fit the network's buffers.
    let greedy = unverified(&secure, GREEDY, ask(1_000).as_bytes());
    is_served(&secure, &mut good, &client);
    let most = secure.resident();
    assert!(most < resident + (192 << 20), "{most} bytes with {MANY} slow readers");
    eventually(|| {
        let page = get(&mut good, "/metrics").body;
        let ended = |why| own(&page, &format!("metriclet_connections_ended_total{{reason=\"{why}\"}}"));
        match (ended("write_timeout"), ended("idle")) {
            (late, idle) if late == GREEDY as f64 && idle == (MANY - GREEDY) as f64 => Ok(()),
            found => Err(format!("{found:?} were ended")),
        }
    });
    drop((slow, greedy));
    is_over(&secure, &held, resident, &mut good);
}

#[test]
fn thousands_of_connections_leave_no_resources_behind() {
    let (secure, held, mut good) = start(&[]);
    let (resident, client) = (secure.resident(), secure.known_client());
    for _ in 0..10_000 {
        drop(TcpStream::connect(secure.server.address).unwrap());
    }
    is_served(&secure, &mut good, &client);
    eventually(|| match own(&get(&mut good, "/metrics").body, "metriclet_connections_accepted_total") {
        accepted if accepted >= 10_021.0 => Ok(()),
        accepted => Err(format!("{accepted} accepted")),
    });
    is_over(&secure, &held, resident, &mut good);
}

/// Without free descriptors, new connections wait; this is logged once, and ends when descriptors are free.
#[test]
fn recovers_from_running_out_of_files() {
    const TOLD: &str = "cannot accept connections: ";
    let (mut secure, held, mut good) = start(&[]);
    let limit = |files: usize| {
        let pid = secure.server.pid().to_string();
        let done = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={files}:")]).status().unwrap();
        assert!(done.success());
    };
    limit(held.files + 20);
    let address = secure.server.address;
    let mut crowd: Vec<_> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    secure.server.wait_for(TOLD);
    // Some connections close, so some waiting ones are accepted, and descriptors run out again, which is not logged again.
    for _ in 0..5 {
        crowd.drain(..4);
        let pauses = own(&get(&mut good, "/metrics").body, "metriclet_accept_pauses_total");
        eventually(|| match own(&get(&mut good, "/metrics").body, "metriclet_accept_pauses_total") {
            now if now > pauses + 1.0 => Ok(()),
            now => Err(format!("{now} pauses")),
        });
        assert_eq!(get(&mut good, DISCOVERY).code, 200);
    }
    drop(crowd);
    secure.server.wait_for("accepting connections again");
    assert_eq!(secure.client().get("/livez").body, "ok");
    secure.back_to(&held);
    let told = |text: &str| secure.server.seen.iter().filter(|line| line.contains(text)).count();
    assert_eq!((told(TOLD), told("accepting connections again")), (1, 1), "{:#?}", secure.server.seen);
}

/// An upstream that does not respond.
fn hanging() -> (Upstream, Gate) {
    let gate = Gate::default();
    let door = gate.clone();
    let upstream = Upstream::start(move |_, stream| {
        door.wait();
        let _ = stream.write_all(&page("text/plain", "5"));
    });
    (upstream, gate)
}

#[test]
fn hanging_sources_do_not_delay_discovery() {
    let hanging: Vec<_> = (0..4).map(|_| hanging()).collect();
    let mut config = "sources:\n".to_owned();
    for (n, (upstream, _)) in hanging.iter().enumerate() {
        let url = format!("http://{}/{{name}}", upstream.address);
        config += &format!("  s{n}: {{url: '{url}', namespaces: [shop], timeout: 4s, format: number}}\n");
    }
    config += "metrics:\n";
    for n in 0..hanging.len() {
        config += &format!("  - {{name: m{n}, object: services, source: s{n}}}\n");
    }
    let secure = Secure::with_config(&config, &[]);
    let client = secure.known_client();
    let mut waiting: Vec<_> = (0..200)
        .map(|n| {
            let mut stream = client.connect();
            let metric = format!("{DISCOVERY}/namespaces/shop/services/w{n}/m{}", n % hanging.len());
            stream.write_all(format!("GET {metric} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually(|| match hanging.iter().map(|(upstream, _)| upstream.requests()).sum::<usize>() {
        16.. => Ok(()),
        few => Err(format!("{few} requests have come to the sources")),
    });
    let mut discovering: Vec<_> = (0..10).map(|_| client.connect()).collect();
    for _ in 0..100 {
        for stream in &mut discovering {
            assert_eq!(get(stream, DISCOVERY).code, 200);
        }
    }
    hanging.iter().for_each(|(_, gate)| gate.open());
    let mut answered = 0;
    for stream in &mut waiting {
        let answer = read_answer(stream).unwrap();
        assert!(matches!(answer.code, 200 | 503 | 504), "{answer:?}");
        answered += 1;
    }
    assert_eq!(answered, 200);
    let page = get(&mut waiting[0], "/metrics").body;
    assert_eq!(own(&page, "metriclet_panics_total"), 0.0);
}

/// Lists, reviews for front proxies and reviews for direct clients hang together, and leave workers for a source.
#[test]
fn a_hanging_kubernetes_api_does_not_delay_sources() {
    const EACH: usize = 12;
    let source = Upstream::text("a 1\n");
    let config = config(&source).replace("namespaces", "cache: 0s, namespaces").replace(
        "metrics:\n",
        "  pod: {pods: {port: 1}, namespaces: [shop]}\nmetrics:\n  - {name: p, object: pods, source: pod}\n",
    );
    let (kubernetes, gate) = (Kubernetes::start(), Gate::default());
    let secure = kubernetes.secure(&config, &[]);
    let door = gate.clone();
    kubernetes.script(move |_| Reply::Late(door.clone()));
    let (proxy, anyone) =
        (secure.client_of(client_config(Some(&FRONT_PROXIES.issue("front-proxy-client")))), secure.client());
    let mut good = proxy.connect();
    let send = |client: &Client, target: &str, headers: &str| {
        let mut stream = client.connect();
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes()).unwrap();
        stream
    };
    let mut waiting = Vec::new();
    for n in 0..EACH {
        let list = format!("{DISCOVERY}/namespaces/shop/pods/*/p?labelSelector=n%3D{n}");
        waiting.push(send(&proxy, &list, MASTER));
        waiting.push(send(&proxy, METRIC, &format!("X-Remote-User: user-{n}\r\n")));
        waiting.push(send(&anyone, METRIC, &format!("Authorization: Bearer token-{n}\r\n")));
    }
    eventually(|| {
        match [kubernetes.calls(TOKENS), kubernetes.calls(ACCESS), kubernetes.lists(PODS)].map(|calls| calls.len()) {
            calls if calls.iter().sum::<usize>() >= EACH => Ok(()),
            calls => Err(format!("{calls:?} requests have come to the Kubernetes API")),
        }
    });
    assert_eq!(ask(&mut good, "GET", METRIC, MASTER).values(), "web 1");
    for stream in &waiting {
        stream.sock.set_nonblocking(true).unwrap();
        let answered = stream.sock.peek(&mut [0]);
        assert_eq!(answered.unwrap_err().kind(), ErrorKind::WouldBlock, "none was evicted");
        stream.sock.set_nonblocking(false).unwrap();
    }
    assert_eq!(source.requests(), 1);
    gate.open();
    for stream in &mut waiting {
        let answer = read_answer(stream).unwrap();
        assert!(matches!(answer.code, 200 | 401 | 404 | 503), "{answer:?}");
    }
}

/// After a signal, the server logs that it stops, keeps serving, and answers every request that it has received.
#[test]
fn stopping_loses_no_request() {
    let (mut secure, _, mut good) = start(&["--shutdown-delay-duration", "2s"]);
    let client = secure.client();
    let (lasts, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let stopping = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                // Until connections are refused, which may happen only after the signal.
                while let Ok(mut stream) = client.try_connect("localhost") {
                    loop {
                        let request = format!("GET {METRIC} HTTP/1.1\r\nHost: a\r\n\r\n");
                        stream.write_all(request.as_bytes()).unwrap();
                        let answer = read_answer(&mut stream).unwrap();
                        assert_eq!(answer.values(), "web 1");
                        answered.fetch_add(1, Ordering::Relaxed);
                        if answer.header("connection") == Some("close") {
                            lasts.fetch_add(1, Ordering::Relaxed);
                            break;
                        }
                        assert!(answer.header("connection").is_none());
                    }
                }
                assert!(stopping.load(Ordering::SeqCst));
            });
        }
        eventually(|| if answered.load(Ordering::Relaxed) > 200 { Ok(()) } else { Err("no load".to_owned()) });
        stopping.store(true, Ordering::SeqCst);
        secure.server.signal("TERM");
        secure.server.wait_for("stopping: still serving");
        let ready = get(&mut good, "/readyz");
        assert_eq!((ready.code, ready.header("connection")), (500, Some("close")));
        assert_eq!(client.get("/livez").code, 200);
        secure.server.wait_for("stopping: finishing requests in progress");
    });
    assert_eq!(secure.server.wait().code(), Some(0));
    assert!(lasts.into_inner() > 0);
    assert!(secure.server.seen.last().unwrap().contains("stopping: finishing"), "{:#?}", secure.server.seen);
}

#[test]
fn a_second_signal_cuts_the_delay_short() {
    // Much longer than this test waits.
    let (mut secure, _, mut good) = start(&["--shutdown-delay-duration", "10m"]);
    secure.server.signal("TERM");
    secure.server.wait_for("stopping: still serving");
    assert_eq!(get(&mut good, "/livez").code, 200);
    secure.server.signal("TERM");
    assert_eq!(secure.server.wait().code(), Some(0));
}

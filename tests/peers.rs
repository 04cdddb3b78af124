//! Several replicas, each a separate process, share their samples.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::kubernetes::{ACCESS, Kubernetes};
use common::secure::{Client, SERVING, eventually, trusting};
use common::tls::{Authority, Identity, TlsUpstream};
use common::upstream::{Upstream, page};
use common::{Answer, Server, file, metriclet};
use serde_json::{Value, json};

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/custom-metrics/endpointslices";
const HOST: &str = "custom-metrics-apiserver.custom-metrics.svc";
const METRIC: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/requests";
const PEERS: &str = "/peers/samples";
const ACCOUNT: &str = "system:serviceaccount:custom-metrics:custom-metrics-apiserver";

/// The range of the rule: replicas share the requested selections within half of it.
const RANGE: &str = "40s";

/// The certificate of all replicas.
static IDENTITY: LazyLock<Identity> = LazyLock::new(|| SERVING.issue(HOST));

/// A cluster with a workload whose counter grows by ten per second.
struct World {
    kubernetes: Kubernetes,
    app: Upstream,
    config: String,
    certificates: PathBuf,
    slices: Arc<Mutex<Vec<SocketAddr>>>,
}

impl World {
    fn new(range: &str) -> Self {
        let kubernetes = Kubernetes::start();
        kubernetes.token("own-token", json!({"username": ACCOUNT, "groups": ["system:serviceaccounts"]}));
        kubernetes.token("other-token", json!({"username": "system:serviceaccount:shop:web", "groups": []}));
        kubernetes.policy(|spec| {
            let attributes = &spec["nonResourceAttributes"];
            json!({"allowed": spec["user"] == ACCOUNT && attributes == &json!({"path": PEERS, "verb": "get"})})
        });
        kubernetes.set(SLICES, Vec::new());
        let start = Instant::now();
        let app = Upstream::start(move |_, stream| {
            let text = format!("requests_total {}\n", 1_000.0 + 10.0 * start.elapsed().as_secs_f64());
            let _ = stream.write_all(&page("text/plain", &text));
        });
        let certificates = file("tls.crt", &IDENTITY.chain).with_file_name("");
        for (name, content) in [("tls.key", &IDENTITY.key), ("ca.crt", &SERVING.pem())] {
            std::fs::write(certificates.join(name), content).unwrap();
        }
        let config = config(&app, range);
        Self { kubernetes, app, config, certificates, slices: Arc::default() }
    }

    /// Starts a replica, which finds the current replicas of the Service.
    fn replica(&self) -> Replica {
        self.replica_with(&self.config)
    }

    fn replica_with(&self, config: &str) -> Replica {
        let kubeconfig = self.kubernetes.kubeconfig("{token: own-token}");
        let mut command = metriclet(&["--listen", "off", "--bind-address", "127.0.0.1", "--secure-port", "0"]);
        command.arg("--tls-cert-file").arg(self.certificates.join("tls.crt"));
        command.arg("--tls-private-key-file").arg(self.certificates.join("tls.key"));
        command.arg("--kubeconfig").arg(kubeconfig).arg("--config").arg(file("metrics.yaml", config));
        command.args(["--peer-service", "custom-metrics/custom-metrics-apiserver"]);
        // Authorization is tested elsewhere.
        command.args(["--authorization-always-allow-paths", "/apis/*,/readyz,/metrics"]);
        let server = Server::spawn(command);
        let client = Client::new(server.address, trusting(SERVING.roots(), None));
        Replica { server, client }
    }

    /// Sets the replicas of the Service.
    fn serves(&self, addresses: &[SocketAddr]) {
        *self.slices.lock().unwrap() = addresses.to_vec();
        self.kubernetes.set(SLICES, addresses.iter().map(slice).collect());
    }
}

fn config(app: &Upstream, range: &str) -> String {
    format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop], single: true, cache: 0s}}\nmetrics:\n  - {{name: requests, object: services, \
         source: app, describes: {{namespace: shop, name: web}}, value: 'sum(rate(requests_total[{range}]))'}}\n",
        app.url()
    )
}

fn slice(address: &SocketAddr) -> Value {
    json!({
        "metadata": {"name": address.to_string(), "labels": {"kubernetes.io/service-name": "custom-metrics-apiserver"}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": address.port(), "protocol": "TCP"}],
        "endpoints": [{"addresses": [address.ip().to_string()], "conditions": {"ready": true}}],
    })
}

struct Replica {
    server: Server,
    client: Client,
}

impl Replica {
    fn address(&self) -> SocketAddr {
        self.server.address
    }

    fn get(&self, target: &str, headers: &str) -> Answer {
        let mut stream = self.client.try_connect(HOST).unwrap();
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes()).unwrap();
        common::secure::read_answer(&mut stream).unwrap()
    }

    /// The rate, or the message.
    fn rate(&self) -> Result<f64, String> {
        let answer = self.get(METRIC, "");
        match answer.code {
            200 => {
                let value = answer.json()["items"][0]["value"].as_str().unwrap().to_owned();
                Ok(metriclet::internals::parse::quantity::parse(&value).unwrap())
            }
            _ => Err(answer.status()),
        }
    }

    /// Waits for a rate, which takes half of the range.
    fn wait_for_rate(&self) -> f64 {
        eventually(|| self.rate())
    }
}

/// Checks the counter's rate, with a tolerance for clocks and a busy machine.
fn assert_rate(rate: &Result<f64, String>) {
    let rate = rate.as_ref().unwrap_or_else(|why| panic!("{why}"));
    assert!((5.0..20.0).contains(rate), "{rate}");
}

/// Any replica always has a rate, while any of the others stops.
#[test]
fn samples_survive_the_replacement_of_every_replica() {
    let world = World::new(RANGE);
    let first = world.replica();
    world.serves(&[first.address()]);
    assert!(first.rate().unwrap_err().contains("gathering"));
    first.wait_for_rate();
    // A rollout: the new replica has all samples from its first request on.
    let second = world.replica();
    assert_rate(&second.rate());
    world.serves(&[first.address(), second.address()]);
    // The first replica is killed; the second has the same samples.
    drop(first);
    world.serves(&[second.address()]);
    for _ in 0..50 {
        assert_rate(&second.rate());
        thread::sleep(Duration::from_millis(100));
    }
    // It shares them with two more replicas.
    let (third, fourth) = (world.replica(), world.replica());
    world.serves(&[second.address(), third.address(), fourth.address()]);
    for replica in [&third, &fourth] {
        assert_rate(&replica.rate());
    }
    // Back to one replica, which had few requests.
    drop((second, third));
    assert_rate(&fourth.rate());
}

/// A selection that is requested from only one replica is sampled by the other, too.
#[test]
fn a_request_to_one_replica_counts_for_both() {
    let world = World::new(RANGE);
    let (asked, other) = (world.replica(), world.replica());
    world.serves(&[asked.address(), other.address()]);
    asked.wait_for_rate();
    let both = [asked.rate(), other.rate()];
    both.iter().for_each(assert_rate);
    let own = other.get("/metrics", "").body;
    let fetched = common::secure::own(&own, "metriclet_fetches_total{source=\"app\",outcome=\"succeeded\"}");
    assert!(fetched >= 1.0, "it fetches itself");
}

/// A replica gets missing samples of a requested selection from the other.
#[test]
fn a_request_to_the_other_replica_uses_samples_of_both() {
    let world = World::new("20s");
    let first = world.replica();
    first.wait_for_rate();
    let second = world.replica();
    assert!(second.rate().unwrap_err().contains("gathering"), "it did not know the first selection");
    world.serves(&[first.address(), second.address()]);
    // It polls at once for a new selection, otherwise within ten seconds.
    let start = Instant::now();
    second.wait_for_rate();
    let requests = world.app.requests();
    println!("{:?}, {requests} requests", start.elapsed());
}

#[test]
fn only_replicas_may_read_samples() {
    let world = World::new(RANGE);
    let replica = world.replica();
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    assert_eq!(replica.get(PEERS, "").code, 403, "anonymous");
    assert_eq!(replica.get(PEERS, &bearer("unknown")).status(), "401 Unauthorized: Unauthorized");
    let forbidden = replica.get(PEERS, &bearer("other-token"));
    let message = "forbidden: User \"system:serviceaccount:shop:web\" cannot get path \"/peers/samples\"";
    assert_eq!((forbidden.code, forbidden.json()["message"].as_str()), (403, Some(message)));
    let told = replica.get(PEERS, &bearer("own-token"));
    assert!(told.code == 200 && told.bytes.starts_with(b"metriclet peer 1\n"), "{told:?}");
    for (rule, code) in [("x", 400), ("0123456789abcdef", 200), ("", 400)] {
        assert_eq!(replica.get(&format!("{PEERS}?rule={rule}"), &bearer("own-token")).code, code, "{rule}");
    }
    assert_eq!(world.kubernetes.calls(ACCESS).len(), 2, "one review for each user");
    // Without the flag, and on the plain listener, the path does not exist.
    let plain = Server::with_config(&world.config);
    assert_eq!(plain.get(PEERS).code, 404);
}

/// A rule with another text is another rule, and its samples are not shared.
#[test]
fn another_rule_has_other_samples() {
    let world = World::new("20s");
    let first = world.replica();
    world.serves(&[first.address()]);
    first.wait_for_rate();
    let other = world.replica_with(&world.config.replace("sum(rate", "max(rate"));
    assert!(other.rate().unwrap_err().contains("gathering"));
    let same = world.replica_with(&format!("# A comment makes no difference.\n{}", world.config));
    assert_rate(&same.rate());
}

/// Whatever the Service's endpoints do, a replica starts quickly and samples by itself.
#[test]
fn misbehaving_peers_cost_little() {
    let world = World::new("4s");
    let answer = |body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let tls = |bytes: Vec<u8>| TlsUpstream::start(&IDENTITY, None, bytes);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nmetriclet peer 1\n".to_vec();
    let huge = b"HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n".to_vec();
    let impostor = TlsUpstream::start(&SERVING.issue("other.custom-metrics.svc"), None, answer(b""));
    let stranger = TlsUpstream::start(&Authority::new("stranger").issue(HOST), None, answer(b""));
    let endless = trickle();
    for (address, why) in [
        (tls(answer(b"garbage")).address, "expected a message of this version, found another one"),
        (tls(answer(b"metriclet peer 2\n")).address, "expected a message of this version, found another one"),
        (tls(answer(b"metriclet peer 1\n")).address, "expected a complete message, found one of another length"),
        (tls(answer(b"")).address, "expected a message of this version, found another one"),
        (tls([huge, vec![b'x'; 16 * 1024 * 1024 + 1]].concat()).address, "answered a body of more than 16777216 bytes"),
        (tls(half).address, "the connection "),
        (tls(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec()).address, "answered 403"),
        (tls(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()).address, "answered 404"),
        (impostor.address, "is for other names"),
        (stranger.address, ""),
        (silent.local_addr().unwrap(), "timeout: tls handshake"),
        (endless, ""),
        (closed, "connection refused"),
    ] {
        world.serves(&[address]);
        let start = Instant::now();
        let mut replica = world.replica();
        assert!(start.elapsed() < Duration::from_secs(60), "{why}");
        let line = replica.server.said("cannot share samples with another replica");
        assert!(line.contains(why) && !line.contains("own-token"), "{line}");
        assert_eq!(replica.get("/readyz", "").body, "ok");
        replica.wait_for_rate();
    }
    for upstream in [impostor, stranger] {
        assert!(upstream.asked().is_empty(), "it got a token");
    }
}

/// A server that sends a byte of TLS now and then, and never ends.
fn trickle() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let drip = |mut stream: TcpStream| {
        while stream.write_all(b"\x16").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    };
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(thread::spawn(move || drip(stream)))));
    address
}

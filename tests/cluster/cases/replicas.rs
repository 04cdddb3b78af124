//! Two replicas behind one Service, with a rule over time.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::fixture::path;
use crate::common::kubernetes::{Kubernetes, Reply};
use crate::common::upstream::{Upstream, page};
use crate::common::{Server, file, metriclet, run};
use crate::direct;
use crate::installed::values;
use crate::plane::ControlPlane;
use crate::process::{eventually, guarded};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const HOST: &str = "custom-metrics-apiserver.custom-metrics.svc";
const ACCOUNT: &str = "custom-metrics-apiserver";

/// An address for documentation (RFC 5737). kube-apiserver accepts no loopback address as an endpoint.
const ELSEWHERE: &str = "192.0.2.1";

/// The workload's counter grows by ten per second.
fn workload() -> Upstream {
    let start = Instant::now();
    Upstream::start(move |_, stream| {
        let text = format!("requests_total {}\n", 1_000.0 + 10.0 * start.elapsed().as_secs_f64());
        let _ = stream.write_all(&page("text/plain", &text));
    })
}

fn config(source: &Upstream) -> String {
    format!(
        "sources:
  app: {{url: '{}', namespaces: [shop], single: true, cache: 0s}}
metrics:
  - {{name: requests, object: services, source: app, describes: {{namespace: shop, name: web}}, value: 'sum(rate(requests_total[30s]))'}}
",
        source.url()
    )
}

/// The arguments to start a replica.
struct World<'a> {
    plane: &'a ControlPlane,
    config: PathBuf,
    certificates: PathBuf,
    kubeconfig: PathBuf,
}

impl World<'_> {
    /// Starts a replica, and adds it to the Service.
    fn replica(&self, name: &str) -> Server {
        let mut command = metriclet(&["--listen=off", "--bind-address=127.0.0.1", "--secure-port=0"]);
        command.arg("--tls-cert-file").arg(self.certificates.join("tls.crt"));
        command.arg("--tls-private-key-file").arg(self.certificates.join("tls.key"));
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--config").arg(&self.config);
        command.arg("--peer-service=custom-metrics/custom-metrics-apiserver");
        let server = Server::spawn(guarded(command));
        self.plane.admin().apply(&slice(name, server.address).to_string());
        server
    }

    /// The value or message that an administrator gets from a replica.
    fn ask(&self, address: SocketAddr) -> Result<String, String> {
        let target = path("v1beta2", "namespaces/shop/services/web/requests");
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let authority = fs::read(self.certificates.join("ca.crt")).unwrap();
        let answer = direct::ask(address, HOST, &authority, Some(&self.plane.admin_identity), &request);
        if answer.code == 200 { Ok(values(&answer.body)) } else { Err(answer.body) }
    }

    /// Requests the value from both for a while: both must always have one.
    fn both_answer(&self, replicas: [&Server; 2], what: &str) {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            for replica in replicas {
                let value = self.ask(replica.address).unwrap_or_else(|why| panic!("{what}: {why}"));
                assert!(value.starts_with("web "), "{what}: {value}");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The EndpointSlice that the controller would write for a pod.
fn slice(name: &str, address: SocketAddr) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": "custom-metrics",
            "labels": {"kubernetes.io/service-name": "custom-metrics-apiserver"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": address.port(), "protocol": "TCP"}],
        "endpoints": [{"addresses": [ELSEWHERE], "conditions": {"ready": true, "serving": true, "terminating": false}}],
    })
}

/// A proxy of the Kubernetes API that replaces the pods' addresses by loopback addresses.
fn relocated(plane: &ControlPlane) -> Kubernetes {
    let kubernetes = Kubernetes::start();
    let (address, authority) = (plane.address, plane.authority.pem());
    kubernetes.script(move |call| {
        let headers = call.headers.iter().filter(|(name, _)| name != "connection" && name != "host");
        let headers: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n{}",
            call.method, call.path, call.body
        );
        match direct::try_ask(address, "localhost", authority.as_bytes(), None, &request) {
            Ok(answer) => Reply::Say(answer.code, answer.body.replace(ELSEWHERE, "127.0.0.1")),
            Err(_) => Reply::Drop,
        }
    });
    kubernetes
}

/// An HPA does not notice the loss of a replica, neither in a rollout, which stops one after the other, nor if one is
/// killed.
pub fn share_samples(plane: &mut ControlPlane) {
    let admin = plane.admin();
    for manifest in ["namespace", "serviceaccount", "rbac"] {
        admin.run(&["apply", "-f", &format!("{ROOT}/manifests/base/{manifest}.yaml")]).unwrap();
    }
    let token = eventually("the service account has a token", || {
        admin.run(&["create", "token", ACCOUNT, "--namespace=custom-metrics"])
    });
    let source = workload();
    let certificates = file("x", "").with_file_name("certs");
    let (code, _, stderr) = run(&["certs", "--out", certificates.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    let kubernetes = relocated(plane);
    let kubeconfig = kubernetes.kubeconfig(&format!("{{token: '{}'}}", token.trim_end()));
    let world = World { plane, config: file("metrics.yaml", &config(&source)), certificates, kubeconfig };

    let (mut first, second) = (world.replica("first"), world.replica("second"));
    eventually("there is a rate", || world.ask(first.address));
    world.both_answer([&first, &second], "one alone was asked so far");
    // A new replica starts before the first is stopped.
    let third = world.replica("third");
    world.both_answer([&second, &third], "the third is new");
    first.signal("TERM");
    assert!(first.wait().success());
    world.both_answer([&second, &third], "the first is stopped");
    // Killed, and started again.
    drop(second);
    let second = world.replica("second");
    world.both_answer([&second, &third], "the second was killed");
    drop(third);
    let third = world.replica("third");
    world.both_answer([&second, &third], "the third was killed");

    // Other users must not get the samples: neither one who may read all metrics, nor another service account.
    admin.run(&["create", "serviceaccount", "other", "--namespace=custom-metrics"]).unwrap();
    let other = admin.run(&["create", "token", "other", "--namespace=custom-metrics"]).unwrap();
    for (token, code) in [(&token, 200), (&other, 403)] {
        let authority = fs::read(world.certificates.join("ca.crt")).unwrap();
        let request = format!(
            "GET /peers/samples HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
            token.trim_end()
        );
        assert_eq!(direct::ask(third.address, HOST, &authority, None, &request).code, code);
    }
    let namespace = "--namespace=custom-metrics";
    admin.run(&["delete", "endpointslices", namespace, "first", "second", "third"]).unwrap();
    admin.run(&["delete", "serviceaccounts", namespace, "other", ACCOUNT]).unwrap();
    admin.run(&["delete", "-f", &format!("{ROOT}/manifests/base/rbac.yaml")]).unwrap();
}

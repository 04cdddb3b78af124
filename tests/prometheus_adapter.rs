//! `metriclet convert prometheus-adapter` compared with prometheus-adapter itself: for the requests of the fixtures' HPAs, over
//! the same Prometheus, both return the same values to a thousandth.
//!
//! `cargo test --test prometheus_adapter -- --ignored` runs it, with Go, which fetches and builds prometheus-adapter, and with
//! Debian's prometheus. Without one of them it is skipped.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;
#[allow(dead_code, reason = "another test uses the rest")]
#[path = "promql/prometheus.rs"]
mod server;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use common::kubernetes::{ACCESS, Kubernetes, Reply};
use common::secure::{Client, SERVING, client_config, eventually};
use common::{Answer, Server, file, run};
use metriclet::internals::parse::quantity;
use metriclet::internals::promql::evaluate::{Labels, Sample, Series};
use serde_json::{Value, json};
use server::{Prometheus, lacking};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The intended difference by rounding.
const THOUSANDTH: f64 = 0.001_000_1;

/// A fixture, the requests of its HPAs, and series: labels, first value, and growth per second.
struct Case {
    name: &'static str,
    more: &'static [&'static str],
    requests: &'static [&'static str],
    series: &'static [(&'static str, f64, f64)],
}

const CASES: [Case; 3] = [
    Case {
        name: "walkthrough",
        more: &[],
        requests: &[
            "custom.metrics.k8s.io/v1beta2/namespaces/production/pods/*/http_requests_per_second?labelSelector=app%3Dweb",
            "custom.metrics.k8s.io/v1beta2/namespaces/production/pods/web-2/http_requests_per_second",
        ],
        series: &[
            ("http_requests_total kubernetes_namespace=production kubernetes_pod_name=web-1 method=GET", 100.0, 0.5),
            ("http_requests_total kubernetes_namespace=production kubernetes_pod_name=web-1 method=POST", 7.0, 0.25),
            ("http_requests_total kubernetes_namespace=production kubernetes_pod_name=web-2 method=GET", 9.0, 3.0),
            ("http_requests_total kubernetes_namespace=production kubernetes_pod_name=other method=GET", 9.0, 5.0),
            ("http_requests_total kubernetes_namespace=bank kubernetes_pod_name=web-1 method=GET", 9.0, 11.0),
        ],
    },
    Case {
        name: "defaults",
        more: &["--series", "defaults.series.txt"],
        requests: &[
            "custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/http_requests?labelSelector=app%3Dweb",
            "custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/cpu_usage?labelSelector=app%3Dweb",
            "custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/memory_working_set_bytes?labelSelector=app%3Dweb",
            "custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/job_busy?labelSelector=app%3Dweb",
            "custom.metrics.k8s.io/v1beta2/namespaces/shop/services/queue/queue_depth?metricLabelSelector=state%3Dwaiting",
            "custom.metrics.k8s.io/v1beta2/namespaces/shop/services/queue/queue_depth",
            "custom.metrics.k8s.io/v1beta2/namespaces/mail/ingresses.networking.k8s.io/mail/http_requests",
            "custom.metrics.k8s.io/v1beta2/namespaces/mail/metrics/queue_depth",
        ],
        series: &[
            ("http_requests_total namespace=shop pod=web-1 service=web", 5.0, 2.0),
            ("http_requests_total namespace=shop pod=web-2 service=web", 5.0, 0.125),
            ("http_requests_total namespace=bank pod=web-1 service=web", 5.0, 64.0),
            ("http_requests_total namespace=mail ingress=mail pod=router-1", 5.0, 1.5),
            ("http_requests_total namespace=mail ingress=mail pod=router-2", 5.0, 0.25),
            ("container_cpu_usage_seconds_total namespace=shop pod=web-1 container=app", 5.0, 0.75),
            ("container_cpu_usage_seconds_total namespace=shop pod=web-1 container=POD", 5.0, 0.5),
            ("container_cpu_usage_seconds_total namespace=shop pod=web-2 container=app", 5.0, 0.25),
            ("container_memory_working_set_bytes namespace=shop pod=web-1 container=app", 1048576.0, 0.0),
            ("container_memory_working_set_bytes namespace=shop pod=web-2 container=app", 2048.0, 0.0),
            ("container_memory_working_set_bytes namespace=shop pod=web-2 container=side", 2.0, 0.0),
            ("job_busy_seconds_total namespace=shop pod=web-1", 5.0, 0.5),
            ("job_busy_seconds_total namespace=shop pod=web-2", 5.0, 1.0),
            ("queue_depth namespace=shop service=queue state=waiting", 4.0, 0.0),
            ("queue_depth namespace=shop service=queue state=done", 40.5, 0.0),
            ("queue_depth namespace=mail service=queue state=waiting", 7.25, 0.0),
            ("queue_depth namespace=mail service=other", 1.0, 0.0),
        ],
    },
    Case {
        name: "external",
        more: &[],
        requests: &[
            "external.metrics.k8s.io/v1beta1/namespaces/shop/queue_consumer_lag",
            "external.metrics.k8s.io/v1beta1/namespaces/shop/queue_depth?labelSelector=namespace%3Dqueue%2Cname%3Dorders",
            "external.metrics.k8s.io/v1beta1/namespaces/shop/messages_visible?labelSelector=queue%3Dorders",
            "custom.metrics.k8s.io/v1beta2/namespaces/dairy/brands.cheese.io/gold/cheesy_goodness",
            "custom.metrics.k8s.io/v1beta2/namespaces/dairy/deployments.apps/cheese/reserved_slots_share?metricLabelSelector=tier%3Dfront",
        ],
        series: &[
            ("queue_consumer_lag namespace=shop name=orders partition=0", 3.0, 0.0),
            ("queue_consumer_lag namespace=shop name=orders partition=1", 4.5, 0.0),
            ("queue_consumer_lag namespace=shop name=mail", 1.0, 0.0),
            ("queue_consumer_lag namespace=bank name=orders", 100.0, 0.0),
            // Without a namespace.
            ("queue_consumer_lag name=lost", 1000.0, 0.0),
            ("queue_depth namespace=queue name=orders topic=a", 12.0, 0.0),
            ("queue_depth namespace=queue name=orders topic=b", 0.5, 0.0),
            ("queue_depth namespace=queue name=mail topic=a", 99.0, 0.0),
            ("queue_depth namespace=shop name=orders topic=a", 77.0, 0.0),
            ("sqs_messages_visible queue=orders", 5.0, 0.0),
            ("sqs_messages_visible queue=mail", 50.0, 0.0),
            ("cheddar sharp=true namespace=dairy brand=gold wheel=1", 1.0, 0.0),
            ("cheddar sharp=true namespace=dairy brand=gold wheel=2", 1.0, 0.0),
            ("cheddar sharp=false namespace=dairy brand=gold wheel=3", 1.0, 0.0),
            ("cheddar sharp=true namespace=bank brand=gold wheel=4", 1.0, 0.0),
            ("reserved_slots namespace=dairy deployment=cheese tier=front", 3.0, 0.0),
            ("reserved_slots namespace=dairy deployment=cheese tier=back", 5.0, 0.0),
            ("reserved_slots namespace=bank deployment=cheese tier=front", 8.0, 0.0),
            ("all_slots zone=a", 4.0, 0.0),
            ("all_slots zone=b", 8.0, 0.0),
        ],
    },
];

/// Builds prometheus-adapter; `None` if it cannot be built, or Prometheus is missing.
fn adapter() -> Option<PathBuf> {
    let lacks = if common::has("go") { lacking() } else { Some("go") };
    if let Some(lacks) = lacks {
        println!("skipped: it needs {lacks}");
        return None;
    }
    let script = Command::new(Path::new(ROOT).join("scripts/prometheus-adapter")).stderr(Stdio::inherit()).output();
    let script = script.unwrap();
    assert!(script.status.success(), "prometheus-adapter could not be built");
    Some(PathBuf::from(String::from_utf8(script.stdout).unwrap().trim_end()))
}

/// Half an hour of samples around the current time, so that rates do not depend on the time of the request.
fn series(&(labels, first, growth): &(&str, f64, f64)) -> Series {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let (name, labels) = labels.split_once(' ').unwrap();
    let labels = labels.split(' ').map(|pair| pair.split_once('=').unwrap());
    let labels = Labels::new(labels.chain([("__name__", name)]));
    let sample = |second: i64| Sample { at: now + second * 1_000, value: first + growth * (second + 1_200) as f64 };
    Series { labels, samples: (-1_200..600).step_by(15).map(sample).collect() }
}

/// kube-apiserver's list of resources, and the pods with `app=web`.
fn kubernetes() -> Kubernetes {
    let kubernetes = Kubernetes::start();
    let resource = |name: &str, singular: &str, kind: &str, namespaced: bool| json!({"name": name, "singularName": singular, "kind": kind, "namespaced": namespaced, "verbs": ["get", "list"]});
    let resources = |version: &str, resources: Vec<Value>| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources});
    let group = |name: &str, version: &str| {
        let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
        json!({"name": name, "versions": [version], "preferredVersion": version})
    };
    let groups = [group("apps", "v1"), group("networking.k8s.io", "v1"), group("cheese.io", "v1beta1")];
    let core = vec![
        resource("pods", "pod", "Pod", true),
        resource("namespaces", "namespace", "Namespace", false),
        resource("nodes", "node", "Node", false),
        resource("services", "service", "Service", true),
    ];
    let known: BTreeMap<&str, String> = [
        ("/api", json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        ("/apis", json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})),
        ("/api/v1", resources("v1", core)),
        ("/apis/apps/v1", resources("apps/v1", vec![resource("deployments", "deployment", "Deployment", true)])),
        (
            "/apis/networking.k8s.io/v1",
            resources("networking.k8s.io/v1", vec![resource("ingresses", "ingress", "Ingress", true)]),
        ),
        (ACCESS, json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "status": {"allowed": true}})),
        ("/apis/cheese.io/v1beta1", resources("cheese.io/v1beta1", vec![resource("brands", "brand", "Brand", true)])),
    ]
    .map(|(path, body)| (path, body.to_string()))
    .into();
    // prometheus-adapter sends a timeout.
    kubernetes.script(move |call| match known.get(call.path.split('?').next().unwrap()) {
        Some(body) => Reply::Say(200, body.clone()),
        None => Reply::Good,
    });
    for namespace in ["production", "shop"] {
        let pod = |name: &str| {
            let metadata = json!({"name": name, "namespace": namespace, "uid": format!("{namespace}-{name}"), "labels": {"app": "web"}});
            json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "status": {"phase": "Running"}})
        };
        kubernetes.set(&format!("/api/v1/namespaces/{namespace}/pods"), vec![pod("web-1"), pod("web-2")]);
    }
    kubernetes
}

/// A running prometheus-adapter; dropping this ends it.
struct Adapter {
    process: Child,
    client: Client,
}

impl Adapter {
    fn start(program: &Path, config: &Path, prometheus: &str, kubeconfig: &Path) -> Self {
        let identity = SERVING.issue("localhost");
        let (cert, key) = (file("tls.crt", &identity.chain), file("tls.key", &identity.key));
        // It does not support port 0; this port is currently free.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let process = Command::new(program)
            .args([flag("config", config), flag("lister-kubeconfig", kubeconfig)])
            .args([flag("authentication-kubeconfig", kubeconfig), flag("authorization-kubeconfig", kubeconfig)])
            .args([flag("tls-cert-file", &cert), flag("tls-private-key-file", &key)])
            .args(["--bind-address=127.0.0.1", "--authentication-skip-lookup", "--authorization-always-allow-paths=/*"])
            .args(["--metrics-relist-interval=1s", "--metrics-max-age=30m"])
            .args([format!("--secure-port={port}"), format!("--prometheus-url={prometheus}")])
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self { process, client: Client::new(SocketAddr::from(([127, 0, 0, 1], port)), client_config(None)) }
    }

    /// Its response, once it listens and has listed its metrics.
    fn get(&mut self, path: &str) -> Answer {
        let mut answer = None;
        let (client, process) = (&self.client, &mut self.process);
        eventually(|| {
            assert!(process.try_wait().unwrap().is_none(), "prometheus-adapter has ended");
            Self::try_get(client, path, &mut answer)
        });
        answer.unwrap()
    }

    fn try_get(client: &Client, path: &str, answer: &mut Option<Answer>) -> Result<(), String> {
        match client.try_get(path) {
            Ok(found) if found.code == 200 => {
                *answer = Some(found);
                Ok(())
            }
            Ok(found) => Err(format!("{path}: {} {}", found.code, found.body)),
            Err(error) => Err(format!("{path}: {error}")),
        }
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The values of a list, by the name of the object or the labels.
fn values(answer: &Answer) -> BTreeMap<String, f64> {
    let items = answer.json()["items"].as_array().unwrap().clone();
    let value = |item: &Value| {
        let name =
            item["describedObject"]["name"].as_str().map_or_else(|| item["metricLabels"].to_string(), str::to_owned);
        (name, quantity::parse(item["value"].as_str().unwrap()).unwrap())
    };
    items.iter().map(value).collect()
}

#[test]
#[ignore = "it fetches and builds prometheus-adapter"]
fn converted_rules_give_the_same_values() {
    let Some(program) = adapter() else { return };
    let folder = Path::new(ROOT).join("tests/fixtures/convert/prometheus-adapter");
    let (kubernetes, mut compared) = (kubernetes(), 0);
    let kubeconfig = kubernetes.kubeconfig("{token: t}");
    for Case { name, more, requests, series: written } in &CASES {
        let prometheus = Prometheus::start(&written.iter().map(series).collect::<Vec<_>>());
        let config = folder.join(format!("{name}.yaml"));
        let hpas = folder.join(format!("{name}.hpas.yaml"));
        let more: Vec<String> = more
            .iter()
            .map(
                |word| if word.starts_with('-') { (*word).to_owned() } else { folder.join(word).display().to_string() },
            )
            .collect();
        let (config_path, hpas_path, url) =
            (config.display().to_string(), hpas.display().to_string(), prometheus.url());
        let mut arguments =
            vec!["convert", "prometheus-adapter", &config_path, "--hpas", &hpas_path, "--prometheus", &url];
        arguments.extend(more.iter().map(String::as_str));
        let (code, converted, stderr) = run(&arguments);
        assert_eq!(code, 0, "{stderr}");
        let converted = file("metrics.yaml", &converted);
        let ours =
            Server::start(&["--config", converted.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()]);
        let mut theirs = Adapter::start(&program, &config, &prometheus.url(), &kubeconfig);
        for request in *requests {
            let path = format!("/apis/{request}");
            let (ours, theirs) = (ours.get(&path), theirs.get(&path));
            assert_eq!(ours.code, 200, "{request}: {}", ours.body);
            let (ours, theirs) = (values(&ours), values(&theirs));
            println!("{request}: {theirs:?}");
            assert!(!theirs.is_empty() && ours.keys().eq(theirs.keys()), "{request}: {ours:?}, {theirs:?}");
            for (ours, theirs) in ours.values().zip(theirs.values()) {
                assert!((ours - theirs).abs() <= THOUSANDTH, "{request}: {ours}, {theirs}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 15, "only {compared} values");
}

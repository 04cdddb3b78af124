//! The CronJob's account renews the serving certificate around the expiry of the old one, while the test watches all
//! servers and APIServices.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::common::tls::{Authority, Identity};
use crate::common::upstream::Upstream;
use crate::common::{file, replace, run};
use crate::direct;
use crate::installed::{Installed, services};
use crate::kubectl::Kubectl;
use crate::plane::ControlPlane;
use crate::process::eventually;
use crate::watch::Watch;
use crate::workload::Workload;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const NAMESPACE: &str = "renewal";
const ACCOUNT: &str = "custom-metrics-certificate-renewal";
const IN_OURS: &str = "--namespace=custom-metrics";
const SECRET: &str = "custom-metrics-apiserver-tls";
const HOST: &str = "custom-metrics-apiserver.custom-metrics.svc";

/// How long before its expiry the old certificate is renewed: several times the duration of the steps.
const LEFT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

/// `metriclet certs renew` as the CronJob runs it.
struct Renewal {
    arguments: Vec<String>,
}

impl Renewal {
    /// A run with the account and the arguments of the manifests.
    fn new(plane: &ControlPlane, admin: &Kubectl) -> Self {
        for manifest in ["serviceaccount", "rbac", "cronjob", "networkpolicy"] {
            let path = format!("{ROOT}/manifests/components/certificate-renewal/{manifest}.yaml");
            admin.run(&["apply", "-f", &path]).unwrap();
        }
        let job = admin.get(&["cronjob", ACCOUNT, IN_OURS]);
        let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        assert_eq!(pod["serviceAccountName"], ACCOUNT);
        let arguments = pod["containers"][0]["args"].as_array().unwrap();
        let mut arguments: Vec<_> = arguments.iter().map(|argument| argument.as_str().unwrap().to_owned()).collect();
        let token = admin.run(&["create", "token", ACCOUNT, IN_OURS]).unwrap();
        let kubeconfig = plane.token_config(ACCOUNT, plane.address, token.trim_end());
        arguments.push(format!("--kubeconfig={}", kubeconfig.display()));
        Self { arguments }
    }

    fn run(&self, more: &[&str]) -> (i32, String, String) {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        run(&arguments)
    }

    /// Runs it successfully, and returns its output.
    fn succeeds(&self, more: &[&str]) -> String {
        let (code, told, why) = self.run(more);
        assert_eq!((code, why.as_str()), (0, ""), "{told}");
        told
    }
}

/// An authority like those of `metriclet certs`, and its certificate; both expire at this time.
fn ending(end: SystemTime) -> (Authority, Identity) {
    let authority = Authority::with("metriclet-ca-1", |params| params.not_after = end.into());
    let identity = authority.issue_with(HOST, &KeyPair::generate().unwrap(), |params| params.not_after = end.into());
    (authority, identity)
}

fn store(admin: &Kubectl, authority: &str, identity: &Identity) {
    let encoded = |text: &str| STANDARD.encode(text);
    let data = json!({
        "ca.crt": encoded(authority), "tls.crt": encoded(&identity.chain), "tls.key": encoded(&identity.key),
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": SECRET, "namespace": "custom-metrics"}, "data": data,
    });
    admin.run_with_input(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &secret.to_string()).unwrap();
}

/// Updates the mounted Secret like a kubelet.
fn mount(admin: &Kubectl, folder: &Path) {
    let secret = admin.get(&["secret", SECRET, IN_OURS]);
    for name in ["ca.crt", "tls.key", "tls.crt"] {
        let content = STANDARD.decode(secret["data"][name].as_str().unwrap()).unwrap();
        replace(&folder.join(name), &String::from_utf8(content).unwrap());
    }
}

fn bundle(service: &Value) -> Vec<u8> {
    STANDARD.decode(service["spec"]["caBundle"].as_str().unwrap()).unwrap()
}

/// The number of authorities that each APIService trusts.
fn trusted(admin: &Kubectl) -> [usize; 2] {
    services().map(|service| {
        let bundle = bundle(&admin.get(&[&service]));
        String::from_utf8(bundle).unwrap().matches("BEGIN CERTIFICATE").count()
    })
}

/// Whether a server's certificate is signed by one of these authorities.
fn is_trusted(address: SocketAddr, authorities: &[u8]) -> bool {
    let request = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    direct::try_ask(address, HOST, authorities, None, request).is_ok()
}

/// The versions of the objects that a run may change.
fn versions(admin: &Kubectl) -> Vec<Value> {
    let [first, second] = services();
    let objects = [&[&*first][..], &[&*second], &["secret", SECRET, IN_OURS]];
    // Without an APIService's status, which changes as well.
    objects
        .map(|object| {
            let mut object = admin.get(object);
            json!([object["spec"].take(), object["data"].take(), object["metadata"]["annotations"].take()])
        })
        .to_vec()
}

/// Without any one of its rights, a run fails, names the missing right, and changes nothing, although a renewal is due.
fn needs_each_right(admin: &Kubectl, renewal: &Renewal) {
    let path = format!("{ROOT}/manifests/components/certificate-renewal/rbac.yaml");
    let manifests = fs::read_to_string(&path).unwrap();
    let user = format!("system:serviceaccount:custom-metrics:{ACCOUNT}");
    let may = |verb: &str, object: &str| {
        admin.impersonating(&user, &[]).run(&["auth", "can-i", verb, object, IN_OURS]).is_ok_and(|said| said == "yes\n")
    };
    let [secret, first, second, external] = [
        format!("secrets/{SECRET}"),
        "apiservices/v1beta1.custom.metrics.k8s.io".to_owned(),
        "apiservices/v1beta2.custom.metrics.k8s.io".to_owned(),
        "apiservices/v1beta1.external.metrics.k8s.io".to_owned(),
    ];
    let of_secret = "verbs: [get, patch]";
    let service = |name: &str| format!("      - {name}.metrics.k8s.io\n");
    // The text to replace, its replacement, and the number of the occurrence.
    let less = [
        ("get", &secret, of_secret.to_owned(), 0, "verbs: [patch]"),
        ("patch", &secret, of_secret.to_owned(), 0, "verbs: [get]"),
        ("get", &first, service("v1beta1.custom"), 0, ""),
        ("get", &second, service("v1beta2.custom"), 0, ""),
        ("get", &external, service("v1beta1.external"), 0, ""),
        ("patch", &first, service("v1beta1.custom"), 1, ""),
        ("patch", &second, service("v1beta2.custom"), 1, ""),
    ];
    let rights: BTreeSet<_> = less.iter().map(|(verb, object, ..)| (*verb, object.as_str())).collect();
    let before = versions(admin);
    for (verb, object, old, place, new) in &less {
        let (at, _) = manifests.match_indices(old.as_str()).nth(*place).unwrap();
        let reduced = format!("{}{new}{}", &manifests[..at], &manifests[at + old.len()..]);
        admin.apply(&reduced);
        eventually("these are all rights", || {
            let has = rights.iter().filter(|(verb, object)| may(verb, object)).copied().collect::<BTreeSet<_>>();
            let lacks: Vec<_> = rights.difference(&has).collect();
            if lacks == [&(*verb, object.as_str())] { Ok(()) } else { Err(format!("lacks {lacks:?}")) }
        });
        let (code, told, why) = renewal.run(&[]);
        let (resource, name) = object.split_once('/').unwrap();
        let place = if resource == "secrets" { " in namespace custom-metrics" } else { "" };
        let message = format!("RBAC does not grant Metriclet the verb {verb} on {resource} {name}{place}\n");
        assert!(code == 69 && told.is_empty() && why.ends_with(&message), "{code} {told} {why}, expected {message}");
        assert_eq!(versions(admin), before, "without {verb} on {object}");
    }
    admin.apply(&manifests);
    eventually("it has all rights", || {
        if rights.iter().all(|(verb, object)| may(verb, object)) { Ok(()) } else { Err(String::new()) }
    });
    for (verb, object) in [
        ("get", "secrets/other"),
        ("list", "secrets"),
        ("update", &*secret),
        ("delete", &*secret),
        ("patch", &*external),
        ("patch", "apiservices/v1.apps"),
        ("create", "apiservices"),
        ("get", "pods"),
    ] {
        assert!(!may(verb, object), "{verb} {object}");
    }
}

pub fn of_the_serving_certificate(plane: &mut ControlPlane) {
    let admin = plane.admin();
    admin.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"));
    eventually("the namespace has its service account", || {
        admin.run(&["get", "serviceaccount", "default", &format!("--namespace={NAMESPACE}")])
    });
    let source = Upstream::text(&format!("queue_depth{{service=\"web\",namespace=\"{NAMESPACE}\"}} 40\n"));
    let config = format!(
        "sources:\n  page: {{url: '{}', namespaces: [{NAMESPACE}], cache: 0s}}\nmetrics:\n  \
         - {{name: queue_depth, object: services, source: page}}\n",
        source.url()
    );
    let installed = Installed::start(plane, &config);
    let metric = json!({"type": "Object", "object": {
        "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "web"},
        "metric": {"name": "queue_depth"}, "target": {"type": "AverageValue", "averageValue": "10"},
    }});
    // 40 are ten for each of the four checks.
    let workload = Workload::start(&admin, NAMESPACE, "web", &metric);
    workload.reaches(4);

    let renewal = Renewal::new(plane, &admin);
    let read = |name: &str| fs::read_to_string(installed.certificates.join(name)).unwrap();
    let (due, of_due) = ending(SystemTime::now() + 10 * LEFT);
    store(&admin, &due.pem(), &of_due);
    needs_each_right(&admin, &renewal);
    store(&admin, &read("ca.crt"), &Identity { chain: read("tls.crt"), key: read("tls.key") });
    let told = renewal.succeeds(&[]);
    assert!(told.contains(", renewal starts on 2") && trusted(&admin) == [1, 1], "{told}");

    // Two replicas on two nodes, with a certificate that is about to expire.
    let end = SystemTime::now() + LEFT;
    let (old, identity) = ending(end);
    let (first, second) = (installed.certificates.clone(), file("x", "").with_file_name("second"));
    installed.publish(plane, installed.server.address, (read("ca.crt") + &old.pem()).as_bytes());
    store(&admin, &old.pem(), &identity);
    fs::create_dir(&second).unwrap();
    for folder in [&first, &second] {
        mount(&admin, folder);
    }
    let another = installed.another_with(&second);
    let replicas = [installed.server.address, another.address];
    let serves = |replica: usize, authority: &[u8]| {
        eventually("a replica serves the certificate", || match is_trusted(replicas[replica], authority) {
            true => Ok(()),
            false => Err(String::new()),
        });
    };
    serves(0, old.pem().as_bytes());
    installed.publish(plane, replicas[0], old.pem().as_bytes());
    for service in services() {
        admin.run(&["wait", "--for=condition=Available", "--timeout=60s", &service]).unwrap();
    }

    let watch = Watch::start(plane, POLL);
    let (done, looked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        // At any time, each APIService trusts the certificate that each replica serves at that time.
        let looks = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                for service in services() {
                    let path = format!("/apis/apiregistration.k8s.io/v1/{service}");
                    let answer = plane.ask(Some(&plane.admin_identity), &path, "");
                    let bundle = bundle(&serde_json::from_str(&answer.body).unwrap());
                    for replica in replicas {
                        assert!(is_trusted(replica, &bundle), "{service} does not trust {replica}");
                    }
                }
                looked.fetch_add(1, Ordering::SeqCst);
                thread::sleep(POLL);
            }
        });
        let scales = || {
            let (active, why) = workload.condition("ScalingActive");
            assert_eq!((active.as_str(), workload.replicas()), ("True", 4), "{why}");
        };
        let for_a_while = || {
            let enough = (looked.load(Ordering::SeqCst) + 20, source.requests() + 2);
            eventually("it is watched", || {
                scales();
                let is_enough = looked.load(Ordering::SeqCst) >= enough.0 && source.requests() >= enough.1;
                if is_enough || looks.is_finished() { Ok(()) } else { Err(String::new()) }
            });
        };
        let lead_to = |replica: usize| {
            let port = json!({"spec": {"service": {"port": replicas[replica].port()}}}).to_string();
            for service in services() {
                admin.run(&["patch", &service, "--type=merge", "--patch", &port]).unwrap();
            }
        };
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for_a_while();
            let told = renewal.succeeds(&[]);
            assert!(
                told.contains("; ca.crt holds the authority of the next certificate, which a run from 2"),
                "{told}"
            );
            assert_eq!(trusted(&admin), [2, 2]);
            for_a_while();
            let told = renewal.succeeds(&[]);
            assert!(told.contains(" on installs the next certificate\n"), "{told}");
            let told = renewal.succeeds(&["--settle=0s"]);
            assert!(told.contains(": installed the next certificate, valid until 2"), "{told}");
            assert!(SystemTime::now() < end, "the machine is too slow for {LEFT:?}");
            assert_eq!(trusted(&admin), [2, 2]);
            let secret = admin.get(&["secret", SECRET, IN_OURS]);
            let both = String::from_utf8(STANDARD.decode(secret["data"]["ca.crt"].as_str().unwrap()).unwrap()).unwrap();
            let next = both.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
            // One node notices the change before the other, and kube-apiserver connects to either.
            mount(&admin, &first);
            serves(0, next.as_bytes());
            for replica in [1, 0] {
                lead_to(replica);
                for_a_while();
            }
            assert!(is_trusted(replicas[1], old.pem().as_bytes()), "the other node has not noticed it yet");
            mount(&admin, &second);
            serves(1, next.as_bytes());
            for replica in [1, 0] {
                lead_to(replica);
                for_a_while();
            }
            let told = renewal.succeeds(&[]);
            assert!(told.contains(", renewal starts on 2"), "{told}");
            assert!(SystemTime::now() > end || trusted(&admin) == [2, 2], "the old authority stays until it expires");
            // The day on which the old certificate expires.
            while let Ok(left) = end.duration_since(SystemTime::now()) {
                scales();
                thread::sleep(left.min(Duration::from_secs(1)));
            }
            for_a_while();
            eventually("it expired at least a second ago", || {
                let told = renewal.succeeds(&[]);
                if told.contains("caBundle contains 1 certificate\n") { Ok(()) } else { Err(told) }
            });
            assert_eq!(trusted(&admin), [1, 1]);
            for_a_while();
            lead_to(1);
            for_a_while();
        }));
        done.store(true, Ordering::SeqCst);
        looks.join().unwrap();
        ran.unwrap();
    });
    let seen = watch.end();
    assert!(seen.looks > 500 && looked.load(Ordering::SeqCst) > 100, "{seen:?}");
    assert_eq!((seen.unavailable, seen.unserved, seen.away), (Vec::new(), Vec::new(), 0));
    workload.remove();
    for manifest in ["cronjob", "networkpolicy", "rbac", "serviceaccount"] {
        let path = format!("{ROOT}/manifests/components/certificate-renewal/{manifest}.yaml");
        admin.run(&["delete", "-f", &path]).unwrap();
    }
    admin.run(&["delete", "secret", SECRET, IN_OURS]).unwrap();
}

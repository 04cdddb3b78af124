//! A cluster with Metriclet: a Kubernetes API that stores changes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::KeyPair;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use serde_json::{Value, json};

use crate::common::kubernetes::Kubernetes;
use crate::common::objects::Objects;
use crate::common::run;
use crate::common::tls::{Authority, Identity};

pub const SECRET: &str = "/api/v1/namespaces/custom-metrics/secrets/custom-metrics-apiserver-tls";
pub const HOST: &str = "custom-metrics-apiserver.custom-metrics.svc";
pub const SERVICES: [&str; 2] = ["v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"];
pub const EXTERNAL: &str = "v1beta1.external.metrics.k8s.io";
const DAY: Duration = Duration::from_secs(86_400);

pub fn service(name: &str) -> String {
    format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}")
}

pub fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

/// An authority and its certificate for the Service, valid for a year from `day` days ago.
pub struct Made {
    pub authority: Authority,
    pub identity: Identity,
}

impl Made {
    pub fn at_day(day: u32) -> Self {
        Self::by("metriclet-ca-1", day)
    }

    pub fn by(authority: &str, day: u32) -> Self {
        let begin = SystemTime::now() - DAY * day;
        let span = |params: &mut rcgen::CertificateParams| {
            params.not_before = begin.into();
            params.not_after = (begin + DAY * 365).into();
        };
        let authority = Authority::with(authority, span);
        let identity = authority.issue_with(HOST, &KeyPair::generate().unwrap(), |params| {
            span(params);
            params.subject_alt_names.push(rcgen::SanType::DnsName("metrics.example.com".try_into().unwrap()));
            params.subject_alt_names.push(rcgen::SanType::IpAddress([10, 0, 0, 1].into()));
        });
        Self { authority, identity }
    }
}

/// A cluster with Metriclet.
pub struct World {
    pub kubernetes: Kubernetes,
    pub objects: Objects,
    kubeconfig: PathBuf,
}

impl World {
    /// Installed with this certificate, whose authority is trusted everywhere.
    pub fn new(made: &Made) -> Self {
        let kubernetes = Kubernetes::start();
        let kubeconfig = kubernetes.kubeconfig("{token: t}");
        let world = Self { kubernetes, objects: Objects::default(), kubeconfig };
        world.put(made, &made.authority.pem(), &made.authority.pem());
        world.behave();
        world
    }

    pub fn put(&self, made: &Made, trusted: &str, bundle: &str) {
        let Identity { chain, key } = &made.identity;
        let data = json!({"tls.crt": encoded(chain), "tls.key": encoded(key), "ca.crt": encoded(trusted)});
        self.objects.put(
            SECRET,
            json!({"kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"labels": {"a": "b"}}, "data": data}),
        );
        for name in SERVICES {
            self.objects.put(&service(name), api_service("custom-metrics", bundle));
        }
    }

    /// From now on the API server behaves correctly.
    pub fn behave(&self) {
        let objects = self.objects.clone();
        self.kubernetes.script(move |call| objects.answer(call));
    }

    pub fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["certs", "renew", "--kubeconfig", self.kubeconfig.to_str().unwrap()], more].concat()
    }

    /// Runs the command successfully, and returns its output.
    pub fn renew(&self, more: &[&str]) -> String {
        let (code, stdout, stderr) = run(&self.arguments(more));
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        stdout
    }

    /// Runs the command after or during an unfinished run.
    pub fn attempt(&self) {
        let (code, stdout, stderr) = run(&self.arguments(&["--settle=0s"]));
        assert!(code == 0 || (code == 69 && stderr.contains(" lost the next authority; ")), "{stdout}{stderr}");
    }

    /// Runs the command, which must fail with this message.
    pub fn fails(&self, why: &str) {
        let (code, stdout, stderr) = run(&self.arguments(&["--settle=0s"]));
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (69, "", &*format!("metriclet: {why}\n")));
    }

    /// Runs the command, which reports changes and fails with a message.
    pub fn warns(&self, more: &[&str]) -> (String, String) {
        let (code, stdout, stderr) = run(&self.arguments(more));
        assert_eq!(code, 69, "{stdout}{stderr}");
        (stdout, stderr)
    }

    /// Sets or removes an annotation of the Secret.
    pub fn annotate(&self, name: &str, value: &Value) {
        let mut secret = self.objects.get(SECRET);
        secret["metadata"]["annotations"][name] = value.clone();
        self.objects.put(SECRET, secret);
    }

    /// The paths of objects stored since the last call.
    pub fn changes(&self, since: usize) -> Vec<String> {
        self.objects.history()[since..].iter().map(|(path, _)| path.rsplit('/').next().unwrap().to_owned()).collect()
    }

    pub fn stored(&self) -> usize {
        self.objects.history().len()
    }

    pub fn secret(&self, name: &str) -> String {
        file(&self.objects.get(SECRET), name)
    }

    pub fn bundle(&self, name: &str) -> String {
        bundle(&self.objects.get(&service(name)))
    }

    /// The number of authorities in `ca.crt` and in each `caBundle`.
    pub fn trusted(&self) -> Vec<usize> {
        let texts = [self.secret("ca.crt"), self.bundle(SERVICES[0]), self.bundle(SERVICES[1])];
        texts.iter().map(|text| CertificateDer::pem_slice_iter(text.as_bytes()).count()).collect()
    }

    /// In each stored state, every certificate that a replica may serve is trusted everywhere: that of the state and of the
    /// previous one, because nodes notice a changed Secret at different times.
    pub fn was_never_interrupted(&self) {
        let mut bundles: BTreeMap<String, String> = BTreeMap::new();
        let mut secrets: [Value; 2] = [Value::Null, Value::Null];
        for (path, object) in self.objects.history() {
            if path == SECRET {
                secrets = [if secrets[1].is_null() { object.clone() } else { secrets[1].take() }, object];
                let key = PrivateKeyDer::from_pem_slice(file(&secrets[1], "tls.key").as_bytes()).unwrap();
                let chain = vec![CertificateDer::from_pem_slice(file(&secrets[1], "tls.crt").as_bytes()).unwrap()];
                let provider = rustls::crypto::ring::default_provider();
                let pair = rustls::sign::CertifiedKey::from_der(chain, key, &provider);
                assert!(pair.is_ok(), "a pair is mixed");
            } else {
                bundles.insert(path, bundle(&object));
            }
            for served in secrets.iter().filter(|secret| !secret.is_null()) {
                let certificate = file(served, "tls.crt");
                let by_replicas = secrets.iter().map(|secret| file(secret, "ca.crt"));
                let by_kubernetes = bundles.values().cloned();
                for trusted in by_replicas.chain(by_kubernetes) {
                    assert!(verified(&trusted, &certificate, HOST), "a certificate is served that is not trusted");
                }
            }
        }
    }
}

pub fn api_service(namespace: &str, bundle: &str) -> Value {
    let service = json!({"namespace": namespace, "name": "custom-metrics-apiserver", "port": 443});
    json!({"kind": "APIService", "metadata": {}, "spec": {"service": service, "caBundle": encoded(bundle)}})
}

fn file(secret: &Value, name: &str) -> String {
    let encoded = secret["data"][name].as_str().unwrap_or_default();
    String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
}

fn bundle(service: &Value) -> String {
    String::from_utf8(STANDARD.decode(service["spec"]["caBundle"].as_str().unwrap()).unwrap()).unwrap()
}

/// Whether a client that trusts these authorities accepts the certificate for this host.
pub fn verified(trusted: &str, certificate: &str, host: &str) -> bool {
    let mut roots = RootCertStore::empty();
    CertificateDer::pem_slice_iter(trusted.as_bytes()).for_each(|authority| roots.add(authority.unwrap()).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
    let own = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    verifier.verify_server_cert(&own, &[], &name, &[], UnixTime::now()).is_ok()
}

//! The test adapter of the Go library, at the address of its APIServices.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::common::{file, run};
use crate::plane::ControlPlane;
use crate::process::{Process, eventually};

/// Its API versions, by group.
const SERVED: [(&str, &str); 3] = [
    ("custom.metrics.k8s.io", "v1beta1"),
    ("custom.metrics.k8s.io", "v1beta2"),
    ("external.metrics.k8s.io", "v1beta1"),
];

/// A running test adapter; dropping this ends it and deletes its APIServices.
pub struct Adapter {
    /// Its port.
    pub address: SocketAddr,
    /// The URL for writing values: `http://127.0.0.1:NNN/write-metrics`
    pub values: String,
    /// The serving certificate and key, and their authority.
    pub certificates: PathBuf,
    admin: crate::kubectl::Kubectl,
    /// Empty once another adapter has taken over its APIServices.
    process: Option<Process>,
}

impl Adapter {
    /// Starts it and waits until its APIServices are available.
    pub fn start(plane: &ControlPlane, program: &Path) -> Self {
        let admin = plane.admin();
        remove(&admin);
        admin.apply(SERVICE);
        let certificates = file("x", "").with_file_name("certs");
        let (code, _, stderr) = run(&["certs", "--out", certificates.to_str().unwrap()]);
        assert_eq!(code, 0, "{stderr}");
        // It does not support port 0.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let kubeconfig = plane.file("admin.kubeconfig");
        let mut command = Command::new(program);
        command.arg("--bind-address=127.0.0.1").arg(format!("--secure-port={}", address.port()));
        command.arg("--tls-cert-file").arg(certificates.join("tls.crt"));
        command.arg("--tls-private-key-file").arg(certificates.join("tls.key"));
        for flag in ["--lister-kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"] {
            command.arg(flag).arg(&kubeconfig);
        }
        let mut process = Process::start(command, "test-adapter", &file("x", "").with_file_name(""));
        let values = eventually("the test adapter takes values", || {
            process.must_run();
            let log = fs::read_to_string(&process.log).unwrap();
            let line = log.lines().find_map(|line| line.split_once("values are written to "));
            line.map(|(_, url)| format!("{}/write-metrics", url.trim())).ok_or(log)
        });
        eventually("the test adapter listens", || {
            process.must_run();
            TcpStream::connect(address).map_err(|error| error.to_string())
        });
        let bundle = STANDARD.encode(fs::read(certificates.join("ca.crt")).unwrap());
        let manifests: String =
            SERVED.iter().map(|(group, version)| api_service(group, version, address.port(), &bundle)).collect();
        admin.apply(&manifests);
        for (group, version) in SERVED {
            let service = format!("apiservices/{version}.{group}");
            let available = ["wait", "--for=condition=Available", "--timeout=60s", &service];
            admin.run(&available).unwrap_or_else(|why| panic!("{why}: {}", admin.get(&[&service])["status"]));
            // The proxy follows the condition with a delay.
            eventually("discovery through kube-apiserver", || admin.raw(&format!("/apis/{group}/{version}")));
        }
        Self { address, values, certificates, admin, process: Some(process) }
    }
}

impl Adapter {
    /// Writes a value, such as that of `namespaces/shop/services/web/queue_depth`.
    pub fn write(&self, path: &str, value: &str) {
        let (url, value) = (format!("{}/{path}", self.values), format!("\"{value}\""));
        let flags = ["--silent", "--show-error", "--fail", "--noproxy", "*", "-H", "Content-Type: application/json"];
        let written = Command::new("curl").args(flags).args(["-d", &value, &url]).output().unwrap();
        assert!(written.status.success(), "{path}: {}", String::from_utf8_lossy(&written.stderr));
    }

    /// Stops it; another adapter has taken over its APIServices, so they stay.
    pub fn retire(mut self) {
        self.process = None;
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        if self.process.is_some() {
            remove(&self.admin);
        }
    }
}

fn remove(admin: &crate::kubectl::Kubectl) {
    let services = SERVED.map(|(group, version)| format!("apiservices/{version}.{group}"));
    let _ = admin.run(&["delete", "--ignore-not-found", &services[0], &services[1], &services[2]]);
}

const SERVICE: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: custom-metrics}
---
apiVersion: v1
kind: Service
metadata:
  name: custom-metrics-apiserver
  namespace: custom-metrics
  labels: {app.kubernetes.io/part-of: metriclet}
spec: {type: ExternalName, externalName: localhost}
";

fn api_service(group: &str, version: &str, port: u16, bundle: &str) -> String {
    let priority = if version == "v1beta2" { 200 } else { 100 };
    format!(
        "
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: {version}.{group}}}
spec:
  group: {group}
  version: {version}
  service: {{name: custom-metrics-apiserver, namespace: custom-metrics, port: {port}}}
  caBundle: {bundle}
  groupPriorityMinimum: 100
  versionPriority: {priority}
"
    )
}

//! Metriclet, at the address of its APIServices.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::common::tls::Identity;
use crate::common::{Answer, Server, file, metriclet, run};
use crate::direct;
use crate::plane::ControlPlane;
use crate::process::{eventually, guarded};
use crate::workload::answers_to_explain;

pub const VERSIONS: [&str; 2] = ["v1beta1", "v1beta2"];

/// A Metriclet behind both APIServices; dropping this ends it, and the APIServices stay.
pub struct Installed {
    pub server: Server,
    pub config: PathBuf,
    /// The serving certificate and key, and their authority.
    pub certificates: PathBuf,
    account: Account,
    /// The start of the relevant part of kube-apiserver's log.
    log_begin: usize,
}

/// Kubeconfigs of its service account.
struct Account {
    kubeconfig: PathBuf,
    /// The kubeconfig for SubjectAccessReviews.
    authorization: Option<PathBuf>,
}

/// The name of each APIService.
pub fn services() -> [String; 2] {
    VERSIONS.map(|version| format!("apiservices/{version}.custom.metrics.k8s.io"))
}

fn serve(config: &Path, certificates: &Path, account: &Account) -> Server {
    let mut command = metriclet(&["--listen=off", "--bind-address=127.0.0.1", "--secure-port=0"]);
    command.arg("--tls-cert-file").arg(certificates.join("tls.crt"));
    command.arg("--tls-private-key-file").arg(certificates.join("tls.key"));
    command.arg("--kubeconfig").arg(&account.kubeconfig);
    if let Some(authorization) = &account.authorization {
        command.arg("--authorization-kubeconfig").arg(authorization);
    }
    command.arg("--config").arg(config);
    Server::spawn(guarded(command))
}

impl Installed {
    /// Starts it and waits until its APIServices are available.
    pub fn start(plane: &ControlPlane, config: &str) -> Self {
        let mut installed = Self::start_with_addresses(plane, config, plane.address, None);
        installed.register(plane, installed.server.address);
        installed
    }

    /// Starts it with this address of kube-apiserver, and another address for SubjectAccessReviews.
    pub fn start_with_addresses(
        plane: &ControlPlane,
        config: &str,
        api: SocketAddr,
        reviews: Option<SocketAddr>,
    ) -> Self {
        answers_to_explain();
        let log_begin = plane.log().len();
        let certificates = file("x", "").with_file_name("certs");
        let (code, _, stderr) = run(&["certs", "--out", certificates.to_str().unwrap()]);
        assert_eq!(code, 0, "{stderr}");
        let account = account(plane, api, reviews);
        let config = file("metrics.yaml", config);
        let server = serve(&config, &certificates, &account);
        Self { server, config, certificates, account, log_begin }
    }

    /// Registers the APIServices at a port of this machine, and waits until they are available.
    pub fn register(&mut self, plane: &ControlPlane, address: SocketAddr) {
        let admin = plane.admin();
        let services = services();
        // The conditions of the previous server must not be mistaken for those of this one.
        let another =
            !admin.run(&["delete", "--ignore-not-found", &services[0], &services[1]]).unwrap().trim().is_empty();
        admin.apply(SERVICE);
        self.publish(plane, address, &self.authority());
        for service in services {
            let available = ["wait", "--for=condition=Available", "--timeout=60s", &service];
            admin.run(&available).unwrap_or_else(|why| panic!("{why}: {}", admin.get(&[&service])["status"]));
        }
        // The proxy follows the condition with a delay.
        for version in VERSIONS {
            eventually("discovery through kube-apiserver", || {
                admin.raw(&format!("/apis/custom.metrics.k8s.io/{version}"))
            });
        }
        // Until then its log may contain errors about the previous server.
        if another {
            self.log_begin = plane.log().len();
        }
    }

    /// Registers external metrics, too, and waits until their APIService is available.
    pub fn register_external(&self, plane: &ControlPlane) {
        let admin = plane.admin();
        let bundle = STANDARD.encode(self.authority());
        admin.apply(&api_service("external.metrics.k8s.io", "v1beta1", self.server.address.port(), &bundle));
        let service = "apiservices/v1beta1.external.metrics.k8s.io";
        admin.run(&["wait", "--for=condition=Available", "--timeout=60s", service]).unwrap();
        eventually("discovery through kube-apiserver", || admin.raw("/apis/external.metrics.k8s.io/v1beta1"));
    }

    /// Deletes the APIService of external metrics.
    pub fn unregister_external(&self, plane: &ControlPlane) {
        plane.admin().run(&["delete", "apiservices/v1beta1.external.metrics.k8s.io"]).unwrap();
    }

    /// Changes the APIServices of another adapter to refer to this server, external metrics included, without deleting any.
    pub fn redirect_api_services(&self, plane: &ControlPlane) {
        let port = self.server.address.port();
        let bundle = STANDARD.encode(self.authority());
        let mut manifests =
            VERSIONS.map(|version| api_service("custom.metrics.k8s.io", version, port, &bundle)).concat();
        manifests += &api_service("external.metrics.k8s.io", "v1beta1", port, &bundle);
        plane.admin().apply(&manifests);
    }

    /// Sets its address and its authority (PEM).
    pub fn publish(&self, plane: &ControlPlane, address: SocketAddr, bundle: &[u8]) {
        let bundle = STANDARD.encode(bundle);
        let manifests = VERSIONS.map(|version| api_service("custom.metrics.k8s.io", version, address.port(), &bundle));
        plane.admin().apply(&manifests.concat());
    }

    /// Starts another one like it, and waits until it is ready.
    pub fn another(&self) -> Server {
        self.another_with(&self.certificates)
    }

    /// Like [`Self::another`], with the certificate in another folder.
    pub fn another_with(&self, certificates: &Path) -> Server {
        let server = serve(&self.config, certificates, &self.account);
        let ready = format!("https://{}/readyz", server.address);
        eventually("it is ready", || match run(&["probe", &ready]) {
            (0, _, _) => Ok(()),
            (_, _, why) => Err(why),
        });
        server
    }

    /// The authority of its serving certificate (PEM).
    fn authority(&self) -> Vec<u8> {
        fs::read(self.certificates.join("ca.crt")).unwrap()
    }

    /// Sends a request directly to the listener; `headers` are lines ended by CRLF.
    pub fn ask_directly(&self, client: Option<&Identity>, target: &str, headers: &str) -> Answer {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        direct::ask(
            self.server.address,
            "custom-metrics-apiserver.custom-metrics.svc",
            &self.authority(),
            client,
            &request,
        )
    }

    /// The number of successful requests of a kind, such as `discovery`.
    pub fn answered(&self, plane: &ControlPlane, kind: &str) -> f64 {
        self.answered_with(plane, kind, 200)
    }

    /// The number of requests of a kind with this status code.
    pub fn answered_with(&self, plane: &ControlPlane, kind: &str, code: u16) -> f64 {
        self.counted(plane, "apiserver_request_total", &[format!("resource=\"{kind}\""), format!("code=\"{code}\"")])
    }

    /// Checks that all metrics were sent as protobuf, so the HPA controller has scaled on it; except those that
    /// `metriclet explain` has read.
    pub fn answered_in_protobuf_only(&self, plane: &ControlPlane) {
        let in_media_type = |name: &str| {
            self.counted(plane, "metriclet_metric_answers_total", &[format!("media_type=\"application/{name}\"")])
        };
        assert!(in_media_type("vnd.kubernetes.protobuf") > 0.0);
        assert_eq!((in_media_type("json"), in_media_type("yaml")), (answers_to_explain().into(), 0.0));
    }

    /// The sum of a counter's series with all of these labels.
    fn counted(&self, plane: &ControlPlane, name: &str, labels: &[String]) -> f64 {
        let page = self.ask_directly(Some(&plane.admin_identity), "/metrics", "").body;
        let series = page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "));
        let those = series.filter(|(found, _)| labels.iter().all(|label| found.contains(label)));
        those.map(|(_, count)| count.parse::<f64>().unwrap()).sum()
    }

    /// The errors about this server in kube-apiserver's log since `log_begin`.
    pub fn complaints(&self, plane: &ControlPlane) -> Vec<String> {
        let log = plane.log();
        let is_about_us =
            |line: &&str| ["custom", "external"].iter().any(|of| line.contains(&format!("{of}.metrics.k8s.io")));
        let about_us = log[self.log_begin..].lines().filter(is_about_us);
        let troubles = ["openapi", "discovery", "unavailable", "bad gateway", "failed", "error"];
        let bad = |line: &&str| line.starts_with('E') || troubles.iter().any(|word| line.to_lowercase().contains(word));
        // On a busy machine kube-apiserver handles the removal of an earlier installation late.
        let over = |line: &&str| line.contains("action for item") && line.contains("Nothing (removed from the queue)");
        about_us.filter(bad).filter(|line| !over(line)).map(str::to_owned).collect()
    }
}

/// `name value, …` of a list of values.
pub fn values(list: &str) -> String {
    let list: Value = serde_json::from_str(list).unwrap();
    let text = |item: &Value| {
        format!("{} {}", item["describedObject"]["name"].as_str().unwrap(), item["value"].as_str().unwrap())
    };
    list["items"].as_array().unwrap().iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Kubeconfigs of Metriclet's service account, which has only the documented rights.
fn account(plane: &ControlPlane, api: SocketAddr, reviews: Option<SocketAddr>) -> Account {
    let admin = plane.admin();
    admin.apply(ACCOUNT);
    let token = admin.run(&["create", "token", "metriclet", "--namespace=custom-metrics"]).unwrap();
    let config = |name: &str, server| plane.token_config(name, server, token.trim_end());
    Account {
        kubeconfig: config("metriclet", api),
        authorization: reviews.map(|server| config("metriclet-reviews", server)),
    }
}

const ACCOUNT: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: custom-metrics}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: metriclet, namespace: custom-metrics}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: account-auth-delegator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'system:auth-delegator'}
subjects: [{kind: ServiceAccount, name: metriclet, namespace: custom-metrics}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: account-pods}
rules:
- {apiGroups: [''], resources: [pods], verbs: [list, watch]}
- {apiGroups: [apps], resources: [deployments/scale], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: account-pods}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: account-pods}
subjects: [{kind: ServiceAccount, name: metriclet, namespace: custom-metrics}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: account-auth-reader, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: extension-apiserver-authentication-reader}
subjects: [{kind: ServiceAccount, name: metriclet, namespace: custom-metrics}]
";

/// There is no pod network, so the Service's name resolves to this machine.
const SERVICE: &str = "
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
metadata:
  name: {version}.{group}
  labels: {{app.kubernetes.io/part-of: metriclet}}
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

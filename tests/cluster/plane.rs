//! A Kubernetes control plane without nodes, on 127.0.0.1.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};
use serde_json::json;

use crate::common::tls::{Authority, Identity};
use crate::common::{Answer, replace};
use crate::direct;
use crate::kubectl::Kubectl;
use crate::process::{Process, eventually};

/// The user name of kube-controller-manager.
const CONTROLLERS: &str = "system:kube-controller-manager";

/// A running control plane; dropping this ends it.
pub struct ControlPlane {
    folder: PathBuf,
    programs: PathBuf,
    /// Signs servers and ordinary clients.
    pub authority: Authority,
    /// Signs certificates of front proxies.
    pub front_proxies: Authority,
    /// A user with full access.
    pub admin_identity: Identity,
    /// The address of kube-apiserver.
    pub address: SocketAddr,
    /// `v1.37.2`
    pub version: String,
    apiserver: Option<Process>,
    controllers: Option<Process>,
    etcd: Option<Process>,
    etcd_url: String,
}

/// Two free ports.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A client certificate with this user name and group.
pub fn client(authority: &Authority, name: &str, group: Option<&str>) -> Identity {
    authority.issue_with(name, &KeyPair::generate().unwrap(), |params| {
        params.subject_alt_names.clear();
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    })
}

impl ControlPlane {
    /// Starts a control plane and waits until it serves.
    pub fn start(programs: &Path, folder: &Path) -> Self {
        let [etcd_port, port] = free_ports();
        let authority = Authority::new("cluster");
        let mut plane = Self {
            folder: folder.to_owned(),
            programs: programs.to_owned(),
            admin_identity: client(&authority, "admin", Some("system:masters")),
            authority,
            front_proxies: Authority::new("front-proxy"),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            version: String::new(),
            apiserver: None,
            controllers: None,
            etcd: None,
            etcd_url: format!("http://127.0.0.1:{etcd_port}"),
        };
        plane.write_certificates();
        plane.start_etcd();
        plane.start_apiserver();
        let version: serde_json::Value = serde_json::from_str(&plane.admin().raw("/version").unwrap()).unwrap();
        plane.version = version["gitVersion"].as_str().unwrap().to_owned();
        plane.start_controllers();
        plane
    }

    /// kubectl as a user with full access.
    pub fn admin(&self) -> Kubectl {
        self.kubectl("admin")
    }

    /// Stops kube-apiserver.
    pub fn stop_apiserver(&mut self) {
        self.apiserver = None;
    }

    /// Has etcd forget all but the newest state.
    pub fn compact_etcd(&self) {
        let address: SocketAddr = self.etcd_url.trim_start_matches("http://").parse().unwrap();
        let post = |path: &str, body: String| -> serde_json::Value {
            let mut stream = TcpStream::connect(address).unwrap();
            let length = body.len();
            let head =
                format!("POST {path} HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all((head + &body).as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let answer = Answer::parse(&answer);
            assert_eq!(answer.code, 200, "{}", answer.body);
            serde_json::from_str(&answer.body).unwrap()
        };
        let found = post("/v3/kv/range", json!({"key": "AA==", "limit": "1"}).to_string());
        let revision = found["header"]["revision"].as_str().unwrap();
        post("/v3/kv/compaction", json!({"revision": revision, "physical": true}).to_string());
    }

    /// Whether there are controllers, so that pods are created and HPAs scale.
    pub fn has_controllers(&self) -> bool {
        self.controllers.is_some()
    }

    /// A file of the control plane.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The log of kube-apiserver.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("kube-apiserver.log")).unwrap()
    }

    /// Sends a request to kube-apiserver; `headers` are lines ended by CRLF.
    pub fn ask(&self, client: Option<&Identity>, target: &str, headers: &str) -> Answer {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        self.send(client, &request)
    }

    /// Sends arbitrary bytes to kube-apiserver.
    pub fn send(&self, client: Option<&Identity>, request: &str) -> Answer {
        direct::ask(self.address, "localhost", self.authority.pem().as_bytes(), client, request)
    }

    /// A kubeconfig with this token, for kube-apiserver at this address.
    pub fn token_config(&self, name: &str, server: SocketAddr, token: &str) -> PathBuf {
        self.kubeconfig(name, server, &json!({"token": token}))
    }

    /// Sets the front-proxy authorities of kube-apiserver, which reads the file again.
    pub fn trust_front_proxies(&self, authorities: &[&Authority]) {
        let bundle: String = authorities.iter().map(|authority| authority.pem()).collect();
        replace(&self.file("front-proxy-ca.crt"), &bundle);
    }

    /// Sets the front-proxy certificate of kube-apiserver, which reads the file again.
    pub fn change_front_proxy(&self, identity: &Identity) {
        // A key and certificate that do not match are ignored.
        replace(&self.file("front-proxy-client.key"), &identity.key);
        replace(&self.file("front-proxy-client.crt"), &identity.chain);
    }

    fn kubectl(&self, user: &str) -> Kubectl {
        Kubectl::new(self.programs.join("kubectl"), &self.file(&format!("{user}.kubeconfig")))
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.file(name), content).unwrap();
    }

    fn write_identity(&self, name: &str, identity: &Identity) {
        self.write(&format!("{name}.crt"), &identity.chain);
        self.write(&format!("{name}.key"), &identity.key);
    }

    fn write_certificates(&self) {
        self.write("ca.crt", &self.authority.pem());
        self.write("front-proxy-ca.crt", &self.front_proxies.pem());
        let signer = KeyPair::generate().unwrap();
        self.write("service-accounts.key", &signer.serialize_pem());
        self.write("service-accounts.pub", &signer.public_key_pem());
        let server = self.authority.issue_with("localhost", &KeyPair::generate().unwrap(), |params| {
            params.subject_alt_names.push(SanType::IpAddress(self.address.ip()));
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        });
        self.write_identity("kube-apiserver", &server);
        self.write_identity("front-proxy-client", &client(&self.front_proxies, "front-proxy-client", None));
        self.write_identity("admin", &self.admin_identity);
        self.write_identity(CONTROLLERS, &client(&self.authority, CONTROLLERS, None));
        for user in ["admin", CONTROLLERS] {
            let [certificate, key] = ["crt", "key"].map(|kind| self.file(&format!("{user}.{kind}")));
            self.kubeconfig(user, self.address, &json!({"client-certificate": certificate, "client-key": key}));
        }
    }

    fn kubeconfig(&self, name: &str, server: SocketAddr, user: &serde_json::Value) -> PathBuf {
        let server = json!({"server": format!("https://{server}"), "certificate-authority": self.file("ca.crt")});
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": server}],
            "users": [{"name": "it", "user": user}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        });
        let path = self.file(&format!("{name}.kubeconfig"));
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    fn run(&self, name: &str, arguments: &[impl AsRef<OsStr>]) -> Process {
        let mut command = Command::new(self.programs.join(name));
        command.args(arguments).env("HOME", &self.folder).current_dir(&self.folder);
        Process::start(command, name, &self.folder)
    }

    fn start_etcd(&mut self) {
        let url = &self.etcd_url;
        let peers = "http://127.0.0.1:0";
        self.etcd = Some(self.run(
            "etcd",
            &[
                "--data-dir=etcd",
                &format!("--listen-client-urls={url}"),
                &format!("--advertise-client-urls={url}"),
                &format!("--listen-peer-urls={peers}"),
                // The data is not needed after the run.
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        ));
    }

    /// Starts kube-apiserver, for the first time or again, and waits until it serves.
    pub fn start_apiserver(&mut self) {
        let arguments = [
            format!("--etcd-servers={}", self.etcd_url),
            format!("--secure-port={}", self.address.port()),
            "--bind-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--tls-cert-file=kube-apiserver.crt".to_owned(),
            "--tls-private-key-file=kube-apiserver.key".to_owned(),
            "--client-ca-file=ca.crt".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--requestheader-client-ca-file=front-proxy-ca.crt".to_owned(),
            "--requestheader-allowed-names=front-proxy-client".to_owned(),
            "--requestheader-username-headers=X-Remote-User".to_owned(),
            "--requestheader-group-headers=X-Remote-Group".to_owned(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
            "--proxy-client-cert-file=front-proxy-client.crt".to_owned(),
            "--proxy-client-key-file=front-proxy-client.key".to_owned(),
            // At this level it logs that it has read certificates again.
            "--v=2".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-account-key-file=service-accounts.pub".to_owned(),
            "--service-account-signing-key-file=service-accounts.key".to_owned(),
        ];
        self.apiserver = Some(self.run("kube-apiserver", &arguments));
        let admin = self.admin();
        eventually("kube-apiserver is ready", || {
            self.etcd.as_mut().unwrap().must_run();
            self.apiserver.as_mut().unwrap().must_run();
            admin.raw("/readyz")
        });
    }

    /// Starts the controllers that HPAs and roles need, if the program is available: envtest has none.
    fn start_controllers(&mut self) {
        const WANTED: &str = "horizontal-pod-autoscaler-controller,deployment-controller,replicaset-controller,\
                              serviceaccount-controller,namespace-controller,garbage-collector-controller,\
                              clusterrole-aggregation-controller";
        if !self.programs.join("kube-controller-manager").exists() {
            return;
        }
        let arguments = [
            &format!("--kubeconfig={CONTROLLERS}.kubeconfig"),
            &format!("--controllers={WANTED}"),
            "--secure-port=0",
            "--leader-elect=false",
            // Each controller has a separate service account with its own rights, as in a cluster.
            "--use-service-account-credentials=true",
            "--service-account-private-key-file=service-accounts.key",
            "--root-ca-file=ca.crt",
            "--horizontal-pod-autoscaler-sync-period=3s",
        ];
        self.controllers = Some(self.run("kube-controller-manager", &arguments));
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // Clients first, servers last.
        self.controllers = None;
        self.apiserver = None;
        self.etcd = None;
    }
}

//! The address of the Kubernetes API and its credentials: from a kubeconfig, or from the pod's service account.

use std::path::Path;

use super::exec::Exec;
use crate::http::credentials::{Credentials, SecretSource};

/// The directory with a container's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The Kubernetes API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `https://10.0.0.1:443`, without a trailing slash.
    pub server: String,
    /// The credentials, and the authorities that sign the server's certificate.
    pub credentials: Credentials,
    /// The credential plugin.
    pub exec: Option<Exec>,
}

impl Target {
    /// The API server of the pod's cluster; `None` outside a cluster. `variable` returns an environment variable.
    pub fn in_cluster(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let file = |name: &str| SecretSource::File(Path::new(SERVICE_ACCOUNT).join(name));
        Some(Self {
            server: format!("https://{host}:{port}"),
            credentials: Credentials {
                authorities: Some(file("ca.crt")),
                bearer: Some(file("token")),
                ..Credentials::default()
            },
            exec: None,
        })
    }

    /// Its host without brackets, and its port.
    pub fn address(&self) -> (&str, u16) {
        let default = if self.server.starts_with("http://") { 80 } else { 443 };
        let (host, rest) = self.parts();
        let port = rest.strip_prefix(':').and_then(|rest| rest.split('/').next()).and_then(|port| port.parse().ok());
        (host.trim_start_matches('[').trim_end_matches(']'), port.unwrap_or(default))
    }

    /// The host, and the rest of the URL.
    fn parts(&self) -> (&str, &str) {
        let after = self.server.split_once("://").map_or(self.server.as_str(), |(_, after)| after);
        let from = if after.starts_with('[') { after.find(']').unwrap_or_default() } else { 0 };
        let end = after[from..].find([':', '/']).map_or(after.len(), |at| from + at);
        after.split_at(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_cluster_of_the_pod() {
        let around = |host: &'static str| {
            Target::in_cluster(move |name| match name {
                "KUBERNETES_SERVICE_HOST" => Some(host.to_owned()),
                "KUBERNETES_SERVICE_PORT" => Some("443".to_owned()),
                _ => None,
            })
        };
        assert_eq!(around("10.0.0.1").unwrap().server, "https://10.0.0.1:443");
        assert_eq!(around("fd00::1").unwrap().server, "https://[fd00::1]:443");
        assert_eq!(Target::in_cluster(|_| None), None);
    }

    #[test]
    fn returns_host_and_port() {
        for (server, address) in [
            ("https://k", ("k", 443)),
            ("http://127.0.0.1:8001", ("127.0.0.1", 8_001)),
            ("http://localhost", ("localhost", 80)),
            ("https://10.0.0.1:6443", ("10.0.0.1", 6_443)),
            ("https://[fd00::1]:8443/clusters/a", ("fd00::1", 8_443)),
            ("https://k/clusters/a:b", ("k", 443)),
            ("https://[fd00", ("fd00", 443)),
        ] {
            let mut target = Target::in_cluster(|_| Some("x".to_owned())).unwrap();
            target.server = server.to_owned();
            assert_eq!(target.address(), address);
        }
    }
}

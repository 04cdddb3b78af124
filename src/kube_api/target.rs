//! Where the Kubernetes API is, whom to trust there and how to prove who we are; as flags, a kubeconfig or the cluster
//! around us say it.

use std::path::{Path, PathBuf};

/// Where a container finds what its service account gives it.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The Kubernetes API and our credentials for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `https://10.0.0.1:443`, without a slash at its end.
    pub server: String,
    /// Whom to trust; `None`: the authorities that browsers trust.
    pub authorities: Option<Material>,
    /// Trust anybody: dangerous, and said so in the log.
    pub insecure: bool,
    /// Another name that the server's certificate is for.
    pub server_name: Option<String>,
    /// Our bearer token.
    pub token: Option<Material>,
    /// Our certificate and its key.
    pub certificate: Option<(Material, Material)>,
}

/// Something secret or to be trusted: given as such, or in a file that is read again when it changes.
#[derive(Clone, PartialEq, Eq)]
pub enum Material {
    /// As it is.
    Inline(Vec<u8>),
    /// In a file.
    File(PathBuf),
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Target {
    /// The API server of the cluster that we run in; `None` outside of one. `variable` gives an environment variable.
    pub fn in_cluster(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let file = |name: &str| Material::File(Path::new(SERVICE_ACCOUNT).join(name));
        Some(Self {
            server: format!("https://{host}:{port}"),
            authorities: Some(file("ca.crt")),
            insecure: false,
            server_name: None,
            token: Some(file("token")),
            certificate: None,
        })
    }

    /// Its host without brackets, and its port.
    pub fn address(&self) -> (&str, u16) {
        let (host, rest) = self.parts();
        let port = rest.strip_prefix(':').and_then(|rest| rest.split('/').next()).and_then(|port| port.parse().ok());
        (host.trim_start_matches('[').trim_end_matches(']'), port.unwrap_or(443))
    }

    /// Its URL by the name that its certificate is for.
    pub(super) fn url(&self) -> String {
        let (host, rest) = self.parts();
        format!("https://{}{rest}", self.server_name.as_deref().unwrap_or(host))
    }

    /// The host, and what follows it.
    fn parts(&self) -> (&str, &str) {
        let after = self.server.strip_prefix("https://").unwrap_or(&self.server);
        let from = if after.starts_with('[') { after.find(']').unwrap_or_default() } else { 0 };
        let end = after[from..].find([':', '/']).map_or(after.len(), |at| from + at);
        after.split_at(end)
    }

    /// Every file that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let pair = self.certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.authorities.iter().chain(&self.token).chain(pair).filter_map(|material| match material {
            Material::Inline(_) => None,
            Material::File(path) => Some(path.as_path()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_cluster_around() {
        let around = |host: &'static str| {
            Target::in_cluster(move |name| match name {
                "KUBERNETES_SERVICE_HOST" => Some(host.to_owned()),
                "KUBERNETES_SERVICE_PORT" => Some("443".to_owned()),
                _ => None,
            })
        };
        assert_eq!(around("10.0.0.1").unwrap().server, "https://10.0.0.1:443");
        assert_eq!(around("fd00::1").unwrap().server, "https://[fd00::1]:443");
        assert_eq!(around("10.0.0.1").unwrap().files().count(), 2);
        assert_eq!(Target::in_cluster(|_| None), None);
    }

    #[test]
    fn is_called_by_the_name_in_its_certificate() {
        for (server, url, address) in [
            ("https://k", "https://name", ("k", 443)),
            ("https://10.0.0.1:6443", "https://name:6443", ("10.0.0.1", 6_443)),
            ("https://[fd00::1]:8443/clusters/a", "https://name:8443/clusters/a", ("fd00::1", 8_443)),
            ("https://k/clusters/a:b", "https://name/clusters/a:b", ("k", 443)),
            ("https://[fd00", "https://name", ("fd00", 443)),
        ] {
            let mut target = Target::in_cluster(|_| Some("x".to_owned())).unwrap();
            target.server = server.to_owned();
            assert_eq!((target.url().as_str(), target.address()), (server, address));
            target.server_name = Some("name".to_owned());
            assert_eq!(target.url(), url);
        }
    }

    #[test]
    fn prints_no_secret() {
        assert_eq!(format!("{:?}", Material::Inline(b"secret".to_vec())), "Inline(…)");
    }
}

//! Other adapters, which serve metrics without a rule.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::parse::certificate_name::CertificateName;
use crate::parse::glob::NameGlob;
use crate::parse::path::Group;

/// The adapters for requests that no rule serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The adapter of metrics of objects.
    pub custom: Option<OtherAdapter>,
    /// The adapter of external metrics.
    pub external: Option<OtherAdapter>,
    /// The names of forwarded metrics.
    pub metrics: Vec<NameGlob>,
}

/// Another adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherAdapter {
    pub address: AdapterAddress,
    /// The PEM certificates of authorities, or of the adapter itself.
    pub ca_file: Option<PathBuf>,
    /// The name in its certificate, if it is not its host.
    pub server_name: Option<CertificateName>,
    /// Whether its certificate is not verified.
    pub insecure: bool,
    /// The total time for one request.
    pub timeout: Duration,
}

/// The address of an adapter. It is printed as in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdapterAddress {
    /// A Service.
    Service { namespace: String, name: String, port: u16 },
    /// A URL without a trailing slash.
    Url(String),
}

impl Forward {
    /// The adapter of a group.
    pub fn adapter(&self, group: Group) -> Option<&OtherAdapter> {
        match group {
            Group::Custom => self.custom.as_ref(),
            Group::External => self.external.as_ref(),
        }
    }

    /// The adapters, by group.
    pub fn adapters(&self) -> impl Iterator<Item = (Group, &OtherAdapter)> {
        Group::ALL.into_iter().filter_map(|group| Some((group, self.adapter(group)?)))
    }

    /// Whether a metric with this name is forwarded if no rule serves it.
    pub fn covers(&self, group: Group, metric: &str) -> bool {
        self.adapter(group).is_some()
            && self.metrics.iter().any(|glob| match group {
                Group::Custom => glob.matches(metric),
                // Clients send these names in lower case.
                Group::External => glob.matches_ignoring_case(metric),
            })
    }
}

impl AdapterAddress {
    /// The URL without a path.
    pub fn url(&self) -> String {
        match self {
            Self::Service { namespace, name, port } => format!("https://{name}.{namespace}.svc:{port}"),
            Self::Url(url) => url.clone(),
        }
    }
}

impl fmt::Display for AdapterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { namespace, name, .. } => write!(f, "{namespace}/{name}"),
            Self::Url(url) => f.write_str(url),
        }
    }
}

//! Flags of the secure listener, by the names that other aggregated API servers use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::access::{Access, AccessFlag};
use super::flag::flags;
use super::values::set;
use crate::parse::dns::is_label;
use crate::parse::duration;
use crate::parse::escape::Escaped;

/// The port that firewalls of managed clusters allow.
const PORT: u16 = 10_250;

/// The oldest TLS version that is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TlsVersion {
    /// `VersionTLS12`
    #[default]
    Tls12,
    /// `VersionTLS13`
    Tls13,
}

/// The secure listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secure {
    /// Addresses to listen on: the first that can be bound is used.
    pub addresses: Vec<SocketAddr>,
    /// `--tls-cert-file`: PEM, the serving certificate first, then its chain.
    pub cert_file: PathBuf,
    /// `--tls-private-key-file`: PEM.
    pub key_file: PathBuf,
    /// `--tls-min-version`
    pub min_version: TlsVersion,
    /// Authentication and authorization.
    pub access: Access,
    /// The other replicas, if samples are shared with them.
    pub peers: Option<Peers>,
}

/// The Service of the replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peers {
    pub namespace: String,
    pub service: String,
    /// `--peer-ca-file`: authorities of their serving certificate, PEM; defaults to `ca.crt` beside our own certificate.
    pub ca_file: PathBuf,
}

/// Limits that flags can change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tuning {
    /// `--max-connections`
    pub connections: Option<usize>,
    /// `--shutdown-delay-duration`
    pub shutdown_delay: Option<Duration>,
    /// `--workers`: acceptors, and as many connection workers.
    pub workers: Option<usize>,
}

/// The arguments, before they are checked together.
#[derive(Default)]
pub(super) struct SecureArguments {
    port: Option<u16>,
    bind: Option<IpAddr>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    min_version: Option<TlsVersion>,
    /// Namespace and name.
    peer_service: Option<(String, String)>,
    peer_ca_file: Option<PathBuf>,
    access: Access,
    tuning: Tuning,
}

flags! {
    /// Flags of the listener itself.
    ListenerFlag {
        BindAddress = "bind-address",
        MaxConnections = "max-connections",
        PeerCa = "peer-ca-file",
        PeerService = "peer-service",
        SecurePort = "secure-port",
        ShutdownDelay = "shutdown-delay-duration",
        TlsCert = "tls-cert-file",
        TlsMinVersion = "tls-min-version",
        TlsPrivateKey = "tls-private-key-file",
        Workers = "workers",
    }
}

/// Flags of the secure listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecureFlag {
    Listener(ListenerFlag),
    Access(AccessFlag),
}

impl SecureFlag {
    /// The flag with this long name.
    pub(super) fn named(name: &str) -> Option<Self> {
        ListenerFlag::named(name).map(Self::Listener).or_else(|| AccessFlag::named(name).map(Self::Access))
    }

    /// The long name, with its dashes.
    pub(super) fn dashed(self) -> &'static str {
        match self {
            Self::Listener(flag) => flag.dashed(),
            Self::Access(flag) => flag.dashed(),
        }
    }
}

impl SecureArguments {
    /// Sets one flag.
    pub(super) fn take(&mut self, flag: SecureFlag, value: &str) -> Result<(), String> {
        let flag = match flag {
            SecureFlag::Listener(flag) => flag,
            SecureFlag::Access(flag) => return self.access.take(flag, value),
        };
        let name = flag.dashed();
        let wrong = |expected: &str| format!("{name}: expected {expected}, found {}", Escaped::new(value));
        match flag {
            ListenerFlag::BindAddress => set(&mut self.bind, value.parse().map_err(|_| wrong("an IP address"))?, name),
            ListenerFlag::SecurePort => {
                set(&mut self.port, value.parse().map_err(|_| wrong("a port from 0 to 65535"))?, name)
            }
            ListenerFlag::TlsCert => set(&mut self.cert_file, value.into(), name),
            ListenerFlag::TlsPrivateKey => set(&mut self.key_file, value.into(), name),
            ListenerFlag::TlsMinVersion => {
                let version = match value {
                    "VersionTLS12" => TlsVersion::Tls12,
                    "VersionTLS13" => TlsVersion::Tls13,
                    _ => return Err(wrong("VersionTLS12 or VersionTLS13")),
                };
                set(&mut self.min_version, version, name)
            }
            ListenerFlag::PeerCa => set(&mut self.peer_ca_file, value.into(), name),
            ListenerFlag::PeerService => {
                let parts = value.split_once('/').filter(|(namespace, name)| is_label(namespace) && is_label(name));
                let (namespace, service) = parts.ok_or_else(|| wrong("NAMESPACE/NAME"))?;
                set(&mut self.peer_service, (namespace.to_owned(), service.to_owned()), name)
            }
            ListenerFlag::ShutdownDelay => {
                let delay = duration::parse(value).map_err(|error| format!("{name}: {error}"))?;
                set(&mut self.tuning.shutdown_delay, delay, name)
            }
            ListenerFlag::Workers => {
                set(&mut self.tuning.workers, number(value, 64).ok_or_else(|| wrong("1 to 64"))?, name)
            }
            ListenerFlag::MaxConnections => {
                let count = number(value, 1_000_000).ok_or_else(|| wrong("1 to 1000000"))?;
                set(&mut self.tuning.connections, count, name)
            }
        }
    }

    /// The listener, if any of its flags was given, and the limits.
    pub(super) fn finish(self) -> Result<(Option<Secure>, Tuning), String> {
        let asked = self.port.is_some()
            || self.bind.is_some()
            || self.min_version.is_some()
            || self.peer_service.is_some()
            || self.access != Access::default();
        let (cert_file, key_file) = match (self.cert_file, self.key_file) {
            (Some(cert_file), Some(key_file)) => (cert_file, key_file),
            (None, None) if !asked && self.peer_ca_file.is_none() => return Ok((None, self.tuning)),
            _ => return Err("the secure listener needs both --tls-cert-file and --tls-private-key-file".into()),
        };
        let peers = match (self.peer_service, self.peer_ca_file) {
            (None, Some(_)) => return Err("--peer-ca-file needs --peer-service".into()),
            (None, None) => None,
            (Some((namespace, service)), ca_file) => {
                let ca_file = ca_file.unwrap_or_else(|| cert_file.with_file_name("ca.crt"));
                Some(Peers { namespace, service, ca_file })
            }
        };
        let port = self.port.unwrap_or(PORT);
        let any: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        let secure = Secure {
            addresses: match self.bind {
                Some(address) => vec![SocketAddr::new(address, port)],
                // The first one cannot be bound if IPv6 is disabled.
                None => any.map(|address| SocketAddr::new(address, port)).to_vec(),
            },
            cert_file,
            key_file,
            min_version: self.min_version.unwrap_or_default(),
            access: self.access,
            peers,
        };
        Ok((Some(secure), self.tuning))
    }
}

fn number(text: &str, max: usize) -> Option<usize> {
    text.parse().ok().filter(|number| (1..=max).contains(number))
}

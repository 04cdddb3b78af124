//! Flags of the secure listener, by the names that users of other aggregated API servers know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::access::{self, Access};
use super::values::set;
use crate::parse::duration;
use crate::parse::escape::Escaped;

/// The port that the firewall of managed clusters leaves open.
const PORT: u16 = 10_250;

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// `VersionTLS12`
    #[default]
    Tls12,
    /// `VersionTLS13`
    Tls13,
}

/// The secure listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secure {
    /// Where to listen: the first of these that can be bound.
    pub addresses: Vec<SocketAddr>,
    /// `--tls-cert-file`: PEM, the serving certificate first, then its chain.
    pub cert_file: PathBuf,
    /// `--tls-private-key-file`: PEM.
    pub key_file: PathBuf,
    /// `--tls-min-version`
    pub min_version: TlsVersion,
    /// Whom to trust and whom to ask.
    pub access: Access,
}

/// Limits that an operator may want otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// `--max-connections`
    pub connections: Option<usize>,
    /// `--shutdown-delay-duration`
    pub shutdown_delay: Option<Duration>,
    /// `--workers`: acceptors, and as many connection workers.
    pub workers: Option<usize>,
}

/// What was said, before it is known to make sense together.
#[derive(Default)]
pub(super) struct Words {
    port: Option<u16>,
    bind: Option<IpAddr>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    min_version: Option<TlsVersion>,
    access: Access,
    tuning: Tuning,
}

/// The flag of this name, if it is one of the secure listener's.
pub(super) fn known(name: &str) -> Option<&'static str> {
    FLAGS.into_iter().chain(access::FLAGS).find(|flag| *flag == name)
}

/// Names without dashes.
const FLAGS: [&str; 8] = [
    "bind-address",
    "max-connections",
    "secure-port",
    "shutdown-delay-duration",
    "tls-cert-file",
    "tls-min-version",
    "tls-private-key-file",
    "workers",
];

impl Words {
    /// Takes one flag.
    pub(super) fn take(&mut self, flag: &'static str, value: &str) -> Result<(), String> {
        let name = format!("--{flag}");
        let wrong = |expected: &str| format!("{name}: expected {expected}, found {}", Escaped::new(value));
        match flag {
            "bind-address" => set(&mut self.bind, value.parse().map_err(|_| wrong("an IP address"))?, &name),
            "secure-port" => set(&mut self.port, value.parse().map_err(|_| wrong("a port from 0 to 65535"))?, &name),
            "tls-cert-file" => set(&mut self.cert_file, value.into(), &name),
            "tls-private-key-file" => set(&mut self.key_file, value.into(), &name),
            "tls-min-version" => {
                let version = match value {
                    "VersionTLS12" => TlsVersion::Tls12,
                    "VersionTLS13" => TlsVersion::Tls13,
                    _ => return Err(wrong("VersionTLS12 or VersionTLS13")),
                };
                set(&mut self.min_version, version, &name)
            }
            "shutdown-delay-duration" => {
                let delay = duration::parse(value).map_err(|error| format!("{name}: {error}"))?;
                set(&mut self.tuning.shutdown_delay, delay, &name)
            }
            "workers" => set(&mut self.tuning.workers, number(value, 64).ok_or_else(|| wrong("1 to 64"))?, &name),
            "max-connections" => {
                let count = number(value, 1_000_000).ok_or_else(|| wrong("1 to 1000000"))?;
                set(&mut self.tuning.connections, count, &name)
            }
            flag => self.access.take(flag, value),
        }
    }

    /// The listener, if it was asked for, and the limits.
    pub(super) fn finish(self) -> Result<(Option<Secure>, Tuning), String> {
        let asked = self.port.is_some()
            || self.bind.is_some()
            || self.min_version.is_some()
            || self.access != Access::default();
        let (cert_file, key_file) = match (self.cert_file, self.key_file) {
            (Some(cert_file), Some(key_file)) => (cert_file, key_file),
            (None, None) if !asked => return Ok((None, self.tuning)),
            _ => return Err("the secure listener needs both --tls-cert-file and --tls-private-key-file".into()),
        };
        let port = self.port.unwrap_or(PORT);
        let any: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        let secure = Secure {
            addresses: match self.bind {
                Some(address) => vec![SocketAddr::new(address, port)],
                // Where IPv6 is switched off the first one cannot be bound.
                None => any.map(|address| SocketAddr::new(address, port)).to_vec(),
            },
            cert_file,
            key_file,
            min_version: self.min_version.unwrap_or_default(),
            access: self.access,
        };
        Ok((Some(secure), self.tuning))
    }
}

fn number(text: &str, max: usize) -> Option<usize> {
    text.parse().ok().filter(|number| (1..=max).contains(number))
}

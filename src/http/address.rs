//! The addresses that a URL may reach if others choose its host: through an object's name, or a pod's address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};

use super::resolve::{LookupTime, Resolver};

/// The addresses that URLs may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AllowedAddresses {
    /// All: the host is written in the configuration.
    Anywhere,
    /// Other machines, but not the Kubernetes API.
    Others,
    /// Other machines and loopback addresses, but not the Kubernetes API.
    OthersAndLoopback,
}

/// Servers that only URLs with a configured host may reach, because they trust Metriclet: the Kubernetes API.
#[derive(Debug, Default)]
pub struct Reserved(Mutex<Vec<(String, u16)>>);

impl Reserved {
    /// Reserves a server: a name or an address without brackets, and its port.
    pub fn add(&self, host: &str, port: u16) {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !servers.iter().any(|(other, of)| other == host && *of == port) {
            servers.push((host.to_owned(), port));
        }
    }

    /// Whether a reserved server has this address. A server whose name cannot be resolved could have any address.
    fn are_at(&self, to: SocketAddr, resolver: &Resolver, time: LookupTime) -> bool {
        let servers: Vec<_> = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        servers.iter().filter(|(_, port)| *port == to.port()).any(|(host, _)| {
            let addresses = resolver.look_up(host, time);
            addresses.map_or(true, |addresses| addresses.iter().any(|ip| reached(*ip) == reached(to.ip())))
        })
    }
}

impl AllowedAddresses {
    /// The kind of an address that must not be reached; `None` if it may be reached.
    pub(super) fn refuses(
        self,
        to: SocketAddr,
        reserved: &Reserved,
        resolver: &Resolver,
        time: LookupTime,
    ) -> Option<&'static str> {
        if self == Self::Anywhere {
            return None;
        }
        if reserved.are_at(to, resolver, time) {
            return Some("Kubernetes API");
        }
        match special(to.ip()) {
            Some(LOOPBACK) if self == Self::OthersAndLoopback => None,
            Some(kind) => Some(kind),
            None => {
                let (ip, reached) = (to.ip(), reached(to.ip()));
                (is_own(ip) || reached != ip && is_own(reached)).then_some("local")
            }
        }
    }
}

/// Whether an address belongs to this machine or pod: then it is the source address of packets to itself. No packet is
/// sent to find out.
fn is_own(ip: IpAddr) -> bool {
    let from = match ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let local = UdpSocket::bind((from, 0)).and_then(|socket| {
        socket.connect((ip, 9))?;
        socket.local_addr()
    });
    local.is_ok_and(|local| local.ip() == ip)
}

const LOOPBACK: &str = "loopback";

const METADATA: &str = "cloud metadata";

/// The reason why `ip` is not an ordinary unicast address of another machine; `None` if it is one.
///
/// A client that chooses a name in a URL's host must not reach services that trust this machine or its link: those on
/// loopback, and a cloud's metadata service. IPv4 addresses embedded in IPv6 count as themselves.
fn special(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    }
}

fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        [0, ..] => Some("unspecified"),
        [127, ..] => Some(LOOPBACK),
        [169, 254, ..] => Some("link-local"),
        // Alibaba Cloud, Azure, Oracle Cloud; the others are link-local.
        [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => Some(METADATA),
        [224..=239, ..] => Some("multicast"),
        [255, 255, 255, 255] => Some("broadcast"),
        _ => None,
    }
}

fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if ip.is_unspecified() {
        return Some("unspecified");
    }
    if ip.is_loopback() {
        return Some(LOOPBACK);
    }
    match ip.segments() {
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        // AWS, Google Cloud, Oracle Cloud, Scaleway: unique local addresses.
        [0xfd00, 0xec2, ..]
        | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]
        | [0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]
        | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42] => Some(METADATA),
        // Local NAT64 (RFC 8215): which bits are the IPv4 address depends on the network.
        [0x64, 0xff9b, 1, ..] => Some("NAT64"),
        _ => special_v4(embedded_v4(ip)?),
    }
}

/// The IPv4 address that an IPv6 address leads to.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match ip.segments() {
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => (high, low),
        // Teredo (RFC 4380): the client's address is inverted.
        [0x2001, 0, .., high, low] => (!high, !low),
        // IPv4-compatible (RFC 4291 §2.5.5.1), IPv4-mapped (§2.5.5.2), IPv4-translated (RFC 2765), NAT64 (RFC 6052),
        // ISATAP (RFC 5214).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [.., 0 | 0x200, 0x5efe, high, low] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// The address that packets reach: the IPv4 address where there is one.
fn reached(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) if !v6.is_loopback() && !v6.is_unspecified() => embedded_v4(v6).map_or(ip, IpAddr::V4),
        _ => ip,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::limits::{Limits, ResolveLimits};

    const NO_TIME: LookupTime = LookupTime { longest: Duration::ZERO, is_full: false };

    #[test]
    fn recognizes_special_addresses() {
        for (address, expected) in [
            ("0.0.0.0", Some("unspecified")),
            ("0.1.2.3", Some("unspecified")),
            ("1.0.0.0", None),
            ("10.0.0.1", None),
            ("126.255.255.255", None),
            ("127.0.0.1", Some("loopback")),
            ("127.255.255.255", Some("loopback")),
            ("128.0.0.0", None),
            ("169.253.255.255", None),
            ("169.254.0.0", Some("link-local")),
            ("169.254.169.254", Some("link-local")),
            ("169.255.0.0", None),
            ("192.168.1.1", None),
            ("223.255.255.255", None),
            ("224.0.0.0", Some("multicast")),
            ("239.255.255.255", Some("multicast")),
            ("240.0.0.0", None),
            ("255.255.255.254", None),
            ("255.255.255.255", Some("broadcast")),
            ("::", Some("unspecified")),
            ("::1", Some("loopback")),
            ("::2", Some("unspecified")),
            ("::127.0.0.1", Some("loopback")),
            ("::10.0.0.1", None),
            ("::ffff:127.0.0.1", Some("loopback")),
            ("::ffff:169.254.169.254", Some("link-local")),
            ("::ffff:0.0.0.0", Some("unspecified")),
            ("::ffff:255.255.255.255", Some("broadcast")),
            ("::ffff:10.0.0.1", None),
            ("::ffff:0:127.0.0.1", Some("loopback")),
            ("64:ff9b::127.0.0.1", Some("loopback")),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b:1::1", Some("NAT64")),
            ("64:ff9b:1:ffff::8.8.8.8", Some("NAT64")),
            ("64:ff9b:2::1", None),
            ("2002:7f00:1::1", Some("loopback")),
            ("2002:a9fe:a9fe::1", Some("link-local")),
            ("2002:808:808::1", None),
            ("2001::80ff:fffe", Some("loopback")),
            ("2001::f7f7:f7f7", None),
            ("2001:db8::5efe:127.0.0.1", Some("loopback")),
            ("2001:db8::200:5efe:127.0.0.1", Some("loopback")),
            ("2001:db8::200:5efe:8.8.8.8", None),
            ("fe80::5efe:8.8.8.8", Some("link-local")),
            ("fe80::200:5efe:8.8.8.8", Some("link-local")),
            ("ff02::5efe:8.8.8.8", Some("multicast")),
            ("100.100.100.200", Some("cloud metadata")),
            ("168.63.129.16", Some("cloud metadata")),
            ("fd00:ec2::254", Some("cloud metadata")),
            ("fd00:ec2::253", Some("cloud metadata")),
            ("fd20:ce::254", Some("cloud metadata")),
            ("fd20:ce::255", None),
            ("fd00:c1::a9fe:a9fe", Some("cloud metadata")),
            ("fd00:42::42", Some("cloud metadata")),
            ("2001:db8::1", None),
            ("fd00::1", None),
            ("fe7f::1", None),
            ("fe80::1", Some("link-local")),
            ("febf::1", Some("link-local")),
            ("fec0::1", None),
            ("ff02::1", Some("multicast")),
        ] {
            assert_eq!(special(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn rejects_reserved_and_own_addresses() {
        let limits =
            Limits { resolve: ResolveLimits { concurrent: 0, ..ResolveLimits::default() }, ..Limits::default() };
        let (resolver, reserved) = (Resolver::new(&limits), Reserved::default());
        for _ in 0..2 {
            reserved.add("192.0.2.1", 443);
            reserved.add("fd00::1", 6443);
            reserved.add("not-resolved.invalid", 8443);
        }
        assert_eq!(reserved.0.lock().unwrap().len(), 3);
        for (reach, to, expected) in [
            (AllowedAddresses::Others, "192.0.2.1:443", Some("Kubernetes API")),
            (AllowedAddresses::Others, "[::ffff:192.0.2.1]:443", Some("Kubernetes API")),
            (AllowedAddresses::Others, "[64:ff9b::192.0.2.1]:443", Some("Kubernetes API")),
            (AllowedAddresses::Others, "[2002:c000:201::1]:443", Some("Kubernetes API")),
            (AllowedAddresses::OthersAndLoopback, "[fd00::1]:6443", Some("Kubernetes API")),
            (AllowedAddresses::Anywhere, "192.0.2.1:443", None),
            (AllowedAddresses::Others, "192.0.2.1:80", None),
            (AllowedAddresses::Others, "192.0.2.1:8443", Some("Kubernetes API")),
            (AllowedAddresses::Others, "127.0.0.1:443", Some("loopback")),
            (AllowedAddresses::OthersAndLoopback, "127.0.0.1:443", None),
            (AllowedAddresses::OthersAndLoopback, "169.254.169.254:80", Some("link-local")),
            (AllowedAddresses::Anywhere, "169.254.169.254:80", None),
        ] {
            let to = to.parse().unwrap();
            assert_eq!(reach.refuses(to, &reserved, &resolver, NO_TIME), expected, "{reach:?} {to}");
        }
        let own = ["127.0.0.1", "192.0.2.1"].map(|ip| is_own(ip.parse().unwrap()));
        assert_eq!(own, [true, false]);
    }
}

//! The name that a server's certificate must contain: a host, or a SPIFFE ID.

use std::fmt;

use rustls::pki_types::ServerName;

use super::escape::Escaped;

/// The scheme of SPIFFE IDs.
const SCHEME: &str = "spiffe://";

/// SPIFFE-ID §2.3: the maximum length in bytes that every implementation supports.
const MAX_ID_LEN: usize = 2_048;

/// SPIFFE-ID §2.1: the maximum length of a trust domain in bytes.
const MAX_DOMAIN_LEN: usize = 255;

/// The name to compare with a certificate's subjectAltName.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// A DNS name or an address (RFC 9525 §6).
    Host(ServerName<'static>),
    /// The only URI of an X509-SVID.
    Spiffe(SpiffeId),
}

/// The SPIFFE ID of a workload: `spiffe://TRUST-DOMAIN/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiffeId(String);

impl CertificateName {
    /// Parses a configured name.
    ///
    /// # Errors
    /// The message says what was expected and found.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Escaped::new(text);
        if text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME)) {
            return SpiffeId::parse(text).map(Self::Spiffe).map_err(|why| format!("expected {why}, found {found}"));
        }
        Self::host(text).ok_or_else(|| format!("expected a DNS name, an address or a SPIFFE ID, found {found}"))
    }

    /// A DNS name or an address, without brackets.
    pub fn host(text: &str) -> Option<Self> {
        ServerName::try_from(text).ok().map(|name| Self::Host(name.to_owned()))
    }
}

impl SpiffeId {
    /// Parses an ID by SPIFFE-ID §2. The path is required: X509-SVID §3.1 demands one for workloads.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix(SCHEME).ok_or("spiffe:// in lower case")?;
        let (domain, path) = rest.split_once('/').ok_or("a path after the trust domain")?;
        let unreserved = |byte: u8| byte.is_ascii_digit() || b".-_".contains(&byte);
        let in_domain = |byte: u8| byte.is_ascii_lowercase() || unreserved(byte);
        let in_path = |byte: u8| byte.is_ascii_alphabetic() || unreserved(byte);
        if !(1..=MAX_DOMAIN_LEN).contains(&domain.len()) || !domain.bytes().all(in_domain) {
            return Err("a trust domain of lower-case letters, digits, dots, dashes and underscores");
        }
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(in_path);
        if !path.split('/').all(is_segment) {
            return Err("path segments of letters, digits, dots, dashes and underscores");
        }
        if text.len() > MAX_ID_LEN { Err("at most 2048 bytes") } else { Ok(Self(text.to_owned())) }
    }

    /// Whether a URI equals this ID. A byte comparison suffices, because an ID has only one spelling.
    pub fn is(&self, uri: &[u8]) -> bool {
        self.0.as_bytes() == uri
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts() {
        for (text, is_host) in [
            ("web.shop.svc", true),
            ("my_web", true),
            ("10.0.0.1", true),
            ("fd00::1", true),
            ("[fd00::1]", false),
            ("web..svc", false),
            ("a b", false),
            ("web:443", false),
            ("https://web", false),
            ("", false),
        ] {
            let expected = if is_host {
                Ok(CertificateName::host(text).unwrap())
            } else {
                Err(format!("expected a DNS name, an address or a SPIFFE ID, found {}", Escaped::new(text)))
            };
            assert_eq!(CertificateName::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn reads_spiffe_ids() {
        let domain = "a trust domain of lower-case letters, digits, dots, dashes and underscores";
        let path = "path segments of letters, digits, dots, dashes and underscores";
        let long = |domain: usize, path: usize| format!("spiffe://{}/{}", "d".repeat(domain), "p".repeat(path));
        for (text, expected) in [
            ("spiffe://cluster.local/ns/shop/sa/web", None),
            ("spiffe://my_domain-1/A.b_c-d", None),
            (&*long(255, 1_783), None),
            (&*long(255, 1_784), Some("at most 2048 bytes")),
            (&*long(256, 1), Some(domain)),
            ("SPIFFE://cluster.local/web", Some("spiffe:// in lower case")),
            ("spiffe://cluster.local", Some("a path after the trust domain")),
            ("spiffe://", Some("a path after the trust domain")),
            ("spiffe:///web", Some(domain)),
            ("spiffe://Cluster/web", Some(domain)),
            ("spiffe://user@cluster/web", Some(domain)),
            ("spiffe://cluster:80/web", Some(domain)),
            ("spiffe://cluster/", Some(path)),
            ("spiffe://cluster/web/", Some(path)),
            ("spiffe://cluster/a//b", Some(path)),
            ("spiffe://cluster/a/../b", Some(path)),
            ("spiffe://cluster/./b", Some(path)),
            ("spiffe://cluster/{name}", Some(path)),
            ("spiffe://cluster/a%2fb", Some(path)),
            ("spiffe://cluster/a?b", Some(path)),
            ("spiffe://cluster/\u{e9}", Some(path)),
        ] {
            let expected = match expected {
                None => Ok(CertificateName::Spiffe(SpiffeId(text.to_owned()))),
                Some(why) => Err(format!("expected {why}, found {}", Escaped::new(text))),
            };
            assert_eq!(CertificateName::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn compares_bytes() {
        let id = SpiffeId::parse("spiffe://a/b").unwrap();
        assert!(id.is(b"spiffe://a/b"));
        for other in ["spiffe://a/B", "spiffe://a/b/", "spiffe://a/bc", "spiffe://a/b\0", "SPIFFE://a/b", ""] {
            assert!(!id.is(other.as_bytes()), "{other}");
        }
    }
}

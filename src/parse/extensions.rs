//! The extensions of a certificate (RFC 5280 §4.2.1) that the verification of a server needs.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, ErrorKind, Reader, Result, Tag, TagNumber, Tagged};

use super::certificate::{Certificate, inside};

const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");

/// id-kp-serverAuth (§4.2.1.12).
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");

/// The bits 5 and 6 of keyUsage (§4.2.1.3), keyCertSign and cRLSign, in its first byte.
const CERT_SIGN: u8 = 0b0000_0100;
const CRL_SIGN: u8 = 0b0000_0010;

/// The extensions that Metriclet reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions<'a> {
    /// `cA` of basicConstraints.
    pub is_authority: bool,
    /// Whether extendedKeyUsage includes TLS servers; `None` without extendedKeyUsage.
    pub is_for_servers: Option<bool>,
    /// The subjectAltName.
    pub names: Option<SubjectAltName<'a>>,
    /// The first byte of keyUsage.
    key_usage: Option<u8>,
}

/// A subjectAltName (§4.2.1.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectAltName<'a> {
    /// The DNS names and addresses.
    pub hosts: Vec<Host<'a>>,
    /// The URIs.
    pub uris: Vec<&'a [u8]>,
}

/// A host in a subjectAltName.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// dNSName.
    Name(&'a [u8]),
    /// iPAddress, of 4 or 16 bytes if it is one.
    Address(&'a [u8]),
}

impl<'a> Extensions<'a> {
    /// Reads the extensions of a certificate; before version 3 there are none.
    ///
    /// # Errors
    /// If one of these extensions is malformed, or if any extension occurs twice.
    pub fn of(certificate: &Certificate<'a>) -> Result<Self> {
        let mut extensions = Self::default();
        let Some(list) = certificate.extensions else { return Ok(extensions) };
        let mut seen = Vec::new();
        let mut list = inside(list, Tag::Sequence)?;
        while !list.is_finished() {
            let mut extension = inside(AnyRef::decode(&mut list)?, Tag::Sequence)?;
            let id = AnyRef::decode(&mut extension)?;
            id.tag().assert_eq(Tag::ObjectIdentifier)?;
            if extension.peek_tag()? == Tag::Boolean {
                let _critical = AnyRef::decode(&mut extension)?;
            }
            let value = AnyRef::decode(&mut extension)?;
            value.tag().assert_eq(Tag::OctetString)?;
            extension.finish(())?;
            // A second copy would be ambiguous.
            if seen.contains(&id.value()) {
                return Err(ErrorKind::Value { tag: Tag::ObjectIdentifier }.into());
            }
            seen.push(id.value());
            extensions.read(id.value(), value.value())?;
        }
        Ok(extensions)
    }

    fn read(&mut self, id: &[u8], value: &'a [u8]) -> Result<()> {
        if id == BASIC_CONSTRAINTS.as_bytes() {
            let mut constraints = inside(AnyRef::from_der(value)?, Tag::Sequence)?;
            self.is_authority = !constraints.is_finished()
                && constraints.peek_tag()? == Tag::Boolean
                && bool::decode(&mut constraints)?;
        } else if id == KEY_USAGE.as_bytes() {
            let bits = AnyRef::from_der(value)?;
            bits.tag().assert_eq(Tag::BitString)?;
            // The first byte is the number of unused bits at the end.
            self.key_usage = Some(bits.value().get(1).copied().unwrap_or_default());
        } else if id == EXTENDED_KEY_USAGE.as_bytes() {
            let mut purposes = inside(AnyRef::from_der(value)?, Tag::Sequence)?;
            let mut is_for_servers = false;
            while !purposes.is_finished() {
                is_for_servers |= AnyRef::decode(&mut purposes)?.value() == SERVER_AUTH.as_bytes();
            }
            self.is_for_servers = Some(is_for_servers);
        } else if id == SUBJECT_ALT_NAME.as_bytes() {
            self.names = Some(SubjectAltName::from_der(value)?);
        }
        Ok(())
    }

    /// Whether the key may sign certificates (§4.2.1.3, §4.2.1.9).
    pub fn may_sign_certificates(&self) -> bool {
        self.is_authority && self.key_usage.is_none_or(|usage| usage & CERT_SIGN != 0)
    }

    /// Whether the certificate has, or claims, rights beyond those of a leaf certificate. X509-SVID §5.2 forbids each
    /// of these.
    pub fn has_rights_to_sign(&self) -> bool {
        self.is_authority || self.key_usage.is_some_and(|usage| usage & (CERT_SIGN | CRL_SIGN) != 0)
    }
}

impl<'a> SubjectAltName<'a> {
    fn from_der(bytes: &'a [u8]) -> Result<Self> {
        let mut names = Self::default();
        let mut list = inside(AnyRef::from_der(bytes)?, Tag::Sequence)?;
        while !list.is_finished() {
            let name = AnyRef::decode(&mut list)?;
            match name.tag() {
                Tag::ContextSpecific { constructed: false, number: TagNumber::N2 } => {
                    names.hosts.push(Host::Name(name.value()));
                }
                Tag::ContextSpecific { constructed: false, number: TagNumber::N7 } => {
                    names.hosts.push(Host::Address(name.value()));
                }
                Tag::ContextSpecific { constructed: false, number: TagNumber::N6 } => names.uris.push(name.value()),
                _ => {}
            }
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
        SanType,
    };

    use super::*;

    fn der(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn recognizes_rights_to_sign() {
        let authority = || IsCa::Ca(BasicConstraints::Constrained(0));
        let [crl, cert, signature] =
            [KeyUsagePurpose::CrlSign, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        for (is_ca, usages, is_authority, certificates, any) in [
            (IsCa::NoCa, vec![], false, false, false),
            (IsCa::ExplicitNoCa, vec![], false, false, false),
            (IsCa::ExplicitNoCa, vec![cert], false, false, true),
            (IsCa::NoCa, vec![crl], false, false, true),
            (IsCa::NoCa, vec![signature], false, false, false),
            (authority(), vec![], true, true, true),
            (authority(), vec![signature], true, false, true),
            (authority(), vec![signature, cert], true, true, true),
        ] {
            let der = der(|params| (params.is_ca, params.key_usages) = (is_ca, usages.clone()));
            let extensions = Extensions::of(&Certificate::from_der(&der).unwrap()).unwrap();
            let found = (extensions.is_authority, extensions.may_sign_certificates(), extensions.has_rights_to_sign());
            assert_eq!(found, (is_authority, certificates, any), "{is_ca:?}, {usages:?}");
        }
    }

    #[test]
    fn recognizes_purposes() {
        for (purposes, expected) in [
            (vec![], None),
            (vec![ExtendedKeyUsagePurpose::ClientAuth], Some(false)),
            (vec![ExtendedKeyUsagePurpose::Any], Some(false)),
            (vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth], Some(true)),
        ] {
            let der = der(|params| params.extended_key_usages = purposes.clone());
            let extensions = Extensions::of(&Certificate::from_der(&der).unwrap()).unwrap();
            assert_eq!(extensions.is_for_servers, expected, "{purposes:?}");
        }
    }

    #[test]
    fn tells_names() {
        let uri = |text: &str| SanType::URI(text.try_into().unwrap());
        let (host, address) = (SanType::DnsName("web".try_into().unwrap()), SanType::IpAddress([10, 0, 0, 1].into()));
        let mail = SanType::Rfc822Name("a@b".try_into().unwrap());
        for (names, hosts, uris) in [
            (vec![host], vec![Host::Name(b"web")], vec![]),
            (vec![address, mail.clone()], vec![Host::Address(&[10, 0, 0, 1])], vec![]),
            (vec![uri("spiffe://a/b"), mail, uri("c:d")], vec![], vec![&b"spiffe://a/b"[..], b"c:d"]),
        ] {
            let der = der(|params| params.subject_alt_names = names.clone());
            let extensions = Extensions::of(&Certificate::from_der(&der).unwrap()).unwrap();
            assert_eq!(extensions.names, Some(SubjectAltName { hosts, uris }), "{names:?}");
        }
        let der = der(|_| {});
        assert_eq!(Extensions::of(&Certificate::from_der(&der).unwrap()).unwrap().names, None);
    }

    #[test]
    fn rejects_ambiguous_extensions() {
        let sequence = |id: &[u64], content: &[u8]| CustomExtension::from_oid_content(id, content.to_vec());
        let (names, other) = ([2, 5, 29, 17], [1, 2, 3]);
        for (extensions, is_read) in [
            (vec![sequence(&names, b"\x30\x00"), sequence(&other, b"")], true),
            (vec![sequence(&names, b"\x30\x00"), sequence(&names, b"\x30\x00")], false),
            (vec![sequence(&other, b""), sequence(&other, b"")], false),
            (vec![sequence(&names, b"\x30\x01")], false),
            (vec![sequence(&names, b"\x30\x00\x00")], false),
            (vec![sequence(&[2, 5, 29, 19], b"\x30\x03\x01\x01\x01")], false),
        ] {
            let der = der(|params| params.custom_extensions = extensions.clone());
            let certificate = Certificate::from_der(&der).unwrap();
            assert_eq!(Extensions::of(&certificate).is_ok(), is_read, "{extensions:?}");
        }
    }

    #[test]
    fn rejects_corrupted_bytes_without_panic() {
        let der = der(|params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.subject_alt_names = vec![SanType::URI("spiffe://a/b".try_into().unwrap())];
        });
        let mut refused = 0;
        for at in 0..der.len() {
            for byte in [0, 1, 0x7f, 0x80, 0x84, 0xff] {
                let mut der = der.clone();
                der[at] = byte;
                let Ok(certificate) = Certificate::from_der(&der) else { continue };
                refused += usize::from(Extensions::of(&certificate).is_err());
                let _ = certificate.rsa_bits();
            }
        }
        assert!(refused > 0);
    }
}

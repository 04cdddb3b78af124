//! Reads the validity and the subject of an X.509 certificate, which rustls does not expose. It does not verify the
//! certificate.

use der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{Decode, Reader, Result, SliceReader, Tag, Tagged};

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The first second of its validity, Unix.
    pub not_before: u64,
    /// The last second of its validity, Unix.
    pub not_after: u64,
    /// Attributes of the subject with their values, in their order.
    pub subject: Vec<(ObjectIdentifier, AnyRef<'a>)>,
}

impl<'a> Certificate<'a> {
    /// Reads DER.
    ///
    /// # Errors
    /// If this is no certificate, or more than one.
    pub fn from_der(bytes: &'a [u8]) -> Result<Self> {
        let mut whole = inside(AnyRef::from_der(bytes)?, Tag::Sequence)?;
        let mut signed = inside(AnyRef::decode(&mut whole)?, Tag::Sequence)?;
        // Certificates of version 1 leave the version out.
        if signed.peek_tag()?.is_context_specific() {
            AnyRef::decode(&mut signed)?;
        }
        let (_serial, _algorithm, _issuer) =
            (AnyRef::decode(&mut signed)?, AnyRef::decode(&mut signed)?, AnyRef::decode(&mut signed)?);
        let mut validity = inside(AnyRef::decode(&mut signed)?, Tag::Sequence)?;
        let (not_before, not_after) = (seconds(&mut validity)?, seconds(&mut validity)?);
        validity.finish(())?;
        let mut subject = Vec::new();
        let mut names = inside(AnyRef::decode(&mut signed)?, Tag::Sequence)?;
        while !names.is_finished() {
            let mut attributes = inside(AnyRef::decode(&mut names)?, Tag::Set)?;
            while !attributes.is_finished() {
                let mut pair = inside(AnyRef::decode(&mut attributes)?, Tag::Sequence)?;
                let attribute = (ObjectIdentifier::decode(&mut pair)?, AnyRef::decode(&mut pair)?);
                subject.push(pair.finish(attribute)?);
            }
        }
        Ok(Self { not_before, not_after, subject })
    }
}

/// The elements within one that bears this tag.
fn inside(element: AnyRef<'_>, tag: Tag) -> Result<SliceReader<'_>> {
    element.tag().assert_eq(tag)?;
    SliceReader::new(element.value())
}

/// One of the two ways to write a time.
fn seconds(reader: &mut SliceReader<'_>) -> Result<u64> {
    let time = match reader.peek_tag()? {
        Tag::UtcTime => UtcTime::decode(reader)?.to_unix_duration(),
        _ => GeneralizedTime::decode(reader)?.to_unix_duration(),
    };
    Ok(time.as_secs())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn reads_validity_and_subject() {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "o");
        params.distinguished_name.push(DnType::CommonName, "cn");
        // One is a UTCTime, the other, from 2050 on, a GeneralizedTime.
        params.not_before = date_time_ymd(2049, 12, 31);
        params.not_after = date_time_ymd(2050, 1, 1);
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let certificate = Certificate::from_der(&der).unwrap();
        assert_eq!((certificate.not_before, certificate.not_after), (2_524_521_600, 2_524_608_000));
        let subject: Vec<_> =
            certificate.subject.iter().map(|(kind, value)| (kind.to_string(), value.value())).collect();
        assert_eq!(subject, [("2.5.4.10".to_owned(), &b"o"[..]), ("2.5.4.3".to_owned(), b"cn")]);
        for length in 0..der.len() {
            assert!(Certificate::from_der(&der[..length]).is_err(), "the first {length} bytes");
        }
        assert!(Certificate::from_der(&[&der[..], &[0]].concat()).is_err(), "one byte more");
    }

    #[test]
    fn survives_any_byte() {
        let params = CertificateParams::new(Vec::new()).unwrap();
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let mut refused = 0;
        for at in 0..der.len() {
            for byte in [0, 1, 0x7f, 0x80, 0x84, 0xff] {
                let mut der = der.clone();
                der[at] = byte;
                refused += usize::from(Certificate::from_der(&der).is_err());
            }
        }
        assert!(refused > 0);
    }
}

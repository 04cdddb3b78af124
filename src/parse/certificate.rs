//! Reads fields of an X.509 certificate that rustls does not expose (RFC 5280 §4.1). It does not verify the
//! certificate.

use der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{Decode, Reader, Result, SliceReader, Tag, TagNumber, Tagged};

/// rsaEncryption (RFC 3279 §2.3.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The fields of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// Version 1, 2 or 3; only 3 has extensions.
    pub version: u8,
    /// Whether issuer and subject are the same, as in a self-signed certificate.
    pub is_self_issued: bool,
    /// The first second of the validity period, in Unix time.
    pub not_before: u64,
    /// The last second of the validity period, in Unix time.
    pub not_after: u64,
    /// Attributes of the subject with their values, in order.
    pub subject: Vec<(ObjectIdentifier, AnyRef<'a>)>,
    /// The subjectPublicKeyInfo.
    public_key: AnyRef<'a>,
    /// The list of extensions, for [`super::extensions`].
    pub(super) extensions: Option<AnyRef<'a>>,
}

impl<'a> Certificate<'a> {
    /// Parses DER.
    ///
    /// # Errors
    /// If the bytes are not exactly one certificate.
    pub fn from_der(bytes: &'a [u8]) -> Result<Self> {
        let mut whole = inside(AnyRef::from_der(bytes)?, Tag::Sequence)?;
        let mut signed = inside(AnyRef::decode(&mut whole)?, Tag::Sequence)?;
        let version = version(&mut signed)?;
        let (_serial, _algorithm) = (AnyRef::decode(&mut signed)?, AnyRef::decode(&mut signed)?);
        let issuer = AnyRef::decode(&mut signed)?;
        let mut validity = inside(AnyRef::decode(&mut signed)?, Tag::Sequence)?;
        let (not_before, not_after) = (seconds(&mut validity)?, seconds(&mut validity)?);
        validity.finish(())?;
        let mut subject = Vec::new();
        let name = AnyRef::decode(&mut signed)?;
        let mut names = inside(name, Tag::Sequence)?;
        while !names.is_finished() {
            let mut attributes = inside(AnyRef::decode(&mut names)?, Tag::Set)?;
            while !attributes.is_finished() {
                let mut pair = inside(AnyRef::decode(&mut attributes)?, Tag::Sequence)?;
                let attribute = (ObjectIdentifier::decode(&mut pair)?, AnyRef::decode(&mut pair)?);
                subject.push(pair.finish(attribute)?);
            }
        }
        let public_key = AnyRef::decode(&mut signed)?;
        let mut extensions = None;
        while !signed.is_finished() {
            let optional = AnyRef::decode(&mut signed)?;
            if optional.tag() == (Tag::ContextSpecific { constructed: true, number: TagNumber::N3 }) {
                extensions = Some(AnyRef::from_der(optional.value())?);
            }
        }
        Ok(Self { version, is_self_issued: issuer == name, not_before, not_after, subject, public_key, extensions })
    }

    /// The length of the modulus of an RSA key in bits; `None` for other keys.
    pub fn rsa_bits(&self) -> Option<usize> {
        rsa_bits(self.public_key)
    }
}

fn rsa_bits(public_key: AnyRef<'_>) -> Option<usize> {
    let mut key = inside(public_key, Tag::Sequence).ok()?;
    let mut algorithm = inside(AnyRef::decode(&mut key).ok()?, Tag::Sequence).ok()?;
    if AnyRef::decode(&mut algorithm).ok()?.value() != RSA.as_bytes() {
        return None;
    }
    let bits = AnyRef::decode(&mut key).ok()?;
    // The first byte is the number of unused bits at the end.
    let (_, key) = bits.value().split_first().filter(|_| bits.tag() == Tag::BitString)?;
    let mut numbers = inside(AnyRef::from_der(key).ok()?, Tag::Sequence).ok()?;
    let modulus = AnyRef::decode(&mut numbers).ok()?;
    let zeros = modulus.value().iter().take_while(|byte| **byte == 0).count();
    let digits = modulus.value().get(zeros..)?;
    Some(digits.len() * 8 - digits.first()?.leading_zeros() as usize)
}

/// Reads the version. Version 1 certificates omit it; this returns 0 for them.
fn version(signed: &mut SliceReader<'_>) -> Result<u8> {
    if !signed.peek_tag()?.is_context_specific() {
        return Ok(1);
    }
    Ok(u8::from_der(AnyRef::decode(signed)?.value())?.saturating_add(1))
}

/// The elements inside an element that has this tag.
pub(super) fn inside(element: AnyRef<'_>, tag: Tag) -> Result<SliceReader<'_>> {
    element.tag().assert_eq(tag)?;
    SliceReader::new(element.value())
}

/// Reads a UTCTime or a GeneralizedTime.
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
        // notBefore is a UTCTime; notAfter, from 2050 on, is a GeneralizedTime.
        params.not_before = date_time_ymd(2049, 12, 31);
        params.not_after = date_time_ymd(2050, 1, 1);
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let certificate = Certificate::from_der(&der).unwrap();
        assert_eq!((certificate.not_before, certificate.not_after), (2_524_521_600, 2_524_608_000));
        let subject: Vec<_> =
            certificate.subject.iter().map(|(kind, value)| (kind.to_string(), value.value())).collect();
        assert_eq!(subject, [("2.5.4.10".to_owned(), &b"o"[..]), ("2.5.4.3".to_owned(), b"cn")]);
        assert_eq!((certificate.version, certificate.is_self_issued, certificate.rsa_bits()), (3, true, None));
        assert!(certificate.extensions.is_some());
        for length in 0..der.len() {
            assert!(Certificate::from_der(&der[..length]).is_err(), "the first {length} bytes");
        }
        assert!(Certificate::from_der(&[&der[..], &[0]].concat()).is_err(), "one byte more");
    }

    #[test]
    fn returns_the_size_of_rsa_keys() {
        let number = |bytes: &[u8]| [&[2, u8::try_from(bytes.len()).unwrap()], bytes].concat();
        let sequence = |content: Vec<u8>| [&[0x30, u8::try_from(content.len()).unwrap()], &content[..]].concat();
        let rsa = sequence([&[6, 9][..], RSA.as_bytes(), &[5, 0]].concat());
        let measured = |algorithm: &[u8], tag: u8, key: Vec<u8>| {
            let bits = [&[tag, u8::try_from(key.len() + 1).unwrap(), 0], &key[..]].concat();
            let der = sequence([algorithm, &bits].concat());
            rsa_bits(AnyRef::from_der(&der).unwrap())
        };
        for (modulus, expected) in
            [(&[0, 0x80][..], Some(8)), (&[0x40], Some(7)), (&[1, 0], Some(9)), (&[0], None), (&[], None)]
        {
            let key = sequence([number(modulus), number(&[3])].concat());
            assert_eq!(measured(&rsa, 3, key.clone()), expected, "{modulus:?}");
            assert_eq!(measured(&rsa, 4, key), None, "no bit string");
        }
        assert_eq!(measured(&rsa, 3, vec![1, 2]), None);
        assert_eq!(measured(&sequence(vec![6, 1, 42]), 3, sequence(number(&[0x40]))), None, "another algorithm");
    }

    #[test]
    fn rejects_corrupted_bytes_without_panic() {
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

//! The subject of a client's certificate, as Kubernetes reads a user from it.

use der::asn1::ObjectIdentifier;
use der::{Tag, Tagged};

use crate::parse::certificate::Certificate;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
/// The object identifier that Kubernetes uses for the uid of a user.
const UID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57683.2");

/// The subject of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// The last CN; empty if there is none.
    pub(super) common_name: String,
    /// All O attributes.
    pub(super) organizations: Vec<String>,
    /// Empty if there is none.
    pub(super) uid: String,
}

/// Reads the subject of a certificate (DER); `None` if it cannot be read.
pub(super) fn subject(der: &[u8]) -> Option<Subject> {
    let certificate = Certificate::from_der(der).ok()?;
    let mut subject = Subject::default();
    for (kind, value) in certificate.subject {
        let known = [COMMON_NAME, ORGANIZATION, UID].contains(&kind);
        if !known {
            continue;
        }
        // A name that could be read in several ways is rejected.
        let plain = matches!(value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
        let text = plain.then(|| std::str::from_utf8(value.value()).ok()).flatten()?.to_owned();
        match kind {
            COMMON_NAME => subject.common_name = text,
            ORGANIZATION => subject.organizations.push(text),
            _ => subject.uid = text,
        }
    }
    Some(subject)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair};

    use super::*;

    fn certificate(names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1], vec![5, 0])];
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn reads_users() {
        let uid = DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 57683, 2]);
        let der = certificate(&[
            (DnType::OrganizationName, "system:masters"),
            (DnType::CountryName, "DE"),
            (DnType::CommonName, "admin é"),
            (uid, "42"),
        ]);
        let expected = Subject {
            common_name: "admin é".to_owned(),
            organizations: vec!["system:masters".to_owned()],
            uid: "42".to_owned(),
        };
        assert_eq!(subject(&der), Some(expected));
        assert_eq!(subject(&certificate(&[])), Some(Subject::default()));
        assert_eq!(subject(b"garbage"), None);
    }
}

//! Certificates from any client: parsing never panics, also after a change of one byte in a real certificate, and parsed
//! values are no larger than the input. A truncated certificate is rejected.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::certificate::Certificate;
use metriclet::internals::parse::certificate_name::CertificateName;
use metriclet::internals::parse::extensions::Extensions;
use rcgen::{CertificateParams, DnType, KeyPair};

static REAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut params = CertificateParams::new(vec!["web.shop.svc".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
});

fuzz_target!(|input: (Vec<u8>, u16, u8)| {
    let (bytes, at, value) = input;
    read(&bytes);
    if let Ok(CertificateName::Spiffe(id)) = CertificateName::parse(&String::from_utf8_lossy(&bytes)) {
        assert!(id.is(&bytes) && bytes.starts_with(b"spiffe://") && bytes.is_ascii());
    }
    let real = Certificate::from_der(&REAL).unwrap();
    assert!(real.not_before <= real.not_after && !real.subject.is_empty());
    let mut changed = REAL.clone();
    let at = usize::from(at) % changed.len();
    changed[at] = value;
    read(&changed);
    changed.truncate(at);
    assert!(Certificate::from_der(&changed).is_err(), "cut short");
});

fn read(bytes: &[u8]) {
    let Ok(certificate) = Certificate::from_der(bytes) else { return };
    let _ = certificate.rsa_bits();
    let names = Extensions::of(&certificate).ok().and_then(|extensions| extensions.names).unwrap_or_default();
    assert!(names.uris.iter().map(|uri| uri.len()).sum::<usize>() <= bytes.len(), "{certificate:?}");
    let all: usize = certificate.subject.iter().map(|(_, value)| value.value().len()).sum();
    assert!(all <= bytes.len(), "{certificate:?}");
}

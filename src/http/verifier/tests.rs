use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, SerialNumber, date_time_ymd,
};

use super::*;
use crate::parse::certificate_name::CertificateName;

const ID: &str = "spiffe://shop/web";

/// 2020-06-15; most certificates here are valid in 2020.
const NOW: u64 = 1_592_179_200;

const UNKNOWN_ISSUER: &str = "the server's certificate is signed by an authority that is not trusted";
const OTHER_NAMES: &str = "the server's certificate is for other names";
const EXPIRED: &str = "the server's certificate has expired";
const NOT_YET: &str = "the server's certificate is not valid yet";
const PURPOSE: &str = "the server's certificate is not for servers (extendedKeyUsage)";

type Der = CertificateDer<'static>;

/// Certificate parameters for a host, or an X509-SVID.
fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let name = match name {
        uri if uri.contains("://") => SanType::URI(uri.try_into().unwrap()),
        host => SanType::DnsName(host.try_into().unwrap()),
    };
    params.subject_alt_names.push(name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    params
}

fn as_authority(mut params: CertificateParams) -> CertificateParams {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn changed(mut params: CertificateParams, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    change(&mut params);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn self_signed(params: &CertificateParams, key: &KeyPair) -> Der {
    params.self_signed(key).unwrap().der().clone()
}

/// A certificate signed by the authority with these parameters and this key.
fn signed(params: &CertificateParams, issuer: CertificateParams, issuer_key: KeyPair) -> Der {
    params.signed_by(&key(), &Issuer::new(issuer, issuer_key)).unwrap().der().clone()
}

/// The cause of the refusal, for a server with this host name or SPIFFE ID; empty if it is accepted.
fn judge(trusted: &[&Der], name: &str, presented: &Der, now: u64) -> &'static str {
    judge_chain(trusted, name, presented, &[], now)
}

fn judge_chain(trusted: &[&Der], name: &str, presented: &Der, rest: &[Der], now: u64) -> &'static str {
    let (host, spiffe_id) = match CertificateName::parse(name).unwrap() {
        CertificateName::Host(host) => (host, None),
        CertificateName::Spiffe(id) => ("10.0.0.1".try_into().unwrap(), Some(id)),
    };
    let verifier = Verifier::new(trusted.iter().copied().cloned().collect(), spiffe_id).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    match verifier.verify_server_cert(presented, rest, &host, &[], now) {
        Ok(_) => "",
        Err(error) => refusal::explain(&error).0,
    }
}

#[test]
fn checks_a_pinned_certificate_except_for_its_chain() {
    let alone = |params: CertificateParams| self_signed(&params, &key());
    let usages = |usages: &[ExtendedKeyUsagePurpose]| {
        alone(changed(params("web"), |params| params.extended_key_usages = usages.to_vec()))
    };
    for (what, certificate) in [
        ("not an authority", alone(params("web"))),
        ("an authority, as openssl req -x509 writes it", alone(as_authority(params("web")))),
        ("of an authority that is not in the file", signed(&params("web"), as_authority(params("ca")), key())),
        ("for servers", usages(&[ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth])),
    ] {
        let judged = |name, now| judge(&[&certificate], name, &certificate, now);
        assert_eq!(judged("web", NOW), "", "{what}");
        assert_eq!(judged("other", NOW), OTHER_NAMES, "{what}");
        // The first and the last second of the validity period, and the ones before and after.
        let (first, last) = (1_577_836_800, 1_609_459_200);
        assert_eq!(["", NOT_YET], [judged("web", first), judged("web", first - 1)], "{what}");
        assert_eq!(["", EXPIRED], [judged("web", last), judged("web", last + 1)], "{what}");
        assert_eq!(judged(ID, NOW), if what.starts_with("an auth") { refusal::NO_SVID } else { refusal::NO_SPIFFE_ID });
        let elsewhere = self_signed(&as_authority(params("ca")), &key());
        assert_ne!(judge(&[&elsewhere], "web", &certificate, NOW), "", "{what}, not in the file");
    }
    let for_clients = usages(&[ExtendedKeyUsagePurpose::ClientAuth]);
    assert_eq!(judge(&[&for_clients], "web", &for_clients, NOW), PURPOSE);
    let nameless = alone(as_authority(changed(params("web"), |params| params.subject_alt_names.clear())));
    assert_eq!(judge(&[&nameless], "web", &nameless, NOW), refusal::NO_NAMES);
}

#[test]
fn pins_only_identical_bytes() {
    for (is_ca, cause) in [
        (IsCa::NoCa, refusal::SELF_SIGNED),
        (IsCa::ExplicitNoCa, refusal::SELF_SIGNED),
        (IsCa::Ca(BasicConstraints::Unconstrained), refusal::SELF_SIGNED),
    ] {
        let key = key();
        let params = changed(params("web"), |params| {
            params.is_ca = is_ca;
            params.serial_number = Some(SerialNumber::from(1));
        });
        let pinned = self_signed(&params, &key);
        let again = self_signed(&changed(params, |params| params.serial_number = Some(SerialNumber::from(2))), &key);
        assert_eq!(judge(&[&pinned], "web", &pinned, NOW), "");
        assert_eq!(judge(&[&pinned], "web", &again, NOW), cause, "the same key and names");
        let mut longer = pinned.to_vec();
        longer.push(0);
        assert_ne!(judge(&[&pinned], "web", &longer.into(), NOW), "", "one byte more");
    }
}

#[test]
fn rejects_authorities_without_the_right_to_sign() {
    let usage = |usages: &[KeyUsagePurpose]| usages.to_vec();
    for (what, is_ca, usages, cause) in [
        ("no authority", IsCa::ExplicitNoCa, usage(&[]), UNKNOWN_ISSUER),
        ("without a word", IsCa::NoCa, usage(&[]), UNKNOWN_ISSUER),
        ("for signatures alone", IsCa::NoCa, usage(&[KeyUsagePurpose::KeyCertSign]), UNKNOWN_ISSUER),
        (
            "an authority that may not sign",
            IsCa::Ca(BasicConstraints::Unconstrained),
            usage(&[KeyUsagePurpose::DigitalSignature]),
            UNKNOWN_ISSUER,
        ),
        (
            "an authority that may",
            IsCa::Ca(BasicConstraints::Unconstrained),
            usage(&[KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature]),
            "",
        ),
        ("an authority", IsCa::Ca(BasicConstraints::Unconstrained), usage(&[]), ""),
    ] {
        let issuer = changed(params("web"), |params| (params.is_ca, params.key_usages) = (is_ca, usages));
        let issuer_key = key();
        let pinned = self_signed(&issuer, &issuer_key);
        let leaf = signed(&params("other"), issuer, issuer_key);
        assert_eq!(judge(&[&pinned], "other", &leaf, NOW), cause, "{what}");
        let sent_too = judge_chain(&[&pinned], "other", &leaf, std::slice::from_ref(&pinned), NOW);
        assert_eq!(sent_too.is_empty(), cause.is_empty(), "{what}, sent too: {sent_too}");
        assert_eq!(judge(&[&pinned], "web", &pinned, NOW), "", "{what}, itself");
    }
}

#[test]
fn spiffe_ids_are_compared_instead_of_hosts() {
    let (issuer, issuer_key) = (as_authority(params("ca")), key());
    let ca = self_signed(&issuer, &issuer_key);
    let issuer = Issuer::new(issuer, issuer_key);
    let issued = |params: CertificateParams| params.signed_by(&key(), &issuer).unwrap().der().clone();
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let host = || SanType::DnsName("web".try_into().unwrap());
    let names = |names: Vec<SanType>| issued(changed(params(ID), |params| params.subject_alt_names = names));
    for (what, certificate, cause) in [
        ("the ID", issued(params(ID)), ""),
        ("beside a host", names(vec![host(), uri(ID)]), ""),
        ("another ID", issued(params("spiffe://shop/web2")), refusal::OTHER_SPIFFE_ID),
        ("another trust domain", issued(params("spiffe://shop2/web")), refusal::OTHER_SPIFFE_ID),
        ("another scheme", issued(params("https://shop/web")), refusal::OTHER_SPIFFE_ID),
        ("a host", names(vec![host()]), refusal::NO_SPIFFE_ID),
        ("no names", names(vec![]), refusal::NO_SPIFFE_ID),
        ("the ID as a host", names(vec![SanType::DnsName(ID.try_into().unwrap())]), refusal::NO_SPIFFE_ID),
        ("two IDs", names(vec![uri("spiffe://shop/mail"), uri(ID)]), refusal::NO_SVID),
        ("the ID twice", names(vec![uri(ID), uri(ID)]), refusal::NO_SVID),
        ("an authority", issued(as_authority(params(ID))), refusal::AUTHORITY),
        (
            "one that may sign",
            issued(changed(params(ID), |params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign])),
            refusal::NO_SVID,
        ),
        ("expired", issued(changed(params(ID), |params| params.not_after = date_time_ymd(2020, 2, 1))), EXPIRED),
        ("of another authority", signed(&params(ID), as_authority(params("ca2")), key()), UNKNOWN_ISSUER),
        ("of its namesake", signed(&params(ID), as_authority(params("ca")), key()), refusal::ISSUER_NAME_COLLISION),
    ] {
        assert_eq!(judge(&[&ca], ID, &certificate, NOW), cause, "{what}");
    }
    let svid = issued(params(ID));
    assert_eq!(judge(&[&ca], "web", &svid, NOW), refusal::SPIFFE_ONLY);
    assert_eq!(judge(&[&svid], ID, &svid, NOW), "", "pinned");
    let signer = self_signed(&as_authority(params(ID)), &key());
    assert_eq!(judge(&[&signer], ID, &signer, NOW), refusal::NO_SVID, "pinned, an authority");
}

#[test]
fn verifies_chains() {
    let (issuer, issuer_key) = (as_authority(params("ca")), key());
    let ca = self_signed(&issuer, &issuer_key);
    let issuer = Issuer::new(issuer, issuer_key);
    let (between, between_key) = (as_authority(params("between")), key());
    let intermediate = between.signed_by(&between_key, &issuer).unwrap().der().clone();
    let leaf = signed(&params("web"), between, between_key);
    let chain = [intermediate.clone()];
    assert_eq!(judge_chain(&[&ca], "web", &leaf, &chain, NOW), "");
    assert_eq!(judge(&[&ca], "web", &leaf, NOW), UNKNOWN_ISSUER);
    assert_eq!(judge(&[&ca, &intermediate], "web", &leaf, NOW), "");
    assert_eq!(judge(&[&ca], "between", &intermediate, NOW), refusal::AUTHORITY);
    assert_eq!(judge(&[&ca, &intermediate], "between", &intermediate, NOW), "", "pinned");
    assert_eq!(judge_chain(&[&ca], "other", &leaf, &chain, NOW), OTHER_NAMES);
    assert_eq!(judge_chain(&[&ca], "web", &leaf, &chain, NOW + 365 * 86_400), EXPIRED);
    // A server's own certificate does not become an authority by being sent as an intermediate.
    let (own, own_key) = (params("web"), key());
    let web = own.signed_by(&own_key, &issuer).unwrap().der().clone();
    let forged = signed(&params("other"), own, own_key);
    assert_ne!(judge_chain(&[&ca, &web], "other", &forged, std::slice::from_ref(&web), NOW), "");
}

#[test]
fn uses_built_in_roots_only_as_authorities() {
    let verifier = Verifier::with_built_in_roots(None);
    assert!(verifier.roots.len() > 50 && verifier.pinned.is_empty());
    let (leaf, now) = (self_signed(&params("web"), &key()), UnixTime::since_unix_epoch(Duration::from_secs(NOW)));
    let error = verifier.verify_server_cert(&leaf, &[], &"web".try_into().unwrap(), &[], now).unwrap_err();
    assert_eq!(refusal::explain(&error).0, refusal::SELF_SIGNED);
}

#[test]
fn rejects_invalid_certificates() {
    for bytes in [&b""[..], b"\x30\x00", &[0x30, 0x03, 0x02, 0x01, 0x05]] {
        let der = Der::from(bytes.to_vec());
        let error = Verifier::new(vec![der.clone()], None).unwrap_err();
        assert_eq!(error, PemError::UnreadableCertificate);
        let certificate = self_signed(&params("web"), &key());
        assert_eq!(judge(&[&certificate], "web", &der, NOW), "the server's certificate is not valid");
    }
}

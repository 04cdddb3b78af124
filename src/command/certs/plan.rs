//! What `metriclet certs renew` does next, by what it finds and by the time.
//!
//! The Secret tells how far a renewal is, so that each run goes on where any other was interrupted. It holds the pair that
//! is served, `tls.crt` and `tls.key`, and from the beginning of a renewal the next pair, `next.crt` and `next.key`. An
//! authority is first trusted everywhere, then its certificate is served, and no authority is taken away before its end. So
//! whatever a replica serves meanwhile, everyone trusts it.

use std::net::IpAddr;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use super::authority::{Authority, verifies};
use crate::parse;
use crate::parse::certificate::Certificate;
use crate::parse::extensions::{Extensions, Host};

/// A certificate and its key, PEM. Without Debug: no message shows a key.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

/// What is found.
#[derive(Clone)]
pub(super) struct Found {
    /// The pair that is served.
    pub(super) pair: Pair,
    /// The one after it, and since when its authority is in `trusted`.
    pub(super) next: Option<(Pair, i64)>,
    /// `ca.crt`: the authority of `pair` comes first.
    pub(super) trusted: Vec<Authority>,
    /// The `caBundle` of each APIService.
    pub(super) bundles: Vec<Vec<Authority>>,
}

/// The times that decide, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Unix.
    pub(super) now: i64,
    /// How long before its end a certificate is renewed.
    pub(super) renew_before: i64,
    /// How long an authority is trusted before its certificate is served.
    pub(super) settle: i64,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: the certificate is good until this time.
    Keep(i64),
    /// The next pair is not needed, as somebody else has renewed the certificate until this time.
    Drop(i64),
    /// Makes the next pair and trusts its authority.
    Announce(i64),
    /// Nothing, until the next pair's authority has been trusted for long enough.
    Wait(i64),
    /// Serves the next pair.
    Install,
    /// Makes a pair and serves it at once, as there is none that can be served.
    Replace,
}

/// The certificate of a pair that a server can use.
struct Usable {
    der: CertificateDer<'static>,
    ends: i64,
}

impl Pair {
    /// The certificate, if a server would use the pair now and clients that trust these would take it.
    fn usable(&self, trusted: &[Authority], now: i64) -> Option<Usable> {
        let chain = parse::pem::certificates(&self.certificate).ok()?;
        let key = parse::pem::private_key(&self.key).ok()?;
        let der = chain.first()?.clone();
        let read = Certificate::from_der(&der).ok()?;
        let [begins, ends] = [read.not_before, read.not_after].map(|at| i64::try_from(at).unwrap_or(i64::MAX));
        // Whether the key belongs to the certificate.
        CertifiedKey::from_der(chain, key, &ring::default_provider()).ok()?;
        (begins <= now && now <= ends && verifies(&der, trusted, now)).then_some(Usable { der, ends })
    }

    /// Whether one of these has signed its certificate, as far as that can be read: garbage is nobody's.
    pub(super) fn is_signed_by(&self, trusted: &[Authority]) -> bool {
        let chain = parse::pem::certificates(&self.certificate).unwrap_or_default();
        chain.first().is_none_or(|own| Certificate::from_der(own).is_err() || verifies(own, trusted, self.ends()))
    }

    /// The names and addresses that its certificate is for, as far as it can be read.
    pub(super) fn names(&self) -> Vec<String> {
        let chain = parse::pem::certificates(&self.certificate).unwrap_or_default();
        let certificate = chain.first().and_then(|own| Certificate::from_der(own).ok());
        let names = certificate.and_then(|read| Extensions::of(&read).ok()).and_then(|extensions| extensions.names);
        names.into_iter().flat_map(|names| names.hosts).filter_map(text).collect()
    }

    /// The last second of its certificate's validity, Unix, as far as it can be read.
    pub(super) fn ends(&self) -> i64 {
        let chain = parse::pem::certificates(&self.certificate).unwrap_or_default();
        let certificate = chain.first().and_then(|own| Certificate::from_der(own).ok());
        certificate.map_or(0, |read| i64::try_from(read.not_after).unwrap_or(i64::MAX))
    }
}

/// A host as people write it; `None` if it is neither ASCII nor an address.
fn text(host: Host<'_>) -> Option<String> {
    match host {
        Host::Name(name) => std::str::from_utf8(name).ok().filter(|name| name.is_ascii()).map(str::to_owned),
        Host::Address(bytes) => match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
            (Ok(four), _) => Some(IpAddr::from(four).to_string()),
            (_, Ok(sixteen)) => Some(IpAddr::from(sixteen).to_string()),
            _ => None,
        },
    }
}

impl Found {
    /// What is to be done now.
    pub(super) fn step(&self, timing: Timing) -> Step {
        let now = timing.now;
        let next = self.next.as_ref().and_then(|(pair, since)| Some((pair.usable(&self.trusted, now)?, *since)));
        let Some(Usable { ends, .. }) = self.pair.usable(&self.trusted, now) else {
            return if next.is_some() { Step::Install } else { Step::Replace };
        };
        // A renewal that has begun is finished, whoever has begun it. One that ends sooner was begun before somebody else
        // renewed the certificate.
        match next.filter(|(next, _)| next.ends > ends) {
            Some((next, since)) => {
                let is_trusted = self.bundles.iter().all(|bundle| verifies(&next.der, bundle, now));
                if is_trusted && now - since >= timing.settle { Step::Install } else { Step::Wait(ends) }
            }
            None if ends - now <= timing.renew_before => Step::Announce(ends),
            None if self.next.is_some() => Step::Drop(ends),
            None => Step::Keep(ends),
        }
    }

    /// What `ca.crt` holds after a step, for which this authority may have been made: without those that have ended.
    pub(super) fn trusted_after(&self, step: Step, made: Option<Authority>, now: i64) -> Vec<Authority> {
        let mut trusted: Vec<_> = self.trusted.iter().filter(|authority| authority.lasts(now)).cloned().collect();
        let next = self.next.as_ref().filter(|_| step == Step::Install).map(|(pair, _)| pair);
        let signs = |authority: &Authority| {
            next.is_some_and(|next| next.usable(std::slice::from_ref(authority), now).is_some())
        };
        // The one whose certificate is served comes first.
        if let Some(at) = trusted.iter().position(signs) {
            let signer = trusted.remove(at);
            trusted.insert(0, signer);
        }
        match (step, made) {
            (Step::Replace, Some(made)) => trusted.insert(0, made),
            (_, made) => trusted.extend(made),
        }
        trusted
    }
}

/// What a `caBundle` has to hold beside these authorities: what it holds besides, too, as it may be another client's. `None`
/// if it is as it should be.
pub(super) fn bundle_with(trusted: &[Authority], bundle: &[Authority], now: i64) -> Option<Vec<Authority>> {
    let others = bundle.iter().filter(|authority| authority.lasts(now) && !trusted.contains(authority));
    let wanted: Vec<_> = trusted.iter().chain(others).cloned().collect();
    let is_same = wanted.len() == bundle.len() && wanted.iter().all(|authority| bundle.contains(authority));
    (!is_same).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::super::authority::authorities;
    use super::super::issue::{Issued, issue};
    use super::*;

    const DAY: i64 = 86_400;
    const BEGIN: i64 = 1_800_000_000;
    const TIMING: Timing = Timing { now: BEGIN, renew_before: 30 * DAY, settle: 600 };

    fn made(day: i64) -> Issued {
        issue(&["web.shop.svc".to_owned()], 365, BEGIN + day * DAY).unwrap()
    }

    fn pair(issued: &Issued) -> Pair {
        Pair { certificate: issued.certificate.clone().into_bytes(), key: issued.key.clone().into_bytes() }
    }

    fn trusted(issued: &[&Issued]) -> Vec<Authority> {
        issued.iter().flat_map(|issued| authorities(issued.ca.as_bytes()).unwrap()).collect()
    }

    /// Served since day 0, with two APIServices.
    fn found(first: &Issued) -> Found {
        let trusted = trusted(&[first]);
        Found { pair: pair(first), next: None, bundles: vec![trusted.clone(); 2], trusted }
    }

    /// With a next certificate, announced then.
    fn announced(first: &Issued, next: &Issued, at: i64) -> Found {
        let trusted = trusted(&[first, next]);
        Found { next: Some((pair(next), at)), bundles: vec![trusted.clone(); 2], trusted, ..found(first) }
    }

    fn at(seconds: i64) -> Timing {
        Timing { now: BEGIN + seconds, ..TIMING }
    }

    #[test]
    fn renews_by_the_day() {
        let (first, next) = (made(0), made(335));
        let ends = BEGIN + 365 * DAY;
        let announced_at = BEGIN + 335 * DAY;
        let calm = found(&first);
        let announced = announced(&first, &next, announced_at);
        let installed = Found {
            pair: pair(&next),
            next: None,
            trusted: trusted(&[&next, &first]),
            bundles: vec![trusted(&[&next, &first]); 2],
        };
        let next_ends = announced_at + 365 * DAY;
        let by_hand = self::announced(&first, &made(100), BEGIN + 100 * DAY);
        let superseded = self::announced(&made(336), &next, announced_at);
        for (name, found, seconds, expected) in [
            ("the first day", &calm, 0, Step::Keep(ends)),
            ("day 300", &calm, 300 * DAY, Step::Keep(ends)),
            ("a second too early", &calm, 335 * DAY - 1, Step::Keep(ends)),
            ("day 335", &calm, 335 * DAY, Step::Announce(ends)),
            ("day 340, all runs before were missed", &calm, 340 * DAY, Step::Announce(ends)),
            ("the last second", &calm, 365 * DAY, Step::Announce(ends)),
            ("after the end", &calm, 365 * DAY + 1, Step::Replace),
            ("the same moment", &announced, 335 * DAY, Step::Wait(ends)),
            ("a second too early for replicas", &announced, 335 * DAY + 599, Step::Wait(ends)),
            ("ten minutes later", &announced, 335 * DAY + 600, Step::Install),
            ("the next day", &announced, 336 * DAY, Step::Install),
            ("a clock that was set back", &announced, 335 * DAY - 1, Step::Wait(ends)),
            ("after the end, announced before", &announced, 365 * DAY + 1, Step::Install),
            ("a year after the end of both", &announced, 800 * DAY, Step::Replace),
            ("announced by hand, long before", &by_hand, 200 * DAY, Step::Install),
            ("somebody else has renewed it since", &superseded, 336 * DAY, Step::Drop(BEGIN + 701 * DAY)),
            ("installed", &installed, 336 * DAY, Step::Keep(next_ends)),
            ("installed, and the first has ended", &installed, 366 * DAY, Step::Keep(next_ends)),
            ("installed, and due again", &installed, 670 * DAY, Step::Announce(next_ends)),
        ] {
            assert_eq!(found.step(at(seconds)), expected, "{name}");
        }
    }

    #[test]
    fn reads_names() {
        for (host, expected) in [
            (Host::Name(b"*.web.svc"), Some("*.web.svc")),
            (Host::Name("wéb".as_bytes()), None),
            (Host::Name(b"\xff"), None),
            (Host::Address(&[10, 0, 0, 1]), Some("10.0.0.1")),
            (Host::Address(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), Some("::1")),
            (Host::Address(&[10, 0, 0]), None),
        ] {
            assert_eq!(text(host).as_deref(), expected, "{host:?}");
        }
        assert_eq!(pair(&made(0)).names(), ["web.shop.svc"]);
        assert_eq!(Pair { certificate: b"?".to_vec(), key: Vec::new() }.names(), [""; 0]);
    }

    #[test]
    fn knows_whose_a_certificate_is() {
        let (first, other) = (made(0), made(100));
        let garbage = Pair { certificate: b"?".to_vec(), key: Vec::new() };
        for (pair, by, expected) in [
            (pair(&first), vec![&first], true),
            (pair(&first), vec![&other, &first], true),
            (pair(&first), vec![&other], false),
            (garbage, vec![&other], true),
        ] {
            assert_eq!(pair.is_signed_by(&trusted(&by)), expected);
        }
    }

    #[test]
    fn installs_nothing_that_is_not_trusted_everywhere() {
        let (first, next, other) = (made(0), made(335), made(334));
        let now = at(336 * DAY);
        let good = announced(&first, &next, BEGIN);
        let ends = BEGIN + 365 * DAY;
        let of_other = pair(&other);
        for (name, found, expected) in [
            ("all is well", good.clone(), Step::Install),
            (
                "one caBundle lacks the authority",
                Found { bundles: vec![good.trusted.clone(), trusted(&[&first])], ..good.clone() },
                Step::Wait(ends),
            ),
            ("a caBundle is empty", Found { bundles: vec![Vec::new()], ..good.clone() }, Step::Wait(ends)),
            ("ca.crt lacks it", Found { trusted: trusted(&[&first]), ..good.clone() }, Step::Announce(ends)),
            (
                "the key is another's",
                Found { next: Some((Pair { key: of_other.key.clone(), ..pair(&next) }, BEGIN)), ..good.clone() },
                Step::Announce(ends),
            ),
            (
                "half of it is there",
                Found { next: Some((Pair { key: Vec::new(), ..pair(&next) }, BEGIN)), ..good.clone() },
                Step::Announce(ends),
            ),
            (
                "the pair that is served is mixed",
                Found { pair: Pair { key: of_other.key, ..pair(&first) }, next: None, ..good.clone() },
                Step::Replace,
            ),
            (
                "the pair that is served is garbage, and the next is good",
                Found { pair: Pair { certificate: b"?".to_vec(), key: b"?".to_vec() }, ..good.clone() },
                Step::Install,
            ),
        ] {
            assert_eq!(found.step(now), expected, "{name}");
        }
    }

    /// Whatever is served before and after a step, replicas and kube-apiserver trust it before and after.
    #[test]
    fn trusts_what_is_served_before_and_after_each_step() {
        let first = made(0);
        let mut found = found(&first);
        let mut steps = Vec::new();
        // A run each ten days, and each six hours around those on which something happens.
        let busy = [334..=336, 364..=366, 669..=671, 699..=701];
        let is_run = |hours: &i64| hours % 240 == 0 || busy.iter().any(|days| days.contains(&(hours / 24)));
        for hours in (0..24 * 800).step_by(6).filter(is_run) {
            let timing = at(hours * 3_600 + 1);
            let now = timing.now;
            let step = found.step(timing);
            let made = matches!(step, Step::Announce(_)).then(|| issue(&found.pair.names(), 365, now).unwrap());
            let new = made.as_ref().map(|made| authorities(made.ca.as_bytes()).unwrap().remove(0));
            let after_trusted = found.trusted_after(step, new, now);
            let after_bundles: Vec<_> = found
                .bundles
                .iter()
                .map(|bundle| bundle_with(&after_trusted, bundle, now).unwrap_or_else(|| bundle.clone()))
                .collect();
            let mut after = Found { trusted: after_trusted, bundles: after_bundles, ..found.clone() };
            match (step, &made) {
                (Step::Announce(_), Some(made)) => after.next = Some((pair(made), now)),
                (Step::Install, _) => after.pair = after.next.take().unwrap().0,
                (Step::Keep(_), None) => {}
                (other, _) => panic!("{other:?} at hour {hours}"),
            }
            for served in [&found.pair, &after.pair] {
                for trusted in [&found, &after].into_iter().flat_map(|it| it.bundles.iter().chain([&it.trusted])) {
                    assert!(served.usable(trusted, now).is_some(), "{step:?} at hour {hours}");
                }
            }
            assert!(after.trusted.len() <= 2, "two at most overlap");
            assert!(after.pair.usable(&after.trusted[..1], now).is_some(), "what is served comes first");
            assert_eq!(after.pair.names(), ["web.shop.svc"]);
            if !matches!(step, Step::Keep(_)) || after.trusted != found.trusted {
                let done = match step {
                    Step::Announce(_) => "announced",
                    Step::Install => "installed",
                    _ => "dropped",
                };
                steps.push(format!("day {}: {done}, {} trusted", hours / 24, after.trusted.len()));
            }
            found = after;
        }
        let expected = [
            "day 335: announced, 2 trusted",
            "day 335: installed, 2 trusted",
            "day 365: dropped, 1 trusted",
            "day 670: announced, 2 trusted",
            "day 670: installed, 2 trusted",
            "day 700: dropped, 1 trusted",
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn keeps_what_others_have_put_into_a_bundle_until_it_ends() {
        let (first, next, foreign) = (made(0), made(335), made(100));
        let now = BEGIN + 336 * DAY;
        for (trusted_now, bundle, now, expected) in [
            (vec![&first], vec![&first], now, None),
            (vec![&first, &next], vec![&next, &first], now, None),
            (vec![&first, &next], vec![&first], now, Some(vec![&first, &next])),
            (vec![&first], vec![], now, Some(vec![&first])),
            (vec![&next], vec![&next, &foreign], now, None),
            (vec![&next, &first], vec![&foreign], now, Some(vec![&next, &first, &foreign])),
            (vec![&next], vec![&first, &next, &foreign], BEGIN + 366 * DAY, Some(vec![&next, &foreign])),
            (vec![&next], vec![&next, &foreign], BEGIN + 466 * DAY, Some(vec![&next])),
        ] {
            let found = bundle_with(&trusted(&trusted_now), &trusted(&bundle), now);
            assert_eq!(found, expected.map(|expected| trusted(&expected)));
        }
    }
}

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
    /// The one after it, and since when its authority is in `trusted`, as far as that can be read.
    pub(super) next: Option<(Pair, Option<i64>)>,
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
    /// Nothing, until the next pair's authority has been trusted for long enough: the end of the certificate, and since when
    /// it is trusted.
    Wait(i64, i64),
    /// Serves the next pair.
    Install,
    /// Makes a pair and serves it at once, as there is none that can be served.
    Replace,
}

/// What a `caBundle` held, and does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The authority of the certificate that is served.
    Served,
    /// The authority of the next one.
    Next,
}

/// The certificate of a pair that a server can use.
struct Usable {
    der: CertificateDer<'static>,
    begins: i64,
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
        (begins <= now && now <= ends && verifies(&der, trusted, now)).then_some(Usable { der, begins, ends })
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
        let next = self.next(now);
        let Some(Usable { ends, .. }) = self.pair.usable(&self.trusted, now) else {
            return if next.is_some() { Step::Install } else { Step::Replace };
        };
        // A renewal that has begun is finished, whoever has begun it. One that ends sooner was begun before somebody else
        // renewed the certificate.
        match next.filter(|(next, _)| next.ends > ends) {
            Some((_, Some(since))) if now - since < timing.settle => Step::Wait(ends, since),
            Some((next, Some(_))) if self.bundles.iter().all(|bundle| verifies(&next.der, bundle, now)) => {
                Step::Install
            }
            // Trusted everywhere from now on.
            Some(_) => Step::Wait(ends, now),
            None if ends - now <= timing.renew_before => Step::Announce(ends),
            None if self.next.is_some() => Step::Drop(ends),
            None => Step::Keep(ends),
        }
    }

    /// What a `caBundle` has lost that it must have held before this step; `None` if nothing. An empty one may be new, unless
    /// the certificate has been renewed before.
    pub(super) fn lost(&self, bundle: &[Authority], step: Step, timing: Timing, was_renewed: bool) -> Option<Lost> {
        if matches!(step, Step::Install | Step::Replace) || (bundle.is_empty() && !was_renewed && self.next.is_none()) {
            return None;
        }
        let lacks = |usable: &Usable| !verifies(&usable.der, bundle, timing.now);
        if self.pair.usable(&self.trusted, timing.now).is_some_and(|served| lacks(&served)) {
            return Some(Lost::Served);
        }
        let (next, since) = self.next(timing.now).filter(|_| matches!(step, Step::Wait(..)))?;
        // Before, the run that announces it may not have come that far.
        let is_settled = since.is_some_and(|since| timing.now - since >= timing.settle);
        (is_settled && lacks(&next)).then_some(Lost::Next)
    }

    /// The next certificate, if it can be used, and since when its authority is trusted: `None` if that is lost or garbled, as is
    /// a time to come, or one from before the certificate was made.
    fn next(&self, now: i64) -> Option<(Usable, Option<i64>)> {
        let (pair, since) = self.next.as_ref()?;
        let next = pair.usable(&self.trusted, now)?;
        let since = since.filter(|since| (next.begins..=now).contains(since));
        Some((next, since))
    }

    /// What `ca.crt` holds after a step, for which this authority may have been made.
    pub(super) fn trusted_after(&self, step: Step, made: Option<Authority>, now: i64) -> Vec<Authority> {
        let mut trusted = self.trusted.clone();
        if step.trims() {
            trusted.retain(|authority| authority.lasts(now));
        }
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

impl Step {
    /// Whether authorities that have ended are removed: only if what is served is trusted without them. A step that changes
    /// what is served removes none, as servers have the certificate from before for a while, and the clock may be wrong.
    fn trims(self) -> bool {
        !matches!(self, Self::Install | Self::Replace)
    }
}

/// What a `caBundle` has to hold beside these authorities: what it holds besides, too, as it may be another client's. `None`
/// if it is as it should be.
pub(super) fn bundle_with(trusted: &[Authority], bundle: &[Authority], step: Step, now: i64) -> Option<Vec<Authority>> {
    let stays = |authority: &Authority| !step.trims() || authority.lasts(now);
    let others = bundle.iter().filter(|authority| stays(authority) && !trusted.contains(authority));
    let wanted: Vec<_> = trusted.iter().chain(others).cloned().collect();
    let is_same = wanted.len() == bundle.len() && wanted.iter().all(|authority| bundle.contains(authority));
    (!is_same).then_some(wanted)
}

#[cfg(test)]
mod tests;

//! Decides the next step of `metriclet certs renew` from the state of the cluster and the time.
//!
//! The Secret records the progress of a renewal, so that each run continues where another was interrupted. It contains the
//! pair in use, `tls.crt` and `tls.key`, and during a renewal the next pair, `next.crt` and `next.key`. An authority is first
//! trusted everywhere, then its certificate is served, and no authority is removed before it expires. So clients trust every
//! certificate that a replica may serve meanwhile.

use std::net::IpAddr;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use super::authority::{Authority, verifies};
use crate::parse;
use crate::parse::certificate::Certificate;
use crate::parse::extensions::{Extensions, Host};

/// A certificate and its key, PEM. Without Debug, so that no message contains a key.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

/// The state of the cluster.
#[derive(Clone)]
pub(super) struct Found {
    /// The pair in use.
    pub(super) pair: Pair,
    /// The next pair, and since when its authority has been in `trusted`, if that can be read.
    pub(super) next: Option<(Pair, Option<i64>)>,
    /// `ca.crt`: the authority of `pair` comes first.
    pub(super) trusted: Vec<Authority>,
    /// The `caBundle` of each APIService.
    pub(super) bundles: Vec<Vec<Authority>>,
}

/// The times that the decision depends on, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// The current time, Unix.
    pub(super) now: i64,
    /// How long before it expires a certificate is renewed.
    pub(super) renew_before: i64,
    /// How long an authority is trusted before its certificate is served.
    pub(super) settle: i64,
}

/// The step to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: the certificate is valid until this time.
    Keep(i64),
    /// Removes the next pair, because the certificate has been renewed by other means until this time.
    Drop(i64),
    /// Makes the next pair and adds its authority to the trusted ones.
    Announce(i64),
    /// Nothing, until the next pair's authority has been trusted for long enough: the expiry of the certificate, and since when
    /// the authority has been trusted.
    Wait(i64, i64),
    /// Puts the next pair in use.
    Install,
    /// Makes a pair and puts it in use at once, because no existing pair can be served.
    Replace,
}

/// An authority that is missing from a `caBundle` that contained it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MissingAuthority {
    /// The authority of the certificate in use.
    Served,
    /// The authority of the next certificate.
    Next,
}

/// The certificate of a usable pair.
struct Usable {
    der: CertificateDer<'static>,
    begins: i64,
    ends: i64,
}

impl Pair {
    /// The certificate, if a server can use the pair now and clients that trust these authorities accept it.
    fn usable(&self, trusted: &[Authority], now: i64) -> Option<Usable> {
        let chain = parse::pem::certificates(&self.certificate).ok()?;
        let key = parse::pem::private_key(&self.key).ok()?;
        let der = chain.first()?.clone();
        let read = Certificate::from_der(&der).ok()?;
        let [begins, ends] = [read.not_before, read.not_after].map(|at| i64::try_from(at).unwrap_or(i64::MAX));
        // Checks that the key belongs to the certificate.
        CertifiedKey::from_der(chain, key, &ring::default_provider()).ok()?;
        (begins <= now && now <= ends && verifies(&der, trusted, now)).then_some(Usable { der, begins, ends })
    }

    /// Whether one of these authorities signed its certificate; false if the certificate cannot be parsed.
    pub(super) fn is_signed_by(&self, trusted: &[Authority]) -> bool {
        let chain = parse::pem::certificates(&self.certificate).unwrap_or_default();
        chain.first().is_none_or(|own| Certificate::from_der(own).is_err() || verifies(own, trusted, self.ends()))
    }

    /// The names and addresses in its certificate; empty if it cannot be parsed.
    pub(super) fn names(&self) -> Vec<String> {
        let chain = parse::pem::certificates(&self.certificate).unwrap_or_default();
        let certificate = chain.first().and_then(|own| Certificate::from_der(own).ok());
        let names = certificate.and_then(|read| Extensions::of(&read).ok()).and_then(|extensions| extensions.names);
        names.into_iter().flat_map(|names| names.hosts).filter_map(text).collect()
    }

    /// The last second of its certificate's validity, Unix, if it can be parsed.
    pub(super) fn ends(&self) -> i64 {
        let chain = parse::pem::certificates(&self.certificate).unwrap_or_default();
        let certificate = chain.first().and_then(|own| Certificate::from_der(own).ok());
        certificate.map_or(0, |read| i64::try_from(read.not_after).unwrap_or(i64::MAX))
    }
}

/// The text of a host; `None` if it is neither ASCII nor an address.
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
    /// The next step.
    pub(super) fn step(&self, timing: Timing) -> Step {
        let now = timing.now;
        let next = self.next(now);
        let Some(Usable { ends, .. }) = self.pair.usable(&self.trusted, now) else {
            return if next.is_some() { Step::Install } else { Step::Replace };
        };
        // A renewal in progress is finished, whatever started it. If its certificate expires sooner, the one in use was renewed
        // by other means since then.
        match next.filter(|(next, _)| next.ends > ends) {
            Some((_, Some(since))) if now - since < timing.settle => Step::Wait(ends, since),
            Some((next, Some(_))) if self.bundles.iter().all(|bundle| verifies(&next.der, bundle, now)) => {
                Step::Install
            }
            // From now on, its authority is trusted everywhere.
            Some(_) => Step::Wait(ends, now),
            None if ends - now <= timing.renew_before => Step::Announce(ends),
            None if self.next.is_some() => Step::Drop(ends),
            None => Step::Keep(ends),
        }
    }

    /// The authority that is missing from a `caBundle` and must have been in it before this step, if any. An empty `caBundle`
    /// may be new, unless the certificate has been renewed before.
    pub(super) fn lost(
        &self,
        bundle: &[Authority],
        step: Step,
        timing: Timing,
        was_renewed: bool,
    ) -> Option<MissingAuthority> {
        if matches!(step, Step::Install | Step::Replace) || (bundle.is_empty() && !was_renewed && self.next.is_none()) {
            return None;
        }
        let lacks = |usable: &Usable| !verifies(&usable.der, bundle, timing.now);
        if self.pair.usable(&self.trusted, timing.now).is_some_and(|served| lacks(&served)) {
            return Some(MissingAuthority::Served);
        }
        let (next, since) = self.next(timing.now).filter(|_| matches!(step, Step::Wait(..)))?;
        // Earlier, the run that announces it may not have added it yet.
        let is_settled = since.is_some_and(|since| timing.now - since >= timing.settle);
        (is_settled && lacks(&next)).then_some(MissingAuthority::Next)
    }

    /// The next certificate, if it is usable, and since when its authority has been trusted: `None` if that time is missing,
    /// invalid, in the future or before the certificate was made.
    fn next(&self, now: i64) -> Option<(Usable, Option<i64>)> {
        let (pair, since) = self.next.as_ref()?;
        let next = pair.usable(&self.trusted, now)?;
        let since = since.filter(|since| (next.begins..=now).contains(since));
        Some((next, since))
    }

    /// The content of `ca.crt` after a step, for which an authority may have been made.
    pub(super) fn trusted_after(&self, step: Step, made: Option<Authority>, now: i64) -> Vec<Authority> {
        let mut trusted = self.trusted.clone();
        if step.trims() {
            trusted.retain(|authority| authority.is_unexpired(now));
        }
        let next = self.next.as_ref().filter(|_| step == Step::Install).map(|(pair, _)| pair);
        let signs = |authority: &Authority| {
            next.is_some_and(|next| next.usable(std::slice::from_ref(authority), now).is_some())
        };
        // The authority of the certificate in use is the first.
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
    /// Whether expired authorities are removed. A step that changes the certificate in use removes none, because servers use
    /// the previous certificate for some time, and the clock may be wrong.
    fn trims(self) -> bool {
        !matches!(self, Self::Install | Self::Replace)
    }
}

/// The new content of a `caBundle`: these authorities, and others in it, which may belong to other clients. `None` if
/// it needs no change.
pub(super) fn bundle_with(trusted: &[Authority], bundle: &[Authority], step: Step, now: i64) -> Option<Vec<Authority>> {
    let stays = |authority: &Authority| !step.trims() || authority.is_unexpired(now);
    let others = bundle.iter().filter(|authority| stays(authority) && !trusted.contains(authority));
    let wanted: Vec<_> = trusted.iter().chain(others).cloned().collect();
    let is_same = wanted.len() == bundle.len() && wanted.iter().all(|authority| bundle.contains(authority));
    (!is_same).then_some(wanted)
}

#[cfg(test)]
mod tests;

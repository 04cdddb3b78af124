//! DNS lookups: few at once, within a deadline, cached.
//!
//! The system's resolver cannot be interrupted, so each lookup has its own thread. A lookup that hangs keeps its
//! thread and its permit, and at most `limits.resolve.concurrent` can hang.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{FetchError, Phase};
use crate::cache::{Cache, Key, Loaded, Outcome, Wait};
use crate::config::limits::Limits;

/// Looks up names.
#[derive(Debug)]
pub(crate) struct Resolver {
    cache: Cache<Result<Vec<IpAddr>, FetchError>>,
    running: Arc<AtomicUsize>,
    lookups: usize,
    cache_names: Duration,
    cache_failure: Duration,
}

/// The time for a lookup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LookupTime {
    /// The maximum.
    pub longest: Duration,
    /// Whether this is `limits.resolve.timeout`, rather than what is left of a caller's deadline. Only then is a
    /// timeout a failure that other callers share.
    pub is_full: bool,
}

/// A permit for one lookup, which its thread holds while it runs.
struct LookupPermit(Arc<AtomicUsize>);

impl Resolver {
    /// Creates a resolver with an empty cache.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            // Each name counts for one, so both bounds are the same.
            cache: Cache::new(limits.resolve.cached, limits.resolve.cached),
            running: Arc::default(),
            lookups: limits.resolve.concurrent,
            cache_names: limits.resolve.ttl,
            cache_failure: limits.cache.failure_ttl,
        }
    }

    /// The addresses of a host: a DNS name, an IPv4 address, or an IPv6 address without brackets.
    ///
    /// # Errors
    /// [`FetchError::HostNotFound`], [`FetchError::LookupsBusy`], or a timeout in [`Phase::Resolve`].
    pub(crate) fn look_up(&self, host: &str, time: LookupTime) -> Result<Arc<Vec<IpAddr>>, FetchError> {
        if let Ok(address) = host.parse() {
            return Ok(Arc::new(vec![address]));
        }
        let now = Instant::now();
        let deadline = now + time.longest;
        let load = || {
            let value = self.look_up_uncached(host, deadline);
            let ttl = match &value {
                Ok(_) => self.cache_names,
                Err(_) => self.cache_failure,
            };
            let cut_by_caller = !time.is_full && value == Err(FetchError::Timeout(Phase::Resolve));
            Loaded { value, until: Instant::now() + ttl, cost: 1, shared: !cut_by_caller }
        };
        match self.cache.get(&Key::of(host), now, Wait::Until(deadline), |_| true, load) {
            Outcome::Value(found) => match &*found {
                Ok(addresses) => Ok(Arc::new(addresses.clone())),
                Err(error) => Err(error.clone()),
            },
            Outcome::WouldWait | Outcome::TimedOut => Err(FetchError::Timeout(Phase::Resolve)),
            Outcome::Panicked => Err(FetchError::host_not_found(&"the look-up ended early")),
        }
    }

    fn look_up_uncached(&self, host: &str, deadline: Instant) -> Result<Vec<IpAddr>, FetchError> {
        let permit = LookupPermit::take(&self.running, self.lookups).ok_or(FetchError::LookupsBusy)?;
        let (answer, answers) = mpsc::sync_channel(1);
        let name = host.to_owned();
        let look_up = move || {
            let found = (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect());
            drop(permit);
            // Sending fails if the caller has given up.
            let _ = answer.send(found);
        };
        thread::Builder::new()
            .name("lookup".to_owned())
            .spawn(look_up)
            .map_err(|error| FetchError::host_not_found(&error))?;
        match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Ok(addresses)) => distinct(addresses),
            Ok(Err(error)) => Err(FetchError::host_not_found(&error)),
            Err(_) => Err(FetchError::Timeout(Phase::Resolve)),
        }
    }
}

impl LookupPermit {
    fn take(running: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let more = |now| (now < most).then_some(now + 1);
        running.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Self(running.clone()))
    }
}

impl Drop for LookupPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Removes duplicates, because the resolver lists an address once for each socket type.
fn distinct(addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, FetchError> {
    let mut distinct: Vec<IpAddr> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    if distinct.is_empty() { Err(FetchError::host_not_found(&"no addresses")) } else { Ok(distinct) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits::ResolveLimits;

    const LONG: LookupTime = LookupTime { longest: Duration::from_secs(60), is_full: true };

    #[test]
    fn uses_addresses_without_lookup() {
        let resolver = Resolver::new(&Limits {
            resolve: ResolveLimits { concurrent: 0, ..ResolveLimits::default() },
            ..Limits::default()
        });
        for host in ["127.0.0.1", "::1", "10.1.2.3"] {
            let expected: IpAddr = host.parse().unwrap();
            assert_eq!(*resolver.look_up(host, LONG).unwrap(), [expected]);
        }
        assert_eq!(resolver.look_up("localhost", LONG), Err(FetchError::LookupsBusy));
    }

    #[test]
    fn releases_the_permit_after_a_lookup() {
        let resolver = Resolver::new(&Limits {
            resolve: ResolveLimits { concurrent: 1, ..ResolveLimits::default() },
            ..Limits::default()
        });
        assert!(resolver.look_up("localhost", LONG).unwrap().iter().all(IpAddr::is_loopback));
        assert_eq!(resolver.running.load(Ordering::Acquire), 0);
        // A cached result needs no permit.
        resolver.running.store(1, Ordering::Release);
        assert!(resolver.look_up("localhost", LONG).is_ok());
    }

    #[test]
    fn limits_concurrent_lookups() {
        let running = Arc::new(AtomicUsize::new(0));
        let first = LookupPermit::take(&running, 2);
        let second = LookupPermit::take(&running, 2);
        assert!(first.is_some() && second.is_some() && LookupPermit::take(&running, 2).is_none());
        drop(first);
        assert!(LookupPermit::take(&running, 2).is_some());
    }
}

//! Who may have a connection: a place for everybody while there are places, half of them at most for strangers, and
//! some that only front proxies get.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::limits::Limits;
use crate::telemetry::connections::{Refused, Standing};
use crate::telemetry::counters::{Counter, Counters};

/// Strangers beyond their half while one of them is on its way out.
const OVERLAP: u64 = 64;

/// All places.
#[derive(Debug)]
pub(super) struct Admission {
    most: u64,
    strangers: u64,
    front_proxies: u64,
    unread_most: usize,
    unread: AtomicUsize,
    /// The gauges of open connections are the count of places taken.
    counters: Arc<Counters>,
}

/// One place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    standing: Standing,
    unread: usize,
}

impl Admission {
    /// As many places as the limits and the number of files that may be open allow.
    pub(super) fn new(limits: &Limits, files: usize, counters: Arc<Counters>) -> Self {
        // With few files, half of them: the rest of the program needs some too.
        let most =
            limits.connection.count.min(files.saturating_sub(limits.connection.spare_files).max(files / 2)) as u64;
        Self {
            most,
            strangers: most / 2,
            front_proxies: (limits.connection.front_proxy as u64).min(most / 4),
            unread_most: limits.connection.unread,
            unread: AtomicUsize::new(0),
            counters,
        }
    }

    /// A place for somebody who just came: a stranger until the handshake tells more.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Place, Refused> {
        // Other threads may take places at the same time: the bound may be passed by as many as there are threads.
        if self.all() >= self.most || self.taken(Standing::Stranger).get() >= self.strangers + OVERLAP {
            return Err(Refused::Full);
        }
        self.taken(Standing::Stranger).increment();
        Ok(Place { admission: self.clone(), standing: Standing::Stranger, unread: 0 })
    }

    /// Whether a stranger has to leave for one that just came.
    pub(super) fn is_crowded(&self) -> bool {
        self.taken(Standing::Stranger).get() > self.strangers
    }

    fn all(&self) -> u64 {
        Standing::ALL.iter().map(|&standing| self.taken(standing).get()).sum()
    }

    fn taken(&self, standing: Standing) -> &Counter {
        let [strangers, clients, front_proxies] = &self.counters.connections.open;
        match standing {
            Standing::Stranger => strangers,
            Standing::Client => clients,
            Standing::FrontProxy => front_proxies,
        }
    }
}

impl Place {
    /// Who has it.
    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// The handshake told who it is.
    pub(super) fn known_as(&mut self, standing: Standing) -> Result<(), Refused> {
        let admission = &self.admission;
        let ordinary = admission.all() - admission.taken(Standing::FrontProxy).get();
        if standing == Standing::Client && ordinary > admission.most - admission.front_proxies {
            return Err(Refused::Reserved);
        }
        admission.taken(self.standing).decrement();
        admission.taken(standing).increment();
        self.standing = standing;
        Ok(())
    }

    /// So many bytes wait for this client to read them. Whether there is room for them.
    pub(super) fn holds(&mut self, bytes: usize) -> bool {
        let before = self.admission.unread.fetch_add(bytes, Ordering::Relaxed);
        let held = std::mem::replace(&mut self.unread, bytes);
        self.admission.unread.fetch_sub(held, Ordering::Relaxed);
        bytes <= held || (before + bytes).saturating_sub(held) <= self.admission.unread_most
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.unread.fetch_sub(self.unread, Ordering::Relaxed);
        self.admission.taken(self.standing).decrement();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits::ConnectionLimits;

    fn admission(connections: usize, files: usize) -> Arc<Admission> {
        let limits = Limits {
            connection: ConnectionLimits {
                count: connections,
                spare_files: 10,
                front_proxy: 4,
                unread: 100,
                ..ConnectionLimits::default()
            },
            ..Limits::default()
        };
        Arc::new(Admission::new(&limits, files, Arc::default()))
    }

    #[test]
    fn has_as_many_places_as_files_allow() {
        for (connections, files, most) in [(100, 1_000, 100), (100, 60, 50), (100, 16, 8), (100, 0, 0)] {
            assert_eq!(admission(connections, files).most, most);
        }
    }

    #[test]
    fn keeps_places_for_those_who_are_known() {
        let admission = admission(200, 1_000);
        let strangers: Vec<Place> = (0..100).map(|_| admission.enter().unwrap()).collect();
        assert!(!admission.is_crowded());
        let another = admission.enter().unwrap();
        assert!(admission.is_crowded());
        drop(another);
        assert!(!admission.is_crowded());
        let known = |standing| {
            let mut place = admission.enter().unwrap();
            place.known_as(standing).map(|()| place)
        };
        let clients: Vec<Place> = (0..96).map(|_| known(Standing::Client).unwrap()).collect();
        assert_eq!(known(Standing::Client).map(drop), Err(Refused::Reserved));
        let proxies: Vec<Place> = (0..4).map(|_| known(Standing::FrontProxy).unwrap()).collect();
        assert_eq!(admission.enter().map(drop), Err(Refused::Full));
        let open = |admission: &Admission| admission.counters.connections.open.each_ref().map(Counter::get);
        assert_eq!(open(&admission), [100, 96, 4]);
        drop((strangers, clients, proxies));
        assert_eq!((open(&admission), admission.all()), ([0, 0, 0], 0));
    }

    #[test]
    fn bounds_what_nobody_reads() {
        let admission = admission(10, 1_000);
        let (mut a, mut b) = (admission.enter().unwrap(), admission.enter().unwrap());
        assert!(a.holds(60));
        assert!(!b.holds(60));
        assert!(b.holds(40));
        assert!(a.holds(50));
        assert!(!b.holds(60));
        drop(a);
        assert!(b.holds(60) && b.holds(100) && b.holds(0));
        assert_eq!(admission.unread.load(Ordering::Relaxed), 0);
    }
}

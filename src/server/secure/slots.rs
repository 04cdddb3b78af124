//! Connection limits: every connection takes a slot. Unverified clients get at most half of the slots, and some are
//! reserved for front proxies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::config::limits::Limits;
use crate::telemetry::connections::{ClientClass, Refused};
use crate::telemetry::counters::{Counter, Counters};

/// Unverified connections beyond their half, while one of them is being evicted.
const OVERLAP: u64 = 64;

#[derive(Debug)]
pub(super) struct Slots {
    most: u64,
    unverified: u64,
    front_proxies: u64,
    unread_most: usize,
    unread: AtomicUsize,
    /// Taken slots by class.
    taken: [AtomicU64; ClientClass::ALL.len()],
    /// Exports their numbers.
    counters: Arc<Counters>,
}

/// One slot, released on drop.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    client_class: ClientClass,
    unread: usize,
}

impl Slots {
    /// The slots that the limits and the maximum number of open files allow.
    pub(super) fn new(limits: &Limits, files: usize, counters: Arc<Counters>) -> Self {
        // Kept connections to pods, and as many for connections in use.
        let spare = limits.connection.spare_files.max(2 * limits.kept.most(files));
        // If few files may be open, connections may use half of them.
        let most = limits.connection.count.min(files.saturating_sub(spare).max(files / 2)) as u64;
        Self {
            most,
            unverified: most / 2,
            front_proxies: (limits.connection.front_proxy as u64).min(most / 4),
            unread_most: limits.connection.unread,
            unread: AtomicUsize::new(0),
            taken: Default::default(),
            counters,
        }
    }

    /// A slot for a new connection, whose client is unverified until the handshake is done.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Slot, Refused> {
        // Other threads may take slots at the same time: the bound may be exceeded by the number of threads.
        if self.all() >= self.most || self.taken(ClientClass::Unverified) >= self.unverified + OVERLAP {
            return Err(Refused::Full);
        }
        self.add(ClientClass::Unverified);
        Ok(Slot { slots: self.clone(), client_class: ClientClass::Unverified, unread: 0 })
    }

    /// Whether an unverified connection has to be evicted for a new one.
    pub(super) fn must_evict(&self) -> bool {
        self.taken(ClientClass::Unverified) > self.unverified
    }

    fn all(&self) -> u64 {
        ClientClass::ALL.into_iter().map(|class| self.taken(class)).sum()
    }

    fn taken(&self, class: ClientClass) -> u64 {
        self.count(class).0.load(Ordering::Relaxed)
    }

    fn add(&self, class: ClientClass) {
        let (count, gauge) = self.count(class);
        count.fetch_add(1, Ordering::Relaxed);
        gauge.increment();
    }

    fn remove(&self, class: ClientClass) {
        let (count, gauge) = self.count(class);
        count.fetch_sub(1, Ordering::Relaxed);
        gauge.decrement();
    }

    fn count(&self, class: ClientClass) -> (&AtomicU64, &Counter) {
        let ([unverified, verified, front_proxies], [a, b, c]) = (&self.taken, &self.counters.connections.open);
        match class {
            ClientClass::Unverified => (unverified, a),
            ClientClass::Verified => (verified, b),
            ClientClass::FrontProxy => (front_proxies, c),
        }
    }
}

impl Slot {
    pub(super) fn client_class(&self) -> ClientClass {
        self.client_class
    }

    /// Changes the class once the handshake is done.
    pub(super) fn set_client_class(&mut self, client_class: ClientClass) -> Result<(), Refused> {
        let slots = &self.slots;
        let ordinary = slots.all().saturating_sub(slots.taken(ClientClass::FrontProxy));
        if client_class == ClientClass::Verified && ordinary > slots.most - slots.front_proxies {
            return Err(Refused::Reserved);
        }
        slots.remove(self.client_class);
        slots.add(client_class);
        self.client_class = client_class;
        Ok(())
    }

    /// Records how many bytes the client has not read; returns whether they are within the limit over all connections.
    pub(super) fn holds(&mut self, bytes: usize) -> bool {
        // The usual case avoids writing an atomic that all connections share.
        if bytes == 0 && self.unread == 0 {
            return true;
        }
        let before = self.slots.unread.fetch_add(bytes, Ordering::Relaxed);
        let held = std::mem::replace(&mut self.unread, bytes);
        self.slots.unread.fetch_sub(held, Ordering::Relaxed);
        bytes <= held || (before + bytes).saturating_sub(held) <= self.slots.unread_most
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.unread.fetch_sub(self.unread, Ordering::Relaxed);
        self.slots.remove(self.client_class);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits::ConnectionLimits;

    fn slots(connections: usize, files: usize) -> Arc<Slots> {
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
        Arc::new(Slots::new(&limits, files, Arc::default()))
    }

    #[test]
    fn limits_slots_by_descriptors() {
        for (connections, files, most) in [(100, 1_000, 100), (100, 60, 46), (100, 16, 8), (100, 0, 0)] {
            assert_eq!(slots(connections, files).most, most);
        }
    }

    #[test]
    fn reserves_slots_for_verified_clients() {
        let slots = slots(200, 1_000);
        let unverified: Vec<Slot> = (0..100).map(|_| slots.enter().unwrap()).collect();
        assert!(!slots.must_evict());
        let another = slots.enter().unwrap();
        assert!(slots.must_evict());
        drop(another);
        assert!(!slots.must_evict());
        let known = |client_class| {
            let mut slot = slots.enter().unwrap();
            slot.set_client_class(client_class).map(|()| slot)
        };
        let clients: Vec<Slot> = (0..96).map(|_| known(ClientClass::Verified).unwrap()).collect();
        assert_eq!(known(ClientClass::Verified).map(drop), Err(Refused::Reserved));
        let proxies: Vec<Slot> = (0..4).map(|_| known(ClientClass::FrontProxy).unwrap()).collect();
        assert_eq!(slots.enter().map(drop), Err(Refused::Full));
        let open = |slots: &Slots| slots.counters.connections.open.each_ref().map(Counter::get);
        assert_eq!(open(&slots), [100, 96, 4]);
        drop((unverified, clients, proxies));
        assert_eq!((open(&slots), slots.all()), ([0, 0, 0], 0));
    }

    #[test]
    fn limits_unread_responses() {
        let slots = slots(10, 1_000);
        let (mut a, mut b) = (slots.enter().unwrap(), slots.enter().unwrap());
        assert!(a.holds(60));
        assert!(!b.holds(60));
        assert!(b.holds(40));
        assert!(a.holds(50));
        assert!(!b.holds(60));
        drop(a);
        assert!(b.holds(60) && b.holds(100) && b.holds(0));
        assert_eq!(slots.unread.load(Ordering::Relaxed), 0);
    }
}

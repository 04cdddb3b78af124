//! The state that the threads of the secure listener share.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use rustls::ServerConfig;

use super::certificates::Certificate;
use super::slots::Slots;
use crate::server::workers::Workers;
use crate::telemetry::counters::Counters;

/// The state that the threads of one listener share.
pub(super) struct Shared {
    pub(super) workers: Arc<Workers>,
    pub(super) slots: Arc<Slots>,
    counters: Arc<Counters>,
    tls: RwLock<Arc<ServerConfig>>,
    stage: AtomicU8,
    /// Acceptors that have not ended.
    acceptors: AtomicUsize,
    paused: AtomicBool,
    started: Instant,
    /// The time of each worker's last heartbeat, in milliseconds since the start.
    beats: Vec<AtomicU64>,
}

/// The stage in which every response is the last of its connection.
const LEAVING: u8 = 1;
/// The stage in which no connections are accepted.
const DRAINING: u8 = 2;

impl Shared {
    /// The state for `threads` acceptors, and as many connection workers.
    pub(super) fn new(
        workers: Arc<Workers>,
        slots: Arc<Slots>,
        counters: Arc<Counters>,
        tls: Arc<ServerConfig>,
        threads: usize,
    ) -> Self {
        Self {
            slots,
            counters,
            tls: RwLock::new(tls),
            stage: AtomicU8::new(0),
            acceptors: AtomicUsize::new(threads),
            paused: AtomicBool::new(false),
            started: workers.now().monotonic,
            beats: (0..2 * threads).map(|_| AtomicU64::new(0)).collect(),
            workers,
        }
    }

    /// Uses this certificate for new handshakes.
    pub(super) fn install(&self, config: Arc<ServerConfig>, certificate: &Certificate) {
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = config;
        self.certificate_installed(certificate);
    }

    /// From now on, every response is the last of its connection.
    pub(super) fn leave(&self) {
        self.stage.store(LEAVING, Ordering::SeqCst);
    }

    /// From now on, no connections are accepted.
    pub(super) fn drain(&self) {
        self.stage.store(DRAINING, Ordering::SeqCst);
    }

    /// An acceptor has ended.
    pub(super) fn acceptor_ended(&self) {
        self.acceptors.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether every thread has recorded a heartbeat recently.
    pub(super) fn is_alive(&self) -> bool {
        let limit = self.workers.limits().workers.stall;
        let age = self.workers.now().monotonic.saturating_duration_since(self.started);
        let recent = |beat: &AtomicU64| u128::from(beat.load(Ordering::Relaxed)) + limit.as_millis() >= age.as_millis();
        self.beats.iter().all(recent)
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn tls(&self) -> Arc<ServerConfig> {
        self.tls.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn certificate_installed(&self, certificate: &Certificate) {
        self.counters.connections.certificate_expires.set(certificate.not_after());
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.stage.load(Ordering::Relaxed) >= LEAVING
    }

    pub(super) fn is_draining(&self) -> bool {
        self.stage.load(Ordering::Relaxed) >= DRAINING
    }

    /// Whether the server no longer accepts connections.
    pub(super) fn acceptors_stopped(&self) -> bool {
        self.acceptors.load(Ordering::SeqCst) == 0
    }

    /// Calls `log` only for the first pause.
    pub(super) fn accepting_paused(&self, log: impl FnOnce()) {
        if !self.paused.swap(true, Ordering::Relaxed) {
            log();
        }
    }

    /// Whether accepting has been paused since no connection was waiting.
    pub(super) fn is_out_of_resources(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    pub(super) fn accepting_again(&self, log: impl FnOnce()) {
        if self.paused.swap(false, Ordering::Relaxed) {
            log();
        }
    }

    pub(super) fn beat(&self, number: usize, now: Instant) {
        let age = now.saturating_duration_since(self.started).as_millis();
        let age = u64::try_from(age).unwrap_or(u64::MAX);
        self.beats.get(number).into_iter().for_each(|beat| beat.store(age, Ordering::Relaxed));
    }
}

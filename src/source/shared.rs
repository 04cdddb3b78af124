//! The state that all sources share, over all generations of the configuration.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use once_cell::sync::OnceCell;
use rustix::process::{Resource, getrlimit};

use super::error::SourceError;
use super::memory::MemoryBudget;
use super::page::Page;
use super::pool::Pool;
use super::refresh::Refresher;
use crate::cache::Cache;
use crate::config::limits::Limits;
use crate::http::address::Reserved;
use crate::http::kept::KeptConnections;
use crate::http::resolve::Resolver;
use crate::telemetry::clock::Clock;
use crate::telemetry::counters::Counters;

/// The state that all sources share.
#[derive(Debug)]
pub struct Shared {
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) counters: Arc<Counters>,
    pub(super) resolver: Arc<Resolver>,
    pub(super) reserved: Arc<Reserved>,
    pub(super) kept: Arc<KeptConnections>,
    /// Started with the first request to a source of pods.
    pub(super) pool: OnceCell<Arc<Pool>>,
    /// Starts with the first request to a source with `refresh`.
    pub(super) refresher: Arc<Refresher>,
    /// The memory budget for pages that are held completely and exceed the default limit.
    pub(super) large_pages: MemoryBudget,
    /// The size of all known series, in bytes.
    pub(super) known: Arc<AtomicUsize>,
}

/// Pages of all sources of one generation, by source and request.
pub(crate) type Pages = Cache<Result<Arc<Page>, SourceError>>;

impl Shared {
    /// The state that sources need in addition to their own configuration.
    pub fn new(limits: Limits, clock: Clock, counters: Arc<Counters>) -> Self {
        let resolver = Arc::new(Resolver::new(&limits));
        let large_pages = MemoryBudget::new(limits.page.max_json as u64);
        let refresher = Refresher::new(limits.refresh.clone(), clock.clone(), counters.clone());
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let kept = Arc::new(KeptConnections::new(&limits.kept, files, clock.clone()));
        Self {
            kept,
            refresher,
            limits,
            clock,
            counters,
            resolver,
            reserved: Arc::default(),
            pool: OnceCell::new(),
            large_pages,
            known: Arc::default(),
        }
    }

    /// All limits and timeouts.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A shared reference to the counters.
    pub(crate) fn shared_counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// The servers that only a URL without placeholders may reach.
    pub fn reserved(&self) -> &Reserved {
        &self.reserved
    }

    /// Closes connections that were not used for long.
    pub(crate) fn close_old_connections(&self) {
        self.kept.close_old();
    }

    /// An empty cache of pages, for one generation.
    pub fn pages(&self) -> Arc<Pages> {
        Arc::new(Cache::new(self.limits.cache.pages, self.limits.cache.bytes))
    }
}

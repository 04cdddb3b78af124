//! From a rule, objects and selectors to values, or to the reason why there is none.

pub(crate) mod active_rule;
mod answer;
mod answering;
mod coverage;
mod entries;
mod evaluation;
mod external;
pub(crate) mod failure;
mod fleet;
mod forwarding;
pub(crate) mod freshness;
pub(crate) mod history;
mod implicit;
mod joined;
mod judgement;
pub(crate) mod last;
pub(crate) mod listing;
mod member;
mod naming;
pub(crate) mod objects;
pub(crate) mod outcome;
mod over_time;
mod page_data;
mod page_members;
mod peers;
mod pods;
mod prometheus;
pub(crate) mod reason;
pub(crate) mod request;
pub(crate) mod rules;
mod sample_limit;
mod sampler;
mod scrape;
mod select;
mod several;
mod shadow;
mod subject;
mod tally;
mod target_labels;
mod targets;
pub(crate) mod trace;
mod unavailable;
mod url;
mod wildcard;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::config::model::Config;
use crate::forward::adapters::Adapters;
use crate::parse::path::Group;
use crate::source::shared::Shared;
use crate::source::waiting::AllowedWaits;
use answering::Answering;
use failure::Failure;
use forwarding::Serving;
use history::SampleBudget;
use objects::Objects;
use once_cell::sync::OnceCell;
use peers::{Instance, Sharing};
pub(crate) use request::{ExternalRequest, ExternalValues, MetricRequest, MetricValues};
use rules::Rules;
use scrape::Scraper;
use shadow::ShadowComparer;
use trace::Trace;

use crate::telemetry::clock::SteadyClock;

/// All rules and their upstreams. The configuration can be replaced while requests run.
#[derive(Debug)]
pub struct Metrics {
    rules: RwLock<Arc<Rules>>,
    answering: Answering,
    adapters: Arc<Adapters>,
    comparer: ShadowComparer,
    budget: Arc<SampleBudget>,
    instance: Instance,
}

impl Metrics {
    /// Creates an instance without rules.
    pub fn new(shared: Shared) -> Self {
        let (shared, objects) = (Arc::new(shared), Arc::new(OnceCell::new()));
        let steady = SteadyClock::new(shared.clock().now());
        let sampler: scrape::Sampler = {
            let (shared, objects) = (shared.clone(), objects.clone());
            Arc::new(move |served, selected, now| {
                sampler::sample(served, selected, objects.get(), &shared, steady, now);
            })
        };
        let budget = Arc::new(SampleBudget::new(shared.limits().sampling.bytes));
        let scraper = Scraper::new(shared.clone(), steady, sampler);
        let rules = RwLock::new(Arc::new(Rules::unread()));
        let adapters = Adapters::new(shared.limits(), shared.clock(), shared.shared_counters());
        let answering = Answering { shared, objects, scraper, steady };
        let adapters = Arc::new(adapters);
        let comparer = ShadowComparer::new(answering.clone(), adapters.clone());
        Self { rules, answering, adapters, comparer, budget, instance: Instance::new() }
    }

    /// Rejects the address of a server for pods and for hosts with placeholders.
    pub fn reserve(&self, host: &str, port: u16) {
        self.answering.shared.reserved().add(host, port);
    }

    /// Sets the client for lists of objects. A second call has no effect.
    pub fn set_objects(&self, objects: Objects) {
        let _ = self.answering.objects.set(objects);
    }

    /// Watches pods from now on, instead of listing them repeatedly; for a long-running process.
    pub fn watch_pods(&self) {
        let shared = &self.answering.shared;
        if let Some(objects) = self.answering.objects.get() {
            objects.watch(shared.clock().clone(), shared.shared_counters());
        }
    }

    /// Closes connections to pods that were not used for long.
    pub(crate) fn close_old_connections(&self) {
        self.answering.shared.close_old_connections();
    }

    /// The state that all forwarding to other adapters shares.
    pub(crate) fn adapters(&self) -> &Adapters {
        &self.adapters
    }

    /// Installs a configuration. If the whole configuration has a `problem`, every metric that it does not serve
    /// returns that.
    pub fn install(&self, config: Config, problem: Option<String>) {
        let shared = &self.answering.shared;
        let names: Vec<String> = config.sources.iter().map(|source| source.name.clone()).collect();
        let before = self.rules();
        let forward = config.forward.as_ref().map(|forward| self.adapters.of(forward, before.forward()));
        let rules = Rules::new(config, problem, &before, shared, &self.budget).forwarding(forward);
        shared.counters().broken_rules.set(rules.broken() as u64);
        self.adapters.shadows.retain(|metric, resource| rules.is_shadowed(metric, resource));
        let rules = Arc::new(rules);
        drop(before);
        let before = std::mem::replace(&mut *self.rules.write().unwrap_or_else(PoisonError::into_inner), rules.clone());
        self.answering.scraper.move_tasks(|served| rules.successor(served));
        drop(before);
        self.answering.scraper.announce_selection();
        shared.counters().retain_sources(|source| names.iter().any(|name| name == source));
    }

    /// The current rules.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers one request, waiting only as `waits` allows.
    ///
    /// # Errors
    /// Every reason why a metric is not answered; see [`Failure`].
    pub fn answer(
        &self,
        request: MetricRequest<'_>,
        waits: AllowedWaits,
        trace: &mut Trace,
    ) -> Result<MetricValues, Failure> {
        let rules = self.rules();
        let entries = rules.find_all(request.path);
        match rules.serving(request, &entries) {
            Serving::Rules => self.answering.objects(&rules, entries, request, waits, trace),
            Serving::ForwardingLoop => Err(forwarding::is_forwarding_loop(Group::Custom, &request.path.metric)),
            Serving::Adapter(adapter) => forwarding::objects(&adapter, request, false, waits, trace),
            Serving::Shadowed(adapter) => self.comparer.objects(&adapter, &rules, request, waits, trace),
        }
    }

    /// Answers one request for an external metric, waiting only as `waits` allows.
    ///
    /// # Errors
    /// Every reason why a metric is not answered; see [`Failure`].
    pub fn answer_external(
        &self,
        request: ExternalRequest<'_>,
        waits: AllowedWaits,
        trace: &mut Trace,
    ) -> Result<ExternalValues, Failure> {
        let rules = self.rules();
        match rules.serving_external(request) {
            Serving::Rules => self.answering.external(&rules, request, waits, trace),
            Serving::ForwardingLoop => Err(forwarding::is_forwarding_loop(Group::External, &request.path.metric)),
            Serving::Adapter(adapter) => forwarding::external(&adapter, request, false, waits, trace),
            Serving::Shadowed(adapter) => self.comparer.external(&adapter, &rules, request, waits, trace),
        }
    }

    /// The current samples, to share them with other replicas.
    pub fn sharing(&self) -> Sharing<'_> {
        let Answering { shared, scraper, steady, .. } = &self.answering;
        Sharing { rules: self.rules(), scraper, shared, steady: *steady, instance: self.instance }
    }

    /// Waits, for at most this time, until other replicas may have samples that this one lacks.
    pub fn wait_for_selection(&self, longest: Duration) {
        self.answering.scraper.wait_for_selection(longest);
    }
}

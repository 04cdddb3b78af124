//! From a rule, objects and selectors to values, or to the reason why there is none.

mod active_rule;
mod answer;
mod coverage;
mod entries;
mod evaluation;
mod external;
pub(crate) mod failure;
mod fleet;
pub(crate) mod history;
mod implicit;
mod joined;
mod judgement;
pub(crate) mod last;
pub(crate) mod lasting;
mod member;
mod naming;
pub(crate) mod objects;
pub(crate) mod outcome;
mod over_time;
mod page_data;
mod page_members;
mod pods;
mod prometheus;
pub(crate) mod reason;
pub(crate) mod request;
pub(crate) mod rules;
mod sample_bound;
mod sampler;
mod scrape;
mod select;
mod several;
mod subject;
mod tally;
mod target_labels;
mod targets;
pub(crate) mod trace;
mod unavailable;
mod url;
mod wildcard;

use std::sync::{Arc, PoisonError, RwLock};

use crate::config::model::{Config, ObjectKind};
use crate::kube::kinds;
use crate::parse::path::MetricPath;
use crate::promql::Bindings;
use crate::source::shared::Shared;
use crate::source::waiting::Patience;
use active_rule::ActiveRule;
use entries::Entry;
use external::ExternalSubject;
use failure::{DescribedMetric, Failure};
use history::SampleBudget;
use objects::Objects;
use once_cell::sync::OnceCell;
pub(crate) use request::{ExternalRequest, ExternalValues, MetricRequest, MetricValues};
use rules::{ExternalEntry, Rules};
use scrape::Scraper;
use subject::{Services, Subject};
use trace::Trace;

use crate::telemetry::clock::Steady;

/// All rules and their upstreams. The configuration can be replaced while requests run.
#[derive(Debug)]
pub struct Metrics {
    rules: RwLock<Arc<Rules>>,
    shared: Arc<Shared>,
    objects: Arc<OnceCell<Objects>>,
    scraper: Arc<Scraper>,
    steady: Steady,
    budget: Arc<SampleBudget>,
}

impl Metrics {
    /// Serves nothing yet.
    pub fn new(shared: Shared) -> Self {
        let (shared, objects) = (Arc::new(shared), Arc::new(OnceCell::new()));
        let steady = Steady::new(shared.clock().now());
        let sampler: scrape::Sampler = {
            let (shared, objects) = (shared.clone(), objects.clone());
            Arc::new(move |served, selected, now| {
                sampler::sample(served, selected, objects.get(), &shared, steady, now);
            })
        };
        let budget = Arc::new(SampleBudget::new(shared.limits().sampling.bytes));
        let scraper = Scraper::new(shared.clone(), steady, sampler);
        let rules = RwLock::new(Arc::new(Rules::unread()));
        Self { rules, shared, objects, scraper, steady, budget }
    }

    /// Rejects the address of a server for pods and for hosts with placeholders.
    pub fn reserve(&self, host: &str, port: u16) {
        self.shared.reserved().add(host, port);
    }

    /// Sets the client for lists of objects. A second call has no effect.
    pub fn set_objects(&self, objects: Objects) {
        let _ = self.objects.set(objects);
    }

    /// Installs a configuration. If the whole configuration has a `problem`, every metric that it does not serve
    /// returns that.
    pub fn install(&self, config: Config, problem: Option<String>) {
        let names: Vec<String> = config.sources.iter().map(|source| source.name.clone()).collect();
        let rules = Rules::new(config, problem, &self.rules(), &self.shared, &self.budget);
        self.shared.counters().broken_rules.set(rules.broken() as u64);
        let rules = Arc::new(rules);
        let before = std::mem::replace(&mut *self.rules.write().unwrap_or_else(PoisonError::into_inner), rules.clone());
        self.scraper.move_tasks(|served| rules.successor(served));
        drop(before);
        self.shared.counters().retain_sources(|source| names.iter().any(|name| name == source));
    }

    /// The current rules.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers one request, waiting only as `patience` allows.
    ///
    /// # Errors
    /// Every reason why a metric is not answered; see [`Failure`].
    pub fn answer(
        &self,
        request: MetricRequest<'_>,
        patience: Patience,
        trace: &mut Trace,
    ) -> Result<MetricValues, Failure> {
        let entries = self.rules().find_all(request.path);
        let mut answer = |entry| {
            let (served, kind) = self.rule(request.path, entry)?;
            let subject = Subject { request, served: &served, kind: &kind, services: self.services() };
            let served = subject.bound()?;
            let subject = Subject { served: &served, ..subject };
            answer::answer(&subject, patience, trace)
                .or_else(|failure| unavailable::answer(&subject, failure, patience, trace))
        };
        match <[Entry; 1]>::try_from(entries) {
            Ok([entry]) => answer(entry),
            Err(entries) => several::join(request, entries.into_iter().map(answer)),
        }
    }

    /// Answers one request for an external metric, waiting only as `patience` allows.
    ///
    /// # Errors
    /// Every reason why a metric is not answered; see [`Failure`].
    pub fn answer_external(
        &self,
        request: ExternalRequest<'_>,
        patience: Patience,
        trace: &mut Trace,
    ) -> Result<ExternalValues, Failure> {
        let metric = DescribedMetric::External(request.path);
        let rules = self.rules();
        match rules.find_external(&request.path.metric) {
            ExternalEntry::Rule(served) => {
                let bindings = Bindings { namespace: Some(&request.path.namespace), ..Bindings::default() };
                let served = served.bound(&bindings, self.shared.limits().expression.regex);
                let served = served.map_err(|error| Failure::BadRequest(format!("{metric}: {error}")))?;
                ExternalSubject { request, served: &served, services: self.services() }.answer(patience, trace)
            }
            ExternalEntry::Broken(problem) => Err(Failure::Unavailable(format!("{metric}: {problem}"))),
            ExternalEntry::Unknown => {
                let hint = match rules.resources_of(&request.path.metric).as_slice() {
                    [] => String::new(),
                    resources => format!(
                        "; there are rules for {}, which an HPA asks for by type Pods or Object",
                        resources.join(", ")
                    ),
                };
                Err(Failure::NotFound(format!("{metric}: no rule is configured for it{hint}")))
            }
        }
    }

    fn services(&self) -> Services<'_> {
        Services { shared: &self.shared, objects: self.objects.get(), scraper: &self.scraper, steady: self.steady }
    }

    fn rule(&self, path: &MetricPath, entry: Entry) -> Result<(Arc<ActiveRule>, Arc<ObjectKind>), Failure> {
        let rules = self.rules();
        match entry {
            Entry::Rule(served, kind) if kind.namespaced == path.namespace.is_some() => Ok((served, kind)),
            Entry::Rule(_, kind) => Err(Failure::NotFound(format!(
                "{}: {} are {}",
                DescribedMetric::Objects(path),
                kind.resource,
                if kind.namespaced { "in namespaces, and the path names none" } else { "not in namespaces" }
            ))),
            Entry::Broken(problem) => {
                Err(Failure::Unavailable(format!("{}: {problem}", DescribedMetric::Objects(path))))
            }
            Entry::Unknown => {
                let hint = match (rules.resources_of(&path.metric).as_slice(), kinds::suggest(&path.resource)) {
                    ([], _) if rules.has_external(&path.metric) => {
                        "; there is an external metric of this name, which an HPA asks for by type External".to_owned()
                    }
                    ([], Some(plural)) if plural.resource != path.resource => {
                        format!("; the resource may be meant as {}", plural.resource)
                    }
                    ([], _) => String::new(),
                    (resources, _) => format!("; there are rules for {}", resources.join(", ")),
                };
                Err(Failure::NotFound(format!(
                    "{}: no rule is configured for it{hint}",
                    DescribedMetric::Objects(path)
                )))
            }
        }
    }
}

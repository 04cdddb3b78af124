//! The other adapters of a configuration, and their shared state.

use std::sync::{Arc, Mutex, PoisonError};

use once_cell::sync::OnceCell;

use super::adapter::{Adapter, Parts};
use super::listed::Listed;
use super::shadow_log::ShadowLog;
use crate::config::limits::Limits;
use crate::config::model::{AdapterAddress, Forward, OtherAdapter};
use crate::http::credentials::Credentials;
use crate::http::resolve::Resolver;
use crate::parse::path::Group;
use crate::telemetry::clock::Clock;
use crate::telemetry::counters::Counters;

/// The state that all other adapters share, across generations of the configuration.
#[derive(Debug)]
pub(crate) struct Adapters {
    /// Metriclet's own credentials.
    identity: OnceCell<Credentials>,
    /// Metriclet's own Service: its namespace and name.
    own: Mutex<Option<(String, String)>>,
    resolver: Arc<Resolver>,
    limits: Limits,
    clock: Clock,
    counters: Arc<Counters>,
    /// The comparisons of shadowed rules.
    pub(crate) shadows: ShadowLog,
}

/// The other adapters of one generation.
#[derive(Debug)]
pub struct Forwarding {
    config: Forward,
    custom: Option<Arc<Adapter>>,
    external: Option<Arc<Adapter>>,
}

impl Adapters {
    /// The state without credentials.
    pub(crate) fn new(limits: &Limits, clock: &Clock, counters: Arc<Counters>) -> Self {
        Self {
            identity: OnceCell::new(),
            own: Mutex::default(),
            resolver: Arc::new(Resolver::new(limits)),
            limits: limits.clone(),
            clock: clock.clone(),
            counters,
            shadows: ShadowLog::new(limits.shadow.clone()),
        }
    }

    /// Sets Metriclet's own credentials. A second call has no effect.
    pub(crate) fn set_identity(&self, identity: Credentials) {
        let _ = self.identity.set(identity);
    }

    /// Sets Metriclet's own Service, to which nothing is forwarded.
    pub(crate) fn set_own_service(&self, namespace: &str, name: &str) {
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some((namespace.to_owned(), name.to_owned()));
    }

    /// The other adapters of a configuration. An adapter that was also in the previous one keeps its state.
    pub(crate) fn of(&self, config: &Forward, before: Option<&Forwarding>) -> Forwarding {
        let adapter = |group| {
            let wanted = config.adapter(group)?;
            let known = before.and_then(|before| before.adapter(group)).filter(|known| known.config() == wanted);
            Some(known.cloned().unwrap_or_else(|| Arc::new(self.adapter(group, wanted))))
        };
        Forwarding { custom: adapter(Group::Custom), external: adapter(Group::External), config: config.clone() }
    }

    /// Whether an adapter is Metriclet itself, by its Service.
    fn is_own(&self, config: &OtherAdapter) -> bool {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        match (&config.address, &*own) {
            (AdapterAddress::Service { namespace, name, .. }, Some((of, own))) => namespace == of && name == own,
            _ => false,
        }
    }

    fn adapter(&self, group: Group, config: &OtherAdapter) -> Adapter {
        let Self { resolver, limits, clock, counters, .. } = self;
        let (is_own, identity) = (self.is_own(config), self.identity.get());
        Adapter::new(group, config, &Parts { is_own, identity, resolver, limits, clock, counters })
    }
}

impl Forwarding {
    /// The adapter of a group.
    pub fn adapter(&self, group: Group) -> Option<&Arc<Adapter>> {
        match group {
            Group::Custom => self.custom.as_ref(),
            Group::External => self.external.as_ref(),
        }
    }

    /// All other adapters.
    pub fn adapters(&self) -> impl Iterator<Item = &Arc<Adapter>> {
        Group::ALL.into_iter().filter_map(|group| self.adapter(group))
    }

    /// The adapter of a metric that no rule serves, if it is forwarded.
    pub fn of_metric(&self, group: Group, metric: &str) -> Option<&Arc<Adapter>> {
        self.adapter(group).filter(|_| self.config.covers(group, metric))
    }

    /// The list of a group's metrics, and a function that decides whether a metric name is forwarded.
    pub fn listed(&self, group: Group) -> Option<(Arc<Listed>, impl Fn(&str) -> bool)> {
        Some((self.adapter(group)?.listed(), move |metric: &str| self.config.covers(group, metric)))
    }
}

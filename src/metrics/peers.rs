//! What replicas share: each samples what is requested of any of them, and takes over what it lacks.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::active_rule::ActiveRule;
use super::rules::Rules;
use super::scrape::{SampledSelection, Schedule, Scraper};
use crate::config::limits::Limits;
use crate::parse::duration::millis;
use crate::parse::peer_message::{PeerMessage, PeerMessageLimits, PeerRule, PeerSelection};
use crate::parse::selector::{Selector, SelectorLimits};
use crate::source::shared::Shared;
use crate::telemetry::clock::Steady;

/// The number by which a process knows itself among replicas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instance(u64);

/// What is sampled by the rules of this moment.
#[derive(Debug)]
pub struct Sharing<'a> {
    pub(super) rules: Arc<Rules>,
    pub(super) scraper: &'a Arc<Scraper>,
    pub(super) shared: &'a Shared,
    pub(super) steady: Steady,
    pub(super) instance: Instance,
}

impl Instance {
    /// Hash maps have another one in each process.
    pub(super) fn new() -> Self {
        Self(RandomState::new().hash_one(()))
    }
}

/// The caps on a message.
fn message_limits(limits: &Limits) -> PeerMessageLimits {
    PeerMessageLimits { bytes: limits.peers.bytes, entries: limits.sampling.series, labels: limits.page.labels * 2 }
}

impl Sharing<'_> {
    /// Whether there is anything that replicas can share: rules that look back.
    pub fn looks_back(&self) -> bool {
        self.rules.look_back()
    }

    /// What is sampled here, for a peer: all selections, or those of one rule and their samples.
    pub fn tell(&self, definition: Option<u64>) -> Vec<u8> {
        let now = self.shared.clock().now().monotonic;
        let scheduled = self.scraper.scheduled();
        let mut rules: HashMap<u64, PeerRule<'_>> = HashMap::new();
        for (served, selected, schedule) in &scheduled {
            let own = served.rule.definition;
            if own == 0 || definition.is_some_and(|wanted| wanted != own) {
                continue;
            }
            let rule = rules.entry(own).or_insert_with(|| PeerRule { definition: own, ..PeerRule::default() });
            rule.selections.push(PeerSelection {
                namespace: selected.namespace.as_deref(),
                label_selector: &selected.label_selector,
                name: selected.name.as_deref(),
                requested: age(schedule.requested),
                since: age(schedule.since),
                due: age(schedule.due),
            });
        }
        let rules: Vec<PeerRule<'_>> = rules.into_values().collect();
        let print = |rules: Vec<PeerRule<'_>>| PeerMessage { instance: self.instance.0, rules }.print();
        let sampled = definition.and_then(|wanted| self.rules.find_sampled(wanted));
        let Some(sampling) = sampled.as_ref().and_then(|served| served.sampling.as_ref()) else { return print(rules) };
        let [rule] = rules.as_slice() else { return print(rules) };
        let with_samples =
            sampling.history.tell(self.steady.at(now), |objects| print(vec![PeerRule { objects, ..rule.clone() }]));
        // What no peer would read is not sent.
        if with_samples.len() > self.shared.limits().peers.bytes { print(rules) } else { with_samples }
    }

    /// Reads what a peer told, as bytes; `None` if it was this process itself.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub fn hear<'b>(&self, bytes: &'b [u8]) -> Result<Option<PeerMessage<'b>>, String> {
        let message = PeerMessage::parse(bytes, &message_limits(self.shared.limits()));
        let message = message.map_err(|error| error.to_string())?;
        Ok(Some(message).filter(|message| message.instance != self.instance.0))
    }

    /// Goes on sampling what a peer told of at this moment. The rules of which it has earlier samples.
    pub fn follow(&self, message: &PeerMessage<'_>, at: Instant) -> Vec<u64> {
        let mut lacking = Vec::new();
        for rule in &message.rules {
            let Some(served) = self.rules.find_sampled(rule.definition) else { continue };
            let selections = self.selections(&served, rule);
            // All of them are looked at.
            if selections
                .fold(false, |any, (selected, peers)| self.scraper.follow(&served, &selected, peers, at) || any)
            {
                lacking.push(rule.definition);
            }
        }
        lacking
    }

    /// Takes over the samples that a peer told of at this moment, and samples what it samples.
    pub fn take_over(&self, message: &PeerMessage<'_>, at: Instant) {
        for rule in &message.rules {
            let Some(served) = self.rules.find_sampled(rule.definition) else { continue };
            let Some(sampling) = &served.sampling else { continue };
            for object in &rule.objects {
                sampling.history.take_over(object, self.steady.at(at));
            }
            for (selected, peers) in self.selections(&served, rule) {
                if self.scraper.follow(&served, &selected, peers, at) {
                    self.scraper.join(&served, &selected, peers, at);
                }
            }
        }
    }

    /// The selections of a peer's rule that make sense for this one.
    fn selections<'r>(
        &self,
        served: &'r Arc<ActiveRule>,
        rule: &'r PeerRule<'_>,
    ) -> impl Iterator<Item = (SampledSelection, Schedule)> + use<'r> {
        let limits = &self.shared.limits().request;
        let limits = SelectorLimits { bytes: limits.selector, requirements: limits.selector_requirements };
        let of_pods = served.upstream.source().is_of_pods();
        rule.selections.iter().filter_map(move |told| {
            let PeerSelection { namespace, label_selector, name, .. } = *told;
            let canonical = Selector::parse(label_selector, &limits).ok()?.to_string();
            let makes_sense = canonical == label_selector
                && served.answers(namespace)
                && of_pods == namespace.is_some()
                && (of_pods || name.is_none() && label_selector.is_empty());
            let selected = SampledSelection {
                namespace: namespace.map(str::to_owned),
                label_selector: canonical,
                name: name.map(str::to_owned),
            };
            let [requested, since, due] = [told.requested, told.since, told.due].map(duration);
            makes_sense.then_some((selected, Schedule { requested, since, due }))
        })
    }
}

fn age(duration: Duration) -> i32 {
    i32::try_from(millis(duration)).unwrap_or(i32::MAX)
}

fn duration(age: i32) -> Duration {
    Duration::from_millis(u64::try_from(age).unwrap_or_default())
}

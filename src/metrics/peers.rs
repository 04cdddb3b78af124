//! Samples shared by replicas: each samples the selections that any of them serves, and imports missing samples.

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
use crate::telemetry::clock::SteadyClock;

/// The random number of this process among replicas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instance(u64);

/// The samples of the current rules.
#[derive(Debug)]
pub struct Sharing<'a> {
    pub(super) rules: Arc<Rules>,
    pub(super) scraper: &'a Arc<Scraper>,
    pub(super) shared: &'a Shared,
    pub(super) steady: SteadyClock,
    pub(super) instance: Instance,
}

impl Instance {
    /// Draws a number: hash maps have random keys in each process.
    pub(super) fn new() -> Self {
        Self(RandomState::new().hash_one(()))
    }
}

/// The limits of a message.
fn message_limits(limits: &Limits) -> PeerMessageLimits {
    PeerMessageLimits { bytes: limits.peers.bytes, entries: limits.sampling.series, labels: limits.page.labels * 2 }
}

impl Sharing<'_> {
    /// Whether there are samples to share: whether any rule has a range or an offset.
    pub fn looks_back(&self) -> bool {
        self.rules.look_back()
    }

    /// The message for a peer: all selections, or those of one rule with their samples.
    pub fn export(&self, definition: Option<u64>) -> Vec<u8> {
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
            sampling.history.export(self.steady.at(now), |objects| print(vec![PeerRule { objects, ..rule.clone() }]));
        // A peer would reject a longer message.
        if with_samples.len() > self.shared.limits().peers.bytes { print(rules) } else { with_samples }
    }

    /// Parses a peer's message; `None` if it is from this process itself.
    ///
    /// # Errors
    /// Why the message is invalid.
    pub fn parse<'b>(&self, bytes: &'b [u8]) -> Result<Option<PeerMessage<'b>>, String> {
        let message = PeerMessage::parse(bytes, &message_limits(self.shared.limits()));
        let message = message.map_err(|error| error.to_string())?;
        Ok(Some(message).filter(|message| message.instance != self.instance.0))
    }

    /// Continues sampling what a peer samples, according to its message at this moment. Returns the rules of which the
    /// peer has earlier samples.
    pub fn follow(&self, message: &PeerMessage<'_>, at: Instant) -> Vec<u64> {
        let mut lacking = Vec::new();
        for rule in &message.rules {
            let Some(served) = self.rules.find_sampled(rule.definition) else { continue };
            let selections = self.selections(&served, rule);
            // Without short-circuiting, because each call has an effect.
            if selections
                .fold(false, |any, (selected, peers)| self.scraper.follow(&served, &selected, peers, at) || any)
            {
                lacking.push(rule.definition);
            }
        }
        lacking
    }

    /// Imports samples from a peer's message at this moment, and samples what the peer samples.
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

    /// The selections of a peer's rule that are valid for this one.
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

//! One generation of the configuration, ready to serve: rules by metric and resource, each with its upstream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use once_cell::sync::OnceCell;

use super::active_rule::{ActiveRule, Sampling};
use super::entries::{self, Entries, Entry};
use super::history::SampleBudget;
use super::implicit;
use super::last::LastValues;
use super::target_labels;
use crate::config::limits::Limits;
use crate::config::model::{Config, ImplicitRules, Rule};
use crate::forward::adapters::Forwarding;
use crate::parse::etag;
use crate::parse::path::{Group, MetricPath, Version};
use crate::parse::url_template::Placeholder;
use crate::source::page::{Query, WantedValues};
use crate::source::shared::Shared;
use crate::source::upstream::Upstream;

/// The entry of a configuration for an external metric.
#[derive(Clone, Debug)]
pub enum ExternalEntry {
    Rule(Arc<ActiveRule>),
    /// Not served, and why.
    Broken(String),
    /// Nothing.
    Unknown,
}

/// The kinds of serialized documents: a closed set, so that [`Rules::printed`] is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrintedKey {
    /// All groups with their versions and resources.
    Groups,
    /// The resources of one version of a group.
    Resources {
        group: Group,
        version: Version,
        /// The media type of the document.
        media_type: &'static str,
    },
}

/// A serialized document.
#[derive(Debug)]
pub struct Printed {
    pub body: Arc<[u8]>,
    etag: OnceCell<String>,
}

impl Printed {
    /// Its entity tag, quoted.
    pub fn etag(&self) -> &str {
        self.etag.get_or_init(|| etag::of(&self.body))
    }
}

/// One generation of the configuration.
#[derive(Debug, Default)]
pub struct Rules {
    entries: Entries,
    /// Names as written in the configuration, by their lower-case form.
    external: HashMap<String, (String, ExternalEntry)>,
    implicit: Option<(Arc<Upstream>, ImplicitRules)>,
    /// Rules with ranges or offsets, by the hash of their definition.
    sampled: HashMap<u64, Arc<ActiveRule>>,
    upstreams: Vec<Arc<Upstream>>,
    problem: Option<String>,
    broken: usize,
    forward: Option<Forwarding>,
    /// See [`Rules::printed`].
    printed: Mutex<HashMap<PrintedKey, (u64, Arc<Printed>)>>,
}

impl Rules {
    /// The state before the configuration has been read, in which an HPA must not get a 404.
    pub fn unread() -> Self {
        Self { problem: Some("the configuration is being read".to_owned()), ..Self::default() }
    }

    /// Builds a generation. A broken rule keeps its definition in the previous generation, and rules that did not
    /// change keep their last good values.
    pub(crate) fn new(
        config: Config,
        problem: Option<String>,
        before: &Self,
        shared: &Arc<Shared>,
        budget: &Arc<SampleBudget>,
    ) -> Self {
        let pages = shared.pages();
        let problem = problem.map(|problem| format!("the configuration is invalid: {problem}"));
        let mut rules = Self { problem, broken: config.broken.len(), ..Self::default() };
        let mut upstreams: Vec<Arc<Upstream>> = Vec::new();
        for (index, source) in config.sources.iter().enumerate() {
            let number = source.uses(Placeholder::Metric);
            let mine = config.rules.iter().enumerate().filter(|(_, rule)| rule.source == index);
            // Each rule on a Prometheus server has its own query, and there is no page.
            let query = |rule: &Rule| match source.is_prometheus() {
                true => Query::Series { selectors: Vec::new(), or_number: false, age: None },
                false if source.joins_pages_for(rule) => {
                    Query::of(rule, number).without_matchers(target_labels::may_change)
                }
                false => Query::of(rule, number),
            };
            let mut wants: Vec<WantedValues> = Vec::new();
            for (id, rule) in mine.clone() {
                let query = query(rule);
                // Copies of one rule in the file select the same series.
                let same = wants.last().filter(|want| want.query == query).cloned();
                wants.push(same.unwrap_or(WantedValues { id: id as u64, query }));
            }
            let states = before.upstreams.iter().find(|upstream| upstream.source() == source);
            let states = states.map(|upstream| upstream.shared_states());
            let mut of_page = wants.clone();
            of_page.dedup();
            // Several rules, or sets of pods that overlap, read the same pages.
            let is_shared = wants.len() > 1 || mine.clone().any(|(_, rule)| source.joins_pages_for(rule));
            let upstream =
                Upstream::new(index, source.clone(), of_page, is_shared, pages.clone(), shared.clone(), states);
            let upstream = Arc::new(upstream);
            for ((_, rule), want) in mine.zip(wants) {
                rules.add(rule.clone(), upstream.clone(), want, before, shared.limits(), budget);
            }
            upstreams.push(upstream);
        }
        for broken in config.broken {
            let problem = format!("its rule is invalid: {}", broken.problem);
            if broken.external {
                let kept = match before.external.get(&broken.name.to_ascii_lowercase()) {
                    Some((_, kept @ ExternalEntry::Rule(_))) => kept.clone(),
                    _ => ExternalEntry::Broken(problem),
                };
                rules.insert_external(broken.name, kept);
                continue;
            }
            let any = vec![String::new()];
            let resources = if broken.resources.is_empty() { any } else { broken.resources };
            for resource in resources {
                let mut insert = |object| {
                    rules.entries.insert_broken(&resource, &broken.name, object, &problem, &before.entries);
                };
                match broken.describes.as_slice() {
                    [] => insert(None),
                    objects => objects.iter().for_each(|object| insert(Some(object))),
                }
            }
        }
        rules.implicit =
            config.implicit.zip(upstreams.first().cloned()).map(|(implicit, upstream)| (upstream, implicit));
        rules.upstreams = upstreams;
        rules
    }

    fn add(
        &mut self,
        rule: Rule,
        upstream: Arc<Upstream>,
        want: WantedValues,
        before: &Self,
        limits: &Limits,
        budget: &Arc<SampleBudget>,
    ) {
        let same = before.same(&rule, &upstream);
        let is_remembered = rule.on_missing.remembers().or(rule.on_unavailable.remembers()).is_some();
        let last = is_remembered.then(|| {
            let kept = same.and_then(|same| same.last.clone());
            kept.unwrap_or_else(|| Arc::new(LastValues::new(limits.sampling.last_values)))
        });
        let sampling = same.and_then(|same| same.sampling.clone()).or_else(|| Sampling::of(&want, limits, budget));
        let is_open = rule.value.is_open();
        let served =
            Arc::new(ActiveRule { rule, upstream, want, last, sampling, is_open, template: None, implicit: false });
        if served.sampling.is_some() {
            self.sampled.insert(served.rule.definition, served.clone());
        }
        if served.rule.is_external() {
            self.insert_external(served.rule.name.clone(), ExternalEntry::Rule(served.clone()));
        }
        for kind in &served.rule.objects {
            let (object, entry) =
                (entries::described(&served.rule).cloned(), Entry::Rule(served.clone(), Arc::new(kind.clone())));
            self.entries.insert(&kind.resource, &served.rule.name, object, entry);
        }
    }

    /// The equal rule in this generation, if the rule did not change.
    fn same(&self, rule: &Rule, upstream: &Upstream) -> Option<&ActiveRule> {
        let old = self.active(rule)?;
        let placeless = |rule: &Rule| Rule { line: 0, source: 0, definition: 0, shadow: false, ..rule.clone() };
        let same = old.upstream.source() == upstream.source() && placeless(&old.rule) == placeless(rule);
        same.then_some(&**old)
    }

    /// The rule of this generation that corresponds to a rule.
    fn active(&self, rule: &Rule) -> Option<&Arc<ActiveRule>> {
        let Some(kind) = rule.objects.first() else {
            return match self.external.get(&rule.name.to_ascii_lowercase())? {
                (_, ExternalEntry::Rule(active)) => Some(active),
                _ => None,
            };
        };
        match self.entries.in_place_of(rule, kind)? {
            Entry::Rule(active, _) => Some(active),
            _ => None,
        }
    }

    /// The rule that takes over the samples of a rule in the previous generation.
    pub fn successor(&self, old: &ActiveRule) -> Option<Arc<ActiveRule>> {
        let new = self.active(&old.rule)?;
        let (sampling, old) = (new.sampling.as_ref()?, old.sampling.as_ref()?);
        Arc::ptr_eq(&sampling.history, &old.history).then(|| new.clone())
    }

    /// Whether any rule has a range or an offset.
    pub fn look_back(&self) -> bool {
        !self.sampled.is_empty()
    }

    /// The rule with a range or an offset whose definition has this hash.
    pub fn find_sampled(&self, definition: u64) -> Option<Arc<ActiveRule>> {
        self.sampled.get(&definition).cloned()
    }

    fn insert_external(&mut self, metric: String, entry: ExternalEntry) {
        self.external.insert(metric.to_ascii_lowercase(), (metric, entry));
    }

    /// The entry for a resource and metric.
    pub fn find(&self, resource: &str, metric: &str) -> Entry {
        match (self.entries.first(resource, metric), &self.implicit, &self.problem) {
            (Some(entry), _, _) => entry.clone(),
            (None, Some((upstream, implicit)), _) => match implicit::rule(resource, metric, upstream, implicit) {
                Some((active, kind)) => Entry::Rule(active, kind),
                None => Entry::Unknown,
            },
            (None, None, Some(problem)) => Entry::Broken(problem.clone()),
            (None, None, None) => Entry::Unknown,
        }
    }

    /// The entries for the objects of a path: several if rules describe different objects.
    pub fn find_all(&self, path: &MetricPath) -> Vec<Entry> {
        self.entries.of_objects(path).unwrap_or_else(|| vec![self.find(&path.resource, &path.metric)])
    }

    /// The entry for an external metric, whose name clients send in lower case.
    pub fn find_external(&self, metric: &str) -> ExternalEntry {
        match (self.external.get(&metric.to_ascii_lowercase()), &self.implicit, &self.problem) {
            (Some((_, entry)), _, _) => entry.clone(),
            (None, Some((upstream, implicit)), _) => match implicit::external_rule(metric, upstream, implicit) {
                Some(active) => ExternalEntry::Rule(active),
                None => ExternalEntry::Unknown,
            },
            (None, None, Some(problem)) => ExternalEntry::Broken(problem.clone()),
            (None, None, None) => ExternalEntry::Unknown,
        }
    }

    /// Whether metrics that no rule names are served, too.
    pub(crate) fn serves_unlisted(&self) -> bool {
        self.implicit.is_some()
    }

    /// Whether a rule serves an external metric of this name.
    pub fn has_external(&self, metric: &str) -> bool {
        self.external.contains_key(&metric.to_ascii_lowercase())
    }

    /// Every external metric that is configured, served or broken.
    pub fn external_names(&self) -> impl Iterator<Item = &str> {
        self.external.values().map(|(name, _)| name.as_str())
    }

    /// The resources that a metric of this name describes.
    pub fn resources_of(&self, metric: &str) -> Vec<&str> {
        self.entries.resources_of(metric)
    }

    /// Every resource and metric that is configured, served or broken, and whether it is namespaced.
    pub fn listed(&self) -> Vec<(&str, &str, bool)> {
        self.entries.listed()
    }

    pub(super) fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Every external metric.
    pub(super) fn external(&self) -> impl Iterator<Item = (&str, &ExternalEntry)> {
        self.external.values().map(|(name, entry)| (name.as_str(), entry))
    }

    /// Every source.
    pub(crate) fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// Adds other adapters for metrics that no rule serves.
    #[must_use]
    pub(super) fn forwarding(self, forward: Option<Forwarding>) -> Self {
        Self { forward, ..self }
    }

    /// The other adapters.
    pub fn forward(&self) -> Option<&Forwarding> {
        self.forward.as_ref()
    }

    /// Whether a rule for a metric of a resource, which is empty for external metrics, is shadowed.
    pub(super) fn is_shadowed(&self, metric: &str, resource: &str) -> bool {
        match resource {
            "" => matches!(self.external.get(&metric.to_ascii_lowercase()),
                Some((_, ExternalEntry::Rule(served))) if served.rule.shadow),
            _ => self.entries.all().any(|(name, of, _, entry)| {
                name == metric && of == resource && matches!(entry, Entry::Rule(served, _) if served.rule.shadow)
            }),
        }
    }

    /// The name of an external metric as it is configured, or else as it was requested.
    pub(super) fn external_name<'a>(&'a self, metric: &'a str) -> &'a str {
        self.external.get(&metric.to_ascii_lowercase()).map_or(metric, |(name, _)| name)
    }

    /// Whether a group is listed in discovery: if it has metrics, or if neither group has. Another server may serve the
    /// other group.
    pub fn uses(&self, group: Group) -> bool {
        let forwards = |group| self.forward.as_ref().is_some_and(|forward| forward.adapter(group).is_some());
        let custom = !self.entries.is_empty() || forwards(Group::Custom);
        let external = !self.external.is_empty() || forwards(Group::External);
        self.implicit.is_some() || custom == external || custom == (group == Group::Custom)
    }

    /// A document about these rules, serialized once per generation of the rules and of the other adapters' discovery,
    /// because discovery is requested often and rarely changes.
    pub fn printed(&self, key: PrintedKey, listed: u64, print: impl FnOnce() -> Arc<[u8]>) -> Arc<Printed> {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = printed.get(&key).filter(|(of, _)| *of == listed) {
            return known.clone();
        }
        let new = Arc::new(Printed { body: print(), etag: OnceCell::new() });
        printed.insert(key, (listed, new.clone()));
        new
    }

    /// The number of rules that cannot be served as written.
    pub fn broken(&self) -> usize {
        self.broken
    }
}

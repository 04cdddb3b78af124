//! Every metric in a configuration, served or broken, for display.

use std::collections::HashMap;
use std::sync::Arc;

use super::active_rule::ActiveRule;
use super::entries::Entry;
use super::rules::{ExternalEntry, Rules};
use crate::config::model::DescribedObject;
use crate::parse::path::{ApiPath, MetricPath};
use crate::parse::sort::sort_by;

/// One metric of a configuration.
#[derive(Debug)]
pub(crate) struct ListedRule<'a> {
    pub(crate) metric: &'a str,
    /// The described resources; none for an external metric, or where they are not known.
    pub(crate) resources: Vec<&'a str>,
    /// The objects that the rule names.
    pub(crate) described: Vec<&'a DescribedObject>,
    pub(crate) is_external: bool,
    /// The rule that serves it; `None` if it is broken.
    pub(crate) served: Option<&'a Arc<ActiveRule>>,
    /// Why it is not served.
    pub(crate) problem: Option<&'a str>,
}

impl Rules {
    /// Every metric in the order of the file; those that are broken come last.
    pub(crate) fn listing(&self) -> Vec<ListedRule<'_>> {
        let mut all: Vec<ListedRule<'_>> = Vec::new();
        let mut places = HashMap::new();
        for (metric, resource, object, entry) in self.entries().all() {
            let (served, problem) = match entry {
                Entry::Rule(served, _) => (Some(served), None),
                Entry::Broken(problem) => (None, Some(problem.as_str())),
                Entry::Unknown => continue,
            };
            let rule = (metric, served.map(|served| served.rule.line), problem);
            let place = *places.entry(rule).or_insert(all.len());
            if place == all.len() {
                all.push(ListedRule::new(metric, false, served, problem));
            }
            let Some(listed) = all.get_mut(place) else { continue };
            if !resource.is_empty() && !listed.resources.contains(&resource) {
                listed.resources.push(resource);
            }
            listed.described.extend(object.filter(|object| !listed.described.contains(object)));
        }
        all.extend(self.external().map(|(metric, entry)| match entry {
            ExternalEntry::Rule(served) => ListedRule::new(metric, true, Some(served), None),
            ExternalEntry::Broken(problem) => ListedRule::new(metric, true, None, Some(problem)),
            ExternalEntry::Unknown => ListedRule::new(metric, true, None, None),
        }));
        sort_by(&mut all, |a, b| a.place().cmp(&b.place()));
        all
    }

    /// The rules that answer requests of this path.
    pub(crate) fn of_path(&self, path: &ApiPath) -> Vec<Arc<ActiveRule>> {
        match path {
            ApiPath::Metric(path) => self.of_objects(path),
            ApiPath::External(path) => match self.find_external(&path.metric) {
                ExternalEntry::Rule(served) => vec![served],
                ExternalEntry::Broken(_) | ExternalEntry::Unknown => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn of_objects(&self, path: &MetricPath) -> Vec<Arc<ActiveRule>> {
        let served = |entry| if let Entry::Rule(served, _) = entry { Some(served) } else { None };
        self.find_all(path).into_iter().filter_map(served).collect()
    }
}

impl<'a> ListedRule<'a> {
    fn new(metric: &'a str, is_external: bool, served: Option<&'a Arc<ActiveRule>>, problem: Option<&'a str>) -> Self {
        Self { metric, resources: Vec::new(), described: Vec::new(), is_external, served, problem }
    }

    fn place(&self) -> (bool, usize, &str) {
        (self.served.is_none(), self.served.map_or(0, |served| served.rule.line), self.metric)
    }
}

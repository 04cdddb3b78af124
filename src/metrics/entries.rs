//! The entries of a configuration for metrics of objects, by metric and resource. Several rules may serve one metric
//! for one resource, each for different objects.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::active_rule::ActiveRule;
use crate::config::model::{DescribedObject, ObjectKind, ObjectMapping, Rule};
use crate::kube::kinds;
use crate::parse::path::{MetricPath, ObjectName};

/// The entry for one resource and metric.
#[derive(Clone, Debug)]
pub enum Entry {
    /// The rule that serves it, and the kind of object.
    Rule(Arc<ActiveRule>, Arc<ObjectKind>),
    /// Not served, and why.
    Broken(String),
    /// Nothing.
    Unknown,
}

/// All entries of a configuration for metrics of objects.
#[derive(Debug, Default)]
pub(super) struct Entries {
    by_metric: HashMap<String, Vec<Slot>>,
}

#[derive(Debug)]
struct Slot {
    /// Empty for any resource.
    resource: String,
    /// The object that it describes; `None` for any.
    object: Option<DescribedObject>,
    entry: Entry,
}

/// The object that a rule names, if it names one.
pub(super) fn described(rule: &Rule) -> Option<&DescribedObject> {
    match &rule.mapping {
        ObjectMapping::Described(object) => Some(object),
        _ => None,
    }
}

impl Entries {
    pub(super) fn insert(&mut self, resource: &str, metric: &str, object: Option<DescribedObject>, entry: Entry) {
        let slot = Slot { resource: resource.to_owned(), object, entry };
        self.by_metric.entry(metric.to_owned()).or_default().push(slot);
    }

    /// Adds a broken rule: its previous definition in `before`, if any, stays in use.
    pub(super) fn insert_broken(
        &mut self,
        resource: &str,
        metric: &str,
        object: Option<&DescribedObject>,
        problem: &str,
        before: &Self,
    ) {
        let is_kept = |slot: &&Slot| {
            let is_its = object.is_none() || slot.object.as_ref() == object;
            // Another rule may describe the object now.
            let is_free = slot.object.is_none()
                || self.of(resource, metric).all(|served| served.object.is_some() && served.object != slot.object);
            matches!(slot.entry, Entry::Rule(..)) && is_its && is_free
        };
        let kept: Vec<_> =
            before.of(resource, metric).filter(is_kept).map(|slot| (slot.object.clone(), &slot.entry)).collect();
        if kept.is_empty() {
            self.insert(resource, metric, object.cloned(), Entry::Broken(problem.to_owned()));
        }
        for (object, entry) in kept {
            self.insert(resource, metric, object, entry.clone());
        }
    }

    fn of(&self, resource: &str, metric: &str) -> impl Iterator<Item = &Slot> {
        let slots = self.by_metric.get(metric).into_iter().flatten();
        slots.filter(move |slot| slot.resource == resource || slot.resource.is_empty())
    }

    /// The first entry of a resource and metric.
    pub(super) fn first(&self, resource: &str, metric: &str) -> Option<&Entry> {
        self.of(resource, metric).map(|slot| &slot.entry).next()
    }

    /// The entry for the objects of a rule, or else the first one for its resource and metric.
    pub(super) fn in_place_of(&self, rule: &Rule, kind: &ObjectKind) -> Option<&Entry> {
        let same = self.of(&kind.resource, &rule.name).find(|slot| slot.object.as_ref() == described(rule));
        same.map(|slot| &slot.entry).or_else(|| self.first(&kind.resource, &rule.name))
    }

    /// The entries for the objects of a path, if its metric has several; for `*`, all entries of its namespace.
    pub(super) fn of_objects(&self, path: &MetricPath) -> Option<Vec<Entry>> {
        self.of(&path.resource, &path.metric).nth(1)?;
        let is_requested = |slot: &&Slot| match (&slot.object, &path.name) {
            (None, _) => true,
            (Some(object), ObjectName::One(name)) => object.namespace == path.namespace && object.name == *name,
            (Some(object), ObjectName::All) => object.namespace == path.namespace,
        };
        let all = || self.of(&path.resource, &path.metric).filter(is_requested);
        // An entry for any object is a broken rule, and applies only if no other rule describes this object.
        let own = match path.name {
            ObjectName::One(_) => all().find(|slot| slot.object.is_some()),
            ObjectName::All => None,
        };
        Some(own.map_or_else(|| all().map(|slot| slot.entry.clone()).collect(), |slot| vec![slot.entry.clone()]))
    }

    /// The resources that a metric of this name describes.
    pub(super) fn resources_of(&self, metric: &str) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let resources = self.by_metric.get(metric).into_iter().flatten().map(|slot| slot.resource.as_str());
        resources.filter(|resource| !resource.is_empty() && seen.insert(*resource)).collect()
    }

    /// Every resource and metric, served or broken, and whether it is namespaced.
    pub(super) fn listed(&self) -> Vec<(&str, &str, bool)> {
        let mut seen = BTreeSet::new();
        let slots = self.by_metric.iter().flat_map(|(metric, slots)| slots.iter().map(move |slot| (metric, slot)));
        let listed = slots.filter_map(|(metric, Slot { resource, entry, .. })| match entry {
            Entry::Rule(_, kind) => Some((resource.as_str(), metric.as_str(), kind.namespaced)),
            Entry::Broken(_) | Entry::Unknown => {
                kinds::lookup(resource).map(|kind| (resource.as_str(), metric.as_str(), kind.namespaced))
            }
        });
        listed.filter(|(resource, metric, _)| seen.insert((*resource, *metric))).collect()
    }

    /// Every metric, resource and object with its entry; metrics are in no particular order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, Option<&DescribedObject>, &Entry)> {
        let slots = self.by_metric.iter().flat_map(|(metric, slots)| slots.iter().map(move |slot| (metric, slot)));
        slots.map(|(metric, slot)| (metric.as_str(), slot.resource.as_str(), slot.object.as_ref(), &slot.entry))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_metric.is_empty()
    }
}

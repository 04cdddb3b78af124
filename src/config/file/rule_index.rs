//! The metrics of the rules read so far: one rule for each resource and name, or several that list different objects.

use std::collections::{HashMap, HashSet};

use super::fields::{Fields, Sink};
use crate::config::model::DescribedObject;
use crate::parse::escape::Escaped;

/// The rules read so far, by what they serve.
#[derive(Debug, Default)]
pub(super) struct RuleIndex {
    /// By resource and metric name. External metrics have no resource, and names in lower case.
    metrics: HashMap<(String, String), Holder>,
    /// The line of the rule for an object, by resource, metric name and object.
    objects: HashMap<(String, String, DescribedObject), usize>,
}

/// The first rule that serves a metric.
#[derive(Clone, Copy, Debug)]
struct Holder {
    line: usize,
    describes: bool,
}

/// The metric of one rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served<'a> {
    pub(super) name: &'a str,
    pub(super) line: usize,
    pub(super) resources: &'a [String],
    pub(super) described: &'a [DescribedObject],
}

impl RuleIndex {
    /// Registers an external metric.
    pub(super) fn take_external(&mut self, name: &str, line: usize, fields: &mut Fields<'_>, sink: &mut Sink) {
        let key = (String::new(), name.to_ascii_lowercase());
        if let Some(Holder { line, .. }) = self.metrics.get(&key) {
            let message = format!(
                "the rule on line {line} already serves this external metric; clients send names in lower case, so \
                 case does not distinguish metrics"
            );
            fields.fail("name", &message, sink);
        }
        self.metrics.insert(key, Holder { line, describes: false });
    }

    /// Registers a metric of objects.
    pub(super) fn take(&mut self, served: Served<'_>, fields: &mut Fields<'_>, sink: &mut Sink) {
        let Served { name, line, resources, described } = served;
        let describes = !described.is_empty();
        let mut seen = HashSet::new();
        if let Some(twice) = described.iter().find(|object| !seen.insert(*object)) {
            fields.fail("describes", &format!("{twice} occurs twice"), sink);
        }
        let keys = || resources.iter().map(|resource| (resource.clone(), name.to_owned()));
        let objects = || {
            keys().flat_map(|(resource, name)| {
                described.iter().map(move |of| (resource.clone(), name.clone(), of.clone()))
            })
        };
        for key in keys() {
            if let Some(Holder { line, .. }) = self.metrics.get(&key).filter(|holder| !(describes && holder.describes))
            {
                let resource = Escaped::new(&key.0);
                let message = format!(
                    "{resource} already has this metric from the rule on line {line}; several rules may serve it if each has \
                     describes:"
                );
                fields.fail("name", &message, sink);
            }
        }
        for key in objects() {
            if let Some(line) = self.objects.get(&key) {
                let message = format!("{} already has this metric from the rule on line {line}", key.2);
                fields.fail("describes", &message, sink);
            }
        }
        for key in keys() {
            self.metrics.entry(key).or_insert(Holder { line, describes });
        }
        self.objects.extend(objects().map(|key| (key, line)));
    }
}

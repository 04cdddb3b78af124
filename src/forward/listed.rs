//! The metrics in another adapter's discovery.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::kube::received::ReceivedResource;
use crate::parse::path::{Group, Version};
use crate::parse::sort::sort;

/// The maximum length of a name, as for Kubernetes objects.
const LONGEST_NAME: usize = 253;

/// The metrics of an adapter, and the API version in which it serves them.
#[derive(Debug)]
pub struct Listed {
    /// Sorted, without duplicates.
    metrics: Vec<ListedMetric>,
    pub(super) version: Version,
    /// Unique for each list.
    generation: u64,
}

/// A metric that an adapter lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedMetric {
    /// `pods`; empty for an external metric.
    pub resource: String,
    pub metric: String,
    pub namespaced: bool,
}

impl Listed {
    /// The list in a version of a group. Names that cannot occur in a path are left out.
    pub(super) fn new(group: Group, version: Version, resources: Vec<ReceivedResource>) -> Self {
        let is_odd = |c: char| {
            c.is_control()
                || matches!(c, '/' | '%' | '*' | '?' | '#' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let is_name = |name: &str| {
            !name.is_empty() && name.len() <= LONGEST_NAME && !matches!(name, "." | "..") && !name.contains(is_odd)
        };
        let metric = |ReceivedResource { name, namespaced }: ReceivedResource| {
            let (resource, metric) = match group {
                Group::Custom => name.split_once('/').filter(|(resource, _)| is_name(resource))?,
                Group::External => ("", name.as_str()),
            };
            let (resource, metric) = (resource.to_owned(), Some(metric).filter(|metric| is_name(metric))?.to_owned());
            Some(ListedMetric { resource, metric, namespaced })
        };
        let mut metrics: Vec<ListedMetric> = resources.into_iter().filter_map(metric).collect();
        sort(&mut metrics);
        let mut seen = HashSet::new();
        let is_first: Vec<bool> =
            metrics.iter().map(|listed| seen.insert((&listed.resource, &listed.metric))).collect();
        let mut is_first = is_first.into_iter();
        metrics.retain(|_| is_first.next().unwrap_or_default());
        Self { metrics, version, generation: next() }
    }

    /// The metrics, sorted.
    pub fn metrics(&self) -> &[ListedMetric] {
        &self.metrics
    }

    /// Different for each list that there ever was.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether another list has the same content.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.metrics == other.metrics && self.version == other.version
    }
}

/// The list before the first request. Every adapter serves the first version.
impl Default for Listed {
    fn default() -> Self {
        Self { metrics: Vec::new(), version: Version::V1Beta1, generation: next() }
    }
}

/// From 1: 0 stands for no list.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_names_of_metrics() {
        let received = |name: &str, namespaced| ReceivedResource { name: name.to_owned(), namespaced };
        let all = vec![
            received("pods/b", true),
            received("pods/a", true),
            received("pods/b", true),
            received("pods/b", false),
            received("metrics", true),
            received("/a", true),
            received("pods/", true),
            received("pods/a/b", true),
            received("pods/a\n", true),
            received("namespaces/quota", false),
        ];
        let names = |listed: &Listed| {
            let name = |metric: &ListedMetric| format!("{} {} {}", metric.resource, metric.metric, metric.namespaced);
            listed.metrics().iter().map(name).collect::<Vec<_>>()
        };
        let custom = Listed::new(Group::Custom, Version::V1Beta2, all.clone());
        assert_eq!(names(&custom), ["namespaces quota false", "pods a true", "pods b false"]);
        let external = Listed::new(Group::External, Version::V1Beta1, all);
        assert_eq!(names(&external), [" metrics true"]);
        let again = Listed::new(Group::External, Version::V1Beta1, vec![received("metrics", true)]);
        assert!(external.is_same(&again) && !custom.is_same(&again) && external.generation() != again.generation());
    }
}

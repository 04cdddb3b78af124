//! Builds compact pods: pods of one workload share their labels and template fields, pods of one node share its name.

use std::collections::HashSet;
use std::sync::Arc;

use super::pod::{Pod, PodTemplate, SharedParts};
use super::pod_labels::PodLabels;
use super::pod_object::PodObject;

/// The parts that pods share.
#[derive(Debug, Default)]
pub struct PodPool {
    /// Labels, and names of nodes.
    texts: HashSet<Arc<str>>,
    templates: HashSet<Arc<PodTemplate>>,
    /// Their size in memory, in bytes.
    cost: usize,
    /// The number of parts above which unused ones are removed.
    full: usize,
}

/// Below this number of parts, unused ones are kept.
const MIN_FULL: usize = 64;

impl PodPool {
    /// Reduces an object.
    pub fn pod(&mut self, mut object: PodObject) -> Pod {
        let template = PodTemplate::of(&mut object);
        let template = match self.templates.get(&template) {
            Some(known) => known.clone(),
            None => {
                self.cost += cost_of_template(&template);
                let new = Arc::new(template);
                self.templates.insert(new.clone());
                new
            }
        };
        let labels = self.text(&PodLabels::text(&object.metadata.labels, &object.metadata.name));
        let node = self.text(&object.spec.node_name);
        let pod = Pod::new(&object, SharedParts { node, labels, template });
        if self.len() > self.full.max(MIN_FULL) {
            self.remove_unused();
        }
        pod
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        match self.texts.get(text) {
            Some(known) => known.clone(),
            None => {
                self.cost += cost_of_text(text);
                let new: Arc<str> = text.into();
                self.texts.insert(new.clone());
                new
            }
        }
    }

    /// The number of parts.
    pub fn len(&self) -> usize {
        self.texts.len() + self.templates.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes the parts that no pod uses. The time per pod is constant on average, because the next removal follows
    /// when the number of parts has doubled.
    pub fn remove_unused(&mut self) {
        self.texts.retain(|text| Arc::strong_count(text) > 1);
        self.templates.retain(|template| Arc::strong_count(template) > 1);
        self.full = self.len() * 2;
        let texts = self.texts.iter().map(|text| cost_of_text(text));
        self.cost =
            texts.sum::<usize>() + self.templates.iter().map(|template| cost_of_template(template)).sum::<usize>();
    }

    /// The approximate size of the parts in memory, in bytes.
    pub fn cost(&self) -> usize {
        self.cost
    }
}

/// Includes its slot in the set, which may be half empty.
fn cost_of_text(text: &str) -> usize {
    text.len() + 4 * size_of::<usize>() + 2 * size_of::<Arc<str>>()
}

fn cost_of_template(template: &PodTemplate) -> usize {
    template.cost() + 2 * size_of::<Arc<PodTemplate>>()
}

#[cfg(test)]
impl From<PodObject> for Pod {
    fn from(object: PodObject) -> Self {
        PodPool::default().pod(object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(number: usize, hash: &str) -> PodObject {
        let object = json!({
            "metadata": {"name": format!("web-{hash}-{number:05}"), "uid": format!("{number:036}"),
                "labels": {"app": "web", "pod-template-hash": hash},
                "ownerReferences": [{"kind": "ReplicaSet", "name": format!("web-{hash}"), "controller": true}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "app", "ports": [{"name": "metrics", "containerPort": 80}]}]},
            "status": {"phase": "Running", "podIP": "10.0.0.1", "startTime": "2026-08-18T02:35:04Z"}});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn pods_of_one_workload_share_parts() {
        let mut pool = PodPool::default();
        let [one, two] = [1, 2].map(|number| pool.pod(object(number, "5d4f")));
        assert!(one.labels().is_same(two.labels()));
        assert_eq!(pool.len(), 3, "labels, a node and a template");
        let other = pool.pod(object(3, "7b9c"));
        assert!(!other.labels().is_same(one.labels()));
        assert_eq!(pool.len(), 5);
        assert_eq!(
            one,
            PodPool::default().pod(object(1, "5d4f")),
            "comparison depends on the content of shared parts, not on their address"
        );
    }

    #[test]
    fn removes_unused_parts() {
        let mut pool = PodPool::default();
        let kept = pool.pod(object(0, "kept"));
        for rollout in 0..10_000 {
            pool.pod(object(rollout, &rollout.to_string()));
            assert!(pool.len() <= 2 * MIN_FULL, "{}", pool.len());
        }
        assert!(kept.labels().is_same(pool.pod(object(1, "kept")).labels()));
    }
}

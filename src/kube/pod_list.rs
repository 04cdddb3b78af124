//! The pods of a selection.

use std::sync::Arc;

use super::pod::Pod;

/// Pods, which may be in other lists, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodList(Vec<Arc<Pod>>);

impl PodList {
    /// The pods, in the order of the list.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Pod> {
        self.0.iter().map(|pod| -> &Pod { pod })
    }

    /// The number of pods.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both have the same pods in memory, in the same order.
    pub fn is_same(&self, other: &[Arc<Pod>]) -> bool {
        self.0.len() == other.len() && self.0.iter().zip(other).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

impl From<Vec<Arc<Pod>>> for PodList {
    fn from(pods: Vec<Arc<Pod>>) -> Self {
        Self(pods)
    }
}

impl FromIterator<Pod> for PodList {
    fn from_iter<T: IntoIterator<Item = Pod>>(pods: T) -> Self {
        Self(pods.into_iter().map(Arc::new).collect())
    }
}

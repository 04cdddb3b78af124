//! One series of a snapshot.

use std::borrow::Cow;

use super::snapshot::Snapshot;
use crate::metrics::select::Describes;
use crate::promql::NAME_LABEL;
use crate::promql::evaluate::Labels;

/// A series of a snapshot, by its position.
#[derive(Clone, Copy)]
pub(crate) struct StoredSeries<'a> {
    snapshot: &'a Snapshot,
    /// Its position.
    pub(crate) at: u32,
}

impl<'a> StoredSeries<'a> {
    /// All series of a snapshot.
    pub(crate) fn all(snapshot: &'a Snapshot) -> impl Iterator<Item = Self> {
        (0..snapshot.series() as u32).map(move |at| Self { snapshot, at })
    }

    fn of(&self) -> Option<&'a Labels> {
        self.snapshot.labels(self.at as usize)
    }
}

impl Describes for StoredSeries<'_> {
    fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        self.of()?.get(key).map(Cow::Borrowed)
    }

    fn labels(&self) -> Vec<Cow<'_, str>> {
        let names = self.of().into_iter().flat_map(Labels::iter).map(|(name, _)| name);
        names.filter(|name| *name != NAME_LABEL).map(Cow::Borrowed).collect()
    }
}

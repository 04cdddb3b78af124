//! What one want found on a page.

use std::hash::{Hash, Hasher};

use super::refusal::Refusal;

/// What one [`Want`](super::Want) found on a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Positions among the page's series.
    Series(Vec<u32>),
    /// Values of a JSON page.
    Items(Vec<PageItem>),
    Number(f64),
    /// Nothing that could be trusted.
    Refused(Refusal),
}

/// One item of a page of JSON, YAML or CSV, one match of a regular expression, or the page itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageItem {
    /// As the item says.
    pub namespace: Option<String>,
    /// As the item says.
    pub name: Option<String>,
    /// Of a value of an external metric.
    pub labels: Vec<(String, String)>,
    pub values: Vec<PartValue>,
    /// Parts of the expression, as bits, without a value because a container that exists is empty.
    pub empty: u32,
}

/// A value, and which part of the rule's expression it is for: the first, unless that has several JSONPaths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PartValue {
    pub part: u8,
    /// A number, or the name of another type that was found.
    pub value: Result<f64, &'static str>,
}

impl Found {
    pub(super) fn hash_values(&self, hasher: &mut impl Hasher) {
        match self {
            Self::Items(items) => {
                for PageItem { namespace, name, labels, values, .. } in items {
                    (namespace, name, labels).hash(hasher);
                    values.iter().for_each(|PartValue { value, .. }| value.map(f64::to_bits).hash(hasher));
                }
            }
            Self::Number(value) => value.to_bits().hash(hasher),
            Self::Series(_) | Self::Refused(_) => {}
        }
    }

    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Series(positions) => positions.len() * size_of::<u32>(),
            Self::Items(items) => items.iter().map(PageItem::cost).sum(),
            Self::Number(_) | Self::Refused(_) => 0,
        }
    }
}

impl From<Result<f64, &'static str>> for PartValue {
    fn from(value: Result<f64, &'static str>) -> Self {
        Self { part: 0, value }
    }
}

impl PageItem {
    /// What was found for a part of the rule's expression.
    pub fn of_part(&self, part: usize) -> impl Iterator<Item = Result<f64, &'static str>> {
        self.values.iter().filter(move |value| usize::from(value.part) == part).map(|value| value.value)
    }

    /// Whether a container that exists holds nothing for this part.
    pub fn is_empty(&self, part: usize) -> bool {
        self.empty >> part & 1 == 1
    }

    fn cost(&self) -> usize {
        let names = [&self.namespace, &self.name].into_iter().flatten().map(String::len).sum::<usize>();
        let labels: usize = self.labels.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
        size_of::<Self>() + self.values.len() * size_of::<PartValue>() + names + labels + 64
    }
}

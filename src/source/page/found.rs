//! The values that a page has for one rule.

use std::hash::{Hash, Hasher};

use super::refusal::Refusal;

/// The result of one [`WantedValues`](super::WantedValues) on a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Positions among the page's series.
    Series(Vec<u32>),
    /// The items of a page of JSON, YAML, CSV or text.
    Items(Vec<PageItem>),
    Number(f64),
    /// The values are unusable.
    Refused(Refusal),
}

/// One item of a page of JSON, YAML or CSV, one match of a regular expression, or the page itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageItem {
    /// The namespace in the item.
    pub namespace: Option<String>,
    /// The object's name in the item.
    pub name: Option<String>,
    /// The labels of an external metric's value.
    pub labels: Vec<(String, String)>,
    pub values: Vec<PartValue>,
    /// One bit for each part of the expression that has no value because an existing container is empty.
    pub empty: u32,
}

/// A value and its part of the rule's expression: the first part, unless the expression has several JSONPaths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PartValue {
    pub part: u8,
    /// A number, or the type of a value that is not a number.
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
    /// The values of a part of the rule's expression.
    pub fn of_part(&self, part: usize) -> impl Iterator<Item = Result<f64, &'static str>> {
        self.values.iter().filter(move |value| usize::from(value.part) == part).map(|value| value.value)
    }

    /// Whether an existing container is empty for this part.
    pub fn is_empty(&self, part: usize) -> bool {
        self.empty >> part & 1 == 1
    }

    fn cost(&self) -> usize {
        let names = [&self.namespace, &self.name].into_iter().flatten().map(String::len).sum::<usize>();
        let labels: usize = self.labels.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
        size_of::<Self>() + self.values.len() * size_of::<PartValue>() + names + labels + 64
    }
}

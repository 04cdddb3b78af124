//! What rules need from the pages of their source.

use crate::config::model::{Identity, ItemText, LabelledItems, Rule, Value};
use crate::parse::json::Path;
use crate::parse::regex::Pattern;
use crate::promql::{Expr, VectorSelector, Window};

/// What one rule wants of every page of its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// Finds the rule's part of a [`Page`](super::Page) again.
    pub id: u64,
    /// What to look for.
    pub query: Query,
}

/// What to look for on a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    Series {
        /// Series that any of these picks.
        selectors: Vec<VectorSelector>,
        /// Whether the page may be a bare number instead.
        or_number: bool,
        /// What says when the others were pushed, in seconds since 1970.
        age: Option<VectorSelector>,
    },
    /// Values that JSONPaths lead to.
    Json {
        /// From the page, or from each item, to the values of each part of the rule's expression.
        parts: Vec<Path>,
        /// Where the page lists objects.
        items: Option<Box<Items>>,
    },
    /// Values that a regular expression finds.
    Text(Pattern),
    /// The page is the number.
    Number,
    /// The series or member of this name, or the number itself if its URL names the metric.
    Named {
        /// The metric's name.
        name: String,
        /// Whether a bare number can only be this metric.
        number: bool,
    },
}

/// How a page of JSON, YAML or CSV lists objects, or values with labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Items {
    /// From the page to its items.
    pub items: Path,
    /// From an item to its object's name, where it is about one.
    pub name_from: Option<ItemText>,
    /// From an item to its namespace.
    pub namespace_from: Option<ItemText>,
    /// The name of each label, and from an item to its value.
    pub labels_from: Vec<(String, ItemText)>,
}

impl Query {
    /// What a rule wants. `number`: whether a bare number on its pages can only be this metric.
    pub fn of(rule: &Rule, number: bool) -> Self {
        match &rule.value {
            Value::Series(expr) => Self::Series {
                selectors: expr.selectors().map(VectorSelector::loosened).collect(),
                // The value where none is written, for the one object that the page is about.
                or_number: *expr == Expr::Selector(VectorSelector::named(&rule.name))
                    && !matches!(rule.identity, Identity::Labels { .. }),
                age: rule.age_from.clone(),
            },
            // Read from no page: the source evaluates it.
            Value::QueryTemplate(_) => Self::Series { selectors: Vec::new(), or_number: false, age: None },
            Value::Json(expr) => Self::Json {
                parts: expr.parts().iter().map(|part| part.path.clone()).collect(),
                items: Items::of(&rule.identity).map(Box::new),
            },
            Value::Text(expr) => Self::Text(expr.pattern.clone()),
            Value::Number => Self::Number,
            Value::Named(name) => Self::Named { name: name.clone(), number },
        }
    }

    /// Without matchers on labels that are not as the page has them: what it finds is picked later.
    #[must_use]
    pub fn without_matchers(mut self, on: impl Fn(&str) -> bool) -> Self {
        if let Self::Series { selectors, .. } = &mut self {
            for selector in selectors {
                selector.matchers.retain(|matcher| !on(matcher.label()));
            }
        }
        self
    }

    /// What its selectors look back, those that do.
    pub fn windows(&self) -> impl Iterator<Item = Window> {
        let selectors = match self {
            Self::Series { selectors, .. } => selectors.as_slice(),
            _ => &[],
        };
        selectors.iter().filter_map(VectorSelector::window)
    }
}

impl Items {
    /// Whether the items are the members of objects, as something is in their keys.
    pub(super) fn has_keys(&self) -> bool {
        let texts =
            self.name_from.iter().chain(&self.namespace_from).chain(self.labels_from.iter().map(|(_, from)| from));
        texts.into_iter().any(|from| *from == ItemText::Key)
    }

    fn of(identity: &Identity) -> Option<Self> {
        match identity.clone() {
            Identity::Items { items, name_from, namespace_from } => {
                Some(Self { items, name_from: Some(name_from), namespace_from, labels_from: Vec::new() })
            }
            Identity::External { items: Some(LabelledItems { items, namespace_from, labels_from }), .. } => {
                Some(Self { items, name_from: None, namespace_from, labels_from })
            }
            _ => None,
        }
    }
}

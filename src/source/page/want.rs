//! The series and values that rules need from the pages of their source.

use crate::config::model::{ItemText, LabelledItems, ObjectMapping, Rule, Value};
use crate::parse::json::Path;
use crate::parse::regex::Pattern;
use crate::promql::{Expr, VectorSelector, Window};

/// The series or values that one rule needs from every page of its source.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedValues {
    /// Identifies the result on a [`Page`](super::Page).
    pub id: u64,
    /// The content to select.
    pub query: Query,
}

/// The content to select from a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    Series {
        /// Series that match any of these selectors.
        selectors: Vec<VectorSelector>,
        /// Whether the page may be a bare number instead.
        or_number: bool,
        /// The series with the time at which others were pushed, in Unix seconds.
        age: Option<VectorSelector>,
    },
    /// Values that JSONPaths select.
    Json {
        /// The paths from the page, or from each item, to the values of each part of the rule's expression.
        parts: Vec<Path>,
        /// The location of the list of objects.
        items: Option<Box<Items>>,
    },
    /// Values that a regular expression extracts.
    Text(Pattern),
    /// The page is one number.
    Number,
    /// The series or member with this name, or the number itself if its URL contains the metric's name.
    Named {
        /// The metric's name.
        name: String,
        /// Whether a bare number can only be this metric.
        number: bool,
    },
}

/// The location of a list of objects, or of values with labels, on a page of JSON, YAML or CSV.
#[derive(Clone, Debug, PartialEq)]
pub struct Items {
    /// The path from the page to its items.
    pub items: Path,
    /// The path from an item to the name of the described object, if there is one.
    pub name_from: Option<ItemText>,
    /// The path from an item to its namespace.
    pub namespace_from: Option<ItemText>,
    /// The name of each label, and the path from an item to its value.
    pub labels_from: Vec<(String, ItemText)>,
}

impl Query {
    /// The query of a rule. `number`: whether a bare number on its pages can only be this metric.
    pub fn of(rule: &Rule, number: bool) -> Self {
        match &rule.value {
            Value::Series(expr) => Self::Series {
                selectors: expr.selectors().map(VectorSelector::without_placeholders).collect(),
                // The rule has no `value`, and the page describes only one object.
                or_number: *expr == Expr::Selector(VectorSelector::named(&rule.name))
                    && !matches!(rule.mapping, ObjectMapping::Labels { .. }),
                age: rule.age_from.clone(),
            },
            // A source that evaluates the expression itself has no page.
            Value::QueryTemplate(_) => Self::Series { selectors: Vec::new(), or_number: false, age: None },
            Value::Json(expr) => Self::Json {
                parts: expr.parts().iter().map(|part| part.path.clone()).collect(),
                items: Items::of(&rule.mapping).map(Box::new),
            },
            Value::Text(expr) => Self::Text(expr.pattern.clone()),
            Value::Number => Self::Number,
            Value::Named(name) => Self::Named { name: name.clone(), number },
        }
    }

    /// Removes the matchers for which `on` is true, whose labels are not those on the page: series are selected later.
    #[must_use]
    pub fn without_matchers(mut self, on: impl Fn(&str) -> bool) -> Self {
        if let Self::Series { selectors, .. } = &mut self {
            for selector in selectors {
                selector.matchers.retain(|matcher| !on(matcher.label()));
            }
        }
        self
    }

    /// The windows of the selectors that have a range or an offset.
    pub fn windows(&self) -> impl Iterator<Item = Window> {
        let selectors = match self {
            Self::Series { selectors, .. } => selectors.as_slice(),
            _ => &[],
        };
        selectors.iter().filter_map(VectorSelector::window)
    }
}

impl Items {
    /// Whether items are the members of objects, because their keys are needed.
    pub(super) fn has_keys(&self) -> bool {
        let texts =
            self.name_from.iter().chain(&self.namespace_from).chain(self.labels_from.iter().map(|(_, from)| from));
        texts.into_iter().any(|from| *from == ItemText::Key)
    }

    fn of(mapping: &ObjectMapping) -> Option<Self> {
        match mapping.clone() {
            ObjectMapping::Items { items, name_from, namespace_from } => {
                Some(Self { items, name_from: Some(name_from), namespace_from, labels_from: Vec::new() })
            }
            ObjectMapping::External { items: Some(LabelledItems { items, namespace_from, labels_from }), .. } => {
                Some(Self { items, name_from: None, namespace_from, labels_from })
            }
            _ => None,
        }
    }
}

//! The syntax tree of an expression.

use std::borrow::Cow;
use std::time::Duration;

use super::{Aggregation, BinaryOp, Function, Matcher, NAME_LABEL};

/// A parsed expression; prints as canonical PromQL that parses to the same expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A number.
    Number(Number),
    /// The latest sample of each matching series, or all samples in the range.
    Selector(VectorSelector),
    /// An aggregation of the last argument: one number, or some elements, for each group.
    Aggregate(Aggregation, Grouping, Vec<Expr>),
    /// A function call with its arguments.
    Call(Function, Vec<Expr>),
    /// `label_replace`
    Relabel(Box<LabelReplace>, Box<Expr>),
    /// Unary minus.
    Negate(Box<Expr>),
    /// A binary operation: the left and the right operand.
    Binary(BinaryOp, Matching, Box<[Expr; 2]>),
}

/// A number as written; unlike in a float, NaN equals itself, and 0 differs from -0.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

/// The arguments of `label_replace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelReplace {
    /// The label to set.
    pub target: String,
    /// The label's new value; `$1` is the content of the first group.
    pub replacement: String,
    /// The label to read, and the regular expression that must match it.
    pub source: Matcher,
}

/// Vector matching: how elements of two vectors are paired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// `bool`: a comparison returns 1 or 0 instead of filtering.
    pub bool: bool,
    /// The labels that must be equal: those in `on`, or all except those in `ignoring`.
    pub labels: Grouping,
    /// The "many" side of a many-to-one match, and the labels to copy from the other side.
    pub group: Option<(Side, Vec<String>)>,
}

/// A side of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The left side.
    Left,
    /// The right side.
    Right,
}

/// The grouping of an aggregation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Elements with equal values of these labels; without labels, all elements.
    By(Vec<String>),
    /// Elements whose labels are equal, except for these labels and the name.
    Without(Vec<String>),
}

/// A vector selector: a metric's name, matchers on labels, or both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorSelector {
    /// The metric's name; `None` if the selector has only matchers.
    pub name: Option<String>,
    /// All of these must match. A matcher on `__name__` applies to the metric's name.
    pub matchers: Vec<Matcher>,
    /// The range; `None` selects the latest sample.
    pub range: Option<Duration>,
    /// The offset: how far evaluation is shifted into the past.
    pub offset: Duration,
}

/// The period from which a selector takes samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The length of the period; zero for a selector without a range.
    pub range: Duration,
    /// The age of the end of the period.
    pub offset: Duration,
}

impl Expr {
    /// The vector selectors in the expression, in the order of the text.
    pub fn selectors(&self) -> impl Iterator<Item = &VectorSelector> {
        self.parts().filter_map(|part| match part {
            Self::Selector(selector) => Some(selector),
            _ => None,
        })
    }

    /// Whether the expression contains a call of this function.
    pub fn calls(&self, function: Function) -> bool {
        self.parts().any(|part| matches!(part, Self::Call(called, _) if *called == function))
    }

    /// The operands or arguments, in the order of the text.
    pub fn children(&self) -> &[Self] {
        match self {
            Self::Number(_) | Self::Selector(_) => &[],
            Self::Aggregate(_, _, arguments) | Self::Call(_, arguments) => arguments,
            Self::Relabel(_, inner) | Self::Negate(inner) => std::slice::from_ref(inner),
            Self::Binary(_, _, operands) => operands.as_slice(),
        }
    }

    pub(crate) fn children_mut(&mut self) -> &mut [Self] {
        match self {
            Self::Number(_) | Self::Selector(_) => &mut [],
            Self::Aggregate(_, _, arguments) | Self::Call(_, arguments) => arguments,
            Self::Relabel(_, inner) | Self::Negate(inner) => std::slice::from_mut(inner),
            Self::Binary(_, _, operands) => operands.as_mut_slice(),
        }
    }

    /// The expression and all its descendants, in the order of the text.
    fn parts(&self) -> impl Iterator<Item = &Self> {
        let mut left = vec![self];
        std::iter::from_fn(move || {
            let part = left.pop()?;
            left.extend(part.children().iter().rev());
            Some(part)
        })
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits() || self.0.is_nan() && other.0.is_nan()
    }
}

impl Window {
    /// The age of the start of the period.
    pub fn reach(self) -> Duration {
        self.range + self.offset
    }

    /// The shortest range of these windows, or the shortest offset if none has a range.
    pub fn shortest(windows: &[Self]) -> Option<Self> {
        let ranges = windows.iter().map(|window| window.range).filter(|range| !range.is_zero());
        match ranges.min() {
            Some(range) => Some(Self { range, offset: Duration::ZERO }),
            None => windows.iter().copied().min_by_key(|window| window.offset),
        }
    }
}

impl Grouping {
    /// A grouping of all elements into one group.
    pub const ALL: Self = Self::By(Vec::new());
}

impl Default for Matching {
    /// One-to-one matching on all labels.
    fn default() -> Self {
        Self { bool: false, labels: Grouping::Without(Vec::new()), group: None }
    }
}

impl VectorSelector {
    /// A selector of the latest samples of a metric, with any labels.
    pub fn named(name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::default() }
    }

    /// The period that the selector needs, unless it takes only the current sample.
    pub fn window(&self) -> Option<Window> {
        let window = Window { range: self.range.unwrap_or_default(), offset: self.offset };
        Some(window).filter(|window| !window.reach().is_zero())
    }

    /// Whether a series of this metric matches; `get` returns the value of a label.
    pub fn matches<'a>(&self, name: &str, get: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        self.may_match(name, |label| Some(get(label).unwrap_or_default()))
    }

    /// Whether a series of this metric may match; `get` returns the value of a label, if it is known.
    pub fn may_match<'a>(&self, name: &str, get: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        self.name.as_deref().is_none_or(|wanted| wanted == name)
            && self.matchers.iter().all(|matcher| match matcher.label() {
                NAME_LABEL => matcher.matches(name),
                label => get(label).is_none_or(|value| matcher.matches(&value)),
            })
    }

    /// Whether the selector names its metric twice, directly and in a matcher.
    pub(super) fn is_named_twice(&self) -> bool {
        self.name.is_some() && self.matchers.iter().any(|matcher| matcher.label() == NAME_LABEL)
    }

    /// Whether the selector matches nearly every series, because it matches one without a name and without labels.
    pub(super) fn selects_all(&self) -> bool {
        self.name.is_none() && self.matchers.iter().all(|matcher| matcher.matches("") || !matcher.pieces().is_empty())
    }
}

#[cfg(test)]
mod tests;

//! The syntax tree of an expression.

use std::borrow::Cow;
use std::time::Duration;

use super::{Aggregation, BinaryOp, Function, Matcher, NAME_LABEL};

/// A parsed expression; it prints as canonical PromQL that parses to the same expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A number.
    Number(Number),
    /// The latest sample of each series that matches, or with a range all samples in it.
    Selector(VectorSelector),
    /// One number for each group of what the last argument gives, or some elements of it.
    Aggregate(Aggregation, Grouping, Vec<Expr>),
    /// A function, with as many arguments as it takes.
    Call(Function, Vec<Expr>),
    /// `label_replace`
    Relabel(Box<LabelReplace>, Box<Expr>),
    /// Unary minus.
    Negate(Box<Expr>),
    /// What is on the left of an operator, and on its right.
    Binary(BinaryOp, Matching, Box<[Expr; 2]>),
}

/// A number as written; unlike a float, NaN equals itself and 0 is not -0.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

/// How a label is made of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelReplace {
    /// The label that is set.
    pub target: String,
    /// What it is set to; `$1` is what the first group has found.
    pub replacement: String,
    /// The label that is read, and the regular expression that must match it.
    pub source: Matcher,
}

/// How the elements of two vectors find each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// `bool`: a comparison gives 1 or 0, and does not filter.
    pub bool: bool,
    /// Which labels must agree: those in `on`, or all but those in `ignoring`.
    pub labels: Grouping,
    /// The side that may have several elements for one of the other, and the labels that it takes from there.
    pub group: Option<(Side, Vec<String>)>,
}

/// Of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Before it.
    Left,
    /// After it.
    Right,
}

/// Which elements an aggregation takes together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Those that agree in these labels; all of them where there are none.
    By(Vec<String>),
    /// Those that agree in all but these labels and the name.
    Without(Vec<String>),
}

/// Which series: a metric's name, matchers on labels, or both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorSelector {
    /// The metric's name; `None` where only matchers tell.
    pub name: Option<String>,
    /// All must match. A matcher on `__name__` is compared with the metric's name.
    pub matchers: Vec<Matcher>,
    /// How far back samples are taken; `None` for the latest alone.
    pub range: Option<Duration>,
    /// How long ago the present is taken to be.
    pub offset: Duration,
}

/// The time that samples are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How long it is; zero for the latest sample in it.
    pub range: Duration,
    /// How long ago it ends.
    pub offset: Duration,
}

impl Expr {
    /// The vector selectors inside, in the order they are written.
    pub fn selectors(&self) -> impl Iterator<Item = &VectorSelector> {
        self.parts().filter_map(|part| match part {
            Self::Selector(selector) => Some(selector),
            _ => None,
        })
    }

    /// Whether it calls this function anywhere.
    pub fn calls(&self, function: Function) -> bool {
        self.parts().any(|part| matches!(part, Self::Call(called, _) if *called == function))
    }

    /// Its operands or arguments, in the order they are written.
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

    /// The expression and all that are inside of it, in the order they are written.
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
    /// How long ago it begins.
    pub fn reach(self) -> Duration {
        self.range + self.offset
    }

    /// The shortest range among some, or the shortest offset where none has a range.
    pub fn shortest(windows: &[Self]) -> Option<Self> {
        let ranges = windows.iter().map(|window| window.range).filter(|range| !range.is_zero());
        match ranges.min() {
            Some(range) => Some(Self { range, offset: Duration::ZERO }),
            None => windows.iter().copied().min_by_key(|window| window.offset),
        }
    }
}

impl Grouping {
    /// Everything is one group.
    pub const ALL: Self = Self::By(Vec::new());
}

impl Default for Matching {
    /// All labels must agree, and each element has one partner at most.
    fn default() -> Self {
        Self { bool: false, labels: Grouping::Without(Vec::new()), group: None }
    }
}

impl VectorSelector {
    /// The latest sample of one metric's series, whatever their labels.
    pub fn named(name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::default() }
    }

    /// The time that it looks back, if it takes more than the present sample.
    pub fn window(&self) -> Option<Window> {
        let window = Window { range: self.range.unwrap_or_default(), offset: self.offset };
        Some(window).filter(|window| !window.reach().is_zero())
    }

    /// Whether a series of this metric matches; `get` gives its labels by name.
    pub fn matches<'a>(&self, name: &str, get: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        self.may_match(name, |label| Some(get(label).unwrap_or_default()))
    }

    /// Whether a series of this metric may match; `get` gives the labels that are known of it.
    pub fn may_match<'a>(&self, name: &str, get: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        self.name.as_deref().is_none_or(|wanted| wanted == name)
            && self.matchers.iter().all(|matcher| match matcher.label() {
                NAME_LABEL => matcher.matches(name),
                label => get(label).is_none_or(|value| matcher.matches(&value)),
            })
    }

    /// Whether the metric's name is given twice, by itself and in a matcher.
    pub(super) fn is_named_twice(&self) -> bool {
        self.name.is_some() && self.matchers.iter().any(|matcher| matcher.label() == NAME_LABEL)
    }

    /// Whether a series without a name and without labels would match, and hence about every series.
    pub(super) fn takes_all(&self) -> bool {
        self.name.is_none() && self.matchers.iter().all(|matcher| matcher.matches("") || !matcher.pieces().is_empty())
    }
}

#[cfg(test)]
mod tests;

//! The syntax tree of an expression.

use std::borrow::Cow;
use std::time::Duration;

use super::{Matcher, NAME_LABEL};

/// A parsed expression; it prints as canonical PromQL that parses to the same expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A number. Those that Prometheus calls scalars are all made of these here.
    Number(Number),
    /// The latest sample of each series that matches, or with a range all samples in it.
    Selector(VectorSelector),
    /// One number for each group of what the inner expression gives.
    Aggregate(Aggregation, Grouping, Box<Expr>),
    /// A function, with as many arguments as it takes.
    Call(Function, Vec<Expr>),
    /// Unary minus.
    Negate(Box<Expr>),
    /// Arithmetic, or a comparison, which filters.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
}

/// A number as written; unlike a float, NaN equals itself and 0 is not -0.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

/// What an expression gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A number.
    Scalar,
    /// One sample of each series.
    Vector,
    /// Several samples of each series.
    Range,
}

/// How several numbers become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// Their sum.
    Sum,
    /// Their arithmetic mean.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// How many there are.
    Count,
}

/// Which elements an aggregation takes together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Those that agree in these labels; all of them where there are none.
    By(Vec<String>),
    /// Those that agree in all but these labels and the name.
    Without(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// By how much a counter grows each second.
    Rate,
    /// By how much a counter grew.
    Increase,
    /// Of the last two samples of a counter.
    Irate,
    /// By how much a gauge changed.
    Delta,
    /// The mean of the samples.
    AvgOverTime,
    /// The smallest sample.
    MinOverTime,
    /// The largest sample.
    MaxOverTime,
    /// The sum of the samples.
    SumOverTime,
    /// The number of samples.
    CountOverTime,
    /// The last sample.
    LastOverTime,
    /// From the buckets of a classic histogram.
    HistogramQuantile,
    /// Without its sign.
    Abs,
    /// The next integer above.
    Ceil,
    /// The next integer below.
    Floor,
    /// To the nearest multiple of the second argument, by default 1.
    Round,
    /// Within two bounds.
    Clamp,
    /// Within a lower bound.
    ClampMin,
    /// Within an upper bound.
    ClampMax,
}

/// What stands between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

/// Which series: a metric's name, matchers on labels, or both.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The metric's name; `None` where only matchers tell.
    pub name: Option<String>,
    /// All must match. A matcher on `__name__` is compared with the metric's name.
    pub matchers: Vec<Matcher>,
    /// How far back samples are taken; `None` for the latest alone.
    pub range: Option<Duration>,
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

    /// The expression and all that are inside of it, in the order they are written.
    fn parts(&self) -> impl Iterator<Item = &Self> {
        let mut left = vec![self];
        std::iter::from_fn(move || {
            let part = left.pop()?;
            match part {
                Self::Number(_) | Self::Selector(_) => {}
                Self::Aggregate(_, _, inner) | Self::Negate(inner) => left.push(inner),
                Self::Call(_, arguments) => left.extend(arguments.iter().rev()),
                Self::Binary(_, a, b) => left.extend([b.as_ref(), a]),
            }
            Some(part)
        })
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits() || self.0.is_nan() && other.0.is_nan()
    }
}

impl Aggregation {
    /// All of them, in the order that messages list them.
    pub const ALL: [Self; 5] = [Self::Sum, Self::Avg, Self::Min, Self::Max, Self::Count];

    /// As PromQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
        }
    }

    /// The one that a word names; in PromQL keywords may be in capitals.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aggregation| aggregation.as_str().eq_ignore_ascii_case(word))
    }
}

impl Grouping {
    /// Everything is one group.
    pub const ALL: Self = Self::By(Vec::new());
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Rate,
        Self::Increase,
        Self::Irate,
        Self::Delta,
        Self::AvgOverTime,
        Self::MinOverTime,
        Self::MaxOverTime,
        Self::SumOverTime,
        Self::CountOverTime,
        Self::LastOverTime,
        Self::HistogramQuantile,
        Self::Abs,
        Self::Ceil,
        Self::Floor,
        Self::Round,
        Self::Clamp,
        Self::ClampMin,
        Self::ClampMax,
    ];

    /// As PromQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Increase => "increase",
            Self::Irate => "irate",
            Self::Delta => "delta",
            Self::AvgOverTime => "avg_over_time",
            Self::MinOverTime => "min_over_time",
            Self::MaxOverTime => "max_over_time",
            Self::SumOverTime => "sum_over_time",
            Self::CountOverTime => "count_over_time",
            Self::LastOverTime => "last_over_time",
            Self::HistogramQuantile => "histogram_quantile",
            Self::Abs => "abs",
            Self::Ceil => "ceil",
            Self::Floor => "floor",
            Self::Round => "round",
            Self::Clamp => "clamp",
            Self::ClampMin => "clamp_min",
            Self::ClampMax => "clamp_max",
        }
    }

    /// The one of this name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.as_str() == word)
    }

    /// What it takes, and how many of these may be left out at the end.
    pub fn parameters(self) -> (&'static [Type], usize) {
        use Type::{Range, Scalar, Vector};
        match self {
            Self::HistogramQuantile => (&[Scalar, Vector], 0),
            Self::Abs | Self::Ceil | Self::Floor => (&[Vector], 0),
            Self::Round => (&[Vector, Scalar], 1),
            Self::Clamp => (&[Vector, Scalar, Scalar], 0),
            Self::ClampMin | Self::ClampMax => (&[Vector, Scalar], 0),
            _ => (&[Range], 0),
        }
    }
}

impl BinaryOp {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessEqual,
        Self::Greater,
        Self::GreaterEqual,
    ];

    /// As PromQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }

    /// Whether it filters and leaves what it compares as it is.
    pub fn is_comparison(self) -> bool {
        !matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div)
    }

    /// The larger, the tighter it binds; all of them associate to the left.
    pub(super) fn precedence(self) -> u8 {
        match self {
            Self::Mul | Self::Div => 3,
            Self::Add | Self::Sub => 2,
            _ => 1,
        }
    }
}

impl VectorSelector {
    /// The latest sample of one metric's series, whatever their labels.
    pub fn named(name: &str) -> Self {
        Self { name: Some(name.to_owned()), matchers: Vec::new(), range: None }
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
        self.name.is_none() && self.matchers.iter().all(|matcher| matcher.matches(""))
    }
}

#[cfg(test)]
mod tests;

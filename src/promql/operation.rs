//! Operators, aggregations and functions: their words, and what they take and give.

/// Enumerations of words.
macro_rules! words {
    ($(#[$about:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As PromQL writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

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

words! {
    /// What becomes of several elements.
    Aggregation:
    /// Their sum.
    Sum = "sum",
    /// Their arithmetic mean.
    Avg = "avg",
    /// The smallest.
    Min = "min",
    /// The largest.
    Max = "max",
    /// How many there are.
    Count = "count",
    /// Their standard deviation.
    Stddev = "stddev",
    /// The value that a share of them is at most.
    Quantile = "quantile",
    /// As many of the largest as the first argument says, as they are.
    Topk = "topk",
    /// Likewise of the smallest.
    Bottomk = "bottomk",
}

words! {
    Function:
    /// By how much a counter grows each second.
    Rate = "rate",
    /// By how much a counter grew.
    Increase = "increase",
    /// Of the last two samples of a counter.
    Irate = "irate",
    /// By how much a gauge changed.
    Delta = "delta",
    /// By how much a gauge changes each second, along the line that fits best.
    Deriv = "deriv",
    /// How often the value changed.
    Changes = "changes",
    /// How often it became smaller.
    Resets = "resets",
    /// The mean of the samples.
    AvgOverTime = "avg_over_time",
    /// The smallest sample.
    MinOverTime = "min_over_time",
    /// The largest sample.
    MaxOverTime = "max_over_time",
    /// The sum of the samples.
    SumOverTime = "sum_over_time",
    /// The number of samples.
    CountOverTime = "count_over_time",
    /// The last sample.
    LastOverTime = "last_over_time",
    /// The standard deviation of the samples.
    StddevOverTime = "stddev_over_time",
    /// The value that a share of the samples is at most.
    QuantileOverTime = "quantile_over_time",
    /// From the buckets of a classic histogram.
    HistogramQuantile = "histogram_quantile",
    /// Without its sign.
    Abs = "abs",
    /// The next integer above.
    Ceil = "ceil",
    /// The next integer below.
    Floor = "floor",
    /// To the nearest multiple of the second argument, by default 1.
    Round = "round",
    /// Within two bounds.
    Clamp = "clamp",
    /// Within a lower bound.
    ClampMin = "clamp_min",
    /// Within an upper bound.
    ClampMax = "clamp_max",
    /// 1 if there is nothing.
    Absent = "absent",
    /// A number as an element without labels.
    Vector = "vector",
    /// The value of the only element.
    Scalar = "scalar",
    /// The present, in Unix seconds.
    Time = "time",
}

words! {
    /// What stands between two operands, the tightest last.
    BinaryOp:
    /// What is on the left, and on the right what has no match there.
    Or = "or",
    /// What is on the left and has a match on the right.
    And = "and",
    /// What is on the left and has no match on the right.
    Unless = "unless",
    Equal = "==",
    NotEqual = "!=",
    LessEqual = "<=",
    Less = "<",
    GreaterEqual = ">=",
    Greater = ">",
    Add = "+",
    Sub = "-",
    Mul = "*",
    Div = "/",
    /// The remainder, with the sign of the dividend.
    Rem = "%",
    Pow = "^",
}

impl Aggregation {
    /// The one that a word names; in PromQL keywords may be in capitals.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|aggregation| aggregation.as_str().eq_ignore_ascii_case(word))
    }

    /// What it takes.
    pub fn parameters(self) -> &'static [Type] {
        match self {
            Self::Quantile | Self::Topk | Self::Bottomk => &[Type::Scalar, Type::Vector],
            _ => &[Type::Vector],
        }
    }
}

impl Function {
    /// The one of this name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.as_str() == word)
    }

    /// What it takes, and how many of these may be left out at the end.
    pub fn parameters(self) -> (&'static [Type], usize) {
        use Type::{Range, Scalar, Vector};
        match self {
            Self::HistogramQuantile => (&[Scalar, Vector], 0),
            Self::QuantileOverTime => (&[Scalar, Range], 0),
            Self::Abs | Self::Ceil | Self::Floor | Self::Absent | Self::Scalar => (&[Vector], 0),
            Self::Round => (&[Vector, Scalar], 1),
            Self::Clamp => (&[Vector, Scalar, Scalar], 0),
            Self::ClampMin | Self::ClampMax => (&[Vector, Scalar], 0),
            Self::Vector => (&[Scalar], 0),
            Self::Time => (&[], 0),
            _ => (&[Range], 0),
        }
    }

    /// A number, or one sample of each series.
    pub fn gives(self) -> Type {
        if matches!(self, Self::Scalar | Self::Time) { Type::Scalar } else { Type::Vector }
    }
}

impl BinaryOp {
    /// The one that a token writes; in PromQL keywords may be in capitals.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|op| op.as_str().eq_ignore_ascii_case(word))
    }

    /// Whether it filters and leaves what it compares as it is.
    pub fn is_comparison(self) -> bool {
        self.precedence() == 3
    }

    /// Whether it is about elements, whatever their values.
    pub fn is_set(self) -> bool {
        self.precedence() < 3
    }

    /// The larger, the tighter it binds. All of them associate to the left, but for the tightest.
    pub(super) fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Equal | Self::NotEqual | Self::LessEqual | Self::Less | Self::GreaterEqual | Self::Greater => 3,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Rem => 5,
            Self::Pow => 6,
        }
    }
}

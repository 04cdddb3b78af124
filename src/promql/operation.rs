//! Operators, aggregations and functions: their keywords, parameters and result types.

/// Defines enumerations of keywords.
macro_rules! words {
    ($(#[$about:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// All variants.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The keyword in PromQL.
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

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A number.
    Scalar,
    /// An instant vector: one sample of each series.
    Vector,
    /// A range vector: several samples of each series.
    Range,
}

words! {
    /// An aggregation.
    Aggregation:
    /// The sum.
    Sum = "sum",
    /// The arithmetic mean.
    Avg = "avg",
    /// The minimum.
    Min = "min",
    /// The maximum.
    Max = "max",
    /// The number of elements.
    Count = "count",
    /// The standard deviation.
    Stddev = "stddev",
    /// The quantile given by the first argument.
    Quantile = "quantile",
    /// The largest elements, unchanged; the first argument is their number.
    Topk = "topk",
    /// The smallest elements, unchanged; the first argument is their number.
    Bottomk = "bottomk",
}

words! {
    Function:
    /// The increase of a counter per second.
    Rate = "rate",
    /// The increase of a counter.
    Increase = "increase",
    /// The increase per second between the last two samples of a counter.
    Irate = "irate",
    /// The change of a gauge.
    Delta = "delta",
    /// The change of a gauge per second, by linear regression.
    Deriv = "deriv",
    /// The number of changes of the value.
    Changes = "changes",
    /// The number of decreases of the value.
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
    /// The quantile of the samples given by the first argument.
    QuantileOverTime = "quantile_over_time",
    /// The quantile of a classic histogram, from its buckets.
    HistogramQuantile = "histogram_quantile",
    /// The absolute value.
    Abs = "abs",
    /// Rounds up to an integer.
    Ceil = "ceil",
    /// Rounds down to an integer.
    Floor = "floor",
    /// Rounds to the nearest multiple of the second argument, by default 1.
    Round = "round",
    /// Limits values to a range.
    Clamp = "clamp",
    /// Limits values from below.
    ClampMin = "clamp_min",
    /// Limits values from above.
    ClampMax = "clamp_max",
    /// 1 if the vector is empty.
    Absent = "absent",
    /// Converts a number to an element without labels.
    Vector = "vector",
    /// The value of the only element.
    Scalar = "scalar",
    /// The evaluation time in Unix seconds.
    Time = "time",
}

words! {
    /// A binary operator; the order is that of precedence, the highest last.
    BinaryOp:
    /// The left elements, and the right elements without a match on the left.
    Or = "or",
    /// The left elements with a match on the right.
    And = "and",
    /// The left elements without a match on the right.
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
    /// The aggregation with this keyword; keywords of PromQL may be in capitals.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|aggregation| aggregation.as_str().eq_ignore_ascii_case(word))
    }

    /// The types of the parameters.
    pub fn parameters(self) -> &'static [Type] {
        match self {
            Self::Quantile | Self::Topk | Self::Bottomk => &[Type::Scalar, Type::Vector],
            _ => &[Type::Vector],
        }
    }

    /// Whether the result is some of the elements, with their labels.
    pub(super) fn picks(self) -> bool {
        matches!(self, Self::Topk | Self::Bottomk)
    }
}

impl Function {
    /// The function with this name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.as_str() == word)
    }

    /// The types of the parameters, and how many may be omitted at the end.
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

    /// The type of the result.
    pub fn result_type(self) -> Type {
        if matches!(self, Self::Scalar | Self::Time) { Type::Scalar } else { Type::Vector }
    }
}

impl BinaryOp {
    /// The operator with this keyword or symbol; keywords of PromQL may be in capitals.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|op| op.as_str().eq_ignore_ascii_case(word))
    }

    /// Whether the operator is a comparison, which filters elements without changing them.
    pub fn is_comparison(self) -> bool {
        self.precedence() == 3
    }

    /// Whether the operator is a set operator, which ignores values.
    pub fn is_set(self) -> bool {
        self.precedence() < 3
    }

    /// The precedence; higher binds tighter. All operators except the one with the highest precedence are
    /// left-associative.
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

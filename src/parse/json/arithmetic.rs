//! Arithmetic between the parts of an expression.

use std::fmt;

use super::jsonpath::Path;
use crate::parse::value::ValueAggregation;

/// One path of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPart {
    /// How several values become one; `None` allows only a single value.
    pub aggregation: Option<ValueAggregation>,
    /// The path to the values.
    pub path: Path,
}

/// The arithmetic of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Number(f64),
    /// The index of a part.
    Part(usize),
    Negate(Box<Self>),
    Binary(Sign, Box<Self>, Box<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
    Times,
    Over,
}

impl Operand {
    pub(super) fn value(&self, parts: &[f64]) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Part(part) => parts.get(*part).copied().unwrap_or(f64::NAN),
            Self::Negate(of) => -of.value(parts),
            Self::Binary(sign, left, right) => {
                let (left, right) = (left.value(parts), right.value(parts));
                match sign {
                    Sign::Plus => left + right,
                    Sign::Minus => left - right,
                    Sign::Times => left * right,
                    Sign::Over => left / right,
                }
            }
        }
    }
}

impl fmt::Display for JsonPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.aggregation {
            Some(aggregation) => write!(f, "{}({})", aggregation.as_str(), self.path),
            None => self.path.fmt(f),
        }
    }
}

impl Operand {
    pub(super) fn print(&self, parts: &[JsonPart], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => {
                // In exponent notation for very large and very small numbers.
                let text = format!("{number:?}");
                f.write_str(text.strip_suffix(".0").unwrap_or(&text))
            }
            Self::Part(part) => parts.get(*part).map_or(Ok(()), |part| write!(f, "{part}")),
            Self::Negate(of) => {
                f.write_str("-")?;
                of.print_within(matches!(**of, Self::Binary(..)), parts, f)
            }
            Self::Binary(sign, left, right) => {
                left.print_within(left.binds() < self.binds(), parts, f)?;
                f.write_str(match sign {
                    Sign::Plus => " + ",
                    Sign::Minus => " - ",
                    Sign::Times => " * ",
                    Sign::Over => " / ",
                })?;
                // Operators of equal precedence are left-associative.
                right.print_within(right.binds() <= self.binds(), parts, f)
            }
        }
    }

    fn print_within(&self, is_enclosed: bool, parts: &[JsonPart], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !is_enclosed {
            return self.print(parts, f);
        }
        f.write_str("(")?;
        self.print(parts, f)?;
        f.write_str(")")
    }

    /// The precedence of the operator.
    fn binds(&self) -> u8 {
        match self {
            Self::Binary(Sign::Plus | Sign::Minus, ..) => 0,
            Self::Binary(Sign::Times | Sign::Over, ..) => 1,
            Self::Number(_) | Self::Part(_) | Self::Negate(_) => 2,
        }
    }
}

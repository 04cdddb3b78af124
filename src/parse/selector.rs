//! Kubernetes' label selectors.
//!
//! ```text
//! selector    = [ requirement *( "," requirement ) ]
//! requirement = key | "!" key | key ( "=" | "==" | "!=" ) [ value ] | key ( ">" | "<" ) integer
//!             | key ( "in" | "notin" ) "(" [ value ] *( "," [ value ] ) ")"
//! ```
//! Spaces are allowed between any two tokens; there are no quotes and no escapes. `in` and `notin` are operators only
//! where the grammar expects an operator.

mod lexer;
mod parser;
mod rules;

use std::fmt;

use super::escape::Escaped;
use super::sort::sort_by;

/// Limits on a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectorLimits {
    /// Length of the text in bytes.
    pub bytes: usize,
    /// The number of requirements, which are all matched against every object.
    pub requirements: usize,
}

/// A parsed selector; all its requirements must match. It prints in Kubernetes' canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Sorted by key; requirements with the same key stay in the order of the text.
    requirements: Vec<Requirement>,
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    /// Sorted, without duplicates.
    values: Vec<String>,
}

/// The condition on a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`: the label has this value.
    Equals,
    /// `==`: the same; printed as written.
    DoubleEquals,
    /// `!=`: the label is absent or has another value.
    NotEquals,
    /// `in`: the label has one of these values.
    In,
    /// `notin`: the label is absent or has none of these values.
    NotIn,
    /// The label exists.
    Exists,
    /// `!`: the label does not exist.
    DoesNotExist,
    /// `>`: the label is a larger integer.
    GreaterThan,
    /// `<`: the label is a smaller integer.
    LessThan,
}

/// Why a text is not a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectorError {
    /// Longer than this many bytes.
    TooLong(usize),
    /// More requirements than this.
    TooManyRequirements(usize),
    /// A violation of the grammar.
    Syntax {
        /// The position in bytes, from 0.
        at: usize,
        /// What the grammar expects.
        expected: &'static str,
        /// The token found; empty at the end.
        found: String,
    },
}

impl Selector {
    /// Parses `text`.
    ///
    /// # Errors
    /// If the text is not a selector; the message starts like Kubernetes' own.
    pub fn parse(text: &str, limits: &SelectorLimits) -> Result<Self, SelectorError> {
        if text.len() > limits.bytes {
            return Err(SelectorError::TooLong(limits.bytes));
        }
        let mut requirements = parser::parse(text, limits.requirements)?;
        sort_by(&mut requirements, |a, b| a.key.cmp(&b.key));
        Ok(Self { requirements })
    }

    /// A selector that matches everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Whether the selector matches everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The requirements, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether labels match; `label` returns the value of a label, or `None` if it is absent.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(label(&requirement.key)))
    }
}

impl Requirement {
    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The condition.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values for the comparison, sorted, without duplicates.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether a label with this value, or without one, satisfies the requirement.
    pub fn matches(&self, label: Option<&str>) -> bool {
        let listed = |label: &str| self.values.binary_search_by(|value| value.as_str().cmp(label)).is_ok();
        match self.operator {
            Operator::Equals | Operator::DoubleEquals | Operator::In => label.is_some_and(listed),
            Operator::NotEquals | Operator::NotIn => !label.is_some_and(listed),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => self.compared(label).is_some_and(|(label, value)| label > value),
            Operator::LessThan => self.compared(label).is_some_and(|(label, value)| label < value),
        }
    }

    /// The label and the value as integers, if both are integers.
    fn compared(&self, label: Option<&str>) -> Option<(i64, i64)> {
        Some((label?.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, operator, values } = self;
        let values = values.join(",");
        match operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unable to parse requirement: ")?;
        match self {
            Self::TooLong(max) => write!(f, "expected a selector of at most {max} bytes, found a longer one"),
            Self::TooManyRequirements(max) => write!(f, "expected at most {max} requirements, found more"),
            Self::Syntax { at, expected, found } if found.is_empty() => {
                write!(f, "expected {expected} at byte {at}, found the end")
            }
            Self::Syntax { at, expected, found } => {
                write!(f, "expected {expected} at byte {at}, found {}", Escaped::new(found))
            }
        }
    }
}

impl std::error::Error for SelectorError {}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SelectorLimits = SelectorLimits { bytes: 100, requirements: 3 };

    #[test]
    fn describes_syntax_errors() {
        for (text, message) in [
            (",", r#"expected a label key or "!" at byte 0, found ",""#),
            ("a,", r#"expected a label key or "!" at byte 2, found the end"#),
            ("!", "expected a label key at byte 1, found the end"),
            ("!a=b", r#"expected "," or the end at byte 2, found "=""#),
            ("a b", r#"expected an operator, "," or the end at byte 2, found "b""#),
            ("a=b c", r#"expected "," or the end at byte 4, found "c""#),
            ("a===b", r#"expected a label value at byte 3, found "=""#),
            ("a in x", r#"expected "(" at byte 5, found "x""#),
            ("a in (x", r#"expected "," or ")" at byte 7, found the end"#),
            ("a in (x y)", r#"expected "," or ")" at byte 8, found "y""#),
            ("a>", "expected an integer at byte 2, found the end"),
            ("a>x", r#"expected an integer at byte 2, found "x""#),
            ("a>9223372036854775808", r#"expected an integer at byte 2, found "9223372036854775808""#),
            ("_a=1", r#"expected a label key or "!" at byte 0, found "_a""#),
            ("a=\u{1b}[", r#"expected a label value at byte 2, found "\x1b[""#),
            ("a,b,c,d", "expected at most 3 requirements, found more"),
        ] {
            let error = Selector::parse(text, &LIMITS).unwrap_err().to_string();
            assert_eq!(error, format!("unable to parse requirement: {message}"), "{text}");
        }
        let long = "a".repeat(101);
        assert_eq!(Selector::parse(&long, &LIMITS), Err(SelectorError::TooLong(100)));
    }

    #[test]
    fn limits_values_by_bytes() {
        let limits = SelectorLimits { bytes: 1 << 20, requirements: 1 };
        let text = format!("a in ({})", vec!["x"; 100_000].join(","));
        assert_eq!(Selector::parse(&text, &limits).unwrap().to_string(), "a in (x)");
    }
}

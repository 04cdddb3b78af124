//! Common parts of the languages of `value` for pages without series: functions that aggregate several values, and
//! errors with a column.
//!
//! ```text
//! value = argument | op "(" argument ")"      op = "sum" | "avg" | "min" | "max" | "count" | "first" | "last"
//! ```

use std::fmt;
use std::ops::Range;

/// How several values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueAggregation {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    /// The first number.
    First,
    /// The last number.
    Last,
}

/// Why a text is not a value expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueExprError {
    /// The position in characters, from 1.
    pub column: usize,
    /// The complete message, including the column.
    pub message: String,
}

impl ValueAggregation {
    const ALL: [Self; 7] = [Self::Sum, Self::Avg, Self::Min, Self::Max, Self::Count, Self::First, Self::Last];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aggregation| aggregation.as_str().eq_ignore_ascii_case(word))
    }
}

impl ValueExprError {
    /// An error at a byte of `text`.
    pub(super) fn at(text: &str, at: usize, what: &str) -> Self {
        let column = text.char_indices().take_while(|(start, _)| *start < at).count() + 1;
        Self { column, message: format!("{what} (column {column})") }
    }

    /// An error if `text` is longer than `max` bytes.
    pub(super) fn if_longer(text: &str, max: usize) -> Result<(), Self> {
        match text.len() {
            found if found > max => {
                let message = format!("expected an expression of at most {max} bytes, found {found}");
                Err(Self { column: 1, message })
            }
            _ => Ok(()),
        }
    }
}

/// Whether a text is an argument that starts with this character, or an aggregation of such an argument.
pub(super) fn starts_with(text: &str, first: char) -> bool {
    text.trim_start().starts_with(first) || aggregated(text, first).is_some()
}

/// The aggregation of a text, and the range of its argument, including spaces. Messages call the argument `what`.
pub(super) fn argument(
    text: &str,
    first: char,
    what: &str,
) -> Result<(Option<ValueAggregation>, Range<usize>), ValueExprError> {
    let Some((aggregation, start)) = aggregated(text, first) else { return Ok((None, 0..text.len())) };
    let closed = text.trim_end().strip_suffix(')').map(str::len).filter(|end| *end >= start);
    let missing = || ValueExprError::at(text, text.len(), &format!("expected \")\" after the {what}, found the end"));
    Ok((Some(aggregation), start..closed.ok_or_else(missing)?))
}

/// The aggregation at the start of a text, and the start of its argument.
fn aggregated(text: &str, first: char) -> Option<(ValueAggregation, usize)> {
    let (word, rest) = text.split_once('(')?;
    let aggregation = ValueAggregation::from_word(word.trim())?;
    rest.trim_start().starts_with(first).then_some((aggregation, text.len() - rest.len()))
}

impl fmt::Display for ValueExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ValueExprError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_argument() {
        for (text, found) in [
            ("$.a", Ok((None, "$.a"))),
            (" sum ( $.a ) ", Ok((Some(ValueAggregation::Sum), " $.a "))),
            ("COUNT($.a)", Ok((Some(ValueAggregation::Count), "$.a"))),
            // Whatever follows is left to the argument's parser.
            ("sum(/a/)", Ok((None, "sum(/a/)"))),
            ("rate($.a)", Ok((None, "rate($.a)"))),
            ("sum($.ä", Err("expected \")\" after the path, found the end (column 8)")),
        ] {
            let result = argument(text, '$', "path").map(|(aggregation, at)| (aggregation, &text[at]));
            assert_eq!(
                result.as_ref().map_err(|error| error.message.as_str()),
                found.as_ref().map_err(|it| *it),
                "{text}"
            );
        }
    }
}

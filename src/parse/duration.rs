//! Durations as Prometheus and Go write them: `90s`, `1m30s`, `500ms`.
//!
//! ```text
//! duration = "0" | [ digits "y" ] [ digits "w" ] [ digits "d" ] [ digits "h" ] [ digits "m" ] [ digits "s" ]
//!            [ digits "ms" ]     at least one
//! ```
//! A year has 365 days.

use std::fmt;
use std::time::Duration;

use super::escape::Escaped;

/// Units from the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError {
    message: String,
}

/// Whole milliseconds, clamped to `i64::MAX`.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Parses a duration.
///
/// # Errors
/// If a unit is missing, unknown, repeated or out of order, if a number is not whole, or if the sum exceeds 2^64 ms.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let fail = |what: &str| DurationError { message: format!("duration {}: {what}", Escaped::new(text)) };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(fail("expected a number and a unit such as 90s or 1m30s"));
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if number.is_empty() {
            return Err(fail("expected a whole number before each unit"));
        }
        if after.starts_with('.') || after.starts_with(',') {
            return Err(fail("expected a whole number before each unit, such as 1500ms for 1.5s"));
        }
        if unit.is_empty() {
            return Err(fail("expected a unit after each number: ms, s, m, h, d, w or y"));
        }
        if !UNITS.iter().any(|(known, _)| *known == unit) {
            return Err(fail("expected the units ms, s, m, h, d, w or y"));
        }
        // The iterator has already passed the larger units.
        let Some((_, millis)) = units.find(|(known, _)| *known == unit) else {
            return Err(fail("expected each unit once, the largest first"));
        };
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*millis))
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| fail("expected less than 2^64 milliseconds"))?;
        rest = after;
    }
    Ok(Duration::from_millis(total))
}

/// The shortest text that [`parse`] converts back to the same duration, rounded down to a millisecond.
pub fn format(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, size) in UNITS {
        let number = millis / size;
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
        }
        millis %= size;
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DurationError {}
